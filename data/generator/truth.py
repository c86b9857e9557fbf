"""What was planted: one table of who each record is, one of every error, one of true values and their
history.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from data.generator import dates
from data.generator.columns import constant

ENTITIES = pa.schema([("source", pa.string()), ("record_id", pa.string()), ("true_person_id", pa.string())])
ERRORS = pa.schema(
    [
        ("source", pa.string()),
        ("record_id", pa.string()),
        ("field", pa.string()),
        ("error", pa.string()),
        ("held", pa.string()),
        ("true_value", pa.string()),
    ]
)
FIELDS = pa.schema(
    [
        ("true_person_id", pa.string()),
        ("field", pa.string()),
        ("value", pa.string()),
        ("valid_from", pa.date32()),
    ]
)


@dataclass
class SourceErrors:
    """The errors of one source of one chunk, as they are planted."""

    source: str
    record_id: pa.Array  # by row of the source
    person: NDArray[np.int64]  # of the chunk, by row of the source
    tables: list[pa.Table] = field(default_factory=list)
    touched: dict[str, list[NDArray[np.int64]]] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)

    def plant(
        self,
        rows: NDArray[np.integer],
        name: str,
        error: str | pa.Array,
        held: pa.Array | None,
        true_value: pa.Array | None,
    ) -> None:
        """One error in each of ``rows``; ``held`` and ``true_value`` by entry of ``rows``, None for null."""
        count = len(rows)
        if count == 0:
            return
        errors = constant(error, count) if isinstance(error, str) else error
        self.tables.append(
            pa.table(
                [
                    constant(self.source, count),
                    self.record_id.take(pa.array(rows)),
                    constant(name, count),
                    errors,
                    constant(None, count) if held is None else held,
                    constant(None, count) if true_value is None else true_value,
                ],
                schema=ERRORS,
            )
        )
        self.touched.setdefault(name, []).append(self.person[rows])
        if isinstance(error, str):
            self._count(name, error, count)
        else:
            for entry in pc.value_counts(error).to_pylist():
                self._count(name, entry["values"], entry["counts"])

    def plant_strangers(self, record_id: pa.Array) -> None:
        """Records of people who are no persons of the chunk: each is unregistered."""
        count = len(record_id)
        nothing = constant(None, count)
        self.tables.append(
            pa.table(
                [constant(self.source, count), record_id, constant("record", count),
                 constant("unregistered", count), record_id, nothing],
                schema=ERRORS,
            )
        )  # fmt: skip
        self._count("record", "unregistered", count)

    def _count(self, name: str, error: str, count: int) -> None:
        key = f"{name}.{error}"
        self.counts[key] = self.counts.get(key, 0) + count


def history(
    person_id: pa.Array,
    name: str,
    persons: NDArray[np.integer],
    value: pa.Array,
    valid_from: NDArray[np.int32] | None,
) -> pa.Table:
    """Values of one field of some persons; ``valid_from`` by person as date codes, None where it is not
    known.
    """
    count = len(persons)
    since = pa.nulls(count, pa.date32()) if valid_from is None else dates.arrow(valid_from)
    return pa.table([person_id.take(pa.array(persons)), constant(name, count), value, since], schema=FIELDS)
