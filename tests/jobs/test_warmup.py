from __future__ import annotations

import importlib
import tempfile
from pathlib import Path

from jobs import warmup


def test_compile__leaves_no_file_and_meets_every_stage(tmp_path, monkeypatch):
    met = []
    run = importlib.import_module("jobs.run")
    walk = run._Stages.stage
    monkeypatch.setattr(
        run._Stages, "stage", lambda self, name, *rest: met.append(name) or walk(self, name, *rest)
    )
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    warmup.compile_all()
    assert {"intake", "standardise", "block", "train", "match", "decide", "resolve", "publish"} <= set(met)
    assert list(Path(tmp_path).iterdir()) == []
