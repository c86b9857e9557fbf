"""Coded records in a run's work folder: a container a part, and one a range for what comes later."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from jobs.store import MANIFEST, open_arrays
from kernels.narrow import widen
from kernels.sparse import mark_held, take_held
from linkage.coded import DTYPES, NAME_WIDTH, Coded
from linkage.columns import Column, Piece, TextColumn

if TYPE_CHECKING:
    from pathlib import Path

    from jobs.workspace import Workspace

_BYTE = np.dtype(np.uint8)

#: Columns of the register's rows that the ranges of ``side`` hold, with their width.
_OF_REGISTER = {"frequency": np.dtype(np.int16), "absent": np.dtype(np.int16)}


class _Names:
    """Narrow names of a part, read as rows of eight ids."""

    def __init__(self, narrow: np.ndarray, wide: np.ndarray) -> None:
        self.narrow = narrow
        self.wide = wide

    def __getitem__(self, rows: slice) -> np.ndarray:
        return widen(self.narrow[rows], self.wide)

    def fill(self, rows: np.ndarray, out: np.ndarray) -> None:
        widen(self.narrow, self.wide, rows, out)


#: What stands beside the values of a column of which only some rows have one, see :func:`few`.
BESIDE = ("bits", "before")


def few(name: str, values: np.ndarray) -> dict[str, np.ndarray]:
    """The arrays of a column of identifiers: only its rows that have one, where these are the fewer.

    values : int64[n], or int64[n, k]. Beside the values of these rows stand ``<name>.bits`` and
    ``<name>.before``, see :mod:`kernels.sparse`.
    """
    held = np.asarray(values.any(axis=1) if values.ndim == 2 else values != 0)
    if 2 * np.count_nonzero(held) > values.shape[0]:
        return {name: values}
    marks = {f"{name}.{beside}": marked for beside, marked in zip(BESIDE, mark_held(held), strict=True)}
    return {name: values[held], **marks}


class _Few:
    """A column of ``n`` rows of which only some have a value, read as if all stood there."""

    def __init__(self, n: int, bits: np.ndarray, before: np.ndarray, values: np.ndarray) -> None:
        self.n = n
        self.bits = bits
        self.before = before
        self.values = values

    def __getitem__(self, rows: slice) -> np.ndarray:
        start, stop, _ = rows.indices(self.n)
        out = np.empty((stop - start, *self.values.shape[1:]), self.values.dtype)
        self.fill(np.arange(start, stop), out)
        return out

    def fill(self, rows: np.ndarray, out: np.ndarray) -> None:
        take_held(self.bits, self.before, self.values, rows, out)


Held = Callable[[], Mapping[str, np.ndarray]]


def _lazily(path: Path) -> Held:
    return functools.cache(lambda: open_arrays(path))


def _piece(held: Held, name: str) -> Callable[[], np.ndarray | Piece | None]:
    def opened() -> np.ndarray | Piece | None:
        arrays = held()
        if name not in arrays:
            return None
        if f"{name}.wide" in arrays:
            return _Names(arrays[name], arrays[f"{name}.wide"])
        return _whole_or_few(arrays, name, arrays[name])

    return opened


def _whole_or_few(arrays: Mapping[str, np.ndarray], name: str, values: np.ndarray) -> np.ndarray | _Few:
    if f"{name}.{BESIDE[0]}" not in arrays:
        return values
    bits, before = (arrays[f"{name}.{beside}"] for beside in BESIDE)
    return _Few(arrays["@order"].shape[0], bits, before, values)


def read_coded(space: Workspace) -> Coded:
    """All coded records of a run, mapped piece by piece, with what later stages have put beside them."""
    parts = [p for p in space.layout["parts"] if p[3]]
    starts = np.array([*(p[2] for p in parts), space.layout["rows"]], np.int64)
    held = [_lazily(space.part_file("columns", s, p)) for s, p, _, _ in parts]
    arrays: dict[str, Column] = {}
    for name in (*space.columns, *space.carried):
        kind = space.kinds[name]
        width = (NAME_WIDTH,) if kind == "name" else ()
        missing = -1 if kind == "unit" else 0
        arrays[name] = Column(starts, [_piece(h, name) for h in held], DTYPES[kind], width, missing)
    if "personal_number" in arrays and space.loaded.alias_file is not None:
        arrays["personal_number.alias"] = _aliases(starts, parts, held)
    arrays |= _ranges(space)
    numbers = [functools.partial(np.full, rows, source, np.uint8) for source, _, _, rows in parts]
    return Coded(
        arrays,
        Column(starts, numbers, _BYTE),
        Column(starts, [_piece(h, "@order") for h in held], np.dtype(np.uint64)),
        space.layout["n_register"],
    )


def _aliases(starts: np.ndarray, parts: list[list[int]], held: list[Held]) -> Column:
    """Earlier numbers, which only the register has; its parts may hold more or fewer for a person."""
    name = "personal_number.alias"
    of_register = [number for number, part in enumerate(parts) if part[0] == 0]
    width = max((held[i]()[name].shape[1] for i in of_register if name in held[i]()), default=0)

    def padded(number: int) -> Callable[[], np.ndarray | Piece | None]:
        def opened() -> np.ndarray | Piece | None:
            arrays = held[number]()
            if name not in arrays:
                return None
            return _whole_or_few(
                arrays, name, np.pad(arrays[name], ((0, 0), (0, width - arrays[name].shape[1])))
            )

        return opened

    opened = [padded(number) if number in of_register else _nothing for number in range(len(parts))]
    return Column(starts, opened, np.dtype(np.int64), (width,))


def _nothing() -> None:
    return None


def _ranges(space: Workspace) -> dict[str, Column]:
    everything = space.ranges()
    first = len(space.ranges(register=True))
    starts = np.array([*(a for a, _ in everything), space.layout["rows"]], np.int64)
    out: dict[str, Column] = {}

    def column(
        stage: str, name: str, dtype: np.dtype, width: tuple[int, ...], *, register: bool, missing: int = 0
    ) -> Column:
        opened = [
            _piece(_lazily(space.range_file(stage, a)), name) if (number < first) == register else _nothing
            for number, (a, _) in enumerate(everything)
        ]
        return Column(starts, opened, dtype, width, missing)

    if _written(space, "side", len(everything), "frequency"):
        if "full_name" in space.columns:
            for name, dtype in _OF_REGISTER.items():
                out[name] = column("side", name, dtype, (3,), register=True)
            # A register person's own name is known.
            known = column("side", "full_name.known", _BYTE, (), register=False, missing=1)
            out["full_name.known"] = known
        for name in space.columns:
            if space.kinds[name] == "identifier":
                out[f"{name}.held"] = column("side", f"{name}.held", _BYTE, (), register=False)
    if _written(space, "repeats", len(everything) - first, "train"):
        out["repeats"] = column("repeats", "repeats", np.dtype(np.int32), (), register=False)
    return out


def settled_column(space: Workspace) -> Column | None:
    """Settled records of a run, uint8 over all rows; None before they are known."""
    everything = space.ranges()
    first = len(space.ranges(register=True))
    if not _written(space, "settled", len(everything) - first, "match"):
        return None
    starts = np.array([*(a for a, _ in everything), space.layout["rows"]], np.int64)
    opened = [
        _piece(_lazily(space.range_file("settled", a)), "settled") if number >= first else _nothing
        for number, (a, _) in enumerate(everything)
    ]
    return Column(starts, opened, _BYTE)


def outline_columns(space: Workspace) -> dict[str, Column]:
    """Outlines of all rows, ``words`` uint64[n, 3], and beside those of agency records ``least`` int32[n, 2];
    see :mod:`jobs.tasks_settle`.
    """
    everything = space.ranges()
    starts = np.array([*(a for a, _ in everything), space.layout["rows"]], np.int64)
    held = [_lazily(space.range_file("outlines", a)) for a, _ in everything]
    return {
        name: Column(starts, [_piece(h, name) for h in held], np.dtype(dtype), width)
        for name, dtype, width in (
            ("words", np.uint64, (3,)),
            ("least", np.int32, (2,)),
        )
    }


def _written(space: Workspace, name: str, wanted: int, stage: str) -> bool:
    """Whether a folder holds what its ranges have: all are there, or were when the stage that wrote them
    ended; who reads one that has been lost since then is told so.
    """
    try:
        here = sum(".tmp-" not in path.name for path in (space.work / name).iterdir())
    except FileNotFoundError:
        return False
    return here >= wanted or (space.work / "stages" / stage / MANIFEST).exists()


def read_ids(space: Workspace) -> TextColumn:
    """Record ids of all rows of a run, mapped from disk."""
    parts = [p for p in space.layout["parts"] if p[3]]

    def opened(path: Path) -> Callable[[], tuple[np.ndarray, np.ndarray]]:
        def load() -> tuple[np.ndarray, np.ndarray]:
            held = open_arrays(path)
            return held["offsets"], held["bytes"]

        return load

    return TextColumn(
        np.array([*(p[2] for p in parts), space.layout["rows"]], np.int64),
        [opened(space.path("intake", f"{s:02d}-{p:05d}.ids.arrays")) for s, p, _, _ in parts],
    )
