"""Hot blocks: a value planted in most pairs, a block of everybody, values whose keys collide."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest

from data.generator import generate
from jobs import tasks_heavy
from jobs.run import run_project
from jobs.run_text import run_text
from jobs.workspace import Workspace
from linkage import rules
from linkage.vietnam.defaults import DEFAULTS
from tests.end_to_end.runs import digests, environment

PEOPLE = 2_500
PHONE = "0987316452"

#: Rules in which a planted telephone makes one block, and one in which everybody of a sex stands together.
BLOCKING = (
    DEFAULTS[: DEFAULTS.index("[[comparison]]")]
    .replace('on = ["phone", "full_name.given.ascii"]', 'on = ["phone"]')
    .replace('refine = ["birth_date.year"]', 'refine = ["full_name.given.ascii", "birth_date", "sex"]')
    .replace(
        '[[blocking]]\nname = "family_phone"',
        '[[blocking]]\nname = "everyone"\non = ["sex"]\n'
        'refine = ["birth_date.year", "full_name.given.ascii", "commune.province"]\n\n'
        '[[blocking]]\nname = "hopeless"\non = ["sex"]\nuse = "relatives"\n\n'
        '[[blocking]]\nname = "family_phone"',
    )
)


def planted(nation: Path, share: float) -> tuple[set[str], set[str]]:
    """Give a share of the register and of the insurance one telephone; who they are: persons, records."""
    register = pl.read_parquet(nation / "register.parquet")
    insurance = pl.read_csv(nation / "insurance.csv", infer_schema=False)
    random = np.random.default_rng(5)
    some, other = (random.random(t.height) < share for t in (register, insurance))
    register.with_columns(
        phone=pl.when(pl.Series(some)).then(pl.lit(PHONE)).otherwise("phone")
    ).write_parquet(nation / "register.parquet")
    insurance.with_columns(
        DIEN_THOAI=pl.when(pl.Series(other)).then(pl.lit(PHONE)).otherwise("DIEN_THOAI")
    ).write_csv(nation / "insurance.csv")
    return set(register["person_id"].filter(some)), set(insurance["SO_BHXH"].filter(other))


@pytest.fixture(scope="module")
def nations(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One nation as it is, and the same with one telephone held by half of the people; same rules in both."""
    folder = tmp_path_factory.mktemp("nations")
    out = {}
    for name in ("plain", "hot"):
        generate(folder / name, PEOPLE, seed=17)
        project = folder / name / "project.toml"
        project.write_text(project.read_text() + "\n" + BLOCKING)
        out[name] = folder / name
    planted(out["hot"], 0.5)
    return out


@pytest.fixture(scope="module")
def runs(nations: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The plain nation; the hot one in four partitions, in sixteen, and refined only in its partitions."""
    folder = tmp_path_factory.mktemp("runs")
    run_project(nations["plain"] / "project.toml", folder / "plain", threads=2, keep_work=True)
    model = folder / "plain" / "model.json"
    fold = rules._fold_parts

    def collide(*given: Any) -> np.ndarray:
        """Keys of ten bits: every block holds records of several values."""
        keys = fold(*given)
        return np.where(keys == 0, keys, (keys >> np.uint64(54) << np.uint64(54)) | np.uint64(1))

    for name in ("apart", "collided"):
        with pytest.MonkeyPatch.context() as patch:
            if name == "collided":
                patch.setattr(rules, "_fold_parts", collide)
            run_project(nations["plain"] / "project.toml", folder / name, threads=2, model=model)
        Workspace.open.cache_clear()
    for name, options in {"four": {"parts": 3}, "sixteen": {"parts": 16}, "late": {"parts": 3}}.items():
        with pytest.MonkeyPatch.context() as patch:
            if name == "late":
                patch.setattr(tasks_heavy, "register_sample", lambda n: np.zeros(0, np.int64))
            project = nations["hot"] / "project.toml"
            run_project(project, folder / name, threads=2, keep_work=True, model=model, **options)
        Workspace.open.cache_clear()
    return {path.name: path for path in folder.iterdir()}


def blocking(run: Path) -> dict[str, dict[str, int]]:
    counted: dict[str, dict[str, int]] = json.loads((run / "run.json").read_text())["blocking"]["rules"]
    return counted


def test_planted_value__would_make_nearly_all_pairs_and_is_refined(runs: dict[str, Path]) -> None:
    counted = blocking(runs["four"])
    kinds = ("pairs", "refined_pairs", "given_up_pairs")
    before = {name: sum(rule[k] for k in kinds) for name, rule in counted.items() if name != "everyone"}
    assert counted["phone_given"]["largest"] > PEOPLE / 2
    assert before["phone_given"] > 0.9 * (sum(before.values()) - before["hopeless"] - before["family_phone"])
    plain = sum(rule["pairs"] for rule in blocking(runs["plain"]).values())
    assert sum(rule["pairs"] for rule in counted.values()) < 2 * plain
    # Nothing is lost silently: the pairs of the one block are counted as parted, given up, or compared.
    assert counted["phone_given"]["refined_pairs"] > 0.9 * before["phone_given"]
    assert counted["hopeless"]["given_up_pairs"] > (PEOPLE / 2) ** 2 / 2
    assert counted["everyone"]["largest"] > PEOPLE / 2


def test_heavy_keys__refined_early_or_late_in_few_parts_or_many_leave_the_same(runs: dict[str, Path]) -> None:
    held = Workspace(runs["four"] / "work").heavy
    assert sum(h.keys.size for h in held) > 5
    assert not any(h.keys.size for h in Workspace(runs["late"] / "work").heavy)
    for other in ("sixteen", "late"):
        assert digests(runs["four"]) == digests(runs[other])
        assert pq.read_table(runs["four"] / "refinement.parquet").equals(
            pq.read_table(runs[other] / "refinement.parquet")
        )
        assert blocking(runs["four"]) == blocking(runs[other])


def test_heavy_keys__leave_no_partition_with_a_whole_hot_block(runs: dict[str, Path]) -> None:
    largest = {}
    for name in ("sixteen", "late"):
        space = Workspace(runs[name] / "work" if name == "sixteen" else runs["late"] / "work")
        rule = [r.name for r in space.rules].index("phone_given")
        sizes = [p.stat().st_size for p in (space.work / "blocks").glob(f"{rule:02d}-*.arrays")]
        largest[name] = max(sizes) / sum(sizes)
    assert largest["sixteen"] < 0.2
    assert largest["late"] > 0.4


def test_unaffected_records__keep_their_candidates(nations: dict[str, Path], runs: dict[str, Path]) -> None:
    """Pairs of people who hold another telephone are found and weighed as without the planted one."""
    register = pl.read_parquet(nations["hot"] / "register.parquet")
    insurance = pl.read_csv(nations["hot"] / "insurance.csv", infer_schema=False)
    people = register.filter(pl.col("phone") == PHONE)["person_id"]
    records = insurance.filter(pl.col("DIEN_THOAI") == PHONE)["SO_BHXH"]
    columns = ["source_l", "record_id_l", "record_id_r", "pattern", "weight"]
    pairs = {}
    for name in ("plain", "four"):
        held = pl.read_parquet(runs[name] / "pairs.parquet")
        touched = pl.col("record_id_r").is_in(people.implode()) | (
            (pl.col("source_l") == "insurance") & pl.col("record_id_l").is_in(records.implode())
        )
        hit = held.filter(touched).select("source_l", "record_id_l").unique()
        pairs[name] = held.join(hit, on=["source_l", "record_id_l"], how="anti").select(columns)
    both = pairs["plain"].join(pairs["four"].select(columns[:2]).unique(), on=columns[:2], how="semi")
    again = pairs["four"].join(pairs["plain"].select(columns[:2]).unique(), on=columns[:2], how="semi")
    assert both.height > 500
    assert both.sort(columns).equals(again.sort(columns))


def test_values_whose_keys_collide__are_compared_by_what_they_are(runs: dict[str, Path]) -> None:
    """A key brings records together and decides nothing: who shares one by chance is told apart."""
    apart, collided = (pl.read_parquet(runs[name] / "decisions.parquet") for name in ("apart", "collided"))
    more = [sum(r["pairs"] for r in blocking(runs[name]).values()) for name in ("apart", "collided")]
    assert more[1] > 1.5 * more[0]
    columns = ["source", "record_id", "decision", "person_id"]
    assert apart.select(columns).equals(collided.select(columns))
    linked = pl.col("decision") == "link"
    assert apart.filter(linked)["weight"].equals(collided.filter(linked)["weight"])


def test_run__says_which_rule_was_refined_and_what_was_given_up(runs: dict[str, Path]) -> None:
    run = json.loads((runs["plain"] / "run.json").read_text())
    lost = run["blocking"]["lost_to_refinement"]
    assert 0 <= lost["parted"] <= lost["matches"]
    assert lost["matches"] > 500
    assert lost["links"] == pytest.approx(lost["records"] * lost["parted"] / lost["matches"], abs=0.1)
    # By a given model it is told too, alike for all cuts of a hot nation; the model itself is told nothing.
    again = json.loads((runs["apart"] / "run.json").read_text())
    assert again["blocking"]["lost_to_refinement"] == lost
    assert (runs["apart"] / "model.json").read_bytes() == (runs["plain"] / "model.json").read_bytes()
    run = json.loads((runs["four"] / "run.json").read_text())
    lost = run["blocking"]["lost_to_refinement"]
    assert lost["matches"] > 500
    for name in ("sixteen", "late"):
        assert json.loads((runs[name] / "run.json").read_text())["blocking"]["lost_to_refinement"] == lost
    keys = pl.read_parquet(runs["four"] / "refinement.parquet")
    counted = dict(keys.group_by(pl.col("rule").cast(pl.String)).len().iter_rows())
    assert {n: k for n, k in run["blocking"]["refined_keys"].items() if k} == counted
    rows = [line.split() for line in run_text(run, "here").splitlines()]
    for name, rule in run["blocking"]["rules"].items():
        if counted.get(name):
            told = (counted[name], rule["largest"], rule["refined_pairs"], rule["given_up_pairs"])
            assert [name, *(f"{n:,}" for n in told)] in rows
    assert {"phone_given", "everyone", "hopeless"} <= set(counted)


def test_refinement__names_the_values_and_counts_what_they_cost(
    nations: dict[str, Path], runs: dict[str, Path]
) -> None:
    """Who looks after the data sees which telephone it is, on how many records, and what that parted."""
    path = runs["four"] / "refinement.parquet"
    assert path.stat().st_mode & 0o777 == 0o600
    keys = pl.read_parquet(path)
    register = pl.read_parquet(nations["hot"] / "register.parquet")
    insurance = pl.read_csv(nations["hot"] / "insurance.csv", infer_schema=False)
    held = (register["phone"] == PHONE).sum(), (insurance["DIEN_THOAI"] == PHONE).sum()
    told = {row["rule"]: row for row in keys.filter(pl.col("value") == PHONE).to_dicts()}
    assert set(told) == {"phone_given", "family_phone"}
    assert told["phone_given"]["columns"] == "phone"
    assert told["phone_given"]["register_records"] == told["family_phone"]["register_records"] == held[0]
    assert 0.95 * held[1] < told["phone_given"]["agency_records"] <= held[1]
    assert told["phone_given"]["outcome"] == "refined"
    assert told["family_phone"]["outcome"] == "given_up"
    assert set(keys.filter(pl.col("rule") == "hopeless")["value"]) == {"M", "F"}
    assert keys["value"].null_count() == 0
    pairs = pl.col("register_records") * pl.col("agency_records")
    pairs += pl.col("register_records") * (pl.col("register_records") - 1) // 2
    assert keys.filter(pl.col("pairs") != pairs).is_empty()
    assert keys.filter(pl.col("outcome") == "given_up", pl.col("pairs_given_up") != pairs).is_empty()
    first = {r.name: " | ".join(map(str, r.on)) for r in Workspace(runs["four"] / "work").rules}
    whole = keys.filter(pl.col("columns") == pl.col("rule").cast(pl.String).replace_strict(first))
    lost = dict(
        whole.group_by(pl.col("rule").cast(pl.String)).agg(pl.col("pairs_given_up").sum()).iter_rows()
    )
    for name, rule in blocking(runs["four"]).items():
        assert lost.get(name, 0) == rule["refined_pairs"] + rule["given_up_pairs"]


CHILD = """
import resource, sys
from pathlib import Path
import numpy as np
from jobs.run import run_project
from linkage import rules

fold, manner = rules._fold_parts, sys.argv[3]

def collide(*given):
    keys = fold(*given)
    if manner == "short":
        made = keys >> np.uint64(48) << np.uint64(48)
    else:
        made = np.where(keys % np.uint64(20) == 0, np.uint64(1 << 60), keys)
    return np.where(keys == 0, keys, made | np.uint64(1))

if manner:
    rules._fold_parts = collide
run_project(Path(sys.argv[1]), Path(sys.argv[2]), threads=1)
used = resource.getrusage(resource.RUSAGE_SELF)
print(used.ru_utime + used.ru_stime, used.ru_maxrss)
"""


def used_by(project: Path, out: Path, manner: str = "") -> tuple[float, float]:
    """Processor seconds and peak memory of a run whose kernels are compiled; ``manner``: how keys collide."""
    for turn in ("cold", "warm"):
        ended = subprocess.run(
            [sys.executable, "-c", CHILD, str(project), str(out / turn), manner],
            env=environment(),
            capture_output=True,
            text=True,
            check=True,
        )
    seconds, memory = (float(v) for v in ended.stdout.split()[-2:])
    return seconds, memory


@pytest.mark.slow
def test_planted_value_and_blocks_of_everybody__take_at_most_twice_the_time_and_memory(
    tmp_path: Path,
) -> None:
    """Against the same people without the planted value, by the rules that the product brings."""
    for name in ("plain", "hot"):
        generate(tmp_path / name, 60_000, seed=23)
    planted(tmp_path / "hot", 0.5)
    project = tmp_path / "hot" / "project.toml"
    project.write_text(project.read_text() + "\n" + BLOCKING)
    plain, hot = (used_by(tmp_path / n / "project.toml", tmp_path / f"{n}-runs") for n in ("plain", "hot"))
    largest = blocking(tmp_path / "hot-runs" / "warm")["everyone"]["largest"]
    assert largest > 60_000 / 2
    assert "everyone" not in blocking(tmp_path / "plain-runs" / "warm")
    assert hot[0] < 2 * plain[0]
    assert hot[1] < 2 * plain[1]


@pytest.mark.slow
def test_keys_that_collide__take_at_most_twice_the_time_and_memory(tmp_path: Path) -> None:
    """Keys of sixteen bits, so that blocks hold records of several values; and one key that a twentieth of
    all values of every rule have, as if somebody had known the secret.
    """
    generate(tmp_path / "nation", 60_000, seed=29)
    project = tmp_path / "nation" / "project.toml"
    manners = {"apart": "", "short": "short", "one": "one"}
    used = {name: used_by(project, tmp_path / name, manner) for name, manner in manners.items()}
    counted = {name: blocking(tmp_path / name / "warm").values() for name in manners}
    pairs = {name: sum(rule["pairs"] for rule in own) for name, own in counted.items()}
    largest = {name: max(rule["largest"] for rule in own) for name, own in counted.items()}
    assert pairs["short"] > 1.5 * pairs["apart"]
    assert largest["one"] > 100 * largest["apart"]
    for name in ("short", "one"):
        assert used[name][0] < 2 * used["apart"][0]
        assert used[name][1] < 2 * used["apart"][1]
