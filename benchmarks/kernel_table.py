"""One table of all kernels that work on columns: arguments, slow twin, peers, the machine's limit.

It feeds the tests (each kernel equals its twin and its peers, and none lacks a row), the benchmarks and the
table in ``README.md``. The arguments are those of :mod:`kernels.examples`.

A kernel's limit is what no kernel of its kind can beat on a machine: the time to stream the bytes that it
must read and write, or, where each step waits for the one before, the time of these steps alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from benchmarks import kernel_peers as peers
from benchmarks.kernel_peers import Peer
from kernels import dates, identifiers, tokens
from kernels.examples import EXAMPLES, Example
from kernels.parquet import packed_bytes
from tests.kernels import column_twins, correction_twins, intake_twins, name_twins, publishing_twins, twins
from tests.kernels.name_twins import Arguments

#: Rows of a benchmark.
MANY = 1_000_000

Answer = Callable[[Arguments, Any], Any]


@dataclass(frozen=True, slots=True)
class Judge:
    """How a kernel is judged.

    answer : the arguments after the call, and what it returned, as lists, numbers and texts
    twin   : the same from the arguments before the call, slowly
    peers  : libraries that answer the same question
    steps  : mean steps a unit, each of which waits for the one before, and of which kind
    """

    answer: Answer
    twin: Callable[[Arguments], Any]
    peers: Mapping[str, Peer] = field(default_factory=dict)
    steps: Callable[[Arguments], tuple[str, float]] | None = None
    units: int = MANY


@dataclass(frozen=True, slots=True)
class Row:
    """A kernel, its arguments and its judge."""

    example: Example
    judge: Judge

    def call(self, given: Arguments) -> Any:
        """The kernel's answer; what it changes is changed in copies."""
        own = self.copied(given)
        return self.judge.answer(own, self.example.call(own))

    def copied(self, given: Arguments) -> Arguments:
        """The arguments, with copies of those that a call depends on and changes."""
        return tuple(a.copy() if k in self.example.consumed else a for k, a in enumerate(given))

    def touched(self, given: Arguments, returned: Any) -> float:
        """Bytes a unit that every such kernel must read or write: each array once."""
        seen: dict[int, int] = {}
        _arrays((given, returned), seen)
        return sum(seen.values()) / self.judge.units


def _arrays(value: Any, seen: dict[int, int]) -> None:
    if isinstance(value, np.ndarray):
        seen[value.__array_interface__["data"][0]] = value.nbytes
    elif isinstance(value, tuple):
        for part in value:
            _arrays(part, seen)
    elif hasattr(value, "codes"):
        _arrays((value.offsets, value.codes), seen)


def _out(given: Arguments, _: Any) -> Any:
    return given[-1].tolist()


def _returned(_: Arguments, returned: Any) -> Any:
    return returned


def _facts(names: Mapping[str, int]) -> Answer:
    def answer(given: Arguments, _: Any) -> list[set[str]]:
        return [{name for name, bit in names.items() if bits & bit} for bits in given[-1].tolist()]

    return answer


def _lists(_: Arguments, returned: Any) -> Any:
    return tuple(part.tolist() for part in returned) if isinstance(returned, tuple) else returned.tolist()


def _zipped(*places: int) -> Answer:
    return lambda given, _: list(zip(*(given[place].tolist() for place in places), strict=True))


def _partitioned(given: Arguments, _: Any) -> Any:
    end = given[3][-1]
    return given[3].tolist(), list(zip(given[4][:end].tolist(), given[5][:end].tolist(), strict=True))


def _counted(given: Arguments, rows: Any) -> Any:
    table = zip(*(column[:rows].tolist() for column in given[5:8]), strict=True)
    return given[3].tolist(), given[4].tolist(), list(table), given[8].tolist()


def _blocks_split(given: Arguments, _: Any) -> Any:
    totals = given[12].tolist()
    columns = zip(*(column[: totals[0]].tolist() for column in given[7:11]), strict=True)
    return given[6][: totals[1]].tolist(), list(columns), given[11][: totals[4]].tolist(), totals


def _unsettled(given: Arguments, found: Any) -> Any:
    starts = given[6][: found + 1].tolist()
    return given[5][: starts[-1]].tolist(), starts, given[7][:found].tolist()


def _contested(given: Arguments, found: Any) -> Any:
    starts = given[6][: found + 1].tolist()
    return given[5][: starts[-1]].tolist(), starts, given[7][:found].tolist()


def _walked(given: Arguments, found: Any) -> Any:
    return list(zip(given[-2][:found].tolist(), given[-1][:found].tolist(), strict=True))


def _scored(given: Arguments, end: Any) -> Any:
    return list(zip(*(column[:end].tolist() for column in given[-5:]), strict=True))


def _reached(given: Arguments, end: Any) -> Any:
    return list(zip(*(column[:end].tolist() for column in given[-3:]), strict=True))


def _narrowed(given: Arguments, count: Any) -> Any:
    return given[3][:count].tolist(), list(zip(given[4].tolist(), given[5].tolist(), strict=True))


def _ranked(given: Arguments, found: Any) -> Any:
    return given[1][:found].tolist(), given[2].tolist()


def _probed(given: Arguments, found: Any) -> Any:
    return set(_walked(given, found))


def _scanned(given: Arguments, returned: Any) -> Any:
    whole, count = given[0].tobytes(), returned[0]
    spans = [
        zip(a[:count].tolist(), b[:count].tolist(), strict=True) for a, b in zip(*given[-3:-1], strict=True)
    ]
    columns = [[whole[a:b] for a, b in column] for column in spans]
    return [list(record) for record in zip(*columns, strict=True)], given[11][:count].tolist()


def _gathered(given: Arguments, _: Any) -> Any:
    assert not given[-1].any(), "every cell is text"
    return name_twins.byte_texts(given[-3], given[-2])


def _cut(given: Arguments, _: Any) -> Any:
    return list(zip(given[-2].tolist(), given[-1].tolist(), strict=True))


def _ids(given: Arguments, _: Any) -> list[bytes]:
    return [row.astype("<u8").tobytes() for row in given[-1]]


def _of_texts(given: Arguments, returned: Any) -> tuple[Any, int]:
    return returned, given[0].shape[0] - 1


def _filled(given: Arguments, returned: Any) -> bytes:
    return bytes(given[-1][:returned].tobytes())


def _packed(given: Arguments, _: Any) -> bytes:
    return bytes(given[2][: packed_bytes(given[0].shape[0], given[1])].tobytes())


def _fronts(given: Arguments, returned: Any) -> tuple[list[int], list[int], bytes] | None:
    shared, own, out = given[3:]
    return (np.diff(shared).tolist(), np.diff(own).tolist(), out[: own[-1]].tobytes()) if returned else None


def _numbered(given: Arguments, used: Any) -> tuple[list[int], list[int]]:
    return given[4].tolist(), given[5][:used].tolist()


def _bytes(given: Arguments, _: Any) -> bytes:
    return bytes(given[-1].tobytes())


def _heard(given: Arguments, found: Any) -> Any:
    counts, marked, pairs, agreed = given[8:12]
    where = zip(*(axis.tolist() for axis in pairs.nonzero()), pairs[pairs.nonzero()].tolist(), strict=True)
    return (
        _walked(given, found),
        counts.tolist(),
        marked.tolist(),
        {(m, a, b): n for m, a, b, n in where},
        {m: n for m, n in enumerate(agreed.tolist()) if n},
    )


def _last_two(given: Arguments, _: Any) -> tuple[list[int], list[int]]:
    return given[-2].tolist(), given[-1].tolist()


def _three_last(given: Arguments, _: Any) -> list[list[int]]:
    return [counts.tolist() for counts in given[-3:]]


def _marked(given: Arguments, _: Any) -> list[tuple[bool, bool, int]]:
    marks, sizes = given[-2].tolist(), given[-1].tolist()
    return [(bool(mark & 1), bool(mark & 2), size) for mark, size in zip(marks, sizes, strict=True)]


def _written(given: Arguments, size: Any) -> bytes:
    return bytes(given[-1][:size].tobytes())


def _rest(a: str, b: str, *, suffix: bool) -> tuple[int, int]:
    """Lengths without the common first characters, and without the common last ones."""
    shorter = min(len(a), len(b))
    first = next((k for k in range(shorter) if a[k] != b[k]), shorter)
    a, b = a[first:], b[first:]
    shorter = min(len(a), len(b))
    last = next((k for k in range(shorter) if a[-1 - k] != b[-1 - k]), shorter) if suffix else 0
    return len(a) - last, len(b) - last


def _edit_steps(pairs: list[tuple[str, str]]) -> tuple[str, float]:
    rests = [_rest(a, b, suffix=True) for a, b in pairs]
    return "edit", sum(max(rest) for rest in rests if min(rest)) / len(rests)


def _jaro_steps(pairs: list[tuple[str, str]]) -> tuple[str, float]:
    rests = [_rest(a, b, suffix=False) for a, b in pairs]
    return "jaro", sum(min(rest) for rest in rests) / len(rests)


_SAMPLE = 20_000


def _of_strings(count: Callable[[list[tuple[str, str]]], tuple[str, float]]) -> Callable[[Arguments], Any]:
    return lambda given: count(peers.texts_of_pairs(given, _SAMPLE))


def _of_names(count: Callable[[list[tuple[str, str]]], tuple[str, float]]) -> Callable[[Arguments], Any]:
    return lambda given: count(peers.names_of_pairs(given, _SAMPLE))


_EDITS, _JAROS = _of_strings(_edit_steps), _of_strings(_jaro_steps)

JUDGES: Mapping[str, Judge] = {
    "edit.levenshtein_pairs": Judge(
        _out, name_twins.distances(twins.levenshtein), peers.strings("levenshtein"), _EDITS
    ),
    "edit.levenshtein_pairs, cutoff 2": Judge(
        _out, name_twins.distances(twins.levenshtein), peers.strings("levenshtein", cutoff=2)
    ),
    "edit.osa_pairs": Judge(_out, name_twins.distances(twins.osa), peers.strings("osa"), _EDITS),
    "edit.osa_pairs, cutoff 2": Judge(_out, name_twins.distances(twins.osa), peers.strings("osa", cutoff=2)),
    "jaro.jaro_pairs": Judge(_out, name_twins.similarities(twins.jaro), peers.strings("jaro"), _JAROS),
    "jaro.jaro_winkler_pairs": Judge(
        _out, name_twins.similarities(twins.jaro_winkler), peers.strings("jaro_winkler"), _JAROS
    ),
    "jaro.jaro_winkler_pairs, cutoff 0.9375": Judge(
        _out, name_twins.similarities(twins.jaro_winkler), peers.strings("jaro_winkler", cutoff=0.9375)
    ),
    "tokens.name_bits": Judge(_facts(tokens.BITS), name_twins.facts_of_names),
    "tokens.token_overlap_pairs": Judge(_out, name_twins.overlaps),
    "spelling.name_osa_pairs": Judge(
        _out, name_twins.name_distances, {"RapidFuzz": peers.spelt("osa")}, _of_names(_edit_steps)
    ),
    "spelling.name_osa_pairs, cutoff 2": Judge(_out, name_twins.name_distances),
    "spelling.name_jaro_winkler_pairs": Judge(
        _out, name_twins.name_similarities, {"RapidFuzz": peers.spelt("jaro_winkler")}, _of_names(_jaro_steps)
    ),
    "letters.letter_masks": Judge(_out, name_twins.masks),
    "letters.may_be_near": Judge(_out, name_twins.near),
    "keys.name_hashes, whole": Judge(_out, name_twins.hashes_of_names),
    "keys.name_hashes, given": Judge(_out, name_twins.hashes_of_names),
    "keys.name_hashes, set": Judge(_out, name_twins.hashes_of_names),
    "narrow.narrow_names": Judge(_lists, lambda given: name_twins.narrowed(given[0].tolist())),
    "narrow.widen": Judge(_lists, name_twins.widened_rows),
    "narrow.widen, rows": Judge(_lists, name_twins.widened_rows),
    "narrow.recode_names": Judge(_lists, name_twins.recoded),
    "identifiers.identifier_bits_pairs": Judge(_facts(identifiers.BITS), column_twins.facts_of_numbers),
    "identifiers.read_digits": Judge(
        _zipped(2, 3), column_twins.numbers_read, {"Polars": peers.polars_integers}
    ),
    "dates.date_bits_pairs": Judge(_facts(dates.BITS), column_twins.facts_of_dates),
    "pairs.set_relations, gathered columns": Judge(_out, column_twins.relations_of_sets),
    "pairs.set_relations, a mapped column": Judge(_out, column_twins.relations_of_sets),
    "pairs.code_relations": Judge(_out, column_twins.relations_of_codes, {"NumPy": peers.numpy_relations}),
    "pairs.alias_relations": Judge(_out, column_twins.relations_of_aliases),
    "pairs.held_bits": Judge(_out, column_twins.held, {"NumPy": peers.numpy_held}),
    "sparse.take_held": Judge(_out, column_twins.values_held, {"NumPy": peers.numpy_few}),
    "patterns.assign_patterns": Judge(_out, column_twins.patterns),
    "patterns.count_patterns": Judge(_out, column_twins.histogram, {"NumPy": peers.numpy_histogram}),
    "patterns.score_pairs": Judge(_scored, column_twins.scores),
    "patterns.reaching_pairs": Judge(_reached, column_twins.reached),
    "keys.start_keys": Judge(_out, column_twins.start_keys),
    "keys.fold_column": Judge(_out, column_twins.folded),
    "keys.index_keys": Judge(_out, column_twins.key_index),
    "keys.look_up_keys": Judge(_out, column_twins.looked_up, {"NumPy": peers.numpy_look_up}),
    "partition.partition_rows": Judge(_partitioned, column_twins.partitioned),
    "partition.partition_order": Judge(
        lambda given, _: (given[1].tolist(), given[2].tolist()),
        column_twins.partition_order,
        {"NumPy": peers.numpy_order},
    ),
    "partition.rank_rows": Judge(_ranked, column_twins.ranks, {"NumPy": peers.numpy_ranks}),
    "partition.rank_rows, far apart": Judge(_ranked, column_twins.ranks, {"NumPy": peers.numpy_ranks}),
    "partition.sort_by_key": Judge(_zipped(0, 1), column_twins.ordered, {"NumPy": peers.numpy_sort}),
    "partition.split_blocks": Judge(_blocks_split, column_twins.blocks_split),
    "partition.split_blocks, among all": Judge(_blocks_split, column_twins.blocks_split),
    "keys.fold_any": Judge(_out, column_twins.folded_any),
    "keys.sort_falling": Judge(_out, lambda given: [sorted(row, reverse=True) for row in given[0].tolist()]),
    "keys.find_among": Judge(_out, column_twins.among, {"NumPy": peers.numpy_among}),
    "keys.set_codes": Judge(_out, column_twins.codes_of_sets),
    "pairs.unsettled_blocks": Judge(_unsettled, column_twins.unsettled),
    "outlines.contested_blocks": Judge(_contested, column_twins.contested),
    "outlines.rival_pairs": Judge(_walked, column_twins.rivals),
    "runs.count_runs": Judge(_counted, column_twins.counted),
    "runs.find_runs": Judge(_zipped(5, 6), column_twins.found_runs),
    "runs.count_repeats": Judge(_out, column_twins.repeats),
    "runs.mark_known": Judge(_out, column_twins.known),
    "pairs.walk_blocks, agency with register": Judge(_walked, column_twins.block_pairs),
    "pairs.walk_blocks, register with register": Judge(_walked, column_twins.block_pairs),
    "pairs.walk_blocks, every pair": Judge(_walked, column_twins.block_pairs),
    "pairs.owned_pairs": Judge(_out, column_twins.owned),
    "pairs.narrow_pairs": Judge(_narrowed, column_twins.narrowed_pairs),
    "pairs.count_block_pairs": Judge(_out, column_twins.block_counts),
    "probe.probe_neighbours": Judge(_probed, column_twins.slips, units=20_000),
    "delimited.count_lines": Judge(_returned, column_twins.line_count, {"NumPy": peers.numpy_lines}),
    "delimited.scan": Judge(_scanned, column_twins.records),
    "delimited.walk": Judge(_cut, column_twins.cuts),
    "cell_text.gather": Judge(_gathered, column_twins.cells),
    "cell_text.gather_clean": Judge(_gathered, column_twins.cells),
    "cell_text.has_control": Judge(lambda given, found: (found, given[0].shape[0]), intake_twins.controls),
    "cell_text.as_they_are": Judge(
        lambda given, found: (found, given[-1].tolist()), intake_twins.plain_cells
    ),
    "screens.personal_numbers": Judge(_lists, intake_twins.personal_codes),
    "screens.tens_and_twelves": Judge(_lists, intake_twins.checked_codes),
    "screens.mobiles": Judge(_lists, intake_twins.mobile_codes),
    "screens.holders": Judge(_lists, intake_twins.holders),
    "screens.dates": Judge(_lists, intake_twins.date_codes),
    "words.word_bits": Judge(_lists, intake_twins.bits_of_words),
    "words.count_words": Judge(_out, intake_twins.word_counts),
    "words.renumber": Judge(lambda given, _: given[0].tolist(), intake_twins.renumbered),
    "words.number_short_texts": Judge(
        lambda _, found: (found[0].tolist(), found[1].tolist()), intake_twins.numbered
    ),
    "keys.hash_bytes": Judge(_out, column_twins.hashes),
    "keys.siphash128": Judge(_ids, column_twins.content_ids),
    "texts.words_of": Judge(_out, publishing_twins.words),
    "texts.mark_letters": Judge(lambda given, _: given[3].tolist(), publishing_twins.letters),
    "texts.spell_words": Judge(
        lambda given, _: (given[4].tolist(), given[5].tobytes()), publishing_twins.spelt
    ),
    "texts.shared_prefix": Judge(_of_texts, publishing_twins.prefix),
    "texts.rising": Judge(_of_texts, publishing_twins.in_order),
    "texts.rising, mapped texts": Judge(_of_texts, publishing_twins.in_order),
    "texts.places_among": Judge(_out, publishing_twins.among),
    "texts.number_texts": Judge(_numbered, publishing_twins.numbered_by_hash),
    "texts.lengths_at": Judge(_out, publishing_twins.offsets_of_rows),
    "texts.copy_texts": Judge(_bytes, publishing_twins.copied),
    "texts.copy_to_places": Judge(_bytes, publishing_twins.placed),
    "parquet.delta_lengths": Judge(_filled, publishing_twins.packed_lengths),
    "parquet.pack_numbers": Judge(_packed, publishing_twins.packed_numbers),
    "parquet.front_code": Judge(_fronts, publishing_twins.front_coded),
    "texts.hash_framed": Judge(_ids, publishing_twins.framed),
    "places.order_by_place": Judge(_last_two, publishing_twins.ordered),
    "components.join_in_order": Judge(_last_two, publishing_twins.joined),
    "votes.group_rows": Judge(_last_two, correction_twins.grouped),
    "votes.count_votes": Judge(_zipped(-3, -2, -1), correction_twins.voted),
    "votes.hear_voices": Judge(_heard, correction_twins.heard),
    "written.name_lengths": Judge(_out, correction_twins.name_offsets),
    "written.name_bytes": Judge(_bytes, correction_twins.name_text),
    "written.names_read": Judge(_out, correction_twins.read_names),
    "written.find_case": Judge(_out, correction_twins.cases),
    "written.digits_read": Judge(_out, correction_twins.read_digits),
    "written.dates_read": Judge(_out, correction_twins.read_dates),
    "relations.relate_values, names": Judge(_out, correction_twins.related),
    "relations.relate_values, identifiers": Judge(_out, correction_twins.related),
    "relations.relate_values, units": Judge(_out, correction_twins.related),
    "relations.relate_values, sexes": Judge(_out, correction_twins.related),
    "relations.count_bearers": Judge(_three_last, correction_twins.borne),
    "relations.find_marked": Judge(_out, correction_twins.with_marks),
    "cells.hash_rows": Judge(_ids, correction_twins.hashed),
    "cells.mark_cells": Judge(_marked, correction_twins.marked_cells),
    "cells.write_rows": Judge(_written, correction_twins.rows_as_csv),
}

#: One row for each example; an example without a judge, or a judge without an example, is an error here.
ROWS: tuple[Row, ...] = tuple(Row(example, JUDGES[example.name]) for example in EXAMPLES)
