"""A project on disk: its file, its contracts, and the files they name."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from linkage.config import Project, check_contracts, parse_project
from linkage.contract import Contract, parse_contract
from linkage.errors import ConfigError, LinkageError
from linkage.levels import Programme
from linkage.packs import pack_defaults
from linkage.plan import Plan, compile_project
from linkage.policy import Policy, parse_policy
from linkage.rules import Rule
from linkage.schema import DeclarationError, Reader


@dataclass(frozen=True)
class DataFile:
    """A file the project names: where it is, and its size in bytes."""

    path: Path
    size: int


@dataclass(frozen=True)
class LoadedProject:
    """A project that is right as far as its declarations go; no data has been read.

    ``contracts``, ``policies`` (of agencies that have one) and ``files`` are by source name; the files of a
    source are sorted by their path from the project file, so that neither the order in the file nor that of
    a folder matters.
    """

    path: Path
    project: Project
    contracts: dict[str, Contract]
    policies: dict[str, Policy]
    files: dict[str, tuple[DataFile, ...]]
    alias_file: DataFile | None
    must_link: tuple[DataFile, ...]
    cannot_link: tuple[DataFile, ...]
    model_file: DataFile | None

    @property
    def base(self) -> Path:
        """The folder that every path of the project file starts from."""
        return self.path.parent

    @property
    def declarations(self) -> tuple[Path, ...]:
        """The project file, the contracts and the policies, in the order of the sources."""
        sources = self.project.sources
        policies = [self.base / s.policy for s in sources if s.policy is not None]
        return (self.path, *(self.base / s.contract for s in sources), *policies)


def load_project(path: Path) -> LoadedProject:
    """Read the project file at ``path`` and its contracts, and find every file they name.

    Raises
    ------
    DeclarationError
        Holding every problem of all these files; ConfigError ``E-CONFIG-020`` if ``path`` itself cannot be
        read.
    """
    path = path / "project.toml" if path.is_dir() else path
    project = parse_project(read_declaration(path), path.name)
    base = path.resolve().parent
    finder = _Finder(base)
    contracts: dict[str, Contract] = {}
    files: dict[str, tuple[DataFile, ...]] = {}
    policies: dict[str, Policy] = {}
    alias_file: DataFile | None = None
    for number, source in enumerate(project.sources, start=1):
        files[source.name] = finder.several(source.files, f"source {number} ({source.name}) files")
        if source.policy is not None:
            try:
                text = read_declaration(base / source.policy)
                policies[source.name] = parse_policy(text, f"policy of {source.name}", project.kinds)
            except DeclarationError as error:
                finder.reader.problems += error.problems
            except ConfigError as error:
                finder.reader.add(
                    int(error.code[-3:]),
                    f"source {number} ({source.name}) policy",
                    error.what,
                    error.wanted,
                    error.do,
                )
        try:
            contract = parse_contract(read_declaration(base / source.contract), f"contract of {source.name}")
        except DeclarationError as error:
            finder.reader.problems += error.problems
            continue
        except ConfigError as error:
            finder.reader.add(
                int(error.code[-3:]),
                f"source {number} ({source.name}) contract",
                error.what,
                error.wanted,
                error.do,
            )
            continue
        contracts[source.name] = contract
        if contract.alias_file is not None:
            place = Path(os.path.normpath((base / source.contract).parent / contract.alias_file))
            alias_file = finder.one(place, contract.alias_file, f"contract of {source.name}, alias_file")
    check_contracts(finder.reader, project, contracts)
    must_link = finder.several(project.constraints.must_link, "constraints must_link")
    cannot_link = finder.several(project.constraints.cannot_link, "constraints cannot_link")
    model_file: DataFile | None = None
    if project.model.file is not None:
        model_file = finder.one(base / project.model.file, project.model.file, "model file")
    finder.reader.finish()
    return LoadedProject(
        path=base / path.name,
        project=project,
        contracts=contracts,
        policies=policies,
        files=files,
        alias_file=alias_file,
        must_link=must_link,
        cannot_link=cannot_link,
        model_file=model_file,
    )


def read_declaration(path: Path) -> str:
    """The text of a project file or a contract; ConfigError ``E-CONFIG-020`` or ``-021`` if there is none."""
    try:
        return path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        reason = "does not exist" if isinstance(error, FileNotFoundError) else "cannot be read"
        raise ConfigError(
            "E-CONFIG-020",
            f"the file '{path}' {reason}.",
            "A readable TOML file is wanted.",
            "Correct the path.",
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigError(
            "E-CONFIG-021", f"the file '{path}' is not UTF-8.", "TOML is UTF-8.", "Save it as UTF-8."
        ) from error


class _Finder:
    """Resolves paths of one project and notes those that lead nowhere."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.reader = Reader("CONFIG", "project")

    def several(self, patterns: Iterable[str], where: str) -> tuple[DataFile, ...]:
        """The files of ``patterns``, each once, sorted by their path from the project file."""
        found: dict[str, Path] = {}
        for pattern in patterns:
            matches = [pattern]
            if glob.has_magic(pattern) and not (self.base / pattern).exists():
                matches = sorted(m for m in glob.glob(pattern, root_dir=self.base, recursive=True))  # noqa: PTH207 - matches relative to a folder
                matches = [m for m in matches if (self.base / m).is_file()]
            if not matches:
                self.reader.add(
                    22,
                    where,
                    f"no file matches '{pattern}'.",
                    "At least one is wanted.",
                    "Correct the pattern; it starts at the project file's folder.",
                )
            for match in matches:
                found.setdefault(match, self.base / match)
        kept: dict[Path, DataFile] = {}
        for name in sorted(found):
            file = self.one(found[name], name, where)
            if file is not None:
                kept.setdefault(file.path.resolve(), file)
        return tuple(kept.values())

    def one(self, path: Path, name: str, where: str) -> DataFile | None:
        """The file at ``path``, called ``name`` in messages; None after noting that it is not there."""
        if path.is_file():
            return DataFile(path, path.stat().st_size)
        came = f"'{name}' is a folder." if path.is_dir() else f"the file '{name}' does not exist."
        do = f"Name its files, such as '{name}/*.csv'." if path.is_dir() else "Correct the path."
        self.reader.add(22, where, came, "A file is wanted.", do)
        return None


def check_plan(loaded: LoadedProject) -> tuple[Plan, tuple[Rule, ...], Programme]:
    """Compile blocking rules and comparison levels; ConfigError as :func:`linkage.plan.compile_project`."""
    return compile_project(loaded.project, loaded.contracts, pack_defaults(loaded.project.locale))


def check_project(path: Path) -> dict[str, Any]:
    """Check declarations and the headers of all files; returns what was found, ready for printing.

    Raises
    ------
    DeclarationError
        As :func:`load_project`.
    ContractError
        The header of a file is not that of its contract; with several at fault, the first in the order of
        the sources.
    """
    from jobs.source_files import open_source, seen_forms

    loaded = load_project(path)
    plan, _, programme = check_plan(loaded)
    sources = []
    for source in loaded.project.sources:
        contract, files = loaded.contracts[source.name], loaded.files[source.name]
        try:
            opened = open_source([f.path for f in files], contract)
        except LinkageError as error:
            raise type(error)(
                error.code, f"source {source.name}: {error.what}", error.wanted, error.do
            ) from error
        sources.append(
            {
                "name": source.name,
                "role": source.role,
                "format": contract.format,
                **({"read_as": seen_forms(opened)} if contract.format == "csv" else {}),
                "files": len(files),
                "bytes": sum(f.size for f in files),
                "rows": sum(f.rows for f in opened if f.rows is not None)
                if contract.format == "parquet"
                else None,
                "extract_date": source.extract_date.isoformat(),
                "fields": [f.standard for f in contract.fields],
            }
        )
    return {
        "project": loaded.project.name,
        "sources": sources,
        "links": [{"left": link.left, "right": link.right} for link in loaded.project.links],
        "alias_file": str(loaded.alias_file.path) if loaded.alias_file else None,
        "blocking": [
            {"name": r.name, "on": list(r.on), "refine": list(r.refine), "use": r.use} for r in plan.blocking
        ],
        "comparisons": [{"name": p.name, "levels": [v.name for v in p.levels]} for p in programme.parts],
        "training": list(plan.training.rules),
        "patterns": programme.n_patterns,
    }
