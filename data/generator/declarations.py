"""The project file, the contracts and the policies of a nation, as TOML."""

from __future__ import annotations

import json
from collections.abc import Mapping

from data.generator.forms import Form
from data.generator.layouts import (
    CARDS,
    EXTRACT_DATE,
    REGISTER_COLUMNS,
    REGISTER_SEX,
    Layout,
)
from data.generator.places import AFTER, BEFORE


def agency_contract(layout: Layout, form: Form, *, cards: bool) -> str:
    """The contract of an agency's file."""
    lines = [
        "schema = 1",
        f'key = "{layout.columns["record_id"]}"',
        'on_repeat = "reject"',
        f'records_per_person = "{"many" if layout.many else "one"}"',
        f'survivor = "{layout.survivor}"',
        f'format = "{form.format}"',
    ]
    if form.format == "csv":
        auto = form.declare == "auto"
        lines += [
            f'encoding = "{"auto" if auto else form.encoding}"',
            f"delimiter = {_text('auto' if auto else form.delimiter_of(layout))}",
        ]
    for standard, column in layout.columns.items():
        if standard == "record_id":
            continue
        lines += _field(column, standard)
        if standard in {"birth_date", "death_date"}:
            formats = [*form.date_formats(layout), *(["yyyy"] if standard == "birth_date" else [])]
            lines.append(f"formats = {_texts(formats)}")
        elif standard == "sex":
            lines.append(f"codes = {_codes(layout.sex)}")
        elif standard == "commune":
            lines += [f'codes = "{"address" if layout.address else "gso"}"']
            lines += [f"as_of = {layout.commune_as_of}"]
        elif standard == "birth_province":
            lines += ['codes = "gso"', f"as_of = {BEFORE}"]
    for standard, column in CARDS.get(layout.source, {}).items() if cards else ():
        lines += _field(column, standard)
    return "\n".join(lines) + "\n"


def register_contract() -> str:
    """The contract of the register."""
    lines = [
        "schema = 1",
        'key = "person_id"',
        'on_repeat = "reject"',
        'records_per_person = "one"',
        'survivor = "lowest_key"',
        'format = "parquet"',
        'alias_file = "../register_alias.parquet"',
    ]
    for column in REGISTER_COLUMNS:
        lines += _field(column, column)
        if column in {"birth_date", "death_date"}:
            lines.append('formats = ["yyyy-mm-dd"]')
        elif column == "sex":
            lines.append(f"codes = {_codes(REGISTER_SEX)}")
        elif column == "birth_province":
            lines += ['codes = "gso"', f"as_of = {BEFORE}"]
        elif column == "commune":
            lines += ['codes = "gso"', f"as_of = {AFTER}"]
    return "\n".join(lines) + "\n"


def policy(layout: Layout) -> str:
    """The policy of an agency: what it may receive, for which purpose and on which legal basis."""
    lines = [
        "schema = 1",
        f"purpose = {_text(layout.purpose)}",
        f"legal_basis = {_text(layout.legal_basis)}",
        f"receive = {_texts(layout.receives)}",
    ]
    return "\n".join(lines) + "\n"


def project(layouts: tuple[Layout, ...], forms: Mapping[str, Form], files: int) -> str:
    """The project file; the locale pack supplies blocking and comparisons."""
    lines = ["schema = 1", "", "[project]", 'name = "nation"', 'locale = ["vietnam"]']
    pattern = "" if files == 1 else "-*"
    lines += _source("register", "register", f"register{pattern}.parquet")
    for layout in layouts:
        lines += _source(layout.source, "agency", f"{layout.source}{pattern}.{forms[layout.source].suffix}")
        lines.append(f'policy = "policies/{layout.source}.toml"')
        if layout.verified:
            lines.append("verify = true")
    return "\n".join(lines) + "\n"


def _source(name: str, role: str, file: str) -> list[str]:
    return [
        "",
        "[[source]]",
        f'name = "{name}"',
        f'role = "{role}"',
        f'files = ["{file}"]',
        f'contract = "contracts/{name}.toml"',
        f"extract_date = {EXTRACT_DATE}",
    ]


def _field(column: str, standard: str) -> list[str]:
    return [
        "",
        "[[field]]",
        f'column = "{column}"',
        f'standard = "{standard}"',
        "required = false",
        'sensitivity = "basic"',
    ]


def _text(text: str) -> str:
    # A JSON string of these texts is a TOML basic string.
    return json.dumps(text, ensure_ascii=False)


def _texts(texts: list[str] | tuple[str, ...]) -> str:
    return "[" + ", ".join(map(_text, texts)) + "]"


def _codes(codes: dict[str, str]) -> str:
    return "{ " + ", ".join(f'"{source}" = "{standard}"' for source, standard in codes.items()) + " }"
