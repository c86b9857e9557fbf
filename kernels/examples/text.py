"""Bytes: a delimited file of a register, and texts to hash."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels.cell_text import gather
from kernels.delimited import count_lines, scan, walk
from kernels.examples._form import Example, mapped
from kernels.examples.strings import full_names
from kernels.keys import hash_bytes, siphash128

_COMMA, QUOTE = ord(","), ord('"')
_WIDTH = 5
_MOST_LINES, _MOST_BYTES = 64, 1 << 20


@functools.lru_cache(maxsize=2)
def file_lines(n: int) -> NDArray[np.uint8]:
    """Lines of a number, a name, a date, a place in quotes and a phone; some quotes doubled."""
    lines = []
    for row, name in enumerate(full_names(n)[0]):
        place = 'Thôn "Đông"'.replace('"', '""') if row % 50 == 0 else "Thôn Đông, xã Hòa Phú"
        lines.append(
            f'{row:012d},{name},{1 + row % 28:02d}/03/19{row % 90 + 10},"{place}",09{row % 10**8:08d}'
        )
    return np.frombuffer(("\n".join(lines) + "\n").encode(), np.uint8)


def _lines(n: int) -> tuple[Any, ...]:
    return file_lines(n), file_lines(n).shape[0]


def scan_arguments(n: int) -> tuple[Any, ...]:
    """What :func:`kernels.delimited.scan` takes for so many records."""
    buffer = file_lines(n)
    rows = n + 1
    wanted = np.arange(_WIDTH)
    spans = [np.zeros(rows, np.int32) for _ in range(4)]
    cells = [np.zeros((_WIDTH, rows), np.int32) for _ in range(2)]
    return (
        buffer, buffer.shape[0], True, _COMMA, QUOTE, _WIDTH, _MOST_LINES, _MOST_BYTES, wanted, 1,
        np.empty(rows, np.uint8), *spans[:2], np.empty(rows, np.int64), *spans[2:], *cells,
        np.zeros((_WIDTH, rows), np.bool_),
    )  # fmt: skip


def _walk(n: int) -> tuple[Any, ...]:
    buffer = file_lines(n)
    targets = np.linspace(0, buffer.shape[0], 17).astype(np.int64)
    cuts = (np.zeros(17, np.int64), np.zeros(17, np.int64))
    return buffer, True, _COMMA, QUOTE, _WIDTH, _MOST_LINES, _MOST_BYTES, 1, targets, *cuts


def _gather(n: int) -> tuple[Any, ...]:
    arguments = scan_arguments(n)
    scan(*arguments)
    begin, end, doubled = (table[3, :n].copy() for table in arguments[-3:])
    columns = (begin.astype(np.int64), end.astype(np.int64), doubled)
    out = (np.empty(n + 1, np.int64), np.empty(int((end - begin).sum()) + 1, np.uint8), np.empty(n, np.uint8))
    return arguments[0], *columns, QUOTE, False, *out


@functools.lru_cache(maxsize=2)
def name_texts(n: int) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """Full names: offsets int64[n + 1] and their bytes."""
    texts = [text.encode() for text in full_names(n)[0]]
    return np.cumsum([0, *map(len, texts)]), np.frombuffer(b"".join(texts), np.uint8)


def _hash(n: int) -> tuple[Any, ...]:
    offsets, data = name_texts(n)
    return mapped(offsets), data, np.uint64(7), np.empty(n, np.uint64)


def _siphash(n: int) -> tuple[Any, ...]:
    offsets, data = name_texts(n)
    return mapped(offsets), data, np.uint64(7), np.uint64(8), np.empty((n, 2), np.uint64)


EXAMPLES = (
    Example(count_lines, _lines, "line"),
    Example(scan, scan_arguments, "record"),
    Example(walk, _walk, "record"),
    Example(gather, _gather, "cell"),
    Example(hash_bytes, _hash, "text"),
    Example(siphash128, _siphash, "text"),
)
