"""The pages under docs/ against the code: generated tables, every key, every example."""

from __future__ import annotations

import datetime
import importlib.util
import re
import tomllib
from pathlib import Path

import msgspec
import pyarrow as pa
import pytest

from linkage import config, contract, policy, tables
from linkage.levels import BITS, MEASURES
from linkage.plan import comparison_parts
from linkage.reasons import REASONS
from linkage.rules import FORMS
from linkage.schema import Reader
from linkage.standardise import standardise

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md"), ROOT / "data" / "README.md"])
LINK = re.compile(r"\]\(([^)\s]+)\)")
ANCHOR = re.compile(r"^#+ (.*)$", re.MULTILINE)


def page(name: str) -> str:
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


def generator():
    spec = importlib.util.spec_from_file_location("docs_generate", ROOT / "docs" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def examples() -> list[tuple[str, str]]:
    """Page and text of every TOML block that is a whole file."""
    return [
        (path.name, block)
        for path in PAGES
        for block in re.findall(r"```toml\n(.*?)```", path.read_text(encoding="utf-8"), re.DOTALL)
        if "schema = 1" in block
    ]


def slug(heading: str) -> str:
    text = re.sub(r"[^\w\s-]", "", heading.replace("&lt;", "").replace("&gt;", "").strip().lower())
    return re.sub(r"\s", "-", text)


@pytest.mark.parametrize("path", sorted((ROOT / "docs").glob("*.md")), ids=lambda p: p.name)
def test_pages__hold_what_the_code_says(path):
    """If this fails: ``python docs/generate.py``."""
    text = path.read_text(encoding="utf-8")
    assert generator().filled(text) == text


def test_artefacts__every_table_and_its_columns_are_there():
    text = page("artefacts.md")
    for name, table in tables.ARTEFACTS.items():
        assert f"<!-- from code: table {name} -->" in text
        for column in table.columns:
            assert f"| `{column}` |" in text


def test_reasons__every_code_is_there_in_both_languages():
    text = page("reasons.md")
    for code, (english, vietnamese) in REASONS.items():
        assert f"| `{code}` | {english} | {vietnamese} |" in text


@pytest.mark.parametrize(("name", "text"), examples())
def test_examples__are_projects_and_contracts_that_are_right(name, text):
    held = tomllib.loads(text)
    if "project" in held:
        project = config.parse_project(text, name)
        parts = comparison_parts(project.comparisons)
        assert all(part.levels[0].name == "null" for part in parts)
    elif "purpose" in held:
        policy.parse_policy(text, name, contract.STANDARD_KINDS)
    else:
        read = contract.parse_contract(text, name)
        reader = Reader("CONTRACT", name)
        contract.check_fields(reader, read, contract.STANDARD_KINDS)
        reader.finish()


def test_examples__are_enough():
    kinds = ["project" in tomllib.loads(text) for _, text in examples()]
    assert kinds.count(True) >= 3
    assert kinds.count(False) >= 4


def test_project_page__the_long_example_compiles():
    from linkage.packs import pack_defaults
    from linkage.plan import compile_project

    long = next(t for name, t in examples() if name == "project-file.md" and "[[comparison]]" in t)
    project = config.parse_project(long)
    fields = {
        "personal_number": {},
        "full_name": {},
        "birth_date": {"formats": ["dd/mm/yyyy"]},
        "sex": {"codes": {"1": "M", "2": "F"}},
        "birth_place": {},
    }
    held = {
        "schema": 1,
        "key": "K",
        "field": [{"column": name.upper(), "standard": name, **more} for name, more in fields.items()],
    }
    own = msgspec.convert(held, contract.Contract)
    plan, rules, programme = compile_project(
        project, {s.name: own for s in project.sources}, pack_defaults(project.locale)
    )
    assert [r.name for r in rules] == [b.name for b in plan.blocking]
    assert [p.name for p in programme.parts] == ["number", "sex", "full_name", "birth_date", "birth_place"]


STRUCTS = [
    (config.Project, "project-file.md"),
    (config.About, "project-file.md"),
    (config.Source, "project-file.md"),
    (config.StandardField, "project-file.md"),
    (config.Link, "project-file.md"),
    (config.Blocking, "project-file.md"),
    (config.Level, "project-file.md"),
    (config.Part, "project-file.md"),
    (config.Comparison, "project-file.md"),
    (config.Decision, "project-file.md"),
    (config.Constraints, "project-file.md"),
    (config.Model, "project-file.md"),
    (config.Training, "project-file.md"),
    (config.Settle, "project-file.md"),
    (config.Corrections, "project-file.md"),
    (config.Prior, "project-file.md"),
    (config.Gates, "project-file.md"),
    (policy.Authority, "policy.md"),
    (policy.Policy, "policy.md"),
    (policy.Rule, "policy.md"),
    (policy.Thresholds, "policy.md"),
    (policy.Limits, "policy.md"),
    (contract.Contract, "contract.md"),
    (contract.Field, "contract.md"),
]


@pytest.mark.parametrize(("struct", "name"), STRUCTS, ids=lambda v: getattr(v, "__name__", v))
def test_keys__every_one_is_documented(struct, name):
    text = page(name)
    for field in msgspec.structs.fields(struct):
        key = field.encode_name
        assert f"`{key}`" in text or f"[{key}]" in text or f"[{key}." in text, key


@pytest.mark.parametrize(
    ("struct", "name"), [(config.Decision, "project-file.md"), (config.Training, "project-file.md")]
)
def test_defaults__are_the_ones_documented(struct, name):
    text = page(name)
    for field in msgspec.structs.fields(struct):
        if isinstance(field.default, int | float):
            assert f"| `{field.encode_name}` | {field.default} |" in text, field.encode_name


def test_forms_and_features__every_one_is_documented():
    text = page("project-file.md")
    for kind, forms in FORMS.items():
        for form in forms:
            assert not form or f"`.{form}`" in text, f"{kind}.{form}"
    for kind, features in [*BITS.items(), *MEASURES.items()]:
        for feature in features:
            assert f"`{feature}`" in text, f"{kind}: {feature}"


def test_standard_fields__every_one_is_documented():
    text = page("contract.md")
    for name in contract.STANDARD_NAMES:
        assert f"`{name}`" in text


def test_links__lead_somewhere():
    for path in PAGES:
        for target in LINK.findall(path.read_text(encoding="utf-8")):
            if "://" in target:
                continue
            file, _, anchor = target.partition("#")
            there = (path.parent / file).resolve() if file else path
            assert there.exists(), f"{path.name}: {target}"
            if anchor:
                headings = [slug(h) for h in ANCHOR.findall(there.read_text(encoding="utf-8"))]
                assert anchor in headings, f"{path.name}: {target}"


def test_contract_page__codes_of_a_source_become_standard_ones(vietnam):
    """Of a unit and of a text; what is no code stays."""
    held = contract.parse_contract(
        'schema = 1\nkey = "K"\n'
        '[[field]]\ncolumn = "A"\nstandard = "commune"\ncodes = { hd1 = "00004" }\nas_of = 2025-07-01\n'
        '[[field]]\ncolumn = "B"\nstandard = "note"\ncodes = { "1" = "Red" }\n'
    )
    records = pa.table(
        {"record_id": ["1", "2", "3"], "commune": ["HD1 ", "00004", "zz"], "note": ["1", "red", "b"]}
    )
    kinds = {"commune": "unit", "note": "text"}
    done = standardise(records, held, kinds, "s", datetime.date(2026, 1, 1), vietnam, 5)
    assert done.arrays["commune"][0] == done.arrays["commune"][1] >= 0
    assert done.arrays["commune"][2] == -1
    assert done.arrays["note"][0] == done.arrays["note"][1] != done.arrays["note"][2]


@pytest.fixture(scope="module")
def vietnam():
    from data import reference
    from linkage.packs import pack_of

    known = {
        "provinces": reference.provinces(),
        "communes_before": reference.communes_before(),
        "communes_after": reference.communes_after(),
        "commune_changes": reference.commune_changes(),
    }
    return pack_of(("vietnam",), known)
