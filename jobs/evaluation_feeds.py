"""Feeds and register cases of a run against the truth: files to figures, figures to text."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from jobs.evaluation_sample import Sample
from jobs.gates import feeds_path
from linkage.evaluate_feeds import FeedEvidence, evaluate_feeds

_CORRECTION = ["record_id", "field", "kind", "action", "held_standard", "proposed_standard"]
_CASE = ["kind", "person_id", "other_person_id", "field", "agency_value"]


def judge_feeds(
    run: Path,
    record: Mapping[str, Any],
    truth: Path,
    judged: pl.DataFrame,
    register: str,
    sample: Sample,
) -> dict[str, Any] | None:
    """Figures of :func:`linkage.evaluate_feeds.evaluate_feeds`; None where the run or the truth lacks the
    files.

    record : the run's ``run.json``;  judged : of :func:`linkage.evaluate.judge`
    sample : whose records count
    """
    cases, errors = run / "register_cases.parquet", truth / "errors.parquet"
    policies = record.get("policies")
    if not cases.exists() or not errors.exists() or not policies:
        return None
    feeds = feeds_path(run)
    corrections = [
        sample.read(
            feeds / source / "corrections.parquet", _CORRECTION, ("", "record_id"), source=source
        ).with_columns(source=pl.lit(source))
        for source in sorted(policies)
    ]
    linked = pl.col("decision") == "link"
    evidence = FeedEvidence(
        corrections=pl.concat(corrections),
        cases=sample.read(cases, _CASE, ("", "person_id"), source=register),
        judged=judged.select(
            "source",
            "record_id",
            "person_id",
            linked=linked.fill_null(value=False),
            right=pl.col("right") & linked.fill_null(value=False),
        ),
        truth=sample.truth,
        errors=sample.read(errors, ["source", "record_id", "field", "error", "held", "true_value"]),
        corrected={source: list(policy["corrected"]) for source, policy in policies.items()},
        held={source: list(policy["held"]) for source, policy in policies.items()},
        register=register,
    )
    return evaluate_feeds(evidence)
