"""The twins write names in the old encodings, from tables of their own with the letters as fonts had them."""

import random
import unicodedata

import numpy as np
import pytest

from linkage.vietnam.legacy import decode_legacy, may_be_legacy, misreadings
from linkage.vietnam.name_rows import NameReader
from linkage.vietnam.syllables import canonical_syllables

# rows: a ă â e ê i o ô ơ u ư y; columns: none huyền sắc hỏi ngã nặng
_TCVN3 = """
a µ ¸ ¶ · ¹   ¨ » ¾ ¼ ½ Æ   © Ç Ê È É Ë   e Ì Ð Î Ï Ñ   ª Ò Õ Ó Ô Ö   i × Ý Ø Ü Þ
o ß ã á â ä   « å è æ ç é   ¬ ê í ë ì î   u ï ó ñ ò ô   ~ õ ø ö ÷ ù   y ú ý û ü þ
""".replace("~", "\u00ad").split()
_VNI = """
a aø aù aû aõ aï   aê aè aé aú aü aë   aâ aà aá aå aã aä   e eø eù eû eõ eï   eâ eà eá eå eã eä
i ì í æ ó ò   o oø où oû oõ oï   oâ oà oá oå oã oä   ô ôø ôù ôû ôõ ôï   u uø uù uû uõ uï
ö öø öù öû öõ öï   y yø yù yû yõ î
""".split()
_VIQR = """
a a` a' a? a~ a.   a( a(` a(' a(? a(~ a(.   a^ a^` a^' a^? a^~ a^.   e e` e' e? e~ e.
e^ e^` e^' e^? e^~ e^.   i i` i' i? i~ i.   o o` o' o? o~ o.   o^ o^` o^' o^? o^~ o^.
o+ o+` o+' o+? o+~ o+.   u u` u' u? u~ u.   u+ u+` u+' u+? u+~ u+.   y y` y' y? y~ y.
""".split()
_LETTERS = [
    unicodedata.normalize("NFC", vowel + mark)
    for vowel in "aăâeêioôơuưy"
    for mark in ("", "\u0300", "\u0301", "\u0309", "\u0303", "\u0323")
]
TABLES = {
    "tcvn3": dict(zip(_LETTERS, _TCVN3, strict=True)) | {"đ": "®"},
    "vni_windows": dict(zip(_LETTERS, _VNI, strict=True)) | {"đ": "ñ"},
    "viqr": dict(zip(_LETTERS, _VIQR, strict=True)) | {"đ": "dd"},
}


def written(name: str, table: dict[str, str]) -> str:
    """Each word begins with a capital where it begins with a letter that keeps its code."""
    words = [word[0].upper() + word[1:] if word[0].isascii() else word for word in name.split()]
    return "".join(table.get(letter, letter) for letter in " ".join(words))


def as_utf8_twice(name: str) -> str:
    return "".join(
        bytes([byte]).decode("cp1252") if byte not in (0x81, 0x8D, 0x8F, 0x90, 0x9D) else chr(byte)
        for byte in name.encode()
    )


@pytest.fixture(scope="module")
def names():
    rng = random.Random(5)
    syllables = sorted(set(canonical_syllables().values()))
    return ["nguyễn " + " ".join(rng.sample(syllables, 2)) for _ in range(3000)]


def _mixed(names):
    """Names whose words are each of any writing, right or misspelt: few of them are one old encoding's."""
    rng = random.Random(6)
    tables = [*TABLES.values(), {}]
    for name in names:
        table = rng.choice(tables)
        words = [written(word, table if rng.random() < 0.8 else rng.choice(tables)) for word in name.split()]
        if rng.random() < 0.2:
            words[-1] = words[-1][::-1]
        if rng.random() < 0.2:
            words = [as_utf8_twice(word) for word in words]
        yield " ".join(words)


def test_decode_legacy__decodes_no_text_of_latin_1_that_its_words_rule_out(names):
    decoded = 0
    for text in _mixed(names):
        if decode_legacy(text) is None or text.isascii() or max(text) > "\u00ff":
            continue
        decoded += 1
        tcvn3, vni, utf8 = zip(*map(misreadings, text.split(" ")), strict=True)
        assert all(tcvn3) or all(vni) or any(utf8), text
    assert decoded > 500


def test_name_reader__doubts_every_name_that_is_decoded_and_few_of_the_misspelt(names):
    values = [*_mixed(names), "Trân Thi Hòaa", "Phàm Anhh"]
    held = [value.encode() for value in values]
    offsets, data = np.cumsum([0, *map(len, held)]), np.frombuffer(b"".join(held), np.uint8)
    _, doubtful = NameReader(3).read(offsets, data, None)
    assert [v for v, doubt in zip(values, doubtful, strict=True) if decode_legacy(v) and not doubt] == []
    assert doubtful[-2:].tolist() == [False, False]


@pytest.mark.parametrize("kind", sorted(TABLES))
def test_decode_legacy__gives_back_what_was_written(names, kind):
    wrong, lost = [], 0
    for name in names:
        held = written(name, TABLES[kind])
        found = decode_legacy(held)
        lost += found is None
        if found is not None and (found[0].lower() != name or found[1] != kind):
            wrong.append((name, held, found))
    assert not wrong
    # where two encodings both give syllables none is chosen
    assert lost <= len(names) * 0.01


def test_decode_legacy__utf8_read_as_windows(names):
    for name in map(str.title, names[:500]):
        assert decode_legacy(as_utf8_twice(name)) == (name, "utf8_twice")


def test_decode_legacy__leaves_every_syllable_and_its_capitals():
    for word in canonical_syllables():
        for text in (word, word.upper(), f"{word} {word.title()}"):
            assert decode_legacy(text) is None


@pytest.mark.parametrize(
    "name",
    ["Y Ñuk", "H'Bia", "K'Brôi", "Y Bhôk Êban", "Nguyen T. Hoa.", "Ng. T. Hoa", "Nguyễn Văn A (Tư)",
     "Vò Dòng", "José Muñoz", "Müller", "O'Neil", "Lê Thanh Bình", "MÃ THỊ LÊ"],
)  # fmt: skip
def test_decode_legacy__leaves_other_names(name):
    assert decode_legacy(name) is None


def test_may_be_legacy__never_hides_a_name(names):
    for table in TABLES.values():
        for name in names[:300]:
            held = written(name, table)
            if decode_legacy(held) is not None:
                assert may_be_legacy(held)
    assert not may_be_legacy("Nguyễn Thị Lan")
