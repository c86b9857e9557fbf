from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linkage import artefacts
from linkage.levels import Level, Part, compile_parts
from linkage.reasons import BIT
from linkage.text_arrays import Texts
from tests.kernels import twins
from tests.linkage import small

texts = st.lists(st.text(max_size=12), max_size=8)


def key() -> bytes:
    """The public key of content ids, which are stored for ever: it may never change."""
    first, second = (int(k) for k in artefacts.ID_KEYS)
    assert first.to_bytes(8, "big") == b"linkage1"
    assert second.to_bytes(8, "big") == b"entity-1"
    return first.to_bytes(8, "little") + second.to_bytes(8, "little")


@settings(deadline=None)
@given(texts)
def test_content_ids__are_siphash_of_the_utf8_text(values: list[str]) -> None:
    found = artefacts.content_ids(pl.Series(values, dtype=pl.String))
    assert found.shape == (len(values), 16)
    assert [row.tobytes() for row in found] == [twins.siphash128(key(), v.encode()) for v in values]


def test_content_ids__of_a_slice_are_those_of_its_own_texts() -> None:
    whole = pl.Series([f"text {i}" for i in range(50)])
    assert np.array_equal(artefacts.content_ids(whole.slice(20, 5)), artefacts.content_ids(whole)[20:25])


def test_entity_ids__tell_people_from_records_and_sources_apart() -> None:
    keys, sources = Texts.of(["1", "2"]), ["insurance", "tax"]
    ids = [
        *artefacts.person_entity_ids(keys),
        *artefacts.record_entity_ids(sources, np.array([1, 1]), keys),
        *artefacts.record_entity_ids(sources, np.array([0]), Texts.of(["1"])),
    ]
    assert len({row.tobytes() for row in ids}) == 5
    again = artefacts.id_array(artefacts.person_entity_ids(keys))
    assert again.to_pylist() == [row.tobytes() for row in ids[:2]]


def joined_ids(*columns: list[str]) -> list[bytes]:
    """Ids of rows whose columns stand in one text, parts apart by a control character."""
    return [twins.siphash128(key(), "\x1f".join(row).encode()) for row in zip(*columns, strict=True)]


@settings(deadline=None)
@given(st.lists(st.tuples(st.text(max_size=9), st.text(max_size=9), st.integers(0, 1)), max_size=6))
def test_ids__are_those_of_the_joined_columns(rows: list[tuple[str, str, int]]) -> None:
    records, persons = [r[0] for r in rows], [r[1] for r in rows]
    number = np.array([r[2] for r in rows], np.int64)
    sources, decisions, policies = ["tax", "school"], ["link", "new"], ["p1", ""]
    n = len(rows)

    def read(ids: np.ndarray) -> list[bytes]:
        return [row.tobytes() for row in ids]

    own = [sources[i] for i in number]
    texts_, other = Texts.of(records), Texts.of(persons)
    assert read(artefacts.person_entity_ids(texts_)) == joined_ids(["person"] * n, records)
    found = artefacts.record_entity_ids(sources, number, texts_)
    assert read(found) == joined_ids(["record"] * n, own, records)
    found = artefacts.decision_ids(sources, decisions, "m", policies, number, 1 - number, texts_, other)
    words = [decisions[1 - i] for i in number]
    assert read(found) == joined_ids(own, records, words, persons, ["m"] * n, [policies[i] for i in number])


@given(st.lists(st.sets(st.sampled_from(list(BIT))), max_size=8))
def test_reason_column__lists_codes_in_their_order(sets: list[set[str]]) -> None:
    masks = np.array([sum(BIT[code] for code in own) for own in sets], np.uint32)
    column = artefacts.reason_column(masks)
    assert column.to_pylist() == [[code for code in BIT if code in own] for own in sets]
    assert len(set(column.values.dictionary.to_pylist())) == len(set().union(*sets))


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.text("ab", max_size=3) | st.none(), st.text("ab", max_size=3)), min_size=1, max_size=10
    )
)
def test_joined__keeps_columns_apart(rows: list[tuple[str | None, str]]) -> None:
    columns = [pl.Series([row[side] for row in rows], dtype=pl.String) for side in (0, 1)]
    found = artefacts.joined("kind", *columns).to_list()
    assert found == ["\x1f".join(("kind", a or "", b)) for a, b in rows]


def test_coded_text__is_null_for_negative_codes() -> None:
    assert artefacts.coded_text(np.array([1, -1, 0]), ["a", "b"]).to_pylist() == ["b", None, "a"]


def test_coded_text__has_every_text_once() -> None:
    made = artefacts.coded_text(np.array([2, -1, 1, 0, 3]), ["a", "b", "a", "c"])
    assert made.to_pylist() == ["a", None, "b", "a", "c"]
    assert made.dictionary.to_pylist() == ["a", "b", "c"]
    assert artefacts.coded_text(np.array([-1, -1]), ["a", "a"]).to_pylist() == [None, None]
    assert artefacts.coded_text(np.array([], np.int64), []).to_pylist() == []


def test_pattern_texts__name_every_part_and_its_level() -> None:
    levels = (Level("null", "null"), Level("same", "exact"), Level("different", "always"))
    programme = compile_parts(
        [Part("sex", ("sex",), levels), Part("tel", ("phone",), levels[1:])], small.KINDS
    )
    found = artefacts.pattern_texts(np.array([5, 0, 5, 3]), programme)
    assert found.to_pylist() == [
        "sex=different tel=different",
        "sex=null tel=same",
        "sex=different tel=different",
        "sex=same tel=different",
    ]
    known = np.array([True, False, True, True])
    assert artefacts.pattern_texts(np.array([5, 0, 5, 3]), programme, known).to_pylist()[1] is None
    made = {5: "as it was"}
    again = artefacts.pattern_texts(np.array([5, 0, 5, 3]), programme, made=made)
    assert again.to_pylist() == ["as it was", found.to_pylist()[1], "as it was", found.to_pylist()[3]]
    assert sorted(made) == [0, 3, 5]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(artefacts, "_TABLED", 0)
        assert artefacts.pattern_texts(np.array([5, 0, 5, 3]), programme).equals(found)
    assert artefacts.pattern_texts(np.zeros(0, np.uint32), programme).to_pylist() == []


def test_numbers__are_null_where_not_known() -> None:
    assert artefacts.numbers(np.array([1.5, 2.5])).to_pylist() == [1.5, 2.5]
    assert artefacts.numbers(np.array([1.5, 2.5]), np.array([False, True])).to_pylist() == [None, 2.5]
