"""Settling: agency records that their identifier decides, so that no other candidate need be looked for.

A pair settles its record if every part that the settling levels name stands at one of those levels, as with
the same number, name, sex and whole birth date, and no other register person pairs with the record in the
same way. For a settled record only that pair counts: its decision is a function of the pair and of the prior,
hence the same whether or not other candidates are scored. A hashed sample of the records is never settled:
the rehearsal of links without the number needs all of their candidates.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from linkage.errors import ConfigError, did_you_mean
from linkage.levels import Programme
from linkage.scored import Scored

#: Records of the sample that is never settled: a share of all, not fewer and not more than these. What the
#: sample is for is counts of rare events: its error falls with the records looked at, not with their share,
#: while the candidates of a record grow with the register.
SAMPLED_SHARE = 0.05
SAMPLED = 250_000
SAMPLED_MOST = 1_000_000


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


def rehearsed(order: np.ndarray, n_agency: int) -> np.ndarray:
    """Which records are of the sample that is never settled: bool[n], by keyed hash.

    order : uint64[n];  n_agency : records of all agencies
    """
    wanted = min(max(SAMPLED_SHARE * n_agency, SAMPLED), SAMPLED_MOST)
    if wanted >= n_agency:
        return np.ones(order.shape[0], bool)
    return order < np.uint64(wanted / n_agency * (2**64 - 1))


def settled_records(
    scored: Scored, settling: np.ndarray, start: int, stop: int, sample: np.ndarray
) -> np.ndarray:
    """Which agency records of a range are settled: bool[n].

    scored : all pairs that an identifier found;  settling : bool[patterns]
    start, stop : the range of global rows;  sample : bool[n], records that are not to be settled
    """
    good = settling[scored.pattern]
    pairs = np.bincount(scored.left[good].astype(np.int64) - start, minlength=stop - start)
    return (pairs == 1) & ~sample
