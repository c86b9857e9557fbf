"""Decisions and the truth -> how right they are: counts, shares with intervals, and what was promised.

Truth is needed, so this judges runs on generated or labelled data. A record is *registered* when its true
person is the true person of some row of the register; a link is right when the register row it names is a
row of the record's true person. Recall counts every registered record that the truth knows: those decided
``ineligible`` and those that never got a decision as well.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import polars as pl

from linkage.shares import share

#: Lower ends of the bands in which probabilities are compared with outcomes.
BANDS = (0.0, 0.5, 0.9, 0.99, 0.999, 0.9999, 0.99999)
#: Columns that split the records into sub-groups, where they are known.
SUBGROUPS = ("number_usable", "sex", "birth_decade", "surname_band")
DECISIONS = ("link", "review", "new", "conflict", "ineligible")

_RECORD = ["source", "record_id"]


@dataclass(frozen=True)
class Evidence:
    """What is judged and by what.

    decisions  : source, record_id, decision, person_id, probability; number_usable where it is known
    duplicates : source, survivor_record_id, absorbed_record_id, probability
    pairs      : source_l, record_id_l, source_r, record_id_r
    truth      : source, record_id, true_person_id, the register included
    register   : name of the register among the sources
    entities   : source, record_id, entity_id
    subgroups  : source, record_id and some of ``SUBGROUPS``
    lost       : source, record_id, stage (``blocking``, ``refinement``): registered records whose true pair
                 was no candidate, and why
    estimates  : by source, and under ``all``: ``false_links`` with expected, low and high
    many       : sources that may hold a person more than once, of which no orders are wanted
    """

    decisions: pl.DataFrame
    duplicates: pl.DataFrame
    pairs: pl.DataFrame
    truth: pl.DataFrame
    register: str
    entities: pl.DataFrame | None = None
    subgroups: pl.DataFrame | None = None
    lost: pl.DataFrame | None = None
    estimates: Mapping[str, Any] | None = None
    many: Collection[str] = ()


def evaluate(evidence: Evidence) -> dict[str, Any]:
    """All figures, as plain values.

    Keys: ``overall`` and ``sources.<name>`` (see :func:`outcomes`), ``subgroups`` (a list, with
    ``dimension`` and ``value``), ``duplicates`` (by source and under ``all``), ``losses``, ``calibration``,
    ``entities`` (None without them), ``without_truth`` (decisions the truth does not know).
    """
    judged, unknown = judge(evidence)
    names = judged.get_column("source").unique().sort().to_list()
    splits = [c for c in SUBGROUPS if c in judged.columns]
    subgroups = [
        {"dimension": column, "value": value, **outcomes(group)}
        for column in splits
        for value, group in _groups(judged, column)
    ]
    return {
        "overall": outcomes(judged),
        "sources": {name: outcomes(judged.filter(pl.col("source") == name)) for name in names},
        "subgroups": subgroups,
        "duplicates": _duplicates(evidence),
        "losses": _losses(evidence, judged),
        "calibration": _calibration(judged, evidence.estimates or {}),
        "entities": _entities(evidence),
        "without_truth": unknown,
    }


def _groups(judged: pl.DataFrame, column: str) -> list[tuple[str, pl.DataFrame]]:
    texts = judged.with_columns(pl.col(column).cast(pl.String).fill_null("unknown").alias("_group"))
    parts = texts.partition_by("_group", as_dict=True, include_key=False)
    return sorted((str(key[0]), part) for key, part in parts.items()) if parts else []


def judge(evidence: Evidence) -> tuple[pl.DataFrame, int]:
    """Every agency record that the truth knows, with what was decided and whether that is right.

    Columns: source, record_id, true_person_id, decision (null: none was made), person_id, probability,
    registered, right (the named person is the true one, whatever the decision) and the sub-groups known.
    Rows come in no order. The second value counts decisions about records that the truth does not know.
    """
    truth = _texts(evidence.truth, [*_RECORD, "true_person_id"]).drop_nulls("true_person_id")
    persons = truth.filter(pl.col("source") == evidence.register).select(
        pl.col("record_id").alias("person_id"), pl.col("true_person_id").alias("named_person")
    )
    agencies = truth.filter(pl.col("source") != evidence.register)
    kept = [*_RECORD, "decision", "person_id", "probability"]
    kept += [c for c in SUBGROUPS if c in evidence.decisions.columns]
    decisions = _texts(evidence.decisions.select(kept), [*_RECORD, "decision", "person_id"])
    judged = agencies.join(decisions, on=_RECORD, how="left")
    unknown = decisions.height - judged.height + judged.get_column("decision").null_count()
    if evidence.subgroups is not None:
        extra = _texts(evidence.subgroups, _RECORD)
        extra = extra.select(
            [*_RECORD, *(c for c in SUBGROUPS if c in extra.columns and c not in judged.columns)]
        )
        judged = judged.join(extra.unique(_RECORD, keep="first", maintain_order=True), on=_RECORD, how="left")
    known = persons.select(pl.col("named_person").alias("true_person_id")).unique()
    judged = judged.join(known.with_columns(registered=pl.lit(value=True)), on="true_person_id", how="left")
    judged = judged.join(persons, on="person_id", how="left").with_columns(
        pl.col("registered").fill_null(value=False),
        (pl.col("named_person") == pl.col("true_person_id")).fill_null(value=False).alias("right"),
    )
    return judged.drop("named_person"), unknown


def _texts(frame: pl.DataFrame, columns: list[str]) -> pl.DataFrame:
    return frame.with_columns(pl.col(column).cast(pl.String) for column in columns)


def outcomes(judged: pl.DataFrame) -> dict[str, Any]:
    """The figures of a group of judged records.

    ``records, registered, unregistered``; ``link`` and ``new``, each with precision, recall and F1;
    ``review`` (review and conflict together), ``decisions`` (the share of each, ``none`` included).
    """
    is_link, is_new = pl.col("decision") == "link", pl.col("decision") == "new"
    counts = judged.select(
        records=pl.len(),
        registered=pl.col("registered").sum(),
        links=is_link.sum(),
        right=(is_link & pl.col("right")).sum(),
        news=is_new.sum(),
        right_news=(is_new & ~pl.col("registered")).sum(),
        none=pl.col("decision").is_null().sum(),
        **{name: (pl.col("decision") == name).sum() for name in DECISIONS},
    ).row(0, named=True)
    records = int(counts["records"])
    registered = int(counts["registered"])
    return {
        "records": records,
        "registered": registered,
        "unregistered": records - registered,
        "link": _quality(int(counts["right"]), int(counts["links"]), registered),
        "new": _quality(int(counts["right_news"]), int(counts["news"]), records - registered),
        "review": share(int(counts["review"]) + int(counts["conflict"]), records),
        "decisions": {name: share(int(counts[name]), records) for name in (*DECISIONS, "none")},
    }


def _quality(right: int, made: int, wanted: int) -> dict[str, Any]:
    f1 = 2 * right / (made + wanted) if made + wanted else None
    return {"precision": share(right, made), "recall": share(right, wanted), "f1": f1}


def _duplicates(evidence: Evidence) -> dict[str, Any]:
    """Orders within each source: right when both records are of one person; wanted k - 1 for k records."""
    truth = _texts(evidence.truth, [*_RECORD, "true_person_id"]).drop_nulls("true_person_id")
    truth = truth.filter(
        (pl.col("source") != evidence.register) & ~pl.col("source").is_in(list(evidence.many))
    )
    orders = _texts(evidence.duplicates, ["source", "survivor_record_id", "absorbed_record_id"])
    # An order in a source of which none are wanted stays, and is wrong for want of a truth.
    for side in ("survivor", "absorbed"):
        renamed = truth.rename({"record_id": f"{side}_record_id", "true_person_id": side})
        orders = orders.join(renamed, on=["source", f"{side}_record_id"], how="left")
    distinct = pl.col("survivor_record_id") != pl.col("absorbed_record_id")
    orders = orders.with_columns(
        ((pl.col("survivor") == pl.col("absorbed")) & distinct).fill_null(value=False).alias("right")
    )
    right = orders.filter("right").select(
        "source", pl.col("absorbed").alias("true_person_id"), "absorbed_record_id"
    )
    found = right.unique().group_by("source", "true_person_id").agg(found=pl.len())
    wanted = truth.group_by("source", "true_person_id").agg(wanted=pl.len() - 1).filter(pl.col("wanted") > 0)
    wanted = wanted.join(found, on=["source", "true_person_id"], how="left").with_columns(
        pl.min_horizontal(pl.col("found").fill_null(0), pl.col("wanted")).alias("found")
    )

    def figures(of: pl.DataFrame, need: pl.DataFrame) -> dict[str, Any]:
        precision = share(int(of.get_column("right").sum()), of.height)
        recall = share(int(need.get_column("found").sum()), int(need.get_column("wanted").sum()))
        made = precision["of"] + recall["of"]
        return {
            "precision": precision,
            "recall": recall,
            "f1": (precision["count"] + recall["count"]) / made if made else None,
        }

    names = sorted({*truth.get_column("source").unique(), *orders.get_column("source").unique()})
    by_source = {
        name: figures(orders.filter(pl.col("source") == name), wanted.filter(pl.col("source") == name))
        for name in names
    }
    return {"all": figures(orders, wanted), "sources": by_source}


def unseen_true_pairs(evidence: Evidence, judged: pl.DataFrame) -> pl.DataFrame:
    """Registered records that are not rightly linked and whose true pair is not among the pairs kept.

    Columns source, record_id, person_id; one row for each register row of the record's person, sorted.
    """
    missed = judged.filter(
        pl.col("registered") & ~((pl.col("decision") == "link").fill_null(value=False) & pl.col("right"))
    )
    truth = _texts(evidence.truth, [*_RECORD, "true_person_id"])
    persons = truth.filter(pl.col("source") == evidence.register).select(
        pl.col("record_id").alias("person_id"), "true_person_id"
    )
    wanted = missed.select([*_RECORD, "true_person_id"]).join(persons, on="true_person_id")
    sides = ["source_l", "record_id_l", "source_r", "record_id_r"]
    pairs = _texts(evidence.pairs.select(sides), sides)
    register = pl.lit(evidence.register)
    seen = pl.concat(
        pairs.filter(pl.col(f"source_{there}") == register).select(
            pl.col(f"source_{here}").alias("source"),
            pl.col(f"record_id_{here}").alias("record_id"),
            pl.col(f"record_id_{there}").alias("person_id"),
        )
        for here, there in (("l", "r"), ("r", "l"))
    )
    # A record with any true pair among those kept has been seen: the register may hold its person twice.
    found = wanted.join(seen, on=[*_RECORD, "person_id"], how="semi").select(_RECORD).unique()
    unseen = wanted.join(found, on=_RECORD, how="anti")
    return unseen.select([*_RECORD, "person_id"]).sort([*_RECORD, "person_id"])


def _losses(evidence: Evidence, judged: pl.DataFrame) -> dict[str, Any]:
    """Where recall went, as shares of the registered records.

    ``missed`` in all; ``decided`` otherwise though the true pair was kept; ``unseen``: the true pair is not
    among the pairs kept. Of the unseen, where ``lost`` says so: ``blocking``, ``refinement``, and the rest
    ``below_floor`` (a candidate that scored below the floor or behind the best few); else None.
    """
    registered = int(judged.get_column("registered").sum())
    right = judged.filter((pl.col("decision") == "link") & pl.col("right")).height
    unseen = unseen_true_pairs(evidence, judged).select(_RECORD).unique()
    missed = registered - right
    figures: dict[str, Any] = {
        "missed": share(missed, registered),
        "decided": share(missed - unseen.height, registered),
        "unseen": share(unseen.height, registered),
        "blocking": None,
        "refinement": None,
        "below_floor": None,
    }
    if evidence.lost is not None:
        why = _texts(evidence.lost, [*_RECORD, "stage"]).unique(_RECORD, keep="first", maintain_order=True)
        why = unseen.join(why, on=_RECORD, how="left")
        for stage in ("blocking", "refinement"):
            figures[stage] = share(why.filter(pl.col("stage") == stage).height, registered)
        rest = unseen.height - figures["blocking"]["count"] - figures["refinement"]["count"]
        figures["below_floor"] = share(rest, registered)
    return figures


def _calibration(judged: pl.DataFrame, estimates: Mapping[str, Any]) -> dict[str, Any]:
    """Promised against true: false links by source and in all, and outcomes by band of probability."""
    links = judged.filter(pl.col("decision") == "link")
    names = judged.get_column("source").unique().sort().to_list()
    rows = {name: links.filter(pl.col("source") == name) for name in names}
    return {
        "all": _promise(links, estimates.get("all")),
        "sources": {name: _promise(frame, estimates.get(name)) for name, frame in rows.items()},
        "links": _bands(links),
        "candidates": _bands(judged.filter(pl.col("person_id").is_not_null())),
    }


def _promise(links: pl.DataFrame, estimate: Mapping[str, Any] | None) -> dict[str, Any]:
    false = links.height - int(links.get_column("right").sum())
    expected = float((1 - links.get_column("probability").sort()).sum())
    stated = (estimate or {}).get("false_links") or {}
    expected = float(stated.get("expected", expected))
    low, high = stated.get("low"), stated.get("high")
    holds = narrow = None
    if low is not None and high is not None:
        holds, narrow = bool(low <= false <= high), bool(high <= 3 * low + 20)
    return {
        "links": links.height,
        "false_links": false,
        "expected_false_links": expected,
        "stated": {"expected": stated.get("expected"), "low": low, "high": high},
        "estimated_precision": 1 - expected / links.height if links.height else None,
        "true_precision": share(links.height - false, links.height),
        "holds": holds,
        "narrow": narrow,
    }


def _bands(records: pl.DataFrame) -> list[dict[str, Any]]:
    """For each band of probability: the records, those expected to be right, those that are."""
    edges = [*BANDS, 1.0]
    bands = []
    for low, high in pairwise(edges):
        upper = pl.col("probability") <= high if high == 1.0 else pl.col("probability") < high
        part = records.filter((pl.col("probability") >= low) & upper)
        right = int(part.get_column("right").sum())
        bands.append(
            {
                "from": low,
                "to": high,
                "records": part.height,
                "expected_right": float(part.get_column("probability").sort().sum()),
                "right": share(right, part.height),
            }
        )
    return bands


def _entities(evidence: Evidence) -> dict[str, Any] | None:
    """Pairs of records in one entity against pairs of one person, the register included."""
    if evidence.entities is None:
        return None
    truth = _texts(evidence.truth, [*_RECORD, "true_person_id"]).drop_nulls("true_person_id")
    placed = truth.join(_texts(evidence.entities.select([*_RECORD, "entity_id"]), _RECORD), on=_RECORD)

    def pairs(by: list[str]) -> int:
        sizes = placed.group_by(by).agg(n=pl.len().cast(pl.Int64)).get_column("n")
        return int((sizes * (sizes - 1) // 2).sum())

    both = pairs(["entity_id", "true_person_id"])
    return _quality(both, pairs(["entity_id"]), pairs(["true_person_id"]))
