"""Intake of a run: every source's files to parts, records and rejects; which sources the run goes on with."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from jobs.cuts import MOST_BITS
from jobs.executor import Call
from jobs.project import LoadedProject
from jobs.record_files import FAST, PLAIN, SMALL
from jobs.workspace import Workspace
from linkage.config import Source
from linkage.errors import ContractError, IntegrityError

#: Rows that are worth a part of their own, and the most that a part may have: what it costs to begin with a
#: part is then nothing, and the words of the part before are known again.
LEAST_ROWS, MOST_ROWS = 100_000, 1_000_000

#: Bytes that a task takes for a row of its part, at most: measured 420 with thirteen columns, three of names.
ROW_BYTES = 600

#: Bytes of files whose keys are looked at together for repeats: some millions of keys of twelve bytes.
BUCKET_BYTES = 96 << 20

#: Bytes of all files up to which the disk is not spared: their records lie as they are, or packed fast.
PLAIN_BYTES, FAST_BYTES = 512 << 20, 2 << 30

#: A source of fewer rows is stopped only where all of them are refused: one of three says little.
FEW_ROWS = 20

#: Refused rows that a contract asks for, and that no limit counts.
EXPECTED = frozenset({"superseded"})


class Tasks(Protocol):
    """Runs the tasks of a stage and gives their results in order."""

    def tasks(
        self, stage: str, calls: Sequence[Call], rows: Sequence[int] | None = None
    ) -> list[dict[str, Any]]:
        """Results of the calls in their order."""

    def free(self, *places: Path | str) -> None:
        """What no later stage needs."""

    def drop(self, *patterns: str) -> None:
        """What only finished tasks have read."""


def take_in(
    stages: Tasks, loaded: LoadedProject, space: Workspace, artefacts: Path, parts: int | None, threads: int
) -> dict[str, Any]:
    """Read every source; gives the layout of records and what each source brought.

    The layout says of every part of a source how its file was read: ``read_as``, encoding, delimiter, quote.

    A source whose files are broken, or of which more rows are refused than ``refused_max`` allows, ends the
    run with the ContractError (``E-INPUT-019`` for the limit), unless it is an agency with
    ``on_failure = "leave_out"``: then the run goes on without its rows. The refused rows of such a source are
    written first, to ``rejects`` among the artefacts.
    """
    work = str(space.work)
    planned = stages.tasks("intake", _plans(loaded, space, parts, threads))
    specs = {n: plan["specs"] for n, plan in enumerate(planned) if "specs" in plan}
    faults = {n: _fault(plan["broken"]) for n, plan in enumerate(planned) if "broken" in plan}
    bits = {n: _bits(many) for n, many in specs.items()}
    packing = _packing(sum(_size(many) for many in specs.values()))
    calls: list[Call] = [
        ("jobs.tasks_intake:intake", (work, n, spec, bits[n], packing))
        for n, many in specs.items()
        for spec in many
    ]
    passed = [
        n
        for number, many in specs.items()
        for n in _passed(input_bytes(loaded, space.sources[number].name), many)
    ]
    results = stages.tasks("intake", calls, passed)
    read: dict[int, list[dict[str, Any]]] = {n: [] for n in specs}
    for (_, (_, number, *_)), result in zip(calls, results, strict=True):
        if "broken" in result:
            faults.setdefault(number, _fault(result["broken"]))
        read[number].append(result)
    whole = [n for n in specs if n not in faults]
    kept = _settle(stages, work, {n: specs[n] for n in whole}, read, bits, packing)
    by_name = {s.name: s for s in loaded.project.sources}
    sources: dict[str, dict[str, Any]] = {}
    layout: list[list[int]] = []
    at = 0
    for number, info in enumerate(space.sources):
        facts = source_facts(info.name, specs.get(number, []), kept.get(number, []))
        sources[info.name] = facts
        if number in kept and (fault := beyond_limit(by_name[info.name], facts)) is not None:
            faults[number] = fault
        elif number in kept and info.role == "register" and facts["accepted"] == 0:
            faults[number] = _nobody()
        if number in faults:
            continue
        for part in kept[number]:
            layout.append([number, part["part"], at, part["rows_out"]])
            at += part["rows_out"]
    if faults:
        writes: list[Call] = [
            (
                "jobs.tasks_intake:write_rejects",
                (work, n, [p["part"] for p in kept[n]], str(artefacts / "rejects" / f"{name}.parquet")),
            )
            for n in sorted(faults)
            if n in kept
            for name in [space.sources[n].name]
        ]
        stages.tasks("intake", writes)
        told: list[Call] = [
            (
                "jobs.tasks_receipts:write_stopped_receipt",
                (work, str(artefacts), space.sources[n].name, {"sources": sources}, _why(faults[n])),
            )
            for n in sorted(faults)
        ]
        stages.tasks("intake", told)
        _leave_out(space, by_name, sources, faults)
    return {
        "left_out": [
            {"source": name, **{k: facts["left_out"][k] for k in ("code", "message")}}
            for name, facts in sources.items()
            if "left_out" in facts
        ],
        "layout": {
            "parts": layout,
            "rows": at,
            "n_register": sum(rows for source, _, _, rows in layout if source == 0),
            "read_as": {
                # Parts that were written anew have the numbers behind.
                space.sources[n].name: 2 * [[s["encoding"], s["delimiter"], s["quote"]] for s in many]
                for n, many in specs.items()
                if n not in faults
            },
        },
        "sources": sources,
        "rows_in": sum(s["rows"] for s in sources.values()),
        "rows_out": at,
    }


def _plans(loaded: LoadedProject, space: Workspace, parts: int | None, threads: int) -> list[Call]:
    del loaded
    most = most_rows(space.settings.get("share"))
    wanted = (parts, 1, most) if parts else (threads, LEAST_ROWS, most)
    return [
        ("jobs.tasks_intake:plan_source", (str(space.work), number, *wanted))
        for number in range(len(space.sources))
    ]


def most_rows(share: int | None) -> int:
    """Rows of a part at most, by the bytes that a task may take."""
    return MOST_ROWS if share is None else min(MOST_ROWS, max(LEAST_ROWS, share // 3 // ROW_BYTES))


def input_bytes(loaded: LoadedProject, *sources: str) -> int:
    """Bytes of the files of some sources as they lie, of all if none is named."""
    return sum(file.size for name in sources or loaded.files for file in loaded.files[name])


def _passed(size: int, specs: Sequence[Mapping[str, Any]]) -> list[int]:
    """Bytes of a source's ``size`` that each part passes: it is cut in bytes of a file or in row groups."""
    cut: dict[str, int] = {}
    for spec in specs:
        cut[spec["path"]] = cut.get(spec["path"], 0) + spec["stop"] - spec["start"]
    shares = [s["size"] * (s["stop"] - s["start"]) / max(1, cut[s["path"]]) for s in specs]
    ends = [int(size * end / max(1.0, sum(shares))) for end in itertools.accumulate(shares, initial=0.0)]
    return [b - a for a, b in itertools.pairwise(ends)]


def _packing(size: int) -> str:
    """How the records of files of ``size`` bytes lie until they are published."""
    return PLAIN if size <= PLAIN_BYTES else FAST if size <= FAST_BYTES else SMALL


def _bits(specs: Sequence[Mapping[str, Any]]) -> int:
    """2**bits buckets for the keys of a source, by the size of its files."""
    return min(MOST_BITS, max(0, math.ceil(math.log2(max(1.0, _size(specs) / BUCKET_BYTES)))))


def _size(specs: Sequence[Mapping[str, Any]]) -> int:
    """Bytes of a source's files."""
    return sum({spec["file"]: int(spec["size"]) for spec in specs}.values())


def _settle(
    stages: Tasks,
    work: str,
    specs: Mapping[int, Sequence[dict[str, Any]]],
    read: Mapping[int, Sequence[dict[str, Any]]],
    bits: Mapping[int, int],
    packing: str,
) -> dict[int, list[dict[str, Any]]]:
    """Refuse what falls because its key comes again anywhere in its source: the final parts of each."""
    looked = [(n, bucket) for n in specs for bucket in range(1 << bits[n])]
    found = stages.tasks(
        "intake",
        [
            ("jobs.tasks_intake:find_repeats", (work, n, [s["part"] for s in specs[n]], bucket))
            for n, bucket in looked
        ],
    )
    touched: dict[tuple[int, int], list[int]] = {}
    for (n, bucket), result in zip(looked, found, strict=True):
        for part, _ in result["fallen"]:
            touched.setdefault((n, part), []).append(bucket)
    kept = {n: [dict(result) for result in read[n]] for n in specs}
    again: list[Call] = [
        (
            "jobs.tasks_intake:drop_fallen",
            (work, n, specs[n][p], kept[n][p], buckets, p + len(specs[n]), packing),
        )
        for (n, p), buckets in sorted(touched.items())
    ]
    for (n, p), result in zip(sorted(touched), stages.tasks("intake", again), strict=True):
        kept[n][p] = result
        stages.free(f"intake/{n:02d}-{p:05d}.*")
    stages.free("spool", "intake/*.keys.arrays", "intake/*.order.arrow", "intake/*.fallen-*.arrays")
    return kept


def _nobody() -> ContractError:
    return ContractError(
        "E-INPUT-020",
        "No row of the register is accepted;",
        "the people that records are held against were wanted.",
        "Look at its files and at its rejects, and send it again: every record would be new.",
    )


def _why(fault: ContractError) -> str:
    """What is wrong, for a receipt: without what the owner of the project could do about it."""
    return f"{fault.code}: {fault.what} {fault.wanted}"


def _fault(said: Mapping[str, str]) -> ContractError:
    return ContractError(said["code"], said["what"], said["wanted"], said["do"])


def _leave_out(
    space: Workspace,
    declared: Mapping[str, Source],
    sources: Mapping[str, dict[str, Any]],
    faults: Mapping[int, ContractError],
) -> None:
    """Note the sources that are left out; raise the first fault that ends the run.

    Without any agency left there is nothing to decide, and the first fault ends it too.
    """
    stops = [
        n
        for n in sorted(faults)
        if space.sources[n].role == "register" or declared[space.sources[n].name].on_failure == "stop"
    ]
    agencies = {n for n, info in enumerate(space.sources) if info.role != "register"}
    if not stops and agencies <= set(faults):
        stops = sorted(faults)
    if stops:
        fault = faults[stops[0]]
        others = ", ".join(space.sources[n].name for n in sorted(faults) if n != stops[0])
        more = f" At fault too: {others}; see work/artefacts/receipts." if others else ""
        raise ContractError(
            fault.code, f"source {space.sources[stops[0]].name}: {fault.what}", fault.wanted, fault.do + more
        )
    for number, fault in faults.items():
        sources[space.sources[number].name]["left_out"] = {
            "code": fault.code,
            "message": f"{fault.what} {fault.wanted} {fault.do}",
            "why": _why(fault),
        }


def source_facts(
    name: str, specs: Sequence[Mapping[str, Any]], parts: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """What a source brought: rows, and of text its physical lines and bytes by what became of them.

    The bytes are of the text as UTF-8; ``bytes_as_sent`` are of the same text in its own encoding.

    Raises IntegrityError ``E-INTEGRITY-002`` if the text of its parts is not the text of its files.
    """
    refused: dict[str, int] = {}
    text = {kind: [0, 0] for kind in ("total", "header", "blank", "accepted", "refused")}
    spent: dict[int, int] = {}
    sizes: dict[int, int] = {}
    sent: dict[int, int] = {}
    for spec, part in zip(specs if parts else (), parts, strict=True):
        for code, count in part["refused"].items():
            refused[code] = refused.get(code, 0) + count
        head = [spec["head_lines"], spec["head_bytes"]]
        found = {**part["text"], "header": head}
        whole = found.pop("whole")
        found["total"] = [head[i] + whole[i] for i in (0, 1)]
        for kind, extent in found.items():
            text[kind] = [text[kind][i] + extent[i] for i in (0, 1)]
        if spec["form"] == "csv":
            file = spec["file"]
            sizes[file], sent[file] = spec["size"], spec["sent"]
            spent[file] = spent.get(file, 0) + head[1] + part["text"]["whole"][1]
    if spent != sizes:
        raise IntegrityError(
            "E-INTEGRITY-002",
            f"source {name}: {sum(spent.values())} bytes were read of {sum(sizes.values())};",
            "every byte must be of the header, of a row that is accepted or refused, or of a blank line.",
            "Report this as a defect.",
        )
    facts = {
        "rows": sum(p["rows_in"] for p in parts),
        "accepted": sum(p["rows_out"] for p in parts),
        "refused": dict(sorted(refused.items())),
        "blank": sum(p["blank"] for p in parts),
    }
    return facts | {"text": text, "bytes_as_sent": sum(sent.values())} if sizes else facts


def beyond_limit(source: Source, facts: Mapping[str, Any]) -> ContractError | None:
    """The error of a source of which too many rows are refused, else None.

    Rows that a later one of their key replaces are not counted. A source of fewer than twenty rows is beyond
    its limit only where all of its rows are refused.
    """
    refused = {code: n for code, n in facts["refused"].items() if code not in EXPECTED}
    count, rows = sum(refused.values()), facts["rows"]
    if count == 0 or count <= source.refused_max * rows or (rows < FEW_ROWS and count < rows):
        return None
    codes = ", ".join(f"{code} {n}" for code, n in sorted(refused.items(), key=lambda e: (-e[1], e[0])))
    return ContractError(
        "E-INPUT-019",
        f"{count} of {rows} rows are refused ({codes});",
        f"a share of at most {source.refused_max:g} was wanted.",
        f"Look at them in rejects/{source.name}.parquet (of a stopped run: in work/artefacts), "
        "then mend the files, or raise refused_max of the source.",
    )
