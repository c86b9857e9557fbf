"""How candidate pairs grow with the population, with and without refinement. Counts only, no comparison.

    python -m benchmarks.experiments.growth --people 1000000 10000000 100000000

Draws a register and 1.22 agency records a person, one birth year at a time (a block never spans two years, as
every rule here holds the year), with names that coincide as in a nation: given name 0.0096 within a sex,
surname 0.125, full name 0.0002; one day in a hundred is the 1st of January. Of the agency records 15 % have
another province than the register, 0.3 % another sex, 1 % another month, surname or middle name. Plans the
blocks of

    given_birth  given name and birth date, refined by sex, surname, province, middle name
    name_year    full name and birth year, refined by sex, province, birth month

as the product does, and tells for each: pairs an agency record without refinement, with it, and where
a hot block is dropped instead; the true pairs that refinement parts, that are given up, and that no rule
keeps; bytes on disk. Memory is that of one birth year.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np

from linkage.block import plan_blocks
from linkage.coded import Coded, Meaning
from linkage.rules import KeyPart, Rule, base_keys, refine_keys

YEARS = range(1945, 2025)
CANDIDATES = 50
NO_LIMIT = 1 << 30
SECRET = 20261120
COLUMNS = ("given", "surname", "middle", "full", "date", "year", "month", "sex", "province")
CHANGED = {"province": 0.15, "sex": 0.003, "month": 0.01, "surname": 0.01, "middle": 0.01}
RULES = (
    ("given_birth", ("given", "date"), ("sex", "surname", "province", "middle")),
    ("name_year", ("full", "year"), ("sex", "province", "month")),
)


def rule_of(name: str, on: tuple[str, ...], refine: tuple[str, ...]) -> Rule:
    """A rule over columns that are plain codes."""
    return Rule(name, tuple(KeyPart(c, "") for c in on), tuple(KeyPart(c, "") for c in refine))


def frequencies(values: int, coincidence: float) -> np.ndarray:
    """Shares of values by Zipf's law with the exponent that makes two draws coincide this often."""
    low, high = 0.0, 4.0
    ranks = np.arange(1, values + 1, dtype=np.float64)
    for _ in range(60):
        exponent = (low + high) / 2
        shares = ranks**-exponent
        shares /= shares.sum()
        low, high = (exponent, high) if (shares**2).sum() < coincidence else (low, exponent)
    return shares


GIVEN = np.cumsum(frequencies(2000, 0.0096))
SURNAME = np.cumsum(frequencies(200, 0.125))
MIDDLE = np.cumsum(frequencies(400, 0.167))
PROVINCE = np.cumsum(frequencies(34, 0.045))


def draw(rng: np.random.Generator, cumulative: np.ndarray, n: int) -> np.ndarray:
    """Codes from 1."""
    found = np.searchsorted(cumulative, rng.random(n), side="right") + 1
    return np.minimum(found, cumulative.shape[0]).astype(np.int64)


def one_year(year: int, people: int) -> tuple[dict[str, np.ndarray], int, np.ndarray]:
    """A year's columns, the register's records first; how many these are; every agency record's person."""
    rng = np.random.default_rng([SECRET, year, people])
    n = people // len(YEARS)
    sex = rng.integers(1, 3, n)
    given, surname, middle = (
        draw(rng, GIVEN, n) + 2000 * (sex - 1),
        draw(rng, SURNAME, n),
        draw(rng, MIDDLE, n),
    )
    month, day = rng.integers(1, 13, n), rng.integers(1, 29, n)
    heaped = rng.random(n) < 0.01
    month[heaped], day[heaped] = 1, 1
    person = rng.integers(0, n, int(n * 1.22))
    register = {
        "given": given,
        "surname": surname,
        "middle": middle,
        "month": month,
        "sex": sex,
        "province": draw(rng, PROVINCE, n),
    }
    columns = {}
    others = {"surname": SURNAME, "middle": MIDDLE, "province": PROVINCE}
    for name, values in register.items():
        own = values[person]
        changed = rng.random(own.shape[0]) < CHANGED.get(name, 0.0)
        k = int(changed.sum())
        if name == "sex":
            own[changed] = 3 - own[changed]
        elif name == "month":
            own[changed] = rng.integers(1, 13, k)
        elif name in others:
            own[changed] = draw(rng, others[name], k)
        columns[name] = np.concatenate([values, own])
    columns["year"] = np.full(columns["sex"].shape[0], year, np.int64)
    days = np.concatenate([day, day[person]])
    columns["date"] = year * 512 + columns["month"] * 32 + days
    columns["full"] = (columns["surname"] * 1000 + columns["middle"]) * 10_000 + columns["given"]
    return columns, n, person


def measure(people: int) -> dict[str, Any]:
    """Totals over all years."""
    kinds = dict.fromkeys(COLUMNS, "identifier")
    meaning = Meaning(kinds, None, None)  # type: ignore[arg-type] - codes need neither names nor units
    total: dict[str, dict[str, int]] = {name: {} for name, _, _ in RULES}
    whole = {"records": 0, "true": 0, "kept_by_some_rule": 0, "keyed_by_some_rule": 0}
    for year in YEARS:
        columns, n_register, person = one_year(year, people)
        n = columns["sex"].shape[0]
        coded = Coded(columns, np.zeros(n, np.uint8), np.zeros(n, np.uint64), n_register)
        rows = np.arange(n, dtype=np.uint32)
        agency = np.arange(n_register, n)
        some_key, some_kept = np.zeros(agency.shape[0], bool), np.zeros(agency.shape[0], bool)
        for name, on, refine in RULES:
            rule = rule_of(name, on, refine)
            keys = base_keys(coded, meaning, rule, SECRET)
            flat = np.ascontiguousarray(keys[:, 0])
            out = total[name]

            def add(key: str, value: float, out: dict[str, int] = out) -> None:
                out[key] = out.get(key, 0) + int(value)

            bare = rule_of(name, on, ())
            add(
                "pairs_all",
                plan_blocks(flat, rows, coded.take, meaning, bare, n_register, NO_LIMIT).counts["pairs"],
            )
            add(
                "pairs_dropped",
                plan_blocks(flat, rows, coded.take, meaning, bare, n_register, CANDIDATES).counts["pairs"],
            )
            blocks = plan_blocks(flat, rows, coded.take, meaning, rule, n_register, CANDIDATES)
            add("pairs", blocks.counts["pairs"])
            out["largest"] = max(out.get("largest", 0), blocks.counts["largest"])
            add("hot_keys", blocks.hot.shape[0])
            held = (blocks.members, blocks.starts, blocks.n_register, blocks.keys, blocks.hot)
            add("bytes", sum(a.nbytes for a in held) + flat.nbytes)
            shared = flat[agency] == flat[person]
            after = refine_keys(coded, meaning, rule, keys, blocks.hot)[:, 0]
            kept = shared & (after[agency] == after[person]) & (after[agency] != 0)
            cold = shared & ~np.isin(flat[agency], blocks.hot)
            add("shared", shared.sum())
            add("kept", kept.sum())
            add("given_up", (shared & (after[agency] == 0) & (after[person] == 0)).sum())
            add("kept_if_dropped", cold.sum())
            some_key |= shared
            some_kept |= kept
        whole["records"] += n
        whole["true"] += agency.shape[0]
        whole["keyed_by_some_rule"] += int(some_key.sum())
        whole["kept_by_some_rule"] += int(some_kept.sum())
    return {"people": people, **whole, "rules": total}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--people", type=int, nargs="+", default=[1_000_000, 10_000_000])
    parser.add_argument("--json", type=Path, help="file for all figures")
    given = parser.parse_args()
    print(
        "| people | rule | pairs a record, no refinement | refined | hot blocks dropped | largest block "
        "| true pairs parted | given up | lost if dropped | bytes a record |\n" + "|---" * 10 + "|"
    )
    found = []
    for people in given.people:
        began = time.monotonic()
        one = measure(people)
        found.append(one | {"seconds": round(time.monotonic() - began, 1)})
        for name, r in one["rules"].items():
            parted = r["shared"] - r["kept"] - r["given_up"]
            cells = [
                f"{people:,}",
                name,
                f"{r['pairs_all'] / one['true']:,.2f}",
                f"{r['pairs'] / one['true']:,.2f}",
                f"{r['pairs_dropped'] / one['true']:,.2f}",
                f"{r['largest']:,}",
                f"{100 * parted / one['true']:.3f} %",
                f"{100 * r['given_up'] / one['true']:.3f} %",
                f"{100 * (r['shared'] - r['kept_if_dropped']) / one['true']:.3f} %",
                f"{r['bytes'] / one['records']:.1f}",
            ]
            print("| " + " | ".join(cells) + " |", flush=True)
        lost = one["keyed_by_some_rule"] - one["kept_by_some_rule"]
        print(f"| {people:,} | lost by both | | | | | {100 * lost / one['true']:.3f} % | | | |", flush=True)
    if given.json:
        given.json.write_text(json.dumps(found, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
