import csv
import pickle
from collections import defaultdict
from datetime import date
from importlib import resources

import polars as pl
import pytest

from data import reference
from linkage.vietnam.units import PROVINCE_MEMBER, UnitTable, province_key

BEFORE, AFTER = date(2025, 6, 30), date(2025, 7, 1)


@pytest.fixture(scope="module")
def table():
    return UnitTable.from_reference(
        reference.provinces(),
        reference.communes_before(),
        reference.communes_after(),
        reference.commune_changes(),
    )


def rows(name):
    with resources.files("data.reference").joinpath(name).open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_communes__old_codes_mean_all_their_successors(table):
    successors = defaultdict(set)
    for row in rows("commune_changes_2025_07.csv"):
        successors[row["old_code"]].add(int(row["new_code"]))
    found = table.communes(pl.Series(list(successors)), BEFORE)
    assert found["issue"].null_count() == len(found)
    for unit, members in zip(found["unit"], successors.values(), strict=True):
        assert set(table.members(unit)) == members


def test_communes__new_codes_mean_themselves(table):
    codes = [row["code"] for row in rows("communes_from_2025_07.csv")]
    provinces = [int(row["province_gso"]) for row in rows("communes_from_2025_07.csv")]
    found = table.communes(pl.Series(codes), AFTER)
    assert found["issue"].null_count() == len(found)
    assert [table.members(unit) for unit in found["unit"]] == [(int(code),) for code in codes]
    assert table.set_province[found["unit"].to_numpy()].tolist() == provinces


def test_sets__are_sorted_distinct_and_the_same_for_any_row_order(table):
    members = [table.members(i) for i in range(len(table))]
    assert members[: table.commune_sets] == sorted(set(members[: table.commune_sets]))
    assert members[table.commune_sets :] == sorted(set(members[table.commune_sets :]))
    assert all(list(m) == sorted(set(m)) for m in members)
    shuffled = UnitTable.from_reference(
        reference.provinces().reverse(),
        reference.communes_before().reverse(),
        reference.communes_after().sample(fraction=1, shuffle=True, seed=4),
        reference.commune_changes().sample(fraction=1, shuffle=True, seed=5),
    )
    assert (shuffled.set_offsets == table.set_offsets).all()
    assert (shuffled.set_members == table.set_members).all()
    assert (shuffled.set_province == table.set_province).all()
    assert shuffled.communes_old == table.communes_old


def test_communes__a_reused_code_depends_on_the_date(table):
    # 00004 was Phường Trúc Bạch and is Phường Ba Đình; 00001 (Phúc Xá) went to Hồng Hà, 00097
    before = table.communes(pl.Series(["00004", "00001", "00007"]), BEFORE)
    assert [table.members(u) for u in before["unit"]] == [(4,), (97,), (8, 25)]
    after = table.communes(pl.Series(["00008", "00025", "00097"]), AFTER)
    assert [table.members(u) for u in after["unit"]] == [(8,), (25,), (97,)]


def test_communes__issues(table):
    found = table.communes(pl.Series(["4", "4.0", "26732", "99999", "x", "123456", "00004 "]), BEFORE)
    assert found["issue"].to_list() == [
        "lost_zero",
        "lost_zero",
        "other_era",
        "unknown_code",
        "unreadable",
        "unreadable",
        None,
    ]
    assert (found["unit"] == -1).to_list() == [False, False, False, True, True, True, False]
    assert table.communes(pl.Series(["00001"]), AFTER)["issue"].to_list() == ["other_era"]


def test_provinces__the_seven_traps(table):
    def members(value, as_of):
        return [
            m - PROVINCE_MEMBER for m in table.members(table.provinces(pl.Series([value]), as_of)["unit"][0])
        ]

    assert members("10", BEFORE) == members("Lào Cai", BEFORE) == [10]
    assert members("15", BEFORE) == members("Yên Bái", BEFORE) == [15]
    assert members("15", AFTER) == members("Lào Cai", AFTER) == [10, 15]
    assert members("Bắc Ninh", AFTER) == members("24", AFTER) == [24, 27]
    assert members("Bắc Ninh", BEFORE) == members("027", BEFORE) == [27]
    assert members("079", AFTER) == [74, 77, 79]
    assert members("Hà Giang", AFTER) == [2]


@pytest.mark.parametrize(
    ("value", "gso"),
    [
        ("Thành phố Hồ Chí Minh", 79),
        ("TP.HCM", 79),
        ("TPHCM", 79),
        ("Tỉnh Đăk Lăk", 66),
        ("Đắc Lắc", 66),
        ("DAK LAK", 66),
        ("Kontum", 62),
        ("Bắc Cạn", 6),
        ("Thừa Thiên - Huế", 46),
        ("TT-Huế", 46),
        ("Huế", 46),
        ("BR-VT", 77),
        ("Hoà Bình", 17),
        ("Hòa Bình", 17),
        ("T. Thái Bình", 34),
        ("hà nội", 1),
        ("Hà Tây", 1),
        ("Bà Rịa–Vũng Tàu", 77),
    ],
)
def test_provinces__spellings_of_names(table, value, gso):
    found = table.provinces(pl.Series([value]), BEFORE)
    assert table.members(found["unit"][0]) == (PROVINCE_MEMBER + gso,)


def test_provinces__every_name_and_code_of_the_reference(table):
    provinces = reference.provinces()
    for column in ("name", "gso", "code3"):
        found = table.provinces(provinces[column], BEFORE)
        assert found["issue"].null_count() == 63
        assert [table.members(u)[0] - PROVINCE_MEMBER for u in found["unit"]] == [
            int(g) for g in provinces["gso"]
        ]
        assert table.set_province[found["unit"].to_numpy()].tolist() == [int(g) for g in provinces["new_gso"]]
    assert provinces["name"].map_elements(province_key, return_dtype=pl.String).n_unique() == 63


def test_provinces__issues(table):
    found = table.provinces(pl.Series(["1", "03", "Narnia", "10", "-", "1234"]), AFTER)
    assert found["issue"].to_list() == [
        "lost_zero",
        "unknown_code",
        "unknown_name",
        "other_era",
        "unreadable",
        "unreadable",
    ]


def test_table__survives_pickling(table):
    again = pickle.loads(pickle.dumps(table))
    assert (again.set_members == table.set_members).all()
    assert again.provinces_new == table.provinces_new


def test_from_reference__refuses_unknown_codes():
    provinces = reference.provinces()
    before, after, changes = (
        reference.communes_before(),
        reference.communes_after(),
        reference.commune_changes(),
    )
    with pytest.raises(ValueError, match="unknown code"):
        UnitTable.from_reference(provinces, before, after.head(100), changes)
    with pytest.raises(ValueError, match="no successor"):
        UnitTable.from_reference(provinces, before, after, changes.head(100))
