"""Confirmed judgements: pairs that must, and pairs that must not, be one person, read from files.

Every answer is honoured, or refused by its line with a code; none is passed over.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa

from jobs.answers import CANNOT, MUST, Answer, read_answers
from linkage.artefacts import content_ids, joined
from linkage.tables import ANSWERS_REFUSED

#: Why an answer is refused: code -> (English, Vietnamese).
REFUSALS: dict[str, tuple[str, str]] = {
    "unknown_answer": (
        "The answer is none of must_link, yes, có, cannot_link, no, không.",
        "Câu trả lời không phải là một trong: must_link, yes, có, cannot_link, no, không.",
    ),
    "key_damaged": (
        "The row's keys are absent or damaged and no review_id names its pair, or the two differ.",
        "Khóa của dòng bị thiếu hoặc hỏng và review_id không chỉ ra cặp nào, hoặc hai bên mâu thuẫn nhau.",
    ),
    "unknown_record": (
        "No record of this run has this key.",
        "Không có bản ghi nào của lần chạy này mang khóa này.",
    ),
    "not_agency_register": (
        "A judgement is about an agency's record and a register person; this row names other ones.",
        "Kết luận phải về một bản ghi của cơ quan và một người trong CSDL dân cư; dòng này nêu cặp khác.",
    ),
    "contradiction": (
        "The same pair is answered both ways.",
        "Cùng một cặp được trả lời theo cả hai cách.",
    ),
    "two_persons": (
        "The record is said to be two different persons.",
        "Bản ghi được cho là của hai người khác nhau.",
    ),
}


@dataclass(frozen=True)
class Constraints:
    """Judgements on agency records and register persons, as global rows.

    must : int64[k, 2], cannot : int64[m, 2], (agency row, register row), sorted, each once
    refused : rows of ``answers_refused``, by file and line
    read, blank : rows that answer, and rows left unanswered;  honoured : ``read`` less the refused
    """

    must: np.ndarray
    cannot: np.ndarray
    refused: pa.Table
    read: int
    blank: int

    @property
    def honoured(self) -> int:
        """Answers that hold."""
        return self.read - self.refused.num_rows

    def counts(self) -> dict[str, int]:
        """What became of the answers: ``answers`` of ``run.json``."""
        return {
            "read": self.read,
            "honoured": self.honoured,
            "refused": self.refused.num_rows,
            "unanswered": self.blank,
        }


def review_ids(
    sources_l: pl.Series, records_l: pl.Series, sources_r: pl.Series, records_r: pl.Series
) -> np.ndarray:
    """Ids of pairs, uint8[n, 16]: half of each record's content hash, so either half finds its record."""
    left, right = record_ids_hashed(sources_l, records_l), record_ids_hashed(sources_r, records_r)
    return (
        np.concatenate([left[:, None], right[:, None]], axis=1).astype(">u8").view(np.uint8).reshape(-1, 16)
    )


def record_ids_hashed(sources: pl.Series, record_ids: pl.Series) -> np.ndarray:
    """Half of the content hash of (source, record_id), uint64[n]."""
    ids = content_ids(joined("review", sources, record_ids))
    return np.ascontiguousarray(ids).view("<u8")[:, 0].astype(np.uint64)


#: Some records: their first global row, their source, and their ids.
Records = tuple[int, str, pl.Series]


def read_constraints(
    must_link: Sequence[Path],
    cannot_link: Sequence[Path],
    records: Callable[[], Iterable[Records]],
    n_register: int,
) -> Constraints:
    """Read the files and find the rows of the records they name.

    records : gives the ids of all records part by part, asked only if there is an answer

    A file with an ``answer`` column is read once, whichever list names it, and its own words count. Raises
    ContractError E-INPUT-012 for a file without the columns it needs.
    """
    answers: list[Answer] = []
    blank = 0
    seen: set[tuple[Path, str]] = set()
    for path, listed in [(p, MUST) for p in must_link] + [(p, CANNOT) for p in cannot_link]:
        file = read_answers(path, listed)
        mark = (path.resolve(), "" if file.speaks else listed)
        if mark not in seen:
            seen.add(mark)
            answers += file.answers
            blank += file.blank
    rows, codes = np.zeros((0, 2), np.int64), list[str]()
    if answers:
        rows, codes = _rows(answers, records(), n_register)
    _settle(answers, rows, codes)
    held: dict[str, set[tuple[int, int]]] = {MUST: set(), CANNOT: set()}
    for answer, (left, right), code in zip(answers, rows.tolist(), codes, strict=True):
        if not code:
            held[answer.answer].add((left, right))
    return Constraints(
        _pairs(held[MUST]), _pairs(held[CANNOT]), _refused(answers, codes), len(answers), blank
    )


def _pairs(pairs: set[tuple[int, int]]) -> np.ndarray:
    return np.array(sorted(pairs), np.int64).reshape(-1, 2)


def _rows(
    answers: Sequence[Answer], records: Iterable[Records], n_register: int
) -> tuple[np.ndarray, list[str]]:
    """Agency and register row of every answer, int64[n, 2], -1 unknown; and why it is refused, if it is."""
    codes = ["" if a.answer else "unknown_answer" for a in answers]
    wanting = [n for n, a in enumerate(answers) if a.pair is not None and not codes[n]]
    halves = np.frombuffer(b"".join(answers[n].pair or b"" for n in wanting), ">u8").astype(np.uint64)
    keyed, found = _look_up(answers, halves, records)
    rows = keyed.copy()
    for n, pair in zip(wanting, found.reshape(-1, 2).tolist(), strict=True):
        stated = keyed[n].tolist()
        if -1 in pair:
            continue
        if sorted(stated) == sorted(pair) or all(s in (-1, p) for s, p in zip(stated, pair, strict=True)):
            rows[n] = pair
        else:
            codes[n] = "key_damaged"
    for n, answer in enumerate(answers):
        if codes[n]:
            continue
        left, right = rows[n].tolist()
        if left < 0 or right < 0:
            codes[n] = "key_damaged" if answer.damaged else "unknown_record"
        elif (left < n_register) == (right < n_register):
            codes[n] = "not_agency_register"
        elif left < n_register:
            rows[n] = right, left
    return rows, codes


def _look_up(
    answers: Sequence[Answer], halves: np.ndarray, records: Iterable[Records]
) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the records that the answers name, by their keys (int64[n, 2]) and by halves of review ids
    (int64[k]): -1 of what nobody has, and of a half that several have.

    A half is a keyless hash of one record: looked for among all of them, by the answers alone.
    """
    asked: dict[str, set[str]] = defaultdict(set)
    for answer in answers:
        for source, record_id in (answer.keys[:2], answer.keys[2:]):
            if source and record_id:
                asked[source].add(record_id)
    wanted = np.unique(halves)
    row_of_half, times = np.full(wanted.shape[0], -1, np.int64), np.zeros(wanted.shape[0], np.int64)
    row_of: dict[tuple[str, str], int] = {}
    for first, source, ids in records:
        if asked.get(source):
            hits = ids.is_in(pl.Series(sorted(asked[source]), dtype=pl.String).implode()).arg_true()
            for place, record_id in zip(hits.to_list(), ids.gather(hits).to_list(), strict=True):
                row_of[source, record_id] = first + place
        if wanted.size:
            hashes = record_ids_hashed(pl.repeat(source, ids.len(), eager=True), ids)
            place = np.minimum(np.searchsorted(wanted, hashes), wanted.shape[0] - 1)
            own = np.flatnonzero(wanted[place] == hashes)
            times += np.bincount(place[own], minlength=wanted.shape[0])
            row_of_half[place[own]] = first + own
    row_of_half[times != 1] = -1
    keyed = [[row_of.get((a.keys[at], a.keys[at + 1]), -1) for at in (0, 2)] for a in answers]
    found = row_of_half[np.searchsorted(wanted, halves)] if halves.size else np.zeros(0, np.int64)
    return np.array(keyed, np.int64).reshape(-1, 2), found


def _settle(answers: Sequence[Answer], rows: np.ndarray, codes: list[str]) -> None:
    """Refuse, in ``codes``, what contradicts another answer: neither side of a contradiction is honoured."""
    said: dict[tuple[int, int], set[str]] = defaultdict(set)
    persons: dict[int, set[int]] = defaultdict(set)
    pairs = [(int(left), int(right)) for left, right in rows]
    for answer, pair, code in zip(answers, pairs, codes, strict=True):
        if not code:
            said[pair].add(answer.answer)
            if answer.answer == MUST:
                persons[pair[0]].add(pair[1])
    for n, (answer, pair) in enumerate(zip(answers, pairs, strict=True)):
        if codes[n]:
            continue
        if len(said[pair]) > 1:
            codes[n] = "contradiction"
        elif answer.answer == MUST and len(persons[pair[0]]) > 1:
            codes[n] = "two_persons"


def _refused(answers: Sequence[Answer], codes: Sequence[str]) -> pa.Table:
    fallen = sorted((a.file, a.line, code) for a, code in zip(answers, codes, strict=True) if code)
    return ANSWERS_REFUSED.check(
        pa.table(
            {
                "file": pa.array([f[0] for f in fallen], pa.large_string()),
                "line": pa.array([f[1] for f in fallen], pa.int64()),
                "code": pa.array([f[2] for f in fallen], pa.large_string()),
                "text_en": pa.array([REFUSALS[f[2]][0] for f in fallen], pa.large_string()),
                "text_vi": pa.array([REFUSALS[f[2]][1] for f in fallen], pa.large_string()),
            }
        )
    )
