"""What is proposed for a field, how surely, on what grounds, and what travels together."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linkage import agreement
from linkage.basis import BIT
from linkage.correct import (
    ACTION_NAMES,
    FORMAT,
    GROUNDS,
    KIND_NAMES,
    Proposals,
    Relations,
    Structure,
    propose,
    travel_together,
)
from linkage.policy import Authority, Policy, Rule, rights_of

FIELDS = ["personal_number", "old_number", "full_name", "birth_date", "sex", "commune", "death_date"]
quick = settings(max_examples=200, deadline=None)


def rights(*rules, **declared):
    policy = Policy(schema=1, purpose="p", legal_basis="b", rules=rules) if rules else None
    return rights_of(FIELDS, FIELDS, declared, policy)


def one(
    field,
    relation,
    *,
    allowed=None,
    confidence=1.0,
    exact=False,
    doubtful=False,
    register=0,
    held=0,
    against=0,
    **grounds,
):
    relations = Relations(
        np.array([agreement.RELATIONS.index(relation)], np.uint8),
        np.array([register], np.uint8),
        np.array([held], np.uint8),
        np.array([against], np.uint8),
        np.array([doubtful]),
        {code: np.array([value]) for code, value in grounds.items()},
    )
    found = propose(field, relations, allowed or rights(), np.array([confidence]), np.array([exact]))
    kind, action = int(found.kind[0]), int(found.action[0])
    basis = {code for code, bit in BIT.items() if int(found.basis[0]) & bit}
    return (None if kind < 0 else KIND_NAMES[kind], ACTION_NAMES[action], basis)


@pytest.mark.parametrize(
    ("relation", "kind"),
    [
        ("nothing", None),
        ("equal", "format"),
        ("held_empty", "fill"),
        ("register_empty", None),
        ("less", "fill"),
        ("more", None),
        ("earlier", "update"),
        ("different", "fix"),
        ("unreadable", "fix"),
    ],
)
def test_kind__follows_the_relation(relation, kind):
    assert one("full_name", relation)[0] == kind


def test_kind__of_a_home_that_differs_is_an_update_and_of_a_death_a_status():
    assert one("commune", "different")[:2] == ("update", "confirm")
    assert one("death_date", "held_empty", exact=True)[:2] == ("status", "apply")
    assert one("death_date", "different", exact=True, register=1)[:2] == ("fix", "confirm")


def test_fix__is_applied_on_grounds_beyond_the_register_only():
    assert one("full_name", "different") == ("fix", "confirm", {"register"})
    assert one("full_name", "different", register=1) == ("fix", "apply", {"register", "agency"})
    for code in GROUNDS[1:-1]:
        assert one("full_name", "different", **{code: True}) == ("fix", "apply", {"register", code})
    assert one("birth_date", "unreadable") == ("fix", "apply", {"register", "unreadable"})


def test_fix__of_what_another_agency_or_the_number_holds_is_to_be_investigated():
    found = one("full_name", "different", register=2, held=1, spelling=True)
    assert found[:2] == ("fix", "investigate")
    assert "agency_against" in found[2]
    assert one("sex", "different", register=1, number_for_held=True)[1] == "investigate"


def test_fill__is_not_applied_against_other_agencies():
    assert one("full_name", "less")[1:] == ("apply", {"register", "incomplete"})
    assert one("full_name", "less", against=1)[1:] == (
        "confirm",
        {"register", "incomplete", "agency_against"},
    )
    assert one("full_name", "less", against=1, register=1)[1] == "apply"
    assert one("full_name", "less", rare_spelling=True)[1] == "confirm"
    assert one("full_name", "different", register=1, rare_spelling=True)[1] == "confirm"
    assert one("personal_number", "held_empty", contradicted=True)[:2] == ("fill", "confirm")
    assert one("personal_number", "held_empty", contradicted=False)[:2] == ("fill", "apply")


def test_status__wants_the_exact_person():
    assert one("death_date", "held_empty", register=2)[:2] == ("status", "confirm")
    assert one("death_date", "less", register=2)[:2] == ("fill", "confirm")
    assert one("death_date", "held_empty", exact=True, against=1)[1] == "confirm"
    assert "exact_person" in one("death_date", "held_empty", exact=True)[2]


def test_register__value_that_was_repaired_is_no_template():
    assert one("full_name", "equal", doubtful=True)[0] is None
    assert one("full_name", "less", doubtful=True)[1:] == (
        "confirm",
        {"register", "incomplete", "register_repaired"},
    )


def test_apply__wants_the_posterior_that_the_policy_demands():
    sure = rights(Rule(field="full_name", kind="fill", precision=0.999))
    assert one("full_name", "less", allowed=sure, confidence=0.9991)[1] == "apply"
    assert one("full_name", "less", allowed=sure, confidence=0.9989)[1] == "confirm"
    assert one("full_name", "equal", confidence=0.99)[1] == "confirm"


RELATION = st.sampled_from(agreement.RELATIONS)
COUNT = st.integers(0, 2)


@quick
@given(
    st.sampled_from(FIELDS), RELATION, st.sampled_from(KIND_NAMES), st.sampled_from(ACTION_NAMES), COUNT,
    COUNT, COUNT, st.booleans(), st.booleans(), st.floats(0.9, 1.0),
)  # fmt: skip
def test_action__is_never_stronger_than_the_policy_or_the_evidence(
    field, relation, ruled, strongest, register, held, against, exact, doubtful, confidence
):
    allowed = rights(Rule(field=field, kind=ruled, action=strongest))
    kind, action, _ = one(
        field, relation, allowed=allowed, register=register, held=held, against=against, exact=exact,
        doubtful=doubtful, confidence=confidence,
    )  # fmt: skip
    if kind is None:
        return
    assert action != "none"
    permitted, precision = allowed.allowed(field, kind)
    assert ACTION_NAMES.index(action) >= ACTION_NAMES.index(permitted)
    if action == "apply":
        assert confidence >= precision
        assert field != "commune"
        assert not doubtful
        assert field != "death_date" or exact or kind == "format"
        assert kind != "fix" or (held == 0 and (register or relation == "unreadable"))


def proposals(**fields):
    """field -> (kind, action) or None, of one record."""
    made = {}
    for field, value in fields.items():
        kind, action = value or (None, "none")
        made[field] = Proposals(
            np.array([-1 if kind is None else KIND_NAMES.index(kind)], np.int8),
            np.array([ACTION_NAMES.index(action)], np.int8),
            np.zeros(1, np.uint32),
        )
    return made


def grouped(made, number_against=(), held_against=(), **declared):
    no = np.array([False])
    yes = np.array([True])
    structure = Structure(
        {f: yes if f in number_against else no for f in ("sex", "birth_date")},
        {f: yes if f in held_against else no for f in ("sex", "birth_date")},
    )
    groups = travel_together(made, rights(**declared), structure)
    return {f: int(g[0]) for f, g in groups.items()}, {
        f: ACTION_NAMES[int(p.action[0])] for f, p in made.items()
    }


def test_identity__travels_together_where_the_number_would_contradict_the_rest():
    made = proposals(personal_number=("fill", "apply"), sex=("fix", "confirm"), birth_date=("fill", "apply"))
    groups, actions = grouped(made, number_against=["sex"])
    assert groups["personal_number"] == groups["sex"] >= 0
    assert groups["birth_date"] == -1
    assert actions == {"personal_number": "confirm", "sex": "confirm", "birth_date": "apply"}


def test_identity__travels_alone_where_nothing_contradicts():
    made = proposals(personal_number=("fill", "apply"), sex=("fix", "confirm"))
    groups, actions = grouped(made)
    assert set(groups.values()) == {-1}
    assert actions == {"personal_number": "apply", "sex": "confirm"}


def test_identity__weakest_of_all_three_counts():
    made = proposals(
        personal_number=("fix", "apply"),
        sex=("fix", "apply"),
        birth_date=("fix", "investigate"),
        full_name=("fix", "apply"),
    )
    groups, actions = grouped(made, number_against=["sex"], held_against=["birth_date"])
    assert groups["personal_number"] == groups["sex"] == groups["birth_date"] >= 0
    assert set(actions.values()) == {"investigate", "apply"}
    assert actions["full_name"] == "apply"


def test_format__travels_alone():
    made = proposals(personal_number=("format", "apply"), sex=("fix", "confirm"))
    groups, actions = grouped(made, number_against=["sex"])
    assert groups == {"personal_number": -1, "sex": -1}
    assert actions["personal_number"] == "apply"


def test_declared_group__always_travels_together():
    named = {"full_name": Authority(group="who"), "death_date": Authority(group="who")}
    made = proposals(full_name=("fill", "apply"), death_date=("status", "confirm"))
    groups, actions = grouped(made, **named)
    assert groups["full_name"] == groups["death_date"] >= 0
    assert set(actions.values()) == {"confirm"}
    alone = proposals(full_name=("fill", "apply"), death_date=None)
    assert grouped(alone, **named) == (
        {"full_name": -1, "death_date": -1},
        {"full_name": "apply", "death_date": "none"},
    )


ANY = st.one_of(st.none(), st.tuples(st.sampled_from(KIND_NAMES), st.sampled_from(ACTION_NAMES[:3])))


@quick
@given(
    ANY,
    ANY,
    ANY,
    ANY,
    st.sets(st.sampled_from(["sex", "birth_date"])),
    st.sets(st.sampled_from(["sex", "birth_date"])),
)
def test_groups__have_one_action_and_weaken_only(number, sex, birth, name, a, b):
    given_ = {"personal_number": number, "sex": sex, "birth_date": birth, "full_name": name}
    made = proposals(**given_)
    groups, actions = grouped(made, a, b)
    for field, value in given_.items():
        before = "none" if value is None else value[1]
        assert ACTION_NAMES.index(actions[field]) >= ACTION_NAMES.index(before)
        if groups[field] < 0:
            assert actions[field] == before
        else:
            assert value is not None
            assert KIND_NAMES.index(value[0]) != FORMAT
    together = [actions[f] for f in given_ if groups[f] >= 0]
    assert len(set(together)) <= 1
    assert len(together) != 1
