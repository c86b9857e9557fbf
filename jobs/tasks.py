"""The tasks of a run: each reads part files, calls one stage of the method, writes part files.

A task is named by a function of this module and takes the work folder and small arguments; what it returns is
a small dictionary. The same functions run on threads and in Ray.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from jobs.policies import alias_table
from jobs.store import make_folder, read_table, write_array, write_table
from jobs.workspace import Workspace, frame, read_arrays, slice_of, write_arrays
from kernels.partition import partition_rows
from linkage.block import plan_blocks
from linkage.frequency import (
    Holders,
    ValueCounts,
    count_names,
    frequency_terms,
    known_names,
    neighbours,
    repeats_of,
)
from linkage.rules import base_keys
from linkage.scored import Blocks
from linkage.standardise import standardise
from linkage.vocabulary import empty_column, merge_vocabularies, texts_of, token_ids, tokens_of


def standardise_part(work: str, source: int, part: int) -> dict[str, Any]:
    """Standardise one part of a source."""
    space = Workspace.open(work)
    info = space.sources[source]
    aliases = None
    if info.role == "register" and space.loaded.alias_file is not None:
        aliases = alias_table(space.loaded.alias_file.path).to_arrow()
    records = space.records(source, part)
    done = standardise(
        records, info.contract, space.kinds, info.name, info.extract_date, space.pack, space.secret, aliases
    )
    stem = f"{source:02d}-{part:05d}"
    arrays = {c: v for c, v in done.arrays.items() if c.partition(".")[0] in space.kinds}
    write_arrays(space.path("standard", f"{stem}.npz"), **arrays, **{"@order": done.order})
    write_table(space.path("standard", f"{stem}.tokens.arrow"), pa.table({"token": done.tokens.to_arrow()}))
    for column, texts in done.texts.items():
        write_table(space.path("standard", f"{stem}.{column}.arrow"), pa.table({"token": texts.to_arrow()}))
    write_table(space.path("standard", f"{stem}.repairs.arrow"), done.repairs.to_arrow())
    write_table(space.path("standard", f"{stem}.queries.arrow"), done.queries.to_arrow())
    return {
        "rows_in": records.num_rows,
        "rows_out": records.num_rows,
        "repairs": done.repairs.height,
        "queries": done.queries.height,
    }


def build_vocabulary(work: str) -> dict[str, Any]:
    """Merge the parts' vocabularies and work out the forms of every token."""
    space = Workspace.open(work)
    folder = space.work / "standard"
    stems = [f"{s:02d}-{p:05d}" for s, p, _, _ in space.layout["parts"]]
    merged = merge_vocabularies(
        [frame(read_table(folder / f"{stem}.tokens.arrow"))["token"] for stem in stems]
    )
    tokens = tokens_of(merged, space.pack, space.secret)
    write_arrays(
        space.path("vocabulary", "tokens.npz"),
        **tokens.forms._asdict(),
        letters=tokens.letters,
        exact_hash=tokens.exact_hash,
        ascii_hash=tokens.ascii_hash,
        phonetic_hash=tokens.phonetic_hash,
    )
    write_table(space.path("vocabulary", "tokens.arrow"), pa.table({"token": merged.to_arrow()}))
    for column, kind in space.kinds.items():
        if kind != "text":
            continue
        parts = [folder / f"{stem}.{column}.arrow" for stem in stems]
        texts = merge_vocabularies([frame(read_table(p))["token"] for p in parts if p.exists()])
        packed = texts_of(texts, space.secret)
        write_arrays(
            space.path("vocabulary", f"{column}.npz"),
            offsets=packed.strings.offsets,
            codes=packed.strings.codes,
            hashes=packed.hashes,
        )
        write_table(space.path("vocabulary", f"{column}.arrow"), pa.table({"token": texts.to_arrow()}))
    return {"rows_out": len(merged)}


def join_column(work: str, column: str) -> dict[str, Any]:
    """One column of all parts as one file, names and texts by the common vocabulary."""
    space = Workspace.open(work)
    folder = space.work / "standard"
    kind = space.kinds.get(column)
    merged = None
    if kind in ("name", "text"):
        vocabulary = "tokens" if kind == "name" else column
        merged = frame(read_table(space.path("vocabulary", f"{vocabulary}.arrow")))["token"]
    pieces: list[np.ndarray | None] = []
    width: tuple[int, ...] = (1,)
    for source, part, _, rows in space.layout["parts"]:
        stem = f"{source:02d}-{part:05d}"
        if column == "@source":
            pieces.append(np.full(rows, source, np.uint8))
            continue
        with np.load(folder / f"{stem}.npz", allow_pickle=False) as held:
            values = held[column] if column in held.files else None
        if values is None:
            pieces.append(empty_column(kind, rows) if kind else None)
        elif merged is not None:
            own = folder / (f"{stem}.tokens.arrow" if kind == "name" else f"{stem}.{column}.arrow")
            pieces.append(token_ids(frame(read_table(own))["token"], merged)[values])
        else:
            pieces.append(values)
            width = values.shape[1:]
    # Only earlier identifiers are a column of no kind that a part may lack.
    filled = [
        p if p is not None else np.zeros((rows, *width), np.int64)
        for p, (_, _, _, rows) in zip(pieces, space.layout["parts"], strict=True)
    ]
    make_folder(space.work / "columns")
    whole = np.concatenate(filled) if filled else np.zeros(0, np.uint8)
    write_array(space.path("columns", f"{column}.npy"), whole)
    return {"rows_out": int(whole.shape[0])}


def count_register_names(work: str, start: int, stop: int) -> dict[str, Any]:
    """Counts of names of a range of the register."""
    space = Workspace.open(work)
    coded = slice_of(space.coded, start, stop, ("full_name", "sex", "birth_date"))
    whole, grouped, sizes = count_names(*_name_columns(coded, start, stop), space.meaning.tokens)
    arrays: dict[str, np.ndarray] = {}
    for form, counts in whole.items():
        arrays |= {f"{form}.keys": counts.keys, f"{form}.counts": counts.counts}
    for form, counts in grouped.items():
        arrays |= {f"{form}@.keys": counts.keys, f"{form}@.counts": counts.counts}
    arrays |= {"@.keys": sizes.keys, "@.counts": sizes.counts}
    write_arrays(space.path("counts", f"{start:012d}.npz"), **arrays)
    return {"rows_in": stop - start}


def _name_columns(coded: Any, start: int, stop: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    n = stop - start
    return (
        coded.arrays.get("full_name", np.zeros((n, 8), np.uint32)),
        coded.arrays.get("sex", np.zeros(n, np.uint8)),
        coded.arrays.get("birth_date", np.zeros(n, np.int32)),
    )


def merge_counts(work: str) -> dict[str, Any]:
    """Counts of names over the whole register."""
    space = Workspace.open(work)
    parts = [read_arrays(p) for p in sorted((space.work / "counts").glob("[0-9]*.npz"))]
    arrays: dict[str, np.ndarray] = {}
    for name in ("exact", "ascii", "ends", "exact@", "ascii@", "ends@", "@"):
        merged = ValueCounts.merge([ValueCounts(p[f"{name}.keys"], p[f"{name}.counts"]) for p in parts])
        arrays |= {f"{name}.keys": merged.keys, f"{name}.counts": merged.counts}
    write_arrays(space.path("counts", "all.npz"), **arrays)
    return {}


def read_counts(space: Workspace) -> dict[str, ValueCounts]:
    """The merged counts by name."""
    held = read_arrays(space.path("counts", "all.npz"))
    return {n[:-5]: ValueCounts(held[n], held[f"{n[:-5]}.counts"]) for n in held if n.endswith(".keys")}


def rate_names(work: str, start: int, stop: int) -> dict[str, Any]:
    """Frequency terms of a range of records."""
    space = Workspace.open(work)
    coded = slice_of(space.coded, start, stop, ("full_name", "sex", "birth_date"))
    counts = read_counts(space)
    forms = ("exact", "ascii", "ends")
    given = (
        *_name_columns(coded, start, stop),
        space.meaning.tokens,
        {f: counts[f] for f in forms},
        {f: counts[f"{f}@"] for f in forms},
        counts["@"],
        space.layout["n_register"],
    )
    terms = frequency_terms(*given)
    absent = frequency_terms(*given, left_out=2) - terms if start < space.layout["n_register"] else terms[:0]
    known = known_names(_name_columns(coded, start, stop)[0], space.meaning.tokens, counts)
    write_arrays(space.path("terms", f"{start:012d}.npz"), terms=terms, known=known, absent=absent)
    return {"rows_out": stop - start}


def join_terms(work: str) -> dict[str, Any]:
    """Frequency terms and known names of all records as columns."""
    space = Workspace.open(work)
    parts = [read_arrays(p) for p in sorted((space.work / "terms").glob("*.npz"))]
    write_array(space.path("columns", "frequency.npy"), np.concatenate([p["terms"] for p in parts]))
    write_array(space.path("counts", "absent.npy"), np.concatenate([p["absent"] for p in parts]))
    write_array(space.path("columns", "full_name.known.npy"), np.concatenate([p["known"] for p in parts]))
    return {}


def find_holders(work: str, column: str) -> dict[str, Any]:
    """Who of the register holds each identifier; which of the agencies' are held, and how often repeated."""
    space = Workspace.open(work)
    coded = space.coded
    first = coded.n_register
    values = coded.arrays[column]
    aliases = coded.arrays.get(f"{column}.alias")
    rows = np.arange(first, dtype=np.uint32)
    holders = Holders.of(
        np.asarray(values[:first]), rows, None if aliases is None else np.asarray(aliases[:first])
    )
    write_array(
        space.path("columns", f"{column}.held.npy"),
        np.concatenate(
            [np.zeros(first, np.uint8), holders.holds(np.asarray(values[first:])).astype(np.uint8)]
        ),
    )
    make_folder(space.work / "holders")
    write_arrays(space.path("holders", f"{column}.npz"), codes=holders.codes, rows=holders.rows)
    write_array(
        space.path("holders", f"{column}.repeats.npy"),
        np.concatenate(
            [
                np.zeros(first, np.int32),
                repeats_of(np.asarray(values[first:]), np.asarray(coded.source[first:])),
            ]
        ),
    )
    return {"rows_out": int(holders.codes.shape[0])}


def make_keys(work: str, start: int, stop: int, bits: int) -> dict[str, Any]:
    """Base keys of a range of records under every ordinary rule, partitioned by key."""
    space = Workspace.open(work)
    coded = slice_of(space.coded, start, stop, space.gathered)
    rows = np.arange(start, stop, dtype=np.uint32)
    arrays: dict[str, np.ndarray] = {}
    for index, rule in enumerate(space.rules):
        if rule.near:
            continue
        keys = base_keys(coded, space.meaning, rule, space.secret)
        np.load(space.path("columns", f"@keys{index}.npy"), mmap_mode="r+")[start:stop] = keys
        flat = np.ascontiguousarray(keys.ravel())
        owners = np.repeat(rows, keys.shape[1])
        counts = np.empty((1 << bits) + 1, np.int64)
        out_keys, out_rows = np.empty_like(flat), np.empty_like(owners)
        partition_rows(flat, owners, bits, counts, out_keys, out_rows)
        arrays |= {
            f"keys{index}": out_keys[: counts[-1]],
            f"rows{index}": out_rows[: counts[-1]],
            f"starts{index}": counts,
        }
    folder = make_folder(space.work / "keys")
    for name, values in arrays.items():
        write_array(folder / f"{start:012d}.{name}.npy", values)
    return {"rows_in": stop - start}


def make_blocks(work: str, rule: int, partition: int, candidates: int) -> dict[str, Any]:
    """Blocks of one partition of one rule, refined where they are hot."""
    space = Workspace.open(work)
    from jobs.store import read_array

    keys, rows = [], []
    for start, _ in space.ranges():
        stem = space.work / "keys" / f"{start:012d}"
        starts = read_array(stem.with_name(f"{stem.name}.starts{rule}.npy"))
        cut = slice(int(starts[partition]), int(starts[partition + 1]))
        keys.append(read_array(stem.with_name(f"{stem.name}.keys{rule}.npy"))[cut])
        rows.append(read_array(stem.with_name(f"{stem.name}.rows{rule}.npy"))[cut])

    def coded_of(wanted: np.ndarray, columns: tuple[str, ...]) -> Any:
        return space.coded.take(wanted, columns)

    all_keys, all_rows = np.concatenate(keys), np.concatenate(rows)
    if space.rules[rule].relatives:
        mine = all_rows < space.layout["n_register"]
        all_keys, all_rows = all_keys[mine], all_rows[mine]
    blocks = plan_blocks(
        all_keys,
        all_rows,
        coded_of,
        space.meaning,
        space.rules[rule],
        space.layout["n_register"],
        candidates,
    )
    write_arrays(
        space.path("blocks", f"{rule:02d}-{partition:05d}.npz"),
        members=blocks.members,
        starts=blocks.starts,
        n_register=blocks.n_register,
        keys=blocks.keys,
        hot=blocks.hot,
    )
    return {
        "counts": blocks.counts,
        "rows_in": int(sum(k.shape[0] for k in keys)),
        "hot": int(blocks.hot.shape[0]),
    }


def read_blocks(space: Workspace, rule: int, partition: int) -> Blocks:
    """What :func:`make_blocks` wrote."""
    held = read_arrays(space.path("blocks", f"{rule:02d}-{partition:05d}.npz"))
    return Blocks(held["members"], held["starts"], held["n_register"], held["keys"], held["hot"], {})


def merge_plan(work: str, partitions: int) -> dict[str, Any]:
    """The refinement plan of all rules."""
    space = Workspace.open(work)
    hot = {}
    for index, rule in enumerate(space.rules):
        parts = (
            []
            if rule.near
            else [
                read_arrays(space.path("blocks", f"{index:02d}-{p:05d}.npz"))["hot"]
                for p in range(partitions)
            ]
        )
        hot[f"rule{index}"] = np.sort(np.concatenate(parts)) if parts else np.zeros(0, np.uint64)
    write_arrays(space.path("plan", "hot.npz"), **hot)
    return {"refined": {space.rules[i].name: int(hot[f"rule{i}"].shape[0]) for i in range(len(space.rules))}}


def probe_identifiers(work: str, rule: int, start: int, stop: int) -> dict[str, Any]:
    """Pairs of agency and register records whose identifiers are one slip apart.

    Held identifiers are not looked for.
    """
    space = Workspace.open(work)
    column = space.rules[rule].on[0].column
    held = read_arrays(space.path("holders", f"{column}.npz"))
    codes = np.asarray(space.coded.arrays[column][start:stop]).copy()
    codes[np.asarray(space.coded.arrays[f"{column}.held"][start:stop]) != 0] = 0
    left, right = neighbours(Holders(held["codes"], held["rows"]), codes)
    write_arrays(
        space.path("probe", f"{rule:02d}-{start:012d}.npz"),
        left=(left + start).astype(np.uint32),
        right=right.astype(np.uint32),
    )
    return {"rows_in": stop - start, "pairs": int(left.shape[0])}
