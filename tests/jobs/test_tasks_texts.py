"""Plain text columns: one vocabulary for any parts and stretches, and none of damaged files."""

from __future__ import annotations

import csv
import random
import shutil
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from jobs.store import open_arrays
from jobs.tasks_texts import join_stretches, merge_stretch, pack_stretch, text_ids
from jobs.workspace import Workspace
from linkage.errors import IntegrityError
from linkage.text_arrays import Texts
from linkage.text_sets import hash_texts
from tests.jobs.test_containers import flip
from tests.jobs.test_tasks_standardise import standardised

PROJECT = """
schema = 1
[project]
name = "p"
locale = ["vietnam"]
[[field]]
name = "birth_place"
kind = "text"
[[field]]
name = "employer"
kind = "text"
[[field]]
name = "unread"
kind = "text"
[[blocking]]
name = "year"
on = ["birth_place", "birth_date.year"]
[corrections]
make = false
"""
SOURCE = """
[[source]]
name = "{name}"
role = "{role}"
files = ["{name}.csv"]
contract = "{name}.toml"
extract_date = 2026-01-01
"""
CONTRACT = """
schema = 1
key = "K"
[[field]]
column = "N"
standard = "full_name"
[[field]]
column = "D"
standard = "birth_date"
formats = ["yyyy"]
"""
PLACE = """
[[field]]
column = "P"
standard = "birth_place"
[[field]]
column = "U"
standard = "unread"
"""
ROWS = {"register": 900, "school": 700, "tax": 50}
#: Alike letters in two forms of Unicode, blanks of several kinds, one character beyond the first plane.
WORDS = (
    "Hà Nội",
    unicodedata.normalize("NFD", "Hà Nội"),
    "HÀ  NỘI ",
    "Hải\u00a0Phòng",
    "𠀋 山",
    "đường 3/2",
    "",
    " ",
)


Spaces = dict[tuple[int, int], Workspace]


def place(rng: random.Random) -> str:
    if rng.random() < 0.5:
        return rng.choice(WORDS)
    return f"{rng.choice(WORDS)} {rng.randrange(400)}"


def twin(text: str) -> str | None:
    """A text as it is compared, by Python alone."""
    return " ".join(unicodedata.normalize("NFC", text).lower().split()) or None


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, rng = tmp_path_factory.mktemp("texts"), random.Random(5)
    text = PROJECT
    for name, rows in ROWS.items():
        text += SOURCE.format(name=name, role="register" if name == "register" else "agency")
        (folder / f"{name}.toml").write_text(CONTRACT + (PLACE if name != "tax" else ""), encoding="utf-8")
        with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["K", "N", "D", "P", "U"])
            for row in range(rows):
                writer.writerow(
                    [f"{name}{row}", "Nguyễn Văn An", 1950 + row % 50, place(rng), rng.choice(WORDS)]
                )
    (folder / "project.toml").write_text(text, encoding="utf-8")
    return folder / "project.toml"


@pytest.fixture(scope="module")
def spaces(
    project: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[tuple[int, int], Workspace]]:
    """Of so many parts, and texts of a stretch."""
    folder = tmp_path_factory.mktemp("coded")
    yield {
        cut: standardised(project, folder / f"{cut[0]}-{cut[1]}", *cut)
        for cut in ((1, 1 << 20), (4, 1 << 20), (4, 90), (7, 9))
    }
    Workspace.open.cache_clear()


def stretches(space: Workspace) -> int:
    return len(list(space.path("plain_text", "x").parent.glob("birth_place-*.merged.arrays")))


def submitted(space: Workspace) -> list[str]:
    out: list[str] = []
    for source, part, _, rows in space.layout["parts"]:
        held = space.records(source, part, ["birth_place"])
        out += [t or "" for t in held["birth_place"].to_pylist()] if held.num_columns else [""] * rows
    return out


def test_code_columns__of_any_cut_are_those_of_python(spaces: Spaces) -> None:
    one, alone, some, many = map(stretches, spaces.values())
    assert one == alone == 1
    assert many > 9 * some > 60
    for space in spaces.values():
        Workspace.open.cache_clear()
        texts, codes = space.meaning.texts["birth_place"], np.asarray(space.coded.arrays["birth_place"])
        wanted = [twin(text) for text in submitted(space)]
        assert len(set(wanted)) > 500
        assert sum(w is None for w in wanted) > ROWS["tax"]
        assert [texts.strings.text(c) if c else None for c in codes.tolist()] == wanted
        assert texts.strings.text(0) == ""
        assert texts.hashes.shape[0] == len(set(wanted)) == codes.max() + 1
        distinct = Texts.of([texts.strings.text(n) for n in range(1, codes.max() + 1)])
        assert np.array_equal(texts.hashes[1:], hash_texts(distinct, space.key_secret))
        numbered = hash_texts(distinct, space.text_secret)
        assert np.array_equal(numbered, np.sort(numbered))
        assert len({space.secret, space.text_secret, space.key_secret}) == 3


def test_code_columns__do_not_depend_on_stretches(spaces: Spaces) -> None:
    whole, *others = (spaces[cut] for cut in ((4, 1 << 20), (4, 90), (7, 9)))
    held = whole.meaning.texts["birth_place"]
    for other in others:
        assert whole.key_secret == other.key_secret
        found = other.meaning.texts["birth_place"]
        assert np.array_equal(held.hashes, found.hashes)
        assert np.array_equal(held.strings.codes, found.strings.codes)
        assert np.array_equal(held.strings.offsets, found.strings.offsets)
        assert np.array_equal(whole.coded.arrays["birth_place"], other.coded.arrays["birth_place"])


def test_text_columns__are_those_that_are_read(spaces: Spaces) -> None:
    for space in spaces.values():
        assert space.text_columns == ("birth_place",)
        assert {p.name for p in space.path("plain_text", "x").parent.iterdir() if "-" not in p.name} >= {
            "birth_place.arrays"
        }
        assert not list(space.path("plain_text", "x").parent.glob("unread*"))


def damage(path: Path, fault: str, array: str) -> None:
    """Lose a file, or turn a bit of one of its arrays."""
    if fault == "lost":
        path.unlink()
    else:
        held = open_arrays(path)[array].tobytes()
        flip(path, 8 * (path.read_bytes().index(held) + len(held) // 2) + 3)


@pytest.mark.parametrize("fault", ["lost", "flipped"])
@pytest.mark.parametrize(
    ("pattern", "array", "reader"),
    [
        ("standard/*.birth_place.arrays", "bytes", "merge"),
        ("plain_text/birth_place-*.merged.arrays", "bytes", "pack"),
        ("plain_text/birth_place-*.ids.arrays", "letters", "pack"),
        ("plain_text/birth_place-*.ids.arrays", "ids", "code"),
        ("plain_text/birth_place-*.packed.arrays", "codes", "join"),
        ("plain_text/birth_place.arrays", "codes", "read"),
    ],
)
def test_damage__is_found_and_the_file_named(
    spaces: Spaces, tmp_path: Path, pattern: str, array: str, reader: str, fault: str
) -> None:
    whole = spaces[4, 90]
    shutil.copytree(whole.work, tmp_path / "run")
    Workspace.open.cache_clear()
    space, cut, work = Workspace(tmp_path / "run"), stretches(whole), str(tmp_path / "run")
    having = [(source, part) for source, part, *_ in space.layout["parts"] if source < 2]
    readers = {
        "merge": lambda: [merge_stretch(work, "birth_place", n, cut) for n in range(cut)],
        "pack": lambda: [pack_stretch(work, "birth_place", n, cut, 0) for n in range(cut)],
        "code": lambda: [text_ids(space, *part, "birth_place", cut) for part in having],
        "join": lambda: join_stretches(work, "birth_place", cut, 0),
        "read": lambda: space.meaning,
    }
    readers[reader]()
    path = min((tmp_path / "run").glob(pattern))
    damage(path, fault, array)
    Workspace.open.cache_clear()
    space = Workspace(tmp_path / "run")
    with pytest.raises(IntegrityError, match=path.name):
        readers[reader]()
