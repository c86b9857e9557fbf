from __future__ import annotations

from typing import Any

import msgspec
import pytest

from linkage.config import parse_project
from linkage.contract import parse_contract
from linkage.errors import ConfigError
from linkage.levels import compile_parts
from linkage.plan import brought_kinds, comparison_parts, effective_plan, training_plan
from linkage.rules import compile_rules
from linkage.vietnam.defaults import DEFAULTS

PROJECT = """
schema = 1
[project]
name = "nation"
locale = ["vietnam"]
[[source]]
name = "register"
role = "register"
files = ["register.parquet"]
contract = "register.toml"
extract_date = 2026-11-20
"""

OWN = """
[[blocking]]
name = "phone"
on = ["phone"]
[[blocking]]
name = "probe"
on = ["personal_number.near"]
[[blocking]]
name = "number"
on = ["personal_number.any"]
[[blocking]]
name = "day"
on = ["birth_date"]
"""

COMPARISONS = """
[[comparison]]
name = "number"
columns = ["personal_number"]
levels = [
  { name = "same", when = "exact", group = "same", m = 0.97, term_frequency = "repeats" },
  { name = "slip", when = "personal_number.one_digit", group = "slip" },
]
[[comparison]]
name = "body"
columns = ["sex", "birth_date"]
parts = [
  { name = "sex", columns = ["sex"], levels = [{ name = "same", when = "exact", u = 0.5 }] },
  { name = "both", levels = [{ name = "null", when = "sex.null" }, { name = "all", when = "always" }] },
]
"""

KINDS = {
    "personal_number": "identifier",
    "old_number": "identifier",
    "full_name": "name",
    "birth_date": "date",
    "sex": "sex",
    "commune": "unit",
    "phone": "phone",
}


def plan(text: str = "", kinds: dict[str, str] | None = None) -> Any:
    return effective_plan(parse_project(PROJECT + text), DEFAULTS, KINDS if kinds is None else kinds)


def without(*columns: str) -> dict[str, str]:
    return {c: k for c, k in KINDS.items() if c not in columns}


def test_effective_plan__is_the_packs_where_the_project_is_silent() -> None:
    names = [b.name for b in plan().blocking]
    assert {"number", "given_birth", "name_year", "near_number"} <= set(names)
    # Nobody brings parents' names.
    assert not {"father_year", "family_parents"} & set(names)
    assert not {"father", "mother"} & {c.name for c in plan().comparisons}
    more = plan(kinds={**KINDS, "father_name": "name", "mother_name": "name"})
    assert {"father_year", "mother_year", "family_parents"} <= {b.name for b in more.blocking}
    assert {"father", "mother"} <= {c.name for c in more.comparisons}


def test_effective_plan__is_the_projects_where_it_has_its_own() -> None:
    own = plan(OWN + COMPARISONS)
    assert [b.name for b in own.blocking] == ["phone", "probe", "number", "day"]
    assert [c.name for c in own.comparisons] == ["number", "body"]
    # None of the pack's training rules is there, so all are.
    assert own.training.rules == ("phone", "probe", "number", "day")


def test_effective_plan__settles_by_the_packs_levels_unless_the_project_says_otherwise() -> None:
    assert "number.same" in plan().settle.levels
    assert plan("[settle]\nskip = false\n").settle.levels == plan().settle.levels
    assert plan("[settle]\nlevels = []\n").settle.levels == ()
    assert plan('[settle]\nlevels = ["sex.same"]\n').settle.levels == ("sex.same",)
    assert plan(COMPARISONS).settle.levels == ()
    assert plan(kinds=without("sex")).settle.levels == ()


def test_effective_plan__leaves_out_refinement_by_columns_nobody_brings() -> None:
    rules = {b.name: b for b in plan(kinds=without("commune")).blocking}
    assert "birth_commune" not in rules
    assert not [c for b in rules.values() for c in (*b.on, *b.refine) if c.startswith("commune")]
    assert rules["given_birth"].refine


@pytest.mark.parametrize("column", ["sex", "birth_date"])
def test_effective_plan__keeps_the_number_where_another_part_of_its_comparison_is_absent(column: str) -> None:
    kinds = without(column)
    made = plan(kinds=kinds)
    parts = comparison_parts(made.comparisons)
    assert "number" in [p.name for p in parts]
    assert not [p.name for p in parts if column in p.columns]
    assert compile_parts(parts, kinds).n_patterns > 1
    assert compile_rules(made.blocking, kinds)


def test_effective_plan__of_every_set_of_columns_compiles() -> None:
    for columns in (["full_name"], ["personal_number", "old_number"], ["full_name", "birth_date"], ["phone"]):
        kinds = {c: KINDS[c] for c in columns}
        made = plan(kinds=kinds)
        programme = compile_parts(comparison_parts(made.comparisons), kinds)
        rules = compile_rules(made.blocking, kinds)
        training_plan(made, rules, programme)
        assert {c for p in programme.parts for c in p.columns} <= set(columns)


def test_effective_plan__refuses_a_training_rule_that_is_none() -> None:
    with pytest.raises(ConfigError, match="Did you mean 'phone'") as caught:
        plan(OWN + '[training]\nrules = ["phon"]\n')
    assert caught.value.code == "E-CONFIG-050"


def test_comparison_parts__begin_with_null_and_end_with_everything() -> None:
    number, sex, both = comparison_parts(plan(OWN + COMPARISONS).comparisons)
    assert [(v.name, v.when) for v in number.levels] == [
        ("null", "personal_number.null"),
        ("same", "exact"),
        ("slip", "personal_number.one_digit"),
        ("different", "always"),
    ]
    same = number.levels[1]
    assert (same.m, same.u, same.group, same.term_frequency) == (0.97, None, "same", "repeats")
    assert (sex.name, sex.columns, [v.name for v in sex.levels]) == (
        "sex",
        ("sex",),
        ["null", "same", "different"],
    )
    assert sex.levels[1].u == 0.5
    # A part without columns has the comparison's; a null and a last level of its own stay as they are.
    assert (both.columns, [v.name for v in both.levels]) == (("sex", "birth_date"), ["null", "all"])


def test_comparison_parts__are_null_where_any_of_several_columns_is() -> None:
    comparison = plan(OWN + COMPARISONS).comparisons[1]
    joint = msgspec.structs.replace(comparison, parts=(), levels=comparison.parts[0].levels)
    (part,) = comparison_parts([joint])
    assert part.levels[0].when == "sex.null or birth_date.null"


def test_training_plan__finds_rules_and_the_blocks_of_each_identifier_group() -> None:
    own = plan(OWN + COMPARISONS)
    rules = compile_rules(own.blocking, KINDS)
    programme = compile_parts(comparison_parts(own.comparisons), KINDS)
    made = training_plan(own, rules, programme)
    names = [r.name for r in rules]
    assert names == ["phone", "number", "day", "probe"]
    # Rules that probe have no blocks to train in.
    assert [names[i] for i in made.rules] == ["phone", "number", "day"]
    assert {group: names[i] for group, i in made.groups} == {"same": "number", "slip": "probe"}
    assert made.sample == own.training.sample
    assert made.iterations == own.training.max_iterations


def test_training_plan__of_the_pack_trains_every_group() -> None:
    made = plan()
    rules = compile_rules(made.blocking, KINDS)
    programme = compile_parts(comparison_parts(made.comparisons), KINDS)
    planned = training_plan(made, rules, programme)
    assert {group: rules[i].name for group, i in planned.groups} == {
        "same": "number",
        "old": "old_number",
        "near": "near_number",
    }
    assert [rules[i].name for i in planned.rules] == [
        "given_birth",
        "names_year",
        "birth_commune",
        "phone_given",
    ]


@pytest.mark.parametrize(
    ("field", "within"),
    [("personal_number", "old_number"), ("health_card", "insurance_number"), ("tax_code", None)],
)
def test_brought_kinds__hold_what_stands_within_a_field(field: str, within: str | None) -> None:
    contract = parse_contract(f'schema = 1\nkey = "ID"\n[[field]]\ncolumn = "A"\nstandard = "{field}"\n')
    brought = brought_kinds(parse_project(PROJECT), [contract])
    assert set(brought) == {field, within} - {None}
    assert set(brought.values()) == {"identifier"}
