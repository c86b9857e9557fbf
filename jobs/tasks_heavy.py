"""Tasks for keys that too many records share for one partition: found in a sample, refined range by range."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from jobs.shuffle import partition_of, read_shuffled, write_shuffled
from jobs.store import Arrays, open_arrays, write_arrays
from jobs.workspace import Workspace
from kernels._door import reading
from kernels.keys import NO_KEY, find_among
from linkage.coded import Coded
from linkage.heavy import Gather, Heavy, Spread, Tally, heavy_counts, heavy_keys, register_sample, spread_keys
from linkage.hot import Hot

_FIELDS = tuple(Spread.__dataclass_fields__)
_TALLY = tuple(Tally.__dataclass_fields__)


def find_heavy(work: str, candidates: int) -> dict[str, Any]:
    """Find the keys of every rule that more than ``candidates`` sampled register records share; none where
    all keys lie in one partition anyway.
    """
    space = Workspace.open(work)
    sample = register_sample(space.layout["n_register"])

    def gather(rows: np.ndarray, columns: tuple[str, ...]) -> Coded:
        return space.coded.take(rows, columns)

    found = []
    for rule in space.rules:
        if rule.near or space.layout["bits"] == 0:
            found.append(Heavy.none())
        else:
            found.append(heavy_keys(sample, gather, space.meaning, rule, space.key_secret, candidates))
    held = {f"rule{i}": heavy.keys for i, heavy in enumerate(found)}
    held |= {f"depth{i}": heavy.depth for i, heavy in enumerate(found)}
    held |= {f"parent{i}": heavy.parent for i, heavy in enumerate(found)}
    write_arrays(space.path("plan", "heavy.arrays"), **held)
    return {"heavy": {str(i): int(heavy.keys.size) for i, heavy in enumerate(found) if heavy.keys.size}}


def set_aside(space: Workspace, rule: int, start: int, keys: np.ndarray, gather: Gather) -> None:
    """Write those records of a range whose base key is heavy under deeper keys, and take the key from them.

    keys : uint64[n, k], those of the rows from ``start`` on;  gather : see :func:`linkage.heavy.spread_keys`
    """
    heavy = space.heavy[rule]
    if not heavy.keys.size:
        return
    some = np.zeros(keys.shape, np.bool_)
    flat, ordered = reading(keys.ravel(), np.uint64, "keys"), reading(heavy.keys, np.uint64, "heavy")
    find_among(flat, ordered, some.ravel())
    rows = (np.nonzero(some)[0] + start).astype(np.uint32)
    of_register = start < space.layout["n_register"]
    spread, tally = spread_keys(
        keys[some], rows, gather, space.meaning, space.rules[rule], heavy, register=of_register
    )
    keys[some] = NO_KEY
    bits = space.layout["bits"]
    write_shuffled(
        space.path("keys", f"{rule:02d}-{start:012d}.deep.arrays"),
        partition_of(spread.keys, bits),
        1 << bits,
        **{f: getattr(spread, f) for f in _FIELDS},
    )
    told = {f: getattr(tally, f) for f in _TALLY}
    write_arrays(space.path("keys", f"{rule:02d}-{start:012d}.tally.arrays"), **told)


def open_spread(space: Workspace, rule: int) -> list[Arrays]:
    """Records of a rule that lie under deeper keys, range by range; none where it has no heavy keys."""
    if not space.heavy[rule].keys.size:
        return []
    starts = (start for start, _ in space.ranges())
    return [open_arrays(space.path("keys", f"{rule:02d}-{start:012d}.deep.arrays")) for start in starts]


def read_spread(deep: Sequence[Arrays], partition: int) -> Spread | None:
    """Those of :func:`open_spread` that came to a partition; None where the rule has no heavy keys."""
    return Spread(**read_shuffled(deep, partition, _FIELDS)) if deep else None


def tally_heavy(work: str, rule: int) -> dict[str, Any]:
    """What refining a rule's heavy keys early did to pairs, see :func:`linkage.heavy.heavy_counts`; what is
    known of these keys is written as of the hot keys of a partition.
    """
    space = Workspace.open(work)
    heavy = space.heavy[rule]
    sides = [Tally.none(heavy.keys.size), Tally.none(heavy.keys.size)]
    for start, _ in space.ranges():
        held = open_arrays(space.path("keys", f"{rule:02d}-{start:012d}.tally.arrays"))
        of_agency = int(start >= space.layout["n_register"])
        sides[of_agency] = sides[of_agency].add(Tally(*(held[f] for f in _TALLY)))
    registers, agencies = sides
    none = np.zeros(0, np.uint64), np.zeros(0, np.int64)
    told = Hot(
        heavy.keys, heavy.parent, heavy.depth, registers.records, agencies.records, registers.row, *none
    )
    write_arrays(space.path("hot", f"{rule:02d}.arrays"), **hot_arrays(told))
    return {"counts": heavy_counts(heavy, len(space.rules[rule].refine), registers, agencies)}


def hot_arrays(told: Hot) -> dict[str, np.ndarray]:
    """What is known of hot keys, as a container holds it: no array where nothing is hot."""
    if not told.keys.size and not told.left.size:
        return {}
    return {f"hot_{name}": getattr(told, name) for name in Hot.__dataclass_fields__}


def read_hot(held: Mapping[str, np.ndarray]) -> Hot:
    """What :func:`hot_arrays` gave."""
    if "hot_keys" not in held:
        return Hot.join([])
    return Hot(**{name: held[f"hot_{name}"] for name in Hot.__dataclass_fields__})
