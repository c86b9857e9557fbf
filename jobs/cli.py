"""The command line: arguments to calls, results to stdout, messages to stderr, failures to exit codes.

Exit codes: 0 ok, 1 a quality gate failed, 2 usage or configuration, 3 an input broke its contract,
4 conflict, 5 failed but resumable by the same command, 6 integrity, 130 interrupted, 143 terminated.

Nothing heavy is imported here: the commands import what they need when they run.
"""

from __future__ import annotations

import atexit
import contextlib
import errno
import json
import os
import signal
import sys
import threading
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import click

from linkage.errors import ConfigError, LinkageError, did_you_mean

_OURS = ("jobs", "linkage", "kernels", "data")

#: Command -> (module, one line of help); the module is imported when the command runs.
COMMANDS: dict[str, tuple[str, str]] = {
    "generate": ("jobs.cli_generate", "Generate a nation: extracts, contracts, truth and a project file."),
    "check": ("jobs.cli_commands", "Check a project: configuration, contracts and files; writes nothing."),
    "plan": ("jobs.cli_plan", "Say beforehand what a run will read, pair, refine and cost."),
    "run": ("jobs.cli_commands", "Decide for every record of a project which person it is."),
    "evaluate": ("jobs.cli_commands", "Compare a finished run with the truth."),
    "profile": ("jobs.cli_profile", "Say where the time of a run went, by stage and task."),
    "schema": ("jobs.cli_commands", "Print the JSON Schema of project files, contracts or policies."),
    "warmup": ("jobs.cli_commands", "Compile the kernels now, once, instead of at the first run."),
    "version": ("jobs.cli_commands", "Print the version."),
    "demo": ("jobs.cli_demo", "Generate a small nation, reconcile it, and say how well."),
}


class _Terminated(KeyboardInterrupt):
    """SIGTERM came. Not an Exception, so that nothing but clean-up handles it on its way out; a
    KeyboardInterrupt, because that alone gets out of Ray's compiled parts. What comes out may be another one.
    """


class _Output:
    """A stream whose reader may go away, as is its right: nobody hears the rest, and the command goes on to
    its own end and exit code. Left to itself, such a command ends with 1 or 120, whatever it has done.
    """

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        with self._unheard():
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with self._unheard():
            self._stream.flush()

    @contextlib.contextmanager
    def _unheard(self) -> Iterator[None]:
        try:
            yield
        except OSError as fault:
            if fault.errno != errno.EPIPE:
                raise
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())  # what its buffer still holds goes there too
            os.close(nowhere)


class _Group(click.Group):
    """The commands by name, imported when one is asked for; unknown ones answered with a suggestion."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = __import__(COMMANDS[cmd_name][0], fromlist=[cmd_name])
        command = getattr(module, cmd_name)
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            raise click.UsageError(
                f"There is no command '{args[0]}'.{did_you_mean(args[0], list(COMMANDS))}", ctx
            )
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


def _print_version(ctx: click.Context, _parameter: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        import linkage

        click.echo(f"linkage {linkage.__version__}")
        ctx.exit()


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=_print_version,
    help="Print the version and exit.",
)
def cli() -> None:
    """Record linkage between a population register and the extracts of agencies.

    Results go to stdout, messages to stderr; every command takes --json. Exit codes: 0 ok, 1 a quality gate
    failed, 2 usage or configuration, 3 an input broke its contract, 4 conflict, 5 failed but resumable by
    the same command, 6 integrity, 130 interrupted, 143 terminated.
    """


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit the process with its code."""
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:  # closed: no file of a run may take its number
            setattr(sys, name, Path(os.devnull).open("r+", encoding="utf-8"))  # noqa: SIM115 - for good
    for name in ("stdout", "stderr"):
        setattr(sys, name, _Output(getattr(sys, name)))
    code = invoke(sys.argv[1:] if arguments is None else arguments)
    if code in (130, 143):  # threads may have a task to end: whoever asks again does not wait for them
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: os._exit(code))
    waited = threading.active_count() == 1  # whatever is not waited for has the interpreter's own end
    if waited:
        atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):  # its disk is full, or it was closed
            stream.flush()
    if not waited:
        sys.exit(code)
    os._exit(code)  # taking the interpreter down object by object took 0.4 s of a run


def invoke(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code; nothing but the code says how it ended."""
    as_json = "--json" in arguments
    os.umask(0o077)  # what is written here is about people
    came = threading.Event()
    before = _on_termination(came)
    try:
        result = cli.main(list(arguments), prog_name="linkage", standalone_mode=False)
        sys.stdout.flush()  # what cannot be written is understood here, not at the end
        return result if isinstance(result, int) else 0
    except LinkageError as error:
        _tell(error, as_json=as_json)
        return error.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return 2
    except click.ClickException as error:
        _tell(_usage(error), as_json=as_json)
        return 2
    except (click.Abort, KeyboardInterrupt):
        how, code = ("terminated", 143) if came.is_set() else ("interrupted", 130)
        click.echo(f"{how}: nothing is half-written, the same command goes on", err=True)
        return code
    except OSError as error:
        _tell(_system(error), as_json=as_json)
        return 5
    except Exception as error:  # noqa: BLE001 - the last door: no traceback, which may hold values
        _tell(_internal(error), as_json=as_json)
        return 5
    finally:
        if before is not None:
            signal.signal(signal.SIGTERM, before)


def _on_termination(came: threading.Event) -> Any:
    """Have SIGTERM set ``came`` and unwind the stack as Ctrl-C does; returns the handler before, None off the
    main thread.
    """

    def terminate(_number: int, _frame: FrameType | None) -> NoReturn:
        came.set()
        raise _Terminated

    try:
        return signal.signal(signal.SIGTERM, terminate)
    except ValueError:
        return None


def _usage(error: click.ClickException) -> LinkageError:
    usage = (
        error.ctx.get_usage().removeprefix("Usage: ")
        if isinstance(error, click.UsageError) and error.ctx
        else ""
    )
    return ConfigError(
        "E-USAGE-001",
        error.format_message(),
        f"Wanted: {usage}" if usage else "",
        "Add --help for the options.",
    )


def _system(error: OSError) -> LinkageError:
    name = errno.errorcode.get(error.errno or 0, type(error).__name__)
    place = f" at '{error.filename}'" if isinstance(error.filename, str) else ""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return LinkageError(
            "E-DISK-001",
            f"There is no room on the disk{place} ({name}), for bytes or for one file more.",
            "Free space there was wanted.",
            "Make room, and give the same command again.",
        )
    return LinkageError(
        "E-SYSTEM-001",
        f"the system refused{place}: {error.strerror or name} ({name}).",
        "Readable inputs, a writable output folder and free space are wanted.",
        "Put that right and give the same command again.",
    )


def _internal(error: Exception) -> LinkageError:
    """An error nobody foresaw: its type and where in the code, never its message, which may hold values."""
    if os.environ.get("LINKAGE_TRACEBACK") == "1":
        traceback.print_exception(error)
    places = [
        f"{module}:{line.lineno} in {line.name}"
        for line in traceback.extract_tb(error.__traceback__)
        if (module := _module(line.filename))
    ]
    if isinstance(error, MemoryError):
        return LinkageError(
            "E-SYSTEM-002",
            f"memory ran out ({', '.join(places[-1:])}).",
            "More memory, or fewer tasks at once, were wanted.",
            "Give it fewer --threads; or begin anew in another --out with a smaller --memory.",
        )
    return LinkageError(
        "E-INTERNAL-001",
        f"{type(error).__name__} at {' < '.join(reversed(places[-4:])) or 'an unknown place'}.",
        "This is a fault of the program, not of the input.",
        "Report the line above. LINKAGE_TRACEBACK=1 shows the whole trace, which may hold values of records.",
    )


def _module(filename: str) -> str:
    """``linkage/block.py`` for a file of ours, else the empty string."""
    parts = filename.replace(os.sep, "/").split("/")
    for start in range(len(parts) - 2, -1, -1):
        if parts[start] in _OURS:
            return "/".join(parts[start:])
    return ""


def _tell(error: LinkageError, *, as_json: bool) -> None:
    """Write an error to stderr: code, what came, what was wanted, what to do."""
    if as_json:
        print(
            json.dumps({"error": {**error.as_dict(), "exit_code": error.exit_code}}, ensure_ascii=False),
            file=sys.stderr,
        )
        return
    parts = error.as_dict()
    problems: list[dict[str, str]] = parts.get("problems") or [parts]  # type: ignore[assignment]
    colour = sys.stderr.isatty() and not os.environ.get("NO_COLOR")
    for problem in problems:
        head = f"error {problem['code']}:"
        lines = [f"{click.style(head, fg='red', bold=True) if colour else head} {problem['what']}"]
        lines += [f"  {problem[part]}" for part in ("wanted", "do") if problem[part].strip()]
        print("\n".join(lines), file=sys.stderr)
    if len(problems) > 1:
        print(f"{len(problems)} errors", file=sys.stderr)


if __name__ == "__main__":
    main()
