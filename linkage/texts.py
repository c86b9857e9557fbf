"""Measured features of plain text columns: similarities of packed strings, once a pair."""

from __future__ import annotations

import numpy as np

from kernels.edit import NO_CUTOFF, levenshtein_pairs, osa_pairs
from kernels.jaro import jaro_pairs, jaro_winkler_pairs
from linkage.coded import PackedTexts

_DISTANCES = {"levenshtein": levenshtein_pairs, "osa": osa_pairs}
_SIMILARITIES = {"jaro": jaro_pairs, "jaro_winkler": jaro_winkler_pairs}


def text_measure(
    measure: str, texts: PackedTexts, values: np.ndarray, left: np.ndarray, right: np.ndarray, out: np.ndarray
) -> None:
    """Fill ``out`` (int32[n]) with a distance, or a similarity in ten-thousandths rounded down.

    values : uint32[rows], codes of texts (0 none);  left, right : int64[n], rows
    """
    a, b = values[left].astype(np.int64), values[right].astype(np.int64)
    if measure in _DISTANCES:
        _DISTANCES[measure](texts.strings, texts.strings, a, b, NO_CUTOFF, out)
        return
    similarity = np.empty(out.shape[0], np.float64)
    _SIMILARITIES[measure](texts.strings, texts.strings, a, b, 0.0, similarity)
    out[:] = np.floor(similarity * 10_000.0 + 1e-6)
