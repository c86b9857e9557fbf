"""Finished tasks of a stage: one self-checked line each, so that a stopped run repeats only the others.

A line is the xxh3-128 of its text, a space, and the text: JSON with the task's key, its result, the files
that it wrote and the seconds that it took. The key is a digest of the task's function and arguments, and of
all tasks of the stage's earlier rounds: if its call, or one of its forerunners, has changed, it is another.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import xxhash

from jobs.executor import Call, Done
from jobs.files import AsideFile, aside, damaged, discard, disk_full, make_folder, needs_sync, sync

NAME = "tasks.jsonl"


class TaskLog:
    """The finished tasks of one stage; ``root`` is the run's folder, which may be moved between two attempts.

    ``held`` : of the finished tasks by key, their ``result``, ``files``, ``bytes`` written and ``seconds``;
    ``rounds`` : the number of the present round, the first is 0

    Opening it cuts off a last line that was torn when the run was killed. Raises IntegrityError
    ``E-INTEGRITY-001`` for any other line that is not as it was written.
    """

    def __init__(self, path: Path, root: Path) -> None:
        self.path = path
        self.root = root
        self.held: dict[str, dict[str, Any]] = {}
        self._chain = ""
        self.rounds = -1
        make_folder(path.parent)
        self._size = self._load()

    def _load(self) -> int:
        if not self.path.exists():
            return 0
        data = self.path.read_bytes()
        whole = data.rfind(b"\n") + 1
        for line in data[:whole].splitlines():
            digest, _, text = line.partition(b" ")
            if xxhash.xxh3_128_hexdigest(text).encode() != digest:
                raise damaged(self.path)
            told = json.loads(text)
            self.held[told["task"]] = told
        digest, _, text = data[whole:-1].partition(b" ")
        if whole < len(data) and xxhash.xxh3_128_hexdigest(text).encode() == digest:
            raise damaged(self.path)  # a whole line but for its end, which no torn one is
        if whole < len(data):
            os.truncate(self.path, whole)
        return whole

    def round(self, calls: Sequence[Call]) -> list[str]:
        """The keys of the calls of the stage's next round, in their order.

        If an earlier attempt's round was made of other calls, what it and the rounds after it finished is
        forgotten, and the files that these tasks wrote are removed.
        """
        texts = [self._text(call) for call in calls]
        seen: dict[str, int] = {}
        keys = []
        for text in texts:
            seen[text] = seen.get(text, 0) + 1
            keys.append(_digest(self._chain, text, str(seen[text])))
        self._chain = _digest(self._chain, *texts)
        self.rounds += 1
        self._forget_others(set(keys))
        return keys

    def _forget_others(self, keys: set[str]) -> None:
        here = {key for key, told in self.held.items() if told["round"] == self.rounds}
        later = {key for key, told in self.held.items() if told["round"] > self.rounds}
        # A later round begins when this one has ended: with some of it missing, it was another round.
        lost = (here - keys) | (later if here != keys else set())
        if not lost:
            return
        kept = {key: told for key, told in self.held.items() if key not in lost}
        wrote = {name for told in kept.values() for name in told["files"]}
        for name in {name for key in lost for name in self.held[key]["files"]} - wrote:
            discard(self.root / name)
        self.held = kept
        lines = b"".join(_line(json.dumps(told, ensure_ascii=False)) for told in kept.values())
        with aside(self.path, digests=False) as out:
            out.write(lines)
        self._size = len(lines)

    def _text(self, call: Call) -> str:
        name, arguments = call
        return json.dumps([name, self._plain(arguments)], ensure_ascii=False)

    def _plain(self, value: Any) -> Any:
        """An argument as JSON holds it; places in the run's folder without what lies above it."""
        if isinstance(value, list | tuple):
            return [self._plain(one) for one in value]
        if isinstance(value, dict):
            return {str(name): self._plain(value[name]) for name in sorted(value)}
        if isinstance(value, str | Path):
            text, root = str(value), str(self.root)
            return f"<run>{text[len(root) :]}" if text == root or text.startswith(root + os.sep) else text
        return value.item() if hasattr(value, "item") else value

    def last(self) -> None:
        """Make the lines last: before what only finished tasks have read is removed."""
        if self.path.exists() and needs_sync(self.path.parent):
            sync(self.path)

    def remember(self, key: str, done: Done) -> dict[str, Any]:
        """Note that a task is finished; gives what is kept of it as a later run will read it.

        Raises LinkageError ``E-DISK-001`` if there is no room for the line; nothing of it is left.
        """
        above = str(self.root) + os.sep
        told = {
            "task": key,
            "round": self.rounds,
            "result": done.result,
            "files": [file[len(above) :] for file in done.files if file.startswith(above)],
            "bytes": done.bytes_out,
            "seconds": round(done.seconds, 4),
        }
        text = json.dumps(told, ensure_ascii=False, default=_number)
        line = _line(text)
        try:
            handle = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            with os.fdopen(handle, "ab", buffering=0) as stream:
                AsideFile(stream, digests=False).write(line)
        except OSError as fault:
            with contextlib.suppress(OSError):
                os.truncate(self.path, self._size)
            raise (disk_full(f"'{self.path.parent.name}/{self.path.name}' stopped", fault) or fault) from None
        self._size += len(line)
        self.held[key] = json.loads(text)
        return self.held[key]


def _line(text: str) -> bytes:
    return f"{xxhash.xxh3_128_hexdigest(text.encode())} {text}\n".encode()


def _digest(*texts: str) -> str:
    return xxhash.xxh3_128_hexdigest("\x1f".join(texts).encode())


def _number(value: Any) -> Any:
    """A number of NumPy as one of Python. TypeError for anything else that JSON does not hold."""
    if hasattr(value, "item"):
        return value.item()
    raise TypeError(f"A task gave {type(value).__name__}. Wanted: what JSON holds. Give it in plain values.")
