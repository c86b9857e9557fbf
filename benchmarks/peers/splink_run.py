"""Splink 5 on DuckDB, from the Parquet files to links, in a process of its own and an environment of its own.

    python splink_run.py FILES OUT [--threads 2] [--memory 18GB] [--max-pairs 1e8] [--model FILE]

Imports nothing of the project. The settings follow Splink's own guides, named where they are used; the six
blocking rules are those of ``project.toml`` beside this file. Writes ``links.parquet`` (record_id, person_id,
probability) and ``figures.json`` (seconds by phase, pairs scored, versions) into ``OUT``.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

import duckdb
import splink.comparison_level_library as cll
import splink.comparison_library as cl
from splink import DuckDBAPI, Linker, SettingsCreator, block_on

#: What links, after the threshold of Splink's tutorials.
THRESHOLD = 0.95
#: Pairs of one session of expectation maximisation, "to cap how much data each EM training session uses"
#: (Scaling up to large datasets); at a million people none reaches it.
EM_PAIRS = 1e7

#: The same forms that the blocking rules of the project file name. ``strip_accents`` takes marks from
#: letters; the bar of đ is no mark. Derived columns are made beforehand, as the guide to feature engineering
#: says.
PREPARE = """
create table {name} as
with folded as (
  select *, replace(strip_accents(lower(trim(full_name))), 'đ', 'd') as name_ascii from read_parquet('{file}')
)
select
  record_id as unique_id, '{name}' as source_dataset, number, lower(full_name) as full_name, name_ascii,
  split_part(name_ascii, ' ', -1) as given, split_part(name_ascii, ' ', 1) as surname,
  case when length(birth_date) = 10 then birth_date end as birth_date,
  left(birth_date, 4) as birth_year,
  case when length(birth_date) = 10 then right(birth_date, 5) end as birth_day_month,
  sex, commune, province, phone
from folded
"""

#: number, given_birth, name_day, birth_commune, phone_given, name_year.
RULES = (
    ("number",),
    ("given", "birth_date"),
    ("name_ascii", "birth_day_month"),
    ("birth_date", "sex", "commune"),
    ("phone", "given"),
    ("name_ascii", "birth_year"),
)


def _hoisted(function: str, column: str, impossible: int) -> cll.CustomLevel:
    """The null level that makes DuckDB compute a similarity once a pair ("Optimising DuckDB jobs")."""
    return cll.CustomLevel(
        f"{function}({column}_l, {column}_r) = {impossible} or {column}_l is null or {column}_r is null",
        label_for_charts=f"{column} is null",
    ).configure(is_null_level=True)


def _number() -> cl.CustomComparison:
    return cl.CustomComparison(
        output_column_name="number",
        comparison_levels=[
            _hoisted("levenshtein", "number", -100),
            cll.ExactMatchLevel("number"),
            cll.LevenshteinLevel("number", 1),
            cll.LevenshteinLevel("number", 2),
            cll.ElseLevel(),
        ],
    )


def _name() -> cl.CustomComparison:
    """The full name first, with its frequency, then the like of ``NameComparison`` without diacritics."""
    return cl.CustomComparison(
        output_column_name="full_name",
        comparison_levels=[
            _hoisted("jaro_winkler_similarity", "name_ascii", -100),
            cll.ExactMatchLevel("full_name").configure(tf_adjustment_column="full_name"),
            cll.ExactMatchLevel("name_ascii").configure(tf_adjustment_column="name_ascii"),
            cll.JaroWinklerLevel("name_ascii", 0.92),
            cll.JaroWinklerLevel("name_ascii", 0.88),
            cll.And(cll.ExactMatchLevel("given"), cll.ExactMatchLevel("surname")),
            cll.ExactMatchLevel("given").configure(tf_adjustment_column="given"),
            cll.ElseLevel(),
        ],
    )


def _birth() -> cl.CustomComparison:
    """As ``DateOfBirthComparison``, and a level for records that hold the year alone."""
    return cl.CustomComparison(
        output_column_name="birth_date",
        comparison_levels=[
            cll.NullLevel("birth_year"),
            cll.ExactMatchLevel("birth_date"),
            cll.LevenshteinLevel("birth_date", 1),
            cll.ExactMatchLevel("birth_year"),
            cll.ElseLevel(),
        ],
    )


def settings() -> SettingsCreator:
    """The model before training."""
    return SettingsCreator(
        link_type="link_only",
        comparisons=[
            _number(),
            _name(),
            _birth(),
            cl.ExactMatch("sex"),
            cl.CustomComparison(
                output_column_name="commune",
                comparison_levels=[
                    cll.NullLevel("commune"),
                    cll.ExactMatchLevel("commune").configure(tf_adjustment_column="commune"),
                    cll.ExactMatchLevel("province").configure(tf_adjustment_column="province"),
                    cll.ElseLevel(),
                ],
            ),
            cl.ExactMatch("phone"),
        ],
        blocking_rules_to_generate_predictions=[block_on(*columns) for columns in RULES],
        retain_matching_columns=False,
        retain_intermediate_calculation_columns=False,
    )


class Clock:
    """Seconds by phase."""

    def __init__(self) -> None:
        self.phases: dict[str, float] = {}

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        began = time.perf_counter()
        yield
        self.phases[name] = round(self.phases.get(name, 0.0) + time.perf_counter() - began, 3)


def train(linker: Linker, max_pairs: float, clock: Clock) -> None:
    """Prior, u and m, in the order of "Training rationale"."""
    with clock.phase("prior"):
        linker.training.estimate_probability_two_random_records_match(
            [block_on("number", "birth_year"), block_on("name_ascii", "birth_date", "commune")], recall=0.95
        )
    with clock.phase("u"):
        # "For a final model we recommend 1e8 or even 1e9" (Scaling up to large datasets).
        linker.training.estimate_u_using_random_sampling(max_pairs=max_pairs)
    with clock.phase("em"):
        # Each session switches off the comparisons of its own columns; every one is on in one to three.
        for columns in (("number",), ("birth_date", "commune"), ("name_ascii", "birth_year")):
            linker.training.estimate_parameters_using_expectation_maximisation(
                block_on(*columns), estimate_without_term_frequencies=True, max_pairs=EM_PAIRS
            )


def link(
    con: duckdb.DuckDBPyConnection, files: Path, out: Path, max_pairs: float, model: Path | None, clock: Clock
) -> int:
    """Prepare, train unless there is a model, predict, cluster, and write the links; pairs scored."""
    with clock.phase("prepare"):
        for name in ("register", "extract"):
            con.execute(PREPARE.format(name=name, file=files / f"{name}.parquet"))
        api = DuckDBAPI(connection=con)
        tables = [api.register(name, dataset_display_name=name) for name in ("register", "extract")]
        linker = Linker(tables, settings() if model is None else str(model), log_level=None)
    if model is None:
        train(linker, max_pairs, clock)
    with clock.phase("block"):
        blocked = linker.inference.compute_blocked_pairs_for_predict()
        pairs = con.table(blocked.physical_name).count("*").fetchall()[0][0]
    with clock.phase("predict"):
        predictions = linker.inference.predict(threshold_match_probability=0.5)
    with clock.phase("cluster"):
        clusters = linker.clustering.cluster_pairwise_predictions_at_threshold(
            predictions, threshold_match_probability=THRESHOLD
        )
        con.execute(LINKS.format(clusters=clusters.physical_name, out=out / "links.parquet"))
    con.execute(PAIRS.format(predictions=predictions.physical_name, out=out / "predicted.parquet"))
    linker.misc.save_model_to_json(str(out / "model.json"), overwrite=True)
    return int(pairs)


LINKS = """
copy (
  select e.unique_id as record_id, r.unique_id as person_id
  from (select * from {clusters} where source_dataset = 'extract') e
  join (select * from {clusters} where source_dataset = 'register') r using (cluster_id)
) to '{out}' (format parquet)
"""

#: Beside the links, outside of the phases: what judges other thresholds.
PAIRS = """
copy (
  select
    case when source_dataset_l = 'extract' then unique_id_l else unique_id_r end as record_id,
    case when source_dataset_l = 'extract' then unique_id_r else unique_id_l end as person_id,
    match_probability as probability
  from {predictions}
) to '{out}' (format parquet)
"""


def main() -> None:
    """Run it once."""
    began = time.perf_counter()
    parser = argparse.ArgumentParser(description="Splink on DuckDB, once.")
    parser.add_argument("files", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--memory", default="", help="DuckDB's memory_limit; its own is 80%% of the RAM")
    parser.add_argument("--max-pairs", type=float, default=1e8, help="random pairs for u")
    parser.add_argument("--model", type=Path, help="model.json of an earlier run, instead of training")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    # "Use an in-memory connection" (Optimising DuckDB jobs); it spills into the folder when it must.
    con = duckdb.connect(":memory:")
    con.execute(f"set threads = {given.threads}")
    con.execute("set preserve_insertion_order = false")
    con.execute(f"set temp_directory = '{given.out / 'spill'}'")
    if given.memory:
        con.execute(f"set memory_limit = '{given.memory}'")
    clock = Clock()
    pairs = link(con, given.files, given.out, given.max_pairs, given.model, clock)
    figures = {
        "phases": clock.phases,
        "pairs": pairs,
        "seconds": round(time.perf_counter() - began, 3),
        "versions": {name: version(name) for name in ("splink", "duckdb")},
    }
    (given.out / "figures.json").write_text(json.dumps(figures), encoding="utf-8")


if __name__ == "__main__":
    main()
