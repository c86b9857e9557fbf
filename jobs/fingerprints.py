"""Digests of what a run is made of: declarations, inputs, code and a given model."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import linkage
from jobs.input_digests import sha256_of_all
from jobs.kernel_cache import fingerprint as kernel_fingerprint
from jobs.project import LoadedProject
from jobs.source_files import unreadable
from jobs.store import file_digest
from linkage.errors import IntegrityError


def fingerprints(
    loaded: LoadedProject, model: Path | None, sums: Sequence[str] | None = None
) -> dict[str, str]:
    """Hex digests ``config``, ``inputs``, ``code``, ``model`` (empty without one), and of all, ``run``.

    ``config`` is of the project file, contracts and policies; ``inputs`` of every other file they name, by
    its SHA-256, as :func:`input_sums` gives them.
    """
    config = config_digest(loaded)
    inputs = hashlib.blake2b(digest_size=16)
    for digest in input_sums(loaded) if sums is None else sums:
        inputs.update(digest.encode())
    code = hashlib.blake2b(f"{linkage.__version__}\x1f{code_digest()}".encode(), digest_size=16).hexdigest()
    used = file_digest(model) if model is not None else ""
    whole = hashlib.blake2b(
        f"{config}\x1f{inputs.hexdigest()}\x1f{code}\x1f{used}".encode(), digest_size=16
    ).hexdigest()
    return {
        "config": config,
        "inputs": inputs.hexdigest(),
        "code": code,
        "model": used,
        "run": whole,
    }


def config_digest(loaded: LoadedProject) -> str:
    """Digest of the project file, contracts and policies as they are now."""
    config = hashlib.blake2b(digest_size=16)
    for path in loaded.declarations:
        config.update(file_digest(path).encode())
    return config.hexdigest()


def changed_meanwhile(name: str, more: str = "") -> IntegrityError:
    """The error about a file that is not what it was when the run began.

    more : what else it may have been
    """
    return IntegrityError(
        "E-INPUT-009",
        f"'{name}'{f' {more}' if more else ''} is not what it was when the run began:",
        "the file changed while it was being read.",
        "Leave the files alone during a run, and run again.",
    )


def input_sums(loaded: LoadedProject, first: int = 0) -> list[str]:
    """SHA-256 of :func:`input_files`, which receipts say too (see :mod:`jobs.input_digests`); of those from
    place ``first`` on.

    Raises ContractError ``E-INPUT-001`` for a file that cannot be read.
    """
    try:
        return sha256_of_all(input_files(loaded)[first:])
    except OSError as fault:
        raise unreadable(Path(fault.filename or "an input").name, fault) from None


def input_files(loaded: LoadedProject) -> list[Path]:
    """Every file with data that a project names, in a fixed order."""
    named = [f for files in loaded.files.values() for f in files]
    named += [f for f in (loaded.alias_file, loaded.model_file) if f]
    return [f.path for f in (*named, *loaded.must_link, *loaded.cannot_link)]


def code_digest() -> str:
    """Digest of every module of the method and of the jobs, and of the kernels as compiled."""
    digest = hashlib.blake2b(kernel_fingerprint().encode(), digest_size=16)
    for name in ("linkage", "jobs"):
        root = Path(__file__).resolve().parent.parent / name
        for path in sorted(root.rglob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()
