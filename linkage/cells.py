"""Arrow tables as rows of cells: content ids of rows, and CSV that a spreadsheet may open.

Every text that cells show is put into one pool, once for each entry of a dictionary; rows are then made by
compiled code. The CSV is, byte for byte, what Polars writes of the escaped texts.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
import pyarrow as pa

from kernels.cells import hash_rows, mark_cells, write_rows
from linkage.artefacts import ID_KEYS, UNIT
from linkage.text_arrays import Texts

_LINE = "\r\n"
_BOM = b"\xef\xbb\xbf"
_ID_BYTES = 16


class _Pool:
    """Texts that cells are taken from; text 0 is none."""

    def __init__(self, rows: int) -> None:
        self.rows = rows
        self._texts = [Texts(np.zeros(2, np.int64), np.zeros(0, np.uint8))]
        self._size = 1
        self._cells: list[np.ndarray] = []
        self._plain: list[slice] = []

    def add(self, column: pa.Array | str, *, plain: bool = False) -> None:
        """A column of texts, dictionary-encoded or not, or one text for all rows.

        plain : its texts are numbers or days, which nothing is put before or around
        """
        begin = self._size
        if isinstance(column, str):
            self._add(Texts.of([column]), np.zeros(self.rows, np.int64), None)
        elif pa.types.is_dictionary(column.type):
            known = column.indices.is_valid().to_numpy(zero_copy_only=False)
            self._add(Texts.of(column.dictionary), column.indices.fill_null(0).to_numpy(), known)
        else:
            known = column.is_valid().to_numpy(zero_copy_only=False) if column.null_count else None
            self._add(Texts.of(column), np.arange(self.rows), known)
        if plain:
            self._plain.append(slice(begin, self._size))

    def _add(self, texts: Texts, places: np.ndarray, known: np.ndarray | None) -> None:
        cells = places.astype(np.uint32)
        cells += np.uint32(self._size)
        if known is not None:
            cells[~known] = 0
        self._cells.append(cells)
        self._texts.append(texts)
        self._size += len(texts)

    def whole(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The pool's offsets and bytes, and the cells uint32[columns, rows]."""
        texts = Texts.join(self._texts)
        cells = np.stack(self._cells) if self._cells else np.zeros((0, self.rows), np.uint32)
        return texts.offsets, texts.data, cells

    def marks(self, offsets: np.ndarray, data: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """How each text of the pool is written, uint8, and how long it then is, int64."""
        marks, sizes = np.empty(self._size, np.uint8), np.empty(self._size, np.int64)
        mark_cells(offsets, data, marks, sizes)
        for texts in self._plain:
            marks[texts] = 0
            sizes[texts] = np.diff(offsets)[texts]
        return marks, sizes


def row_ids(columns: Sequence[pa.Array | str], rows: int) -> np.ndarray:
    """Content ids of rows, uint8[rows, 16]; the same as :func:`linkage.artefacts.content_ids` of them joined.

    columns : texts, dictionary-encoded or not, null as empty; or one text that all rows have
    """
    pool = _Pool(rows)
    for column in columns:
        pool.add(column)
    out = np.zeros((rows, 2), np.uint64)
    hash_rows(*pool.whole(), ord(UNIT), *ID_KEYS, out)
    return out.astype("<u8", copy=False).view(np.uint8).reshape(rows, _ID_BYTES)


def csv_bytes(table: pa.Table, *, header: bool) -> np.ndarray:
    """A table as CSV, uint8[bytes]: UTF-8, quoted where needed; ids in hexadecimal, lists joined by blanks.

    header : whether it begins the file, with a byte order mark and the names of the columns
    """
    n = table.num_rows
    pool = _Pool(n)
    ids: list[np.ndarray] = []
    columns: list[int] = []
    texts = 0
    for column in table.combine_chunks().columns:
        array = column.chunk(0) if column.num_chunks else pa.array([], column.type)
        if pa.types.is_fixed_size_binary(array.type) and array.type.byte_width == _ID_BYTES:
            columns.append(len(ids))
            flat = np.frombuffer(array.buffers()[1] or b"", np.uint8).reshape(-1, _ID_BYTES)
            ids.append(flat[array.offset : array.offset + n])
        else:
            texts += 1
            columns.append(-texts)
            pool.add(_shown(array), plain=not (_textual(array.type) or _listed(array.type)))
    offsets, data, cells = pool.whole()
    marks, sizes = pool.marks(offsets, data)
    first = _header(table.column_names) if header else b""
    size = len(first) + n * (2 * _ID_BYTES * len(ids) + len(columns) - 1 + len(_LINE))
    out = np.empty(size + sum(int(sizes[own].sum()) for own in cells), np.uint8)
    out[: len(first)] = np.frombuffer(first, np.uint8)
    hexed = np.stack(ids) if ids else np.zeros((0, n, _ID_BYTES), np.uint8)
    write_rows(offsets, data, marks, cells, hexed, np.array(columns, np.int64), out[len(first) :])
    return out


def _header(names: Sequence[str]) -> bytes:
    frame = pl.DataFrame(schema=dict.fromkeys(names, pl.String))
    return _BOM + frame.write_csv(line_terminator=_LINE).encode()


def _shown(array: pa.Array) -> pa.Array:
    """A column as the texts its cells show, dictionary-encoded where its values repeat."""
    if _listed(array.type):
        return pl.Series(pl.from_arrow(array)).list.join(" ").to_arrow().cast(pa.large_string())
    if _textual(array.type):
        return array
    coded = array.dictionary_encode()
    values = pl.DataFrame({"value": pl.Series(pl.from_arrow(coded.dictionary))})
    written = values.write_csv(include_header=False, line_terminator="\n").split("\n")[:-1]
    return pa.DictionaryArray.from_arrays(coded.indices, pa.array(written, pa.large_string()))


def _listed(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind))


def _textual(kind: pa.DataType) -> bool:
    return bool(pa.types.is_dictionary(kind) or pa.types.is_string(kind) or pa.types.is_large_string(kind))
