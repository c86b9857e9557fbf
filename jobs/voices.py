"""What every source says of every person in a field, as register cases need it.

    voices/{start}.{field}.arrays   of a range of the register: a tally of all voices, those that are telling,
                                    persons whose number contradicts the field, and whose text is mistyped

Nothing is judged here: the rates that cases are judged by are the whole nation's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from jobs.store import read_arrays, write_arrays
from jobs.workspace import Workspace
from linkage.agreement import DIFFERENT, EQUAL, value_keys
from linkage.cases import (
    OTHER,
    UNHEARD,
    Holdings,
    Tally,
    Voices,
    hear,
    is_against,
    manners,
    manners_of_others,
)
from linkage.correct import STATUS_FIELDS
from linkage.evidence import number_says
from linkage.policy import AUTHORITY, ONLY_CONFIRMED

if TYPE_CHECKING:
    from pathlib import Path

    from jobs.agreements import Gathered
    from linkage.coded import Coded, Meaning

#: Repairs of a name's text that read it as keystrokes or bytes of another writing: what they read was meant.
TRANSCRIPTIONS = ("telex", "vni", "tcvn3", "vni_windows", "viqr", "utf8_twice", "digits", "lost_letter")

#: The repair that puts words in their usual order. Names in an unusual one are real: it needs two agencies.
WORD_ORDER = "order"

#: Fields that a personal number says something of.
NUMBERED = ("sex", "birth_date")

_SAID = ("person", "source", "row", "p_link", "manner", "value", "theirs", "says")


@dataclass(frozen=True)
class FieldVoices:
    """The voices of one field that are telling, and what is known of all.

    repaired : bool[v], the text of the voice's record was repaired in substance
    contradicted : int64 register rows whose number contradicts the field; heard : bool, an agency has a value
    mistyped : int64 register rows, sorted, whose text is a mistyping; sure : float64, of its least sure
        repair; transcribed : bool, another repair than of the order of words says so
    """

    voices: Voices
    counted: Tally
    repaired: np.ndarray
    contradicted: np.ndarray
    heard: np.ndarray
    mistyped: np.ndarray
    sure: np.ndarray
    transcribed: np.ndarray


def case_fields(space: Workspace) -> tuple[str, ...]:
    """Standard fields in which cases may be opened: the register's, held by an agency as well."""
    if space.layout["rows"] == space.layout["n_register"]:
        return ()  # nobody says anything of the register
    register = space.loaded.project.register
    if register is None:
        return ()
    authority = {**AUTHORITY, **space.loaded.project.authority}
    return tuple(
        f
        for f in space.related
        if f in authority
        and authority[f].holder == "register"
        and authority[f].cases
        and f not in ONLY_CONFIRMED
    )


def voices_file(space: Workspace, start: int, field: str) -> Path:
    """What is kept of the voices of a range in a field."""
    return space.path("voices", f"{start:012d}.{field}.arrays")


class Listener:
    """Keeps what the linked records of a range of the register say, field by field."""

    def __init__(
        self,
        space: Workspace,
        coded: Coded,
        meaning: Meaning,
        links: Gathered,
        start: int,
        stop: int,
    ) -> None:
        self.space, self.links, self.start = space, links, start
        self.meaning = meaning
        self.fields = case_fields(space)
        self.order = _best_first(coded, links) if self.fields else np.zeros(0, np.int64)
        heard = np.zeros(256, bool)
        heard[links.source] = True
        self.sources = np.flatnonzero(heard)
        self.sex, self.year = _number_facts(space, coded, start, stop)

    def keep(
        self,
        field: str,
        relation: np.ndarray,
        held: np.ndarray,
        theirs: np.ndarray,
        repairs: pl.DataFrame,
    ) -> None:
        """Keep what is said in a field, if cases may be opened in it.

        relation, held : of the linked records;  theirs : coded values of the range's persons
        repairs : of the register's texts of the field, in substance
        """
        if field not in self.fields:
            return
        links, number = self.links, self.space.related.index(field)
        against_number = self._contradicted(field, theirs)
        holdings = self._holdings(field, relation, held, theirs, against_number)
        mistyped = _mistyped(repairs if self.meaning.kinds[field] == "name" else repairs.clear())
        marked = np.zeros(theirs.shape[0], bool)
        marked[mistyped["row"] - self.start] = True
        voices, counted = hear(holdings, self.order, marked[links.local], len(self.space.sources))
        said = voices.said
        contradicted = np.flatnonzero(against_number)
        spoken = np.zeros(theirs.shape[0], bool)
        if contradicted.size:
            spoken[links.local[(relation == EQUAL) | (relation == DIFFERENT)]] = True
        write_arrays(
            voices_file(self.space, self.start, field),
            **{f: getattr(said, f) for f in _SAID if f != "row"},
            row=links.rows[said.row],
            records=voices.records,
            repaired=links.bit(links.repaired[said.row], number),
            **{f"tally.{f}": getattr(counted, f) for f in Tally.__dataclass_fields__},
            contradicted=contradicted + self.start,
            heard=spoken[contradicted],
            mistyped=mistyped["row"],
            sure=mistyped["sure"],
            transcribed=mistyped["transcribed"],
        )

    def _holdings(
        self,
        field: str,
        relation: np.ndarray,
        held: np.ndarray,
        theirs: np.ndarray,
        against_number: np.ndarray,
    ) -> Holdings:
        """What all records say, heard or not, ``row`` being their place among the linked ones."""
        links, meaning, k = self.links, self.meaning, relation.shape[0]
        manner = manners(relation, status=field in STATUS_FIELDS)
        holds = np.array([field in s.contract.by_standard() for s in self.space.sources])
        if not holds[self.sources].all():
            manner[~holds[links.source]] = UNHEARD
        others = np.flatnonzero(manner == OTHER)
        kind = self.space.kinds[field]
        manner[others] = manners_of_others(
            kind, held[others], theirs[links.local[others]], meaning.tokens.forms
        )
        against = np.flatnonzero(is_against(manner))
        of = links.local[against]
        value, register, says = np.zeros(k, np.uint64), np.zeros(k, np.uint64), np.zeros(k, np.int8)
        value[against] = value_keys(meaning, field, held[against])
        register[against] = value_keys(meaning, field, theirs[of])
        says[against] = number_says(field, theirs[of], held[against], self.sex[of], self.year[of])
        return Holdings(
            links.persons,
            links.source,
            np.arange(k),
            links.confidence,
            manner,
            value,
            register,
            says,
            against_number[links.local] if field in NUMBERED else np.zeros(k, bool),
            np.zeros(k),
        )

    def _contradicted(self, field: str, theirs: np.ndarray) -> np.ndarray:
        """Whether what a person's own number says contradicts what the register holds: bool[n]."""
        if field not in NUMBERED:
            return np.zeros(theirs.shape[0], bool)
        told, value = (self.sex, theirs) if field == "sex" else (self.year, theirs >> 9)
        return np.asarray((told != 0) & (value != 0) & (told != value))


def _best_first(coded: Coded, links: Gathered) -> np.ndarray:
    """The records by person and source, of one source the best linked first: int64[k]."""
    order = links.seats.order.astype(np.int64)
    key = links.persons[order] << 8 | links.source[order]
    # Few persons have several records in one source: only those are put in order among themselves.
    same = key[1:] == key[:-1]
    again = np.flatnonzero(np.append(same, False) | np.insert(same, 0, False))
    mine = order[again]
    ties = coded.order[links.rows[mine]]
    order[again] = mine[np.lexsort((ties, -links.confidence[mine], key[again]))]
    return order


def _number_facts(space: Workspace, coded: Coded, start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
    """Sex (uint8) and birth year (int16) in the numbers of register persons; 0 nothing."""
    if "personal_number" not in coded.arrays:
        return np.zeros(stop - start, np.uint8), np.zeros(stop - start, np.int16)
    codes = coded.arrays["personal_number"][start:stop]
    sex, year = space.pack.holders(codes, space.sources[0].extract_date.year)
    return np.asarray(sex), np.asarray(year)


def _mistyped(repairs: pl.DataFrame) -> dict[str, np.ndarray]:
    """Register rows whose text of a name reads as a mistyping (``row``), and how surely (``sure``).

    repairs : of the texts of one field;  ``transcribed``: another than of the order of words is among them
    """
    if repairs.is_empty():
        return {"row": np.zeros(0, np.int64), "sure": np.zeros(0), "transcribed": np.zeros(0, bool)}
    found = (
        repairs.filter(pl.col("kind").is_in([*TRANSCRIPTIONS, WORD_ORDER]))
        .group_by("row")
        .agg(sure=pl.col("confidence").min(), transcribed=(pl.col("kind") != WORD_ORDER).any())
        .sort("row")
    )
    return {name: found[name].to_numpy() for name in found.columns}


def read_voices(space: Workspace, field: str, spelling: Any) -> FieldVoices:
    """The voices of a field over the whole register.

    spelling : of rows and persons (int64 each) and manners, what spelling says for them: float64
    """
    parts = [read_arrays(voices_file(space, a, field)) for a, _ in space.ranges(register=True)]

    def whole(name: str) -> np.ndarray:
        return np.concatenate([part[name] for part in parts])

    said = {f: whole(f) for f in _SAID}
    n = said["person"].shape[0]
    bears = spelling(said["row"], said["person"], said["manner"])
    voices = Voices(Holdings(**said, contradicted=np.zeros(n, bool), spelling=bears), whole("records"))
    counted = Tally.total([Tally(*(p[f"tally.{f}"] for f in Tally.__dataclass_fields__)) for p in parts])
    return FieldVoices(
        voices,
        counted,
        *(whole(f) for f in ("repaired", "contradicted", "heard", "mistyped", "sure", "transcribed")),
    )
