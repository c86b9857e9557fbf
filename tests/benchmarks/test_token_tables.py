"""Counting what comparisons of names see."""

from __future__ import annotations

import numpy as np

from benchmarks.token_tables import SIZES, Tally, report, watched
from kernels.examples import EXAMPLES
from kernels.tokens import EXACT, NULL, UNACCENTED, name_bits
from linkage import compare

PAIRS = 500


def arguments_of(name: str, case: str = "") -> tuple:
    example = next(e for e in EXAMPLES if e.kernel.__name__ == name and e.case == case)
    return example.make(PAIRS)


def test_watched__counts_pairs_and_gives_the_kernels_back() -> None:
    tally = Tally()
    before = compare.name_bits
    given = arguments_of("name_bits")
    with watched(tally):
        compare.name_bits(*given)
        compare.may_be_near(*arguments_of("may_be_near"))
        compare.name_osa_pairs(*arguments_of("name_osa_pairs", "cutoff 2"))
    assert compare.name_bits is before is name_bits
    bits = given[-1].tolist()
    counts = tally.counts
    assert counts["pairs"] == counts["spelt"] == PAIRS
    assert counts["empty"] == sum(b & NULL != 0 for b in bits)
    assert counts["equal"] == sum(b & EXACT != 0 for b in bits)
    assert counts["settled"] == sum(b & UNACCENTED != 0 and b & EXACT == 0 for b in bits)
    assert counts["asked"] == sum(b & (UNACCENTED | NULL) == 0 for b in bits)
    left, right = given[0].tolist(), given[1].tolist()
    places = [(x, y) for a, b in zip(left, right, strict=True) for x, y in zip(a, b, strict=True) if x and y]
    assert counts["places"] == len(places)
    assert counts["same"] == sum(x == y for x, y in places)
    assert counts[f"among {SIZES[0]}"] == sum(max(pair) <= SIZES[0] for pair in places)
    assert 0 < counts["same"] < counts["places"]


def test_report__has_shares_that_add_up() -> None:
    tally = Tally()
    seen = {"pairs": 10, "empty": 1, "equal": 3, "settled": 2, "asked": 4, "near": 1, "spelt": 1, "masked": 5}
    tally.add("name_bits", 1e-6, seen | {"places": 4, "same": 3, "among 1024": 4})
    text = report(tally, 1_000)
    shares = [float(line.split("|")[2]) for line in text.split("\n\n")[1].splitlines()[2:]]
    assert np.isclose(sum(shares), 1.0)
    assert "| compared by token ids | 10 | 100.0 | 100.0 |" in text
    assert "| both among the 1,024 commonest | 1.0000 |" in text
