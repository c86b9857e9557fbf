"""Coded records as a run leaves them, against what a reader of the same files would say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs import coded_parts
from jobs.coded_parts import few
from jobs.store import read_table
from jobs.workspace import Workspace, frame
from tests.jobs.conftest import PEOPLE

STEP = 20


def submitted(kept: Workspace, field: str) -> list[str | None]:
    """A field of all rows as it was submitted, in global order."""
    out = []
    for source, part, _, rows in kept.layout["parts"]:
        records = kept.records(source, part)
        out += records.column(field).to_pylist() if field in records.column_names else [None] * rows
    return out


def vocabulary(kept: Workspace) -> list[str | None]:
    return [None, *frame(read_table(kept.path("vocabulary", "tokens.arrow")))["token"].to_list()]


def test_layout__counts_every_row_of_every_part_once(kept: Workspace, kept_nation: Path) -> None:
    at = 0
    for source, part, start, rows in kept.layout["parts"]:
        assert start == at
        assert kept.records(source, part).num_rows == rows
        at += rows
    assert at == kept.layout["rows"] == len(kept.coded)
    assert kept.layout["n_register"] == pl.read_parquet(kept_nation / "register.parquet").height


def test_columns__have_one_value_a_row_and_name_their_source(kept: Workspace) -> None:
    for column in kept.columns:
        assert kept.coded.arrays[column].shape[0] == kept.layout["rows"]
    wanted = [s for s, _, _, rows in kept.layout["parts"] for _ in range(rows)]
    assert np.asarray(kept.coded.source).tolist() == wanted
    assert len(set(np.asarray(kept.coded.order).tolist())) == kept.layout["rows"]


def test_columns__sex_is_that_of_the_contract(kept: Workspace) -> None:
    codes = {info.name: info.contract.by_standard()["sex"].codes for info in kept.sources}
    source_of, sex = np.asarray(kept.coded.source), np.asarray(kept.coded.arrays["sex"])
    for row, text in enumerate(submitted(kept, "sex")):
        if row % STEP == 0:
            source = kept.sources[int(source_of[row])].name
            standard = codes[source].get(text) if text else None
            assert int(sex[row]) == {"M": 1, "F": 2, None: 0}[standard]


def test_columns__plain_numbers_are_length_and_value(kept: Workspace) -> None:
    numbers = submitted(kept, "personal_number")
    held = np.asarray(kept.coded.arrays["personal_number"])
    plain = [
        (int(held[row]), (12 << 56) | int(text))
        for row, text in enumerate(numbers)
        if row < kept.layout["n_register"] and text
    ]
    assert len(plain) > PEOPLE // 2
    assert all(code == wanted for code, wanted in plain)


def test_columns__names_of_the_register_are_their_tokens(kept: Workspace) -> None:
    words = vocabulary(kept)
    held = np.asarray(kept.coded.arrays["full_name"])
    right = 0
    for row, text in enumerate(submitted(kept, "full_name")[: kept.layout["n_register"]]):
        right += [words[t] for t in held[row] if t] == text.lower().split()
    # The register has a few slips of the pen, and tone marks are put where the standard wants them.
    assert right > 0.9 * kept.layout["n_register"]


def test_ids__are_those_of_the_records(kept: Workspace) -> None:
    wanted = submitted(kept, "record_id")
    assert kept.ids[:].to_list() == wanted
    rows = np.array([5, 0, len(wanted) - 1, -1])
    assert kept.ids.take(rows).to_list() == [wanted[5], wanted[0], wanted[-1], None]


@settings(deadline=None)
@given(st.lists(st.integers(0, 2), max_size=20), st.sampled_from([0, 2]), st.data())
def test_few__read_as_the_whole_column(values: list[int], width: int, data: st.DataObject) -> None:
    whole = np.array(values, np.int64)
    if width:
        whole = np.stack([whole, np.zeros_like(whole)], axis=1)
    held = few("c", whole) | {"@order": np.zeros(whole.shape[0], np.uint64)}
    assert held["c"].shape[0] <= whole.shape[0]
    piece = coded_parts._piece(lambda: held, "c")()
    assert piece is not None
    low, high = sorted(data.draw(st.tuples(*[st.integers(0, len(values))] * 2)))
    assert np.array_equal(piece[low:high], whole[low:high])
    rows = np.array(data.draw(st.lists(st.integers(0, max(0, len(values) - 1)), max_size=8)), np.int64)
    if not values:
        return
    if isinstance(piece, np.ndarray):
        assert np.array_equal(piece[rows], whole[rows])
    else:
        found = np.full_like(whole[rows], 7)
        piece.fill(rows, found)
        assert np.array_equal(found, whole[rows])
