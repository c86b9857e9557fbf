"""The stages of a run after intake, one after another: what each is made of, and what goes when it ends."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from jobs import blocking, counting, deciding, ordering, publishing, resolving, training
from jobs.closing import close_run
from jobs.executor import Call
from jobs.matching import match_records
from jobs.project import LoadedProject
from jobs.run_folder import RunFolder
from jobs.stages import Stages
from jobs.store import read_bytes, write_json
from jobs.workspace import Workspace
from linkage.model import Model

#: Parts whose columns are coded before what they were made from is removed.
PARTS_AT_ONCE = 32


def walk_on(
    stages: Stages,
    loaded: LoadedProject,
    space: Workspace,
    folder: RunFolder,
    layout: dict[str, Any],
    facts: dict[str, Any],
) -> dict[str, Any]:
    """Run every stage after intake and put its facts, by its name, beside those of intake; gives them all.

    layout : see :func:`jobs.intake.take_in`, with the run's cuts
    """
    work = str(space.work)
    parts = layout["parts"]
    rows = layout["rows"]
    facts["standardise"] = stages.stage(
        "standardise",
        lambda: _sum(
            stages.tasks(
                "standardise",
                [("jobs.tasks_standardise:standardise_part", (work, s, p)) for s, p, _, _ in parts],
                [n for *_, n in parts],
            )
        ),
        rows,
    )
    _make_key(folder, space, facts["standardise"]["orders"])
    vocabulary: Call = ("jobs.tasks_standardise:build_vocabulary", (work,))
    facts["vocabulary"] = stages.stage("vocabulary", lambda: stages.tasks("vocabulary", [vocabulary])[0])
    facts["columns"] = stages.stage(
        "columns",
        lambda: _code(stages, space),
        rows,
    )
    facts["frequency"] = stages.stage(
        "frequency",
        lambda: counting.count_values(stages, space),
        rows,
        passed=lambda: counting.rows_passed(space),
    )
    heavy = facts["frequency"]["heavy"]
    facts["block"] = stages.stage(
        "block",
        lambda: blocking.block_records(stages, space, heavy),
        rows,
        passed=lambda: blocking.rows_passed(space),
    )
    facts["train"] = stages.stage(
        "train",
        lambda: training.train_model(stages, space, facts["block"]),
        rows,
        passed=lambda: training.rows_passed(space),
    )
    pairs = facts["block"]["pairs"]
    facts["match"] = stages.stage(
        "match", lambda: match_records(stages, space, facts["block"]), pairs, what="candidates"
    )
    agency = rows - layout["n_register"]
    facts["decide"] = stages.stage(
        "decide",
        lambda: deciding.decide_records(stages, space),
        agency,
        passed=lambda: agency * deciding.ROUNDS,
    )
    facts["resolve"] = stages.stage(
        "resolve",
        lambda: resolving.resolve_run(stages, space),
        agency,
        passed=lambda: agency * resolving.ROUNDS,
    )
    facts["order"] = stages.stage(
        "order",
        lambda: ordering.order_records(stages, space),
        rows,
        passed=lambda: ordering.rows_passed(space),
    )
    corrected = loaded.project.corrections.make
    if corrected:
        from jobs import correction, register_cases

        facts["correct"] = stages.stage(
            "correct",
            lambda: correction.make_corrections(stages, space),
            agency,
            passed=lambda: correction.rows_passed(space),
        )
        facts["cases"] = stages.stage(
            "cases",
            lambda: register_cases.open_cases(stages, space, folder.artefacts),
            layout["n_register"],
            passed=lambda: register_cases.rows_passed(space),
        )
    facts["publish"] = stages.stage(
        "publish",
        lambda: publishing.publish_run(stages, space, folder.artefacts),
        rows,
        passed=lambda: rows * publishing.ROUNDS,
    )
    if corrected:
        corrections = facts["correct"]["rows_out"]
        facts["feeds"] = stages.stage(
            "feeds",
            lambda: correction.publish_feeds(stages, space, folder.artefacts, folder.fingerprint[:16]),
            corrections,
            passed=lambda: correction.feed_rows_passed(space, corrections),
        )
    facts["receipts"] = stages.stage("receipts", lambda: _close(stages, loaded, space, folder, facts))
    return facts


def _code(stages: Stages, space: Workspace) -> dict[str, Any]:
    """Columns by the run's vocabulary, some parts at a time: what each was made from goes when it stands."""
    parts = space.layout["parts"]
    results = []
    for at in range(0, len(parts), PARTS_AT_ONCE):
        some = parts[at : at + PARTS_AT_ONCE]
        calls: list[Call] = [
            ("jobs.tasks_standardise:code_part", (str(space.work), s, p)) for s, p, _, _ in some
        ]
        results += stages.tasks("columns", calls, [n for *_, n in some])
        stages.drop(*(f"standard/{s:02d}-{p:05d}.arrays" for s, p, _, _ in some))
    stages.free("standard/*.tokens.arrow", *(f"standard/*.{c}.arrow" for c in space.kinds))
    return _sum(results)


def _make_key(folder: RunFolder, space: Workspace, orders: int) -> None:
    """Write the key of the blocks' hashes, see :attr:`jobs.workspace.Workspace.key_secret`."""
    path = folder.work / "keys.json"
    if not path.exists():
        text = f"{space.secret}\x1f{orders % 2**64}\x1f{space.layout['rows']}"
        digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
        write_json(path, {"secret": int.from_bytes(digest, "big")})


def _sum(results: Sequence[dict[str, Any]]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for result in results:
        for key, value in result.items():
            if isinstance(value, int):
                out[key] = out.get(key, 0) + value
    return out


def _close(
    stages: Stages, loaded: LoadedProject, space: Workspace, folder: RunFolder, facts: dict[str, Any]
) -> dict[str, Any]:
    model = Model.from_json(read_bytes(space.work / "model.json"))
    run_id = folder.fingerprint[:16]
    return close_run(stages, loaded, space, folder.artefacts, facts, run_id=run_id, converged=model.converged)
