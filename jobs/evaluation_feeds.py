"""Feeds and register cases of a run against the truth: files to figures, figures to text."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import polars as pl

from jobs.gates import feeds_path
from jobs.store import read_parquet
from linkage.evaluate_feeds import FeedEvidence, evaluate_feeds

_CORRECTION = ["record_id", "field", "kind", "action", "held_standard", "proposed_standard"]
_CASE = ["kind", "person_id", "other_person_id", "field", "agency_value"]


def _frame(path: Path, columns: list[str]) -> pl.DataFrame:
    return cast("pl.DataFrame", pl.from_arrow(read_parquet(path, columns))).with_columns(
        pl.col(c).cast(pl.String) for c in columns
    )


def judge_feeds(
    run: Path, record: Mapping[str, Any], truth: Path, judged: pl.DataFrame, register: str
) -> dict[str, Any] | None:
    """Figures of :func:`linkage.evaluate_feeds.evaluate_feeds`; None where the run or the truth lacks the
    files.

    record : the run's ``run.json``;  judged : of :func:`linkage.evaluate.judge`
    """
    cases, errors = run / "register_cases.parquet", truth / "errors.parquet"
    policies = record.get("policies")
    if not cases.exists() or not errors.exists() or not policies:
        return None
    feeds = feeds_path(run)
    corrections = [
        _frame(feeds / source / "corrections.parquet", _CORRECTION).with_columns(source=pl.lit(source))
        for source in sorted(policies)
    ]
    linked = pl.col("decision") == "link"
    evidence = FeedEvidence(
        corrections=pl.concat(corrections),
        cases=_frame(cases, _CASE),
        judged=judged.select(
            "source",
            "record_id",
            "person_id",
            linked=linked.fill_null(value=False),
            right=pl.col("right") & linked.fill_null(value=False),
        ),
        truth=_frame(truth / "entities.parquet", ["source", "record_id", "true_person_id"]),
        errors=_frame(errors, ["source", "record_id", "field", "error", "held", "true_value"]),
        corrected={source: list(policy["corrected"]) for source, policy in policies.items()},
        held={source: list(policy["held"]) for source, policy in policies.items()},
        register=register,
    )
    return evaluate_feeds(evidence)
