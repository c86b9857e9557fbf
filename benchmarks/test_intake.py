"""A million rows: a CSV extract read, checked and standardised; and the forms that are unpacked first.

The extract is the social insurance's of a nation of a million and a half people; what is timed is what a
run's tasks do, on two threads, without writing their results.
"""

from __future__ import annotations

import csv
import gzip
import itertools
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa
import pyarrow.csv as pacsv
import pytest
from msgspec.structs import replace

from data import reference
from data.generator.encodings import encode
from jobs.project import load_project
from jobs.readers import find_repeats, intake_part, plan_parts
from linkage.packs import pack_of
from linkage.plan import brought_kinds
from linkage.standardise import standardise

PEOPLE = 1_460_000
ROWS = 1_000_000
THREADS, PARTS = 2, 4


@pytest.fixture(scope="module")
def extract(nation_of, tmp_path_factory):
    """The first million rows of the insurance extract as a plain file, its contract, and the project."""
    loaded = load_project(nation_of(PEOPLE) / "project.toml")
    contract = loaded.contracts["insurance"]
    path = tmp_path_factory.mktemp("extract") / "insurance.csv"
    with loaded.files["insurance"][0].path.open("rb") as whole:
        path.write_bytes(b"".join(itertools.islice(whole, ROWS + 1)))
    rows = path.read_bytes().count(b"\n") - 1
    assert rows == ROWS
    return path, contract, loaded


def read(path, contract, folder):
    """Parts of the file as records and rejects, repeated keys looked for."""
    with ThreadPoolExecutor(THREADS) as pool:
        intakes = list(
            pool.map(lambda s: intake_part(s, contract), plan_parts([path], contract, PARTS, spool=folder))
        )
    assert find_repeats(intakes, contract).num_rows == 0
    return intakes


def check(intakes, path=None):
    assert sum(i.rows_in for i in intakes) == ROWS
    assert sum(i.records.num_rows for i in intakes) == ROWS
    if path is not None:
        text = sum(i.text["whole"].bytes for i in intakes)
        assert 0 < path.stat().st_size - text < 1000


@pytest.mark.benchmark(group="intake")
@pytest.mark.slow
def test_read__a_million_rows(benchmark, compiled, extract, tmp_path):
    path, contract, _ = extract
    check(benchmark.pedantic(read, (path, contract, tmp_path), rounds=3, warmup_rounds=1), path)
    benchmark.extra_info["rows/s"] = round(ROWS / benchmark.stats.stats.min)


@pytest.mark.benchmark(group="intake")
@pytest.mark.slow
def test_read_and_standardise__a_million_rows(benchmark, compiled, extract, tmp_path):
    path, contract, loaded = extract
    kinds = brought_kinds(loaded.project, loaded.contracts.values())
    source = next(s for s in loaded.project.sources if s.name == "insurance")
    tables = ("provinces", "communes_before", "communes_after", "commune_changes")
    pack = pack_of(("vietnam",), {name: getattr(reference, name)() for name in tables})

    def whole():
        def one(spec):
            taken = intake_part(spec, contract)
            return taken, standardise(
                taken.records, contract, kinds, source.name, source.extract_date, pack, 1
            )

        with ThreadPoolExecutor(THREADS) as pool:
            done = list(pool.map(one, plan_parts([path], contract, PARTS)))
        find_repeats([taken for taken, _ in done], contract)
        return done

    done = benchmark.pedantic(whole, rounds=3, warmup_rounds=1)
    check([taken for taken, _ in done], path)
    assert sum(part.order.size for _, part in done) == ROWS
    benchmark.extra_info["rows/s"] = round(ROWS / benchmark.stats.stats.min)


@pytest.mark.benchmark(group="intake")
@pytest.mark.slow
@pytest.mark.parametrize("form", ["gzip", "zstd", "utf-16", "tcvn3", "vni"])
def test_read__a_million_rows_unpacked_or_decoded_first(benchmark, compiled, extract, tmp_path, form):
    path, contract, _ = extract
    data = path.read_bytes()
    if form == "gzip":
        data = gzip.compress(data, 6)
    elif form == "zstd":
        data = pa.compress(data, "zstd", asbytes=True)
    else:
        data = encode(data.decode(), form)
    other = tmp_path / "other.csv"
    other.write_bytes(b"\xff\xfe" + data if form == "utf-16" else data)
    given = replace(contract, encoding="auto")
    folders = itertools.count()

    def fresh():
        return (other, given, tmp_path / f"spool{next(folders)}"), {}

    intakes = benchmark.pedantic(read, setup=fresh, rounds=2)
    check(intakes)
    first = read(path, contract, tmp_path)[0].records
    got = intakes[0].records
    assert got.column("record_id")[:100].to_pylist() == first.column("record_id")[:100].to_pylist()
    names = [t.column("full_name")[:1000].to_pylist() for t in (got, first)]
    if form == "tcvn3":
        names = [[n and n.lower() for n in column] for column in names]
    if form in ("gzip", "zstd", "utf-16"):
        assert names[0] == names[1]
    benchmark.extra_info["rows/s"] = round(ROWS / benchmark.stats.stats.min)


@pytest.mark.benchmark(group="intake")
@pytest.mark.slow
@pytest.mark.parametrize("peer", ["pyarrow", "csv module"])
def test_read__a_million_rows_by_others(benchmark, extract, peer):
    """What others take who accept whatever comes: text columns, no balance, no rejects."""
    path, contract, _ = extract

    def by_pyarrow():
        types = dict.fromkeys(contract.columns(), pa.large_string())
        return pacsv.read_csv(path, convert_options=pacsv.ConvertOptions(column_types=types)).num_rows

    def by_module():
        with path.open(newline="", encoding="utf-8") as stream:
            return sum(1 for _ in csv.DictReader(stream))

    assert benchmark.pedantic(by_pyarrow if peer == "pyarrow" else by_module, rounds=2) == ROWS
    benchmark.extra_info["rows/s"] = round(ROWS / benchmark.stats.stats.min)
