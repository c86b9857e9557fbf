"""What a chunk adds to one file of an extract: lines of text or a table, and rows that no reader accepts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
from numpy.typing import NDArray

from data.generator.encodings import BAD_BYTES, encode
from data.generator.forms import Form
from data.generator.layouts import Layout
from data.generator.rows import Rows

#: Kinds of broken rows of a text file; a table can only lack the key.
BROKEN = ("stray_quote", "short_row", "long_row", "control_character", "bad_byte", "missing_key")


@dataclass(frozen=True)
class Broken:
    """A row that no reader accepts: the key it would have had, and its place among the content's rows."""

    kind: str
    record_id: str
    row: int


@dataclass
class Content:
    """Rows of one file: ``text`` in the file's encoding, or ``table``; ``rows`` counts the broken ones."""

    rows: int
    text: list[bytes | pa.Buffer] = field(default_factory=list)
    table: pa.Table | None = None
    broken: list[Broken] = field(default_factory=list)


def contents(rows: Rows, table: pa.Table, files: int) -> list[Content]:
    """One content a file part: the table cut into equal parts, broken rows among them."""
    layout, form = rows.layout, rows.form
    count = len(table)
    edges = [count * part // files for part in range(files + 1)]
    rng = rows.stream("broken")
    kinds = BROKEN if form.format == "csv" else ("missing_key",)
    wanted = rows.broken if count else 0
    at = np.sort(rng.integers(0, count + 1, wanted))
    kind = rng.integers(0, len(kinds), wanted)
    like = rng.integers(0, max(1, count), wanted)
    # A place on an edge belongs to the part behind it, but for the last.
    part_of = np.searchsorted(np.array(edges[1:-1]), at, side="right")
    found = []
    for part, (start, stop) in enumerate(pairwise(edges)):
        mine = np.flatnonzero(part_of == part)
        broken = [
            Broken(kinds[kind[each]], rows.broken_id[int(each)].as_py(), int(at[each]) - start + nth)
            for nth, each in enumerate(mine.tolist())
        ]
        models = table.take(pa.array(like[mine])) if len(mine) else table.slice(0, 0)
        piece = table.slice(start, stop - start)
        if form.format == "csv":
            text = _text(piece, models, broken, form, layout)
            found.append(Content(len(piece) + len(broken), text, None, broken))
        else:
            whole = _with_keyless(piece, models, broken)
            found.append(Content(len(whole), [], whole, broken))
    return found


def _text(
    table: pa.Table, models: pa.Table, broken: Sequence[Broken], form: Form, layout: Layout
) -> list[bytes | pa.Buffer]:
    """The lines, in pieces that follow one another."""
    delimiter = form.delimiter_of(layout)
    buffer = _csv(table, delimiter, layout.address)
    if not broken:
        return [buffer if form.encoding == "utf-8" else _encoded(buffer, form)]
    ends = np.flatnonzero(np.frombuffer(buffer, np.uint8) == ord("\n")) + 1
    starts = np.concatenate([[0], ends])
    places = [int(starts[each.row - nth]) for nth, each in enumerate(broken)]
    pieces: list[bytes | pa.Buffer] = []
    begin = 0
    for each, place, cells in zip(broken, places, models.to_pylist(), strict=True):
        pieces.append(_encoded(buffer.slice(begin, place - begin), form))
        pieces.append(_broken_line(each, list(cells.values()), layout, form))
        begin = place
    pieces.append(_encoded(buffer.slice(begin), form))
    return pieces


def _encoded(buffer: pa.Buffer, form: Form) -> bytes | pa.Buffer:
    if form.encoding == "utf-8":
        return buffer
    return encode(buffer.to_pybytes().decode(), form.encoding)


def _csv(table: pa.Table, delimiter: str, quoted: bool) -> pa.Buffer:
    sink = pa.BufferOutputStream()
    # Only address text holds delimiters; no value holds a quote or a line end.
    options = pa_csv.WriteOptions(
        include_header=False,
        delimiter=delimiter,
        quoting_style="needed" if quoted else "none",
        batch_size=16384,
    )
    pa_csv.write_csv(table, sink, options)
    return sink.getvalue()


def _broken_line(broken: Broken, cells: list[str | None], layout: Layout, form: Form) -> bytes:
    """One physical line with its end, broken in the way it says."""
    texts = [cell or "" for cell in cells]
    texts[0] = broken.record_id
    name = list(layout.columns).index("full_name")
    text = texts[name]
    middle = len(text) // 2
    quoted = [f'"{cell}"' if layout.address and cell else cell for cell in texts]
    bad = b""
    if broken.kind == "stray_quote":
        # Inside quotes it ends the cell; elsewhere it opens one that nothing closes.
        quoted[name] = f'"{text[:middle]}"{text[middle:]}"' if layout.address else f'"{text}'
    elif broken.kind == "short_row":
        quoted.pop()
    elif broken.kind == "long_row":
        quoted.append("x")
    elif broken.kind == "control_character":
        quoted[name] = quoted[name][:2] + "\x07" + quoted[name][2:]
    elif broken.kind == "missing_key":
        quoted[0] = ""
    else:
        quoted[name] = quoted[name][:2] + "\n" + quoted[name][2:]
        bad = BAD_BYTES[form.encoding]
    line = form.delimiter_of(layout).join(quoted)
    return bad.join(encode(part, form.encoding) for part in line.split("\n")) + encode("\n", form.encoding)


def _with_keyless(table: pa.Table, models: pa.Table, broken: Sequence[Broken]) -> pa.Table:
    """The table with the models at the broken rows' places, their keys null."""
    if not broken:
        return table
    keyless = models.set_column(0, models.field(0), pa.nulls(len(models), pa.string()))
    order: NDArray[np.float64] = np.arange(len(table), dtype=np.float64)
    between = np.array([each.row - nth - 0.5 for nth, each in enumerate(broken)])
    return pa.concat_tables([table, keyless]).take(
        pa.array(np.argsort(np.concatenate([order, between]), kind="stable"))
    )
