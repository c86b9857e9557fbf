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
    out = np.empty(values.shape[0], np.uint64)
    if form == "set":
        key_kernels.name_hashes(values, tokens.ascii_hash, key_kernels.SET, out)
        return out
    which, _, kind = form.partition(".")
    if which in ("", "ascii", "phonetic"):
        kind, which = which, ""
    hashes = {"": tokens.exact_hash, "ascii": tokens.ascii_hash, "phonetic": tokens.phonetic_hash}[kind]
    part = {
        "": key_kernels.WHOLE,
        "given": key_kernels.GIVEN,
        "surname": key_kernels.SURNAME,
        "middle": key_kernels.MIDDLE,
    }[which]
    key_kernels.name_hashes(values, hashes, part, out)
    return out
