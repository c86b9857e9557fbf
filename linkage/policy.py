"""Whose value stands, and what an agency's feed may do: authority by field, a policy file by agency.

The authority of a field is the project's: ``[authority.<field>]`` of the project file, over the defaults
here. A policy is one agency's: what it may receive, for which purpose and on which legal basis, how sure a
correction of one kind in one field must be to be applied, and its own thresholds and limits.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from linkage.contract import Name, Text
from linkage.errors import did_you_mean
from linkage.schema import Reader

CorrectionKind = Literal["format", "fill", "update", "fix", "status"]
Action = Literal["apply", "confirm", "investigate", "none"]
Holder = Literal["register", "agency"]

Share = Annotated[float, Meta(ge=0.0, le=1.0)]
Precision = Annotated[float, Meta(ge=0.5, lt=1.0)]

#: Kinds of a correction in the order in which they are told: what each means.
KINDS: Mapping[CorrectionKind, str] = {
    "format": "the two values are equal after standardisation",
    "fill": "the register completes what the record does not contradict",
    "update": "the record was right once",
    "fix": "the record contradicts the register",
    "status": "the person has died",
}
#: Actions, the strongest first; ``none`` sends nothing.
ACTIONS: tuple[Action, ...] = ("apply", "confirm", "investigate", "none")

#: Least posterior of a record's own link for ``apply``, where nobody says otherwise.
APPLY_PRECISION = 0.9999


class Authority(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[authority.<field>]``: whose value of a field stands, and what is done about another."""

    holder: Annotated[
        Holder, Meta(description="'register': agencies are corrected; 'agency': its own value stands.")
    ] = "register"
    group: Annotated[
        Name | None, Meta(description="Fields of one group that a record is corrected in travel together.")
    ] = None
    actions: Annotated[
        dict[CorrectionKind, Action], Meta(description="Kind to action; what is not named: 'apply'.")
    ] = field(default_factory=dict)
    precision: Annotated[
        Precision | None, Meta(description="Least posterior of the record's link for 'apply'.")
    ] = None
    cases: Annotated[
        bool, Meta(description="Whether agencies that agree against the register open a register case.")
    ] = True


_CONFIRM: dict[CorrectionKind, Action] = dict.fromkeys(KINDS, "confirm")

#: Authority of the standard fields. Residence is only ever confirmed and opens no case; a telephone is the
#: agency's own.
AUTHORITY: Mapping[str, Authority] = {
    "personal_number": Authority(group="identity"),
    "old_number": Authority(group="identity"),
    "full_name": Authority(),
    "birth_date": Authority(group="identity"),
    "sex": Authority(group="identity"),
    "birth_province": Authority(),
    "father_name": Authority(),
    "mother_name": Authority(),
    "death_date": Authority(group="status"),
    "commune": Authority(actions=_CONFIRM, group="residence", cases=False),
    "phone": Authority(holder="agency", cases=False),
}

#: Fields that the register never overrules, whatever is declared: they change without notice.
ONLY_CONFIRMED: frozenset[str] = frozenset({"commune"})


class Rule(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[[rule]]`` of a policy: what is done about one kind of correction in one field."""

    field: Annotated[Text, Meta(description="Standard field, or '*'.")] = "*"
    kind: Annotated[
        Literal["format", "fill", "update", "fix", "status", "*"], Meta(description="Kind, or '*'.")
    ] = "*"
    action: Action | None = None
    precision: Precision | None = None


class Thresholds(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[decision]`` of a policy: what differs from the project's ``[decision]`` for this agency."""

    precision: Precision | None = None
    record_min: Precision | None = None
    duplicates: Precision | None = None
    new: Precision | None = None


class Limits(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[limits]`` of a policy: shares of this source's records beyond which a gate fails."""

    refused: Share | None = None
    review: Share | None = None
    new: Share | None = None
    deaths: Share | None = None
    corrections: Annotated[
        dict[str, Share], Meta(description="Standard field to the largest share of records changed in it.")
    ] = field(default_factory=dict)


class Policy(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A policy file: one agency's."""

    schema: Annotated[Literal[1], Meta(description="Version of this kind of file.")]
    purpose: Annotated[Text, Meta(description="What the agency uses corrections for.")]
    legal_basis: Annotated[Text, Meta(description="Act, article and clause that allow it.")]
    receive: Annotated[
        tuple[Name, ...] | None,
        Meta(description="Standard fields it may receive; not said: every field its contract holds."),
    ] = None
    precision: Annotated[
        Precision | None, Meta(description="Least posterior of a record's link for 'apply'.")
    ] = None
    rules: tuple[Rule, ...] = field(name="rule", default=())
    decision: Thresholds = Thresholds()
    limits: Limits = field(default_factory=Limits)


def parse_policy(text: str, name: str, fields: Iterable[str]) -> Policy:
    """The policy in a TOML ``text``; ``fields`` are the standard fields there are.

    Raises
    ------
    DeclarationError
        Holding every problem found (``E-POLICY-001`` to ``E-POLICY-005``).
    """
    reader = Reader("POLICY", name)
    policy = reader.struct(Policy, reader.toml(text), "")
    if policy is not None:
        known = list(fields)
        named = [(f"rule {n}", r.field) for n, r in enumerate(policy.rules, 1) if r.field != "*"]
        named += [("receive", f) for f in policy.receive or ()]
        named += [("limits corrections", f) for f in policy.limits.corrections]
        for where, standard in named:
            if standard not in known:
                reader.add(
                    5,
                    where,
                    f"there is no field '{standard}'.",
                    f"Known fields: {', '.join(known)}.",
                    did_you_mean(standard, known).strip(),
                )
    reader.finish()
    assert policy is not None
    return policy


class Rights(Struct, frozen=True, kw_only=True):
    """What is done for one agency: its policy over the authority of the fields.

    ``fields`` are the standard fields that it holds, may receive, and that are not its own to say.
    """

    fields: tuple[str, ...]
    authority: Mapping[str, Authority]
    policy: Policy | None

    def allowed(self, standard: str, kind: CorrectionKind) -> tuple[Action, float]:
        """The strongest action for a kind of correction in a field, and the posterior 'apply' demands.

        Of the policy's rules the one that names field and kind counts before one that names the field only,
        that before one that names the kind only; among equals the last.
        """
        base = self.authority[standard]
        action: Action = base.actions.get(kind, "apply")
        own = self.policy.precision if self.policy is not None else None
        precision = base.precision if base.precision is not None else own
        best = -1
        best_precision = -1
        for rule in self.policy.rules if self.policy is not None else ():
            if rule.field not in ("*", standard) or rule.kind not in ("*", kind):
                continue
            rank = 2 * (rule.field != "*") + (rule.kind != "*")
            if rule.action is not None and rank >= best:
                action, best = rule.action, rank
            if rule.precision is not None and rank >= best_precision:
                precision, best_precision = rule.precision, rank
        if standard in ONLY_CONFIRMED and action == "apply":
            action = "confirm"
        return action, APPLY_PRECISION if precision is None else precision


def rights_of(
    held: Iterable[str],
    register_holds: Iterable[str],
    declared: Mapping[str, Authority],
    policy: Policy | None,
) -> Rights:
    """The rights of an agency that holds the standard fields ``held``.

    A field without a default authority and without a declared one is the agency's own.
    """
    authority = {**AUTHORITY, **declared}
    theirs = set(register_holds)
    may = None if policy is None or policy.receive is None else set(policy.receive)
    fields = tuple(
        f
        for f in held
        if f in theirs and f in authority and authority[f].holder == "register" and (may is None or f in may)
    )
    return Rights(fields=fields, authority=authority, policy=policy)
