from __future__ import annotations

import os
import stat

import pytest

from jobs import kernel_cache, standing
from jobs.standing import FOLDER, check_versions, dismiss, expect, introduce, join, recognise, turn, versions
from linkage.errors import LinkageError


@pytest.fixture(autouse=True)
def token(monkeypatch):
    monkeypatch.setenv("RAY_AUTH_MODE", "token")


@pytest.fixture
def expected(tmp_path):
    return expect(tmp_path)


def code_of(function, *arguments):
    with pytest.raises(LinkageError) as caught:
        function(*arguments)
    assert caught.value.exit_code == 5
    return caught.value.code


def test_nodes__that_share_the_folder_pass_both_rounds(expected):
    for name in ("node0", "node1"):
        assert introduce(expected, name) == versions()
    turn(expected)
    for _ in range(2):
        recognise(expected, ["node0", "node1"])


def test_node__that_wrote_elsewhere_is_missed(expected):
    introduce(expected, "node0")
    turn(expected)
    assert code_of(recognise, expected, ["node0", "node1"]) == "E-RAY-004"


def test_node__that_sees_a_replaced_file_as_it_was_is_refused(expected):
    introduce(expected, "node0")
    with pytest.raises(LinkageError, match="still seen as it was"):
        recognise(expected, ["node0"])


def test_node__that_lists_the_folder_as_it_was_is_refused(expected, monkeypatch):
    introduce(expected, "node0")
    before = standing._names(expected)
    introduce(expected, "node1")
    turn(expected)
    monkeypatch.setattr(standing, "_names", lambda _: before)
    with pytest.raises(LinkageError, match="does not list"):
        recognise(expected, ["node0", "node1"])


def test_node__without_the_folder_is_refused(expected, tmp_path):
    (tmp_path / FOLDER).rename(tmp_path / "elsewhere")
    assert code_of(introduce, expected, "node0") == "E-RAY-004"
    assert code_of(join, expected) == "E-RAY-004"


def test_folder__of_another_driver_proves_nothing(expected, tmp_path):
    other = expect(tmp_path)
    dismiss(expected)
    introduce(other, "node0")
    assert code_of(introduce, expected, "node0") == "E-RAY-004"


def test_dismiss__removes_what_is_its_own(expected, tmp_path):
    other = expect(tmp_path)
    introduce(expected, "node0")
    dismiss(expected)
    assert {p.name.partition(".")[0] for p in (tmp_path / FOLDER).iterdir()} == {other.nonce}


@pytest.mark.parametrize("mode", [None, "", "disabled"])
def test_node__without_token_authentication_is_refused(expected, monkeypatch, mode):
    monkeypatch.delenv("RAY_AUTH_MODE")
    if mode is not None:
        monkeypatch.setenv("RAY_AUTH_MODE", mode)
    assert code_of(introduce, expected, "node0") == "E-RAY-006"


def test_versions__name_the_program_and_what_it_is_made_of():
    found = versions()
    assert {"linkage", "python", "numpy", "numba", "polars", "pyarrow", "ray"} <= set(found)
    assert all(found.values())
    check_versions(found, dict(found))


@pytest.mark.parametrize("name", ["linkage", "python", "polars"])
def test_versions__that_differ_are_named(name):
    with pytest.raises(LinkageError, match=rf"E-RAY-005.*{name} 0\.0 \(driver: ") as caught:
        check_versions(versions(), versions() | {name: "0.0"})
    assert "numba" not in caught.value.what


def test_join__keeps_kernels_on_the_node_in_a_private_folder(expected, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setenv("LINKAGE_CACHE_DIR", "of somebody else")
    monkeypatch.setattr(standing.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(kernel_cache, "prepare", lambda: asked.append(os.environ["LINKAGE_CACHE_DIR"]))
    monkeypatch.setattr(kernel_cache, "warmup", lambda _: asked.append("compiled"))
    join(standing.Standing(expected.versions, expected.work, expected.nonce, cache=None))
    assert asked == [f"{tmp_path}/linkage-{os.geteuid()}", "compiled"]
    join(standing.Standing(expected.versions, expected.work, expected.nonce, cache="/wanted"))
    assert asked[2] == "/wanted"


def test_files__are_the_users_alone(expected, tmp_path):
    introduce(expected, "node0")
    modes = {stat.S_IMODE(p.stat().st_mode) for p in (tmp_path / FOLDER).iterdir()}
    assert modes == {0o600}
    assert stat.S_IMODE((tmp_path / FOLDER).stat().st_mode) == 0o700
