"""Gates: which figures fail which limits, what accepting one covers, and what is said."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linkage.config import Gates
from linkage.gates import (
    LEAST_RECORDS,
    LEAST_TRAINED,
    NAMES,
    SourceFigures,
    SourceLimits,
    covers,
    failing,
    judge,
    limits_of,
    reasons_text,
)
from linkage.policy import Limits

LOOSE = SourceLimits(precision=None, refused=1, review=1, new=1, corrections=1, deaths=1)


def figures(**given):
    return SourceFigures(**{"rows": 1000, "refused": 0, "accepted": 1000, **given})


def broken(figure, limit, *, converged=True, review_max=1.0, name="tax"):
    gates = judge(
        {name: figure}, {name: limit}, converged=converged, converged_wanted=True, review_max=review_max
    )
    return failing([g.as_dict() for g in gates])


def tight(**limits):
    return dataclasses.replace(LOOSE, **limits)


@pytest.mark.parametrize(
    ("gate", "figure", "limit"),
    [
        ("refused:tax", {"refused": 51, "accepted": 949}, {"refused": 0.05}),
        ("review:tax", {"review": 11}, {"review": 0.01}),
        ("new:tax", {"new": 101}, {"new": 0.1}),
        ("corrections:tax.full_name", {"changed": {"full_name": 501, "sex": 500}}, {"corrections": 0.5}),
        ("corrections:tax.sex", {"changed": {"full_name": 501, "sex": 2}}, {"fields": {"sex": 0.001}}),
        ("deaths:tax", {"deaths": 21}, {"deaths": 0.02}),
        ("precision:tax", {"links": 900, "false_links": 0.1}, {"precision": 0.9999}),
    ],
)
def test_gate__fails_beyond_its_limit_and_nothing_else_does(gate, figure, limit):
    assert broken(figures(**figure), tight(**limit)) == [gate]


@pytest.mark.parametrize(
    ("figure", "limit"),
    [
        ({"refused": 50, "accepted": 950}, {"refused": 0.05}),
        ({"review": 10}, {"review": 0.01}),
        ({"new": 100}, {"new": 0.1}),
        ({"changed": {"full_name": 500}}, {"corrections": 0.5}),
        ({"deaths": 20}, {"deaths": 0.02}),
        ({"links": 900, "false_links": 0.09 + 900e-6}, {"precision": 0.9999}),
    ],
)
def test_gate__holds_at_its_limit(figure, limit):
    assert broken(figures(**figure), tight(**limit)) == []


def test_review__of_the_whole_run_counts_every_agency_and_not_the_register():
    sources = {
        "register": figures(rows=5000, accepted=5000, register=True),
        "tax": figures(review=30),
        "school": figures(review=0, accepted=2000, rows=2000),
    }
    limits = dict.fromkeys(sources, LOOSE)
    found = {}
    for most in (0.0099, 0.01):
        gates = judge(sources, limits, converged=True, converged_wanted=True, review_max=most)
        found[most] = failing([g.as_dict() for g in gates])
    assert found == {0.0099: ["review"], 0.01: []}


def test_register__is_held_to_its_refused_rows_only():
    gates = judge(
        {"register": figures(register=True, refused=100, review=900, new=900)},
        {"register": tight(refused=0.05, review=0, new=0)},
        converged=True, converged_wanted=False, review_max=1,
    )  # fmt: skip
    assert [g.name for g in gates] == ["review", "refused:register"]
    assert failing([g.as_dict() for g in gates]) == ["refused:register"]


def test_run_without_corrections__has_no_gates_of_them():
    limits = {"tax": tight(fields={"sex": 0.1})}
    told = {"converged": True, "converged_wanted": True, "review_max": 1.0}
    with_, without = (
        {g.gate for g in judge({"tax": figures(corrected=made)}, limits, **told)} for made in (True, False)
    )
    assert with_ - without == {"corrections", "deaths"}
    assert without < with_


def test_small_sources__are_not_judged_by_shares():
    few = {"rows": LEAST_RECORDS - 1, "accepted": LEAST_RECORDS - 1}
    worst = {"review": 150, "new": 150, "deaths": 150, "changed": {"sex": 150}, "links": 199}
    strict = tight(review=0, new=0, deaths=0, corrections=0, precision=0.9999)
    assert broken(figures(**few, **worst, false_links=50.0), strict, review_max=0.0) == []
    enough = figures(**{**few, "rows": LEAST_RECORDS, "accepted": LEAST_RECORDS}, **worst)
    assert broken(enough, strict, review_max=0.0) == [
        "review", "review:tax", "new:tax", "corrections:tax.sex", "deaths:tax",
    ]  # fmt: skip


def test_refused__is_judged_of_the_smallest_source():
    assert broken(figures(rows=3, refused=1, accepted=2), tight(refused=0.05)) == ["refused:tax"]
    assert broken(figures(rows=0, refused=0, accepted=0), tight(refused=0.0)) == []


def test_converged__is_a_warning_where_there_are_few_records():
    assert broken(figures(accepted=LEAST_TRAINED - 1), LOOSE, converged=False) == []
    assert broken(figures(accepted=LEAST_TRAINED), LOOSE, converged=False) == ["converged"]
    assert broken(figures(accepted=LEAST_TRAINED), LOOSE, converged=True) == []


def test_limits__of_a_policy_stand_over_those_of_the_project():
    project = Gates(refused=0.04, new=0.2, corrections=0.3, deaths=0.01)
    own = Limits(new=0.5, corrections={"sex": 0.1})
    assert limits_of(project, own, precision=0.999, review_max=0.02) == SourceLimits(
        precision=0.999, refused=0.04, review=0.04, new=0.5, corrections=0.3, deaths=0.01, fields={"sex": 0.1}
    )
    assert limits_of(Gates(review=0.07, precision=False), None, precision=0.9, review_max=0.02) == (
        SourceLimits(None, 0.05, 0.07, 0.10, 0.50, 0.02)
    )
    assert limits_of(Gates(review=0.07), Limits(review=0.0), precision=0.9, review_max=1).review == 0.0


@pytest.mark.parametrize(
    ("accepted", "gate", "whether"),
    [
        ("review", "review", True),
        ("review", "review:tax", True),
        ("review:tax", "review", False),
        ("review:tax", "review:tax2", False),
        ("corrections", "corrections:tax.sex", True),
        ("corrections:tax", "corrections:tax.sex", True),
        ("corrections:tax.sex", "corrections:tax.sex", True),
        ("corrections:tax.se", "corrections:tax.sex", False),
        ("new", "review", False),
    ],
)
def test_acceptance__covers_what_the_name_begins_by_whole_words(accepted, gate, whether):
    assert covers(accepted, gate) is whether


counts = st.integers(0, 1000)
shares = st.floats(0, 1)


@given(
    st.builds(
        SourceFigures,
        rows=st.integers(1000, 3000), refused=counts, accepted=st.integers(0, 1000), review=counts,
        new=counts, links=counts, false_links=st.floats(0, 50), deaths=counts,
        changed=st.dictionaries(st.sampled_from(["sex", "full_name"]), counts),
    ),
    st.builds(
        SourceLimits, precision=st.none() | st.floats(0.5, 0.9999), refused=shares, review=shares, new=shares,
        corrections=shares, deaths=shares, fields=st.dictionaries(st.sampled_from(["sex", "phone"]), shares),
    ),
    st.booleans(),
    shares,
)  # fmt: skip
def test_gates__agree_with_plain_divisions_and_say_every_figure_in_two_languages(
    figure, limit, converged, review_max
):
    gates = judge(
        {"tax": figure}, {"tax": limit}, converged=converged, converged_wanted=True, review_max=review_max
    )
    n = figure.accepted
    wanted = set()
    if not converged and n >= 2000:
        wanted.add("converged")
    if figure.refused / figure.rows > limit.refused:
        wanted.add("refused:tax")
    if n >= 200:
        wanted |= {"review"} if figure.review / n > review_max else set()
        for name, part, most in (
            ("review:tax", figure.review, limit.review),
            ("new:tax", figure.new, limit.new),
            ("deaths:tax", figure.deaths, limit.deaths),
            *(
                (f"corrections:tax.{f}", figure.changed.get(f, 0), limit.fields.get(f, limit.corrections))
                for f in ("sex", "full_name", "phone")
                if f in figure.changed or f in limit.fields
            ),
        ):
            if part / n > most:
                wanted.add(name)
    wrong = figure.false_links / figure.links if figure.links else 0
    if limit.precision is not None and figure.links >= 200 and wrong > 1 - limit.precision + 1.1e-6:
        wanted.add("precision:tax")
    names = [g.name for g in gates]
    assert len(names) == len(set(names))
    assert {g.gate for g in gates} <= set(NAMES)
    doubtful = {"precision:tax"} if limit.precision and abs(wrong - 1 + limit.precision) < 2e-6 else set()
    assert set(failing([g.as_dict() for g in gates])) - doubtful == wanted - doubtful
    assert all(g.en and g.vi and g.en != g.vi for g in gates)


def test_reasons__name_what_fails_and_only_that():
    gates = judge(
        {"tax": figures(review=300, new=5)}, {"tax": tight(review=0.01)},
        converged=True, converged_wanted=True, review_max=1,
    )  # fmt: skip
    text = reasons_text([g.as_dict() for g in gates])
    assert text.count("[review:tax]") == 2
    assert "[new:tax]" not in text
    assert all(len(line) <= 96 for line in text.splitlines())
    flat = " ".join(text.split())
    assert "30 %" in flat
    assert "tối đa 1 %" in flat
    assert text.index("CHƯA PHÁT HÀNH") < text.index("WITHHELD")


@pytest.mark.parametrize(
    ("part", "whole", "limit", "said"),
    [
        (1, 3, 0.5, "33.33 %"),
        (30_001, 1_000_000, 0.03, "3.0001 %"),
        (30_100, 1_000_000, 0.03, "3.01 %"),
        (2, 100_000, 0.00001, "0.002 %"),
        (0, 100_000, 0.00001, "0 %"),
    ],
)
def test_share__is_told_with_the_decimals_that_show_on_which_side_of_its_limit_it_is(
    part, whole, limit, said
):
    (gate,) = [
        g
        for g in judge(
            {"tax": SourceFigures(whole, part, whole - part)},
            {"tax": tight(refused=limit)},
            converged=True,
            converged_wanted=False,
            review_max=1,
        )
        if g.gate == "refused"
    ]
    assert gate.en.startswith(f"tax: {said} of")
    assert gate.holds == (part / whole <= limit)
