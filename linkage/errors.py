"""The few exceptions of the engine: each says what came, what was wanted and what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class LinkageError(Exception):
    """A failure the user can act on.

    ``code`` is stable and documented in ``docs/errors.md``; ``exit_code`` is what a command ends with
    (0 ok, 1 gate failed, 2 usage or configuration, 3 an input broke its contract, 4 conflict, 5 failed
    but resumable, 6 integrity). No attribute ever holds a value of a person's record.
    """

    exit_code = 5

    def __init__(self, code: str, what: str, wanted: str, do: str) -> None:
        super().__init__(f"{code}: {what} {wanted} {do}".strip())
        self.code = code
        self.what = what
        self.wanted = wanted
        self.do = do

    def as_dict(self) -> dict[str, str]:
        """The four parts, for ``--json``."""
        return {"code": self.code, "what": self.what, "wanted": self.wanted, "do": self.do}

    def __reduce__(self) -> tuple[type[LinkageError], tuple[str, str, str, str]]:
        return (type(self), (self.code, self.what, self.wanted, self.do))


class ConfigError(LinkageError):
    """The project file, a contract or the command line is wrong."""

    exit_code = 2


class ContractError(LinkageError):
    """An input does not keep its contract."""

    exit_code = 3


class ConflictError(LinkageError):
    """The output folder or a plan belongs to something else."""

    exit_code = 4


class IntegrityError(LinkageError):
    """A file is not what its manifest says."""

    exit_code = 6


def did_you_mean(given: str, known: Iterable[str]) -> str:
    """`` Did you mean 'x'?`` for the closest known word, else the empty string."""
    close = difflib.get_close_matches(given.lower(), {k.lower(): k for k in known}, n=1, cutoff=0.6)
    if not close:
        return ""
    return f" Did you mean '{next(k for k in known if k.lower() == close[0])}'?"
