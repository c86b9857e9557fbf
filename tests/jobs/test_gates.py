"""Gates on disk: what fails is withheld, and released once, whole, wherever it was stopped."""

from __future__ import annotations

import datetime
import fcntl
import json
import os
from pathlib import Path

import pytest

from jobs.finished_run import check_finished, read_run, unaccepted
from jobs.gates import (
    check_acceptance,
    exit_code,
    feeds_path,
    orders_path,
    run_gates,
    settle,
    withhold,
    write_receipt,
)
from jobs.project import load_project
from jobs.run_folder import RunFolder
from jobs.store import make_folder, write_bytes
from linkage.errors import ConfigError, ConflictError
from linkage.policy import Limits, Policy
from linkage.receipt import Facts, receipt

CONTRACT = """
schema = 1
key = "ID"
format = "csv"
[[field]]
column = "NAME"
standard = "full_name"
"""


def gate(name, *, holds):
    kind, _, rest = name.partition(":")
    source, _, standard = rest.partition(".")
    return {
        "name": name, "gate": kind, "source": source or None, "field": standard or None, "value": 0.2,
        "limit": 0.1, "judged": True, "holds": holds, "en": f"{name} in words", "vi": f"{name} bằng lời",
    }  # fmt: skip


GATES = [gate("converged", holds=True), gate("review", holds=False), gate("review:tax", holds=False),
         gate("new:tax", holds=False)]  # fmt: skip


def finish(folder, gates=GATES, **further):
    """A finished run with a feed, orders and a receipt, withheld if a gate fails."""
    with RunFolder(folder, "f1") as run:
        make_folder(run.artefacts / "feeds" / "tax")
        write_bytes(run.artefacts / "feeds" / "tax" / "corrections.parquet", b"feed")
        write_bytes(run.artefacts / "duplicates.parquet", b"orders")
        write_bytes(run.artefacts / "decisions.parquet", b"decisions")
        held = withhold(run.artefacts, gates)
        assert withhold(run.artefacts, gates) is held
        facts = Facts(
            run_id="r", project="p", source="tax", register=False, made=datetime.date(2026, 11, 22),
            extract_date=datetime.date(2026, 11, 20), outcome="taken", files=[], read=7, accepted=7,
            refused=[], decisions={"link": 7}, duplicates=1, withheld=held,
            gates=[g for g in gates if not g["holds"]],
        )  # fmt: skip
        write_receipt(make_folder(run.artefacts / "receipts"), receipt(facts))
        record = {"gates": gates, "withheld": held, "accepted": [], "left_out": [], **further}
        run.finish({**record, "exit_code": exit_code(record)})
    return folder


def files(folder):
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}


RELEASED = {
    "run.json", "decisions.parquet", "duplicates.parquet", "feeds/tax/corrections.parquet",
    "receipts/tax.json", "receipts/tax.txt",
}  # fmt: skip
KEPT_BACK = {
    "run.json", "decisions.parquet", "withheld/duplicates.parquet", "withheld/feeds/tax/corrections.parquet",
    "withheld/reasons.json", "withheld/reasons.txt", "receipts/tax.json", "receipts/tax.txt",
}  # fmt: skip


def test_withhold__hides_feeds_and_orders_and_nothing_else(tmp_path):
    out = finish(tmp_path / "run")
    assert files(out) == KEPT_BACK
    assert orders_path(out).read_bytes() == b"orders"
    assert (feeds_path(out) / "tax" / "corrections.parquet").read_bytes() == b"feed"
    reasons = json.loads((out / "withheld" / "reasons.json").read_text())
    assert [g["name"] for g in reasons["gates"]] == ["review", "review:tax", "new:tax"]
    text = (out / "withheld" / "reasons.txt").read_text(encoding="utf-8")
    assert "new:tax bằng lời" in text
    assert "new:tax in words" in text
    assert read_run(out)["exit_code"] == 1
    assert "tạm giữ" in (out / "receipts" / "tax.txt").read_text(encoding="utf-8")


def test_withhold__does_nothing_where_every_gate_holds(tmp_path):
    out = finish(tmp_path / "run", [gate("review", holds=True)])
    assert files(out) == RELEASED
    assert read_run(out)["exit_code"] == 0
    assert orders_path(out) == out / "duplicates.parquet"
    before = {p: p.stat().st_mtime_ns for p in out.rglob("*")}
    assert settle(out)["exit_code"] == 0
    assert {p: p.stat().st_mtime_ns for p in out.rglob("*")} == before


def test_accept__of_some_gates_is_kept_and_the_rest_named(tmp_path):
    out = finish(tmp_path / "run")
    run = settle(out, ["review"], "looked through")
    assert (run["withheld"], run["exit_code"], unaccepted(run)) == (True, 1, ["new:tax"])
    assert [(e["gate"], e["reason"]) for e in run["accepted"]] == [
        ("review", "looked through"),
        ("review:tax", "looked through"),
    ]
    assert files(out) == KEPT_BACK
    run = settle(out, ["new:tax"], "a new branch")
    assert (run["withheld"], run["exit_code"], unaccepted(run)) == (False, 0, [])
    assert run == read_run(out)
    assert files(out) == RELEASED
    assert not (out / "withheld").exists()
    assert run["accepted"][-1]["reason"] == "a new branch"
    assert datetime.datetime.fromisoformat(run["accepted"][-1]["when"]).tzinfo is not None


def test_accept__again_changes_nothing(tmp_path):
    out = finish(tmp_path / "run")
    first = settle(out, ["review", "new"], "seen")
    before = {p: p.stat().st_mtime_ns for p in out.rglob("*")}
    assert settle(out, ["review", "new"], "seen again") == first
    assert settle(out) == first
    assert {p: p.stat().st_mtime_ns for p in out.rglob("*")} == before


def test_accept__of_a_gate_that_holds_is_refused_and_accepts_nothing(tmp_path):
    out = finish(tmp_path / "run")
    for name in ("converged", "new:school", "deaths"):
        with pytest.raises(ConfigError, match="E-GATE-003") as caught:
            settle(out, ["review", name], "seen")
        assert caught.value.exit_code == 2
    assert read_run(out)["accepted"] == []
    assert files(out) == KEPT_BACK


def test_left_out__counts_before_gates(tmp_path):
    out = finish(tmp_path / "run", left_out=["school"])
    assert read_run(out)["exit_code"] == 3
    run = settle(out, ["review", "new"], "seen")
    assert (run["exit_code"], run["withheld"]) == (3, False)
    assert files(out) == RELEASED


def test_release__says_so_in_the_receipt(tmp_path):
    out = finish(tmp_path / "run")
    settle(out, ["review", "new"], "seen")
    text = (out / "receipts" / "tax.txt").read_text(encoding="utf-8")
    assert "tạm giữ" not in text
    assert "held back" not in text
    assert json.loads((out / "receipts" / "tax.json").read_text())["withheld"] is False


def test_release__is_told_to_whoever_watches(tmp_path):
    """The metrics kept exit code 1 for good: an alarm went on after the gates had been accepted."""
    out = finish(tmp_path / "run")
    figures = "# HELP linkage_run_exit_code x\nlinkage_run_exit_code 1\nlinkage_run_finished 1\n"
    (out / "metrics.prom").write_text(figures)
    settle(out, ["review"], "seen")
    assert (out / "metrics.prom").read_text() == figures
    settle(out, ["new"], "seen")
    assert (out / "metrics.prom").read_text() == figures.replace("code 1", "code 0")
    assert (out / "metrics.prom").stat().st_mode & 0o777 == 0o600


class Stopped(BaseException):
    """What a kill is to the code: nothing handles it."""


def test_release__stopped_anywhere_is_ended_by_the_same_command(tmp_path, monkeypatch):
    """Stopped before every single change of the disk in turn, until there is none left to stop at."""
    stops = 0
    while True:
        out = finish(tmp_path / f"run{stops}")
        left = stops

        def counted(real):
            def change(*given, **words):
                nonlocal left
                if left == 0:
                    raise Stopped
                left -= 1
                return real(*given, **words)

            return change

        with monkeypatch.context() as patch:
            for name in ("replace", "unlink", "rmdir"):
                patch.setattr(Path, name, counted(getattr(Path, name)))
            try:
                settle(out, ["review", "new"], "seen")
                stopped = False
            except Stopped:
                stopped = True
        for name in ("duplicates.parquet", "feeds"):
            assert (out / name).exists() != (out / "withheld" / name).exists()
        assert orders_path(out).read_bytes() == b"orders"
        run = read_run(out)
        if not run["withheld"]:
            assert {f for f in files(out) if ".tmp-" not in f} == RELEASED
        check_finished(out, 1)
        code = settle(out, ["review", "new"], "seen")["exit_code"]
        assert code == 0
        assert files(out) == RELEASED
        run = read_run(out)
        assert (run["withheld"], run["exit_code"], unaccepted(run)) == (False, 0, [])
        assert len(run["accepted"]) == 3
        if not stopped:
            break
        stops += 1
    assert stops >= 8


def test_release__stopped_after_all_was_accepted_is_ended_by_the_plain_command(tmp_path, monkeypatch):
    out = finish(tmp_path / "run")
    real = Path.replace

    def stop_at_feeds(self, target):
        if self == out / "withheld" / "feeds":
            raise Stopped
        return real(self, target)

    with monkeypatch.context() as patch, pytest.raises(Stopped):
        patch.setattr(Path, "replace", stop_at_feeds)
        settle(out, ["review", "new"], "seen")
    assert files(out) == KEPT_BACK
    assert settle(out)["exit_code"] == 0
    assert files(out) == RELEASED


def test_release__two_at_once_are_refused(tmp_path):
    out = finish(tmp_path / "run")
    handle = os.open(out, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    with pytest.raises(ConflictError, match="E-RUN-002"):
        settle(out, ["review"], "seen")
    assert settle(out)["withheld"], "looking needs no lock"
    os.close(handle)
    settle(out, ["review"], "seen")


@pytest.fixture
def loaded(tmp_path):
    (tmp_path / "c.toml").write_text(CONTRACT)
    sources = []
    for name, role in (("register", "register"), ("tax", "agency")):
        (tmp_path / f"{name}.csv").write_text("ID,NAME\n")
        sources.append(
            f'[[source]]\nname = "{name}"\nrole = "{role}"\nfiles = ["{name}.csv"]\n'
            'contract = "c.toml"\nextract_date = 2026-11-20\n'
        )
    text = 'schema = 1\n[project]\nname = "p"\nlocale = ["vietnam"]\n' + "".join(sources)
    (tmp_path / "project.toml").write_text(text)
    return load_project(tmp_path / "project.toml")


def facts_of(**tax):
    decided = {"link": 900, "review": 10, "new": 50, "conflict": 30, "ineligible": 10, **tax}
    taken = {"rows": 1100, "accepted": 1000, "refused": {"superseded": 60, "missing_key": 40}}
    return {
        "intake": {"sources": {"tax": taken, "register": {"rows": 9, "accepted": 9, "refused": {}}}},
        "decide": {"by_source": {"tax": decided}, "estimates": {"tax": {"links": 900, "expected": 0.01}}},
    }


COUNTED = {
    "register": {"corrections": []},
    "tax": {
        "corrections": [
            {"field": "sex", "kind": "fix", "action": "apply", "rows": 20},
            {"field": "sex", "kind": "format", "action": "apply", "rows": 30},
            {"field": "sex", "kind": "fix", "action": "confirm", "rows": 500},
            {"field": "death_date", "kind": "status", "action": "apply", "rows": 7},
            {"field": "death_date", "kind": "format", "action": "apply", "rows": 4},
        ]
    },
}


def test_figures__of_a_run_are_held_to_the_limits_of_project_and_policy(loaded):
    gates = {g.name: g for g in run_gates(loaded, facts_of(), COUNTED, converged=True)}
    assert {n: g.value for n, g in gates.items() if g.source == "tax"} == {
        "refused:tax": 40 / 1100,
        "precision:tax": 1 - 0.01 / 900,
        "review:tax": 0.04,
        "new:tax": 0.05,
        "corrections:tax.death_date": 0.011,
        "corrections:tax.sex": 0.05,
        "deaths:tax": 0.007,
    }
    assert [n for n, g in gates.items() if not g.holds] == ["review", "review:tax"]
    policy = Policy(
        schema=1, purpose="p", legal_basis="l",
        limits=Limits(review=0.04, new=0.049, corrections={"sex": 0.01}, deaths=0.0, refused=0.03),
    )  # fmt: skip
    loaded.policies["tax"] = policy
    gates = {g.name: g for g in run_gates(loaded, facts_of(), COUNTED, converged=True)}
    assert [n for n, g in gates.items() if not g.holds] == [
        "review", "refused:tax", "new:tax", "corrections:tax.sex", "deaths:tax",
    ]  # fmt: skip


def test_source__that_was_left_out_has_no_gate(loaded):
    gates = run_gates(loaded, facts_of(), {"register": COUNTED["register"]}, converged=True)
    assert {g.source for g in gates} == {None, "register"}


@pytest.mark.parametrize(
    "names", [["review"], ["review:tax"], ["corrections:tax.full_name", "refused:register"], []]
)
def test_acceptance__of_what_may_be_a_gate_is_taken(loaded, names):
    assert check_acceptance(loaded, names, " seen " if names else None) == ("seen" if names else "")


@pytest.mark.parametrize(
    ("names", "reason", "code"),
    [
        (["review"], None, "E-GATE-001"),
        (["review"], "  ", "E-GATE-001"),
        ([], "seen", "E-GATE-001"),
        (["review"], "two\nlines", "E-GATE-001"),
        (["review"], "x" * 501, "E-GATE-001"),
        (["reviews"], "seen", "E-GATE-002"),
        (["review:taxes"], "seen", "E-GATE-002"),
        (["review:"], "seen", "E-GATE-002"),
        (["corrections:tax.name"], "seen", "E-GATE-002"),
        ([""], "seen", "E-GATE-002"),
    ],
)
def test_acceptance__that_says_nothing_is_a_usage_error(loaded, names, reason, code):
    with pytest.raises(ConfigError, match=code) as caught:
        check_acceptance(loaded, names, reason)
    assert caught.value.exit_code == 2
