from __future__ import annotations

import collections
import datetime as dt
import itertools
from collections.abc import Sequence

import msgspec
import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data import reference
from linkage.config import NEVER_MATCHED
from linkage.contract import STANDARD_KINDS, parse_contract
from linkage.name_keys import name_codes
from linkage.packs import Pack, pack_of
from linkage.queries import QUERIES, QUERY_COLUMNS
from linkage.repairs import REPAIRS
from linkage.standardise import ALIASES_KEPT, StandardPart, read_aliases, standardise
from linkage.text_sets import merge_texts
from linkage.vietnam.syllables import canonical_syllables
from linkage.vietnam.units import UnitTable
from linkage.vocabulary import (
    hash_text,
    merge_vocabularies,
    record_order,
    token_ids,
    tokens_of,
)
from tests.kernels import twins
from tests.linkage import small

EXTRACT = dt.date(2026, 11, 20)
SECRET = 77

CONTRACT = parse_contract("""
schema = 1
key = "SO"
format = "csv"
[[field]]
column = "SO_DD"
standard = "personal_number"
[[field]]
column = "CMND"
standard = "old_number"
[[field]]
column = "HO_TEN"
standard = "full_name"
[[field]]
column = "ME"
standard = "mother_name"
[[field]]
column = "NGAY"
standard = "birth_date"
formats = ["dd/mm/yyyy", "yyyy"]
[[field]]
column = "GIOI"
standard = "sex"
codes = { "1" = "M", "2" = "F" }
[[field]]
column = "XA"
standard = "commune"
codes = "gso"
as_of = 2026-01-01
[[field]]
column = "DT"
standard = "phone"
[[field]]
column = "TRUONG"
standard = "school"
[[field]]
column = "THE"
standard = "card"
""")

KINDS = {
    "personal_number": "identifier",
    "old_number": "identifier",
    "full_name": "name",
    "mother_name": "name",
    "birth_date": "date",
    "sex": "sex",
    "commune": "unit",
    "phone": "phone",
    "school": "text",
    "card": "identifier",
}

ROWS = [
    {
        "record_id": "a1",
        "personal_number": "001085000123",
        "full_name": "NGUYỄN VĂN Minh",
        "mother_name": "Trần Thị Lan",
        "birth_date": "03/02/1985",
        "sex": "1",
        "phone": "0901 234 567",
        "school": "THPT  Chu Văn An",
        "card": "ab-12",
    },
    {
        "record_id": "a2",
        "personal_number": "012345670",
        "full_name": "Trần Thị Lan",
        "birth_date": "1985",
        "sex": "2",
    },
    {
        "record_id": "a3",
        "personal_number": "111111111111",
        "birth_date": "31/02/1985",
        "sex": "9",
        "phone": "12",
    },
    {"record_id": "a4", "personal_number": "1085000123", "old_number": "012345679", "card": "123"},
    {"record_id": "a5"},
    {"record_id": "a6", "personal_number": "012345671", "old_number": "012345672", "full_name": "Lan Trần"},
    {"record_id": "a7", "full_name": "NGUYỄN VĂN Minh", "school": "thpt chu văn an", "card": "AB 12"},
]


def table(rows: Sequence[dict[str, str]], *more: str) -> pa.Table:
    columns = ["record_id", *KINDS, *more]
    return pa.table({c: pa.array([row.get(c) for row in rows], pa.string()) for c in columns})


@pytest.fixture(scope="module")
def pack() -> Pack:
    names = ("provinces", "communes_before", "communes_after", "commune_changes")
    return pack_of(("vietnam",), {name: getattr(reference, name)() for name in names})


def part(
    pack: Pack,
    rows: Sequence[dict[str, str]] = ROWS,
    records: pa.Table | None = None,
    kinds: dict[str, str] | None = None,
    aliases: pa.Table | None = None,
    contract=CONTRACT,
) -> StandardPart:
    held = table(rows) if records is None else records
    earlier = None if aliases is None else read_aliases(aliases, pack, EXTRACT)
    return standardise(held, contract, kinds or KINDS, "tax", EXTRACT, pack, SECRET, earlier)


def queries(made: StandardPart, row: int) -> set[tuple[str, str]]:
    held = made.queries.filter(pl.col("row") == row)
    return set(held.select("field", "code").iter_rows())


def code(digits: str) -> int:
    return twins.identifier_code(digits)


def repairs(made: StandardPart, row: int, field: str) -> set[str]:
    held = made.repairs.filter((pl.col("row") == row) & (pl.col("field") == field))
    return set(held["kind"].to_list())


def words(made: StandardPart, column: str) -> list[str]:
    tokens = ["", *made.tokens.to_list()]
    return [" ".join(tokens[t] for t in row if t) for row in made.arrays[column].tolist()]


def test_standardise__codes_every_kind_of_column(pack: Pack) -> None:
    made = part(pack)
    assert words(made, "full_name") == [
        "nguyễn văn minh", "trần thị lan", "", "", "", words(made, "full_name")[5], "nguyễn văn minh",
    ]  # fmt: skip
    assert words(made, "mother_name")[0] == "trần thị lan"
    assert made.arrays["birth_date"].tolist()[:3] == [1985 * 512 + 2 * 32 + 3, 1985 * 512, 0]
    assert made.arrays["sex"].tolist() == [1, 2, 0, 0, 0, 0, 0]
    assert made.arrays["commune"].tolist() == [-1] * 7
    assert made.arrays["phone"][0] == code("0901234567")
    texts = made.arrays["school"].tolist()
    assert texts[0] == texts[6] != 0
    assert texts[1] == 0
    assert made.texts["school"].texts.series().to_list() == ["thpt chu văn an"]
    # An identifier of no national kind: digits as they are, else by its letters without separators.
    assert made.arrays["card"][3] == code("123")
    assert made.arrays["card"][0] == made.arrays["card"][6] != 0
    assert made.arrays["card"][1] == 0


def test_standardise__moves_an_old_number_into_its_own_column(pack: Pack) -> None:
    made = part(pack)
    assert made.arrays["personal_number"].tolist() == [
        code("001085000123"), 0, 0, code("001085000123"), 0, 0, 0,
    ]  # fmt: skip
    # What the old number's own column holds goes before what stood in the wrong one.
    assert made.arrays["old_number"].tolist() == [
        0, code("012345670"), 0, code("012345679"), 0, code("012345672"), 0,
    ]  # fmt: skip
    assert "old_number_in_its_place" in repairs(made, 1, "personal_number")
    assert "old_number_in_its_place" in repairs(made, 5, "personal_number")
    assert not repairs(made, 0, "personal_number")
    # Whichever of the two columns the contract names first.
    fields = CONTRACT.fields
    other = msgspec.structs.replace(CONTRACT, fields=(fields[1], fields[0], *fields[2:]))
    again = part(pack, contract=other)
    for column in ("personal_number", "old_number"):
        assert np.array_equal(made.arrays[column], again.arrays[column])


def test_standardise__makes_the_old_numbers_column_where_nobody_brings_one(pack: Pack) -> None:
    fields = tuple(f for f in CONTRACT.fields if f.standard != "old_number")
    made = part(pack, contract=msgspec.structs.replace(CONTRACT, fields=fields))
    assert made.arrays["old_number"].tolist() == [0, code("012345670"), 0, 0, 0, code("012345671"), 0]


def test_standardise__lists_every_repair_and_every_query(pack: Pack) -> None:
    made = part(pack)
    assert made.repairs.schema == REPAIRS
    assert made.repairs["confidence"].is_between(0, 1).all()
    assert made.repairs.equals(made.repairs.sort("row", "field", "kind"))
    assert repairs(made, 3, "personal_number") == {"leading_zero"}
    assert made.queries.schema == QUERY_COLUMNS
    assert made.queries.equals(made.queries.unique().sort("row", "field", "code"))
    assert set(made.queries["code"]) <= set(QUERIES)
    assert queries(made, 2) == {
        ("personal_number", "placeholder_number"),
        ("birth_date", "impossible_date"),
        ("sex", "unknown_code"),
        ("phone", "unusable_phone"),
    }
    # What cannot be read is no repair, and a row of nothing is no question.
    assert not made.repairs.filter(pl.col("row") == 2).height
    assert not queries(made, 4)
    assert not made.repairs.filter(pl.col("row") == 4).height
    # Equal values have equal lines.
    assert repairs(made, 0, "full_name") == repairs(made, 6, "full_name")


def test_standardise__leaves_the_records_as_they_came(pack: Pack) -> None:
    records = table(ROWS)
    copy = records.to_pydict()
    part(pack, records=records)
    assert records.to_pydict() == copy


def test_standardise__never_reads_belief_or_descent(pack: Pack) -> None:
    without = part(pack)
    kinds = {**KINDS, **dict.fromkeys(NEVER_MATCHED, "text")}
    rows = [{**row, **{c: f"{c} {i}" for c in NEVER_MATCHED}} for i, row in enumerate(ROWS)]
    made = part(pack, records=table(rows, *sorted(NEVER_MATCHED)), kinds=kinds)
    assert set(made.arrays) == set(without.arrays)
    assert set(made.texts) == {"school"}
    for column, values in without.arrays.items():
        assert np.array_equal(values, made.arrays[column]), column
    # Nor what no field of the project declares, whatever the contract brings.
    narrow = part(pack, kinds={"sex": "sex"})
    assert set(narrow.arrays) == {"sex"}


def joined(parts: Sequence[StandardPart], column: str) -> np.ndarray:
    if KINDS[column] == "name":
        merged = merge_vocabularies((p.tokens, p.counts) for p in parts)
        return np.concatenate([token_ids(p.tokens, merged)[p.arrays[column]] for p in parts])
    if KINDS[column] == "text":
        ids, _ = merge_texts([p.texts[column] for p in parts])
        codes = [np.array([0, *(own + 1)], np.uint32) for own in ids]
        return np.concatenate([own[p.arrays[column]] for p, own in zip(parts, codes, strict=True)])
    return np.concatenate([p.arrays[column] for p in parts])


@settings(deadline=None, max_examples=15)
@given(st.lists(st.integers(0, len(ROWS)), max_size=3))
def test_standardise__of_parts_is_that_of_the_whole(pack: Pack, cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(ROWS)]
    parts = [part(pack, ROWS[a:b]) for a, b in itertools.pairwise(edges)]
    whole = part(pack)
    for column in KINDS:
        assert np.array_equal(joined(parts, column), whole.arrays[column]), column
    assert np.array_equal(np.concatenate([p.order for p in parts]), whole.order)
    shifted = pl.concat(
        [p.repairs.with_columns(pl.col("row") + a) for p, a in zip(parts, edges, strict=False)]
    )
    assert shifted.equals(whole.repairs)
    asked = pl.concat([p.queries.with_columns(pl.col("row") + a) for p, a in zip(parts, edges, strict=False)])
    assert asked.equals(whole.queries)
    assert merge_vocabularies((p.tokens, p.counts) for p in parts).to_list() == whole.tokens.to_list()
    assert sum(int(p.counts.sum()) for p in parts) == int(whole.counts.sum())


def test_standardise__keeps_the_latest_earlier_numbers(pack: Pack) -> None:
    numbers = {f"00108500000{i}": f"20{10 + i}-01-01" for i in range(1, 6)}
    aliases = pa.table(
        {
            "person_id": ["a1"] * 5 + ["a5", "nobody", "a7"],
            "number": [*numbers, "034185000001", "034185000009", None],
            "valid_from": ["2000-01-01"] * 8,
            "valid_to": [*numbers.values(), "2020-05-05", "2020-05-05", "2020-05-05"],
        }
    )
    made = part(pack, aliases=aliases)
    latest = [code(f"00108500000{i}") for i in (5, 4, 3)]
    assert ALIASES_KEPT == 3
    found = made.arrays["personal_number.alias"].tolist()
    assert found[0] == latest
    assert found[4] == [code("034185000001"), 0, 0]
    assert all(row == [0, 0, 0] for i, row in enumerate(found) if i not in (0, 4))
    turned = part(pack, aliases=aliases.take(list(range(7, -1, -1))))
    assert np.array_equal(turned.arrays["personal_number.alias"], made.arrays["personal_number.alias"])


def test_standardise__of_no_rows_and_of_empty_columns(pack: Pack) -> None:
    made = part(pack, [])
    assert all(len(values) == 0 for values in made.arrays.values())
    assert made.repairs.height == 0
    nothing = part(pack, [{"record_id": "1"}, {"record_id": "2"}])
    for column, kind in KINDS.items():
        assert np.array_equal(nothing.arrays[column], small.empty_column(kind, 2)), column
        assert nothing.arrays[column].dtype == small.empty_column(kind, 2).dtype, column


def test_long_names__keep_their_first_seven_tokens_and_the_last(pack: Pack) -> None:
    name = "Công Tằng Tôn Nữ Thị Minh Thu Hồng Diễm Lan"
    made = part(pack, [{"record_id": "1", "full_name": name}])
    found = words(made, "full_name")[0].split()
    whole = name.lower().split()
    assert found == [*whole[:7], whole[-1]]


def test_record_order__depends_on_source_record_and_secret_alone() -> None:
    ids = pa.array(["1", "2", "3"])
    one = record_order(ids, "tax", 5)
    assert len(set(one.tolist())) == 3
    assert np.array_equal(record_order(ids.take(pa.array([2, 0])), "tax", 5), one[[2, 0]])
    assert not set(record_order(ids, "insurance", 5).tolist()) & set(one.tolist())
    assert not set(record_order(ids, "tax", 6).tolist()) & set(one.tolist())


def test_hash_text__of_a_slice_or_of_chunks_is_that_of_the_texts() -> None:
    texts = [f"bản ghi {i}" for i in range(30)] + [""]
    whole = hash_text(pa.array(texts), 3)
    assert np.array_equal(hash_text(pa.array(texts).slice(10, 7), 3), whole[10:17])
    chunked = pa.chunked_array([texts[:9], texts[9:]])
    assert np.array_equal(hash_text(chunked, 3), whole)
    assert len(set(whole.tolist())) == 31


def test_tokens_of__holds_the_packs_forms(pack: Pack) -> None:
    vocabulary = pl.Series("token", ["đức", "minh", "ng", "nguyễn", "nguyên", "đúc"]).sort()
    tokens = tokens_of(vocabulary, pack, SECRET)
    forms = pack.token_forms(vocabulary)
    assert all(
        getattr(tokens.forms, f)[0] == 0
        for f in ("ascii", "plain", "phonetic", "initial", "marked", "single")
    )
    for a in range(len(vocabulary)):
        letters = forms["ascii"][a]
        begin, end = tokens.forms.char_offsets[a + 1 : a + 3]
        assert bytes(tokens.forms.chars[begin:end]).decode() == letters
        assert tokens.forms.initial[a + 1] == ord(letters[0])
        assert tokens.forms.marked[a + 1] == forms["marked"][a]
        assert tokens.forms.single[a + 1] == forms["single"][a]
        assert tokens.letters[a + 1] == sum({1 << (ord(c) - 97) for c in letters})
        for b in range(len(vocabulary)):
            for form in ("ascii", "plain", "phonetic"):
                ids = getattr(tokens.forms, form)
                assert (ids[a + 1] == ids[b + 1]) == (forms[form][a] == forms[form][b])
            for name, form in (
                ("ascii_hash", "ascii"),
                ("phonetic_hash", "phonetic"),
                ("exact_hash", "token"),
            ):
                hashes = getattr(tokens, name)
                assert (hashes[a + 1] == hashes[b + 1]) == (forms[form][a] == forms[form][b])
                assert hashes[0] == 0 != hashes[a + 1]


some_parts = st.lists(
    st.dictionaries(st.sampled_from(["a", "b", "đ", "ê", "z"]), st.integers(1, 9)), max_size=4
)


@settings(deadline=None)
@given(some_parts)
def test_merge_vocabularies__is_ordered_by_falling_frequency(parts: list[dict[str, int]]) -> None:
    given = [(pl.Series([*p], dtype=pl.String), np.array([*p.values()], np.int64)) for p in parts]
    merged = merge_vocabularies(given)
    total = collections.Counter[str]()
    for own in parts:
        total.update(own)
    assert merged.to_list() == sorted(total, key=lambda token: (-total[token], token))
    assert merged.to_list() == merge_vocabularies(reversed(given)).to_list()
    for own in parts:
        ids = token_ids(pl.Series([*own], dtype=pl.String), merged)
        assert ids.tolist() == [0, *(merged.to_list().index(t) + 1 for t in own)]


def test_merge_vocabularies__of_more_than_is_held_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("linkage.vocabulary._WAITING", 3)
    parts = [(pl.Series(["a", "b"]), np.array([1, i])) for i in range(9)]
    assert merge_vocabularies(parts).to_list() == ["b", "a"]


def test_token_ids__of_a_token_that_is_not_there_is_an_error() -> None:
    with pytest.raises(ValueError, match="not in the vocabulary"):
        token_ids(pl.Series(["a", "x"]), pl.Series(["a", "b"]))


CODES = parse_contract("""
schema = 1
key = "SO"
[[field]]
column = "MST"
standard = "tax_code"
[[field]]
column = "SO_DD"
standard = "personal_number"
[[field]]
column = "THE_BHYT"
standard = "health_card"
[[field]]
column = "NGAY"
standard = "birth_date"
formats = ["yyyy"]
[[field]]
column = "GIOI"
standard = "sex"
codes = { "1" = "M", "2" = "F" }
[[field]]
column = "DIA_CHI"
standard = "commune"
codes = "address"
[[field]]
column = "HO_TEN"
standard = "full_name"
""")
CODE_KINDS = {name: STANDARD_KINDS[name] for name in (
    "tax_code", "personal_number", "old_number", "health_card", "insurance_number", "passport", "birth_date",
    "sex", "commune", "full_name",
)}  # fmt: skip


def coded_part(pack: Pack, *rows: dict[str, str], contract=CODES) -> StandardPart:
    columns = ["record_id", *CODE_KINDS]
    records = pa.table(
        {c: pa.array([str(i) if c == "record_id" else r.get(c) for i, r in enumerate(rows)], pa.string())
         for c in columns}
    )  # fmt: skip
    return standardise(records, contract, CODE_KINDS, "tax", EXTRACT, pack, SECRET)


def test_numbers__fill_one_another_by_structure(pack: Pack) -> None:
    made = coded_part(
        pack,
        {"tax_code": "001085000123"},
        {"tax_code": "001085000123", "personal_number": "001185000999"},
        {"tax_code": "0100047516", "health_card": "DN4790109856784"},
        {"personal_number": "B1234068"},
        {"health_card": "0109856784"},
        {"personal_number": "012345670"},
        {},
    )
    arrays = made.arrays
    assert arrays["tax_code"].tolist() == [
        code("001085000123"), code("001085000123"), code("0100047516"), 0, 0, 0, 0,
    ]  # fmt: skip
    assert arrays["personal_number"].tolist() == [code("001085000123"), code("001185000999"), 0, 0, 0, 0, 0]
    assert arrays["insurance_number"].tolist() == [0, 0, code("0109856784"), 0, code("0109856784"), 0, 0]
    assert arrays["passport"].tolist() == [0, 0, 0, code("011234068"), 0, 0, 0]
    assert arrays["old_number"].tolist() == [0, 0, 0, 0, 0, code("012345670"), 0]
    assert all(not queries(made, row) for row in (0, 1, 2, 3, 4, 6))
    # Where the project knows no such field, nothing is moved there.
    fields = tuple(f for f in CODES.fields if f.standard not in ("personal_number", "health_card"))
    alone = coded_part(
        pack, {"tax_code": "001085000123"}, contract=msgspec.structs.replace(CODES, fields=fields)
    )
    assert alone.arrays["personal_number"].tolist() == [code("001085000123")]
    assert "insurance_number" not in alone.arrays


@pytest.mark.parametrize("field", ["personal_number", "tax_code"])
def test_numbers__a_repair_that_contradicts_its_row_is_undone(pack: Pack, field: str) -> None:
    lost = {field: "79085000123"}
    made = coded_part(
        pack,
        lost | {"sex": "1", "birth_date": "1985"},
        lost | {"birth_date": "1985"},
        lost,
        lost | {"sex": "2", "birth_date": "1985"},
        lost | {"sex": "1", "birth_date": "1986"},
    )
    whole, short = code("079085000123"), code("79085000123")
    assert made.arrays[field].tolist() == [whole] * 3 + [short] * 2
    kept = made.arrays["personal_number"].tolist()
    assert kept == [whole] * 3 + ([short] * 2 if field == "personal_number" else [0, 0])
    held = made.repairs.filter(pl.col("field") == field)
    assert held["kind"].to_list() == ["leading_zero"] * 5
    assert held["undone"].to_list() == [False] * 3 + [True] * 2
    assert held["unrepaired"].to_list() == [short] * 5
    assert [queries(made, row) for row in range(5)] == [set()] * 3 + [{(field, "repair_undone")}] * 2


def test_numbers__that_contradict_their_row_are_queried(pack: Pack) -> None:
    made = coded_part(
        pack,
        {"personal_number": "001085000123", "sex": "2", "birth_date": "1985"},
        {"personal_number": "001085000123", "sex": "1", "birth_date": "1986"},
        {"personal_number": "999085000123"},
        {"personal_number": "001385000123"},
        {"tax_code": "0100047517"},
    )
    assert [queries(made, row) for row in range(5)] == [
        {("personal_number", "number_against_sex")},
        {("personal_number", "number_against_birth_year")},
        {("personal_number", "unlikely_number")},
        {("personal_number", "unlikely_number")},
        {("tax_code", "wrong_check_digit")},
    ]
    assert (made.arrays["personal_number"][:4] != 0).all()


def test_addresses__are_units_of_the_same_numbers_as_codes(pack: Pack) -> None:
    made = coded_part(
        pack,
        {"commune": "P. Trúc Bạch, Q. Ba Đình, Hà Nội"},
        {"commune": "Phường 1, TPHCM"},
        {"commune": "đâu đó"},
        {},
    )
    by_code = pack.units("commune", pl.Series(["00004"]), dt.date(2025, 6, 30))["unit"][0]
    assert made.arrays["commune"].tolist() == [by_code, -1, -1, -1]
    assert [queries(made, row) for row in range(4)] == [
        set(), {("commune", "unclear_address")}, {("commune", "unknown_unit")}, set(),
    ]  # fmt: skip


def test_names__queries_and_what_they_read_without_repair(pack: Pack) -> None:
    made = coded_part(
        pack,
        {"full_name": "Nguyeenx Thi5 Lan"},
        {"full_name": "Nguyễn Thị Lan"},
        {"full_name": "Lan"},
        {"full_name": "Trần Văn Ba 2"},
        {"full_name": "Con bà Nguyễn Thị Lan"},
        {"full_name": "???"},
    )
    assert [queries(made, row) for row in range(6)] == [
        set(), set(), {("full_name", "name_of_one_word")}, {("full_name", "name_with_digits")},
        {("full_name", "name_of_parent")}, {("full_name", "unreadable_name")},
    ]  # fmt: skip
    held = made.repairs.select("row", "kind").rows()
    assert held == [(0, "telex"), (0, "vni"), (3, "digits")]
    tokens = tokens_of(made.tokens, pack, SECRET)
    as_read = name_codes(made.arrays["full_name"], tokens, "ascii").view(np.int64)
    assert as_read[0] == as_read[1]
    assert made.repairs["unrepaired"][0] not in as_read
    # Without digits and residue, the words of a name have the code of its tokens.
    plain = coded_part(pack, {"full_name": "Hoà Lan"})
    tokens = tokens_of(plain.tokens, pack, SECRET)
    assert (
        plain.repairs["unrepaired"][0]
        == name_codes(plain.arrays["full_name"], tokens, "ascii").view(np.int64)[0]
    )


def test_prepare__makes_what_the_first_parts_would_wait_for(pack: Pack, monkeypatch) -> None:
    canonical_syllables.cache_clear()
    pack.prepare()
    assert canonical_syllables.cache_info().currsize == 1
    monkeypatch.setattr(UnitTable, "from_reference", lambda *_: pytest.fail("the units are made again"))
    assert pack.unit_sets().members.size
