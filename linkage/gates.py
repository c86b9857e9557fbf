"""Gates: figures of a run and limits -> whether its feeds and merge orders may leave the house.

A gate is one figure of one source (or of the whole run) against one limit. A run of which any gate fails is
withheld: nothing that an agency's system would apply by itself is published until a person has accepted each
failing gate, with a reason.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from linkage import wording
from linkage.config import Gates
from linkage.policy import Limits
from linkage.posterior import UNFORESEEN
from linkage.wording import Language

#: Gate -> what it holds against its limit.
NAMES: Mapping[str, str] = {
    "converged": "whether every training of the model converged",
    "precision": "expected share of right links among a source's links, against what is demanded",
    "refused": "refused rows among a source's rows; rows that a later one replaced do not count",
    "review": "records in review or conflict, among a source's records and among all agency records",
    "new": "records of nobody in the register among a source's records",
    "corrections": "records that one field would be applied to, among a source's records",
    "deaths": "records that a death would be applied to, among a source's records",
}

#: Records (of ``precision``: links; of ``refused``: none) below which a share is not judged: one record of
#: fifty is two per cent, and says nothing.
LEAST_RECORDS = 200

#: Agency records below which a model that did not converge is a warning only: so few matches leave rare
#: levels wavering, and a clerk can look at such a run whole.
LEAST_TRAINED = 2_000

#: Codes of refused rows that are no fault: the contract says that a later row replaces them.
REPLACED: frozenset[str] = frozenset({"superseded"})


@dataclass(frozen=True)
class SourceFigures:
    """What a run found of one source.

    rows, refused, accepted : rows read, refused (without :data:`REPLACED`) and accepted
    review, new : records in review or conflict; records of nobody in the register
    links, false_links : links, and how many of them are expected to be false
    changed : standard field -> records whose field an ``apply`` would change;  deaths : those of a death
    corrected : false in a run that makes no corrections: nothing is said of them
    register : whether it is the register, of which rows are judged and nothing else
    """

    rows: int
    refused: int
    accepted: int
    review: int = 0
    new: int = 0
    links: int = 0
    false_links: float = 0.0
    changed: Mapping[str, int] = field(default_factory=dict)
    deaths: int = 0
    corrected: bool = True
    register: bool = False


@dataclass(frozen=True)
class SourceLimits:
    """What one source must keep: ``precision`` None asks for none; ``fields`` are limits of their own."""

    precision: float | None
    refused: float
    review: float
    new: float
    corrections: float
    deaths: float
    fields: Mapping[str, float] = field(default_factory=dict)


#: A source may have this many times the share in review that all agencies together may have: one is cleaner
#: than another, and a small one varies.
SOURCE_REVIEW = 2


def limits_of(gates: Gates, own: Limits | None, *, precision: float, review_max: float) -> SourceLimits:
    """A source's limits: its policy's ``[limits]`` over the project's ``[gates]``.

    precision : that its links are held to;  review_max : of the project's ``[decision]``
    """
    own = own or Limits()

    def stated(value: float | None, otherwise: float) -> float:
        return otherwise if value is None else value

    return SourceLimits(
        precision=precision if gates.precision else None,
        refused=stated(own.refused, gates.refused),
        review=stated(own.review, stated(gates.review, min(1.0, SOURCE_REVIEW * review_max))),
        new=stated(own.new, gates.new),
        corrections=gates.corrections,
        deaths=stated(own.deaths, gates.deaths),
        fields=dict(own.corrections),
    )


@dataclass(frozen=True)
class Gate:
    """One gate: a figure, its limit, and whether it holds.

    ``value`` is None where there is nothing to judge. ``judged`` is false where there are too few records:
    such a gate holds. ``en`` and ``vi`` say it in a sentence.
    """

    gate: str
    source: str | None
    field: str | None
    value: float | bool | None
    limit: float | bool
    judged: bool
    holds: bool
    en: str
    vi: str

    @property
    def name(self) -> str:
        """``review``, ``review:tax``, ``corrections:tax.full_name``: what ``--accept`` takes."""
        return gate_name(self.gate, self.source, self.field)

    def as_dict(self) -> dict[str, Any]:
        """The gate as it stands in ``run.json``."""
        return {"name": self.name, **dataclasses.asdict(self)}


def gate_name(gate: str, source: str | None = None, standard: str | None = None) -> str:
    """The name of a gate from its parts."""
    return gate + (f":{source}" if source else "") + (f".{standard}" if standard else "")


def covers(accepted: str, name: str) -> bool:
    """Whether accepting ``accepted`` accepts the gate ``name``: it is it, or begins it by whole words."""
    return name == accepted or name.startswith((f"{accepted}:", f"{accepted}."))


def judge(
    figures: Mapping[str, SourceFigures],
    limits: Mapping[str, SourceLimits],
    *,
    converged: bool,
    converged_wanted: bool,
    review_max: float,
) -> list[Gate]:
    """Every gate of a run: those of the whole run, then source by source in the order of ``figures``."""
    agencies = [f for f in figures.values() if not f.register]
    records = sum(f.accepted for f in agencies)
    found = []
    if converged_wanted:
        found.append(_converged(converged, records))
    whole = sum(f.review for f in agencies)
    found.append(_share("review", None, None, whole, records, review_max))
    for name, figure in figures.items():
        found += _source(name, figure, limits[name])
    return found


def _source(name: str, figure: SourceFigures, limit: SourceLimits) -> Iterable[Gate]:
    yield _share("refused", name, None, figure.refused, figure.rows, limit.refused, least=1)
    if figure.register:
        return
    if limit.precision is not None:
        yield _precision(name, figure, limit.precision)
    records = figure.accepted
    yield _share("review", name, None, figure.review, records, limit.review)
    yield _share("new", name, None, figure.new, records, limit.new)
    if not figure.corrected:
        return
    for standard in sorted(set(figure.changed) | set(limit.fields)):
        at_most = limit.fields.get(standard, limit.corrections)
        yield _share("corrections", name, standard, figure.changed.get(standard, 0), records, at_most)
    yield _share("deaths", name, None, figure.deaths, records, limit.deaths)


def _converged(converged: bool, records: int) -> Gate:
    judged = records >= LEAST_TRAINED
    return Gate(
        "converged",
        None,
        None,
        converged,
        True,
        judged,
        converged or not judged,
        f"The model has {'' if converged else 'not '}converged.",
        f"Mô hình {'đã' if converged else 'chưa'} hội tụ.",
    )


def _precision(source: str, figure: SourceFigures, demanded: float) -> Gate:
    value = 1 - figure.false_links / figure.links if figure.links else None
    judged = figure.links >= LEAST_RECORDS
    # Links are chosen so that their own posteriors keep the promise; what is added for the unforeseen must
    # not break it, nor the order of a sum.
    allowed = (1 - demanded + UNFORESEEN) * figure.links * (1 + 1e-9)
    return Gate(
        "precision",
        source,
        None,
        value,
        demanded,
        judged,
        not judged or figure.false_links <= allowed,
        f"{source}: {wording.share(value, 'en', 5)} of the links are expected to be right; "
        f"at least {wording.share(demanded, 'en', 5)} is demanded.",
        f"{source}: ước tính {wording.share(value, 'vi', 5)} số liên kết là đúng; "
        f"yêu cầu ít nhất {wording.share(demanded, 'vi', 5)}.",
    )


_SENTENCES: Mapping[str, tuple[str, str]] = {
    "refused": ("{share} of the rows were refused", "{share} số dòng bị từ chối"),
    "review": (
        "{share} of the records wait for a person's judgement",
        "{share} số bản ghi phải chờ cán bộ xem xét",
    ),
    "new": (
        "{share} of the records are of nobody in the register",
        "{share} số bản ghi không có trong CSDL dân cư",
    ),
    "corrections": (
        "{share} of the records would be changed in the field {field}",
        "{share} số bản ghi sẽ bị sửa ở trường {field}",
    ),
    "deaths": (
        "{share} of the records would be marked as of a dead person",
        "{share} số bản ghi sẽ bị ghi là của người đã chết",
    ),
}


def _share(
    gate: str,
    source: str | None,
    standard: str | None,
    part: int,
    whole: int,
    limit: float,
    least: int = LEAST_RECORDS,
) -> Gate:
    value = part / whole if whole else None
    judged = whole >= least
    # As many decimals as tell on which side of its limit the figure is.
    digits = next((d for d in (2, 4) if value is None or (round(value, d + 2) > limit) == (value > limit)), 6)

    def sentence(language: Language) -> str:
        form = _SENTENCES[gate][0 if language == "en" else 1]
        said = form.format(
            share=wording.share(value, language, digits), field=wording.field_name(standard or "", language)
        )
        of = source or ("all agencies" if language == "en" else "Tất cả các cơ quan")
        return f"{of}: {said} ({wording.count(part, language)} / {wording.count(whole, language)}); " + (
            f"at most {wording.share(limit, language)} is allowed."
            if language == "en"
            else f"cho phép tối đa {wording.share(limit, language)}."
        )

    holds = not judged or value is None or value <= limit
    return Gate(gate, source, standard, value, limit, judged, holds, sentence("en"), sentence("vi"))


def failing(gates: Iterable[Mapping[str, Any]]) -> list[str]:
    """Names of the gates (as they stand in ``run.json``) that do not hold."""
    return [str(g["name"]) for g in gates if not g["holds"]]


def reasons_text(gates: Sequence[Mapping[str, Any]]) -> str:
    """Why a run is withheld, for people to read: Vietnamese, then English; of failing gates only."""
    broken = [g for g in gates if not g["holds"]]
    lines = [
        "CHƯA PHÁT HÀNH: các đề nghị sửa đổi và đề nghị gộp trong thư mục này chưa được gửi đi, vì:",
        "",
        *_told(broken, "vi"),
        "",
        "Người có trách nhiệm xem lại từng mục. Nếu chấp nhận, phát hành bằng lệnh",
        "  linkage run PROJECT --out FOLDER --accept GATE --reason LÝ_DO",
        "",
        "WITHHELD: the corrections and merge orders in this folder have not been sent, because:",
        "",
        *_told(broken, "en"),
        "",
        "Somebody who answers for it looks at each. If it is accepted, this releases them:",
        "  linkage run PROJECT --out FOLDER --accept GATE --reason TEXT",
    ]
    return "\n".join(lines) + "\n"


def _told(gates: Sequence[Mapping[str, Any]], language: Language) -> list[str]:
    """One entry a gate, its further lines further in; no line above :data:`linkage.wording.PAGE` columns."""
    return [
        line for gate in gates for line in wording.wrapped(f"[{gate['name']}]  {gate[language]}", 2, hang=2)
    ]
