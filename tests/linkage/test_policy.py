"""Authority, policies and what they let be sent."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linkage.policy import (
    ACTIONS,
    APPLY_PRECISION,
    AUTHORITY,
    KINDS,
    Authority,
    Policy,
    Rule,
    parse_policy,
    rights_of,
)
from linkage.schema import DeclarationError

FIELDS = ["full_name", "birth_date", "commune", "phone"]
TEXT = 'schema = 1\npurpose = "p"\nlegal_basis = "b"\n'


def policy(*rules: Rule, **more) -> Policy:
    return Policy(schema=1, purpose="p", legal_basis="b", rules=rules, **more)


def test_rights__hold_only_fields_of_both_sides_that_are_not_the_agencys_own() -> None:
    rights = rights_of(["full_name", "phone", "shoe", "birth_date"], ["full_name", "phone", "shoe"], {}, None)
    assert rights.fields == ("full_name",)
    declared = {"phone": Authority(), "shoe": Authority()}
    assert rights_of(["phone", "shoe"], ["phone", "shoe"], declared, None).fields == ("phone", "shoe")


def test_rights__leave_out_what_may_not_be_received() -> None:
    may = policy(receive=("birth_date",))
    assert rights_of(FIELDS, FIELDS, {}, may).fields == ("birth_date",)
    assert rights_of(FIELDS, FIELDS, {}, policy(receive=())).fields == ()


def test_rights__residence_is_never_applied() -> None:
    always = Authority(actions=dict.fromkeys(KINDS, "apply"))
    rule = Rule(field="commune", kind="update", action="apply")
    rights = rights_of(["commune"], ["commune"], {"commune": always}, policy(rule))
    assert {rights.allowed("commune", kind)[0] for kind in KINDS} == {"confirm"}


def test_rights__say_the_authority_where_no_policy_speaks() -> None:
    authority = {"full_name": Authority(actions={"fix": "investigate"}, precision=0.99)}
    rights = rights_of(FIELDS, FIELDS, authority, None)
    assert rights.allowed("full_name", "fix") == ("investigate", 0.99)
    assert rights.allowed("full_name", "fill") == ("apply", 0.99)
    assert rights.allowed("birth_date", "fill") == ("apply", APPLY_PRECISION)


RULES = st.lists(
    st.builds(
        Rule,
        field=st.sampled_from(["*", "full_name", "birth_date"]),
        kind=st.sampled_from(["*", "fill", "fix"]),
        action=st.sampled_from([*ACTIONS, None]),
        precision=st.sampled_from([None, 0.9, 0.99, 0.999]),
    ),
    max_size=6,
)


@given(RULES, st.sampled_from(["full_name", "birth_date"]), st.sampled_from(["fill", "fix"]))
def test_rules__the_nearest_counts_and_among_equals_the_last(rules, standard, kind) -> None:
    rights = rights_of(FIELDS, FIELDS, {}, policy(*rules, precision=0.95))
    action, precision = "apply", 0.95
    for names in (("*", "*"), ("*", kind), (standard, "*"), (standard, kind)):
        for rule in rules:
            if (rule.field, rule.kind) == names:
                action = rule.action or action
                precision = rule.precision or precision
    assert rights.allowed(standard, kind) == (action, precision)


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        ("schema = ", "E-POLICY-001", "TOML"),
        (TEXT + "recieve = []", "E-POLICY-002", "Did you mean 'receive'"),
        ("schema = 1\npurpose = 'p'", "E-POLICY-003", "legal_basis"),
        (TEXT + "precision = 2", "E-POLICY-004", "below 1"),
        (TEXT + "[[rule]]\nkind = 'fixx'", "E-POLICY-004", "fix"),
        (TEXT + "receive = ['fullname']", "E-POLICY-005", "Did you mean 'full_name'"),
        (TEXT + "[[rule]]\nfield = 'x'", "E-POLICY-005", "rule 1"),
        (TEXT + "[limits]\ncorrections = {x = 0.1}", "E-POLICY-005", "limits"),
    ],
)
def test_policy__says_what_is_wrong(text, code, words) -> None:
    with pytest.raises(DeclarationError) as caught:
        parse_policy(text, "policy of tax", FIELDS)
    assert caught.value.code == code
    assert words in str(caught.value)


def test_policy__reads_what_is_documented() -> None:
    from pathlib import Path

    page = (Path(__file__).parents[2] / "docs" / "policy.md").read_text()
    text = page.split("```toml\n")[1].split("```")[0]
    held = parse_policy(text, "policy", AUTHORITY)
    assert held.rules[0].kind == "fix"
    assert held.limits.corrections == {"full_name": 0.2}
    assert held.decision.precision == 0.99995
