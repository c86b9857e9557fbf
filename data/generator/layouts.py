"""The agencies' files as data: columns, formats, codes, whom each holds and how often.

Another source is another ``Layout``, its rates (``rates.py``) and whom it holds (``coverage.py``).
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
#: Fields that ``cards`` adds, by source, and their columns, of which the key is one.
CARDS = {
    "insurance": {"insurance_number": "SO_BHXH", "health_card": "MA_THE_BHYT"},
    "tax": {"tax_code": "MST"},
}


@dataclass(frozen=True)
class Layout:
    """One agency's file. ``columns`` maps standard fields to the agency's names, in file order, the key
    first.
    """

    source: str
    number: int  # of its random streams: never changes
    columns: dict[str, str]
    date: str  # of every date in it
    delimiter: str
    survivor: str
    sex: dict[str, str]  # source code to standard code, M first; empty without the column
    commune_as_of: str
    key: str = "province_serial"  # how the key is made, see ``record_keys``
    capitals: bool = False
    ascii: bool = False  # names without diacritics, the file's own way of writing
    address: bool = False  # the commune stands as address text
    phone: float = 0.0  # share of records with a phone
    phone_forms: tuple[tuple[str, float], ...] = ()  # other ways of writing a phone, and their shares
    parents: float = 0.0  # share with parents' names
    records: tuple[float, ...] = (1.0,)  # shares of persons with one, two, three records
    province: str = ""  # three digits: only people who live there
    foreigners: float = 0.0  # share of records of foreigners with a passport
    verified: bool = False  # the project file asks to verify every record
    receives: tuple[str, ...] = ()  # fields that its policy lets it receive
    purpose: str = ""
    legal_basis: str = ""

    def header(self, *, cards: bool) -> list[str]:
        """The columns of the file, in order."""
        held = list(self.columns.values())
        added = CARDS.get(self.source, {}).values() if cards else ()
        return [*held, *(column for column in added if column not in held)]

    @property
    def many(self) -> bool:
        """Whether a person has several records by right."""
        return len(self.records) > 1


INSURANCE = Layout(
    source="insurance",
    number=0,
    columns={
        "record_id": "SO_BHXH",
        "personal_number": "SO_DINH_DANH",
        "full_name": "HO_TEN",
        "birth_date": "NGAY_SINH",
        "sex": "GIOI_TINH",
        "commune": "MA_XA",
        "phone": "DIEN_THOAI",
        "death_date": "NGAY_CHET",
    },
    date="dd/mm/yyyy",
    delimiter=",",
    survivor="lowest_key",
    sex={"1": "M", "2": "F"},
    commune_as_of=BEFORE,
    phone=0.60,
    phone_forms=(("international", 0.05), ("eleven", 0.02)),
    receives=("personal_number", "full_name", "birth_date", "sex", "commune", "death_date"),
    purpose="Quản lý người tham gia và chi trả bảo hiểm xã hội, bảo hiểm y tế",
    legal_basis="Luật Căn cước 26/2023/QH15, Điều 9 và 10; Luật Bảo hiểm xã hội 41/2024/QH15; "
    "Nghị định 278/2025/NĐ-CP",
)
TAX = Layout(
    source="tax",
    number=1,
    columns={
        "record_id": "MST",
        "full_name": "TEN_NGUOI_NOP_THUE",
        "personal_number": "SO_GIAY_TO",
        "birth_date": "NGAY_SINH",
        "sex": "GIOI_TINH",
        "commune": "MA_PHUONG_XA",
        "phone": "SO_DT",
        "death_date": "NGAY_MAT",
    },
    date="yyyymmdd",
    delimiter=";",
    survivor="highest_key",
    sex={"Nam": "M", "Nữ": "F"},
    commune_as_of=AFTER,
    key="tax_code",
    capitals=True,
    phone=0.60,
    phone_forms=(("international", 0.15), ("eleven", 0.03)),
    receives=("personal_number", "full_name", "birth_date", "sex", "commune", "death_date"),
    purpose="Chuẩn hóa mã số thuế theo số định danh cá nhân",
    legal_basis="Luật Quản lý thuế 38/2019/QH14, Điều 35 khoản 7; Thông tư 90/2026/TT-BTC; "
    "Nghị định 278/2025/NĐ-CP",
)
EDUCATION = Layout(
    source="education",
    number=2,
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
    delimiter=",",
    survivor="most_complete",
    sex={"0": "M", "1": "F"},
    commune_as_of=AFTER,
    phone=0.40,
    phone_forms=(("spaced", 0.20),),
    parents=0.90,
    receives=(
        "personal_number", "full_name", "birth_date", "sex", "commune", "father_name", "mother_name",
    ),
    purpose="Quản lý mã định danh của người học, nhà giáo và cán bộ quản lý giáo dục",
    legal_basis="Nghị định 88/2026/NĐ-CP, Điều 9; Thông tư 42/2021/TT-BGDĐT, Điều 10; "
    "Nghị định 278/2025/NĐ-CP",
)  # fmt: skip
VEHICLES = Layout(
    source="vehicles",
    number=3,
    columns={
        "record_id": "BIEN_SO",
        "full_name": "CHU_XE",
        "personal_number": "SO_GIAY_TO",
        "birth_date": "NGAY_SINH",
        "commune": "DIA_CHI",
    },
    date="dd/mm/yyyy",
    delimiter=",",
    survivor="lowest_key",
    sex={},
    commune_as_of=BEFORE,
    key="plate",
    address=True,
    records=(0.70, 0.22, 0.08),
    receives=("personal_number", "full_name", "birth_date", "commune"),
    purpose="Cập nhật thông tin chủ xe khi đăng ký, sang tên",
    legal_basis="Luật Trật tự, an toàn giao thông đường bộ 36/2024/QH15; Thông tư 79/2024/TT-BCA",
)
BANK = Layout(
    source="bank",
    number=4,
    columns={
        "record_id": "SO_CIF",
        "full_name": "TEN_KHACH_HANG",
        "birth_date": "NGAY_SINH",
        "sex": "GIOI_TINH",
        "personal_number": "SO_GIAY_TO",
        "phone": "SO_DIEN_THOAI",
    },
    date="dd-mm-yyyy",
    delimiter="|",
    survivor="lowest_key",
    sex={"M": "M", "F": "F"},
    commune_as_of="",
    key="serial",
    capitals=True,
    ascii=True,
    phone=0.97,
    phone_forms=(("international", 0.30),),
    foreigners=0.005,
    receives=("personal_number", "full_name", "birth_date", "sex"),
    purpose="Đối chiếu thông tin nhận biết khách hàng",
    legal_basis="Luật Phòng, chống rửa tiền 14/2022/QH15, Điều 9 và 10; Thông tư 17/2024/TT-NHNN",
)
ONESTOP = Layout(
    source="onestop",
    number=5,
    columns={
        "record_id": "MA_HO_SO",
        "full_name": "HO_TEN_NGUOI_NOP",
        "birth_date": "NGAY_SINH",
        "personal_number": "SO_DDCN",
        "commune": "MA_XA_PHUONG",
        "phone": "SO_DIEN_THOAI",
    },
    date="dd/mm/yyyy",
    delimiter=";",
    survivor="lowest_key",
    sex={},
    commune_as_of=AFTER,
    key="dossier",
    phone=0.85,
    phone_forms=(("spaced", 0.10),),
    records=(0.60, 0.28, 0.12),
    province="001",
    receives=("personal_number", "full_name", "birth_date", "commune"),
    purpose="Giải quyết thủ tục hành chính, công dân cung cấp thông tin một lần",
    legal_basis="Nghị định 118/2025/NĐ-CP; Luật Căn cước 26/2023/QH15, Điều 10",
)
EXAM = Layout(
    source="exam",
    number=6,
    columns={
        "record_id": "SO_BAO_DANH",
        "full_name": "HO_TEN",
        "birth_date": "NGAY_SINH",
        "sex": "GIOI_TINH",
        "personal_number": "SO_CCCD",
        "birth_province": "MA_TINH_KHAI_SINH",
    },
    date="dd/mm/yyyy",
    delimiter="\t",
    survivor="lowest_key",
    sex={"Nam": "M", "Nữ": "F"},
    commune_as_of="",
    verified=True,
    receives=("personal_number", "full_name", "birth_date", "sex", "birth_province"),
    purpose="Xác thực thông tin thí sinh đăng ký dự thi tốt nghiệp trung học phổ thông",
    legal_basis="Thông tư 24/2024/TT-BGDĐT; Luật Căn cước 26/2023/QH15, Điều 10",
)
#: The three national files, which every nation is made for; then the further ones.
NATIONAL = (INSURANCE, TAX, EDUCATION)
LAYOUTS = (*NATIONAL, VEHICLES, BANK, ONESTOP, EXAM)
SOURCES = tuple(layout.source for layout in LAYOUTS)
DEFAULT_SOURCES = tuple(layout.source for layout in NATIONAL)


def chosen(sources: tuple[str, ...]) -> tuple[Layout, ...]:
    """The layouts of some sources, in the order of ``SOURCES``.

    Raises ValueError for an unknown or repeated source, or none.
    """
    for source in sources:
        if source not in SOURCES:
            raise ValueError(f"there is no source {source!r}; wanted some of {', '.join(SOURCES)}")
    if not sources or len(set(sources)) < len(sources):
        raise ValueError(f"sources are {', '.join(sources) or 'none'}; wanted one or more, each once")
    return tuple(layout for layout in LAYOUTS if layout.source in sources)
