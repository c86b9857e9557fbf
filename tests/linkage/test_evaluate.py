"""Figures against counting with dictionaries, and against cases worked out by hand."""

from collections import Counter, defaultdict
from itertools import combinations
from math import comb, isclose
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linkage.evaluate import Evidence, evaluate, judge, unseen_true_pairs
from linkage.shares import share

quick = settings(max_examples=80, deadline=None)

TEXT = {"source": pl.String, "record_id": pl.String}
DECISION = {**TEXT, "decision": pl.String, "person_id": pl.String, "probability": pl.Float64}
ORDER = {"source": pl.String, "survivor_record_id": pl.String, "absorbed_record_id": pl.String}
PAIR = {"source_l": pl.String, "record_id_l": pl.String, "source_r": pl.String, "record_id_r": pl.String}


def frame(rows: Any, schema: dict[str, Any]) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema=schema, orient="row")


def evidence(
    truth: Any, decisions: Any, orders: Any = (), pairs: Any = (), register: str = "register", **rest: Any
) -> Evidence:
    return Evidence(
        decisions=frame(decisions, DECISION),
        duplicates=frame(orders, ORDER),
        pairs=frame(pairs, PAIR),
        truth=frame(truth, {**TEXT, "true_person_id": pl.String}),
        register=register,
        **rest,
    )


TRUTH = [
    ("register", "p1", "A"),
    ("register", "p2", "B"),
    ("register", "p3", "B"),
    ("register", "p4", "C"),
    ("tax", "t1", "A"),
    ("tax", "t2", "A"),
    ("tax", "t3", "B"),
    ("tax", "t4", "X"),
    ("tax", "t5", "Y"),
    ("tax", "t6", "C"),
    ("tax", "t7", "C"),
    ("school", "s1", "C"),
]
DECISIONS = [
    ("tax", "t1", "link", "p1", 0.999),
    ("tax", "t2", "link", "p4", 0.991),
    ("tax", "t3", "link", "p3", 1.0),
    ("tax", "t4", "new", None, None),
    ("tax", "t5", "link", "p1", 0.995),
    ("tax", "t6", "new", None, None),
    ("tax", "t7", "ineligible", None, None),
    ("school", "s1", "review", "p4", 0.8),
]


def test_evaluate__a_case_by_hand():
    figures = evaluate(evidence(TRUTH, DECISIONS))
    overall = figures["overall"]
    assert (overall["records"], overall["registered"], overall["unregistered"]) == (8, 6, 2)
    link = overall["link"]
    assert (link["precision"]["count"], link["precision"]["of"]) == (2, 4)
    assert (link["recall"]["count"], link["recall"]["of"]) == (2, 6)
    assert isclose(link["f1"], 2 * 0.5 * (1 / 3) / (0.5 + 1 / 3))
    assert (overall["new"]["precision"]["count"], overall["new"]["precision"]["of"]) == (1, 2)
    assert (overall["new"]["recall"]["count"], overall["new"]["recall"]["of"]) == (1, 2)
    assert (overall["review"]["count"], overall["decisions"]["ineligible"]["count"]) == (1, 1)
    assert list(figures["sources"]) == ["school", "tax"]
    assert figures["sources"]["school"]["link"]["precision"]["value"] is None
    assert figures["without_truth"] == 0


def test_evaluate__records_without_a_decision_count_against_recall():
    figures = evaluate(evidence(TRUTH, [*DECISIONS[:1], ("tax", "stranger", "link", "p1", 1.0)]))
    overall = figures["overall"]
    assert (overall["link"]["precision"]["count"], overall["link"]["precision"]["of"]) == (1, 1)
    assert (overall["link"]["recall"]["count"], overall["link"]["recall"]["of"]) == (1, 6)
    assert overall["decisions"]["none"]["count"] == 7
    assert figures["without_truth"] == 1


def test_evaluate__promises_are_held_against_the_truth():
    stated = {
        "all": {"false_links": {"expected": 2.0, "low": 1.5, "high": 24.5}},
        "tax": {"false_links": {"expected": 2.0, "low": 1.5, "high": 24.6}},
        "school": {"false_links": {"expected": 3.0, "low": 1.0, "high": 2.0}},
    }
    calibration = evaluate(evidence(TRUTH, DECISIONS, estimates=stated))["calibration"]
    assert calibration["all"]["false_links"] == 2
    assert calibration["all"]["expected_false_links"] == 2.0
    unstated = evaluate(evidence(TRUTH, DECISIONS))["calibration"]["all"]
    assert isclose(unstated["expected_false_links"], 0.001 + 0.009 + 0.005)
    assert (calibration["all"]["holds"], calibration["all"]["narrow"]) == (True, True)
    assert (calibration["sources"]["tax"]["holds"], calibration["sources"]["tax"]["narrow"]) == (True, False)
    assert calibration["sources"]["school"]["holds"] is False
    assert evaluate(evidence(TRUTH, DECISIONS))["calibration"]["all"]["holds"] is None
    bands = {band["from"]: band for band in calibration["links"]}
    assert sum(band["records"] for band in calibration["links"]) == 4
    assert (bands[0.99]["records"], bands[0.99]["right"]["count"]) == (2, 0)
    assert bands[0.99999]["records"] == bands[0.999]["records"] == 1
    assert sum(band["records"] for band in calibration["candidates"]) == 5


def test_evaluate__duplicates_want_one_order_less_than_records():
    truth = [
        ("register", "p", "A"),
        *(("tax", f"t{i}", "A") for i in range(4)),
        ("tax", "u", "B"),
        ("car", "c1", "A"),
    ]
    truth += [("car", "c2", "A")]
    orders = [
        ("tax", "t0", "t1"),
        ("tax", "t0", "t1"),
        ("tax", "t0", "t2"),
        ("tax", "t0", "u"),
        ("tax", "t0", "t0"),
    ]
    figures = evaluate(evidence(truth, [], [*orders, ("car", "c1", "c2")], many=["car"]))["duplicates"]
    assert (
        figures["sources"]["tax"]["precision"]["count"],
        figures["sources"]["tax"]["precision"]["of"],
    ) == (3, 5)
    assert (figures["sources"]["tax"]["recall"]["count"], figures["sources"]["tax"]["recall"]["of"]) == (2, 3)
    assert (
        figures["sources"]["car"]["precision"]["count"],
        figures["sources"]["car"]["precision"]["of"],
    ) == (0, 1)
    assert figures["all"]["recall"]["of"] == 3


def test_evaluate__lost_recall_is_split_where_the_reasons_are_known():
    pairs = [
        ("tax", "t1", "register", "p1"),
        ("register", "p1", "tax", "t2"),
        ("tax", "t6", "register", "p1"),
        ("tax", "t6", "tax", "t7"),
    ]
    held = evidence(TRUTH, DECISIONS, pairs=pairs)
    losses = evaluate(held)["losses"]
    assert [losses[k]["count"] for k in ("missed", "decided", "unseen")] == [4, 1, 3]
    assert losses["blocking"] is losses["refinement"] is losses["below_floor"] is None
    unseen = unseen_true_pairs(held, judge(held)[0]).rows()
    assert unseen == [("school", "s1", "p4"), ("tax", "t6", "p4"), ("tax", "t7", "p4")]
    lost = frame([("school", "s1", "blocking"), ("tax", "t7", "refinement"), ("tax", "t1", "blocking")],
                 {**TEXT, "stage": pl.String})  # fmt: skip
    losses = evaluate(evidence(TRUTH, DECISIONS, pairs=pairs, lost=lost))["losses"]
    assert [losses[k]["count"] for k in ("blocking", "refinement", "below_floor")] == [1, 1, 1]


def test_evaluate__a_pair_with_either_register_row_of_a_person_has_been_seen():
    held = evidence(TRUTH, [("tax", "t3", "review", "p2", 0.5)], pairs=[("tax", "t3", "register", "p2")])
    assert "t3" not in unseen_true_pairs(held, judge(held)[0]).get_column("record_id")


def test_evaluate__no_records_at_all_is_no_error():
    figures = evaluate(evidence([("register", "p", "A")], []))
    assert figures["overall"]["records"] == 0
    assert figures["overall"]["link"]["f1"] is None
    assert figures["sources"] == {}
    assert evaluate(evidence([], []))["overall"]["records"] == 0


@pytest.mark.parametrize(
    ("count", "of", "low", "high"),
    # Newcombe 1998, table I, method 3 (the score method without continuity correction).
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_share__published_intervals(count: int, of: int, low: float, high: float):
    got = share(count, of)
    assert (round(got["low"], 4), round(got["high"], 4)) == (low, high)
    assert share(of - count, of)["low"] == pytest.approx(1 - got["high"])


sources = st.sampled_from(["tax", "school"])
people = st.sampled_from("ABCDEF")
worlds = st.fixed_dictionaries(
    {
        "register": st.lists(people, max_size=5),
        "agency": st.lists(
            st.tuples(
                sources,
                people,
                st.sampled_from(["link", "link", "review", "new", "conflict", "ineligible", None]),
                st.integers(0, 5),
                st.sampled_from([0.0, 0.4, 0.5, 0.9, 0.99, 0.9995, 0.99999, 1.0]),
                st.sampled_from(["M", "F", None]),
                st.integers(0, 3),
            ),
            max_size=14,
        ),
        "orders": st.lists(st.tuples(sources, st.integers(0, 6), st.integers(0, 6)), max_size=8),
        "pairs": st.lists(st.tuples(st.integers(0, 13), st.integers(0, 5), st.booleans()), max_size=20),
    }
)


def world_evidence(world: dict[str, Any]) -> tuple[Evidence, dict[str, Any]]:
    truth = [("register", f"p{i}", person) for i, person in enumerate(world["register"])]
    counters: Counter[str] = Counter()
    records, decisions, groups, entities = [], [], [], []
    for source, person, decision, named, probability, sex, entity in world["agency"]:
        record = (source, f"{source[0]}{counters[source]}")
        counters[source] += 1
        truth.append((*record, person))
        who = f"p{named}" if decision in ("link", "review", "conflict") else None
        records.append((record, person, decision, who, probability, sex))
        groups.append((*record, sex))
        entities.append((*record, entity))
        if decision:
            decisions.append((*record, decision, who, probability))
    orders = [(s, f"{s[0]}{a}", f"{s[0]}{b}") for s, a, b in world["orders"]]
    pairs = []
    for number, named, flip in world["pairs"]:
        if number < len(records):
            record, person = records[number][0], ("register", f"p{named}")
            pairs.append((*person, *record) if flip else (*record, *person))
    held = evidence(
        truth,
        reversed(decisions),
        orders,
        pairs,
        subgroups=frame(groups, {**TEXT, "sex": pl.String}),
        entities=frame(entities, {**TEXT, "entity_id": pl.Int64}),
    )
    return held, {"truth": {t[:2]: t[2] for t in truth}, "records": records, "orders": orders, "pairs": pairs,
                  "entities": {e[:2]: e[2] for e in entities}}  # fmt: skip


def counts_of(truth: dict[Any, str], records: list[Any]) -> dict[str, int]:
    known = {person for (source, _), person in truth.items() if source == "register"}
    counts: Counter[str] = Counter()
    for _, person, decision, who, _, _ in records:
        counts["records"] += 1
        counts["registered"] += person in known
        counts[f"made {decision}"] += 1
        counts["right link"] += decision == "link" and truth.get(("register", who)) == person
        counts["right new"] += decision == "new" and person not in known
    return counts


def check_outcomes(got: dict[str, Any], wanted: dict[str, int]) -> None:
    assert got["records"] == wanted["records"]
    assert got["link"]["precision"]["count"] == wanted["right link"]
    assert got["link"]["precision"]["of"] == wanted["made link"]
    assert got["link"]["recall"]["of"] == wanted["registered"]
    assert got["new"]["precision"]["count"] == wanted["right new"]
    assert got["new"]["precision"]["of"] == wanted["made new"]
    assert got["new"]["recall"]["of"] == wanted["records"] - wanted["registered"]
    assert got["review"]["count"] == wanted["made review"] + wanted["made conflict"]
    assert got["decisions"]["none"]["count"] == wanted["made None"]


@quick
@given(worlds)
def test_evaluate__equals_counting_record_by_record(world: dict[str, Any]):
    held, plain = world_evidence(world)
    figures = evaluate(held)
    truth, records = plain["truth"], plain["records"]
    check_outcomes(figures["overall"], counts_of(truth, records))
    assert set(figures["sources"]) == {r[0][0] for r in records}
    for name, got in figures["sources"].items():
        check_outcomes(got, counts_of(truth, [r for r in records if r[0][0] == name]))
    by_sex = {g["value"]: g for g in figures["subgroups"] if g["dimension"] == "sex"}
    assert set(by_sex) == {r[5] or "unknown" for r in records}
    for sex, got in by_sex.items():
        check_outcomes(got, counts_of(truth, [r for r in records if (r[5] or "unknown") == sex]))

    for name, got in figures["duplicates"]["sources"].items():
        people_of: dict[str, set[str]] = defaultdict(set)
        for (source, record), person in truth.items():
            if source == name:
                people_of[person].add(record)
        wanted = sum(len(members) - 1 for members in people_of.values())
        mine = [(a, b) for source, a, b in plain["orders"] if source == name]
        right = [(a, b) for a, b in mine if a != b and truth.get((name, a), 1) == truth.get((name, b), 2)]
        found = sum(min(len(m) - 1, len({b for _, b in right} & m)) for m in people_of.values() if len(m) > 1)
        assert (got["precision"]["count"], got["precision"]["of"]) == (len(right), len(mine))
        assert (got["recall"]["count"], got["recall"]["of"]) == (found, wanted)

    seen = set()
    for a, b, c, d in plain["pairs"]:
        person, record = ((a, b), (c, d)) if a == "register" else ((c, d), (a, b))
        if person in truth and truth[person] == truth[record]:
            seen.add(record)
    known = {person for (source, _), person in truth.items() if source == "register"}
    missed = [
        record
        for record, person, decision, who, _, _ in records
        if person in known and not (decision == "link" and truth.get(("register", who)) == person)
    ]
    assert figures["losses"]["missed"]["count"] == len(missed)
    assert figures["losses"]["unseen"]["count"] == len([r for r in missed if r not in seen])

    links = [r for r in records if r[2] == "link"]
    false = [r for r in links if truth.get(("register", r[3])) != r[1]]
    promise = figures["calibration"]["all"]
    assert (promise["links"], promise["false_links"]) == (len(links), len(false))
    assert promise["expected_false_links"] == pytest.approx(sum(1 - r[4] for r in links))
    assert sum(band["records"] for band in figures["calibration"]["links"]) == len(links)
    for band in figures["calibration"]["links"]:
        inside = [r for r in links if band["from"] <= r[4] < band["to"] or r[4] == band["to"] == 1.0]
        assert (band["records"], band["right"]["count"]) == (
            len(inside),
            len([r for r in inside if r not in false]),
        )

    entities = plain["entities"]
    together = [(a, b) for a, b in combinations(entities, 2) if entities[a] == entities[b]]
    alike = sum(comb(n, 2) for n in Counter(truth[record] for record in entities).values())
    agreeing = sum(truth[a] == truth[b] for a, b in together)
    got = figures["entities"]
    assert (got["precision"]["count"], got["precision"]["of"], got["recall"]["of"]) == (
        agreeing,
        len(together),
        alike,
    )


@quick
@given(worlds)
def test_evaluate__order_of_rows_changes_nothing(world: dict[str, Any]):
    held, _ = world_evidence(world)
    turned = Evidence(**{k: v.reverse() if isinstance(v, pl.DataFrame) else v for k, v in vars(held).items()})
    assert evaluate(turned) == evaluate(held)


@given(st.integers(0, 10**9).flatmap(lambda of: st.tuples(st.integers(0, of), st.just(of))))
def test_share__interval_holds_its_value(case: tuple[int, int]):
    count, of = case
    got = share(count, of)
    if of:
        assert 0 <= got["low"] <= got["value"] <= got["high"] <= 1
    else:
        assert got["value"] is None
