"""The tasks of a run, one by one, against what a reader of the same files would say."""

from __future__ import annotations

import collections

import numpy as np
import polars as pl
import pytest

from data.generator import generate
from jobs import tasks
from jobs.run import run_project
from jobs.store import read_arrays, read_table
from jobs.workspace import Workspace, frame

PEOPLE = 600
STEP = 20


@pytest.fixture(scope="module")
def nation(tmp_path_factory):
    folder = tmp_path_factory.mktemp("inputs") / "nation"
    generate(folder, PEOPLE, seed=4)
    return folder


@pytest.fixture(scope="module")
def space(nation, tmp_path_factory):
    """The work folder of a run in three parts a source."""
    out = tmp_path_factory.mktemp("runs") / "run"
    run_project(nation / "project.toml", out, parts=3, keep_work=True)
    yield Workspace(out / "work")
    Workspace.open.cache_clear()


def submitted(space, field):
    """A field of all rows as it was submitted, in global order."""
    out = []
    for source, part, _, rows in space.layout["parts"]:
        records = space.records(source, part)
        out += records.column(field).to_pylist() if field in records.column_names else [None] * rows
    return out


def vocabulary(space):
    return [None, *frame(read_table(space.path("vocabulary", "tokens.arrow")))["token"].to_list()]


def test_layout__counts_every_row_of_every_part_once(space, nation):
    at = 0
    for source, part, start, rows in space.layout["parts"]:
        assert start == at
        assert space.records(source, part).num_rows == rows
        at += rows
    assert at == space.layout["rows"] == len(space.coded)
    assert space.layout["n_register"] == pl.read_parquet(nation / "register.parquet").height


def test_columns__have_one_value_a_row_and_name_their_source(space):
    for column in space.columns:
        assert space.coded.arrays[column].shape[0] == space.layout["rows"]
    wanted = [s for s, _, _, rows in space.layout["parts"] for _ in range(rows)]
    assert space.coded.source.tolist() == wanted
    assert len(set(space.coded.order.tolist())) == space.layout["rows"]


def test_columns__sex_is_that_of_the_contract(space):
    codes = {info.name: info.contract.by_standard()["sex"].codes for info in space.sources}
    for row, text in enumerate(submitted(space, "sex")):
        if row % STEP == 0:
            source = space.sources[int(space.coded.source[row])].name
            standard = codes[source].get(text) if text else None
            assert int(space.coded.arrays["sex"][row]) == {"M": 1, "F": 2, None: 0}[standard]


def test_columns__plain_numbers_are_length_and_value(space):
    numbers = submitted(space, "personal_number")
    held = space.coded.arrays["personal_number"]
    plain = [
        (int(held[row]), (12 << 56) | int(text))
        for row, text in enumerate(numbers)
        if row < space.layout["n_register"] and text
    ]
    assert len(plain) > PEOPLE // 2
    assert all(code == wanted for code, wanted in plain)


def test_columns__names_of_the_register_are_their_tokens(space):
    words = vocabulary(space)
    held = space.coded.arrays["full_name"]
    right = 0
    for row, text in enumerate(submitted(space, "full_name")[: space.layout["n_register"]]):
        right += [words[t] for t in held[row] if t] == text.lower().split()
    # The register has a few slips of the pen, and tone marks are put where the standard wants them.
    assert right > 0.9 * space.layout["n_register"]


def test_holders__know_who_holds_a_number_and_which_numbers_are_held(space):
    first = space.layout["n_register"]
    held = space.coded.arrays["personal_number.held"]
    aliases = space.coded.arrays.get("personal_number.alias")
    numbers = set(space.coded.arrays["personal_number"][:first].tolist())
    numbers |= set(np.asarray(aliases[:first]).ravel().tolist()) if aliases is not None else set()
    mine = space.coded.arrays["personal_number"][first:].tolist()
    assert [bool(v) for v in held[first:]] == [code != 0 and code in numbers for code in mine]
    assert not held[:first].any()


def test_repeats__count_a_number_within_its_source(space):
    first = space.layout["n_register"]
    repeats = np.load(space.path("holders", "personal_number.repeats.npy"))
    mine = list(
        zip(
            space.coded.source[first:].tolist(),
            space.coded.arrays["personal_number"][first:].tolist(),
            strict=True,
        )
    )
    counted = collections.Counter(mine)
    assert repeats[first:].tolist() == [counted[one] if one[1] else 0 for one in mine]


def test_keys__are_those_of_the_rows_and_lie_in_their_partition(space):
    for index, rule in enumerate(space.rules):
        if rule.near:
            continue
        whole = collections.Counter()
        for start, stop in space.ranges():
            stem = space.work / "keys" / f"{start:012d}"
            keys, rows = (np.load(f"{stem}.{kind}{index}.npy") for kind in ("keys", "rows"))
            assert rows.size == 0 or (rows.min() >= start and rows.max() < stop)
            whole.update(zip(keys.tolist(), rows.tolist(), strict=True))
        table = np.load(space.path("columns", f"@keys{index}.npy"))
        wanted = collections.Counter((int(k), r) for r in range(table.shape[0]) for k in table[r] if k)
        assert whole == wanted


def test_blocks__hold_all_records_of_a_key_or_are_refined(space):
    """Without a hot key, the blocks of a rule are just the rows of each key that two may share."""
    first = space.layout["n_register"]
    hot = read_arrays(space.path("plan", "hot.npz"))
    for index, rule in enumerate(space.rules):
        if rule.near or rule.relatives or hot[f"rule{index}"].size:
            continue
        table = np.load(space.path("columns", f"@keys{index}.npy"))
        by_key = collections.defaultdict(set)
        for row in range(table.shape[0]):
            for key in table[row].tolist():
                if key:
                    by_key[key].add(row)
        wanted = {(a, b) for rows in by_key.values() for a in rows if a >= first for b in rows if b < first}
        held = tasks.read_blocks(space, index, 0)
        found = set()
        for at in range(held.n_register.shape[0]):
            members = held.members[held.starts[at] : held.starts[at + 1]].tolist()
            register = members[: int(held.n_register[at])]
            assert all(m < first for m in register)
            found |= {(a, b) for a in members[len(register) :] for b in register}
        assert found == wanted, rule.name


def test_probe__finds_every_number_one_slip_away_and_no_held_one(space):
    first = space.layout["n_register"]
    index = next(i for i, r in enumerate(space.rules) if r.near)
    found = set()
    for path in sorted((space.work / "probe").glob(f"{index:02d}-*.npz")):
        held = read_arrays(path)
        found |= set(zip(held["left"].tolist(), held["right"].tolist(), strict=True))
    numbers = np.asarray(space.coded.arrays["personal_number"])
    held = np.asarray(space.coded.arrays["personal_number.held"])
    register = [(row, f"{int(code) & (2**56 - 1):012d}") for row, code in enumerate(numbers[:first]) if code]
    for row in range(first, space.layout["rows"]):
        if held[row] or int(numbers[row]) >> 56 != 12:
            assert not held[row] or not [pair for pair in found if pair[0] == row]
            continue
        text = f"{int(numbers[row]) & (2**56 - 1):012d}"
        one_digit = {
            (row, other)
            for other, have in register
            if sum(a != b for a, b in zip(text, have, strict=True)) == 1
        }
        assert one_digit <= found
