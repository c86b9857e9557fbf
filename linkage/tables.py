"""Every table that leaves a room, declared once: its columns, their types and what they mean.

Artefacts of a run are checked against these declarations before they are written, and their documentation is
made from them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa

from linkage.errors import IntegrityError

ID = pa.binary(16)
TEXT = pa.large_string()
REASONS = pa.large_list(pa.large_string())


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_large_string(kind) or pa.types.is_string(kind) or pa.types.is_string_view(kind))


@dataclass(frozen=True)
class Column:
    """One column: its Arrow type, its meaning, and whether it may be null."""

    type: pa.DataType
    meaning: str
    null: bool = False


@dataclass(frozen=True)
class Table:
    """A table: what a row is, its columns in order, and the columns rows are sorted by.

    ``open``: further columns may follow (fields of the project).
    """

    name: str
    row: str
    columns: Mapping[str, Column]
    sorted_by: tuple[str, ...]
    open: bool = False

    def check(self, table: pa.Table) -> pa.Table:
        """The table with exactly the declared types, or IntegrityError E-INTEGRITY-003."""
        arrays = []
        for name, column in self.columns.items():
            if name not in table.column_names:
                raise self._broken(f"has no column '{name}'")
            values = table.column(name)
            held = values.type.value_type if pa.types.is_dictionary(values.type) else values.type
            if held != column.type and not (column.type == TEXT and _is_text(held)):
                values = values.cast(column.type)
            if not column.null and values.null_count:
                raise self._broken(f"has {values.null_count} empty values in '{name}'")
            arrays.append(values)
        names = list(self.columns)
        for name in table.column_names:
            if name not in self.columns:
                if not self.open:
                    raise self._broken(f"has an undeclared column '{name}'")
                names.append(name)
                arrays.append(table.column(name).cast(TEXT))
        return pa.table(dict(zip(names, arrays, strict=True)))

    def _broken(self, what: str) -> IntegrityError:
        return IntegrityError(
            "E-INTEGRITY-003",
            f"The table '{self.name}' {what};",
            "the declared columns were wanted.",
            "Report this as a defect.",
        )


ENTITIES = Table(
    "entities",
    "one input record, register included",
    {
        "source": Column(TEXT, "Name of the source."),
        "record_id": Column(TEXT, "The source's own key of the record."),
        "entity_id": Column(
            ID, "The entity the record belongs to: a hash of the person, else of the smallest member."
        ),
    },
    ("source", "record_id"),
)

DECISIONS = Table(
    "decisions",
    "one agency record",
    {
        "decision_id": Column(ID, "Hash of the record, the decision, the model and the policy."),
        "source": Column(TEXT, "Name of the source."),
        "record_id": Column(TEXT, "The source's own key of the record."),
        "decision": Column(TEXT, "link, review, new, conflict or ineligible."),
        "entity_id": Column(ID, "As in entities."),
        "person_id": Column(
            TEXT, "The register person: linked, or (review, conflict) the best candidate.", null=True
        ),
        "runner_up_person_id": Column(TEXT, "The second candidate.", null=True),
        "weight": Column(pa.float64(), "Match weight of the best candidate, bits.", null=True),
        "margin": Column(pa.float64(), "Bits by which the best candidate leads the second.", null=True),
        "probability": Column(
            pa.float64(), "Of the best candidate; for new, of being in no register row. 0 to 1."
        ),
        "rule": Column(TEXT, "Blocking rule that found the best candidate.", null=True),
        "pattern": Column(TEXT, "Agreement levels of the best candidate, 'part=level' by part.", null=True),
        "reasons": Column(REASONS, "Reason codes, see docs/reasons.md."),
        "model_id": Column(TEXT, "Digest of the model."),
        "policy_id": Column(TEXT, "Digest of the decision settings."),
        "number_usable": Column(pa.bool_(), "Whether the record holds an identifier that can be compared."),
    },
    ("source", "record_id"),
)

PAIRS = Table(
    "pairs",
    "one pair above the floor, at most the five best of a record",
    {
        "source_l": Column(TEXT, "Source of the agency record."),
        "record_id_l": Column(TEXT, "The agency record."),
        "source_r": Column(TEXT, "The register."),
        "record_id_r": Column(TEXT, "The register record."),
        "rule": Column(TEXT, "Blocking rule that owns the pair."),
        "pattern": Column(TEXT, "Agreement levels, 'part=level' by part."),
        "weight": Column(pa.float64(), "Match weight, bits."),
        "probability": Column(
            pa.float64(), "Posterior that the record is this person, against all others and none."
        ),
    },
    ("source_l", "record_id_l", "record_id_r"),
)

LINKS = Table(
    "links",
    "one edge that made an entity, or was cut",
    {
        "entity_id": Column(ID, "Entity of the left record."),
        "source_l": Column(TEXT, "Source of the left record."),
        "record_id_l": Column(TEXT, "The left record."),
        "source_r": Column(TEXT, "Source of the right record."),
        "record_id_r": Column(TEXT, "The right record."),
        "kept": Column(pa.bool_(), "Whether the edge stands."),
        "reason": Column(TEXT, "link, unknown_person, one_record_a_person or conflict."),
    },
    ("source_l", "record_id_l", "source_r", "record_id_r"),
)

DUPLICATES = Table(
    "duplicates",
    "one record to be merged into another of the same source",
    {
        "order_id": Column(ID, "Hash of both records and the model."),
        "source": Column(TEXT, "Name of the source."),
        "survivor_record_id": Column(TEXT, "The record that stays, by the contract's rule."),
        "absorbed_record_id": Column(TEXT, "The record to be merged into it."),
        "action": Column(TEXT, "merge."),
        "weight": Column(pa.float64(), "Match weight of the two records compared directly, bits."),
        "probability": Column(pa.float64(), "That both are one person's."),
        "reasons": Column(REASONS, "Reason codes."),
    },
    ("source", "absorbed_record_id"),
)

REVIEW = Table(
    "review",
    "one pair to be looked at; field columns '<field>_l' and '<field>_r' follow as submitted",
    {
        "source_l": Column(TEXT, "Source of the agency record."),
        "record_id_l": Column(TEXT, "The agency record."),
        "source_r": Column(TEXT, "The register."),
        "record_id_r": Column(TEXT, "The register record."),
        "decision": Column(TEXT, "review or conflict."),
        "weight": Column(pa.float64(), "Match weight, bits."),
        "probability": Column(pa.float64(), "Posterior of this candidate."),
        "pattern": Column(TEXT, "Agreement levels, 'part=level' by part."),
        "reasons": Column(REASONS, "Why it is here: reason codes."),
        "answer": Column(TEXT, "Empty; for the clerk: must_link or cannot_link."),
    },
    ("source_l", "record_id_l", "record_id_r"),
    open=True,
)

REPAIRS = Table(
    "repairs",
    "one repair of one value of one record",
    {
        "source": Column(TEXT, "Name of the source."),
        "record_id": Column(TEXT, "The record."),
        "field": Column(TEXT, "Standard field."),
        "kind": Column(TEXT, "Stable code of the repair."),
        "confidence": Column(pa.float32(), "That the repair is right, 0 to 1."),
    },
    ("source", "record_id", "field", "kind"),
)

SUBGROUPS = Table(
    "subgroups",
    "one agency record, by the groups that accuracy is told for",
    {
        "source": Column(TEXT, "Name of the source."),
        "record_id": Column(TEXT, "The record."),
        "sex": Column(TEXT, "M or F.", null=True),
        "birth_decade": Column(pa.int32(), "First year of the decade of birth, -1 unknown."),
        "surname_band": Column(TEXT, "How common the surname is in the register.", null=True),
        "number_usable": Column(pa.bool_(), "Whether the record holds an identifier that can be compared."),
    },
    ("source", "record_id"),
)

REFINEMENT = Table(
    "refinement",
    "one block key that was refined or given up",
    {
        "rule": Column(TEXT, "Blocking rule."),
        "key": Column(pa.uint64(), "Keyed hash of the block."),
    },
    ("rule", "key"),
)

#: Every published table by its name.
ARTEFACTS: dict[str, Table] = {
    t.name: t for t in (ENTITIES, DECISIONS, PAIRS, LINKS, DUPLICATES, REVIEW, REPAIRS, SUBGROUPS, REFINEMENT)
}
