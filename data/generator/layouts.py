"""How each source writes its file: columns, formats, codes; and the contracts and the project file that say
so.
"""

from __future__ import annotations

from dataclasses import dataclass

from data.generator.places import AFTER, BEFORE

EXTRACT_DATE = "2026-11-20"
REGISTER_COLUMNS = (
    "person_id", "personal_number", "old_number", "full_name", "birth_date", "sex", "birth_province",
    "commune", "phone", "father_name", "mother_name", "death_date",
)  # fmt: skip
REGISTER_SEX = {"Nam": "M", "Nữ": "F"}


@dataclass(frozen=True)
class Layout:
    """One agency's file. ``columns`` maps standard fields to the agency's names, in file order, the key
    first.
    """

    source: str
    columns: dict[str, str]
    date: str
    sex: dict[str, str]  # source code to standard code, M first
    commune_as_of: str
    capitals: bool
    delimiter: str
    survivor: str
    phone: float  # share of records with a phone
    parents: float  # share with parents' names
    phone_forms: tuple[tuple[str, float], ...]  # other ways of writing a phone, and their shares

    @property
    def file(self) -> str:
        """The file's name when it is one file."""
        return f"{self.source}.csv"


INSURANCE = Layout(
    source="insurance",
    columns={
        "record_id": "SO_BHXH",
        "personal_number": "SO_DINH_DANH",
        "full_name": "HO_TEN",
        "birth_date": "NGAY_SINH",
        "sex": "GIOI_TINH",
        "commune": "MA_XA",
        "phone": "DIEN_THOAI",
    },
    date="dd/mm/yyyy",
    sex={"1": "M", "2": "F"},
    commune_as_of=BEFORE,
    capitals=False,
    delimiter=",",
    survivor="lowest_key",
    phone=0.60,
    parents=0.0,
    phone_forms=(("international", 0.05), ("eleven", 0.02)),
)
TAX = Layout(
    source="tax",
    columns={
        "record_id": "MST",
        "full_name": "TEN_NGUOI_NOP_THUE",
        "personal_number": "SO_GIAY_TO",
        "birth_date": "NGAY_SINH",
        "sex": "GIOI_TINH",
        "commune": "MA_PHUONG_XA",
        "phone": "SO_DT",
    },
    date="yyyymmdd",
    sex={"Nam": "M", "Nữ": "F"},
    commune_as_of=AFTER,
    capitals=True,
    delimiter=";",
    survivor="highest_key",
    phone=0.60,
    parents=0.0,
    phone_forms=(("international", 0.15), ("eleven", 0.03)),
)
EDUCATION = Layout(
    source="education",
    columns={
        "record_id": "MA_DINH_DANH_GD",
        "full_name": "HO_VA_TEN",
        "birth_date": "NGAY_THANG_NAM_SINH",
        "sex": "GIOI",
        "personal_number": "SO_DDCN",
        "commune": "XA_PHUONG",
        "father_name": "HO_TEN_CHA",
        "mother_name": "HO_TEN_ME",
        "phone": "DT_LIEN_HE",
    },
    date="d/m/yyyy",
    sex={"0": "M", "1": "F"},
    commune_as_of=AFTER,
    capitals=False,
    delimiter=",",
    survivor="most_complete",
    phone=0.40,
    parents=0.90,
    phone_forms=(("spaced", 0.20),),
)
LAYOUTS = (INSURANCE, TAX, EDUCATION)


def agency_contract(layout: Layout) -> str:
    """The contract of an agency's file, as TOML."""
    lines = [
        "schema = 1",
        f'key = "{layout.columns["record_id"]}"',
        'on_repeat = "reject"',
        'records_per_person = "one"',
        f'survivor = "{layout.survivor}"',
        'format = "csv"',
        'encoding = "utf-8"',
        f'delimiter = "{layout.delimiter}"',
    ]
    for standard, column in layout.columns.items():
        if standard == "record_id":
            continue
        lines += _field(column, standard)
        if standard == "birth_date":
            lines.append(f'formats = ["{layout.date}", "yyyy"]')
        elif standard == "sex":
            lines.append(f"codes = {_codes(layout.sex)}")
        elif standard == "commune":
            lines += ['codes = "gso"', f"as_of = {layout.commune_as_of}"]
    return "\n".join(lines) + "\n"


def register_contract() -> str:
    """The contract of the register, as TOML."""
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


def project(files: int) -> str:
    """The project file, as TOML; the locale pack supplies blocking and comparisons."""
    lines = ["schema = 1", "", "[project]", 'name = "nation"', 'locale = ["vietnam"]']
    pattern = "" if files == 1 else "-*"
    for name, role, suffix in (
        ("register", "register", "parquet"),
        *((layout.source, "agency", "csv") for layout in LAYOUTS),
    ):
        lines += [
            "",
            "[[source]]",
            f'name = "{name}"',
            f'role = "{role}"',
            f'files = ["{name}{pattern}.{suffix}"]',
            f'contract = "contracts/{name}.toml"',
            f"extract_date = {EXTRACT_DATE}",
        ]
    return "\n".join(lines) + "\n"


def _field(column: str, standard: str) -> list[str]:
    return [
        "",
        "[[field]]",
        f'column = "{column}"',
        f'standard = "{standard}"',
        "required = false",
        'sensitivity = "basic"',
    ]


def _codes(codes: dict[str, str]) -> str:
    return "{ " + ", ".join(f'"{source}" = "{standard}"' for source, standard in codes.items()) + " }"
