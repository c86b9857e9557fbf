"""Columns of the tables a run publishes: content ids, readable patterns, numbers; no text is copied.

Text that repeats (sources, rules, patterns, decisions) is dictionary-encoded from end to end.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
import pyarrow as pa

from kernels.keys import siphash128
from kernels.texts import hash_framed
from linkage.levels import Programme
from linkage.reasons import BIT
from linkage.text_arrays import Texts

#: Fixed keys of content ids: they must be the same for everybody, for ever.
ID_KEYS = (np.uint64(0x6C696E6B61676531), np.uint64(0x656E746974792D31))

#: Between the parts of what an id is of: a control character that no field may hold.
UNIT = "\x1f"


def content_ids(texts: pl.Series) -> np.ndarray:
    """128-bit ids of texts (no nulls): SipHash-2-4-128 under a public key, uint8[n, 16]."""
    array = texts.to_arrow().cast(pa.large_string())
    n = len(array)
    out = np.zeros((n, 2), np.uint64)
    if n:
        offsets = np.frombuffer(array.buffers()[1], np.int64)[array.offset : array.offset + n + 1]
        data = np.frombuffer(array.buffers()[2] or b"", np.uint8)
        siphash128(offsets, data, *ID_KEYS, out)
    return out.astype("<u8", copy=False).view(np.uint8).reshape(n, 16)


def id_array(ids: np.ndarray) -> pa.FixedSizeBinaryArray:
    """Ids, uint8[n, 16], as an Arrow column."""
    return pa.FixedSizeBinaryArray.from_buffers(
        pa.binary(16), ids.shape[0], [None, pa.py_buffer(np.ascontiguousarray(ids))]
    )


def joined(*columns: pl.Series | str) -> pl.Series:
    """Columns as one text a row, parts apart by a control character that no field may hold; null as empty."""
    names: list[pl.Expr] = []
    values = {}
    for number, column in enumerate(columns):
        if isinstance(column, str):
            names.append(pl.lit(column))
        else:
            values[f"c{number}"] = column
            names.append(pl.col(f"c{number}").cast(pl.String).fill_null(""))
    return pl.DataFrame(values).select(pl.concat_str(names, separator=UNIT).alias("joined"))["joined"]


def framed_ids(
    frames: Sequence[str], which: np.ndarray | Sequence[int], first: Texts, second: Texts | None = None
) -> np.ndarray:
    """Content ids of rows *frame, text, frame, text, frame*, uint8[n, 16]; the same as of their joined text.

    frames : texts that rows share;  which : int64[n, 3] or [3], which of them stand before, between and after
    first, second : a text each a row; without a second it is empty
    """
    n = len(first)
    chosen = np.ascontiguousarray(np.broadcast_to(np.asarray(which, np.int64), (n, 3)))
    other = second if second is not None else Texts(np.zeros(n + 1, np.int64), np.zeros(0, np.uint8))
    shared = Texts.of(list(frames))
    out = np.zeros((n, 2), np.uint64)
    hash_framed(
        shared.offsets,
        shared.data,
        chosen,
        np.ascontiguousarray(first.offsets),
        first.data,
        np.ascontiguousarray(other.offsets),
        other.data,
        *ID_KEYS,
        out,
    )
    return out.astype("<u8", copy=False).view(np.uint8).reshape(n, 16)


def person_entity_ids(person_ids: Texts) -> np.ndarray:
    """Entity ids of register persons, uint8[n, 16]."""
    return framed_ids((f"person{UNIT}", ""), (0, 1, 1), person_ids)


def record_entity_ids(sources: Sequence[str], source: np.ndarray, record_ids: Texts) -> np.ndarray:
    """Entity ids named by their smallest member, uint8[n, 16]; ``source`` int[n] counts in ``sources``."""
    which = np.full((len(record_ids), 3), len(sources), np.int64)
    which[:, 0] = source
    return framed_ids([*(f"record{UNIT}{name}{UNIT}" for name in sources), ""], which, record_ids)


def decision_ids(
    sources: Sequence[str],
    decisions: Sequence[str],
    model: str,
    policies: Sequence[str],
    source: np.ndarray,
    decision: np.ndarray,
    record_ids: Texts,
    person_ids: Texts,
) -> np.ndarray:
    """Ids of decisions, uint8[n, 16]: of the source, the record, the decision, its person, model and policy.

    policies : one a source;  source, decision : int[n];  person_ids : empty for nobody
    """
    frames = [
        *(f"{name}{UNIT}" for name in sources),
        *(f"{UNIT}{name}{UNIT}" for name in decisions),
        *(f"{UNIT}{model}{UNIT}{policy}" for policy in policies),
    ]
    which = np.empty((len(record_ids), 3), np.int64)
    which[:, 0] = source
    which[:, 1] = decision
    which[:, 1] += len(sources)
    which[:, 2] = source
    which[:, 2] += len(sources) + len(decisions)
    return framed_ids(frames, which, record_ids, person_ids)


def coded_text(codes: np.ndarray, texts: Sequence[str]) -> pa.DictionaryArray:
    """Texts by their number, dictionary-encoded; null where the number is negative.

    Every text is in the dictionary once: Parquet writers make its page as long as the entries they are given,
    and what is left behind the distinct ones is memory as it was.
    """
    distinct = dict.fromkeys(texts)
    known = codes >= 0
    whole = bool(known.all())
    chosen = (codes if whole else np.where(known, codes, 0)).astype(np.int32, copy=False)
    if len(distinct) < len(texts):
        places = {text: place for place, text in enumerate(distinct)}
        chosen = np.array([places[text] for text in texts], np.int32)[chosen]
    indices = pa.array(chosen, mask=None if whole else ~known)
    return pa.DictionaryArray.from_arrays(indices, pa.array(list(distinct), pa.large_string()))


def reason_column(masks: np.ndarray) -> pa.LargeListArray:
    """Lists of reason codes, one a row, from bit masks (uint32[n]); every code is held once."""
    codes = list(BIT)
    used = [c for c in range(len(codes)) if np.bitwise_or.reduce(masks, initial=0) & np.uint32(1 << c)]
    coded = pa.array(masks).dictionary_encode()  # by hash: sorting them took four times as long
    distinct, inverse = coded.dictionary.to_pylist(), coded.indices.to_numpy()
    lists = [[place for place, c in enumerate(used) if mask >> c & 1] for mask in distinct]
    sizes = np.array([len(one) for one in lists], np.int64)
    flat = np.array([place for one in lists for place in one], np.int32)
    begins = np.cumsum(sizes) - sizes
    length = sizes[inverse]
    offsets = np.concatenate([[0], np.cumsum(length)]).astype(np.int64)
    at = np.arange(offsets[-1]) + np.repeat(begins[inverse] - offsets[:-1], length)
    texts = pa.array([codes[c] for c in used], pa.large_string())
    held = pa.DictionaryArray.from_arrays(pa.array(flat[at]), texts)
    return pa.LargeListArray.from_arrays(pa.array(offsets), held)


#: Patterns that are told apart by a table of all of them; more are sorted.
_TABLED = 1 << 23


def pattern_texts(
    patterns: np.ndarray,
    programme: Programme,
    known: np.ndarray | None = None,
    made: dict[int, str] | None = None,
) -> pa.DictionaryArray:
    """Readable patterns, ``number=same sex=same ...``; null where ``known`` (bool[n]) is False.

    made : texts by pattern that are there already; it is filled
    """
    made = {} if made is None else made
    if programme.n_patterns <= _TABLED:
        there = np.zeros(programme.n_patterns, bool)
        there[patterns if known is None else patterns[known]] = True
        distinct = np.flatnonzero(there)
        place = np.empty(programme.n_patterns, np.int32)
        place[distinct] = np.arange(distinct.shape[0], dtype=np.int32)
        codes = place[patterns]
    else:
        distinct, codes = np.unique(patterns, return_inverse=True)
        codes = codes.ravel()
    new = np.array([p for p in distinct.tolist() if p not in made], np.int64)
    if new.size:
        for pattern, levels in zip(new.tolist(), programme.levels_of(new).tolist(), strict=True):
            made[pattern] = " ".join(
                f"{part.name}={part.levels[level].name}"
                for part, level in zip(programme.parts, levels, strict=True)
            )
    texts = [made[p] for p in distinct.tolist()]
    return coded_text(codes if known is None else np.where(known, codes, -1), texts)


def arrow_text(values: pl.Series) -> pa.Array:
    """A Polars text column as Arrow large_string."""
    return values.to_arrow().cast(pa.large_string())


def numbers(values: np.ndarray, known: np.ndarray | None = None) -> pa.Array:
    """A numeric column, null where ``known`` (bool[n]) is False."""
    return pa.array(values) if known is None else pa.array(values, mask=~known)
