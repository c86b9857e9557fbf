"""Standardised columns of a run, as a reader of the same files would have them, for any cut into parts."""

from __future__ import annotations

import collections
import importlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from data.generator import generate
from jobs import coding
from jobs.cuts import cut_of
from jobs.intake import take_in
from jobs.store import open_arrays, read_table, write_json
from jobs.workspace import Workspace, frame

PEOPLE = 600


class Direct:
    """Runs tasks one after another, as they are called."""

    def tasks(self, stage: str, calls: Any, rows: Any = None) -> list[dict[str, Any]]:
        out = []
        for name, arguments in calls:
            module, _, function = name.partition(":")
            found = getattr(importlib.import_module(module), function)(*arguments)
            out.append(json.loads(json.dumps(found)))
        return out

    def free(self, *places: Any) -> None:
        """Everything is kept."""

    drop = free


def standardised(
    project: Path, work: Path, parts: int, stretch: int = coding.STRETCH_TEXTS, run_id: str = ""
) -> Workspace:
    """A work folder up to its coded columns; plain text made one vocabulary ``stretch`` texts at a time."""
    work.mkdir()
    write_json(work / "settings.json", {"project": str(project), "share": 1 << 30, "run_id": run_id})
    Workspace.open.cache_clear()
    space, stages = Workspace.open(str(work)), Direct()
    layout = take_in(stages, space.loaded, space, work / "artefacts", parts, 1)["layout"]
    write_json(work / "layout.json", layout | cut_of(layout["rows"], 1 << 30, parts))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(coding, "STRETCH_TEXTS", stretch)
        told = coding.standardise_parts(stages, space)
        write_json(work / "keys.json", {"secret": 1 + space.secret // 2})
        made = coding.make_vocabulary(stages, space, told)
    coding.code_columns(stages, space, made["stretches"])
    return space


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("standardised")


@pytest.fixture(scope="module")
def nation(folder):
    generate(folder / "nation", PEOPLE, seed=4)
    return folder / "nation"


@pytest.fixture(scope="module")
def space(nation, folder):
    yield standardised(nation / "project.toml", folder / "three", 3)
    Workspace.open.cache_clear()


def submitted(space, field):
    """A field of all rows as it was submitted, in global order."""
    out = []
    for source, part, _, rows in space.layout["parts"]:
        records = space.records(source, part, [field])
        out += records.column(field).to_pylist() if records.num_columns else [None] * rows
    return out


def vocabulary(space):
    return [None, *frame(read_table(space.path("vocabulary", "tokens.arrow")))["token"].to_list()]


def test_layout__counts_every_row_of_every_part_once(space, nation):
    at = 0
    for source, part, start, rows in space.layout["parts"]:
        assert start == at
        assert space.records(source, part).num_rows == rows
        at += rows
    assert at == space.layout["rows"] == len(space.coded) == len(space.ids)
    assert space.layout["n_register"] == pl.read_parquet(nation / "register.parquet").height


def test_code_part__columns_are_the_same_for_any_cut(space, nation, folder):
    whole = standardised(nation / "project.toml", folder / "one", 1)
    assert len(whole.layout["parts"]) < len(space.layout["parts"])
    assert whole.coded.arrays.keys() == space.coded.arrays.keys()
    assert vocabulary(whole) == vocabulary(space)
    for name, column in whole.coded.arrays.items():
        assert np.array_equal(np.asarray(column), np.asarray(space.coded.arrays[name])), name
    assert np.array_equal(np.asarray(whole.coded.order), np.asarray(space.coded.order))
    assert whole.ids[:].to_list() == space.ids[:].to_list()


def test_build_vocabulary__commonest_tokens_first(space):
    words = vocabulary(space)
    seen = collections.Counter()
    for name, kind in space.kinds.items():
        if kind == "name" and name in space.coded.arrays:
            seen.update(np.asarray(space.coded.arrays[name]).ravel().tolist())
    del seen[0]
    counted = [(words[token], count) for token, count in seen.items()]
    named = {name for name, kind in space.kinds.items() if kind == "name"}
    assert named <= set(space.coded.arrays), "every name column is read here"
    assert [w for w, _ in sorted(counted, key=lambda e: (-e[1], e[0]))] == words[1:]


def test_code_part__names_stand_narrow(space):
    for source, part, _, rows in space.layout["parts"]:
        held = open_arrays(space.part_file("columns", source, part))
        assert held.shape("full_name") == (rows, 4)
        assert held.dtype("full_name") == np.uint16
        assert held.shape("full_name.wide")[0] < rows / 20


def test_code_part__names_of_the_register_are_their_tokens(space):
    words = vocabulary(space)
    first = space.layout["n_register"]
    held = space.coded.arrays["full_name"][:first]
    texts = submitted(space, "full_name")[:first]
    right = sum(
        [words[t] for t in row if t] == text.lower().split() for row, text in zip(held, texts, strict=True)
    )
    # The register has a few slips of the pen, and tone marks are put where the standard wants them.
    assert right > 0.9 * first


def test_code_part__plain_numbers_are_length_and_value(space):
    first = space.layout["n_register"]
    held = space.coded.arrays["personal_number"][:first].tolist()
    plain = [
        (code, (12 << 56) | int(text))
        for code, text in zip(held, submitted(space, "personal_number")[:first], strict=True)
        if text
    ]
    assert len(plain) > PEOPLE // 2
    assert all(code == wanted for code, wanted in plain)


def test_code_part__sex_is_that_of_the_contract(space):
    codes = {info.name: info.contract.by_standard()["sex"].codes for info in space.sources}
    sources = np.asarray(space.coded.source).tolist()
    held = np.asarray(space.coded.arrays["sex"]).tolist()
    for source, found, text in zip(sources, held, submitted(space, "sex"), strict=True):
        standard = codes[space.sources[source].name].get(text) if text else None
        assert found == {"M": 1, "F": 2, None: 0}[standard]
