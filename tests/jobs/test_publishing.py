"""Published artefacts of a small nation against the decisions, row by row; and the same whatever the cut."""

from __future__ import annotations

import importlib
import json
import shutil
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.generator import generate
from jobs import correction, ordering, publishing, tasks_artefacts, tasks_resolve, tasks_review
from jobs.ordering import order_records
from jobs.publishing import publish_run, rounds
from jobs.resolving import resolve_run
from jobs.run import run_project
from jobs.store import read_arrays, read_parquet
from jobs.tasks_decide import load_decided
from jobs.tasks_publish import PAIRS_KEPT
from jobs.workspace import Workspace
from linkage import tables
from linkage.artefacts import content_ids, joined
from linkage.decisions import DECISIONS, SETTLED
from linkage.model import STEP
from linkage.reasons import BIT
from tests.table_digests import logical_digest

ARTEFACTS = (
    "entities", "decisions", "pairs", "links", "subgroups", "duplicates", "review", "repairs", "queries",
    "answers_refused", "refinement",
)  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("publishing")
    generate(folder / "nation", 900, seed=11)
    run_project(folder / "nation" / "project.toml", folder / "run", parts=3, keep_work=True)
    yield folder / "run"
    Workspace.open.cache_clear()


@pytest.fixture(scope="module")
def space(run):
    return Workspace.open(str(run / "work"))


def read(path: Path) -> pl.DataFrame:
    return pl.read_parquet(path).with_columns(pl.col(pl.Categorical).cast(pl.String))


class Here:
    """Runs tasks where it stands, with results as a stage gives them."""

    def __init__(self, work: Path) -> None:
        self.work = work
        self.calls: list[tuple[str, list]] = []

    def tasks(self, _stage, calls, rows=None, memory=0):
        found = []
        self.calls += [(name.rpartition(":")[2], list(arguments)) for name, arguments in calls]
        for name, arguments in calls:
            module, _, function = name.partition(":")
            task = getattr(importlib.import_module(module), function)
            found.append(json.loads(json.dumps(task(*arguments))))
        return found

    def free(self, *patterns):
        pass

    def drop(self, *patterns):
        for pattern in patterns:
            for path in self.work.glob(pattern):
                shutil.rmtree(path) if path.is_dir() else path.unlink()


@pytest.mark.parametrize("name", ARTEFACTS)
def test_artefact__has_its_columns_and_stands_in_its_order(run, name):
    held, table = read(run / f"{name}.parquet"), tables.ARTEFACTS[name]
    assert held.columns[: len(table.columns)] == list(table.columns)
    assert held.equals(held.sort(*table.sorted_by, maintain_order=True))
    for column, kind in table.columns.items():
        assert kind.null or not held[column].null_count()


def test_decisions__say_what_was_decided(run, space):
    ids, first = space.ids[:].to_list(), space.layout["n_register"]
    names = [s.name for s in space.sources]
    source = np.asarray(space.coded.source)
    rules = [r.name for r in space.rules]
    rows = read(run / "decisions.parquet").iter_rows(named=True)
    published = {(r["source"], r["record_id"]): r for r in rows}
    pairs: dict[tuple[str, str], list[dict]] = {}
    for pair in read(run / "pairs.parquet").iter_rows(named=True):
        pairs.setdefault((pair["source_l"], pair["record_id_l"]), []).append(pair)
    assert len(published) == space.layout["rows"] - first
    seen = Counter()
    for start, stop in space.ranges(register=False):
        decided, state = load_decided(space, start, stop)
        scored = decided.scored
        for at, row in enumerate(range(start, stop)):
            told = published[names[source[row]], ids[row]]
            best, person, second = (int(v[at]) for v in (decided.pair, decided.person, decided.runner_up))
            assert told["decision"] == DECISIONS[decided.decision[at]]
            assert told["person_id"] == (ids[person] if person >= 0 else None)
            assert told["runner_up_person_id"] == (ids[second] if second >= 0 else None)
            assert told["probability"] == decided.probability[at]
            assert told["reasons"] == [code for code, bit in BIT.items() if int(decided.reasons[at]) & bit]
            assert told["number_usable"] == bool(state[at])
            assert told["weight"] == (decided.weight[at] / STEP if best >= 0 else None)
            assert told["margin"] == (decided.margin[at] / STEP if second >= 0 else None)
            if best < 0:
                assert (told["rule"], told["pattern"]) == (None, None)
            else:
                rule = int(scored.rule[best])
                assert told["rule"] == ("settled" if rule == SETTLED else rules[rule])
                seen[told["rule"] == "settled"] += 1
                levels = space.programme.levels_of(scored.pattern[best : best + 1])[0]
                parts = zip(space.programme.parts, levels, strict=True)
                assert told["pattern"] == " ".join(f"{p.name}={p.levels[v].name}" for p, v in parts)
            # Its pairs stand best first; of those that are published each is there, and at most five.
            own = np.flatnonzero(scored.left == row)[:PAIRS_KEPT]
            mine = pairs.get((told["source"], told["record_id"]), [])
            offered = {ids[int(scored.right[p])]: int(scored.weight[p]) / STEP for p in own}
            assert {p["record_id_r"]: p["weight"] for p in mine}.items() <= offered.items()
            if told["decision"] == "link":
                best_pair = next(p for p in mine if p["record_id_r"] == told["person_id"])
                assert best_pair["weight"] == told["weight"]
                assert best_pair["probability"] == pytest.approx(float(decided.p_link[at]))
    assert seen[False]


def test_entities__are_named_by_their_person_or_their_first_record(run):
    rows = read(run / "entities.parquet").select("source", "record_id", "entity_id").iter_rows()
    entities = {(source, key): entity for source, key, entity in rows}
    decisions = read(run / "decisions.parquet")

    def hashed(*texts: str) -> bytes:
        return content_ids(joined(*(pl.Series([t]) for t in texts)))[0].tobytes()

    links = read(run / "links.parquet")
    grouped = {
        key
        for row in links.filter(pl.col("reason") == "unknown_person").iter_rows(named=True)
        for key in ((row["source_l"], row["record_id_l"]), (row["source_r"], row["record_id_r"]))
    }
    merged = read(run / "duplicates.parquet")
    gone = set(merged.select("source", "absorbed_record_id").iter_rows())
    for row in decisions.iter_rows(named=True):
        key = (row["source"], row["record_id"])
        assert entities[key] == row["entity_id"]
        if row["decision"] == "link":
            assert row["entity_id"] == hashed("person", row["person_id"])
            assert row["entity_id"] == entities["register", row["person_id"]]
        elif key not in grouped and key not in gone:
            assert row["entity_id"] == hashed("record", *key)
    for row in links.iter_rows(named=True):
        left = entities[row["source_l"], row["record_id_l"]]
        assert row["entity_id"] == left
        if row["reason"] in ("link", "unknown_person"):
            assert row["kept"]
            assert left == entities[row["source_r"], row["record_id_r"]]
        else:
            assert not row["kept"]
    wanted = Counter(decisions.filter(pl.col("decision") == "link")["source"])
    assert Counter(links.filter(pl.col("reason") == "link")["source_l"]) == wanted


def test_artefacts__are_the_same_whatever_the_cut(run, tmp_path, monkeypatch):
    work = tmp_path / "work"
    made_anew = shutil.ignore_patterns("counted", "order", "publish", "resolve", "resolved", "sums")
    shutil.copytree(run / "work", work, ignore=made_anew)
    monkeypatch.setattr(ordering, "PARTITION_ROWS", 150)
    monkeypatch.setattr(ordering, "CHUNK_ROWS", 200)
    monkeypatch.setattr(publishing, "ROUND_ROWS", 1)
    monkeypatch.setattr(tasks_resolve, "PERSON_ROWS", 200)
    monkeypatch.setattr(tasks_resolve, "OPEN_ROWS", 3)
    monkeypatch.setattr(tasks_review, "REVIEW_ROWS", 1)
    space = Workspace.open(str(work))
    out = tmp_path / "out"
    facts = resolve_run(Here(work), space)
    one, other = (read_arrays(place / "resolved" / "resolved.arrays") for place in (work, run / "work"))
    assert all(np.array_equal(one[name], other[name]) for name in other)
    order_records(Here(work), space)
    published = publish_run(Here(work), space, out)
    assert not (work / "publish").exists()
    assert facts["open"] > 6
    assert facts["duplicates"] > 0
    assert published["review_pairs"] == read(run / "review.parquet").height
    for name in ARTEFACTS:
        one, other = read_parquet(run / f"{name}.parquet"), read_parquet(out / f"{name}.parquet")
        by = tables.ARTEFACTS[name].sorted_by
        assert logical_digest(one, by) == logical_digest(other, by), name
        assert read(run / f"{name}.parquet").equals(read(out / f"{name}.parquet")), name
    pages = ["review.csv", "answers_refused.csv", *(f"queries/{s.name}.csv" for s in space.sources)]
    for page in pages:
        assert (run / page).read_bytes() == (out / page).read_bytes()


def test_review__is_what_both_records_submitted_however_many_tasks_make_it(run, tmp_path, monkeypatch):
    """Every linked record is sent to review here: a nation so small has hardly any that is."""
    monkeypatch.setattr(tasks_review, "REVIEW", DECISIONS.index("link"))
    made = []
    whole = tasks_review.SHOWN
    variants = (("one", ordering.CHUNK_ROWS, 1 << 15, whole), ("many", 200, 30, whole), ("short", 200, 30, 9))
    for name, chunk, rows, shown in variants:
        monkeypatch.setattr(ordering, "CHUNK_ROWS", chunk)
        monkeypatch.setattr(tasks_review, "REVIEW_ROWS", rows)
        monkeypatch.setattr(tasks_review, "SHOWN", shown)
        work = tmp_path / name / "work"
        made_anew = shutil.ignore_patterns("counted", "order", "publish", "sums")
        shutil.copytree(run / "work", work, ignore=made_anew)
        stages, space = Here(work), Workspace.open(str(work))
        order_records(stages, space)
        published = publish_run(stages, space, tmp_path / name)
        slices = [arguments for task, (_, *arguments) in stages.calls if task == "encode_review"]
        table = read(tmp_path / name / "review.parquet")
        assert table.height == published["review_pairs"]
        made.append((slices, table, (tmp_path / name / "review.csv").read_bytes()))
    (one, table, page), (many, other, other_page), (_, short, _) = made
    assert len(one) == 1
    assert max(low for _, _, low, _ in many) >= 30  # of a piece of the order more than a task takes
    assert table.equals(other)
    assert page == other_page
    links = read(run / "decisions.parquet").filter(pl.col("decision") == "link")
    pairs = table.select("source_l", "record_id_l", "record_id_r")
    assert set(pairs.iter_rows()) >= set(links.select("source", "record_id", "person_id").iter_rows())
    texts = {}
    space = Workspace.open(str(run / "work"))
    for source, part, _, n in space.layout["parts"]:
        held = pl.DataFrame(space.records(source, part).to_pydict()) if n else pl.DataFrame()
        for row in held.iter_rows(named=True):
            texts[space.sources[source].name, row["record_id"]] = row
    for row in table.iter_rows(named=True):
        for side in ("l", "r"):
            record = texts[row[f"source_{side}"], row[f"record_id_{side}"]]
            for field in space.kinds:
                assert row[f"{field}_{side}"] == record.get(field)
    fields = [f"{field}_{side}" for field in space.kinds for side in ("l", "r")]
    cut = table.with_columns(
        pl.Series(f, [v if v is None or len(v) <= 9 else v[:8] + "…" for v in table[f]], dtype=pl.String)
        for f in fields
    )
    assert short.equals(cut)
    assert not short.equals(table)


class Dropping(Here):
    """Removes what is dropped, and notes what lies there when each round of tasks begins."""

    def __init__(self, work: Path) -> None:
        super().__init__(work)
        self.seen: list[tuple[set[str], set[str]]] = []

    def tasks(self, stage, calls, rows=None, memory=0):
        held = {str(p.relative_to(self.work)) for p in self.work.rglob("*.arrays")}
        self.seen.append(({name.rpartition(":")[2] for name, _ in calls}, held))
        return super().tasks(stage, calls, rows, memory)


def test_publish__drops_the_earlier_stages_once_all_is_gathered(tmp_path, monkeypatch):
    generate(tmp_path / "nation", 400, seed=12)
    run_project(tmp_path / "nation" / "project.toml", tmp_path / "run", parts=3, keep_work=True)
    Workspace.open.cache_clear()
    monkeypatch.setattr(ordering, "CHUNK_ROWS", 200)
    monkeypatch.setattr(publishing, "ROUND_ROWS", 150)
    work = tmp_path / "work"
    shutil.copytree(tmp_path / "run" / "work", work)
    shutil.rmtree(work / "publish")
    shutil.rmtree(work / "order")
    stages, space = Dropping(work), Workspace.open(str(work))
    order_records(stages, space)
    published = publish_run(stages, space, tmp_path / "out")
    for name in ARTEFACTS:
        assert read(tmp_path / "run" / f"{name}.parquet").equals(read(tmp_path / "out" / f"{name}.parquet"))
    agencies = [f"{a:012d}" for a, _ in space.ranges(register=False)]
    gathered = [held for names, held in stages.seen if "gather_range" in names]
    encoded = [held for names, held in stages.seen if "encode_chunk" in names]
    assert len(gathered) > 1
    assert len(encoded) > 1
    kept = [sum(f"judged/{start}.arrays" in held for start in agencies) for held in gathered]
    assert kept[0] == len(agencies) > kept[-1]
    for held in encoded:
        folders = {name.partition("/")[0] for name in held}
        assert not folders & {"columns", "side", "judged", "weighed", "resolved"}
        assert not any(name.endswith(".records.arrays") for name in held)
        assert any(name.endswith(".ids.arrays") for name in held)
    assert [c["paired"] is None for c in published["counted"]] == [
        s.role == "register" for s in space.sources
    ]
    Workspace.open.cache_clear()


def test_publish__stopped_after_the_earlier_stages_are_gone_goes_on(tmp_path, monkeypatch):
    generate(tmp_path / "nation", 400, seed=12)
    project = tmp_path / "nation" / "project.toml"
    project.write_text(project.read_text() + "\n[corrections]\nmake = false\n")
    run_project(project, tmp_path / "whole", parts=3)
    encode, join = tasks_artefacts.encode_chunk, tasks_artefacts.join_artefact

    def stopped(*_):
        raise OSError("stopped")

    for name, task in (("encode_chunk", encode), ("join_artefact", join)):
        monkeypatch.setattr(tasks_artefacts, name, stopped)
        with pytest.raises(OSError, match="stopped"):
            run_project(project, tmp_path / "run", parts=3)
        work = tmp_path / "run" / "work"
        assert not (work / "columns").exists()
        assert not list(work.glob("judged/*.arrays"))
        assert list(work.glob("publish/*.arrays"))
        monkeypatch.setattr(tasks_artefacts, name, task)
    run_project(project, tmp_path / "run", parts=3)
    for path in sorted(p for p in (tmp_path / "whole").rglob("*") if p.suffix in (".parquet", ".csv")):
        assert path.read_bytes() == (tmp_path / "run" / path.relative_to(tmp_path / "whole")).read_bytes()
    one, other = (json.loads((tmp_path / name / "run.json").read_bytes()) for name in ("whole", "run"))
    assert one["gates"] == other["gates"]
    Workspace.open.cache_clear()


class Laid:
    """A layout, and the ranges it is cut in."""

    def __init__(self, register: int, agencies: list[tuple[str, int]], rows: int) -> None:
        self.sources = [SimpleNamespace(name="register"), *(SimpleNamespace(name=n) for n, _ in agencies)]
        parts, at = [], 0
        for source, n in enumerate([register, *(n for _, n in agencies)]):
            parts.append([source, 0, at, n])
            at += n
        self.layout = {"parts": parts, "rows": at, "n_register": register, "range_rows": rows}

    def ranges(self, *, register: bool | None = None) -> list[tuple[int, int]]:
        return Workspace.ranges(self, register=register)  # type: ignore[arg-type]

    def sources_in(self, start: int, stop: int) -> set[int]:
        return {s for s, _, at, n in self.layout["parts"] if n and at < stop and at + n > start}


@settings(deadline=None, max_examples=200)
@given(
    st.integers(0, 60),
    st.lists(st.integers(0, 60), max_size=4),
    st.permutations(["aid", "school", "tax", "zoo"]),
    st.integers(5, 40),
    st.integers(5, 50),
    st.sampled_from([1, 40, 1000]),
)
def test_rounds__drop_nothing_that_a_later_piece_needs(register, sizes, names, rows, chunk, least):
    space = Laid(register, list(zip(names, sizes, strict=False)), rows)
    n = space.layout["rows"]
    by_name = sorted(range(len(space.sources)), key=lambda s: space.sources[s].name)
    order = [s for s in by_name for _ in range(space.layout["parts"][s][3])]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ordering, "CHUNK_ROWS", chunk)
        patch.setattr(publishing, "ROUND_ROWS", least)
        found = rounds(space)
    there = set(space.ranges())
    encoded = []
    for chunks, done in found:
        for number in chunks:
            needed = set(order[number * chunk : (number + 1) * chunk])
            assert {r for r in space.ranges() if space.sources_in(*r) & needed} <= there
            encoded.append(number)
        there -= set(done)
    assert encoded == list(range(max(1, -(-n // chunk))))
    assert not there or not n


@pytest.mark.skipif(
    not Path("/proc/self/maps").exists(), reason="the maps of a process are known on Linux only"
)
def test_publish__has_let_go_of_what_it_dropped_so_that_the_disk_has_the_room(tmp_path, monkeypatch):
    """A file that is removed but mapped takes its room all the same: 14 GB of a nation's columns."""
    generate(tmp_path / "nation", 400, seed=3)
    mapped = []

    def noted(whole):
        def noting(*given):
            lines = Path("/proc/self/maps").read_text().splitlines()
            mapped.append([line for line in lines if str(tmp_path / "run") in line])
            return whole(*given)

        return noting

    monkeypatch.setattr(publishing, "_encode", noted(publishing._encode))
    monkeypatch.setattr(correction, "_joined", noted(correction._joined))
    run_project(tmp_path / "nation" / "project.toml", tmp_path / "run", threads=2)
    assert len(mapped) == 2
    for lines in mapped:
        assert any(".ids.arrays" in line for line in lines)
        assert not [line for line in lines if "/removed/" in line or "(deleted)" in line]
