"""Corrections and register cases against the truth: the right person, the right value, and what was reached.

Truth is a list of planted errors and true values, so this judges runs on generated data. A correction's value
is right when it is the true value of its field: of a field with a planted error the one that was planted
against, else the one that the record holds; of a field that is empty without an error, the register's,
unless that is an error of its own. *Reach* counts planted errors in linked records, in fields that
the agency's policy lets be corrected.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from linkage.shares import share

#: Fields of planted errors that are no field of a record.
_NO_FIELD = ("record", "row")
_RECORD = ["source", "record_id"]
#: Residence changes without notice and is only ever to be confirmed.
RESIDENCE = "commune"


@dataclass(frozen=True)
class FeedEvidence:
    """What is judged and by what.

    corrections : source, record_id, field, kind, action, held_standard, proposed_standard
    cases       : kind, person_id, other_person_id, field, agency_value
    judged      : source, record_id, person_id, linked (decided ``link``), right (linked to a row of its true
                  person)
    truth       : source, record_id, true_person_id, the register included
    errors      : source, record_id, field, error, held, true_value
    corrected   : source -> the fields that may be corrected for it
    held        : source -> the fields that its contract names
    register    : name of the register
    """

    corrections: pl.DataFrame
    cases: pl.DataFrame
    judged: pl.DataFrame
    truth: pl.DataFrame
    errors: pl.DataFrame
    corrected: Mapping[str, list[str]]
    held: Mapping[str, list[str]]
    register: str


def evaluate_feeds(evidence: FeedEvidence) -> dict[str, Any]:
    """``corrections``: by action and kind (a list), ``applied``, ``deaths``; ``reach``; ``cases``."""
    judged = _judged_corrections(evidence)
    applied = judged.filter(pl.col("action") == "apply")
    by_field = [
        {"source": source, "field": field, "kind": kind, "action": action, **_figures(group)}
        for (source, field, kind, action), group in _groups(judged, ["source", "field", "kind", "action"])
    ]
    return {
        "corrections": by_field,
        "kinds": [
            {"action": action, "kind": kind, **_figures(group)}
            for (action, kind), group in _groups(judged, ["action", "kind"])
        ],
        "applied": _figures(applied),
        "deaths": _figures(applied.filter(pl.col("kind") == "status")),
        "reach": _reach(evidence, judged),
        "cases": _cases(evidence),
    }


def _groups(frame: pl.DataFrame, by: list[str]) -> list[tuple[tuple[Any, ...], pl.DataFrame]]:
    keys = frame.select(by).unique().sort(by).rows()
    parts = frame.partition_by(by, as_dict=True, maintain_order=True)
    return [(key, parts[key]) for key in keys]


def _figures(frame: pl.DataFrame) -> dict[str, Any]:
    return {
        "person": share(int(frame["right"].sum()), frame.height),
        "value": share(int(frame["true"].sum()), frame.height),
    }


def _errors_by_field(evidence: FeedEvidence, agencies: bool) -> pl.DataFrame:
    """One row a (record, field) that an error was planted in; several errors of a field have one truth."""
    errors = evidence.errors.filter(~pl.col("field").is_in(_NO_FIELD))
    is_register = pl.col("source") == evidence.register
    return (
        errors.filter(~is_register if agencies else is_register)
        .sort(*_RECORD, "field", "error", nulls_last=True)
        .unique([*_RECORD, "field"], keep="first", maintain_order=True)
    )


def _judged_corrections(evidence: FeedEvidence) -> pl.DataFrame:
    planted = _errors_by_field(evidence, agencies=True).select(
        *_RECORD, "field", "true_value", planted=pl.lit(True)
    )
    right = evidence.judged.select(*_RECORD, "right", "person_id")
    wrong = _errors_by_field(evidence, agencies=False).select(
        "field", person_id="record_id", register_wrong=pl.lit(True)
    )
    joined = evidence.corrections.join(
        planted, on=[*_RECORD, "field"], how="left", maintain_order="left"
    ).join(right, on=_RECORD, how="left", maintain_order="left")
    joined = joined.join(wrong, on=["person_id", "field"], how="left", maintain_order="left")
    true = pl.when(pl.col("planted").fill_null(False)).then(
        pl.col("proposed_standard").eq_missing(pl.col("true_value"))
    )
    return joined.with_columns(
        pl.col("right").fill_null(False),
        true=true.when(pl.col("held_standard").is_not_null())
        .then(pl.col("proposed_standard") == pl.col("held_standard"))
        .otherwise(pl.col("right").fill_null(False) & ~pl.col("register_wrong").fill_null(False)),
    )


def _reach(evidence: FeedEvidence, corrections: pl.DataFrame) -> dict[str, Any]:
    """Errors in linked records: how many got a correction, and how many one that is applied."""
    may = pl.DataFrame(
        [(s, f) for s, fields in sorted(evidence.corrected.items()) for f in fields],
        schema={"source": pl.String, "field": pl.String},
        orient="row",
    )
    linked = evidence.judged.filter("linked").select(_RECORD)
    errors = _errors_by_field(evidence, agencies=True).join(linked, on=_RECORD, how="semi")
    left_alone = errors.join(may, on=["source", "field"], how="anti")
    errors = errors.join(may, on=["source", "field"], how="semi")
    made = corrections.select(*_RECORD, "field", applied=pl.col("action") == "apply")
    found = errors.join(made, on=[*_RECORD, "field"], how="left", maintain_order="left")
    elsewhere = found.filter(pl.col("field") != RESIDENCE)

    def proposed(frame: pl.DataFrame) -> dict[str, Any]:
        return share(int(frame["applied"].is_not_null().sum()), frame.height)

    def applied(frame: pl.DataFrame) -> dict[str, Any]:
        return share(int(frame["applied"].fill_null(False).sum()), frame.height)

    return {
        "proposed": proposed(found),
        "applied": applied(elsewhere),
        "by_error": [
            {
                "source": source,
                "field": field,
                "error": error,
                "proposed": proposed(group),
                "applied": applied(group),
            }
            for (source, field, error), group in _groups(found, ["source", "field", "error"])
        ],
        "fields_left_alone": {field: group.height for (field,), group in _groups(left_alone, ["field"])},
    }


def _cases(evidence: FeedEvidence) -> dict[str, Any]:
    """Register cases that are true, and register errors that two agencies could have shown."""
    person_of = evidence.truth.filter(pl.col("source") == evidence.register).select(
        "record_id", "true_person_id"
    )
    errors = _errors_by_field(evidence, agencies=False).join(person_of, on="record_id", how="inner")
    rows = dict(person_of.iter_rows())
    cases = evidence.cases
    wrong = set(errors.select("record_id", "field").iter_rows())
    true = [
        rows.get(case["person_id"]) == rows.get(case["other_person_id"])
        if case["kind"] == "duplicate"
        else (case["person_id"], case["field"]) in wrong
        for case in cases.iter_rows(named=True)
    ]
    judged = cases.with_columns(true=pl.Series(true, dtype=pl.Boolean))
    shown = _shown(evidence, errors)
    opened = set(judged.filter(pl.col("kind") == "field").select("person_id", "field").iter_rows())
    reached = shown.filter(
        pl.Series([key in opened for key in shown.select("record_id", "field").iter_rows()], dtype=pl.Boolean)
    )
    doubles = sum(
        count - 1 for count in person_of.group_by("true_person_id").len()["len"].to_list() if count > 1
    )
    found = judged.filter((pl.col("kind") == "duplicate") & pl.col("true")).height
    return {
        "all": share(int(judged["true"].sum()), judged.height),
        "by_kind": {
            f"{kind}.{field or 'person'}": share(int(group["true"].sum()), group.height)
            for (kind, field), group in _groups(judged, ["kind", "field"])
        },
        "shown_by_two_agencies": share(reached.height, shown.height),
        "shown_by_field": {
            field: share(reached.filter(pl.col("field") == field).height, group.height)
            for (field,), group in _groups(shown, ["field"])
        },
        "doubles": share(min(found, doubles), doubles),
    }


def _shown(evidence: FeedEvidence, errors: pl.DataFrame) -> pl.DataFrame:
    """Register errors whose true value two or more agencies hold: a record of the person without an error."""
    agencies = evidence.truth.filter(pl.col("source") != evidence.register)
    holds = pl.DataFrame(
        [(s, f) for s, fields in sorted(evidence.held.items()) for f in fields],
        schema={"source": pl.String, "field": pl.String},
        orient="row",
    )
    wrong = _errors_by_field(evidence, agencies=True).select(*_RECORD, "field")
    right = (
        errors.select("record_id", "field", "true_person_id")
        .rename({"record_id": "register_id"})
        .join(agencies, on="true_person_id", how="inner")
        .join(holds, on=["source", "field"], how="semi")
        .join(wrong, on=[*_RECORD, "field"], how="anti")
    )
    counted = right.group_by("register_id", "field").agg(pl.col("source").n_unique().alias("agencies"))
    many = counted.filter(pl.col("agencies") >= 2).rename({"register_id": "record_id"})
    return errors.join(many, on=["record_id", "field"], how="semi").sort("record_id", "field")
