"""What treating correlated fields is worth: three models of the same pairs, with the record's posterior.

    python -m benchmarks.experiments.decision nation --out runs

Reconciles ``nation/project.toml`` once, with training, and twice more with that model altered:

    full         as trained
    grouped      without the corrections learned from the register's own pairs
    independent  without them, and with number, sex, birth and the rest as independent evidence: between two
                 who share an identifier, agreement of other fields counts what it does between strangers

and tells for each what it expected of its links and of its most probable candidates, and what is true.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import msgspec
import polars as pl

from jobs.evaluation import evaluate_run
from jobs.run import run_project
from linkage.model import Model, identify
from linkage.posterior import false_links_interval

VARIANTS = ("independent", "grouped", "full")
DEMANDED = 0.9999
COLUMNS = ("links", "false", "expected", "99 % interval", "holds", "precision", "recall", "review, conflict")


def altered(model: Model, variant: str) -> Model:
    """The model as a variant has it."""
    if variant == "full":
        return model
    if variant == "independent":
        parts = [
            msgspec.structs.replace(
                part, levels=[msgspec.structs.replace(level, chance={}) for level in part.levels]
            )
            for part in model.parts
        ]
        model = msgspec.structs.replace(model, parts=parts)
    return identify(msgspec.structs.replace(model, corrections=[]))


def reconcile(nation: Path, out: Path, variant: str, threads: int) -> Path:
    """The run folder of a variant, made unless it is there."""
    folder = out / f"{nation.name}-{variant}"
    if not (folder / "run.json").exists():
        model = None
        if variant != "full":
            trained = reconcile(nation, out, "full", threads)
            model = out / f"{nation.name}-{variant}.json"
            own = Model.from_json((trained / "model.json").read_bytes())
            model.write_bytes(altered(own, variant).to_json())
        run_project(nation / "project.toml", folder, threads=threads, model=model)
    return folder


def candidates(run: Path, truth: Path) -> pl.DataFrame:
    """Every record with a named person, most probable first: ``probability``, and ``right``."""
    known = pl.read_parquet(truth / "entities.parquet").with_columns(
        pl.col("source", "record_id", "true_person_id").cast(pl.String)
    )
    named = (
        pl.read_parquet(
            run / "decisions.parquet", columns=["source", "record_id", "person_id", "probability"]
        )
        .with_columns(pl.col("source", "record_id", "person_id").cast(pl.String))
        .drop_nulls("person_id")
    )
    persons = known.filter(pl.col("source") == "register").select(
        person_id="record_id", named_person="true_person_id"
    )
    return (
        named.join(known, on=["source", "record_id"])
        .join(persons, on="person_id")
        .select(
            "source",
            "record_id",
            "probability",
            right=pl.col("named_person") == pl.col("true_person_id"),
        )
        .sort("probability", "source", "record_id", descending=[True, False, False])
    )


def largest_set(found: pl.DataFrame, demanded: float) -> tuple[int, float, int]:
    """Of the largest set whose mean probability is at least ``demanded``: size, expected false, false."""
    wrong = (1.0 - found["probability"]).cum_sum()
    good = (wrong <= (1.0 - demanded) * pl.Series(range(1, found.height + 1))).arg_true()
    size = int(good[-1]) + 1 if len(good) else 0
    return size, float(wrong[size - 1]) if size else 0.0, int((~found["right"].head(size)).sum())


def measure(nation: Path, out: Path, variant: str, threads: int) -> dict[str, Any]:
    """The figures of one variant."""
    run = reconcile(nation, out, variant, threads)
    figures = evaluate_run(run, nation / "truth")
    all_links = figures["calibration"]["all"]
    size, expected, false = largest_set(candidates(run, nation / "truth"), DEMANDED)
    low, high = false_links_interval(expected)
    return {
        "nation": nation.name,
        "variant": variant,
        "links": {
            "links": all_links["links"],
            "false": all_links["false_links"],
            **all_links["stated"],
            "precision": all_links["true_precision"]["value"],
            "recall": figures["overall"]["link"]["recall"]["value"],
            "review": figures["overall"]["review"]["value"],
        },
        "set": {
            "links": size,
            "false": false,
            "expected": expected,
            "low": low,
            "high": high,
            "precision": 1 - false / size if size else None,
        },
        "bands": [
            {
                "from": band["from"],
                "to": band["to"],
                "records": band["records"],
                "expected": band["records"] - band["expected_right"],
                "false": band["records"] - band["right"]["count"],
            }
            for band in figures["calibration"]["candidates"]
        ],
    }


def row(name: str, one: dict[str, Any]) -> str:
    holds = "yes" if one["low"] <= one["false"] <= one["high"] else "**no**"
    cells = [
        name,
        f"{one['links']:,}",
        f"{one['false']:,}",
        f"{one['expected']:,.1f}",
        f"{one['low']:,.0f} to {one['high']:,.0f}",
        holds,
        f"{one['precision']:.6f}",
        f"{one['recall']:.5f}" if "recall" in one else "",
        f"{100 * one['review']:.3f} %" if "review" in one else "",
    ]
    return "| " + " | ".join(cells) + " |"


def main() -> None:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("nations", type=Path, nargs="+", help="folders that 'linkage generate' made")
    parser.add_argument("--out", type=Path, required=True, help="folder of the runs")
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    for nation in given.nations:
        found = [measure(nation, given.out, variant, given.threads) for variant in VARIANTS]
        (given.out / f"{nation.name}-decision.json").write_text(json.dumps(found, indent=1))
        head = "| model | " + " | ".join(COLUMNS) + " |\n" + "|---" * (len(COLUMNS) + 1) + "|"
        print(f"\n{nation.name}: the links\n\n{head}")
        print("\n".join(row(one["variant"], one["links"]) for one in found))
        print(f"\n{nation.name}: the largest set with a mean probability of {DEMANDED}\n\n{head}")
        print("\n".join(row(one["variant"], one["set"]) for one in found))
        print(f"\n{nation.name}: candidates by probability, expected wrong / wrong\n")
        print("| probability | " + " | ".join(VARIANTS) + " |\n" + "|---" * (len(VARIANTS) + 1) + "|")
        for bands in zip(*(one["bands"] for one in found), strict=True):
            cells = [f"{b['expected']:,.1f} / {b['false']:,}" for b in bands]
            print(f"| {bands[0]['from']:g} to {bands[0]['to']:g} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
