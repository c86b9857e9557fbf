"""A project on disk: everything it names is found, and everything that is wrong is told at once."""

import os

import pytest

from jobs.project import check_project, load_project
from linkage.errors import ConfigError, ContractError
from linkage.schema import DeclarationError
from tests.linkage.test_config import PROJECT

REGISTER = """
schema = 1
key = "person_id"
format = "csv"
alias_file = "alias.csv"
[[field]]
column = "name"
standard = "full_name"
"""

AGENCY = """
schema = 1
key = "SO"
[[field]]
column = "TEN"
standard = "full_name"
"""


@pytest.fixture
def folder(tmp_path):
    """A project of a register and two agencies, all right."""
    (tmp_path / "contracts").mkdir()
    (tmp_path / "tax").mkdir()
    (tmp_path / "project.toml").write_text(PROJECT.replace("register.parquet", "register.csv"))
    (tmp_path / "contracts/register.toml").write_text(REGISTER)
    (tmp_path / "contracts/tax.toml").write_text(AGENCY)
    (tmp_path / "contracts/schools.toml").write_text(AGENCY)
    (tmp_path / "contracts/alias.csv").write_text("person_id,number\n")
    (tmp_path / "register.csv").write_text("person_id,name\n1,An\n")
    for name in ("tax/2.csv", "tax/1.csv", "a.csv", "b.csv"):
        (tmp_path / name).write_text("SO,TEN\n1,An\n")
    return tmp_path


def codes(folder):
    with pytest.raises(DeclarationError) as caught:
        load_project(folder / "project.toml")
    return [(p.code, p.line()) for p in caught.value.problems]


def test_load_project__finds_every_file_sorted_and_with_its_size(folder):
    loaded = load_project(folder / "project.toml")
    names = {s: [str(f.path.relative_to(loaded.base)) for f in files] for s, files in loaded.files.items()}
    assert names == {
        "register": ["register.csv"],
        "tax": ["tax/1.csv", "tax/2.csv"],
        "schools": ["a.csv", "b.csv"],
    }
    assert loaded.files["tax"][0].size == len("SO,TEN\n1,An\n")
    assert loaded.alias_file is not None
    assert loaded.alias_file.path.name == "alias.csv"
    assert [p.name for p in loaded.declarations] == [
        "project.toml",
        "register.toml",
        "tax.toml",
        "schools.toml",
    ]


def test_load_project__a_folder_means_its_project_file(folder):
    assert load_project(folder).path == load_project(folder / "project.toml").path


def test_load_project__the_present_folder_does_not_matter(folder, monkeypatch):
    first = load_project(folder / "project.toml")
    monkeypatch.chdir(folder / "tax")
    from pathlib import Path

    assert load_project(Path("../project.toml")).files == first.files


def test_load_project__a_file_named_twice_is_read_once(folder):
    text = (
        (folder / "project.toml")
        .read_text()
        .replace('["tax/*.csv"]', '["tax/*.csv", "./tax/1.csv", "tax/[12].csv"]')
    )
    (folder / "project.toml").write_text(text)
    assert [f.path.name for f in load_project(folder).files["tax"]] == ["1.csv", "2.csv"]


def test_load_project__tells_what_is_wrong_in_all_files_at_once(folder):
    (folder / "a.csv").unlink()
    (folder / "contracts/alias.csv").unlink()
    (folder / "contracts/schools.toml").unlink()
    (folder / "contracts/tax.toml").write_text(AGENCY.replace("full_name", "ful_name"))
    for name in ("1", "2"):
        (folder / f"tax/{name}.csv").unlink()
    found = codes(folder)
    assert [c for c, _ in found] == [
        "E-CONFIG-022",  # alias file
        "E-CONFIG-022",  # pattern without files
        "E-CONFIG-022",  # a.csv
        "E-CONFIG-020",  # contract of schools
        "E-CONTRACT-015",  # no such standard field
    ]
    assert "no file matches 'tax/*.csv'" in found[1][1]


def test_load_project__a_folder_is_no_file(folder):
    (folder / "project.toml").write_text((folder / "project.toml").read_text().replace("tax/*.csv", "tax"))
    ((code, line),) = codes(folder)
    assert code == "E-CONFIG-022"
    assert "tax/*.csv" in line


def test_load_project__what_cannot_be_read_is_said(folder):
    with pytest.raises(ConfigError, match="E-CONFIG-020"):
        load_project(folder / "nothing.toml")
    contract = folder / "contracts/tax.toml"
    contract.write_bytes(contract.read_text().encode("utf-16"))
    assert [code for code, _ in codes(folder)] == ["E-CONFIG-021"]
    (folder / "project.toml").write_bytes("schema = 1 # Nguyễn".encode("utf-16"))
    with pytest.raises(ConfigError, match="E-CONFIG-021"):
        load_project(folder)


def test_load_project__a_byte_order_mark_is_nothing(folder):
    text = (folder / "project.toml").read_bytes()
    (folder / "project.toml").write_bytes(b"\xef\xbb\xbf" + text)
    assert load_project(folder).project.name == "nation"


def test_load_project__needs_no_right_to_write(folder):
    before = sorted(p.name for p in folder.rglob("*"))
    folder.chmod(0o500)
    try:
        load_project(folder)
        check_project(folder)
    finally:
        os.chmod(folder, 0o700)  # noqa: PTH101 - so that the folder can be removed
    assert sorted(p.name for p in folder.rglob("*")) == before


def test_check_project__says_what_is_there(folder):
    found = check_project(folder)
    assert [(s["name"], s["files"], s["fields"]) for s in found["sources"]] == [
        ("register", 1, ["full_name"]),
        ("tax", 2, ["full_name"]),
        ("schools", 2, ["full_name"]),
    ]
    assert found["links"][0] == {"left": "tax", "right": "register"}


def test_check_project__a_wrong_header_breaks_the_contract_and_is_guessed(folder):
    (folder / "tax/2.csv").write_text("SO,TENN\n1,An\n")
    with pytest.raises(ContractError) as caught:
        check_project(folder)
    assert caught.value.exit_code == 3
    assert "source tax" in str(caught.value)
    assert "Did you mean 'TENN'?" in str(caught.value)
