from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linkage.name_keys import fold_codes, name_codes
from tests.linkage import small

FORMS = (
    "",
    "ascii",
    "phonetic",
    "set",
    "given",
    "given.ascii",
    "given.phonetic",
    "surname",
    "surname.ascii",
    "surname.phonetic",
    "middle.ascii",
    "ends",
)

WORDS = ["Trần", "Tran", "Chân", "Lan", "Lân", "Thị", "Y", "Long"]
names = st.lists(st.sampled_from(WORDS), max_size=8)


def codes(all_names: list[list[str]], form: str) -> list[int]:
    rows = np.zeros((len(all_names), 8), np.uint32)
    for row, name in zip(rows, all_names, strict=True):
        row[: len(name)] = [WORDS.index(word) + 1 for word in name]
    return name_codes(rows, small.tokens_of(WORDS), form).tolist()


@pytest.mark.parametrize("form", FORMS)
@given(st.lists(names, min_size=1, max_size=8))
@settings(deadline=None, max_examples=40)
def test_name_codes__agree_where_the_words_agree(form: str, all_names: list[list[str]]) -> None:
    # Reorderings and respellings of the same names, so that something agrees.
    all_names = [
        *all_names,
        *(name[::-1] for name in all_names),
        *([small.Token(word).letters.capitalize() for word in name] for name in all_names),
    ]
    all_names = [name for name in all_names if all(word in WORDS for word in name)]
    found = codes(all_names, form)
    wanted = [small.name_values(name, form) for name in all_names]
    for a, code in enumerate(found):
        assert (code == 0) == (not wanted[a])
        for b, other in enumerate(found):
            if wanted[a] and wanted[b]:
                assert (code == other) == (wanted[a] == wanted[b])


def test_name_codes__know_the_parts_of_a_name() -> None:
    one, two, three = ["Lan"], ["Trần", "Lan"], ["Trần", "Thị", "Lan"]
    given_ = codes([one, two, three], "given")
    assert len(set(given_)) == 1
    surnames = codes([one, two, three], "surname")
    assert surnames[0] == 0
    assert surnames[1] == surnames[2] != 0
    ends = codes([one, two, three, ["Lan", "Trần"]], "ends")
    assert ends[1] == ends[2]
    assert len({ends[0], ends[1], ends[3]}) == 3
    assert len(set(codes([two, ["Lan", "Trần"], ["Tran", "Lân"]], "set"))) == 1


def test_fold_codes__leaves_its_argument_alone() -> None:
    states = np.array([5, 6, 0], np.uint64)
    states.flags.writeable = False
    out = fold_codes(states, np.array([1, 0, 1]))
    assert out[0] not in (0, 5)
    assert out[1:].tolist() == [0, 0]
