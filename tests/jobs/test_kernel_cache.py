"""The kernel cache: private, bound to this very code, and healed whatever happens to its files."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import numba
import pytest

from jobs import kernel_cache
from jobs.progress import Progress
from linkage.errors import ConfigError
from tests.modes import under_modes, unwritable, writable

ROOT = Path(__file__).resolve().parents[2]

PROBE = """
import numpy as np
from kernels._jit import jit

@jit
def total(values):
    sum_ = 0
    for value in values:
        sum_ += value
    return sum_
"""

PROGRAM = """
import sys, types
import jobs
from jobs import kernel_cache
from jobs.progress import Progress

kernel_cache.prepare()
if "heal" in sys.argv:
    fake = types.ModuleType("jobs.warmup")
    def compile_all():
        import numpy as np
        from probe import total
        total(np.arange(3))
    fake.compile_all = compile_all
    sys.modules["jobs.warmup"] = jobs.warmup = fake
    kernel_cache.warmup(Progress())
import numpy as np
from probe import total
assert total(np.arange(5)) == 10
if "during" in sys.argv:
    import os
    from pathlib import Path
    for path in Path(os.environ["NUMBA_CACHE_DIR"]).rglob("*.nb?"):
        os.truncate(path, 100)
    kernel_cache.seal()
if "more" in sys.argv:
    assert total(np.arange(5.0)) == 10.0
    kernel_cache.seal()
print(sum(total.stats.cache_hits.values()))
"""


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A cache of its own in this process, whose settings are put back."""
    parent = tmp_path / "cache"
    monkeypatch.setattr(kernel_cache, "_prepared", None)
    monkeypatch.setattr(kernel_cache, "_verified", 0.0)
    monkeypatch.setattr(numba.config, "CACHE_DIR", numba.config.CACHE_DIR)
    monkeypatch.setenv("NUMBA_CACHE_DIR", os.environ.get("NUMBA_CACHE_DIR", ""))
    monkeypatch.setenv("LINKAGE_CACHE_DIR", str(parent))
    return parent


@pytest.fixture
def probe(tmp_path):
    """Runs a kernel in a process of its own, with a cache of its own."""
    (tmp_path / "probe.py").write_text(PROBE)
    (tmp_path / "program.py").write_text(textwrap.dedent(PROGRAM))
    environment = {
        **os.environ,
        "PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}",
        "LINKAGE_CACHE_DIR": str(tmp_path / "cache"),
    }
    environment.pop("NUMBA_CACHE_DIR", None)

    def run(*words):
        return subprocess.run(
            [sys.executable, str(tmp_path / "program.py"), *words],
            env=environment, capture_output=True, text=True, timeout=120,
            preexec_fn=under_modes if "modes" in words else None,
        )  # fmt: skip

    run.files = lambda: sorted(p for p in (tmp_path / "cache").rglob("*") if p.suffix in (".nbi", ".nbc"))
    return run


def truncate(path, share):
    with path.open("r+b") as file:
        file.truncate(int(path.stat().st_size * share))


def flip(path):
    held = bytearray(path.read_bytes())
    held[len(held) // 2] ^= 4
    path.write_bytes(held)


DAMAGES = {
    "emptied": lambda path: truncate(path, 0),
    "halved": lambda path: truncate(path, 0.5),
    "cut short": lambda path: truncate(path, 0.99),
    "one bit flipped": flip,
}


def test_cache__damage_of_any_kind_is_healed(probe):
    first = probe("heal")
    assert first.returncode == 0, first.stderr
    assert len(probe.files()) >= 2
    healthy = {p: p.read_bytes() for p in probe.files()}
    again = probe("heal")
    assert (again.returncode, again.stdout.strip()) == (0, "1"), again.stderr
    assert {p: p.read_bytes() for p in probe.files()} == healthy
    for name, damage in DAMAGES.items():
        for path in probe.files():
            damage(path)
        after = probe("heal")
        assert after.returncode == 0, (name, after.stderr)
    assert probe("heal").stdout.strip() == "1"


@pytest.mark.parametrize("kind", ["index", "code", "list", "lock"])
def test_cache__one_file_of_any_kind_damaged_or_gone_is_healed(probe, tmp_path, kind):
    pattern = {"index": "*.nbi", "code": "*.nbc", "list": "manifest.json", "lock": "lock"}[kind]
    assert probe("heal").returncode == 0
    for damage in (lambda path: path.write_bytes(b"\x80\x04damaged"), Path.unlink):
        path = next((tmp_path / "cache").rglob(pattern))
        damage(path)
        healed = probe("heal")
        assert healed.returncode == 0, healed.stderr
        assert path.exists()
        assert (probe("heal").stdout.strip(), probe().stdout.strip()) == ("1", "1")


@pytest.mark.parametrize("kind", ["*.nbi", "*.nbc", "*.nb?"])
def test_cache__damage_after_it_was_verified_has_the_kernel_compiled_anew(probe, tmp_path, kind):
    """Numba alone ends the program with what its unpickling raises."""
    assert probe("heal").returncode == 0
    for path in (tmp_path / "cache").rglob(kind):
        truncate(path, 0.5)
    met = probe()
    assert (met.returncode, met.stdout.strip()) == (0, "0"), met.stderr
    assert probe().stdout.strip() == "1"


def test_cache__damage_while_a_process_runs_is_not_sealed_in(probe):
    """What was cut short under a running process was listed as good, and no later one healed it."""
    assert probe("heal").returncode == 0
    held = [path.stat().st_size for path in probe.files()]
    assert probe("heal", "during").returncode == 0
    assert probe("heal").returncode == 0
    assert [path.stat().st_size for path in probe.files()] == held
    assert probe("heal").stdout.strip() == "1"


def test_cache__that_cannot_be_written_says_which_folder_it_is(home):
    folder = kernel_cache.prepare()
    (folder / "lock").mkdir()
    with pytest.raises(ConfigError, match=r"E-CACHE-003: the kernel cache '.*' cannot be .* written"):
        kernel_cache.heal()
    assert kernel_cache.seal() == 0


def test_cache__complete_where_nothing_can_be_written_is_used_as_it_is(probe, tmp_path):
    assert probe("heal").returncode == 0
    held = {path: path.stat() for path in (tmp_path / "cache").rglob("*")}
    unwritable(tmp_path / "cache")
    again = probe("heal", "modes")
    assert (again.returncode, again.stdout.strip()) == (0, "1"), again.stderr
    now = {path: path.stat() for path in (tmp_path / "cache").rglob("*")}
    assert {p: (s.st_ino, s.st_mtime_ns) for p, s in now.items()} == {
        p: (s.st_ino, s.st_mtime_ns) for p, s in held.items()
    }


@pytest.mark.parametrize("wrong", ["damaged", "gone", "more", "incomplete"])
def test_cache__where_nothing_can_be_written_it_must_be_whole(probe, tmp_path, wrong):
    assert probe("heal").returncode == 0
    one = probe.files()[0]
    if wrong == "damaged":
        flip(one)
    elif wrong == "gone":
        one.unlink()
    elif wrong == "more":
        one.with_suffix(".9.nbc").write_bytes(b"unknown")
    else:
        next((tmp_path / "cache").rglob("manifest.json")).unlink()
    unwritable(tmp_path / "cache")
    refused = probe("heal", "modes")
    assert refused.returncode != 0
    assert "E-CACHE-003" in refused.stderr
    assert "has not every kernel undamaged" in refused.stderr
    writable(tmp_path / "cache")
    assert probe("heal", "modes").returncode == 0


def test_cache__a_home_that_can_only_be_read_serves_if_it_has_this_codes_kernels(home, monkeypatch, tmp_path):
    monkeypatch.delenv("LINKAGE_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    held = kernel_cache.prepare()
    monkeypatch.setattr(kernel_cache, "_writable", lambda folder: False)
    monkeypatch.setattr(kernel_cache, "_prepared", None)
    assert kernel_cache.prepare() == held
    held.rmdir()
    monkeypatch.setattr(kernel_cache, "_prepared", None)
    assert kernel_cache.prepare().parent == tmp_path / f"linkage-{os.geteuid()}"


def test_prepare__takes_what_belongs_to_root(home, monkeypatch):
    """Kernels that were compiled when a container's image was made, used by an account of its own."""
    folder = kernel_cache.prepare()
    monkeypatch.setattr(kernel_cache, "_prepared", None)
    monkeypatch.setattr(os, "geteuid", lambda: 4243)
    if folder.stat().st_uid == 0:
        assert kernel_cache.prepare() == folder
    else:
        with pytest.raises(ConfigError, match="another user"):
            kernel_cache.prepare()


def test_cache__what_a_run_compiled_later_is_kept_if_it_was_sealed(probe):
    assert probe("heal").returncode == 0
    few = len(probe.files())
    assert probe("heal", "more").returncode == 0
    assert len(probe.files()) == few + 1
    assert probe("heal").returncode == 0
    assert len(probe.files()) == few + 1


def test_cache__what_a_dying_process_left_is_removed(probe):
    assert probe("heal").returncode == 0
    stray = probe.files()[0].with_suffix(".9.nbc")
    stray.write_bytes(b"half")
    assert probe("heal").returncode == 0
    assert not stray.exists()


def test_prepare__makes_a_private_folder_and_tells_numba(home):
    folder = kernel_cache.prepare()
    assert folder.parent == home
    assert folder.name == f"kernels-{kernel_cache.fingerprint()}"
    assert [p.stat().st_mode & 0o777 for p in (home, folder)] == [0o700, 0o700]
    assert os.environ["NUMBA_CACHE_DIR"] == str(folder) == numba.config.CACHE_DIR
    assert kernel_cache.prepare() == folder


@pytest.mark.parametrize("which", ["parent", "folder"])
def test_prepare__refuses_a_folder_that_others_can_write(home, which):
    folder = kernel_cache.prepare()
    (home if which == "parent" else folder).chmod(0o770)
    kernel_cache._prepared = None
    with pytest.raises(ConfigError, match="E-CACHE-001"):
        kernel_cache.prepare()


def test_prepare__refuses_a_link(home, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    home.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConfigError, match="is a link"):
        kernel_cache.prepare()


def test_prepare__refuses_a_folder_of_somebody_else(home, monkeypatch):
    home.mkdir(mode=0o700)
    if os.geteuid() == 0:
        os.chown(home, 4242, -1)
    monkeypatch.setattr(os, "geteuid", lambda: home.stat().st_uid + 1)
    with pytest.raises(ConfigError, match="another user"):
        kernel_cache.prepare()


def test_prepare__without_a_home_it_takes_a_private_temporary_folder(home, monkeypatch, tmp_path):
    monkeypatch.delenv("LINKAGE_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc/nowhere")
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    assert kernel_cache.prepare().parent == tmp_path / f"linkage-{os.geteuid()}"


def test_prepare__follows_the_users_cache_folder(home, monkeypatch, tmp_path):
    monkeypatch.delenv("LINKAGE_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert kernel_cache.prepare().parent == tmp_path / "xdg" / "linkage"


def test_fingerprint__changes_with_what_changes_the_code(monkeypatch, tmp_path):
    before = kernel_cache.fingerprint()
    assert kernel_cache.fingerprint() == before
    monkeypatch.setenv("NUMBA_NUM_THREADS", "1")
    assert kernel_cache.fingerprint() == before
    monkeypatch.setenv("NUMBA_CPU_NAME", "generic")
    assert kernel_cache.fingerprint() != before
    monkeypatch.delenv("NUMBA_CPU_NAME")
    (tmp_path / "jobs").mkdir()
    (tmp_path / "kernels").mkdir()
    monkeypatch.setattr(kernel_cache, "__file__", str(tmp_path / "jobs" / "kernel_cache.py"))
    empty = kernel_cache.fingerprint()
    (tmp_path / "kernels" / "new.py").write_text("A = 1\n")
    one = kernel_cache.fingerprint()
    (tmp_path / "kernels" / "new.py").write_text("A = 2\n")
    assert len({before, empty, one, kernel_cache.fingerprint()}) == 4


def test_warmup__compiles_once_and_says_so(home, fake_warmup):
    said = Said()
    kernel_cache.warmup(said)
    assert fake_warmup.calls == 1
    assert said.lines[0] == "compiling kernels (once)"
    kernel_cache.warmup(said)
    assert fake_warmup.calls == 1


def test_warmup__a_damaged_list_costs_a_compilation_and_nothing_else(home, fake_warmup):
    kernel_cache.warmup(Progress())
    manifest = kernel_cache.prepare() / "manifest.json"
    for damage in DAMAGES.values():
        before = fake_warmup.calls
        damage(manifest)
        kernel_cache.warmup(Progress())
        assert fake_warmup.calls == before + 1


def test_seal__does_not_bless_what_was_damaged_after_the_check(home, fake_warmup):
    kernel_cache.warmup(Progress())
    file = kernel_cache.prepare() / "a" / "k.nbc"
    moment = file.stat().st_mtime - 100
    file.write_bytes(b"damaged")
    os.utime(file, (moment, moment))
    kernel_cache.seal()
    assert not file.exists()


def test_heal__leaves_what_another_process_is_writing(home, fake_warmup):
    kernel_cache.warmup(Progress())
    writing = kernel_cache.prepare() / "a" / "k.nbi.tmp.0123456789abcdef"
    writing.write_bytes(b"half")
    assert kernel_cache.heal().removed == 0
    assert writing.exists()


class Said(Progress):
    def __init__(self):
        self.lines = []

    def message(self, text):
        self.lines.append(text)


@pytest.fixture
def fake_warmup(monkeypatch):
    """A compile_all that leaves a file, as Numba would."""
    import types

    import jobs

    fake = types.ModuleType("jobs.warmup")
    fake.calls = 0

    def compile_all():
        fake.calls += 1
        folder = kernel_cache.prepare() / "a"
        folder.mkdir(exist_ok=True)
        (folder / "k.nbc").write_bytes(b"compiled")

    fake.compile_all = compile_all
    monkeypatch.setitem(sys.modules, "jobs.warmup", fake)
    monkeypatch.setattr(jobs, "warmup", fake, raising=False)
    return fake
