from __future__ import annotations

from pathlib import Path

import pyarrow as pa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobs import readers
from jobs.explain import read_some
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
