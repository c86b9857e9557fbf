"""A run's folder and a folder of truth -> figures, and the figures as text."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from jobs.evaluation_feeds import judge_feeds
from jobs.evaluation_sample import Sample, all_strangers, read_sample, whole
from jobs.files import damaged
from jobs.finished_run import RUN, WITHHELD, check_artefact, read_run
from jobs.gates import orders_path
from linkage.errors import ConfigError
from linkage.evaluate import SUBGROUPS, Evidence, evaluate, judge, unseen_true_pairs

#: Says of true pairs (source, record_id, person_id) why they were no candidates: adds ``stage``.
Explain = Callable[[pl.DataFrame], pl.DataFrame]

#: What is read of ``run.json``.
_TOLD = frozenset(
    {
        "run_id", "artefacts", "estimates", "blocking", "register", "records_per_person", "policies",
        "project_file", "left_out",
    }
)  # fmt: skip

#: Artefacts of every run that are judged, and those that are read where a run has them.
_JUDGED = frozenset({"decisions.parquet", "duplicates.parquet", "pairs.parquet", "entities.parquet"})
_BESIDE = frozenset({"subgroups.parquet", "refinement.parquet", "register_cases.parquet"})


def evaluate_run(
    run: Path, truth: Path, explain: Explain | None = None, *, share: float = 1.0
) -> dict[str, Any]:
    """The figures of :func:`linkage.evaluate.evaluate` for a finished run, with its ``run_id``.

    share : of the people whose records are judged, above 0; below 1 they are drawn by a hash, entities are
            not judged (None), and decisions about records without truth are not counted

    Reads ``decisions``, ``duplicates``, ``pairs``, ``entities`` (.parquet) and ``run.json`` of the run and,
    where they are there, ``subgroups`` and ``candidates_lost``; ``entities.parquet`` of the truth. Of
    ``run.json`` it uses ``estimates``, ``blocking``, ``register`` and ``records_per_person`` (by source), and
    ``artefacts``: each is held against its size and digest before it is read.
    ``explain`` takes the place of ``candidates_lost``; without either, the project's files are read again for
    it. Raises ConfigError: ``E-EVALUATE-001`` no finished run, ``E-EVALUATE-002`` no truth,
    ``E-EVALUATE-003`` the truth is of other sources or records, ``E-EVALUATE-004`` a file lacks a column;
    IntegrityError ``E-INTEGRITY-001`` for a file that is damaged or missing.
    """
    held = read_run(run, _TOLD)
    if held is None:
        raise ConfigError(
            "E-EVALUATE-001",
            f"'{run.name}' holds no finished run;",
            "a folder with a run.json was wanted.",
            "Give the folder that 'linkage run --out' wrote, after it ended.",
        )
    if not (truth / "entities.parquet").exists():
        raise ConfigError(
            "E-EVALUATE-002",
            f"'{truth.name}' holds no truth;",
            "a folder with an entities.parquet (source, record_id, true_person_id) was wanted.",
            "Give the folder that 'linkage generate' wrote as truth/.",
        )
    _intact(run, held["artefacts"], _JUDGED if share == 1 else _JUDGED - {"entities.parquet"})
    _wanted(truth / "entities.parquet", ["source", "record_id", "true_person_id"])
    sample = read_sample(truth / "entities.parquet", share)
    known = sample.truth
    subgroups = run / "subgroups.parquet"
    lost = run / "candidates_lost.parquet"
    decisions = _columns(
        sample,
        run / "decisions.parquet",
        ["source", "record_id", "decision", "person_id", "probability"],
        ["number_usable"],
    )
    register = _register(held, known, decisions)
    record = [pl.col(name).cast(pl.String) for name in ("source", "record_id")]
    met = decisions.join(known, on=record, how="semi")
    if met.is_empty() and all_strangers(run / "decisions.parquet", truth / "entities.parquet"):
        raise ConfigError(
            "E-EVALUATE-003",
            f"None of the records that '{run.name}' decided about is in the truth;",
            "the truth of the same records was wanted.",
            "Give the truth of this run's own inputs.",
        )
    per_person = held.get("records_per_person") or {}
    evidence = Evidence(
        decisions=decisions,
        duplicates=_columns(
            sample,
            orders_path(run),
            ["source", "survivor_record_id", "absorbed_record_id"],
            by=("source", "absorbed_record_id"),
        ),
        pairs=_columns(
            sample,
            run / "pairs.parquet",
            ["source_l", "record_id_l", "source_r", "record_id_r"],
            by=("source_l", "record_id_l"),
        ),
        truth=known,
        register=register,
        entities=None
        if sample.share < 1
        else _columns(sample, run / "entities.parquet", ["source", "record_id", "entity_id"]),
        subgroups=_columns(sample, subgroups, ["source", "record_id"], SUBGROUPS)
        if subgroups.exists()
        else None,
        lost=_columns(sample, lost, ["source", "record_id", "stage"]) if lost.exists() else None,
        estimates=held.get("estimates"),
        many=[name for name, count in sorted(per_person.items()) if count == "many"],
    )
    if explain is None and evidence.lost is None:
        explain = _explanation(run, held)
    judged = judge(evidence)[0]
    if explain is not None:
        unseen = unseen_true_pairs(evidence, judged)
        evidence = Evidence(**{**vars(evidence), "lost": explain(unseen)})
    return {
        "run_id": held.get("run_id"),
        **evaluate(evidence),
        "estimated_blocking": held.get("blocking"),
        "share": share,
        "feeds": judge_feeds(run, held, truth, judged, evidence.register, sample),
    }


def _intact(run: Path, artefacts: Any, judged: Collection[str]) -> None:
    """Hold what is read of a run against its ``artefacts`` in ``run.json``, which must name all ``judged``.

    Raises IntegrityError ``E-INTEGRITY-001`` naming the file whose size or digest is another, or that is not
    there.
    """
    names = artefacts if isinstance(artefacts, dict) else {}
    places = {name.removeprefix(f"{WITHHELD}/"): name for name in sorted(names)}
    if not places.keys() >= set(judged):
        raise damaged(run / RUN)
    for name, place in places.items():
        corrections = name.startswith("feeds/") and name.endswith("/corrections.parquet")
        if name not in judged and name not in _BESIDE and not corrections:
            continue
        check_artefact(run, names, place)


def _explanation(run: Path, held: Mapping[str, Any]) -> Explain | None:
    """How to tell why pairs were no candidates: from the project's files, if they are where they were."""
    project = Path(str(held.get("project_file", "")))
    if not project.is_file() or not (run / "refinement.parquet").exists():
        return None

    def explain(pairs: pl.DataFrame) -> pl.DataFrame:
        from jobs.explain import explain_lost

        return explain_lost(run, project, pairs)

    return explain


def _wanted(path: Path, wanted: Sequence[str]) -> list[str]:
    """The columns that a Parquet file has; ConfigError ``E-EVALUATE-004`` if a wanted one is missing."""
    with whole(path):
        names = list(pl.read_parquet_schema(path))
    missing = [name for name in wanted if name not in names]
    if missing:
        raise ConfigError(
            "E-EVALUATE-004",
            f"'{path.parent.name}/{path.name}' lacks {', '.join(missing)};",
            f"{', '.join(wanted)} were wanted.",
            "Give a folder that this version wrote.",
        )
    return names


def _columns(
    sample: Sample,
    path: Path,
    wanted: Sequence[str],
    optional: Sequence[str] = (),
    by: tuple[str, str] = ("source", "record_id"),
) -> pl.DataFrame:
    names = _wanted(path, wanted)
    return sample.read(path, [*wanted, *(name for name in optional if name in names)], by)


def _register(held: Mapping[str, Any], truth: pl.DataFrame, decisions: pl.DataFrame) -> str:
    sources = set(truth.get_column("source").cast(pl.String).unique())
    decided = set(decisions.get_column("source").cast(pl.String).unique())
    stated = held.get("register")
    left = {stated} if stated else sources - decided
    if len(left) != 1 or not left <= sources or not decided <= sources:
        raise ConfigError(
            "E-EVALUATE-003",
            f"The run decided about {', '.join(sorted(decided)) or 'no source'};",
            f"the truth knows {', '.join(sorted(sources)) or 'none'}, and one of them must be the register.",
            "Give the truth of this run's own inputs.",
        )
    return str(next(iter(left)))


def render(figures: Mapping[str, Any]) -> str:
    """The figures as aligned tables of text."""
    overall = figures["overall"]
    named = [("all", overall), *figures["sources"].items()]
    whose = "" if figures["share"] == 1 else f" of {100 * figures['share']:g} % of the people"
    registered = f"{overall['registered']:,} of them are of registered people"
    parts = [
        f"{overall['records']:,} agency records{whose}; {registered}",
        "Links",
        _table(_QUALITY, [[name, *_quality(group["link"])] for name, group in named]),
        "New people",
        _table(_QUALITY, [[name, *_quality(group["new"])] for name, group in named]),
        "Decisions",
        _table(
            ["", *overall["decisions"], "review + conflict"],
            [
                [name, *(_percent(s) for s in group["decisions"].values()), _interval(group["review"])]
                for name, group in named
            ],
        ),
        "Duplicates within a source",
        _table(
            _QUALITY,
            [
                [name, *_quality(group)]
                for name, group in [
                    ("all", figures["duplicates"]["all"]),
                    *figures["duplicates"]["sources"].items(),
                ]
            ],
        ),
    ]
    if figures["entities"] is not None:
        parts += [
            "Entities, by pairs of records",
            _table(_QUALITY, [["all", *_quality(figures["entities"])]]),
        ]
    if figures["subgroups"]:
        rows = [
            [f"{g['dimension']}: {g['value']}", *_quality(g["link"]), _percent(g["review"])]
            for g in figures["subgroups"]
        ]
        parts += ["Links by sub-group", _table([*_QUALITY, "review"], rows)]
    parts += ["Where recall went", _losses(figures), "Promised and true", _promises(figures["calibration"])]
    parts += ["Links by probability", _bands(figures["calibration"]["links"])]
    parts += [
        "Named persons by probability, whatever the decision",
        _bands(figures["calibration"]["candidates"]),
    ]
    if figures.get("feeds"):
        parts += _feeds(figures["feeds"])
    if figures["without_truth"]:
        parts.append(
            f"{figures['without_truth']:,} decisions are about records that the truth does not know."
        )
    return "\n".join(_spaced(parts)) + "\n"


_QUALITY = ["", "made", "right", "precision", "95 %", "wanted", "recall", "95 %", "F1"]


def _spaced(parts: Iterable[str]) -> Iterable[str]:
    """A blank line before each heading: a part of one line that a table follows."""
    for number, part in enumerate(parts):
        if number and "\n" not in part:
            yield ""
        yield part


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(line[i]) for line in [head, *rows]) for i in range(len(head))]
    lines = [
        "  ".join(
            cell.ljust(w) if i == 0 else cell.rjust(w)
            for i, (cell, w) in enumerate(zip(line, widths, strict=True))
        )
        for line in [head, *rows]
    ]
    return "\n".join(f"  {line}".rstrip() for line in lines)


def _value(number: float | None, digits: int = 6) -> str:
    return "-" if number is None else f"{number:.{digits}f}"


def _percent(part: Mapping[str, Any]) -> str:
    return "-" if part["value"] is None else f"{100 * part['value']:.3f} %"


def _range(part: Mapping[str, Any]) -> str:
    return "-" if part["low"] is None else f"{part['low']:.6f} to {part['high']:.6f}"


def _interval(part: Mapping[str, Any]) -> str:
    if part["value"] is None:
        return "-"
    return f"{100 * part['value']:.3f} % ({100 * part['low']:.3f} to {100 * part['high']:.3f})"


def _quality(group: Mapping[str, Any]) -> list[str]:
    precision, recall = group["precision"], group["recall"]
    return [
        f"{precision['of']:,}",
        f"{precision['count']:,}",
        _value(precision["value"]),
        _range(precision),
        f"{recall['of']:,}",
        _value(recall["value"]),
        _range(recall),
        _value(group["f1"]),
    ]


_LOSSES = {
    "missed": "registered records without their link",
    "decided": "  pair seen, decided otherwise",
    "unseen": "  pair not among those kept",
    "blocking": "    lost to blocking",
    "refinement": "    lost to refinement",
    "below_floor": "    compared, below the floor",
}


def _losses(figures: Mapping[str, Any]) -> str:
    known = [(text, figures["losses"][name]) for name, text in _LOSSES.items()]
    rows = [[text, f"{part['count']:,}", _interval(part)] for text, part in known if part is not None]
    stated = figures.get("estimated_blocking")
    if isinstance(stated, Mapping):
        numbers = {k: v for k, v in stated.items() if isinstance(v, int | float) and not isinstance(v, bool)}
        rows += [
            [f"estimated by the run: {name.replace('_', ' ')}", f"{v:,.6g}", ""]
            for name, v in numbers.items()
        ]
    return _table(["", "records", "of the registered"], rows)


def _promises(calibration: Mapping[str, Any]) -> str:
    rows = []
    for name, group in [("all", calibration["all"]), *calibration["sources"].items()]:
        stated = group["stated"]
        interval = "-" if stated["low"] is None else f"{stated['low']:,.1f} to {stated['high']:,.1f}"
        verdict = {None: "-", True: "yes", False: "NO"}
        rows.append(
            [
                name,
                f"{group['false_links']:,}",
                f"{group['expected_false_links']:,.2f}",
                interval,
                verdict[group["holds"]],
                verdict[group["narrow"]],
                _value(group["estimated_precision"]),
                _value(group["true_precision"]["value"]),
            ]
        )
    head = ["", "false links", "expected", "99 % interval", "holds", "narrow", "precision estimated", "true"]
    return _table(head, rows)


def _feeds(feeds: Mapping[str, Any]) -> list[str]:
    """Corrections, what they reach, and register cases, as headings and tables."""
    judged = [("applied in all", "", feeds["applied"]), ("deaths applied", "", feeds["deaths"])]
    judged += [(row["action"], row["kind"], row) for row in feeds["kinds"]]
    head = ["action", "kind", "made", "right person", "95 %", "right value", "95 %"]
    made = [
        [
            action,
            kind,
            f"{row['person']['of']:,}",
            _value(row["person"]["value"]),
            _range(row["person"]),
            _value(row["value"]["value"]),
            _range(row["value"]),
        ]
        for action, kind, row in judged
    ]
    reach, cases = feeds["reach"], feeds["cases"]
    reached = [
        ["errors in linked records that are proposed", *_part(reach["proposed"])],
        ["of those, residence apart, applied", *_part(reach["applied"])],
        ["register errors that two agencies show, with a case", *_part(cases["shown_by_two_agencies"])],
        ["register doubles with a case", *_part(cases["doubles"])],
        ["register cases that are true", *_part(cases["all"])],
        *([f"  {name}", *_part(part)] for name, part in cases["by_kind"].items()),
    ]
    return [
        "Corrections",
        _table(head, made),
        "What corrections and register cases reach",
        _table(["", "count", "of", "share", "95 %"], reached),
    ]


def _part(part: Mapping[str, Any]) -> list[str]:
    return [f"{part['count']:,}", f"{part['of']:,}", _value(part["value"], 4), _range(part)]


def _bands(bands: Sequence[Mapping[str, Any]]) -> str:
    rows = [
        [
            f"{band['from']:g} to {band['to']:g}",
            f"{band['records']:,}",
            f"{band['records'] - band['expected_right']:,.2f}",
            f"{band['records'] - band['right']['count']:,}",
            _value(band["right"]["value"]),
            _range(band["right"]),
        ]
        for band in bands
        if band["records"]
    ]
    return _table(["probability", "records", "wrong expected", "wrong", "right", "95 %"], rows)
