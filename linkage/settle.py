"""Settling: agency records that their identifier decides, so that no other candidate need be looked for.

A pair settles its record if every part that the settling levels name stands at one of those levels, as with
the same number, name, sex and whole birth date, and no other register person pairs with the record in the
same way. One part may have slipped, as with a letter of the name or a digit of the birth date. For a settled
record only that pair counts: its decision is a function of the pair and of the prior, hence the same whether
or not other candidates are scored.

Where another candidate could come near, a record is not settled. Who comes near is one of

- those whom an identifier finds as well: these pairs are scored already;
- rivals of the person who settles: register persons of the same name and birth date, of the same name, birth
  year and commune, or of the same surname, birth date and commune, so that they may be the person once more,
  or a twin. Each of them is scored against the record. The settling pair must outweigh each of these and of
  those before by :data:`CLEAR`, and fit no less well but for the number. Where more than :data:`CROWD` share
  a key, nobody is settled onto them;
- rivals of the record itself, where a part has slipped: register persons who share these with the record.
  They count as those do. Such a pair must outweigh nobody at all by :data:`CLEAR` too, and agree on what else
  would tell one person of the name from another, as commune and parents. A record whose commune may be any of
  several is not settled by it;
- anybody, where the number says little, as one that many records of an agency bring: a pair that has lost
  more than :data:`LOST` for that settles nothing;
- persons under another number who share none of these, and who can come near only by agreeing on what else
  the record brings (telephone, parents) where the settling person does not, or by being that person once more
  with another birth year, or with two of name, birth date and commune entered otherwise.

The last are not looked for. A hashed sample of the records is never settled: the rehearsal of links without
the number needs all of their candidates.
"""

from __future__ import annotations

from collections.abc import Container, Sequence

import numpy as np

from linkage.coded import Coded, Meaning
from linkage.errors import ConfigError, did_you_mean
from linkage.levels import Programme
from linkage.model import STEP
from linkage.name_keys import fold_codes, name_codes
from linkage.scored import Scored

#: Records of the sample that is never settled. What the sample is for is counts of rare events: their error
#: falls with the records looked at, not with their share, while a record's candidates grow with the register.
SAMPLED = 250_000

#: By how much, in 1/1024 bit, a settling pair outweighs every other pair of its record that is looked at.
CLEAR = 16 * STEP

#: How much, in 1/1024 bit, a settling pair may have lost because its number stands on several records.
LOST = 12 * STEP

#: The level of every part at which one of the two records lacks a value: the first.
LACKING = 0

#: Register persons of one key who are all compared with one another; onto more of them nobody is settled.
CROWD = 64


def settling_patterns(
    programme: Programme, levels: Sequence[str], slips: Sequence[str] = (), besides: Sequence[str] = ()
) -> np.ndarray:
    """Which patterns settle: bool[patterns]; none where no level is given.

    levels, slips, besides : ``part.level`` texts. Every part that ``levels`` name stands at one of its own,
    but for one part at most, which may stand at one of its slips. With a slip, every part that ``besides``
    name stands at one of its own as well, or lacks a value. Raises ConfigError ``E-CONFIG-053`` for a level
    that no comparison has, or a slip of a part that ``levels`` do not name.
    """
    if not levels:
        return np.zeros(programme.n_patterns, bool)
    wanted = _levels_by_part(programme, levels)
    allowed = _levels_by_part(programme, slips, wanted)
    agreeing = _levels_by_part(programme, besides)
    shape = programme.shape
    # Of the parts looked at so far, none has slipped; or just one has.
    whole, slipped = np.ones(shape, bool), np.zeros(shape, bool)
    for part, some in wanted.items():
        along = [-1 if i == part else 1 for i in range(len(shape))]
        place = np.arange(shape[part])
        of_level = np.isin(place, sorted(some)).reshape(along)
        of_slip = np.isin(place, sorted(allowed.get(part, set()) - some)).reshape(along)
        whole, slipped = whole & of_level, slipped & of_level | whole & of_slip
    for part, some in agreeing.items():
        along = [-1 if i == part else 1 for i in range(len(shape))]
        slipped &= np.isin(np.arange(shape[part]), sorted(some | {LACKING})).reshape(along)
    return (whole | slipped).ravel()


def lacking_patterns(programme: Programme, besides: Sequence[str]) -> dict[str, np.ndarray]:
    """By column that a part of these levels compares, the patterns at which one of the two records lacks a
    value of the part: bool[patterns].
    """
    out: dict[str, np.ndarray] = {}
    shape = programme.shape
    for part in _levels_by_part(programme, besides):
        along = [-1 if i == part else 1 for i in range(len(shape))]
        lacks = (np.arange(shape[part]) == LACKING).reshape(along)
        for column in programme.parts[part].columns:
            out[column] = out.get(column, False) | np.broadcast_to(lacks, shape).ravel()
    return out


def _levels_by_part(
    programme: Programme, texts: Sequence[str], parts: Container[int] | None = None
) -> dict[int, set[int]]:
    """The levels that texts name, by part; of some parts only, or of all."""
    known = {
        f"{p.name}.{v.name}": (i, j)
        for i, p in enumerate(programme.parts)
        if parts is None or i in parts
        for j, v in enumerate(p.levels)
    }
    out: dict[int, set[int]] = {}
    for text in texts:
        if text not in known:
            raise ConfigError(
                "E-CONFIG-053",
                f"[settle] names the level '{text}'.",
                "Levels of this project's comparisons, as part.level, were wanted; slips of the same parts.",
                f"Correct it, or leave out [settle].{did_you_mean(text, known)}",
            )
        part, level = known[text]
        out.setdefault(part, set()).add(level)
    return out


def sample_share(n_agency: int) -> float:
    """Share of the agency records in the sample that is never settled: above 0, at most 1."""
    return min(1.0, SAMPLED / max(1, n_agency))


def rehearsed(order: np.ndarray, n_agency: int) -> np.ndarray:
    """Which records are of the sample that is never settled: bool[n], by keyed hash.

    order : uint64[n];  n_agency : records of all agencies
    """
    share = sample_share(n_agency)
    if share >= 1.0:
        return np.ones(order.shape[0], bool)
    return order < np.uint64(share * (2**64 - 1))


def settled_records(
    scored: Scored, settling: np.ndarray, start: int, stop: int, barred: np.ndarray
) -> np.ndarray:
    """Which agency records of a range are settled: bool[n].

    scored : all pairs that an identifier found, and those with rivals;  settling : bool[patterns]
    start, stop : the range of global rows
    barred : bool[pairs], pairs that do not settle, whatever their pattern
    """
    record = scored.left.astype(np.int64) - start
    good = settling[scored.pattern]
    pairs = np.bincount(record[good], minlength=stop - start)
    own = np.full(stop - start, -1, np.int64)
    own[record[good]] = np.flatnonzero(good)
    settled = pairs == 1
    settled[record[good & barred]] = False
    other = np.flatnonzero(~good & settled[record])
    theirs = own[record[other]]
    near = scored.weight[other].astype(np.int64) > scored.weight[theirs].astype(np.int64) - CLEAR
    near |= scored.blind[other] > scored.blind[theirs]
    settled[record[other[near]]] = False
    return settled


def namesake_keys(coded: Coded, meaning: Meaning) -> np.ndarray:
    """Keys of records by the tokens of their name without diacritics, in any order, and whole birth date:
    uint64[n], 0 where either is not known.
    """
    names = name_codes(np.asarray(coded.arrays["full_name"]), meaning.tokens, "set")
    return fold_codes(names, _whole_dates(coded))


def twin_keys(coded: Coded, meaning: Meaning) -> np.ndarray:
    """Keys of records by the surname as it sounds, whole birth date and commune: uint64[n], 0 where one is
    not known.
    """
    names = name_codes(np.asarray(coded.arrays["full_name"]), meaning.tokens, "surname.phonetic")
    return fold_codes(fold_codes(names, _whole_dates(coded)), _communes(coded))


def neighbour_keys(coded: Coded, meaning: Meaning) -> np.ndarray:
    """Keys of records by the tokens of their name without diacritics, in any order, birth year and commune:
    uint64[n], 0 where one is not known.
    """
    names = name_codes(np.asarray(coded.arrays["full_name"]), meaning.tokens, "set")
    years = (np.asarray(coded.arrays["birth_date"]) >> 9).astype(np.uint64)
    return fold_codes(fold_codes(names, years), _communes(coded))


def alike_keys(coded: Coded, meaning: Meaning) -> list[np.ndarray]:
    """Keys by which rivals are found, uint64[n] of every kind, 0 for none: of namesakes and, where communes
    are known, of twins and neighbours. The last two bits tell the kind.
    """
    made = [namesake_keys(coded, meaning)]
    if "commune" in coded.arrays:
        made += [twin_keys(coded, meaning), neighbour_keys(coded, meaning)]
    kinds = [np.uint64(kind) for kind in range(1, 1 + len(made))]
    return [
        np.where(keys != 0, keys & ~np.uint64(3) | kind, np.uint64(0))
        for keys, kind in zip(made, kinds, strict=True)
    ]


def brought(coded: Coded, meaning: Meaning, column: str) -> np.ndarray:
    """Which records bring something in a column: bool[n]."""
    values = np.asarray(coded.arrays[column])
    nothing = -1 if meaning.kinds[column] == "unit" else 0
    some: np.ndarray = (values[:, 0] if values.ndim > 1 else values) != nothing
    return some


def several_communes(coded: Coded, meaning: Meaning) -> np.ndarray:
    """Records whose commune may be any of several units, so that no key says who shares it: bool[n]."""
    if "commune" not in coded.arrays:
        return np.zeros(len(coded), bool)
    sizes = np.append(np.diff(meaning.units.offsets), 0)
    several: np.ndarray = sizes[np.asarray(coded.arrays["commune"])] > 1
    return several


def _communes(coded: Coded) -> np.ndarray:
    return (np.asarray(coded.arrays["commune"]).astype(np.int64) + 1).astype(np.uint64)


def _whole_dates(coded: Coded) -> np.ndarray:
    birth = np.asarray(coded.arrays["birth_date"])
    return np.where((birth & 31 != 0) & (birth >> 5 & 15 != 0), birth, 0).astype(np.uint64)


def sharing(keys: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pairs of rows that share a key (two arrays), and the rows of keys that more than :data:`CROWD` share.

    keys : uint64[n], none of them 0;  rows : of the same length, distinct within a key
    """
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    begins = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]])) if order.size else order
    held = np.diff(np.append(begins, order.size))
    sizes = np.repeat(held, held)
    crowded = rows[order[sizes > CROWD]]
    order = order[(sizes > 1) & (sizes <= CROWD)]
    ordered = keys[order]
    left, right = [rows[:0]], [rows[:0]]
    for lag in range(1, CROWD):
        same = np.flatnonzero(ordered[lag:] == ordered[:-lag])
        if not same.size:
            break
        left.append(rows[order[same]])
        right.append(rows[order[same + lag]])
    return np.concatenate(left), np.concatenate(right), crowded


def meeting(
    keys: np.ndarray, rows: np.ndarray, asked: np.ndarray, records: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pairs of records with register rows of their key (two arrays), and the records whose key more than
    :data:`CROWD` register rows have.

    keys : uint64[n], of the register ``rows``;  asked : uint64[r], of the ``records``;  none of them 0
    """
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    held = np.searchsorted(ordered, asked, "right") - np.searchsorted(ordered, asked, "left")
    crowded = records[held > CROWD]
    asked, records = asked[held <= CROWD], records[held <= CROWD]
    places, others = rivals_of(asked, ordered, rows[order])
    return records[places], others, crowded


def rivals_of(persons: np.ndarray, rows: np.ndarray, rivals: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """All rivals of each of ``persons``: places among these (int64[k]), and the rivals' rows (uint32[k]).

    persons : uint32[n], or keys;  rows, rivals : [r], pairs in order of ``rows``
    """
    first = np.searchsorted(rows, persons, "left")
    held = np.searchsorted(rows, persons, "right") - first
    places = np.repeat(np.arange(persons.shape[0]), held)
    within = np.arange(places.shape[0]) - np.repeat(np.cumsum(held) - held, held)
    return places, np.asarray(rivals[np.repeat(first, held) + within], np.uint32)


def listed(values: np.ndarray, ordered: np.ndarray) -> np.ndarray:
    """Whether each value is among ``ordered``, which is sorted: bool[n]."""
    if not ordered.size:
        return np.zeros(values.shape[0], bool)
    at = np.minimum(np.searchsorted(ordered, values), ordered.size - 1)
    found: np.ndarray = ordered[at] == values
    return found
