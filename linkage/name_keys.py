"""Keyed hashes of names and their parts, for block keys and value counts."""

from __future__ import annotations

import numpy as np

from kernels import keys as key_kernels
from linkage.coded import Tokens


def fold_codes(states: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """One more word in each key, uint64[n]; a zero code makes no key."""
    out = states.astype(np.uint64, copy=True)
    key_kernels.fold_column(np.ascontiguousarray(codes, np.uint64), np.uint64(0), out)
    return out


def name_codes(values: np.ndarray, tokens: Tokens, form: str) -> np.ndarray:
    """Hashes of names (uint32[n, 8] token rows) in one form, uint64[n]; zero where there is nothing.

    Forms: the whole name as it is (empty), ``ascii`` or ``phonetic``; ``set``, ASCII without regard to order;
    ``given`` (last token), ``surname`` (first of several), ``middle`` (between), each also ``.ascii`` and
    ``.phonetic``; ``ends``, surname and given in ASCII.
    """
    if form == "ends":
        given, surname = (
            name_codes(values, tokens, "given.ascii"),
            name_codes(values, tokens, "surname.ascii"),
        )
        return np.where(surname != 0, fold_codes(given, np.maximum(surname, np.uint64(1))), given)
    n = values.shape[0]
    if form == "set":
        total = np.zeros(n, np.uint64)
        for place in range(values.shape[1]):
            has = values[:, place] != 0
            total[has] += tokens.ascii_hash[values[has, place]]
        out = np.empty(n, np.uint64)
        key_kernels.start_keys(np.uint64(7), out)
        key_kernels.fold_column(total, np.uint64(0), out)
        return out
    which, _, kind = form.partition(".")
    if which in ("", "ascii", "phonetic"):
        kind, which = which, ""
    hashes = {"": tokens.exact_hash, "ascii": tokens.ascii_hash, "phonetic": tokens.phonetic_hash}[kind]
    count = (values != 0).sum(axis=1)
    if which == "surname":
        return np.where(count > 1, hashes[values[:, 0]], np.uint64(0))
    if which == "given":
        last = values[np.arange(n), np.maximum(count - 1, 0)]
        return np.where(count > 0, hashes[last], np.uint64(0))
    first, stop = (1, count - 1) if which == "middle" else (0, count)
    states = np.ones(n, np.uint64)
    for place in range(first, values.shape[1]):
        inside = place < stop
        if not inside.any():
            break
        states[inside] = fold_codes(states[inside], hashes[values[inside, place]])
    return np.where(count > 0, states, np.uint64(0))
