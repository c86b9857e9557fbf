"""Libraries that answer the same questions as kernels, each on one core and by its fastest way in.

DuckDB and polars-ds are no dependencies: ``python -m pip install duckdb polars-ds`` into the environment of
the tests adds them; where they are not installed, their rows are left out.
DuckDB counts bytes: its text here is ASCII, of which a character is a byte.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from rapidfuzz import process
from rapidfuzz.distance import OSA, Jaro, JaroWinkler, Levenshtein

from kernels.examples.strings import full_names
from tests.kernels.name_twins import Arguments, byte_texts


class Asked(NamedTuple):
    """A question put to a library: ``run`` is timed, ``read`` gives the answer as kernels do."""

    run: Callable[[], Any]
    read: Callable[[Any], Any]


class Peer(NamedTuple):
    """A library: the modules it needs, and how it is asked, given the kernel's arguments."""

    needs: tuple[str, ...]
    ask: Callable[[Arguments], Asked]


_SCORERS: dict[str, tuple[Any, Any]] = {
    "levenshtein": (Levenshtein.distance, np.int32),
    "osa": (OSA.distance, np.int32),
    "jaro": (Jaro.similarity, np.float64),
    "jaro_winkler": (JaroWinkler.similarity, np.float64),
}
_SQL = {
    "levenshtein": "levenshtein(a, b)",
    "jaro": "jaro_similarity(a, b)",
    "jaro_winkler": "jaro_winkler_similarity(a, b)",
}
_POLARS_DS = {"levenshtein": "str_leven", "osa": "str_osa", "jaro": "str_jaro", "jaro_winkler": "str_jw"}


def texts_of_pairs(given: Arguments, most: int) -> list[tuple[str, str]]:
    """The first pairs of strings, as text."""
    left, right = full_names(given[2].shape[0])
    return list(zip(left[:most], right[:most], strict=True))


def names_of_pairs(given: Arguments, most: int) -> list[tuple[str, str]]:
    """The first pairs of names, as spelt without diacritics."""
    letters = [text.decode() for text in byte_texts(given[4].char_offsets, given[4].chars)]
    sides = [[" ".join(letters[t] for t in row if t) for row in table[:most].tolist()] for table in given[:2]]
    return list(zip(*sides, strict=True))


def _scored(left: list[str], right: list[str], metric: str, cutoff: float | None) -> Callable[[], Any]:
    scorer, dtype = _SCORERS[metric]

    def run() -> Any:
        return process.cpdist(left, right, scorer=scorer, dtype=dtype, score_cutoff=cutoff, workers=1)

    return run


def _rapidfuzz(metric: str, cutoff: float | None) -> Callable[[Arguments], Asked]:
    def ask(given: Arguments) -> Asked:
        names = full_names(given[2].shape[0])

        def read(found: Any) -> Any:
            if cutoff is None or metric not in ("jaro", "jaro_winkler"):
                return found.tolist()
            # It loses values that equal the cutoff of a similarity.
            return np.where((found == 0.0) & (given[5] == cutoff), cutoff, found).tolist()

        return Asked(_scored(*names, metric, cutoff), read)

    return ask


def _duckdb(metric: str) -> Callable[[Arguments], Asked]:
    def ask(given: Arguments) -> Asked:
        connection = importlib.import_module("duckdb").connect(config={"threads": 1})
        left, right = full_names(given[2].shape[0])
        connection.register("given", pl.DataFrame({"a": left, "b": right}).to_arrow())
        connection.execute("CREATE TABLE pairs AS SELECT * FROM given")
        statement = f"SELECT {_SQL[metric]} AS found FROM pairs"  # noqa: S608 - from the table above
        return Asked(
            lambda: connection.execute(statement).fetchnumpy()["found"],
            lambda found: np.asarray(found).tolist(),
        )

    return ask


def _polars_ds(metric: str) -> Callable[[Arguments], Asked]:
    def ask(given: Arguments) -> Asked:
        function = getattr(importlib.import_module("polars_ds"), _POLARS_DS[metric])
        left, right = full_names(given[2].shape[0])
        frame = pl.DataFrame({"a": left, "b": right})
        options = {"return_sim": False} if metric in ("levenshtein", "osa") else {}
        expression = function("a", "b", parallel=False, **options).alias("found")
        return Asked(lambda: frame.select(expression), lambda found: found["found"].to_list())

    return ask


def strings(metric: str, cutoff: float | None = None) -> dict[str, Peer]:
    """The libraries that know a metric; with a cutoff, those that know cutoffs."""
    found = {"RapidFuzz": Peer((), _rapidfuzz(metric, cutoff))}
    if cutoff is None:
        if metric in _SQL:
            found["DuckDB"] = Peer(("duckdb",), _duckdb(metric))
        found["polars-ds"] = Peer(("polars_ds",), _polars_ds(metric))
    return found


def spelt(metric: str) -> Peer:
    """RapidFuzz on the spelt names, which is told the names that are empty by what the kernel answered."""

    def ask(given: Arguments) -> Asked:
        left, right = (list(side) for side in zip(*names_of_pairs(given, given[2].shape[0]), strict=True))
        empty = (given[0][:, 0] == 0) | (given[1][:, 0] == 0)
        none = 255 if metric == "osa" else -1.0
        run = _scored(left, right, metric, None)
        return Asked(run, lambda found: np.where(empty, none, found).tolist())

    return Peer((), ask)


def _integers(given: Arguments) -> Asked:
    texts = pl.Series([text.decode() for text in byte_texts(given[0], given[1])])
    fitting = texts.str.contains("^[0-9]{1,16}$").to_numpy()
    lengths = np.where(fitting, texts.str.len_bytes().to_numpy(), 0).tolist()
    return Asked(
        lambda: texts.str.to_integer(strict=False),
        lambda found: list(zip(found.fill_null(0).to_list(), lengths, strict=True)),
    )


def _relations(given: Arguments) -> Asked:
    left_codes, right_codes, left, right, _ = given

    def run() -> Any:
        a, b = left_codes[left], right_codes[right]
        return np.where((a == 0) | (b == 0), np.uint32(1), np.where(a == b, np.uint32(2), np.uint32(0)))

    return Asked(run, np.ndarray.tolist)


def _held(given: Arguments) -> Asked:
    flags, left, bit, before = given
    return Asked(lambda: before | np.where(flags[left] != 0, bit, np.uint32(0)), np.ndarray.tolist)


def _few(given: Arguments) -> Asked:
    bits, _, values, rows, _ = given
    held = np.flatnonzero(np.unpackbits(bits.view(np.uint8), bitorder="little"))

    def run() -> Any:
        place = np.minimum(np.searchsorted(held, rows), held.shape[0] - 1)
        return np.where(held[place] == rows, values[place], 0) if held.size else np.zeros_like(rows)

    return Asked(run, np.ndarray.tolist)


def _histogram(given: Arguments) -> Asked:
    found, _, before = given
    return Asked(lambda: before + np.bincount(found, minlength=before.shape[0]), np.ndarray.tolist)


def _look_up(given: Arguments) -> Asked:
    keys, values, _, _, wanted, _ = given

    def run() -> Any:
        place = np.minimum(np.searchsorted(keys, wanted), keys.shape[0] - 1)
        return np.where(keys[place] == wanted, values[place], 0)

    return Asked(run, np.ndarray.tolist)


def _order(given: Arguments) -> Asked:
    partition, starts, _ = given

    def run() -> Any:
        counts = np.bincount(partition, minlength=starts.shape[0] - 1)
        return np.concatenate([[0], np.cumsum(counts)]), np.argsort(partition, kind="stable").astype(
            np.uint32
        )

    return Asked(run, lambda found: (found[0].tolist(), found[1].tolist()))


def _sort(given: Arguments) -> Asked:
    keys, rows = (column.copy() for column in given)

    def run() -> Any:
        order = np.argsort(keys, kind="stable")
        return keys[order], rows[order]

    return Asked(run, lambda found: list(zip(found[0].tolist(), found[1].tolist(), strict=True)))


def _ranks(given: Arguments) -> Asked:
    return Asked(
        lambda: np.unique(given[0], return_inverse=True),
        lambda found: (found[0].tolist(), found[1].tolist()),
    )


def _among(given: Arguments) -> Asked:
    return Asked(lambda: np.isin(given[0], given[1]) & (given[0] != 0), np.ndarray.tolist)


def _lines(given: Arguments) -> Asked:
    return Asked(lambda: int(np.count_nonzero(given[0] == 10)), lambda found: found)


polars_integers = Peer((), _integers)
numpy_relations = Peer((), _relations)
numpy_held = Peer((), _held)
numpy_few = Peer((), _few)
numpy_histogram = Peer((), _histogram)
numpy_look_up = Peer((), _look_up)
numpy_order = Peer((), _order)
numpy_sort = Peer((), _sort)
numpy_ranks = Peer((), _ranks)
numpy_among = Peer((), _among)
numpy_lines = Peer((), _lines)
