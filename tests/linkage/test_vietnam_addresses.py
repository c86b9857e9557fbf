"""Every commune in many writings: what comes out holds the true communes, or nothing; never others."""

import datetime as dt
import unicodedata

import polars as pl
import pytest

from data import reference
from linkage.vietnam.addresses import MAX_MEMBERS, AddressBook
from linkage.vietnam.place_names import name_keys, read_place
from linkage.vietnam.units import PROVINCE_MEMBER, UnitTable

BEFORE = dt.date(2025, 6, 30)
TABLES = (
    reference.provinces(),
    reference.communes_before(),
    reference.communes_after(),
    reference.commune_changes(),
)
PROVINCE = {p["gso"]: p for p in TABLES[0].iter_rows(named=True)}
NEW_PROVINCE = {p["new_gso"]: p["new_name"] for p in PROVINCE.values()}
TYPES = {
    "phường": "P.", "xã": "X.", "thị trấn": "TT.", "quận": "Q.", "huyện": "H.", "thị xã": "TX.",
    "thành phố": "TP.", "đặc khu": "Đặc khu",
}  # fmt: skip


def split(name):
    kind = next((t for t in TYPES if name.lower().startswith(t + " ")), "")
    return kind, name[len(kind) :].strip()


def short(name, blank=" "):
    kind, bare = split(name)
    return TYPES[kind] + blank + bare if kind else bare


def untyped(name):
    return split(name)[1]


def ascii_text(text):
    decomposed = unicodedata.normalize("NFD", text.replace("đ", "d").replace("Đ", "D"))
    return "".join(c for c in decomposed if not unicodedata.combining(c))


OLD_WRITINGS = {
    "in full": lambda c, d, p: f"{c}, {d}, Tỉnh {p}",
    "short": lambda c, d, p: f"Số 12 ngõ 5 đường Nguyễn Trãi, Tổ 3, {short(c)}, {short(d)}, {p}",
    "untyped": lambda c, d, p: f"{untyped(c)}, {untyped(d)}, {p}, Việt Nam",
    "capitals": lambda c, d, p: f"{c}, {d}, {p}".upper(),
    "decomposed": lambda c, d, p: unicodedata.normalize("NFD", f"{short(c)}, {short(d)}, {p}"),
    "no marks": lambda c, d, p: ascii_text(f"{c}, {d}, {p}"),
    "no marks, short": lambda c, d, p: ascii_text(f"12 Le Loi, {short(c)}, {short(d)}, {p}").lower(),
    "dashes": lambda c, d, p: f"{c} - {d} - {p}",
    "run together": lambda c, d, p: f"{short(c)} {short(d)} {p}",
    "no marks, run together": lambda c, d, p: ascii_text(f"{c} {d} {p}"),
}
NEW_WRITINGS = {
    "in full": lambda c, p: f"{c}, Tỉnh {p}",
    "short": lambda c, p: f"12 Lê Lợi, Thôn 5, {short(c)}, T. {p}",
    "capitals": lambda c, p: f"{c}, {p}".upper(),
    "no marks": lambda c, p: ascii_text(f"{c}, {p}"),
    "run together": lambda c, p: f"{c} {p}",
    "untyped": lambda c, p: f"{untyped(c)}, {p}",
}


@pytest.fixture(scope="module")
def book():
    return AddressBook(UnitTable.from_reference(*TABLES), *TABLES)


def judged(book, values, truth, as_of=None):
    """(found, wrong): how many held all true communes, and the addresses whose set lacks one of them."""
    got = book.communes(pl.Series(values), as_of)
    found, wrong = 0, []
    for text, true, unit in zip(values, truth, got["unit"], strict=True):
        if unit < 0:
            continue
        found += 1
        if not set(true) <= set(book.units.members(unit)):
            wrong.append(text)
    return found, wrong


@pytest.mark.parametrize("writing", OLD_WRITINGS)
def test_addresses__of_every_commune_before_the_reform(book, writing):
    rows = list(TABLES[1].iter_rows(named=True))
    values = [
        OLD_WRITINGS[writing](r["name"], r["district"], PROVINCE[r["province_gso"]]["name"]) for r in rows
    ]
    truth = [book.units.members(book.units.communes_old[r["code"]]) for r in rows]
    found, wrong = judged(book, values, truth, BEFORE if writing == "in full" else None)
    assert not wrong
    assert found >= 0.995 * len(rows)


def test_addresses__with_the_province_that_took_over(book):
    rows = list(TABLES[1].iter_rows(named=True))
    values = [
        f"{r['name']}, {r['district']}, {PROVINCE[r['province_gso']]['new_name']}" for r in rows
    ]  # fmt: skip
    found, wrong = judged(
        book, values, [book.units.members(book.units.communes_old[r["code"]]) for r in rows]
    )
    assert not wrong
    assert found >= 0.995 * len(rows)


def test_addresses__without_a_district_are_several_communes_or_none(book):
    rows = list(TABLES[1].iter_rows(named=True))
    values = [f"{r['name']}, {PROVINCE[r['province_gso']]['name']}" for r in rows]
    for as_of in (None, BEFORE):
        truth = [book.units.members(book.units.communes_old[r["code"]]) for r in rows]
        found, wrong = judged(book, values, truth, as_of)
        assert not wrong
        assert 0.98 * len(rows) <= found < len(rows)


@pytest.mark.parametrize("writing", NEW_WRITINGS)
def test_addresses__of_every_commune_of_today(book, writing):
    rows = list(TABLES[2].iter_rows(named=True))
    values = [NEW_WRITINGS[writing](r["name"], NEW_PROVINCE[r["province_gso"]]) for r in rows]
    found, wrong = judged(book, values, [(int(r["code"]),) for r in rows])
    assert not wrong
    # A bare name that was a district's too (Ba Đình, Hà Nội) names no commune.
    assert found >= (0.8 if writing == "untyped" else 0.995) * len(rows)


@pytest.mark.parametrize(
    ("text", "communes", "issue"),
    [
        ("P. Trúc Bạch, Q. Ba Đình, Hà Nội", {4}, None),
        ("P Ba Đình, Q Ba Đình, Hà Nội", {4}, None),
        ("X. Tân An, H. Càng Long, T. Trà Vinh", {29278}, None),
        ("P.1, Q.3, TPHCM", {27154}, None),
        ("P1 Q3 TP HCM", {27154}, None),
        ("Phường 01, Quận 3, SG", {27154}, None),
        ("Phường Linh Trung, Quận Thủ Đức, T.P Hồ Chí Minh", {26800}, None),
        ("P. Thảo Điền, Q.2, TP.HCM", {27094}, None),
        ("P. Văn Quán, TX. Hà Đông, Hà Tây", {643, 9556}, None),
        ("P. Vỹ Dạ, TP Huế, TT-Huế", {19777}, None),
        ("xã Ea H'leo, huyện Ea H’leo, Dak Lak", {24184}, None),
        ("Xã Càng Long, Trà Vinh", {29266}, None),
        ("Phường Ba Đình (nay), Hà Nội, Việt Nam", {4}, None),
        ("nhà số " + "9" * 20_000 + ", Phường 01, Quận 3, SG", {27154}, None),
        ("a, b - (c); " * 4_000 + ", Phường 01, Quận 3, SG", {27154}, None),
        ("Phường 1, TPHCM", None, "ambiguous"),
        ("Hà Đông, Hà Nội", None, "no_commune"),
        ("12 Trần Phú, Hà Đông, Hà Nội", None, "no_commune"),
        ("Q. Ba Đình, Hà Nội", None, "no_commune"),
        ("Hà Nội", None, "no_commune"),
        ("Xã Không Có, Hà Nội", None, "unknown_name"),
        ("Phường Trúc Bạch", None, "unknown_name"),
        ("nhà bà ngoại", None, "unknown_name"),
        ("", None, "unknown_name"),
        (",,-,", None, "unknown_name"),
    ],
)
def test_addresses__examples(book, text, communes, issue):
    unit, said = book.communes(pl.Series([text]), None).row(0)
    assert said == issue
    assert (set(book.units.members(unit)) if unit >= 0 else None) == communes


def test_addresses__before_the_reform_name_no_commune_of_today(book):
    value = pl.Series(["Phường Ba Đình, Hà Nội"])
    assert book.communes(value, BEFORE)["unit"].to_list() == [-1]
    assert book.communes(value, dt.date(2025, 7, 1))["unit"].to_list() != [-1]


def test_address_book__adds_sets_behind_those_of_the_table(book):
    table = UnitTable.from_reference(*TABLES)
    n = len(table)
    assert len(book.units) > n
    assert [book.units.members(u) for u in range(n)] == [table.members(u) for u in range(n)]
    assert book.units.set_province[:n].tolist() == table.set_province.tolist()
    owner = {int(c): int(g) for c, g in TABLES[2].select("code", "province_gso").iter_rows()}
    seen = {table.members(u) for u in range(n)}
    for unit in range(n, len(book.units)):
        members = book.units.members(unit)
        assert 1 < len(members) <= MAX_MEMBERS
        assert list(members) == sorted(set(members))
        assert members not in seen
        seen.add(members)
        owners = {owner[m] for m in members}
        assert book.units.set_province[unit] == (owners.pop() if len(owners) == 1 else -1)
    again = AddressBook(table, *TABLES).units
    assert again.set_members.tolist() == book.units.set_members.tolist()


def test_provinces__are_the_last_component(book):
    values = pl.Series(["Càng Long, Trà Vinh", "BV Từ Dũ, TPHCM", "Hà Tây", "An Giang", "nơi nào đó"])
    found = book.provinces(values)
    members = [
        {m - PROVINCE_MEMBER for m in book.units.members(u)} if u >= 0 else None for u in found["unit"]
    ]
    assert members == [{84}, {74, 77, 79}, {1}, {89, 91}, None]
    assert found["issue"].to_list() == [None, None, None, None, "unknown_name"]


@pytest.mark.parametrize(
    ("text", "type_", "key"),
    [
        ("p.1", "P", "1"),
        ("p01", "P", "1"),
        ("phường bến nghé", "P", "bennghe"),
        ("phú thọ", "", "phutho"),
        ("tx sơn tây", "x", "sontay"),
        ("t. trà vinh", "t", "travinh"),
        ("t.p hồ chí minh", "c", "hochiminh"),
        ("tt. xuân mai", "T", "xuanmai"),
        ("q3", "q", "3"),
        ("huyện ea h'leo", "h", "eahleo"),
        ("đắc lắc", "", "daklak"),
        ("dak lak", "", "daklak"),
        ("thị xã quảng yên", "x", "quangyen"),
    ],
)
def test_read_place__type_and_key(text, type_, key):
    first = read_place(text)[0]
    assert (first.type, first.key) == (type_, key)


def test_read_place__keeps_the_name_that_begins_like_a_type():
    assert [(p.type, p.key) for p in read_place("phuong thinh")] == [("P", "thinh"), ("", "phuongthinh")]
    assert [(p.type, p.key) for p in read_place("phương thịnh")] == [("", "phuongthinh")]


def test_name_keys__do_not_depend_on_the_tone_marks_place():
    assert name_keys("hoà bình") == name_keys("hòa bình")
    assert name_keys("hương vân")[0] != name_keys("hương văn")[0]
