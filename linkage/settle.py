"""Settling: agency records that their identifier decides, so that no other candidate need be looked for.

A pair settles its record if every part that the settling levels name stands at one of those levels, as with
the same number, name, sex and whole birth date, and no other register person pairs with the record in the
same way. For a settled record only that pair counts: its decision is a function of the pair and of the prior,
hence the same whether or not other candidates are scored.

Where another candidate could come near, a record is not settled. Who comes near is one of

- those whom an identifier finds as well: these pairs are scored already;
- rivals of the person who settles: register persons of the same name and birth date, of the same name, birth
  year and commune, or of the same surname, birth date and commune, so that they may be the person once more,
  or a twin. Each of them is scored against the record. The settling pair must outweigh each of these and of
  those before by :data:`CLEAR`, and fit no less well but for the number. Where more than :data:`CROWD` share
  a key, nobody is settled onto them;
- anybody, where the number says little, as one that many records of an agency bring: a pair that has lost
  more than :data:`LOST` for that settles nothing;
- persons under another number who share none of these, and who can come near only by agreeing on what else
  the record brings (telephone, parents) where the settling person does not, or by being that person once more
  with another birth year, or with two of name, birth date and commune entered otherwise.

The last are not looked for. A hashed sample of the records is never settled: the rehearsal of links without
the number needs all of their candidates.
"""

from __future__ import annotations

from collections.abc import Sequence

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

#: Register persons of one key who are all compared with one another; onto more of them nobody is settled.
CROWD = 64


def settling_patterns(programme: Programme, levels: Sequence[str]) -> np.ndarray:
    """Which patterns settle: bool[patterns]; none where no level is given.

    levels : ``part.level`` texts. Raises ConfigError ``E-CONFIG-053`` for one that no comparison has.
    """
    out = np.zeros(programme.shape, bool)
    if not levels:
        return out.ravel()
    wanted: dict[int, set[int]] = {}
    known = {
        f"{p.name}.{v.name}": (i, j) for i, p in enumerate(programme.parts) for j, v in enumerate(p.levels)
    }
    for text in levels:
        if text not in known:
            raise ConfigError(
                "E-CONFIG-053",
                f"[settle] names the level '{text}'.",
                "Levels of this project's comparisons, as part.level, were wanted.",
                f"Correct it, or leave out [settle].{did_you_mean(text, known)}",
            )
        part, level = known[text]
        wanted.setdefault(part, set()).add(level)
    out[...] = True
    for part, some in wanted.items():
        of_level = np.isin(np.arange(programme.shape[part]), sorted(some))
        out &= of_level.reshape([-1 if i == part else 1 for i in range(len(programme.shape))])
    return out.ravel()


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
    scored: Scored, settling: np.ndarray, start: int, stop: int, sample: np.ndarray, barred: np.ndarray
) -> np.ndarray:
    """Which agency records of a range are settled: bool[n].

    scored : all pairs that an identifier found, and those with rivals;  settling : bool[patterns]
    start, stop : the range of global rows;  sample : bool[n], records that are not to be settled
    barred : bool[pairs], pairs that do not settle, whatever their pattern
    """
    record = scored.left.astype(np.int64) - start
    good = settling[scored.pattern]
    pairs = np.bincount(record[good], minlength=stop - start)
    own = np.full(stop - start, -1, np.int64)
    own[record[good]] = np.flatnonzero(good)
    settled = (pairs == 1) & ~sample
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


def distinct(values: np.ndarray) -> np.ndarray:
    """Each value once, in order. NumPy's own, by hashing, takes fifteen times as long."""
    ordered = np.sort(values)
    return ordered[np.append(True, ordered[1:] != ordered[:-1])[: ordered.size]]


def rivals_of(persons: np.ndarray, rows: np.ndarray, rivals: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """All rivals of each of ``persons``: places among these (int64[k]), and the rivals' rows (uint32[k]).

    persons : uint32[n];  rows, rivals : uint32[r], pairs in order of ``rows``
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
