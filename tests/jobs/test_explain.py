from __future__ import annotations

from pathlib import Path

import polars as pl
import pyarrow as pa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobs import readers
from jobs.explain import explain_lost, read_some
from jobs.workspace import Workspace
from linkage.contract import Contract, Field

ids = st.sampled_from(["1", "2", "3", "4", ""])


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(held=st.lists(st.lists(ids, max_size=5), min_size=1, max_size=3), wanted=st.sets(ids))
def test_read_some__takes_of_a_source_what_intake_accepts_of_these_ids(
    tmp_path: Path, held: list[list[str]], wanted: set[str]
) -> None:
    """Ids that come again stand in one file or in several; some rows have none."""
    agreed = Contract(schema=1, key="K", fields=(Field(column="A", standard="a"),))
    files = []
    for number, keys in enumerate(held):
        files.append(tmp_path / f"{number}.csv")
        rows = [f"{key},text {number} {row}" for row, key in enumerate(keys)]
        files[-1].write_text("\n".join(["K,A", *rows]) + "\n")
    whole = pa.concat_tables([part.records for part in readers.read_source(files, agreed)])
    want = [row for row in whole.to_pylist() if row["record_id"] in wanted]
    assert read_some(files, agreed, pa.array(sorted(wanted), pa.large_string())).to_pylist() == want


def test_explain_lost__pairs_of_unknown_records_are_lost_in_blocking(
    kept: Workspace, kept_nation: Path
) -> None:
    """Where no record of any pair is in the project's files, there was nothing to take keys from."""
    run, project = kept.work.parent, kept_nation / "project.toml"
    strange = pl.DataFrame({"source": ["tax", "none"], "record_id": ["?", "?"], "person_id": ["?", "??"]})
    assert explain_lost(run, project, strange)["stage"].to_list() == ["blocking", "blocking"]
    register = pl.read_parquet(kept_nation / "truth" / "entities.parquet")
    register = register.with_columns(pl.col(pl.Categorical).cast(pl.String))
    named = pl.col("source") == "register"
    true = register.filter(~named).join(register.filter(named), on="true_person_id").head(40)
    true = true.select("source", "record_id", person_id="record_id_right")
    alone = explain_lost(run, project, true)["stage"].to_list()
    assert "floor" in alone
    assert (
        explain_lost(run, project, pl.concat([strange, true]))["stage"].to_list() == ["blocking"] * 2 + alone
    )
