"""The project file: which sources, what they are linked by, and how sure a decision must be.

Blocking rules and comparisons are kept here as they are written; what their expressions mean is compiled
where the columns of the standardised records are known.
"""

from __future__ import annotations

import datetime
import itertools
import re
from collections.abc import Mapping
from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from linkage.contract import STANDARD_KINDS, STANDARD_NAMES, Contract, Kind, Name, Text, check_fields
from linkage.errors import did_you_mean
from linkage.policy import Authority, Precision, Share
from linkage.schema import Reader, unique

#: The locale packs there are.
PACKS: tuple[str, ...] = ("vietnam",)

#: Fields that may be held but are never declared for matching: belief and descent.
NEVER_MATCHED: frozenset[str] = frozenset(
    {"religion", "ethnicity", "ethnic_group", "race", "caste", "ton_giao", "dan_toc"}
)

Probability = Annotated[float, Meta(gt=0.0, lt=1.0)]
Texts = Annotated[tuple[Text, ...], Meta(min_length=1, extra={"wish": "a list of one or more texts"})]


class About(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[project]``."""

    name: Name
    locale: Annotated[tuple[Text, ...], Meta(description="Locale packs, the first has precedence.")] = ()


class Source(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[[source]]``: a register or an agency's extract."""

    name: Name
    role: Literal["register", "agency"]
    files: Annotated[
        Texts, Meta(description="Relative to the project file; patterns such as *.csv are allowed.")
    ]
    contract: Annotated[Text, Meta(description="Contract file, relative to the project file.")]
    extract_date: Annotated[datetime.date, Meta(description="Day the extract shows.")]
    policy: Annotated[
        Text | None, Meta(description="Agencies: policy file, relative to the project file.")
    ] = None
    verify: Annotated[
        bool, Meta(description="Agencies: every record is told, field by field, how it agrees.")
    ] = False
    refused_max: Annotated[Share, Meta(description="Largest share of refused rows before it stops.")] = 0.05
    on_failure: Annotated[
        Literal["stop", "leave_out"],
        Meta(description="Of a source that breaks its contract: stop the run, or run without it."),
    ] = "stop"


class StandardField(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[[field]]``: a further standard field of this project."""

    name: Name
    kind: Kind


class Link(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[[link]]``: two sources whose records are compared."""

    left: Name
    right: Name


class Blocking(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[[blocking]]``: pairs that agree on all of ``on``; ``refine`` narrows hot blocks, in order."""

    name: Name
    on: Texts
    refine: tuple[Text, ...] = ()
    use: Annotated[
        Literal["match", "relatives"],
        Meta(description="'relatives': only the register's own pairs, to learn how relatives agree."),
    ] = "match"


class Level(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A level of agreement; the first whose ``when`` holds is the pair's. ``m`` and ``u`` fix its shares."""

    name: Name
    when: Text
    m: Probability | None = None
    u: Probability | None = None
    term_frequency: Annotated[
        Literal["exact", "ascii", "ends", "repeats"] | None,
        Meta(description="Frequency that weighs this agreement: of a name's forms, of an identifier's uses."),
    ] = None
    link: Annotated[bool, Meta(description="False: agreement no better than this never makes a link.")] = True
    group: Annotated[
        str,
        Meta(
            description="Name of the near-unique identifier agreement this is; such levels are trained apart."
        ),
    ] = ""


class Part(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One part of a joint comparison; its columns are those of the comparison, or the ones it names."""

    name: Name
    columns: tuple[Text, ...] = ()
    levels: Annotated[tuple[Level, ...], Meta(min_length=1, extra={"wish": "one or more levels"})]


class Comparison(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[[comparison]]``: ordered levels over columns, or the parts of a joint comparison."""

    name: Name
    columns: Texts
    levels: tuple[Level, ...] = ()
    parts: tuple[Part, ...] = ()


class Decision(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[decision]``: how sure each kind of decision must be."""

    precision: Annotated[
        Precision, Meta(description="Of `link`, per source: expected share of true links.")
    ] = 0.9999
    record_min: Annotated[Precision, Meta(description="Least posterior of a single link.")] = 0.99
    duplicates: Annotated[Precision, Meta(description="Expected precision of merge orders.")] = 0.999
    new: Annotated[
        Precision, Meta(description="Of `new`, per source: expected share that the register lacks.")
    ] = 0.99
    review_max: Annotated[
        Share,
        Meta(description="Largest share in review or conflict; run.json says if it holds."),
    ] = 0.01


class Corrections(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[corrections]``."""

    make: Annotated[
        bool,
        Meta(description="False: no corrections, merge orders, register cases and verifications are made."),
    ] = True


class Constraints(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[constraints]``: files of pairs that must, and must not, be one person."""

    must_link: tuple[Text, ...] = ()
    cannot_link: tuple[Text, ...] = ()


class Gates(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[gates]``: what a run must keep for its feeds and orders to leave the house."""

    converged: Annotated[bool, Meta(description="The model must have converged.")] = True
    precision: Annotated[
        bool, Meta(description="The estimated precision of each source's links must be what is demanded.")
    ] = True
    refused: Annotated[Share, Meta(description="Largest share of a source's rows refused.")] = 0.05
    review: Annotated[
        Share | None,
        Meta(description="Largest share of a source's records in review or conflict; else twice review_max."),
    ] = None
    new: Annotated[Share, Meta(description="Largest share of a source's records that are new.")] = 0.10
    corrections: Annotated[
        Share, Meta(description="Largest share of a source's records that one field is applied to.")
    ] = 0.50
    deaths: Annotated[
        Share, Meta(description="Largest share of a source's records that a death is applied to.")
    ] = 0.02


class Model(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[model]``: a saved model to use instead of training."""

    file: Annotated[Text | None, Meta(description="Saved model, relative to the project file.")] = None


class Training(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[training]``."""

    rules: Annotated[tuple[Text, ...], Meta(description="Training rules; none means the pack's.")] = ()
    sample: Annotated[int, Meta(ge=1_000, description="Agency records sampled.")] = 250_000
    max_iterations: Annotated[int, Meta(ge=1, le=100_000)] = 2_000


class Settle(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[settle]``: records that their identifier decides, see :mod:`linkage.settle`."""

    levels: Annotated[
        tuple[Text, ...] | None,
        Meta(description="part.level; of every part named one holds. Left out: the pack's; empty: nobody."),
    ] = None
    skip: Annotated[
        bool, Meta(description="False: other candidates of settled records are scored all the same.")
    ] = True


class Prior(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[prior]``: shares that are known and are not estimated."""

    registered: Annotated[
        dict[str, Probability],
        Meta(description="Source to the share of its persons that the register holds."),
    ] = field(default_factory=dict)


class Project(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A project; sources are numbered in the order of ``sources``."""

    schema: Annotated[Literal[1], Meta(description="Version of this kind of file.")]
    about: About = field(name="project")
    sources: Annotated[
        tuple[Source, ...], Meta(min_length=1, extra={"wish": "one or more sections [[source]]"})
    ] = field(name="source")
    fields: tuple[StandardField, ...] = field(name="field", default=())
    stated_links: tuple[Link, ...] = field(name="link", default=())
    blocking: Annotated[tuple[Blocking, ...], Meta(description="Default: the locale pack's rules.")] = ()
    comparisons: Annotated[
        tuple[Comparison, ...], Meta(description="Default: the locale pack's comparisons.")
    ] = field(name="comparison", default=())
    decision: Decision = Decision()
    authority: Annotated[dict[str, Authority], Meta(description="By standard field: whose value stands.")] = (
        field(default_factory=dict)
    )
    corrections: Corrections = Corrections()
    gates: Gates = Gates()
    constraints: Constraints = Constraints()
    model: Model = Model()
    training: Training = Training()
    settle: Settle = Settle()
    prior: Prior = field(default_factory=Prior)

    @property
    def name(self) -> str:
        """The project's name."""
        return self.about.name

    @property
    def locale(self) -> tuple[str, ...]:
        """The locale packs."""
        return self.about.locale

    @property
    def register(self) -> Source | None:
        """The register, if there is one."""
        return next((s for s in self.sources if s.role == "register"), None)

    @property
    def agencies(self) -> tuple[Source, ...]:
        """The agencies, in the order of the file."""
        return tuple(s for s in self.sources if s.role == "agency")

    @property
    def links(self) -> tuple[Link, ...]:
        """The links stated; else every agency with the register; without one, every two sources."""
        if self.stated_links:
            return self.stated_links
        register = self.register
        if register is not None:
            return tuple(Link(left=s.name, right=register.name) for s in self.agencies)
        return tuple(Link(left=a.name, right=b.name) for a, b in itertools.combinations(self.sources, 2))

    @property
    def kinds(self) -> dict[str, Kind]:
        """The kind of every standard field of this project, the declared ones last."""
        return {**STANDARD_KINDS, **{f.name: f.kind for f in self.fields}}

    def number(self, source: str) -> int:
        """The number of a source: its place in the file, from 0."""
        return next(n for n, s in enumerate(self.sources) if s.name == source)


def parse_project(text: str, name: str = "project") -> Project:
    """The project in a TOML ``text``; ``name`` is how messages call it.

    Raises
    ------
    DeclarationError
        Holding every problem found (``E-CONFIG-001`` to ``E-CONFIG-016``).
    """
    reader = Reader("CONFIG", name)
    project = reader.struct(Project, reader.toml(text), "")
    if project is not None:
        _check_sources(reader, project)
        _check_fields(reader, project)
        _check_rules(reader, project)
        _check_authority(reader, project)
    reader.finish()
    assert project is not None
    return project


def _check_sources(reader: Reader, project: Project) -> None:
    names = [s.name for s in project.sources]
    unique(reader, 5, ((f"source {n}", name) for n, name in enumerate(names, 1)), "source")
    registers = [s.name for s in project.sources if s.role == "register"]
    if len(registers) > 1:
        reader.add(
            6,
            "source",
            f"{len(registers)} registers: {', '.join(registers)}.",
            "One register, or none, is wanted.",
            'Give the others role = "agency".',
        )
    seen: set[frozenset[str]] = set()
    for number, link in enumerate(project.stated_links, 1):
        where = f"link {number}"
        for end in (link.left, link.right):
            if end not in names:
                reader.add(
                    7,
                    where,
                    f"'{end}' is no source.",
                    f"One of {', '.join(names)} is wanted.",
                    did_you_mean(end, names).strip(),
                )
        both = frozenset((link.left, link.right))
        if len(both) == 1:
            reader.add(
                8,
                where,
                "a source is linked with itself.",
                "Two sources are wanted.",
                "Duplicates inside a source are found anyway; remove the link.",
            )
        elif both in seen:
            reader.add(8, where, "the two are linked already.", "A link is wanted once.", "Remove it.")
        seen.add(both)
    agencies = [s.name for s in project.agencies]
    for name in project.prior.registered:
        if name not in agencies:
            reader.add(
                7,
                "prior registered",
                f"'{name}' is no agency.",
                f"One of {', '.join(agencies)} is wanted.",
                did_you_mean(name, agencies).strip(),
            )
    for pack in project.locale:
        if pack not in PACKS:
            reader.add(
                9,
                "project locale",
                f"there is no locale pack '{pack}'.",
                f"Known packs: {', '.join(PACKS)}.",
                did_you_mean(pack, PACKS).strip(),
            )
    if not project.locale:
        reader.add(
            9,
            "project locale",
            "no locale pack is named.",
            f"Known packs: {', '.join(PACKS)}.",
            f'Set locale = ["{PACKS[0]}"]: rules and comparisons of your own take the place of the pack\'s.',
        )


def _check_authority(reader: Reader, project: Project) -> None:
    for name in project.authority:
        if name not in project.kinds:
            reader.add(
                15,
                f"authority {name}",
                f"there is no field '{name}'.",
                f"Known fields: {', '.join(project.kinds)}.",
                did_you_mean(name, project.kinds).strip(),
            )
    for number, source in enumerate(project.sources, 1):
        if source.role == "register" and (source.policy or source.verify or source.on_failure == "leave_out"):
            reader.add(
                16,
                f"source {number} ({source.name})",
                "policy, verify or on_failure of a register.",
                "They belong to agencies: the register corrects, is not corrected, and cannot be left out.",
                "Remove them.",
            )


def _check_fields(reader: Reader, project: Project) -> None:
    unique(reader, 5, ((f"field {n}", f.name) for n, f in enumerate(project.fields, 1)), "field")
    for number, f in enumerate(project.fields, 1):
        if f.name in STANDARD_NAMES:
            reader.add(
                11,
                f"field {number}",
                f"'{f.name}' is a standard field already.",
                "Further fields need other names.",
                "Remove or rename it.",
            )
        if f.name in NEVER_MATCHED:
            reader.add(
                12,
                f"field {number}",
                f"'{f.name}' is never used to match.",
                "Fields that say who a person is, not what, are wanted.",
                "Remove it.",
            )


def _check_rules(reader: Reader, project: Project) -> None:
    unique(reader, 5, ((f"blocking {n}", b.name) for n, b in enumerate(project.blocking, 1)), "rule")
    unique(
        reader, 5, ((f"comparison {n}", c.name) for n, c in enumerate(project.comparisons, 1)), "comparison"
    )
    for number, rule in enumerate(project.blocking, 1):
        for column in (*rule.on, *rule.refine):
            _check_column(reader, project, f"blocking {number} ({rule.name})", column)
    for number, comparison in enumerate(project.comparisons, 1):
        where = f"comparison {number} ({comparison.name})"
        for column in comparison.columns:
            _check_column(reader, project, where, column)
        if bool(comparison.levels) == bool(comparison.parts):
            came = "both levels and parts." if comparison.levels else "neither levels nor parts."
            reader.add(
                13, where, came, "One of the two is wanted.", "Give the levels, or the parts with theirs."
            )
        unique(reader, 5, ((f"{where} part {n}", p.name) for n, p in enumerate(comparison.parts, 1)), "part")
        groups = [(where, comparison.levels), *((f"{where} {p.name}", p.levels) for p in comparison.parts)]
        for place, levels in groups:
            unique(reader, 5, ((f"{place} level {n}", lv.name) for n, lv in enumerate(levels, 1)), "level")


def _check_column(reader: Reader, project: Project, where: str, column: str) -> None:
    """Note a column whose field does not exist; forms behind the first dot are judged when compiled."""
    base = column.split(".", 1)[0].strip()
    if re.fullmatch(r"[a-z][a-z0-9_]*", base) and base not in project.kinds:
        reader.add(
            14,
            where,
            f"there is no field '{base}'.",
            f"Known fields: {', '.join(project.kinds)}.",
            did_you_mean(base, project.kinds).strip(),
        )


def check_contracts(reader: Reader, project: Project, contracts: Mapping[str, Contract]) -> None:
    """Note where contracts, by source name, and the project do not fit together.

    The reader is one for contracts; each problem is noted under its source's name.
    """
    kinds = project.kinds
    known = ("person_id", *kinds)
    declared = {f.name: f.kind for f in project.fields}
    for source in project.sources:
        contract = contracts.get(source.name)
        if contract is None:
            continue
        own = Reader("CONTRACT", f"contract of {source.name}")
        for number, f in enumerate(contract.fields, start=1):
            where = f"field {number} ({f.column})"
            if f.standard not in known:
                hint = did_you_mean(f.standard, known) or " Declare it by [[field]] in the project file."
                own.add(
                    15,
                    where,
                    f"'{f.standard}' is no standard field.",
                    f"Known: {', '.join(known)}.",
                    hint.strip(),
                )
            elif f.standard == "person_id" and (source.role != "register" or f.column != contract.key):
                own.add(
                    16,
                    where,
                    "person_id is the register's own key.",
                    "It is wanted in a register only, for the column that is the key.",
                    "Remove the field.",
                )
        if contract.alias_file is not None and source.role != "register":
            own.add(
                17,
                "alias_file",
                "the source is no register.",
                "Only a register has re-issued numbers.",
                "Remove it.",
            )
        check_fields(own, contract, declared)
        reader.problems += own.problems
