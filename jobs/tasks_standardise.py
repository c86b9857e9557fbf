"""The tasks of standardisation: columns by a part's own vocabulary, the run's vocabulary, columns by that.

standard/<source>-<part>.arrays         columns of a part, ids of names and texts by its own
standard/<source>-<part>.tokens.arrow   that vocabulary, and how often each token stands in the part
vocabulary/tokens.arrow                 the run's; tokens by falling frequency
columns/<source>-<part>.arrays          columns of a part by the run's vocabulary
"""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from jobs.coded_parts import BESIDE, few
from jobs.policies import alias_table
from jobs.store import open_arrays, read_table, write_arrays, write_table
from jobs.tasks_texts import text_ids, write_texts
from jobs.workspace import Workspace, frame
from kernels.narrow import narrow_names, recode_names
from linkage.standardise import read_aliases, standardise
from linkage.vocabulary import merge_vocabularies, token_ids, tokens_of

_PACKING = "lz4"


def _stem(source: int, part: int) -> str:
    return f"{source:02d}-{part:05d}"


def standardise_part(work: str, source: int, part: int) -> dict[str, Any]:
    """Standardise one part of a source."""
    space = Workspace.open(work)
    info = space.sources[source]
    aliases = None
    if info.role == "register" and space.loaded.alias_file is not None:
        aliases = _register_aliases(space)
    wanted = [f.standard for f in info.contract.fields if f.standard in space.kinds]
    records = space.records(source, part, ["record_id", *wanted])
    done = standardise(
        records,
        info.contract,
        space.kinds,
        info.name,
        info.extract_date,
        space.pack,
        space.secret,
        aliases,
        space.text_secret,
    )
    stem = _stem(source, part)
    arrays = {c: v for c, v in done.arrays.items() if c.partition(".")[0] in space.kinds}
    write_arrays(space.part_file("standard", source, part), **_narrowed(arrays), **{"@order": done.order})
    tokens = pa.table({"token": done.tokens.to_arrow(), "count": done.counts})
    write_table(space.path("standard", f"{stem}.tokens.arrow"), tokens)
    write_table(space.path("standard", f"{stem}.repairs.arrow"), done.repairs.to_arrow(), _PACKING)
    write_table(space.path("standard", f"{stem}.queries.arrow"), done.queries.to_arrow(), _PACKING)
    return {
        "rows_in": records.num_rows,
        "rows_out": records.num_rows,
        "repairs": done.repairs.height,
        "queries": done.queries.height,
        "orders": int(done.order.sum(dtype=np.uint64)),
        **write_texts(space, source, part, done.texts),
    }


def _register_aliases(space: Workspace) -> pl.DataFrame:
    """Earlier numbers of the register's persons, read once a process."""
    register, locale, file = space.sources[0], space.pack, space.loaded.alias_file
    assert file is not None
    held: pl.DataFrame = space.fresh(
        "aliases",
        (),
        lambda: read_aliases(alias_table(file.path).to_arrow(), locale, register.extract_date),
    )
    return held


def _narrowed(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Columns as they are written: names narrow, with their overflow beside them."""
    out: dict[str, np.ndarray] = {}
    for column, values in arrays.items():
        if values.ndim == 2 and values.dtype == np.uint32:
            out[column], out[f"{column}.wide"] = narrow_names(values)
        elif values.dtype == np.int64:
            out |= few(column, values)
        else:
            out[column] = values
    return out


def build_vocabulary(work: str) -> dict[str, Any]:
    """Merge the parts' vocabularies and work out the forms of every token."""
    space = Workspace.open(work)
    stems = [_stem(s, p) for s, p, _, _ in space.layout["parts"]]
    parts = (read_table(space.path("standard", f"{stem}.tokens.arrow")) for stem in stems)
    merged = merge_vocabularies((frame(part)["token"], part.column("count").to_numpy()) for part in parts)
    tokens = tokens_of(merged, space.pack, space.key_secret)
    write_arrays(
        space.path("vocabulary", "tokens.arrays"),
        **tokens.forms._asdict(),
        letters=tokens.letters,
        exact_hash=tokens.exact_hash,
        ascii_hash=tokens.ascii_hash,
        phonetic_hash=tokens.phonetic_hash,
    )
    write_table(space.path("vocabulary", "tokens.arrow"), pa.table({"token": merged.to_arrow()}))
    return {"rows_out": len(merged)}


def vocabulary_of(space: Workspace) -> pl.Series:
    """The run's vocabulary of names, kept by the process."""
    path = space.path("vocabulary", "tokens.arrow")
    held: pl.Series = space.fresh(
        "vocabulary of tokens", ("vocabulary",), lambda: frame(read_table(path))["token"].cast(pl.String)
    )
    return held


def code_part(work: str, source: int, part: int, stretches: dict[str, int]) -> dict[str, Any]:
    """The columns of one part that later stages read, names and texts by the run's vocabulary.

    stretches : of each plain text column, how many its vocabulary was made in
    """
    space = Workspace.open(work)
    stem = _stem(source, part)
    held = open_arrays(space.part_file("standard", source, part))
    own = frame(read_table(space.path("standard", f"{stem}.tokens.arrow")))["token"]
    ids = token_ids(own, vocabulary_of(space))
    out: dict[str, np.ndarray] = {"@order": held["@order"]}
    for column in (*space.columns, *space.carried):
        if column not in held:
            continue
        kind = space.kinds[column]
        if kind == "name":
            out[column], out[f"{column}.wide"] = recode_names(held[column], held[f"{column}.wide"], ids)
        elif kind == "text":
            out[column] = text_ids(space, source, part, column, stretches[column])[held[column]]
        else:
            out[column] = held[column]
        alias = f"{column}.alias"
        beside = [alias, *(f"{name}.{one}" for name in (column, alias) for one in BESIDE)]
        out |= {name: held[name] for name in beside if name in held}
    write_arrays(space.part_file("columns", source, part), **out)
    rows = int(out["@order"].shape[0])
    return {"rows_in": rows, "rows_out": rows}
