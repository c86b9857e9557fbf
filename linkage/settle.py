"""Settling: agency records that their identifier decides, so that no other candidate need be looked for.

A pair settles its record if every part that the settling levels name stands at one of those levels, as with
the same number, name, sex and whole birth date, and no other register person pairs with the record in the
same way. For a settled record only that pair counts: its decision is a function of the pair and of the prior,
hence the same whether or not other candidates are scored.

Where another candidate could come near, a record is not settled. Who comes near is one of

- those whom an identifier finds as well: these pairs are scored already, and the settling one must outweigh
  each of them by :data:`CLEAR`;
- register persons of the same name and birth date. If their numbers are alike, or they agree by more than
  :data:`AGREEING` beyond what settles, the register may hold one person twice: nobody is settled onto them;
- register persons of the same surname, birth date and commune: twins, perhaps. If they agree in telephone or
  parents, nobody is settled onto either; if nothing says that they are strangers and one brings telephone and
  parents that the other lacks, and enough of them, nobody is settled onto that other;
- anybody, where the number says little, as one that several records of an agency bring: a pair whose weight
  is lowered for that settles nothing;
- persons of another name or birth date under another number, who can come near only by agreeing on what else
  the record brings (telephone, parents, commune), and where the settling person does not.

The last are not looked for. A hashed sample of the records is never settled: the rehearsal of links without
the number needs all of their candidates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from linkage.coded import Coded, Meaning
from linkage.errors import ConfigError, did_you_mean
from linkage.levels import Programme
from linkage.model import STEP, Model, groups_of
from linkage.name_keys import fold_codes, name_codes
from linkage.scored import Scored

#: Records of the sample that is never settled: a share of all, not fewer and not more than these. What the
#: sample is for is counts of rare events: its error falls with the records looked at, not with their share,
#: while the candidates of a record grow with the register.
SAMPLED_SHARE = 0.05
SAMPLED = 250_000
SAMPLED_MOST = 1_000_000

#: By how much, in 1/1024 bit, a settling pair outweighs every other pair that an identifier finds.
CLEAR = 16 * STEP

#: Bits above which two register persons agree in a part: more than a province in common.
AGREEING = 2.0

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
    return min(1.0, min(max(SAMPLED_SHARE * n_agency, SAMPLED), SAMPLED_MOST) / max(1, n_agency))


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

    scored : all pairs that an identifier found;  settling : bool[patterns]
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
    """Keys of records by the surname without diacritics, whole birth date and commune: uint64[n], 0 where one
    is not known.
    """
    names = name_codes(np.asarray(coded.arrays["full_name"]), meaning.tokens, "surname.ascii")
    commune = (np.asarray(coded.arrays["commune"]).astype(np.int64) + 1).astype(np.uint64)
    return fold_codes(fold_codes(names, _whole_dates(coded)), commune)


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


@dataclass(frozen=True)
class Doubling:
    """Which patterns of two register persons who share a key make them rivals.

    alike : bool[patterns], their numbers are alike, or one has none, or they agree beyond what settles
    open  : bool[patterns], nothing says that they are strangers, as of twins; of namesakes never
    lead  : float64[patterns], bits by which a record that settles onto one of them prefers it, by what
            settles alone
    gains : of each part that no settling level names, its columns and the most bits that agreeing there adds
    """

    alike: np.ndarray
    open: np.ndarray
    lead: np.ndarray
    gains: tuple[tuple[tuple[str, ...], float], ...]


def doubling_patterns(
    programme: Programme, model: Model, levels: Sequence[str], *, twins: bool = False
) -> Doubling:
    """See :class:`Doubling`. The commune, which the key of ``twins`` holds, tells nothing of them."""
    number, _ = groups_of(programme.parts)
    alike, against = np.zeros(programme.shape, bool), np.zeros(programme.shape, bool)
    lead = np.zeros(programme.shape)
    gains = []

    def along(index: int, values: Sequence[float]) -> np.ndarray:
        return np.array(values).reshape([-1 if i == index else 1 for i in range(len(programme.shape))])

    for index, (part, told) in enumerate(zip(programme.parts, model.parts, strict=True)):
        bits = [0.0 if v.name == "null" else float(np.log2(v.m / v.u)) for v in told.levels]
        settling = [b for v, b in zip(told.levels, bits, strict=True) if f"{part.name}.{v.name}" in levels]
        if settling:
            lead += along(index, [min(settling) - one for one in bits])
        if index == number:
            alike |= along(index, [bool(level.group) or level.name == "null" for level in part.levels])
        elif not settling and not (twins and part.columns == ("commune",)):
            alike |= along(index, [one > AGREEING for one in bits])
            against |= along(index, [one < 0 for one in bits])
            gains.append((tuple(part.columns), max(0.0, *bits)))
    return Doubling(alike.ravel(), (~against & twins).ravel(), lead.ravel(), tuple(gains))


def rivals_among(doubling: Doubling, scored: Scored, coded: Coded, meaning: Meaning) -> np.ndarray:
    """Register rows, in no order, who have a rival among these pairs; each pair stands either way round.

    Alike, both have. If the pair is open, the left one has where the right one brings enough to come within
    :data:`CLEAR`: a record could agree there with the rival, and not with the person whom its number names,
    who brings nothing.
    """
    alike = doubling.alike[scored.pattern]
    open_ = np.flatnonzero(doubling.open[scored.pattern] & ~alike)
    left, right = scored.left[open_], scored.right[open_].astype(np.int64)
    lead = doubling.lead[scored.pattern[open_]]
    held = coded.take(right, [c for columns, _ in doubling.gains for c in columns], marks=False).arrays
    for columns, gain in doubling.gains:
        brings = np.zeros(left.shape[0], bool)
        for column in (c for c in columns if c in held):
            values = np.asarray(held[column])
            first = values[:, 0] if values.ndim > 1 else values
            brings |= first != (-1 if meaning.kinds[column] == "unit" else 0)
        lead = lead - gain * brings
    return np.concatenate([scored.left[alike], scored.right[alike], left[lead < CLEAR / STEP]])


def listed(values: np.ndarray, ordered: np.ndarray) -> np.ndarray:
    """Whether each value is among ``ordered``, which is sorted: bool[n]."""
    if not ordered.size:
        return np.zeros(values.shape[0], bool)
    at = np.minimum(np.searchsorted(ordered, values), ordered.size - 1)
    found: np.ndarray = ordered[at] == values
    return found
