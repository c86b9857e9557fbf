"""Settling: agency records that their identifier decides, so that no other candidate need be scored.

A pair settles its record if every part that the settling levels name stands at one of those levels, as with
the same number, name, sex and whole birth date, and no other register person pairs with the record in the
same way. Of a settled record only that pair counts: its decision is a function of the pair and of the prior.

That changes nothing, for every other candidate of the record is looked at, by a bound that no pair weighs
more than (:mod:`linkage.bounds`): those whom an identifier finds are scored already, and whoever shares a
block of any other rule with the record and may come near the settling pair is scored too. A record is settled
if its pair outweighs each of these by :data:`linkage.posterior.REACH`, and if none contradicts the number. A
candidate that far off does not count beside the best one, in any run: the record's probability is the same to
the last bit, and with it whatever is reckoned from the probabilities of all records.

A hashed sample of the records is never settled: the rehearsal of links without the number needs all of their
candidates.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from kernels.outlines import NOBODY, contested_blocks, rival_pairs
from linkage.bounds import Bounds
from linkage.decisions import contradicting
from linkage.errors import ConfigError, did_you_mean
from linkage.gathered import local_members
from linkage.levels import Programme
from linkage.posterior import REACH
from linkage.scored import Blocks, Scored

#: Records of the sample that is never settled. What the sample is for is counts of rare events: their error
#: falls with the records looked at, not with their share, while a record's candidates grow with the register.
SAMPLED = 250_000

#: Pairs with rivals that are taken together, at least.
_PAIRS = 1 << 16


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


@dataclass(frozen=True)
class Proposed:
    """Agency records of a range that one pair settles if they have no rivals.

    records : bool[n];  own : uint32[n], the register row of that pair, ``NOBODY`` without one
    least   : int32[n, 2], weights, with the identifier and without it, beyond which another pair is a rival's
    """

    records: np.ndarray
    least: np.ndarray
    own: np.ndarray


def proposed_records(
    scored: Scored, settling: np.ndarray, start: int, stop: int, left_out: np.ndarray, n_register: int
) -> Proposed:
    """Records of a range that one of the pairs found by identifiers settles, and whose others are no rivals.

    scored : all pairs that an identifier found;  settling : bool[patterns]
    start, stop : the range of global rows;  left_out : bool[n], records that are not to be settled
    n_register : people of the register that the model is of, as :func:`linkage.decide.judge` takes it
    """
    n = stop - start
    record = scored.left.astype(np.int64) - start
    good = np.flatnonzero(settling[scored.pattern])
    records = (np.bincount(record[good], minlength=n) == 1) & ~left_out
    own, least = np.full(n, NOBODY), np.zeros((n, 2), np.int32)
    own[record[good]] = scored.right[good]
    least[record[good], 0] = scored.weight[good] - REACH
    least[record[good], 1] = contradicting(scored.blind[good], n_register) - 1
    others = scored.where(scored.right != own[record])
    records = settled_records(Proposed(records, least, own), others, start)
    return Proposed(records, least, np.where(records, own, NOBODY))


def contested(blocks: Blocks, own: np.ndarray, n_register: int) -> Blocks:
    """Blocks with only those proposed records that meet a register person other than their own: of 22 million
    records, two fifths of the members of blocks are left.

    own : uint32[agency rows], :data:`kernels.outlines.NOBODY` of records that are not proposed
    """
    members, starts = np.empty_like(blocks.members), np.empty(blocks.starts.shape[0], np.int64)
    registers = np.empty(blocks.n_register.shape[0], np.int32)
    n = contested_blocks(
        blocks.starts, blocks.members, blocks.n_register, own, n_register, members, starts, registers
    )
    return Blocks(members[: starts[n]], starts[: n + 1], registers[:n], blocks.keys[:0], blocks.hot, {})


def rivals_in(
    blocks: Blocks,
    outlines: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray, np.ndarray]],
    bounds: Bounds,
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Pairs, as global rows, of the agency records of some blocks with register persons who may be rivals.

    outlines : gives the outlines of rising rows (uint64[k, 3]), their ``least`` and ``own``
    """
    rows, local = local_members(blocks.members)
    # In the order of the blocks: a walk that looks each member up waits for memory most of its time.
    words, least, own = (np.take(column, local, axis=0) for column in outlines(rows))
    room = max(_PAIRS, int(blocks.n_register.max(initial=0)))
    position = np.zeros(2, np.int64)
    left, right = np.empty(room, np.uint32), np.empty(room, np.uint32)
    while n := rival_pairs(
        blocks.starts,
        blocks.members,
        blocks.n_register,
        words,
        least,
        own,
        bounds.table,
        bounds.steps,
        position,
        left,
        right,
    ):
        yield left[:n].copy(), right[:n].copy()


def settled_records(proposed: Proposed, others: Scored, start: int) -> np.ndarray:
    """Which proposed records are settled, bool[n]: no other pair weighs more than a rival's must.

    others : pairs of the records with others than their own, from all who may be rivals
    """
    settled = proposed.records.copy()
    record = others.left.astype(np.int64) - start
    rival = others.weight > proposed.least[record, 0]
    rival |= others.blind > proposed.least[record, 1]
    settled[record[rival]] = False
    return settled
