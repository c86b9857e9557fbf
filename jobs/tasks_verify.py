"""Tasks that verify: how every record of a list agrees with the register, by field, part by part.

    verified/{source}-{part}.arrow            row, rank, outcome of every record, by rank
    verified/{source}-{part}.outcomes.arrow   the distinct outcomes
    verified/{piece}.rows.arrays, {piece}.{source}.page.arrays   pieces of what is published

The sources that ask for it are verified; their records are told in the order of their keys.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from jobs.agreements import read_agreements
from jobs.artefact_writer import join_pieces, write_piece
from jobs.decision_ids import decision_ids
from jobs.linked_records import Links, links_of, overlapping
from jobs.pieces import cut_tables, ranks_of, read_piece
from jobs.policies import rights
from jobs.store import (
    aside,
    make_folder,
    open_arrays,
    read_arrays,
    read_table,
    write_arrays,
    write_parquet,
    write_table,
)
from jobs.voices import case_fields
from jobs.workspace import Workspace, frame
from linkage import tables
from linkage.agreement import DIFFERENT, MORE, NOTHING, value_keys
from linkage.artefacts import arrow_text, coded_text, id_array
from linkage.spreadsheet import escape
from linkage.verify import DISPUTED, Verified, same_initials, texts, verify

_PAGE = ("record_id", "result", "findings", "fields", "vi", "en")


def asking(space: Workspace) -> list[int]:
    """Sources that ask for verification, in the order of their names."""
    asked = {s.name for s in space.loaded.project.sources if s.verify}
    named = sorted((s.name, n) for n, s in enumerate(space.sources) if s.name in asked)
    return [number for _, number in named]


def asked_parts(space: Workspace) -> list[tuple[int, int, int, int]]:
    """Source, part, first row and rows of the parts to be verified that hold any."""
    chosen = set(asking(space))
    return [(s, p, a, n) for s, p, a, n in space.layout["parts"] if s in chosen and n]


def verify_part(work: str, source: int, part: int) -> dict[str, Any]:
    """Verify the records of one part; ``results``: records by result."""
    space = Workspace.open(work)
    start, n = next((a, n) for s, p, a, n in space.layout["parts"] if (s, p) == (source, part))
    links = links_of(space, start, start + n)
    relations, initials = _relations(space, source, part, links, n)
    verified = verify(_decisions(space, start, start + n), relations, initials)
    rank = ranks_of(space, start, start + n)
    by = np.argsort(rank)
    told = {
        "row": (by + start).astype(np.uint32),
        "rank": rank[by].astype(np.uint32),
        "outcome": verified.index[by].astype(np.uint32),
    }
    write_table(_file(space, source, part), pa.table(told))
    outcomes = {"result": verified.results, "findings": verified.findings, "fields": verified.fields}
    lists = pa.large_list(pa.large_string())
    kinds = {"result": pa.large_string(), "findings": lists, "fields": lists}
    write_table(
        _outcomes(space, source, part), pa.table({c: pa.array(v, kinds[c]) for c, v in outcomes.items()})
    )
    return {"rows_in": n, "results": _results(verified)}


def _results(verified: Verified) -> dict[str, int]:
    counts = np.bincount(verified.index, minlength=len(verified.results)).tolist()
    out: dict[str, int] = {}
    for code, count in zip(verified.results, counts, strict=True):
        out[code] = out.get(code, 0) + count
    return dict(sorted(out.items()))


def _file(space: Workspace, source: int, part: int) -> Path:
    return space.path("verified", f"{source:02d}-{part:05d}.arrow")


def _outcomes(space: Workspace, source: int, part: int) -> Path:
    return space.path("verified", f"{source:02d}-{part:05d}.outcomes.arrow")


def _decisions(space: Workspace, start: int, stop: int) -> np.ndarray:
    """Decisions on consecutive agency rows."""
    found = [np.zeros(0, np.uint8)]
    for first, last in overlapping(space, start, stop):
        held = open_arrays(space.range_file("decided", first))
        found.append(held.cut("decision", max(start, first) - first, min(stop, last) - first))
    return np.concatenate(found)


def _relations(
    space: Workspace, source: int, part: int, links: Links, n: int
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Relations of the records of a part, in the fields that the source may be told about, and whether a
    full name that is another one has the same first letters.
    """
    start = next(a for s, p, a, _ in space.layout["parts"] if (s, p) == (source, part))
    place = links.rows - start
    held = read_agreements(space, source, part, links.rows) if space.related else {}
    relations = {}
    initials = np.zeros(n, bool)
    for standard in rights(space.loaded, space.sources[source].name).fields:
        if standard not in held:
            continue
        relation = held[standard].relation
        if standard == "full_name":
            other = np.flatnonzero(relation == DIFFERENT)
            names = space.coded.arrays[standard]
            initials[place[other]] = same_initials(
                np.asarray(names[links.rows[other]]),
                np.asarray(names[links.persons[other]]),
                np.asarray(space.meaning.tokens.forms.initial),
            )
        disputed = _disputed(space, standard, links, relation)
        whole = np.full(n, NOTHING, np.uint8)
        whole[place] = np.where(disputed, DISPUTED, relation)
        relations[standard] = whole
    # A name that a case is open about is disputed, whatever its first letters.
    if "full_name" in relations:
        initials &= relations["full_name"] == DIFFERENT
    return relations, initials


def _disputed(space: Workspace, standard: str, links: Links, relation: np.ndarray) -> np.ndarray:
    """Whether a register case is open for the very value that a linked record holds: bool[k]."""
    out = np.zeros(links.rows.shape[0], bool)
    if standard not in case_fields(space):
        return out
    cases = read_arrays(space.path("cases", f"{standard}.arrays"))
    chosen = np.flatnonzero((relation == DIFFERENT) | (relation == MORE))
    chosen = chosen[np.isin(links.persons[chosen], cases["person"])]
    if chosen.size:
        values = space.coded.arrays[standard]
        by = np.argsort(cases["person"], kind="stable")
        theirs = cases["person"][by]
        keys = value_keys(space.meaning, standard, np.asarray(values[cases["row"].astype(np.int64)[by]]))
        held = value_keys(space.meaning, standard, np.asarray(values[links.rows[chosen]]))
        persons = links.persons[chosen]
        begin, end = (np.searchsorted(theirs, persons, side=s) for s in ("left", "right"))
        for lag in range(int((end - begin).max())):
            at = np.minimum(begin + lag, end - 1)
            out[chosen] |= keys[at] == held
    return out


def cut_verifications(work: str) -> dict[str, Any]:
    """Cut what was verified into pieces; ``pieces`` is how many."""
    space = Workspace.open(work)
    files = [_file(space, s, p) for s, p, _, _ in asked_parts(space)]
    pieces, rows = cut_tables(files, _cuts(space))
    return {"rows_in": rows, "pieces": pieces}


def _cuts(space: Workspace) -> Path:
    return space.path("verified", "cuts.arrays")


def make_verified_piece(work: str, out: str, piece: int) -> dict[str, Any]:
    """Make one piece of ``verifications.parquet`` and of the sources' pages."""
    space = Workspace.open(work)
    parts = asked_parts(space)
    held = frame(read_piece([_file(space, s, p) for s, p, _, _ in parts], _cuts(space), piece)).sort("rank")
    rows, rank = held["row"].to_numpy().astype(np.int64), held["rank"].to_numpy()
    of = np.searchsorted([a for _, _, a, _ in parts], rows, side="right") - 1
    tables_of = [frame(read_table(_outcomes(space, s, p))) for s, p, _, _ in parts]
    firsts = np.concatenate([[0], np.cumsum([t.height for t in tables_of])])
    outcomes = pl.concat(tables_of)
    told = outcomes[held["outcome"].to_numpy().astype(np.int64) + firsts[of]]
    ids = space.ids.take(rows)
    source = np.array([s for s, _, _, _ in parts])[of]
    found = np.zeros((rows.shape[0], 16), np.uint8)
    for number in asking(space):
        mine = np.flatnonzero(source == number)
        at = pl.Series(mine)
        if mine.size:
            found[mine] = decision_ids(space, Path(out), number, rank[mine], ids.gather(at))
        page = np.frombuffer(_page(ids.gather(at), told[mine]), np.uint8)
        write_arrays(_page_file(space, piece, number), page=page)
    names = [s.name for s in space.sources]
    codes, distinct = _coded(told["result"])
    table = pa.table(
        {
            "source": coded_text(source, names),
            "record_id": arrow_text(ids),
            "result": coded_text(codes, distinct),
            "findings": told["findings"].to_arrow(),
            "fields": told["fields"].to_arrow(),
            "decision_id": id_array(found),
        }
    )
    write_piece(space.path("verified", f"{piece:05d}.rows.arrays"), tables.VERIFICATIONS.check(table))
    return {"rows_out": table.num_rows}


def _coded(values: pl.Series) -> tuple[np.ndarray, list[str]]:
    """Texts as numbers of the distinct ones, which are sorted."""
    distinct = values.unique().sort()
    return distinct.search_sorted(values).to_numpy().astype(np.int64), distinct.to_list()


def _page_file(space: Workspace, piece: int, source: int) -> Path:
    return space.path("verified", f"{piece:05d}.{source:02d}.page.arrays")


def publish_verifications(work: str, out: str, pieces: int) -> dict[str, Any]:
    """``verifications.parquet``, and ``verifications/<source>.csv`` of every source that asks for it."""
    space = Workspace.open(work)
    to = Path(out) / "verifications.parquet"
    if not pieces:
        none = {name: pa.array([], c.type) for name, c in tables.VERIFICATIONS.columns.items()}
        entry = write_parquet(to, tables.VERIFICATIONS.check(pa.table(none)))
    else:
        entry = join_pieces(to, [space.path("verified", f"{p:05d}.rows.arrays") for p in range(pieces)])
    for number in asking(space):
        folder = make_folder(Path(out) / "verifications")
        with aside(folder / f"{space.sources[number].name}.csv") as stream:
            stream.write(b"\xef\xbb\xbf" + (",".join(_PAGE) + "\r\n").encode())
            for piece in range(pieces):
                stream.write(open_arrays(_page_file(space, piece, number))["page"].data)
    return {"rows_out": entry.rows}


def _page(ids: pl.Series, told: pl.DataFrame) -> bytes:
    """Verifications of one source for a spreadsheet, without the heading.

    A key that a spreadsheet would run gets an apostrophe in front.
    """
    distinct = told["findings"].unique(maintain_order=True).to_list()
    said = pl.DataFrame(
        {
            "findings": distinct,
            "vi": [" ".join(texts(codes, "vi")) for codes in distinct],
            "en": [" ".join(texts(codes, "en")) for codes in distinct],
        },
        schema={"findings": told.schema["findings"], "vi": pl.String, "en": pl.String},
    )
    page = (
        told.with_columns(record_id=ids.cast(pl.String))
        .join(said, on="findings", how="left", maintain_order="left")
        .select(
            escape(pl.col("record_id")),
            "result",
            pl.col("findings").list.join(" "),
            pl.col("fields").list.join(" "),
            "vi",
            "en",
        )
    )
    return page.write_csv(include_header=False, line_terminator="\r\n").encode()
