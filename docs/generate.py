# ruff: noqa: INP001 - a script beside the pages it fills
"""Fills the tables of the pages that are made from code: ``python docs/generate.py``.

In a page, what stands between ``<!-- from code: NAME -->`` and ``<!-- end -->`` is one of :data:`SECTIONS`;
the rest is written by hand. A test compares.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pyarrow as pa

DOCS = Path(__file__).resolve().parent
sys.path.insert(0, str(DOCS.parent))

from jobs.metrics import METRICS  # noqa: E402
from linkage import tables  # noqa: E402 - the checkout's own code, wherever this is called from
from linkage.basis import BASIS  # noqa: E402
from linkage.evidence import EVIDENCE  # noqa: E402
from linkage.gates import NAMES as GATES  # noqa: E402
from linkage.ingest import REASONS as REJECTED  # noqa: E402
from linkage.queries import QUERIES  # noqa: E402
from linkage.reasons import REASONS  # noqa: E402
from linkage.receipt import REFUSALS  # noqa: E402
from linkage.scorecard import MEASURES  # noqa: E402
from linkage.verify import RESULTS  # noqa: E402
from linkage.vietnam.defaults import DEFAULTS  # noqa: E402

SECTION = re.compile(r"<!-- from code: ([\w ]+) -->\n.*?<!-- end -->", re.DOTALL)


def rows(head: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *body]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def type_name(kind: pa.DataType) -> str:
    """An Arrow type in the words of a reader."""
    if kind == tables.ID:
        return "16 bytes"
    if kind == tables.REASONS:
        return "list of text"
    if pa.types.is_large_string(kind) or pa.types.is_string(kind):
        return "text"
    if pa.types.is_boolean(kind):
        return "true or false"
    return {"double": "float64", "float": "float32"}.get(str(kind), str(kind))


def table(declared: tables.Table) -> str:
    """What a row of a published table is, and its columns."""
    body = [
        (f"`{name}`", type_name(column.type) + (", or nothing" if column.null else ""), column.meaning)
        for name, column in declared.columns.items()
    ]
    order = ", ".join(f"`{name}`" for name in declared.sorted_by)
    return f"A row is {declared.row}. Sorted by {order}.\n\n" + rows(("column", "type", "meaning"), body)


def metrics() -> str:
    """Every metric, its labels, and what it is."""
    body = [
        (f"`{name}`", ", ".join(f"`{one}`" for one in labels), told)
        for name, (labels, told) in METRICS.items()
    ]
    return rows(("metric", "labels", "meaning"), body)


SECTIONS: dict[str, Callable[[], str]] = {
    "metrics": metrics,
    "tables": lambda: rows(
        ("file", "a row is"),
        [
            (f"[`{t.name}.parquet`](#{t.name}parquet)", t.row.partition(";")[0])
            for t in tables.ARTEFACTS.values()
        ],
    ),
    **{
        f"table {name}": (lambda declared=declared: table(declared))
        for name, declared in tables.ARTEFACTS.items()
    },
    "rejects": lambda: rows(("code", "meaning"), [(f"`{code}`", text) for code, text in REJECTED.items()]),
    "reasons": lambda: rows(
        ("code", "English", "Tiếng Việt"), [(f"`{code}`", *texts) for code, texts in REASONS.items()]
    ),
    "queries": lambda: rows(
        ("code", "English", "Tiếng Việt"), [(f"`{code}`", *texts) for code, texts in QUERIES.items()]
    ),
    "basis": lambda: rows(
        ("code", "English", "Tiếng Việt"), [(f"`{code}`", *texts) for code, texts in BASIS.items()]
    ),
    "evidence": lambda: rows(
        ("code", "English", "Tiếng Việt"), [(f"`{code}`", *texts) for code, texts in EVIDENCE.items()]
    ),
    "results": lambda: rows(
        ("code", "English", "Tiếng Việt"), [(f"`{code}`", *texts) for code, texts in RESULTS.items()]
    ),
    "gates": lambda: rows(("gate", "figure"), [(f"`{name}`", text) for name, text in GATES.items()]),
    "refusals": lambda: rows(
        ("code", "English", "Tiếng Việt"), [(f"`{code}`", *texts) for code, texts in REFUSALS.items()]
    ),
    "measures": lambda: rows(
        ("aim", "measure", "of a", "counts", "nghĩa là"),
        [
            (m.aim, f"`{name}`", "field" if m.of_field else "record", *m.definition)
            for name, m in MEASURES.items()
        ],
    ),
    "defaults": lambda: f"```toml\n{DEFAULTS.strip()}\n```",
}


def filled(page: str) -> str:
    """The page with its sections as the code has them now; KeyError for a section there is none of."""
    return SECTION.sub(lambda m: f"<!-- from code: {m[1]} -->\n{SECTIONS[m[1]]()}\n<!-- end -->", page)


if __name__ == "__main__":
    for path in sorted(DOCS.glob("*.md")):
        before = path.read_text(encoding="utf-8")
        after = filled(before)
        if after != before:
            path.write_text(after, encoding="utf-8")
