"""The stages of a run after intake, one after another: what each is made of, and what goes when it ends."""

from __future__ import annotations

import hashlib
from typing import Any

from jobs import blocking, coding, counting, deciding, ordering, publishing, resolving, training
from jobs.closing import close_run
from jobs.matching import match_records
from jobs.project import LoadedProject
from jobs.run_folder import RunFolder
from jobs.stages import Stages
from jobs.store import read_bytes, write_json
from jobs.workspace import Workspace
from linkage.model import Model


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
    rows = layout["rows"]
    facts["standardise"] = stages.stage("standardise", lambda: coding.standardise_parts(stages, space), rows)
    _make_key(folder, space, facts["standardise"]["orders"])
    facts["vocabulary"] = stages.stage(
        "vocabulary", lambda: coding.make_vocabulary(stages, space, facts["standardise"])
    )
    facts["columns"] = stages.stage(
        "columns",
        lambda: coding.code_columns(stages, space, facts["vocabulary"]["stretches"]),
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


def _make_key(folder: RunFolder, space: Workspace, orders: int) -> None:
    """Write the key of the blocks' hashes, see :attr:`jobs.workspace.Workspace.key_secret`."""
    path = folder.work / "keys.json"
    if not path.exists():
        text = f"{space.secret}\x1f{orders % 2**64}\x1f{space.layout['rows']}"
        digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
        write_json(path, {"secret": int.from_bytes(digest, "big")})


def _close(
    stages: Stages, loaded: LoadedProject, space: Workspace, folder: RunFolder, facts: dict[str, Any]
) -> dict[str, Any]:
    model = Model.from_json(read_bytes(space.work / "model.json"))
    run_id = folder.fingerprint[:16]
    return close_run(stages, loaded, space, folder.artefacts, facts, run_id=run_id, converged=model.converged)
