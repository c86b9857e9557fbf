"""How right links are: ``record_id`` of the extract, ``person_id`` of the register, against the truth."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import polars as pl


@dataclass(frozen=True)
class Score:
    """Counts of what was linked.

    ``links`` pairs said to be one person, of which ``right`` are; ``found`` records with a right link, of the
    ``findable`` records of the extract whose person the register holds.
    """

    links: int
    right: int
    found: int
    findable: int

    @property
    def precision(self) -> float | None:
        """Right links of all; None without links."""
        return self.right / self.links if self.links else None

    @property
    def recall(self) -> float | None:
        """Records found of those that can be; None where none can."""
        return self.found / self.findable if self.findable else None

    def figures(self) -> dict[str, float | int | None]:
        """Everything, for a JSON file."""
        return {**asdict(self), "precision": self.precision, "recall": self.recall}


def score(links: pl.DataFrame, truth: pl.DataFrame) -> Score:
    """Judge ``record_id, person_id`` by ``source, record_id, true_person_id``.

    A person whom the register holds twice is found under either row. Raises ValueError for a link that names
    a record that is in neither file.
    """
    of = {
        source: truth.filter(pl.col("source") == source).select("record_id", "true_person_id")
        for source in ("register", "extract")
    }
    pairs = links.select("record_id", "person_id").unique()
    judged = pairs.join(of["extract"].rename({"true_person_id": "is"}), on="record_id").join(
        of["register"].rename({"record_id": "person_id", "true_person_id": "said"}), on="person_id"
    )
    if len(judged) != len(pairs):
        raise ValueError(f"{len(pairs) - len(judged)} links name records of neither file; wanted none")
    right = judged.filter(pl.col("is") == pl.col("said"))
    findable = of["extract"].join(of["register"].select("true_person_id").unique(), on="true_person_id")
    return Score(len(judged), len(right), right["record_id"].n_unique(), len(findable))


def best_of(predicted: pl.DataFrame, threshold: float) -> pl.DataFrame:
    """Each record's one best link of ``record_id, person_id, probability`` that reaches the threshold.

    Among equals the one with the lesser ``person_id``.
    """
    return (
        predicted.filter(pl.col("probability") >= threshold)
        .sort(["record_id", "probability", "person_id"], descending=[False, True, False])
        .unique("record_id", keep="first", maintain_order=True)
    )


def links_of(tool: str, out: Path) -> pl.DataFrame:
    """The links that a run of ``ours``, or of a peer, left in its folder."""
    if tool != "ours":
        return pl.read_parquet(out / "links.parquet", columns=["record_id", "person_id"])
    decisions = pl.read_parquet(out / "decisions.parquet", columns=["record_id", "person_id", "decision"])
    return decisions.filter(pl.col("decision") == "link").select("record_id", "person_id")
