"""The rules of the house, checked on the text of the code: who imports whom, names, sizes, and addresses."""

import ast
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

import kernels
from linkage import tables

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("kernels", "linkage", "jobs", "data")

#: What a package may import of ours.
MAY_IMPORT = {
    "kernels": {"kernels"},
    "linkage": {"linkage", "kernels"},
    "jobs": {"jobs", "linkage", "kernels", "data"},
    "data": {"data"},
}

#: What a package may import of others', besides the standard library; ``None`` for no limit.
THIRD_PARTY = {
    "kernels": {"numpy", "numba"},
    "linkage": {"numpy", "polars", "pyarrow", "msgspec"},
    "data": {"numpy", "numba", "polars", "pyarrow"},
    "jobs": None,
}

#: The rooms of the method: each takes tables and gives tables, and knows none of the others.
STAGES = (
    "ingest",
    "standardise",
    "frequency",
    "block",
    "train",
    "match",
    "resolve",
    "decide",
    "correct",
    "cases",
    "verify",
    "evaluate",
)

#: Modules of the standard library that reach into the world, which ``linkage`` leaves to ``jobs``.
WORLD = {
    "os",
    "pathlib",
    "time",
    "glob",
    "shutil",
    "tempfile",
    "subprocess",
    "socket",
    "logging",
    "random",
    "uuid",
}

SAYS_NOTHING = {"utils", "util", "misc", "helpers", "helper", "core", "common", "tools", "stuff", "base"}

MODULES = sorted(p for package in PACKAGES for p in (ROOT / package).rglob("*.py"))


def name_of(path):
    return path.relative_to(ROOT).as_posix()


def tree_of(path):
    return ast.parse(path.read_text(encoding="utf-8"), filename=name_of(path))


def imports(path):
    """Every imported module of a file, as dotted names; ``from a import b`` gives ``a`` and ``a.b``."""
    package = path.relative_to(ROOT).with_suffix("").parts
    found = []
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                base = ".".join(
                    (*package[: len(package) - node.level], *([node.module] if node.module else []))
                )
            else:
                base = node.module or ""
            found += [base, *(f"{base}.{alias.name}" for alias in node.names)]
    return found


def calls(path):
    """Names of everything that is called, dotted as it is written."""
    return [ast.unparse(node.func) for node in ast.walk(tree_of(path)) if isinstance(node, ast.Call)]


@pytest.fixture(scope="module")
def tracked():
    """Files that belong to the project: tracked by git or about to be, without what is ignored."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    if listed.returncode:
        pytest.skip("not a git checkout")
    return sorted(p for name in listed.stdout.split("\0") if name and (p := ROOT / name).is_file())


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports__go_one_way(path):
    package = path.relative_to(ROOT).parts[0]
    ours = {module.split(".")[0] for module in imports(path)} & {*PACKAGES, "tests", "benchmarks"}
    assert ours <= MAY_IMPORT[package]


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports__of_others_are_those_of_the_package(path):
    import sys

    package = path.relative_to(ROOT).parts[0]
    others = {module.split(".")[0] for module in imports(path)} - set(PACKAGES) - set(sys.stdlib_module_names)
    allowed = THIRD_PARTY[package]
    assert allowed is None or others - {""} <= allowed


@pytest.mark.parametrize("stage", STAGES)
def test_stages__do_not_know_each_other(stage):
    room, folder = ROOT / "linkage" / f"{stage}.py", ROOT / "linkage" / stage
    others = {f"linkage.{other}" for other in STAGES if other != stage}
    for path in [room] * room.exists() + sorted(folder.glob("**/*.py")):
        known = sorted(others & set(imports(path)))
        assert not known, f"{name_of(path)} imports {known}"


def test_stages__only_the_pipeline_knows_them():
    for path in sorted((ROOT / "linkage").rglob("*.py")):
        module = path.relative_to(ROOT / "linkage").with_suffix("").parts
        if module[0] == "pipeline" or module[0] in STAGES:
            continue
        known = sorted({f"linkage.{stage}" for stage in STAGES} & set(imports(path)))
        assert not known, f"{name_of(path)} imports {known}"


@pytest.mark.parametrize("path", sorted((ROOT / "linkage").rglob("*.py")), ids=name_of)
def test_linkage__touches_no_files_no_clock_and_no_environment(path):
    roots = {module.split(".")[0] for module in imports(path)}
    assert not roots & (WORLD | {"ray"})
    forbidden = re.compile(r"(^|\.)(now|today|utcnow|open|environ\.get|getenv)$")
    assert not [call for call in calls(path) if forbidden.search(call)]


@pytest.mark.parametrize("path", sorted((ROOT / "kernels").rglob("*.py")), ids=name_of)
def test_kernels__go_through_one_door(path):
    if path.name == "_jit.py":
        return
    assert not {
        m for m in imports(path) if m in {"numba.njit", "numba.jit", "numba.vectorize", "numba.guvectorize"}
    }
    decorators = [
        ast.unparse(d)
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.FunctionDef)
        for d in node.decorator_list
    ]
    assert not [d for d in decorators if d.startswith(("numba.", "njit", "nb."))]


def test_kernels__are_ours():
    """PyPI has a package of that name, and an environment may hold it."""
    assert Path(kernels.__file__).resolve().parent == ROOT / "kernels"


def test_jit__results_do_not_depend_on_its_options():
    text = (ROOT / "kernels" / "_jit.py").read_text()
    assert "fastmath=True" not in text
    assert "parallel=True" not in text


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_modules__have_a_docstring_and_annotations_that_wait(path):
    tree = tree_of(path)
    assert ast.get_docstring(tree)


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_modules__are_named_for_what_they_do(path):
    parts = set(path.relative_to(ROOT).with_suffix("").parts)
    assert not parts & SAYS_NOTHING


def test_files__are_small_enough_to_read(tracked):
    long = [
        f"{name_of(p)}: {n}"
        for p in tracked
        if p.suffix == ".py" and (n := len(p.read_text(encoding="utf-8").splitlines())) > 600
    ]
    assert not long


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_print__is_for_the_command_line(path):
    if path.parent.name == "jobs" and path.name.startswith("cli"):
        return
    assert "print" not in calls(path)


def test_folders__of_the_house_are_there():
    for folder in (*PACKAGES, "benchmarks", "tests", "docs", ".ci", "requirements"):
        assert (ROOT / folder).is_dir(), folder
    for package in PACKAGES:
        assert (ROOT / package / "py.typed").is_file(), package
    for file in (
        "README.md",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "LICENSE",
        "Makefile",
        "pyproject.toml",
        ".ci/run",
    ):
        assert (ROOT / file).is_file(), file


def test_packages__have_an_init_file_in_every_folder():
    for package in PACKAGES:
        for folder in {p.parent for p in (ROOT / package).rglob("*.py")}:
            assert (folder / "__init__.py").is_file(), folder


def test_text__names_no_machine_and_no_package_index(tracked):
    forbidden = re.compile(
        r"(?<![\w.>-])/(?:home|root|Users|work|opt|mnt|srv)/[\w.-]"  # absolute paths of a machine
        r"|--(?:extra-)?index-url|--find-links|--trusted-host"
        r"|(?:files\.pythonhosted\.org|pypi\.org/simple|file:///)"
    )
    found = []
    for path in tracked:
        if path == Path(__file__).resolve():
            continue
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        found += [f"{name_of(path)}: {m.group()}" for m in forbidden.finditer(text)]
    assert not found


def test_locks__pin_everything_with_hashes_and_agree():
    held = {}
    for name in ("run", "test"):
        text = (ROOT / "requirements" / f"{name}.lock").read_text()
        entries = re.split(r"\n(?=\S)", re.sub(r"(?m)^\s*#.*\n", "", text).strip())
        versions = {}
        for entry in entries:
            pinned = re.match(r"([A-Za-z0-9._-]+)==([^\s;\\]+)", entry)
            assert pinned, entry[:80]
            assert "--hash=sha256:" in entry, pinned.group()
            versions[pinned[1]] = pinned[2]
        held[name] = versions
    assert held["run"].items() <= held["test"].items() | {
        ("typing-extensions", held["run"].get("typing-extensions"))
    }
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = {re.split(r"[<>=!~\s]", d)[0] for d in project["dependencies"]}
    assert wanted <= set(held["run"])
    for extra in project["optional-dependencies"].values():
        assert {re.split(r"[<>=!~\s]", d)[0] for d in extra} <= set(held["test"])


def test_errors__every_code_is_documented_and_every_documented_code_is_raised():
    """A range in a docstring (``E-CONFIG-001`` to ``E-CONFIG-016``) counts for its ends only."""
    pattern = re.compile(r"\bE-[A-Z]+-\d{3}\b")
    used = {code for path in MODULES for code in pattern.findall(path.read_text(encoding="utf-8"))}
    for path in MODULES:  # of readers, which name the number only
        if path.name in ("config.py", "contract.py", "policy.py", "schema.py", "project.py"):
            used |= set(reader_codes(path))
    documented = set(
        re.findall(r"^\| `(E-[A-Z]+-\d{3})`", (ROOT / "docs/errors.md").read_text(), re.MULTILINE)
    )
    assert used - documented == set()
    assert documented - used == set()


def reader_codes(path):
    """Codes of the calls ``reader.add(number, ...)`` and ``unique(reader, number, ...)`` in a file."""
    for node in ast.walk(tree_of(path)):
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        place = 0 if called.endswith(".add") else 1 if called == "unique" else None
        if place is None or len(node.args) <= place:
            continue
        number = node.args[place]
        if isinstance(number, ast.Constant) and isinstance(number.value, int):
            contract = path.name == "contract.py" or called == "own.add"
            for area in (
                ("CONFIG", "CONTRACT", "POLICY")
                if path.name == "schema.py"
                else ("POLICY",)
                if path.name == "policy.py"
                else ("CONTRACT",)
                if contract
                else ("CONFIG",)
            ):
                yield f"E-{area}-{number.value:03d}"


def test_tables__every_one_says_what_its_rows_and_columns_mean():
    declared = [value for value in vars(tables).values() if isinstance(value, tables.Table)]
    assert declared
    for table in declared:
        assert table.row
        assert table.columns
        for name, column in table.columns.items():
            assert column.meaning, f"{table.name}.{name}"
