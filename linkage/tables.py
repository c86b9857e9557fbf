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


def _plain(kind: pa.DataType) -> pa.DataType:
    """The type of what is dictionary-encoded, in a list too."""
    if pa.types.is_dictionary(kind):
        return kind.value_type
    if pa.types.is_large_list(kind) and pa.types.is_dictionary(kind.value_type):
        return pa.large_list(kind.value_type.value_type)
    return kind


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
            held = _plain(values.type)
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
    "one pair to be looked at; field columns '<field>_l' and '<field>_r' follow as submitted, at most "
    "400 characters of each",
    {
        "review_id": Column(ID, "Hashes of both records: the pair, whatever a spreadsheet does to its keys."),
        "answer": Column(TEXT, "Empty; for the clerk: must_link or cannot_link."),
        "vi": Column(TEXT, "Why it is here, in Vietnamese."),
        "en": Column(TEXT, "The same in English."),
        "source_l": Column(TEXT, "Source of the agency record."),
        "record_id_l": Column(TEXT, "The agency record."),
        "source_r": Column(TEXT, "The register."),
        "record_id_r": Column(TEXT, "The register record."),
        "decision": Column(TEXT, "review or conflict."),
        "weight": Column(pa.float64(), "Match weight, bits."),
        "probability": Column(pa.float64(), "Posterior of this candidate."),
        "pattern": Column(TEXT, "Agreement levels, 'part=level' by part."),
        "reasons": Column(REASONS, "The same as reason codes."),
    },
    ("source_l", "record_id_l", "record_id_r"),
    open=True,
)

ANSWERS_REFUSED = Table(
    "answers_refused",
    "one answer of a file of judgements that is not honoured",
    {
        "file": Column(TEXT, "Name of the file."),
        "line": Column(pa.int64(), "Physical line of the row, of Parquet its number, from 1."),
        "code": Column(TEXT, "Why: see docs/artefacts.md."),
        "text_en": Column(TEXT, "The same in English."),
        "text_vi": Column(TEXT, "The same in Vietnamese."),
    },
    ("file", "line"),
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
        "outcome": Column(
            TEXT,
            "explains (the value agrees with the linked person only when repaired), undone (it contradicts"
            " its own row, or is a guess and does not agree) or open (nothing to compare, or no difference).",
        ),
    },
    ("source", "record_id", "field", "kind"),
)

QUERIES = Table(
    "queries",
    "one value of an accepted row that somebody must look at",
    {
        "source": Column(TEXT, "Name of the source."),
        "record_id": Column(TEXT, "The record."),
        "line": Column(pa.int64(), "Physical line of a CSV file, row of another file, from 1."),
        "field": Column(TEXT, "Standard field."),
        "code": Column(TEXT, "Stable code of the query."),
    },
    ("source", "record_id", "field", "code"),
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
        "columns": Column(TEXT, "The columns and forms that the key is of, the refining ones last."),
        "value": Column(
            TEXT,
            "What the records of the block hold in them, in standard form; "
            "empty where an identifier is known by its hash only.",
            null=True,
        ),
        "outcome": Column(TEXT, "refined, or given_up: too large with all refining columns in its key."),
        "register_records": Column(pa.int64(), "Register records of the block."),
        "agency_records": Column(pa.int64(), "Agency records of the block."),
        "pairs": Column(pa.int64(), "Its pairs: of agency with register records, and of register records."),
        "pairs_given_up": Column(
            pa.int64(), "Of these, pairs that no block brings together that came of it by refining."
        ),
    },
    ("rule", "key"),
)

CORRECTIONS = Table(
    "corrections",
    "one field of one record to be corrected, in the feed of its source",
    {
        "correction_id": Column(ID, "Hash of the record, the field, both values, the kind and the action."),
        "sequence": Column(pa.int64(), "1: the feed of the run."),
        "group_id": Column(ID, "Corrections of one record that must be applied together or not at all."),
        "record_id": Column(TEXT, "The source's own key of the record."),
        "field": Column(TEXT, "Standard field."),
        "column": Column(TEXT, "The source's own column."),
        "held_value": Column(TEXT, "What the record holds, as submitted; empty: nothing.", null=True),
        "proposed_value": Column(
            TEXT,
            "What it should hold, in the source's own format and code list; "
            "empty where the register's value has no one equivalent there.",
            null=True,
        ),
        "held_standard": Column(TEXT, "The held value in standard form, where it can be read.", null=True),
        "proposed_standard": Column(TEXT, "The proposed value in standard form."),
        "kind": Column(TEXT, "format, fill, update, fix or status."),
        "action": Column(TEXT, "apply, confirm or investigate."),
        "basis": Column(TEXT, "What the correction rests on: codes joined by '+'."),
        "decision_id": Column(ID, "The decision that says whose record it is."),
        "policy_id": Column(TEXT, "Digest of what decided and allowed it."),
        "confidence": Column(pa.float64(), "That the record is this person's: the link's posterior."),
        "effective_date": Column(
            pa.date32(), "Day from which the proposed value holds; empty: it always has.", null=True
        ),
        "register_version": Column(TEXT, "Day and digest of the register's extract."),
    },
    ("record_id", "field"),
)

MERGE_ORDERS = Table(
    "merge_orders",
    "one record of the source to be merged into another",
    {name: column for name, column in DUPLICATES.columns.items() if name != "source"},
    ("absorbed_record_id",),
)

REGISTER_CASES = Table(
    "register_cases",
    "one place where the register looks wrong",
    {
        "case_id": Column(ID, "Hash of the kind, the person, the field and the values."),
        "kind": Column(TEXT, "field: a value looks wrong; duplicate: two persons look like one."),
        "person_id": Column(TEXT, "The register person."),
        "other_person_id": Column(TEXT, "Of a duplicate: the other person.", null=True),
        "field": Column(TEXT, "Of a field case: the standard field.", null=True),
        "register_value": Column(TEXT, "What the register holds, in standard form.", null=True),
        "agency_value": Column(TEXT, "What is held against it, in standard form.", null=True),
        "agencies": Column(REASONS, "The sources that agree against the register."),
        "records": Column(pa.int32(), "Their records."),
        "evidence": Column(REASONS, "Codes of the evidence, see docs/register-cases.md."),
        "confidence": Column(pa.float64(), "That the register is wrong, 0 to 1."),
        "register_version": Column(TEXT, "Day and digest of the register's extract."),
    },
    ("person_id", "kind", "field", "other_person_id", "agency_value"),
)

VERIFICATIONS = Table(
    "verifications",
    "one record of a source that asked for verification",
    {
        "source": Column(TEXT, "Name of the source."),
        "record_id": Column(TEXT, "The record."),
        "result": Column(TEXT, "The gravest finding's code; 000 where everything compared agrees."),
        "findings": Column(REASONS, "Every code, the gravest first, see docs/verification.md."),
        "fields": Column(REASONS, "'field=finding' for every field compared."),
        "decision_id": Column(ID, "The decision on the record."),
    },
    ("source", "record_id"),
)

SCORECARD = Table(
    "scorecard",
    "one measure of one field of one source",
    {
        "source": Column(TEXT, "Name of the source."),
        "aim": Column(TEXT, "correct, complete, clean or live."),
        "field": Column(TEXT, "Standard field; empty: the whole record.", null=True),
        "measure": Column(TEXT, "Code of the measure."),
        "part": Column(pa.int64(), "How many do."),
        "whole": Column(pa.int64(), "Of how many."),
        "share": Column(pa.float64(), "part over whole; empty if whole is 0.", null=True),
    },
    ("source", "aim", "field", "measure"),
)

#: Every published table by its name.
ARTEFACTS: dict[str, Table] = {
    t.name: t
    for t in (
        ENTITIES,
        DECISIONS,
        PAIRS,
        LINKS,
        DUPLICATES,
        REVIEW,
        ANSWERS_REFUSED,
        REPAIRS,
        QUERIES,
        SUBGROUPS,
        REFINEMENT,
        CORRECTIONS,
        MERGE_ORDERS,
        REGISTER_CASES,
        VERIFICATIONS,
        SCORECARD,
    )
}
