"""Which way of training finds the true m and u: pooled, by owning rule, or rule by rule.

    python -m benchmarks.experiments.training nation --out runs

Reconciles the nation (unless it is there), counts the levels of the candidate pairs in three ways, and
compares what expectation maximisation makes of each with the truth:

    owned      one EM over all candidate pairs, each counted once, under the first rule that owns it
    blocks     one EM over the pairs of all rules' blocks, a pair counted once a rule
    per rule   what the product does: EM in the blocks of several rules, without the parts that a rule's own
               columns decide, pooled over rules

The first two are made twice: with u held at its value from random pairs and counts (``u fixed``), and with u
estimated beside m (``u free``). The true m is that of all true pairs, found or not; the true u that of ten
million random pairs without the true ones, of identifiers that of the pairs that share them. Errors are
|log2(estimate / truth)| of the levels that at least 50 pairs show.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl

from jobs.run import run_project
from jobs.tasks_block import read_blocks
from jobs.workspace import Workspace
from linkage.frequency import ValueCounts
from linkage.match import AGENCY_REGISTER, count_block_patterns, count_pairs
from linkage.model import Model, groups_of
from linkage.scored import Counted
from linkage.train import expectation_maximisation

SEEN = 50
RANDOM_PAIRS = 10_000_000
METHODS = ("owned, u fixed", "owned, u free", "blocks, u fixed", "blocks, u free", "per rule")


def workspace(nation: Path, out: Path, threads: int) -> tuple[Path, Workspace]:
    """The nation's run with its work kept."""
    folder = out / f"{nation.name}-full"
    if not (folder / "work" / "layout.json").exists():
        run_project(nation / "project.toml", folder, threads=threads, keep_work=True)
    return folder, Workspace.open(str(folder / "work"))


def persons(space: Workspace, truth: Path) -> np.ndarray:
    """Number of the true person of every row: int64[rows]."""
    known = pl.read_parquet(truth / "entities.parquet").with_columns(
        pl.col("source", "record_id", "true_person_id").cast(pl.String)
    )
    known = known.with_columns(person=pl.col("true_person_id").rank("dense").cast(pl.Int64))
    out = []
    for source, _, start, count in space.layout["parts"]:
        rows = pl.DataFrame({"record_id": space.ids[start : start + count]})
        own = known.filter(pl.col("source") == space.sources[source].name)
        joined = rows.join(own, on="record_id", how="left", maintain_order="left")
        out.append(joined["person"].fill_null(-1).to_numpy())
    return np.concatenate(out)


def true_pairs(person: np.ndarray, first: int) -> tuple[np.ndarray, np.ndarray]:
    """Agency and register rows of one person: int64[n] each."""
    register = pl.DataFrame({"person": person[:first], "right": np.arange(first)})
    agency = pl.DataFrame({"person": person[first:], "left": np.arange(first, person.shape[0])})
    both = agency.join(register, on="person", how="inner", maintain_order="left_right")
    return both["left"].to_numpy(), both["right"].to_numpy()


def histogram(space: Workspace, counted: Counted) -> list[np.ndarray]:
    """Pairs by level of every part."""
    levels = space.programme.levels_of(counted.patterns)
    return [
        np.bincount(levels[:, i], weights=counted.counts, minlength=len(part.levels))
        for i, part in enumerate(space.programme.parts)
    ]


def shares(counts: np.ndarray) -> np.ndarray:
    """Shares of the levels that are not null."""
    out = counts.astype(np.float64).copy()
    out[0] = 0.0
    return out / max(out.sum(), 1.0)


def random_strangers(space: Workspace, person: np.ndarray, columns: Sequence[str]) -> Counted:
    """Patterns of random pairs of an agency record and the register that are not one person's."""
    first = space.layout["n_register"]
    rng = np.random.default_rng(1)
    counted = []
    for _ in range(20):
        left = rng.integers(first, person.shape[0], RANDOM_PAIRS // 20)
        right = rng.integers(0, first, RANDOM_PAIRS // 20)
        other = person[left] != person[right]
        counted.append(
            count_pairs(
                space.coded, space.meaning, space.programme, left[other], right[other], tuple(columns)
            )
        )
    return Counted.total_of(counted)


def block_pairs(space: Workspace, columns: Sequence[str], *, owned: bool) -> Counted:
    """Patterns of all agency-register pairs of all rules."""
    counted = [
        count_block_patterns(
            space.coded,
            space.meaning,
            space.programme,
            space.blocking,
            rule,
            read_blocks(space, rule, partition),
            tuple(columns),
            AGENCY_REGISTER,
            owned=owned,
        )
        for rule in space.blocking.owners()
        for partition in range(1 << space.layout["bits"])
    ]
    return Counted.total_of(counted)


def shared_by_strangers(space: Workspace, person: np.ndarray, column: str) -> float:
    """Chance that an agency record and another person's register record hold the same value of a column."""
    first = space.layout["n_register"]
    values = np.asarray(space.coded.arrays[column]).astype(np.uint64)
    left, right = ValueCounts.of(values[first:]), ValueCounts.of(values[:first])
    agree = float((left.counts * right.look_up(left.keys)).sum())
    own_left, own_right = true_pairs(person, first)
    own = values[own_left]
    agree -= float(((own == values[own_right]) & (own != 0)).sum())
    return agree / float((values[first:] != 0).sum()) / float((values[:first] != 0).sum())


def errors(
    estimate: np.ndarray, truth: np.ndarray, seen: np.ndarray, without: Sequence[int] = ()
) -> np.ndarray:
    """|log2(estimate / truth)| of the levels seen often enough."""
    chosen = [i for i in range(1, truth.shape[0]) if seen[i] >= SEEN and i not in without]
    return np.abs(np.log2(np.maximum(estimate[chosen], 1e-12) / truth[chosen]))


def main() -> None:
    """Fit, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("nation", type=Path, help="folder that 'linkage generate' made")
    parser.add_argument("--out", type=Path, required=True, help="folder of the runs")
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    folder, space = workspace(given.nation, given.out, given.threads)
    columns = tuple(c for c in space.gathered if c not in ("frequency", "repeats"))
    parts = space.programme.parts
    number, _ = groups_of(parts)
    grouped = [i for i, level in enumerate(parts[number].levels) if level.group]
    person = persons(space, given.nation / "truth")
    left, right = true_pairs(person, space.layout["n_register"])
    matches = histogram(space, count_pairs(space.coded, space.meaning, space.programme, left, right, columns))
    strangers = histogram(space, random_strangers(space, person, columns))
    true_m, true_u = [shares(c) for c in matches], [shares(c) for c in strangers]
    near_unique = {}
    for i, part in enumerate(parts):
        if part.columns == ("phone",):
            true_u[i][1] = shared_by_strangers(space, person, "phone")
            strangers[i][1] = max(strangers[i][1], SEEN)
            near_unique[part.name] = float(true_u[i][1])

    model = Model.from_json((folder / "model.json").read_bytes())
    u = [np.array([level.u for level in part.levels]) for part in model.parts]
    m = {"per rule": [np.array([level.m for level in part.levels]) for part in model.parts]}
    found_u = {"per rule": u}
    facts: dict[str, dict[str, float]] = {}
    start = [np.array([0.0, 0.9] + [0.1 / (len(p.levels) - 2)] * (len(p.levels) - 2)) for p in parts]
    everything = list(range(len(parts)))
    for name, owned in (("owned", True), ("blocks", False)):
        counted = block_pairs(space, columns, owned=owned)
        levels = space.programme.levels_of(counted.patterns)
        for free in (False, True):
            began = u
            if free:
                even = [np.array([0.0] + [1.0 / (len(p.levels) - 1)] * (len(p.levels) - 1)) for p in parts]
                began = [0.9 * shares(a) + 0.1 * b for a, b in zip(u, even, strict=True)]
            fitted = expectation_maximisation(
                levels,
                counted.counts,
                start,
                began,
                on=everything,
                share=0.3,
                learn_u=free,
                iterations=500,
            )
            method = f"{name}, u {'free' if free else 'fixed'}"
            m[method], found_u[method] = [shares(v) for v in fitted.m], fitted.u
            facts[method] = {
                "pairs": float(counted.counts.sum()),
                "matched": float(fitted.share * counted.counts.sum()),
                "iterations": fitted.iterations,
                "converged": fitted.converged,
            }
    result = {"nation": given.nation.name, "true_pairs": int(left.shape[0]), "fits": facts, "levels": []}
    for i, part in enumerate(parts):
        for place, level in enumerate(part.levels):
            if place:
                result["levels"].append(
                    {
                        "level": f"{part.name}.{level.name}",
                        "matches": float(matches[i][place]),
                        "strangers": float(strangers[i][place]),
                        "true_m": float(true_m[i][place]),
                        "true_u": float(true_u[i][place]),
                        **{f"m {k}": float(v[i][place]) for k, v in m.items()},
                        **{f"u {k}": float(v[i][place]) for k, v in found_u.items()},
                    }
                )
    (given.out / f"{given.nation.name}-training.json").write_text(json.dumps(result, indent=1))

    print(f"\n{given.nation.name}: {left.shape[0]:,} true pairs\n")
    for method, fact in facts.items():
        print(
            f"{method}: {fact['pairs']:,.0f} pairs, {fact['matched']:,.0f} taken for matches, "
            f"{fact['iterations']} iterations{'' if fact['converged'] else ', not converged'}"
        )
    print("per rule: " + ", ".join(f"{t.rule} {t.pairs:,} pairs" for t in model.training))
    for what, estimates, truths, seen in (("m", m, true_m, matches), ("u", found_u, true_u, strangers)):
        print(f"\n{what}: largest / mean |log2(estimate / truth)| over the levels of a part\n")
        print("| part | " + " | ".join(METHODS) + " |\n" + "|---" * (len(METHODS) + 1) + "|")
        whole: dict[str, list[np.ndarray]] = {method: [] for method in METHODS}
        for i, part in enumerate(parts):
            cells = []
            for method in METHODS:
                without = grouped if what == "u" and i == number else ()
                own = errors(estimates[method][i], truths[i], seen[i], without)
                whole[method].append(own)
                cells.append(f"{own.max():.2f} / {own.mean():.2f}" if own.size else "-")
            print(f"| {part.name} | " + " | ".join(cells) + " |")
        joined = [np.concatenate(whole[method]) for method in METHODS]
        print("| all | " + " | ".join(f"{a.max():.2f} / {a.mean():.2f}" for a in joined) + " |")
    print(f"\nnear-unique, counted over all pairs: {near_unique}")


if __name__ == "__main__":
    main()
