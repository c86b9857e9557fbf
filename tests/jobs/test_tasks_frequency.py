"""Counts over the register, against looking at everybody."""

from __future__ import annotations

import collections

import numpy as np

from jobs.store import read_arrays
from jobs.tasks_frequency import identifiers_of, read_holders, terms_at
from jobs.workspace import Workspace


def whole(kept: Workspace, column: str) -> np.ndarray:
    return np.asarray(kept.coded.arrays[column])


def side(kept: Workspace, name: str) -> np.ndarray:
    return np.concatenate(
        [read_arrays(kept.range_file("side", start))[name] for start, _ in kept.ranges(register=False)]
    )


def test_held__says_which_numbers_some_register_person_holds_or_held(kept: Workspace) -> None:
    first = kept.layout["n_register"]
    assert "personal_number" in identifiers_of(kept)
    for column in identifiers_of(kept):
        codes = whole(kept, column)
        numbers = set(codes[:first].tolist())
        if f"{column}.alias" in kept.coded.arrays:
            numbers |= set(whole(kept, f"{column}.alias")[:first].ravel().tolist())
        held = whole(kept, f"{column}.held")
        assert held[first:].tolist() == [int(c != 0 and c in numbers) for c in codes[first:].tolist()]
        assert not held[:first].any()


def test_holders__are_everybody_with_a_number_now_or_before_in_its_order(kept: Workspace) -> None:
    first = kept.layout["n_register"]
    now, before = whole(kept, "personal_number")[:first], whole(kept, "personal_number.alias")[:first]
    wanted = sorted(
        (int(code), row) for row in range(first) for code in (now[row], *before[row].tolist()) if code
    )
    holders = read_holders(kept, "personal_number")
    assert list(zip(holders.codes.tolist(), holders.rows.tolist(), strict=True)) == wanted


def test_repeats__count_a_number_within_its_source(kept: Workspace) -> None:
    first = kept.layout["n_register"]
    source = np.asarray(kept.coded.source)[first:].tolist()
    mine = list(zip(source, whole(kept, "personal_number")[first:].tolist(), strict=True))
    counted = collections.Counter(mine)
    repeats = side(kept, "personal_number.repeats").tolist()
    assert repeats == [counted[one] if one[1] else 0 for one in mine]
    assert max(repeats) > 1


def test_known__says_whether_the_register_bears_the_very_name(kept: Workspace) -> None:
    first = kept.layout["n_register"]
    names = [tuple(row) for row in whole(kept, "full_name").tolist()]
    borne = {n for n in names[:first] if any(n)}
    known = whole(kept, "full_name.known")
    assert known[first:].tolist() == [int(n in borne) for n in names[first:]]
    assert known[:first].all()
    assert 0 < known[first:].sum() < known.shape[0] - first


def test_terms_at__are_the_columns_of_the_register(kept: Workspace) -> None:
    first = kept.layout["n_register"]
    rows = np.arange(0, first, 3)
    found = terms_at(kept, rows)
    assert np.array_equal(found, whole(kept, "frequency")[rows])
    agency = terms_at(kept, np.arange(first, kept.layout["rows"]))
    # A name that nobody of the register bears is as rare as can be.
    unknown = (whole(kept, "full_name.known")[first:] == 0) & (whole(kept, "full_name")[first:, 0] != 0)
    assert (agency[unknown, 0] >= np.unique(found[:, 0])[-2]).all()


def test_probe__finds_every_number_one_slip_away_and_no_held_one(kept: Workspace) -> None:
    first = kept.layout["n_register"]
    index = next(i for i, r in enumerate(kept.rules) if r.near)
    found = set()
    for path in sorted((kept.work / "probe").glob(f"{index:02d}-*.arrays")):
        pairs = read_arrays(path)
        found |= set(zip(pairs["left"].tolist(), pairs["right"].tolist(), strict=True))
    assert found
    numbers, held = whole(kept, "personal_number"), whole(kept, "personal_number.held")
    register = [(row, f"{int(code) & (2**56 - 1):012d}") for row, code in enumerate(numbers[:first]) if code]
    for row in range(first, kept.layout["rows"]):
        if held[row] or int(numbers[row]) >> 56 != 12:
            assert not held[row] or not [pair for pair in found if pair[0] == row]
            continue
        text = f"{int(numbers[row]) & (2**56 - 1):012d}"
        one_digit = {
            (row, other)
            for other, have in register
            if sum(a != b for a, b in zip(text, have, strict=True)) == 1
        }
        assert one_digit <= found
