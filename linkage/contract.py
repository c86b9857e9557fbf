"""What a source holds: the contract file, one TOML a source.

A contract names the source's own columns and says what each of them is, in which formats and codes. It is
written by the people who know the source; nothing here looks at a file of data.
"""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field

from linkage.errors import did_you_mean
from linkage.schema import Reader, unique

Kind = Literal["name", "date", "identifier", "sex", "unit", "phone", "text"]

#: The kind of every standard field. ``person_id`` is the register's own key and has none.
STANDARD_KINDS: Mapping[str, Kind] = {
    "personal_number": "identifier",
    "old_number": "identifier",
    "full_name": "name",
    "birth_date": "date",
    "sex": "sex",
    "birth_province": "unit",
    "commune": "unit",
    "phone": "phone",
    "father_name": "name",
    "mother_name": "name",
    "death_date": "date",
    "tax_code": "identifier",
    "insurance_number": "identifier",
    "health_card": "identifier",
    "passport": "identifier",
}

#: Code lists of administrative units: of the statistics office, or none but the text of an address.
UNIT_CODES = ("gso", "address")

#: Every standard name a contract may use without the project declaring it.
STANDARD_NAMES: tuple[str, ...] = ("person_id", *STANDARD_KINDS)

#: Names of columns that every table of records has, and so no field may have.
RESERVED_NAMES: frozenset[str] = frozenset({"line", "record_id", "source", "frequency", "repeats"})

# Keys of a contract that only some formats know.
_OF_FORMATS = {
    ("encoding", "delimiter", "quote", "compression"): ("csv",),
    ("sheet",): ("excel",),
    ("unpack_ratio", "unpack_max"): ("csv", "excel"),
}
_SPOKEN_FORMATS = {"csv": "CSV", "excel": "Excel"}
_SPOKEN = {",": "comma", ";": "semicolon", "\t": "tab", "|": "pipe", '"': "double quote", "'": "single quote"}

Text = Annotated[str, Meta(min_length=1, extra={"wish": "a text that is not empty"})]
Name = Annotated[
    str,
    Meta(
        pattern=r"^[a-z][a-z0-9_]{0,31}$(?!\n)",
        extra={"wish": "a name of small letters, digits and _, beginning with a letter, of at most 32"},
    ),
]


class Field(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One column of the source and the standard field it holds."""

    column: Annotated[Text, Meta(description="Name of the column in the source's files.")]
    standard: Annotated[Name, Meta(description="Standard name, or one declared by the project file.")]
    required: Annotated[bool, Meta(description="A row without a value here is refused.")] = False
    sensitivity: Literal["basic", "sensitive"] = "basic"
    formats: Annotated[
        tuple[Text, ...],
        Meta(description="Of a date, tried in this order: d, dd, m, mm and yyyy with separators."),
    ] = ()
    codes: Annotated[
        dict[str, str] | str | None,
        Meta(
            description="Source code to standard code; of a unit also 'gso', the codes of the statistics "
            "office, or 'address', free text."
        ),
    ] = None
    as_of: Annotated[
        datetime.date | None, Meta(description="Day of the code list, of an administrative unit.")
    ] = None


class Contract(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A source: its key, its files' form, and its fields in the order of the file."""

    schema: Annotated[Literal[1], Meta(description="Version of this kind of file.")]
    key: Annotated[
        Text, Meta(description="Column that is the record's own key; of a register, the person's.")
    ]
    on_repeat: Annotated[
        Literal["reject", "last"],
        Meta(description="Of a repeated key: refuse all its rows, or keep the one greatest in order_by."),
    ] = "reject"
    order_by: Annotated[Text | None, Meta(description="Column that orders the rows of one key.")] = None
    records_per_person: Literal["one", "many"] = "one"
    per: Annotated[
        tuple[Name, ...],
        Meta(description="With 'one': one record a person within each value of these standard fields."),
    ] = ()
    survivor: Annotated[
        Literal["lowest_key", "highest_key", "most_complete"],
        Meta(description="Which of two records of one person stays."),
    ] = "lowest_key"
    format: Literal["csv", "parquet", "arrow", "excel"] = "csv"
    encoding: Annotated[
        Literal[
            "utf-8", "utf-16", "utf-16-le", "utf-16-be", "cp1252", "cp1258", "latin-1", "tcvn3", "vni",
            "viqr", "auto",
        ],
        Meta(description="Of a CSV file; 'auto' finds it out from the text."),
    ] = "utf-8"  # fmt: skip
    delimiter: Annotated[
        str, Meta(description="Of a CSV file, one ASCII character; 'auto' finds it out from the header.")
    ] = ","
    quote: Annotated[
        str, Meta(description="Of a CSV file, the ASCII character around a cell; 'none' where there is none.")
    ] = '"'
    compression: Annotated[
        Literal["auto", "none", "gzip", "zstd"],
        Meta(description="Of a CSV file; 'auto' looks at its first bytes, whatever its name."),
    ] = "auto"
    sheet: Annotated[
        Text | None, Meta(description="Of an Excel file, the sheet's name; none means the first visible one.")
    ] = None
    unpack_ratio: Annotated[
        int, Meta(ge=1, description="Largest size of a packed file, unpacked, in sizes of the file.")
    ] = 200
    unpack_max: Annotated[int, Meta(ge=1, description="Largest size of a packed file, unpacked, in GiB.")] = (
        256
    )
    alias_file: Annotated[
        Text | None,
        Meta(description="Register only, relative to this file: earlier numbers and the days they held."),
    ] = None
    fields: Annotated[
        tuple[Field, ...], Meta(min_length=1, extra={"wish": "one or more sections [[field]]"})
    ] = field(name="field")

    def by_standard(self) -> dict[str, Field]:
        """The fields by their standard name, in the order of the contract."""
        return {f.standard: f for f in self.fields}

    def columns(self) -> tuple[str, ...]:
        """Every column a file must have, each once: the key, the order, then the fields."""
        wanted = [self.key, *([self.order_by] if self.order_by else []), *(f.column for f in self.fields)]
        return tuple(dict.fromkeys(wanted))


def parse_contract(text: str, name: str = "contract") -> Contract:
    """The contract in a TOML ``text``; ``name`` is how messages call it.

    Raises
    ------
    DeclarationError
        Holding every problem found (``E-CONTRACT-001`` to ``E-CONTRACT-014``, ``E-CONTRACT-018``).
    """
    reader = Reader("CONTRACT", name)
    table = reader.toml(text)
    contract = reader.struct(Contract, table, "")
    if contract is not None:
        _check_whole(reader, table, contract)
        check_fields(reader, contract, STANDARD_KINDS)
    reader.finish()
    assert contract is not None
    return contract


def _check_whole(reader: Reader, table: dict[str, Any], contract: Contract) -> None:
    """What one key of the file means for another."""
    if contract.on_repeat == "last" and contract.order_by is None:
        reader.add(
            5,
            "",
            'on_repeat = "last" without order_by.',
            "The column that orders the rows is wanted.",
            'Add order_by = "COLUMN" or use on_repeat = "reject".',
        )
    if contract.on_repeat != "last" and contract.order_by is not None:
        reader.add(
            5,
            "",
            'order_by without on_repeat = "last".',
            "order_by orders the rows of a repeated key.",
            'Add on_repeat = "last" or remove order_by.',
        )
    if contract.per and contract.records_per_person == "many":
        reader.add(
            6,
            "",
            'per with records_per_person = "many".',
            'per narrows "one".',
            'Use records_per_person = "one" or remove per.',
        )
    standards = contract.by_standard()
    for name in contract.per:
        if name not in standards:
            reader.add(
                6,
                "per",
                f"'{name}' is no standard field of this contract.",
                f"One of {', '.join(standards)} is wanted.",
                did_you_mean(name, standards).strip(),
            )
    _check_form(reader, table, contract)
    for f in contract.fields:
        if f.standard in RESERVED_NAMES:
            reader.add(
                18,
                f"field {f.column}",
                f"'{f.standard}' is a column of the engine's own.",
                "Another name is wanted.",
                "Rename the field, here and in the project file.",
            )
    unique(
        reader, 8, ((f"field {n}", f.standard) for n, f in enumerate(contract.fields, 1)), "standard field"
    )


def _check_form(reader: Reader, table: Mapping[str, Any], contract: Contract) -> None:
    """What is said of the files' form: delimiter and quote, and keys that belong to another format."""
    marks = {"delimiter": contract.delimiter, "quote": contract.quote} if contract.format == "csv" else {}
    for key, given in marks.items():
        word = "auto" if key == "delimiter" else "none"
        if given != word and (len(given) != 1 or not given.isascii() or given in "\r\n\0"):
            spoken = {name: sign for sign, name in _SPOKEN.items()} | {word: word}
            meant = did_you_mean(given, spoken)
            for name, sign in spoken.items():
                meant = meant.replace(f"'{name}'", json.dumps(sign))
            wanted = f'One character is wanted, of ASCII and no line end, or "{word}".'
            reader.add(7, key, f"{given!r} came.", wanted, meant.strip())
    if marks and contract.delimiter == contract.quote:
        reader.add(
            7,
            "quote",
            f"{contract.quote!r} is the delimiter too.",
            "Two characters are wanted.",
            'Use quote = "none" if there is no quote.',
        )
    for keys, formats in _OF_FORMATS.items():
        for key in keys:
            if key in table and contract.format not in formats:
                reader.add(
                    7,
                    key,
                    f'it stands beside format = "{contract.format}".',
                    f"It belongs to {' and '.join(_SPOKEN_FORMATS[f] for f in formats)} only.",
                    "Remove it.",
                )


def check_fields(reader: Reader, contract: Contract, kinds: Mapping[str, Kind]) -> None:
    """Note what the kind of each field asks for; fields whose kind is not in ``kinds`` are left out."""
    for number, f in enumerate(contract.fields, start=1):
        kind = kinds.get(f.standard)
        if kind is None:
            continue
        where = f"field {number} ({f.standard})"
        if kind == "date":
            _check_formats(reader, where, f, contract.format)
        elif f.formats:
            reader.add(
                9, where, "formats of a field that is no date.", "They belong to dates.", "Remove them."
            )
        _check_codes(reader, where, f, kind)


def _check_formats(reader: Reader, where: str, f: Field, file_format: str) -> None:
    if not f.formats and file_format == "csv":
        reader.add(
            10,
            where,
            "a date without formats.",
            "Text needs at least one format.",
            'Add formats = ["dd/mm/yyyy"].',
        )
    for form in f.formats:
        fault = date_format_fault(form)
        if fault:
            lower = did_you_mean(form, [form.lower()]) if not date_format_fault(form.lower()) else ""
            reader.add(
                11,
                where,
                f"the date format '{form}' {fault}.",
                "Letters d, m and y are wanted, such as dd/mm/yyyy, d/m/yyyy, yyyymmdd or yyyy.",
                lower.strip(),
            )
    if len(set(f.formats)) < len(f.formats):
        reader.add(11, where, "a date format stands twice.", "Each is wanted once.", "Remove one.")


def _check_codes(reader: Reader, where: str, f: Field, kind: Kind) -> None:
    if kind == "sex":
        if not isinstance(f.codes, dict) or not f.codes:
            reader.add(
                12,
                where,
                "codes of the sexes are missing.",
                "A table from source code to M or F is wanted.",
                'Add codes = { "1" = "M", "2" = "F" }.',
            )
        elif set(f.codes.values()) - {"M", "F"}:
            odd = ", ".join(sorted(set(f.codes.values()) - {"M", "F"}))
            reader.add(
                12,
                where,
                f"sex codes lead to {odd}.",
                "M and F are wanted.",
                "Leave out codes that mean neither: they are read as absent.",
            )
    elif kind == "unit":
        if f.codes is None:
            reader.add(
                13,
                where,
                "codes of the units are missing.",
                'codes = "gso" or a table to such codes is wanted.',
            )
        elif isinstance(f.codes, str) and f.codes not in UNIT_CODES:
            reader.add(
                13,
                where,
                f"the code list '{f.codes}' is unknown.",
                f"Known code lists: {', '.join(UNIT_CODES)}.",
                did_you_mean(f.codes, UNIT_CODES).strip(),
            )
        if f.as_of is None and f.codes != "address":
            reader.add(
                14,
                where,
                "as_of is missing.",
                "Codes were used anew on 2025-07-01: the list's day is wanted.",
                "Add as_of = 2025-06-30, or the day the extract was coded.",
            )
    elif f.codes is not None and (kind != "text" or isinstance(f.codes, str)):
        reader.add(
            12,
            where,
            "codes of a field that has none.",
            "They belong to sex and units, as a table to text.",
            "Remove them.",
        )
    if kind != "unit" and f.as_of is not None:
        reader.add(14, where, "as_of of a field that is no unit.", "It dates a list of units.", "Remove it.")


def date_format_fault(form: str) -> str:
    """What is wrong with a date format, in words that follow its name; empty if nothing is.

    Letters are ``d``, ``dd``, ``m``, ``mm`` and ``yyyy``, each part at most once; a year always, a day only
    with a month; anything else but letters and digits stands for itself. Two-digit years are refused: a
    person of 1925 and one of 2025 are both in a register.
    """
    parts = re.findall(r"[a-zA-Z]+|[^a-zA-Z]+", form)
    tokens: list[str] = []
    for part in parts:
        if not part[0].isalpha():
            if any(c.isdigit() for c in part):
                return "holds a digit"
            continue
        split = re.findall(r"d+|m+|y+", part)
        if "".join(split) != part:
            return "holds other letters than d, m and y"
        if len(split) > 1 and {"d", "m"} & set(split):
            return "joins a one-letter part to another without a separator"
        tokens += split
    if any(t not in ("d", "dd", "m", "mm", "yyyy") for t in tokens):
        return "has a part that is none of d, dd, m, mm, yyyy"
    letters = [t[0] for t in tokens]
    if letters.count("y") != 1:
        return "needs yyyy once"
    if letters.count("m") > 1 or letters.count("d") > 1:
        return "names a part twice"
    if "d" in letters and "m" not in letters:
        return "has a day without a month"
    return ""
