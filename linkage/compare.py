"""From pairs of coded records to patterns: every feature of a pair computed once, then its levels."""

from __future__ import annotations

import numpy as np

from kernels.dates import date_bits_pairs
from kernels.identifiers import identifier_bits_pairs
from kernels.letters import letter_masks, may_be_near
from kernels.pairs import alias_relations, code_relations, held_bits, set_relations
from kernels.patterns import AT_LEAST, AT_MOST, assign_patterns
from kernels.spelling import MAX_CUTOFF, TOKEN_CHARACTERS, name_jaro_winkler_pairs, name_osa_pairs
from kernels.tokens import NULL, UNACCENTED, name_bits, token_overlap_pairs
from linkage.coded import Coded, Meaning
from linkage.levels import ALIAS, HELD, KNOWN, Programme
from linkage.texts import text_measure

#: Pairs handled at once: the batch's features stay in the cache (32 k pairs x about 60 bytes).
BATCH = 1 << 15


class Comparer:
    """Computes patterns of pairs of one table of coded records; scratch space is reused between batches.

    Not safe for use by two threads at once: each task makes its own.
    """

    def __init__(self, programme: Programme, meaning: Meaning, coded: Coded, batch: int = BATCH) -> None:
        self.programme = programme
        self.meaning = meaning
        self.coded = coded
        self.bits = np.zeros((max(1, len(programme.bit_columns)), batch), np.uint32)
        self.numbers = np.zeros((max(1, len(programme.measures)), batch), np.int32)
        self.patterns = np.empty(batch, np.uint32)
        self.small = np.empty(batch, np.uint8)
        self.exact = np.empty(batch, np.float64)
        self.wanted = np.empty(batch, np.bool_)
        self.cutoffs: dict[str, int] = {}
        self.masks: dict[str, np.ndarray] = {}
        for slot, (column, measure) in enumerate(programme.measures):
            if measure == "osa" and meaning.kinds[column] == "name":
                asked = programme.code[(programme.code[:, 0] == AT_MOST) & (programme.code[:, 1] == slot), 2]
                floor = programme.code[(programme.code[:, 0] == AT_LEAST) & (programme.code[:, 1] == slot), 2]
                self.cutoffs[column] = int(min(max(asked.max(initial=0), floor.max(initial=0)), MAX_CUTOFF))
                self.masks[column] = np.empty(len(coded), np.uint64)
                forms = meaning.tokens.forms
                letter_masks(
                    coded.arrays[column],
                    meaning.tokens.letters,
                    np.diff(forms.char_offsets),
                    TOKEN_CHARACTERS,
                    self.masks[column],
                )

    def compare(self, left: np.ndarray, right: np.ndarray) -> np.ndarray:
        """Patterns, uint32[n], of n pairs (at most the batch's size); a view that the next call overwrites.

        left, right : int64[n], rows of the table; where it matters, ``left`` is the agency's record
        """
        n = left.shape[0]
        programme = self.programme
        for slot, column in enumerate(programme.bit_columns):
            self._bits(column, left, right, self.bits[slot, :n])
        for slot, (column, measure) in enumerate(programme.measures):
            self._measure(column, measure, left, right, self.numbers[slot, :n])
        assign_patterns(
            programme.code, programme.part_starts, programme.radix, self.bits, self.numbers, n, self.patterns
        )
        return self.patterns[:n]

    def _bits(self, column: str, left: np.ndarray, right: np.ndarray, out: np.ndarray) -> None:
        values = self.coded.arrays[column]
        kind = self.meaning.kinds[column]
        if kind == "name":
            name_bits(values, values, left, right, self.meaning.tokens.forms, out)
            known = self.coded.arrays.get(f"{column}.known")
            if known is not None:
                held_bits(known, left, np.uint32(KNOWN), out)
        elif kind == "date":
            date_bits_pairs(values, values, left, right, out)
        elif kind in ("identifier", "phone"):
            identifier_bits_pairs(values, values, left, right, out)
            aliases = self.coded.arrays.get(f"{column}.alias")
            if aliases is not None and aliases.shape[1]:
                alias_relations(values, aliases, left, right, np.uint32(ALIAS), out)
            held = self.coded.arrays.get(f"{column}.held")
            if held is not None:
                held_bits(held, left, np.uint32(HELD), out)
        elif kind == "unit":
            units = self.meaning.units
            set_relations(values, values, left, right, units.offsets, units.members, units.province, out)
        else:
            code_relations(values, values, left, right, out)

    def _measure(
        self, column: str, measure: str, left: np.ndarray, right: np.ndarray, out: np.ndarray
    ) -> None:
        values = self.coded.arrays[column]
        if self.meaning.kinds[column] == "text":
            text_measure(measure, self.meaning.texts[column], values, left, right, out)
            return
        forms = self.meaning.tokens.forms
        n = out.shape[0]
        if measure == "overlap":
            token_overlap_pairs(values, values, left, right, forms, self.small[:n])
            out[:] = self.small[:n]
            return
        if column in self.programme.bit_columns:
            bits = self.bits[self.programme.bit_columns.index(column), :n]
        else:
            bits = np.empty(n, np.uint32)
            name_bits(values, values, left, right, forms, bits)
        equal = (bits & np.uint32(UNACCENTED)) != 0
        wanted = self.wanted[:n]
        if measure == "osa":
            cutoff = self.cutoffs[column]
            may_be_near(self.masks[column], left, right, bits, UNACCENTED | NULL, cutoff, wanted)
            name_osa_pairs(values, values, left, right, forms, wanted, cutoff, self.small[:n])
            out[:] = np.where(equal, 0, self.small[:n])
        else:
            np.logical_and(~equal, (bits & np.uint32(NULL)) == 0, out=wanted)
            name_jaro_winkler_pairs(values, values, left, right, forms, wanted, 0.0, self.exact[:n])
            out[:] = np.where(equal, 10_000, np.floor(self.exact[:n] * 10_000.0 + 1e-6))
