"""The tasks of plain text columns: distinct texts of all parts made one vocabulary, a stretch at a time.

    standard/<source>-<part>.<column>.arrays     the distinct texts of a part by rising keyed hash: hashes,
                                                 offsets, bytes; ``starts`` of SLOTS even stretches of hashes
    plain_text/<column>-<stretch>.merged.arrays  those of all parts in a stretch
    plain_text/<column>-<stretch>.ids.arrays     the number that each part's texts have among them, how many
                                                 they are, and their letters
    plain_text/<column>-<stretch>.packed.arrays  the same as they are compared, at their places in the whole
    plain_text/<column>.arrays                   the whole, of which text 0 is none, see
                                                 :class:`linkage.coded.PackedTexts`

Texts are numbered by their hash under :attr:`jobs.workspace.Workspace.text_secret`, whatever the stretches
are. A task holds one stretch; what is read at random is mapped.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from jobs.shuffle import partition_of
from jobs.store import Arrays, join_arrays, open_arrays, read_arrays, write_arrays
from jobs.workspace import Workspace
from kernels._lanes import PADDING
from kernels.packed import code_table
from linkage.text_arrays import Texts
from linkage.text_sets import TextSet, hash_texts, letters_of, merge_texts, pack_texts

_SLOT_BITS = 10

#: Even stretches of the hashes, of which each task takes some.
SLOTS = 1 << _SLOT_BITS

#: Bytes that a task takes for a text, and for each byte of it, at most.
TEXT_BYTES, TEXT_TIMES = 120, 6

_EMPTY = TextSet(np.zeros(0, np.uint64), Texts(np.zeros(1, np.int64), np.zeros(0, np.uint8)))


def _own_path(space: Workspace, source: int, part: int, column: str) -> Path:
    return space.path("standard", f"{source:02d}-{part:05d}.{column}.arrays")


def _path(space: Workspace, column: str, stretch: int, kind: str) -> Path:
    return space.path("plain_text", f"{column}-{stretch:05d}.{kind}.arrays")


def _slots(stretch: int, stretches: int) -> tuple[int, int]:
    """Slots of a stretch: the first, and one after the last."""
    return SLOTS * stretch // stretches, SLOTS * (stretch + 1) // stretches


def _parts(space: Workspace, column: str) -> list[tuple[int, int]]:
    """Source and number of the parts that have a column, in the order of the layout."""
    having = {n for n, s in enumerate(space.sources) if column in s.contract.by_standard()}
    return [(source, part) for source, part, _, _ in space.layout["parts"] if source in having]


def write_texts(space: Workspace, source: int, part: int, found: Mapping[str, TextSet]) -> dict[str, int]:
    """Write the distinct texts of a part; ``texts.<column>`` and ``bytes.<column>`` of what was written."""
    told: dict[str, int] = {}
    for column in space.text_columns:
        if column not in space.sources[source].contract.by_standard():
            continue
        own = found.get(column, _EMPTY)
        packed = own.texts.packed()
        starts = np.searchsorted(partition_of(own.hashes, _SLOT_BITS), np.arange(SLOTS + 1))
        write_arrays(
            _own_path(space, source, part, column),
            hashes=own.hashes,
            offsets=packed.offsets,
            bytes=packed.data,
            starts=starts,
        )
        told |= {f"texts.{column}": len(own), f"bytes.{column}": int(packed.offsets[-1])}
    return told


def _cut(held: Arrays, first: int, stop: int) -> TextSet:
    """The texts of some slots of a part."""
    start, end = int(held["starts"][first]), int(held["starts"][stop])
    offsets = held.cut("offsets", start, end + 1)
    low = int(offsets[0])
    data = held.cut("bytes", low, int(offsets[-1]))
    return TextSet(held.cut("hashes", start, end), Texts(offsets - low, data))


def merge_stretch(work: str, column: str, stretch: int, stretches: int) -> dict[str, Any]:
    """One stretch of the distinct texts of all parts."""
    space = Workspace.open(work)
    slots = _slots(stretch, stretches)
    sets = [_cut(open_arrays(_own_path(space, *part, column)), *slots) for part in _parts(space, column)]
    ids, merged = merge_texts(sets)
    letters, characters = letters_of(merged.texts)
    write_arrays(
        _path(space, column, stretch, "merged"),
        hashes=hash_texts(merged.texts, space.key_secret),
        offsets=merged.texts.offsets,
        bytes=merged.texts.data,
    )
    write_arrays(
        _path(space, column, stretch, "ids"),
        ids=np.concatenate([np.zeros(0, np.uint32), *ids]),
        starts=np.cumsum([0, *(len(s) for s in sets)]),
        distinct=np.array([len(merged)]),
        letters=letters,
    )
    return {"rows_out": len(merged), "characters": characters}


def pack_stretch(work: str, column: str, stretch: int, stretches: int, characters: int) -> dict[str, Any]:
    """One stretch as it is compared; ``characters`` stand in the stretches before it."""
    space = Workspace.open(work)
    table, _ = _table(space, column, stretches)
    held = read_arrays(_path(space, column, stretch, "merged"))
    lengths, codes = pack_texts(Texts(held["offsets"], held["bytes"]), table)
    starts = characters + np.cumsum(lengths) - lengths
    _write_packed(_path(space, column, stretch, "packed"), held["hashes"], starts, codes, None)
    return {"rows_out": int(lengths.shape[0])}


def _table(space: Workspace, column: str, stretches: int) -> tuple[np.ndarray, np.ndarray | None]:
    letters = [open_arrays(_path(space, column, n, "ids"))["letters"] for n in range(stretches)]
    return code_table(np.unique(np.concatenate(letters)))


def _write_packed(
    path: Path, hashes: np.ndarray, offsets: np.ndarray, codes: np.ndarray, alphabet: np.ndarray | None
) -> None:
    letters = np.zeros(0, np.uint32) if alphabet is None else alphabet
    write_arrays(path, hashes=hashes, offsets=offsets, codes=codes, alphabet=letters)


def join_stretches(work: str, column: str, stretches: int, characters: int) -> dict[str, Any]:
    """All stretches as one: text 0, which is none, before the first, and zeros behind the last."""
    space = Workspace.open(work)
    table, alphabet = _table(space, column, stretches)
    head, tail = (space.path("plain_text", f"{column}.{end}.arrays") for end in ("head", "tail"))
    none, nothing = np.zeros(1, np.uint64), np.zeros(0, np.uint64)
    _write_packed(head, none, np.zeros(1, np.int64), np.zeros(0, table.dtype), alphabet)
    _write_packed(tail, nothing, np.array([characters]), np.zeros(PADDING, table.dtype), None)
    packed = [_path(space, column, n, "packed") for n in range(stretches)]
    entry = join_arrays(space.path("plain_text", f"{column}.arrays"), [head, *packed, tail])
    return {"rows_out": entry.rows - 1}


def text_ids(space: Workspace, source: int, part: int, column: str, stretches: int) -> np.ndarray:
    """Codes by the run's vocabulary of a part's own, of which 0 is none: uint32[d + 1]."""
    place = _parts(space, column).index((source, part))
    found = [np.zeros(1, np.uint32)]
    before = 1
    for number in range(stretches):
        held = open_arrays(_path(space, column, number, "ids"))
        start, stop = (int(v) for v in held["starts"][place : place + 2])
        found.append(held.cut("ids", start, stop) + np.uint32(before))
        before += int(held["distinct"][0])
    return np.concatenate(found)
