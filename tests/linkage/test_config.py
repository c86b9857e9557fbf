"""The project file: what it says, and every problem of a wrong one."""

import datetime
import json
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linkage.config import Link, Project, check_contracts, parse_project
from linkage.contract import parse_contract
from linkage.schema import DeclarationError, Reader, json_schema

PROJECT = """
schema = 1
[project]
name = "nation"
locale = ["vietnam"]
[[source]]
name = "register"
role = "register"
files = ["register.parquet"]
contract = "contracts/register.toml"
extract_date = 2026-11-20
[[source]]
name = "tax"
role = "agency"
files = ["tax/*.csv"]
contract = "contracts/tax.toml"
extract_date = 2026-11-19
[[source]]
name = "schools"
role = "agency"
files = ["b.csv", "a.csv"]
contract = "contracts/schools.toml"
extract_date = 2026-11-18
"""

FULL = (
    PROJECT
    + """
[[field]]
name = "mother_birth_year"
kind = "text"
[[link]]
left = "tax"
right = "register"
[[blocking]]
name = "given_birth"
on = ["full_name.given.ascii", "birth_date"]
refine = ["sex", "full_name.surname.ascii"]
[[comparison]]
name = "full_name"
columns = ["full_name"]
levels = [ {name = "exact", when = "exact", m = 0.9, u = 0.001}, {name = "else", when = "always"} ]
[[comparison]]
name = "identity"
columns = ["personal_number", "sex"]
[[comparison.parts]]
name = "number"
levels = [ {name = "exact", when = "personal_number.exact"} ]
[[comparison.parts]]
name = "sex"
levels = [ {name = "exact", when = "sex.exact"} ]
[decision]
precision = 0.999
[constraints]
must_link = ["answers.csv"]
[model]
file = "model.json"
[training]
rules = ["given_birth"]
sample = 50000
[prior]
registered = { tax = 0.995 }
"""
)


def problems(text: str) -> list[tuple[str, str]]:
    """Code and whole line of every problem of a project text."""
    with pytest.raises(DeclarationError) as caught:
        parse_project(text, "project.toml")
    return [(p.code, p.line()) for p in caught.value.problems]


def test_project__a_short_file_has_the_documented_defaults():
    project = parse_project(PROJECT)
    assert (project.name, project.locale) == ("nation", ("vietnam",))
    assert project.register is not None
    assert project.register.extract_date == datetime.date(2026, 11, 20)
    assert [s.name for s in project.agencies] == ["tax", "schools"]
    assert project.links == (
        Link(left="tax", right="register"),
        Link(left="schools", right="register"),
    )
    d = project.decision
    assert (d.precision, d.record_min, d.duplicates, d.new, d.review_max) == (0.9999, 0.99, 0.999, 0.99, 0.01)
    assert (project.training.sample, project.training.max_iterations) == (250_000, 2_000)
    assert (project.model.file, project.prior.registered) == (None, {})
    assert project.number("schools") == 2


def test_project__everything_that_can_be_said():
    project = parse_project(FULL)
    assert project.links == (Link(left="tax", right="register"),)
    assert project.kinds["mother_birth_year"] == "text"
    assert project.blocking[0].refine == ("sex", "full_name.surname.ascii")
    assert project.comparisons[0].levels[0].m == 0.9
    assert [p.name for p in project.comparisons[1].parts] == ["number", "sex"]
    assert project.decision.precision == 0.999
    assert project.constraints.must_link == ("answers.csv",)
    assert project.model.file == "model.json"
    assert project.training.rules == ("given_birth",)
    assert project.prior.registered == {"tax": 0.995}


def test_project__without_a_register_every_two_sources_are_linked():
    text = PROJECT.replace('role = "register"', 'role = "agency"')
    ends = [(link.left, link.right) for link in parse_project(text).links]
    assert ends == [("register", "tax"), ("register", "schools"), ("tax", "schools")]


def test_project__one_source_alone_is_deduplicated():
    text = PROJECT[: PROJECT.index("[[source]]", 80)].replace('"register"\nfiles', '"agency"\nfiles')
    assert parse_project(text).links == ()


def test_project__all_problems_are_told_at_once():
    text = PROJECT.replace("schema = 1", "schema = 2").replace('role = "agency"', 'role = "agancy"')
    text = text.replace("extract_date = 2026-11-18", 'extract_dat = "x"').replace(
        'name = "nation"', "name = 3"
    )
    found = problems(text)
    assert [code for code, _ in found] == [
        "E-CONFIG-004",
        "E-CONFIG-004",
        "E-CONFIG-004",
        "E-CONFIG-002",
        "E-CONFIG-004",
        "E-CONFIG-003",
    ]
    assert "Did you mean 'agency'?" in found[2][1]
    assert "Did you mean 'extract_date'?" in found[3][1]


@pytest.mark.parametrize(
    ("change", "code", "says"),
    [
        (("[project]", "[projct]"), "E-CONFIG-002", "Did you mean 'project'?"),
        (('name = "tax"', 'name = "Tax"'), "E-CONFIG-004", "'Tax' came."),
        (('name = "tax"', 'name = "tax\\n"'), "E-CONFIG-004", "small letters"),
        (('name = "tax"', 'name = "register"'), "E-CONFIG-005", "source 1"),
        (('role = "agency"', 'role = "register"'), "E-CONFIG-006", "3 registers"),
        (("2026-11-19", "2026-11-19T10:00:00"), "E-CONFIG-004", "a date with a time"),
        (('["tax/*.csv"]', "[]"), "E-CONFIG-004", "an empty list came"),
        (('["tax/*.csv"]', '"tax.csv"'), "E-CONFIG-004", "a list of one or more texts"),
        (('["vietnam"]', '["viet nam"]'), "E-CONFIG-009", "Did you mean 'vietnam'?"),
        (('locale = ["vietnam"]', ""), "E-CONFIG-009", "no locale pack is named"),
        (('name = "tax"', "name = 3"), "E-CONFIG-004", "'linkage schema project' lists what may stand there"),
    ],
)
def test_project__a_wrong_line_is_named(change, code, says):
    found = problems(PROJECT.replace(*change))
    assert any(c == code and says in line for c, line in found), found


def test_project__without_a_pack_is_refused_at_once_whatever_it_writes_itself():
    """It was told to write sections of its own, and refused again once they stood there."""
    own = """
[[blocking]]
name = "day"
on = ["birth_date"]
[[comparison]]
name = "day"
columns = ["birth_date"]
levels = [{ name = "same", when = "exact" }]
"""
    assert parse_project(PROJECT + own).blocking
    [(code, line)] = problems(PROJECT.replace('locale = ["vietnam"]', "locale = []") + own)
    assert code == "E-CONFIG-009"
    assert 'Set locale = ["vietnam"]' in line


@pytest.mark.parametrize(
    ("added", "code", "says"),
    [
        ('[[link]]\nleft = "taxx"\nright = "register"', "E-CONFIG-007", "Did you mean 'tax'?"),
        ('[[link]]\nleft = "tax"\nright = "tax"', "E-CONFIG-008", "with itself"),
        (
            '[[link]]\nleft="tax"\nright="register"\n[[link]]\nleft="register"\nright="tax"',
            "E-CONFIG-008",
            "already",
        ),
        ("[prior]\nregistered = { register = 0.9 }", "E-CONFIG-007", "no agency"),
        ("[prior]\nregistered = { tax = 1.5 }", "E-CONFIG-004", "below 1.0"),
        ('[[field]]\nname = "phone"\nkind = "text"', "E-CONFIG-011", "already"),
        ('[[field]]\nname = "dan_toc"\nkind = "text"', "E-CONFIG-012", "never used to match"),
        ('[[field]]\nname = "card"\nkind = "identfier"', "E-CONFIG-004", "Did you mean 'identifier'?"),
        ('[[blocking]]\nname = "b"\non = ["full_nam.given"]', "E-CONFIG-014", "Did you mean 'full_name'?"),
        ('[[comparison]]\nname = "c"\ncolumns = ["sex"]', "E-CONFIG-013", "neither levels nor parts"),
        ("[decision]\nprecision = 1.0", "E-CONFIG-004", "below 1.0"),
        ("[decision]\nprecision = true", "E-CONFIG-004", "true came"),
        ("[decision]\nprecison = 0.9", "E-CONFIG-002", "Did you mean 'precision'?"),
        ("[constraints]\nmust_link = [3]", "E-CONFIG-004", "must_link"),
        ("[training]\nsample = 10", "E-CONFIG-004", "at least 1000"),
        ("[authority.fullname]", "E-CONFIG-015", "Did you mean 'full_name'?"),
        ("[authority.sex]\nholdr = 1", "E-CONFIG-002", "authority sex: unknown key 'holdr'"),
        ("[authority]\nsex = 3", "E-CONFIG-004", "A table is wanted"),
        ("[gates]\nnew = 2", "E-CONFIG-004", "at most 1"),
        ("[corrections]\nmake = 1", "E-CONFIG-004", "true or false"),
        ("[corrections]\nmakes = true", "E-CONFIG-002", "Did you mean 'make'?"),
        ("[[[", "E-CONFIG-001", "not TOML"),
        ("x = " + "[" * 5000 + "]" * 5000, "E-CONFIG-001", "too deep"),
        ("schema = " + "9" * 5000, "E-CONFIG-001", "too long"),
    ],
)
def test_project__a_wrong_section_is_named(added, code, says):
    found = problems(PROJECT + added)
    assert any(c == code and says in line for c, line in found), found


@pytest.mark.parametrize("key", ['policy = "p.toml"', "verify = true", 'on_failure = "leave_out"'])
def test_project__a_register_has_none_of_the_keys_of_agencies(key):
    found = problems(PROJECT.replace('role = "register"', f'role = "register"\n{key}', 1))
    assert [code for code, _ in found] == ["E-CONFIG-016"]


def test_project__names_come_once_where_they_must():
    text = FULL.replace('name = "identity"', 'name = "full_name"').replace('name = "else"', 'name = "exact"')
    assert [c for c, _ in problems(text)] == ["E-CONFIG-005", "E-CONFIG-005"]


@given(st.text())
def test_project__any_text_is_a_project_or_a_declaration_error(text):
    with pytest.raises(DeclarationError):
        parse_project(text)


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats()
        | st.text(max_size=4)
        | st.dates()
        | st.datetimes(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
        max_leaves=6,
    ),
    st.sampled_from(
        ["project", "source", "link", "blocking", "comparison", "decision", "prior", "schema", "authority"]
    ),
)
def test_reader__any_value_anywhere_gives_problems_not_exceptions(value, key):
    table = {"schema": 1, "project": {"name": "a"}, key: value}
    reader = Reader("CONFIG", "project")
    assert (reader.struct(Project, table, "") is None) == bool(reader.problems)


def test_declaration_error__keeps_its_problems_when_pickled():
    with pytest.raises(DeclarationError) as caught:
        parse_project("schema = 3")
    again = pickle.loads(pickle.dumps(caught.value))
    assert again.problems == caught.value.problems
    assert str(again) == str(caught.value)
    assert len(again.as_dict()["problems"]) == len(again.problems) > 1


def test_project__its_json_schema_knows_every_key_and_refuses_others():
    schema = json.loads(json_schema(Project, "project"))
    assert schema["title"] == "project"
    top = schema["$defs"]["Project"]
    assert set(top["required"]) == {"schema", "project", "source"}
    assert all(d.get("additionalProperties") is False for d in schema["$defs"].values())
    assert {"field", "link", "blocking", "comparison", "decision"} < set(top["properties"])


def contract_problems(project: str, contracts: dict[str, str]) -> list[tuple[str, str]]:
    reader = Reader("CONFIG", "project")
    check_contracts(reader, parse_project(project), {n: parse_contract(t) for n, t in contracts.items()})
    return [(p.code, p.line()) for p in reader.problems]


def test_contracts__fields_must_be_standard_or_declared():
    held = 'schema = 1\nkey = "K"\n[[field]]\ncolumn = "Y"\nstandard = "mother_birth_year"\n'
    assert contract_problems(FULL, {"tax": held}) == []
    ((code, line),) = contract_problems(PROJECT, {"tax": held})
    assert code == "E-CONTRACT-015"
    assert "contract of tax" in line
    ((_, line),) = contract_problems(PROJECT, {"tax": held.replace("mother_birth_year", "fullname")})
    assert "Did you mean 'full_name'?" in line


def test_contracts__a_declared_date_needs_formats_too():
    project = PROJECT + '[[field]]\nname = "issued"\nkind = "date"\n'
    held = 'schema = 1\nkey = "K"\n[[field]]\ncolumn = "Y"\nstandard = "issued"\n'
    assert [c for c, _ in contract_problems(project, {"tax": held})] == ["E-CONTRACT-010"]


def test_contracts__person_id_and_aliases_belong_to_the_register():
    held = (
        'schema = 1\nkey = "K"\nalias_file = "a.parquet"\n[[field]]\ncolumn = "K"\nstandard = "person_id"\n'
    )
    assert contract_problems(PROJECT, {"register": held}) == []
    assert [c for c, _ in contract_problems(PROJECT, {"tax": held})] == ["E-CONTRACT-016", "E-CONTRACT-017"]
    other = held.replace('column = "K"', 'column = "L"')
    assert [c for c, _ in contract_problems(PROJECT, {"register": other})] == ["E-CONTRACT-016"]
