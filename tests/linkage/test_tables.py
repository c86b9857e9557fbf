from __future__ import annotations

import pyarrow as pa
import pytest

from linkage.errors import IntegrityError
from linkage.tables import ARTEFACTS, ENTITIES, TEXT, Column, Table

SMALL = Table(
    "small",
    "one thing",
    {"name": Column(TEXT, "Its name."), "size": Column(pa.float64(), "How large.", null=True)},
    ("name",),
)
OPEN = Table("open", "one thing", SMALL.columns, ("name",), open=True)


def test_check__puts_columns_in_order_with_the_declared_types() -> None:
    given = pa.table(
        {"size": pa.array([1, None], pa.int32()), "name": pa.array(["a", "b"]).dictionary_encode()}
    )
    checked = SMALL.check(given)
    assert checked.column_names == ["name", "size"]
    assert checked.column("size").type == pa.float64()
    assert checked.to_pylist() == [{"name": "a", "size": 1.0}, {"name": "b", "size": None}]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"name": ["a"]}, "has no column 'size'"),
        ({"name": ["a"], "size": [1.0], "colour": ["red"]}, "undeclared column 'colour'"),
        ({"name": ["a", None, None], "size": [1.0, 2.0, 3.0]}, "has 2 empty values in 'name'"),
    ],
)
def test_check__refuses_what_is_not_declared(given: dict[str, list[object]], words: str) -> None:
    with pytest.raises(IntegrityError, match=words) as caught:
        SMALL.check(pa.table(given))
    assert caught.value.code == "E-INTEGRITY-003"
    assert caught.value.exit_code == 6


def test_check__of_an_open_table_keeps_further_columns_as_text() -> None:
    checked = OPEN.check(pa.table({"colour": ["red"], "size": [1.0], "name": ["a"]}))
    assert checked.column_names == ["name", "size", "colour"]
    assert checked.column("colour").type == TEXT


def test_check__keeps_ids_of_sixteen_bytes() -> None:
    ids = pa.array([bytes(range(16))], pa.binary(16))
    given = pa.table({"source": ["tax"], "record_id": ["1"], "entity_id": ids})
    assert ENTITIES.check(given).column("entity_id").to_pylist() == [bytes(range(16))]


def test_artefacts__are_documented_and_sorted_by_their_own_columns() -> None:
    for name, table in ARTEFACTS.items():
        assert table.name == name
        assert set(table.sorted_by) <= set(table.columns)
        assert table.row
        assert all(column.meaning.endswith(".") for column in table.columns.values()), name
