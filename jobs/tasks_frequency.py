"""Tasks that count over the register: bearers of names, holders of identifiers.

Names are brought together by key, identifiers by value, each through files; what was counted goes back to the
ranges of rows it belongs to.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from jobs.cuts import counting_bits
from jobs.shuffle import partition_of, read_shuffled, write_shuffled
from jobs.store import join_arrays, read_arrays, write_arrays, write_json
from jobs.workspace import Workspace, slice_of
from linkage.coded import Coded
from linkage.frequency import (
    Bearers,
    Holders,
    NameCounts,
    all_codes,
    count_bearers,
    frequency_terms,
    group_sizes,
    groups,
    held_and_repeated,
    known_keys,
    look_up_bearers,
    name_keys,
    neighbours,
)
from linkage.model import FREQUENCIES

#: Identifiers sampled of every range to cut all of them into partitions of about one size.
_SPLITTERS_SAMPLED = 4096


def identifiers_of(space: Workspace) -> list[str]:
    """Columns of identifiers that are looked up in the register."""
    return [c for c in space.columns if space.kinds[c] == "identifier"]


def _partitions(space: Workspace) -> range:
    """Numbers of the partitions in which names, or identifiers, are counted."""
    return range(1 << counting_bits(space.layout["bits"]))


def _names(coded: Coded) -> tuple[np.ndarray, np.ndarray]:
    """Sex and group of a range; zeros where a column is not there."""
    n = len(coded)
    sex = np.asarray(coded.arrays.get("sex", np.zeros(n, np.uint8)))
    birth = np.asarray(coded.arrays.get("birth_date", np.zeros(n, np.int32)))
    return sex, groups(sex, birth)


def key_names(work: str, start: int, stop: int, forms: Sequence[str]) -> dict[str, Any]:
    """Keys of the names of a range in some forms; of an agency's only as they stand."""
    space = Workspace.open(work)
    coded = slice_of(space.coded, start, stop, ("full_name", "sex", "birth_date"))
    bits = counting_bits(space.layout["bits"])
    _, group = _names(coded)
    rows = np.arange(start, stop, dtype=np.uint32)
    keys = name_keys(np.asarray(coded.arrays["full_name"]), space.meaning.tokens, forms)
    register = start < space.layout["n_register"]
    for form in forms if register else [f for f in forms if f == "exact"]:
        has = np.flatnonzero(keys[form])
        write_shuffled(
            space.path("names", f"{form}-{start:012d}.arrays"),
            partition_of(keys[form][has], bits),
            1 << bits,
            keys=keys[form][has],
            rows=rows[has],
            group=group[has],
        )
    return {"rows_in": stop - start, "sizes": group_sizes(group).tolist() if register else [0] * 256}


def count_names(work: str, form: str, partition: int) -> dict[str, Any]:
    """Bearers of the names of one partition of a form, back to the ranges of those who bear them."""
    space = Workspace.open(work)

    def read(register: bool) -> dict[str, np.ndarray]:
        paths = [space.path("names", f"{form}-{a:012d}.arrays") for a, _ in space.ranges(register=register)]
        return read_shuffled(paths, partition, ("keys", "rows", "group"))

    held = read(register=True)
    bearers, known, table = count_bearers(held["keys"], held["group"])
    write_shuffled(
        space.path("bearers", f"{form}-{partition:05d}.arrays"),
        space.range_of(held["rows"], register=True),
        len(space.ranges(register=True)),
        rows=held["rows"],
        all=bearers.all,
        here=bearers.here,
    )
    write_arrays(space.path("nametable", f"{form}-{partition:05d}.arrays"), **table)
    if form == "exact" and space.ranges(register=False):
        asked = read(register=False)
        rows = asked["rows"][known_keys(table["keys"], asked["keys"])]
        write_shuffled(
            space.path("bearers", f"known-{partition:05d}.arrays"),
            space.range_of(rows, register=False),
            len(space.ranges(register=False)),
            rows=rows,
        )
    return {"rows_in": int(held["rows"].shape[0]), "form": form} | vars(known)


def tell_names(work: str, counted: list[dict[str, Any]], sizes: list[int]) -> dict[str, Any]:
    """Write what is known of the register's names over all of it: ``names.json``."""
    space = Workspace.open(work)
    first = space.layout["n_register"]
    told: dict[str, Any] = {"unseen": {}, "chance": {}, "sizes": sizes}
    for form in FREQUENCIES:
        whole = NameCounts.merge(
            [NameCounts(c["once"], c["twice"], c["same"]) for c in counted if c["form"] == form]
        )
        told["unseen"][form] = whole.unseen()
        told["chance"][form] = whole.chance_agreement(first)
    write_json(space.work / "names.json", told)
    return {}


def split_identifiers(work: str, column: str) -> dict[str, Any]:
    """Values at which the identifiers of a column are cut into partitions."""
    space = Workspace.open(work)
    values = space.coded.arrays[column]
    found = [np.zeros(0, np.int64)]
    for start, stop in space.ranges():
        step = max(1, (stop - start) // _SPLITTERS_SAMPLED)
        taken = values[start:stop][::step]
        found.append(taken[taken != 0])
    sample = np.sort(np.concatenate(found))
    wanted = 1 << counting_bits(space.layout["bits"])
    at = np.arange(1, wanted) * sample.shape[0] // wanted
    cuts = sample[at] if sample.size else np.zeros(wanted - 1, np.int64)
    write_arrays(space.path("identifiers", f"{column}.cuts.arrays"), cuts=cuts)
    return {}


def part_identifiers(work: str, columns: Sequence[str], start: int, stop: int) -> dict[str, Any]:
    """Identifiers of a range by partition of their values; of the register the earlier ones too."""
    space = Workspace.open(work)
    rows = np.arange(start, stop, dtype=np.uint32)
    source = np.asarray(space.coded.source[start:stop])
    for column in columns:
        cuts = read_arrays(space.path("identifiers", f"{column}.cuts.arrays"))["cuts"]
        aliases = None
        if start < space.layout["n_register"] and f"{column}.alias" in space.coded.arrays:
            aliases = np.asarray(space.coded.arrays[f"{column}.alias"][start:stop])
        codes, owners = all_codes(np.asarray(space.coded.arrays[column][start:stop]), rows, aliases)
        write_shuffled(
            space.path("identifiers", f"{column}-{start:012d}.arrays"),
            np.searchsorted(cuts, codes, "right").astype(np.uint16),
            cuts.shape[0] + 1,
            codes=codes,
            rows=owners,
            source=source[owners.astype(np.int64) - start],
        )
    return {"rows_in": stop - start}


def find_holders(work: str, column: str, partition: int) -> dict[str, Any]:
    """Who of the register holds each identifier of a partition; which of the agencies' are held."""
    space = Workspace.open(work)

    def read(register: bool) -> dict[str, np.ndarray]:
        paths = [
            space.path("identifiers", f"{column}-{a:012d}.arrays") for a, _ in space.ranges(register=register)
        ]
        if not paths:
            return {
                "codes": np.zeros(0, np.int64),
                "rows": np.zeros(0, np.uint32),
                "source": np.zeros(0, np.uint8),
            }
        return read_shuffled(paths, partition, ("codes", "rows", "source"))

    own = read(register=True)
    holders = Holders.sorted(own["codes"], own["rows"])
    write_arrays(
        space.path("holders", f"{column}-{partition:05d}.arrays"), codes=holders.codes, rows=holders.rows
    )
    asked = read(register=False)
    held, repeats = held_and_repeated(holders, asked["codes"], asked["source"])
    write_shuffled(
        space.path("held", f"{column}-{partition:05d}.arrays"),
        space.range_of(asked["rows"], register=False),
        max(1, len(space.ranges(register=False))),
        rows=asked["rows"],
        held=held,
        repeats=repeats,
    )
    return {"rows_in": int(own["rows"].shape[0] + asked["rows"].shape[0])}


def join_holders(work: str, column: str) -> dict[str, Any]:
    """The identifiers of the whole register in order, as one file."""
    space = Workspace.open(work)
    parts = [space.path("holders", f"{column}-{p:05d}.arrays") for p in _partitions(space)]
    join_arrays(space.path("holders", f"{column}.arrays"), parts)
    return {}


def read_holders(space: Workspace, column: str) -> Holders:
    """What :func:`join_holders` wrote."""
    held = read_arrays(space.path("holders", f"{column}.arrays"))
    return Holders(held["codes"], held["rows"])


def side_columns(work: str, start: int, stop: int) -> dict[str, Any]:
    """The columns that stand beside the records of a range: frequency terms, held and known flags."""
    space = Workspace.open(work)
    register = start < space.layout["n_register"]
    number = space.ranges(register=register).index((start, stop))
    n = stop - start
    named = "full_name" in space.columns
    arrays: dict[str, np.ndarray] = {}
    if register and named:
        bearers = {}
        for form in FREQUENCIES:
            everywhere, here = np.zeros(n, np.int32), np.zeros(n, np.int32)
            paths = [space.path("bearers", f"{form}-{p:05d}.arrays") for p in _partitions(space)]
            held = read_shuffled(paths, number, ("rows", "all", "here"))
            at = held["rows"].astype(np.int64) - start
            everywhere[at], here[at] = held["all"], held["here"]
            bearers[form] = Bearers(everywhere, here)
        arrays["frequency"] = terms_of(space, start, stop, bearers, 1)
        arrays["absent"] = terms_of(space, start, stop, bearers, 2) - arrays["frequency"]
    elif not register:
        if named:
            known = np.zeros(n, np.uint8)
            paths = [space.path("bearers", f"known-{p:05d}.arrays") for p in _partitions(space)]
            known[read_shuffled(paths, number, ("rows",))["rows"].astype(np.int64) - start] = 1
            arrays["full_name.known"] = known
        for column in identifiers_of(space):
            paths = [space.path("held", f"{column}-{p:05d}.arrays") for p in _partitions(space)]
            held = read_shuffled(paths, number, ("rows", "held", "repeats"))
            at = held["rows"].astype(np.int64) - start
            for name, dtype in (("held", np.uint8), ("repeats", np.int32)):
                values = np.zeros(n, dtype)
                values[at] = held[name]
                arrays[f"{column}.{name}"] = values
    write_arrays(space.range_file("side", start), **arrays)
    return {"rows_out": n}


def terms_of(
    space: Workspace, start: int, stop: int, bearers: dict[str, Bearers], left_out: int
) -> np.ndarray:
    """Frequency terms of a range by its bearers, see :func:`linkage.frequency.frequency_terms`."""
    sex, group = _names(slice_of(space.coded, start, stop, ("sex", "birth_date")))
    told = space.counted
    return frequency_terms(
        bearers, sex, group, np.array(told["sizes"]), told["unseen"], space.layout["n_register"], left_out
    )


def probe_identifiers(work: str, rule: int, start: int, stop: int) -> dict[str, Any]:
    """Pairs of agency and register records whose identifiers are one slip apart.

    Held identifiers are not looked for. ``given_up``: pairs beyond those that one identifier may have.
    """
    space = Workspace.open(work)
    column = space.rules[rule].on[0].column
    holders = space.fresh(f"holders {column}", ("holders",), lambda: read_holders(space, column))
    codes = np.array(space.coded.arrays[column][start:stop])
    codes[np.asarray(space.coded.arrays[f"{column}.held"][start:stop]) != 0] = 0
    left, right, given_up = neighbours(holders, codes)
    write_arrays(
        space.path("probe", f"{rule:02d}-{start:012d}.arrays"),
        left=(left + start).astype(np.uint32),
        right=right.astype(np.uint32),
    )
    return {"rows_in": stop - start, "pairs": int(left.shape[0]), "given_up": given_up}


def terms_at(space: Workspace, rows: np.ndarray) -> np.ndarray:
    """Frequency terms int16[n, 3] of the names of any records, as the register bears them.

    rows : int64[n], global rows in rising order. Measured by the table of names, a partition at a time.
    """
    if "full_name" not in space.columns:
        return np.zeros((rows.shape[0], len(FREQUENCIES)), np.int16)
    coded = space.coded.take(rows, ("full_name", "sex", "birth_date"))
    sex, group = _names(coded)
    bits = counting_bits(space.layout["bits"])
    bearers = {}
    for form, keys in name_keys(np.asarray(coded.arrays["full_name"]), space.meaning.tokens).items():
        everywhere, here = np.zeros(rows.shape[0], np.int32), np.zeros(rows.shape[0], np.int32)
        partition = partition_of(keys, bits)
        for number in np.unique(partition).tolist():
            mine = np.flatnonzero(partition == number)
            table = read_arrays(space.path("nametable", f"{form}-{number:05d}.arrays"))
            found = look_up_bearers(table, keys[mine], group[mine])
            everywhere[mine], here[mine] = found.all, found.here
        bearers[form] = Bearers(everywhere, here)
    told = space.counted
    return frequency_terms(
        bearers, sex, group, np.array(told["sizes"]), told["unseen"], space.layout["n_register"], 1
    )
