"""The plan of a run: the project's own rules and comparisons, or the pack's, as the engine runs them."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from linkage.config import Blocking, Comparison, Project, Settle, Training
from linkage.contract import Contract
from linkage.errors import ConfigError, did_you_mean
from linkage.levels import Level, Part, Programme, compile_parts
from linkage.model import groups_of
from linkage.rules import Rule, compile_rules


class Plan(msgspec.Struct, frozen=True):
    """Effective blocking rules, comparisons, training rules and settling levels."""

    blocking: tuple[Blocking, ...]
    comparisons: tuple[Comparison, ...] = msgspec.field(name="comparison")
    training: Training = Training()
    settle: Settle = Settle()


@dataclass(frozen=True)
class TrainingPlan:
    """Training rules by index, and the rule whose blocks train each identifier group."""

    rules: tuple[int, ...]
    groups: tuple[tuple[str, int], ...]
    sample: int
    iterations: int


def brought_kinds(project: Project, contracts: Iterable[Contract]) -> dict[str, str]:
    """Standard fields that some contract brings, with their kinds.

    An old number may stand for the number, and a health card holds the insurance number.
    """
    brought = {f.standard for contract in contracts for f in contract.fields}
    for field, within in (("personal_number", "old_number"), ("health_card", "insurance_number")):
        if field in brought:
            brought.add(within)
    return {name: kind for name, kind in project.kinds.items() if name in brought}


def compile_project(
    project: Project, contracts: Mapping[str, Contract], defaults: str
) -> tuple[Plan, tuple[Rule, ...], Programme]:
    """The effective plan, its blocking rules and its levels, compiled.

    Raises ConfigError: E-CONFIG-030 to -032 a rule, -040 to -046 a condition, -050 a training rule, -051 no
    register, -052 an agency that is not linked with it.
    """
    register = project.register
    if register is None:
        raise ConfigError(
            "E-CONFIG-051",
            "No source is the register.",
            'One source with role = "register" is wanted: agencies are reconciled with it.',
            "Give the source that is the authority this role.",
        )
    linked = {
        s
        for link in project.links
        for s in (link.left, link.right)
        if register.name in (link.left, link.right)
    }
    for source in project.agencies:
        if source.name not in linked:
            raise ConfigError(
                "E-CONFIG-052",
                f"The agency '{source.name}' is not linked with the register.",
                "Every agency of a project is reconciled with its register.",
                f'Add [[link]] left = "{source.name}", right = "{register.name}", '
                "or remove all [[link]] sections.",
            )
    kinds = brought_kinds(project, contracts.values())
    plan = effective_plan(project, defaults, kinds)
    return plan, compile_rules(plan.blocking, kinds), compile_parts(comparison_parts(plan.comparisons), kinds)


def effective_plan(project: Project, defaults: str, kinds: Mapping[str, str]) -> Plan:
    """The project's lists where it has them, else the pack's, less what reads columns no source brings."""
    pack = msgspec.convert(tomllib.loads(defaults), Plan)
    blocking = project.blocking or tuple(
        r for r in (_narrowed(b, kinds) for b in pack.blocking) if r is not None
    )
    comparisons = project.comparisons or tuple(
        c for c in (_readable(c, kinds) for c in pack.comparisons) if c is not None
    )
    rules = (
        project.training.rules
        or tuple(r for r in pack.training.rules if r in {b.name for b in blocking})
        or tuple(b.name for b in blocking)
    )
    known = [b.name for b in blocking]
    for rule in rules:
        if rule not in known:
            raise ConfigError(
                "E-CONFIG-050",
                f"The training rule '{rule}' is no blocking rule.",
                f"Known rules: {', '.join(known)}.",
                f"Correct [training] rules.{did_you_mean(rule, known)}",
            )
    return Plan(
        blocking,
        comparisons,
        msgspec.structs.replace(project.training, rules=tuple(rules)),
        _settle(project, pack.settle, comparisons),
    )


def _settle(project: Project, of_pack: Settle, comparisons: Sequence[Comparison]) -> Settle:
    """The project's settling levels; else the pack's, if its comparisons are used and hold them all."""
    if project.settle.levels is not None:
        return project.settle
    if project.comparisons or of_pack.levels is None:
        return msgspec.structs.replace(project.settle, levels=())
    known = {f"{p.name}.{v.name}" for p in comparison_parts(comparisons) for v in p.levels}
    whole = all(level in known for level in of_pack.levels)
    return msgspec.structs.replace(project.settle, levels=of_pack.levels if whole else ())


def _narrowed(rule: Blocking, kinds: Mapping[str, str]) -> Blocking | None:
    """A pack's rule without refinement by absent columns, or None if its key needs one."""
    if any(column.partition(".")[0] not in kinds for column in rule.on):
        return None
    kept = tuple(c for c in rule.refine if c.partition(".")[0] in kinds)
    return msgspec.structs.replace(rule, refine=kept)


def _readable(comparison: Comparison, kinds: Mapping[str, str]) -> Comparison | None:
    """A pack's comparison without the parts that read absent columns, or None if nothing is left of it."""
    if not comparison.parts:
        return comparison if all(column in kinds for column in comparison.columns) else None
    kept = tuple(
        part for part in comparison.parts if all(c in kinds for c in part.columns or comparison.columns)
    )
    return msgspec.structs.replace(comparison, parts=kept) if kept else None


def comparison_parts(comparisons: Sequence[Comparison]) -> list[Part]:
    """The parts of all comparisons, each with a null level first and a catch-all last."""
    out = []
    for comparison in comparisons:
        parts = comparison.parts or (None,)
        for part in parts:
            levels = list(comparison.levels if part is None else part.levels)
            columns = tuple(comparison.columns if part is None else part.columns or comparison.columns)
            made = [Level(v.name, v.when, v.m, v.u, v.term_frequency, v.link, v.group) for v in levels]
            if made[0].name != "null":
                made.insert(0, Level("null", " or ".join(f"{c}.null" for c in columns)))
            if made[-1].when != "always":
                made.append(Level("different", "always"))
            out.append(Part(comparison.name if part is None else part.name, columns, tuple(made)))
    return out


def training_plan(plan: Plan, rules: Sequence[Rule], programme: Programme) -> TrainingPlan:
    """Find the rules to train on, and for each identifier group the rule that brings its pairs together."""
    number, groups = groups_of(programme.parts)
    index = {r.name: i for i, r in enumerate(rules)}
    of_group = []
    for group in groups[1:]:
        levels = [v for v in programme.parts[number].levels if v.group == group]
        columns = {
            word.partition(".")[0] for v in levels for word in v.when.replace("(", " ").split() if "." in word
        }
        # A comparison of one column need not name it.
        own = programme.parts[number].columns
        columns |= set(own) if len(own) == 1 else set()
        near = any(("digit" in v.when or "edit" in v.when) for v in levels)
        fitting = [
            i
            for i, r in enumerate(rules)
            if {p.column for p in r.on} <= columns and len(r.on) == 1 and r.near == near
        ]
        if fitting:
            of_group.append((group, fitting[0]))
    return TrainingPlan(
        rules=tuple(index[r] for r in plan.training.rules if not rules[index[r]].near),
        groups=tuple(of_group),
        sample=plan.training.sample,
        iterations=plan.training.max_iterations,
    )
