# ruff: noqa: E501 - tables and lists as their sources print them
"""Legacy Vietnamese text against encoders written out by hand; detection on names, and on plain UTF-8."""

import functools
import itertools
import random
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linkage.encodings import ENCODINGS, Transcoder, detect_encoding, to_utf8
from linkage.vietnam.encodings import decode_vietnamese, recase

quick = settings(max_examples=200, deadline=None)

#: The code page as its standard prints it.
TCVN3 = (
    "à B5 á B8 ả B6 ã B7 ạ B9 ă A8 ằ BB ắ BE ẳ BC ẵ BD ặ C6 â A9 ầ C7 ấ CA ẩ C8 ẫ C9 ậ CB đ AE è CC é D0 ẻ CE ẽ CF "
    "ẹ D1 ê AA ề D2 ế D5 ể D3 ễ D4 ệ D6 ì D7 í DD ỉ D8 ĩ DC ị DE ò DF ó E3 ỏ E1 õ E2 ọ E4 ô AB ồ E5 ố E8 ổ E6 ỗ E7 "
    "ộ E9 ơ AC ờ EA ớ ED ở EB ỡ EC ợ EE ù EF ú F3 ủ F1 ũ F2 ụ F4 ư AD ừ F5 ứ F8 ử F6 ữ F7 ự F9 ỳ FA ý FD ỷ FB ỹ FC "
    "ỵ FE Ă A1 Â A2 Đ A7 Ê A3 Ô A4 Ơ A5 Ư A6"
)  # fmt: skip
VNI = (
    "à aø á aù ả aû ã aõ ạ aï â aâ ầ aà ấ aá ẩ aå ẫ aã ậ aä ă aê ằ aè ắ aé ẳ aú ẵ aü ặ aë è eø é eù ẻ eû ẽ eõ ẹ eï "
    "ê eâ ề eà ế eá ể eå ễ eã ệ eä ì ì í í ỉ æ ĩ ó ị ò ò oø ó où ỏ oû õ oõ ọ oï ô oâ ồ oà ố oá ổ oå ỗ oã ộ oä ơ ô "
    "ờ ôø ớ ôù ở ôû ỡ ôõ ợ ôï ù uø ú uù ủ uû ũ uõ ụ uï ư ö ừ öø ứ öù ử öû ữ öõ ự öï ỳ yø ý yù ỷ yû ỹ yõ ỵ î đ ñ"
)  # fmt: skip
LETTERS = "".join(VNI.split()[::2])


def slow_tcvn3(text: str) -> bytes:
    held = TCVN3.split()
    table = {held[i]: bytes.fromhex(held[i + 1]) for i in range(0, len(held), 2)}
    return b"".join(
        c.encode() if c < "\x80" else table[c] if c in table else table[c.lower()]
        for c in unicodedata.normalize("NFC", text)
    )


def slow_vni(text: str) -> bytes:
    held = VNI.split()
    table = {held[i]: held[i + 1] for i in range(0, len(held), 2)}
    table |= {letter.upper(): written.upper() for letter, written in table.items()}
    return "".join(c if c < "\x80" else table[c] for c in unicodedata.normalize("NFC", text)).encode("cp1252")


def slow_viqr(text: str) -> bytes:
    marks = {
        "\u0302": "^", "\u0306": "(", "\u031b": "+", "\u0300": "`", "\u0309": "?", "\u0303": "~", "\u0301": "'",
        "\u0323": ".",
    }  # fmt: skip
    out = []
    for letter in unicodedata.normalize("NFC", text):
        if letter in "đĐ":
            out.append("dd" if letter == "đ" else "DD")
            continue
        base, *rest = unicodedata.normalize("NFD", letter)
        out.append(base + "".join(sorted((marks[m] for m in rest), key=lambda m: m not in "^(+")))
    return "".join(out).encode("ascii")


def slow_cp1258(text: str) -> bytes:
    return b"".join(map(slow_cp1258_letter, unicodedata.normalize("NFC", text)))


@functools.cache
def slow_cp1258_letter(letter: str) -> bytes:
    try:
        return letter.encode("cp1258")
    except UnicodeEncodeError:
        parts = unicodedata.normalize("NFD", letter)
        tone = next(p for p in parts if p in "\u0300\u0301\u0303\u0309\u0323")
        body = unicodedata.normalize("NFC", parts.replace(tone, ""))
        return body.encode("cp1258") + tone.encode("cp1258")


SLOW = {"tcvn3": slow_tcvn3, "vni": slow_vni, "viqr": slow_viqr, "cp1258": slow_cp1258}

SURNAMES = (
    "Nguyễn Trần Lê Phạm Hoàng Huỳnh Vũ Võ Đặng Bùi Đỗ Hồ Ngô Dương Lý Đoàn Ưng Ông Ân Từ Ấu Vương".split()
)
MIDDLE = "Văn Thị Hữu Đức Ngọc Thúy Xuân Thu Minh Quốc Gia Bảo Khánh Ánh Như Ý Hồng Mỹ Diễm Kỳ".split()
GIVEN = """An Ánh Ái Ẩn Bình Bưởi Cường Chỉnh Dũng Duyên Đạt Được Giang Hà Hằng Hiếu Hòa Khỏe Khương Lĩnh Loan
    Lượng Mẫn Mỹ Nghĩa Nguyệt Nhựt Oanh Phước Quý Quyền Quỳnh Sỹ Tỵ Thảo Thủy Tú Tuấn Tuyết Tường Út Ưu Vỹ Vượng Xuyến
    Ý Yến Ỷ Ỳ Ỵ Kỷ Kỹ Ngoẵn Khuỷu Ngoằn Ngoẳn Huệ Huyễn Tuệ Sáng Sẵn Cẩn Lặng Ổn Ơn Ước Ứng""".split()  # fmt: skip


def names(count: int, seed: int = 7) -> list[str]:
    """Names as registers hold them: most in title case, one in four in capitals."""
    pick = random.Random(seed)
    made = []
    for _ in range(count):
        words = [pick.choice(SURNAMES), *pick.sample(MIDDLE, pick.randint(0, 2)), pick.choice(GIVEN)]
        made.append(" ".join(words).upper() if pick.random() < 0.25 else " ".join(words))
    return made


@pytest.mark.parametrize("encoding", SLOW)
def test_decode__every_letter_comes_back(encoding: str):
    for letter in LETTERS:
        assert decode_vietnamese(SLOW[encoding](letter), encoding) == letter
        if encoding != "tcvn3":
            capital = letter.upper()
            assert decode_vietnamese(SLOW[encoding](capital), encoding) == capital
    for letter in "ĂÂĐÊÔƠƯ":
        assert decode_vietnamese(SLOW[encoding](letter), encoding) == letter


@pytest.mark.parametrize("encoding", ["vni", "viqr", "cp1258"])
def test_decode__a_hundred_thousand_names_come_back_as_they_were(encoding: str):
    text = "\n".join(names(100_000)) + "\n"
    assert decode_vietnamese(SLOW[encoding](text), encoding) == text


def cannot_tell(name: str) -> bool:
    """Whether TCVN3 has lost the case of a name: title case and capitals, or all small, give its bytes."""
    title = " ".join(w.capitalize() for w in name.lower().split())
    same = {slow_tcvn3(casing) for casing in (title, name.upper())}
    return len(same) == 1 or slow_tcvn3(name) == slow_tcvn3(name.lower())


def test_decode__a_hundred_thousand_names_in_tcvn3_come_back_but_for_a_case_that_it_cannot_tell():
    held = names(100_000)
    decoded = decode_vietnamese(slow_tcvn3("\n".join(held)), "tcvn3").split("\n")
    assert [d.lower() for d in decoded] == [h.lower() for h in held]
    wrong = {h: d for h, d in zip(held, decoded, strict=True) if h != d}
    assert [(h, d) for h, d in wrong.items() if not cannot_tell(h)] == []
    assert all(slow_tcvn3(h) == slow_tcvn3(d) for h, d in wrong.items())
    assert sum(h != d for h, d in zip(held, decoded, strict=True)) < 0.01 * len(held)


def test_decode__marks_of_vni_may_stand_in_the_other_case():
    assert decode_vietnamese("Aân, AÂn, Eám, OÃNG".encode("cp1252"), "vni") == "Ân, Ân, Ếm, ỖNG"


def test_decode__the_letters_that_a_known_table_has_wrong_are_right():
    assert decode_vietnamese("Kyû Myõ KYÛ MYÕ".encode("cp1252"), "vni") == "Kỷ Mỹ KỶ MỸ"


def test_decode__u_with_horn_is_the_soft_hyphen_and_survives():
    assert decode_vietnamese(b"L\xad\xacng Th\xad", "tcvn3") == "Lương Thư"


def test_decode__viqr_keeps_what_a_backslash_protects():
    assert decode_vietnamese(rb"Hue^. a\. 12.5 Tho+.", "viqr") == "Huệ a. 12.5 Thợ"


@pytest.mark.parametrize(
    ("came", "wanted"),
    [
        ("NGUYễN THị úT", "NGUYỄN THỊ ÚT"),
        ("Nguyễn Thị ánh", "Nguyễn Thị Ánh"),
        ("LÝ THị NGọ".replace("Ý", "ý"), "LÝ THỊ NGỌ"),
        ("ấp 3 Hòa An", "Ấp 3 Hòa An"),
        ("xã ở Đông Anh", "xã ở Đông Anh"),
        ("Vũ Hà", "Vũ Hà"),
        ("ý ái", "ý ái"),
        ("Nguyễn An,NGUYễN AN", "Nguyễn An,NGUYỄN AN"),
        ("plain, ascii\nline", "plain, ascii\nline"),
    ],
)
def test_recase__capitals_come_where_the_letters_around_tell(came: str, wanted: str):
    assert recase(came) == wanted


ROWS = ["K,HO_TEN,NGAY", *(f"{i},{name},01/02/19{i % 90 + 10}" for i, name in enumerate(names(300, 3)))]


@pytest.mark.parametrize("encoding", SLOW)
def test_detect__tells_legacy_text_by_its_syllables(encoding: str):
    assert detect_encoding(SLOW[encoding]("\n".join(ROWS))) == encoding


@pytest.mark.parametrize("count", [2, 5, 20])
@pytest.mark.parametrize("encoding", ["tcvn3", "vni", "cp1258"])
def test_detect__a_few_names_are_enough(encoding: str, count: int):
    for seed in range(40):
        text = "K,N\n" + "\n".join(name for name in names(count, seed) if not name.isascii())
        assert detect_encoding(SLOW[encoding](text)) in (encoding, "utf-8" if text.isascii() else encoding)


@pytest.mark.parametrize("name", ["utf-16", "utf-16-le", "utf-16-be"])
def test_detect__tells_utf_16_with_and_without_its_mark(name: str):
    found = detect_encoding("\r\n".join(ROWS).encode(name))
    assert found == ("utf-16-le" if name == "utf-16" else name)


@settings(max_examples=1000, deadline=None)
@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=300))
def test_detect__clean_utf_8_is_never_anything_else(text: str):
    data = text.encode()
    if not data.startswith((b"\xff\xfe", b"\xfe\xff")):
        assert detect_encoding(data) == "utf-8"


def test_detect__clean_names_of_many_kinds_are_never_anything_else():
    others = "José Müller, D'Angelo (ông), O`Brien, x^2, a+b~c?, Tp. Hồ Chí Minh; nguyen.thi.a@b.vn\n"
    for seed in range(200):
        held = names(50, seed)
        for text in ("\n".join(held), unicodedata.normalize("NFD", "\n".join(held)), others * 30):
            assert detect_encoding(text.encode()) == "utf-8"
            bare = unicodedata.normalize("NFD", text).encode("ascii", "ignore")
            assert detect_encoding(bare) == "utf-8"


def test_detect__utf_8_with_a_few_broken_bytes_is_utf_8():
    data = "\n".join(ROWS).encode().replace(b"\n", b"\n\xe9", 5)
    assert detect_encoding(data) == "utf-8"


@pytest.mark.parametrize("text", ["José;Müller;Françoise\n" * 20, "привет\n" * 20])
def test_detect__what_nothing_tells_is_not_guessed(text: str):
    assert detect_encoding(text.encode("cp1252" if "J" in text else "cp1251")) is None


@quick
@given(st.data())
def test_transcoder__stretches_of_any_size_give_the_same(data: st.DataObject):
    encoding = data.draw(st.sampled_from(ENCODINGS))
    text = "\n".join(data.draw(st.lists(st.sampled_from(ROWS), max_size=8)))
    slow = SLOW.get(encoding, lambda t: t.encode(encoding, "ignore"))
    written = slow(text)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(written)), max_size=5)))
    coder, out = Transcoder(encoding), b""
    for start, stop in itertools.pairwise([0, *cuts, len(written)]):
        out += coder.feed(written[start:stop])
    out += coder.feed(b"", final=True)
    whole = Transcoder(encoding)
    assert out == whole.feed(written) + whole.feed(b"", final=True)
    if encoding.startswith("utf") or encoding in ("vni", "cp1258"):
        assert out.decode() == text


@quick
@given(st.sampled_from([e for e in ENCODINGS if e != "utf-8"]), st.binary(max_size=80))
def test_transcoder__bytes_without_meaning_stay_bytes_that_are_no_utf_8(encoding: str, data: bytes):
    coder = Transcoder(encoding)
    out = coder.feed(data) + coder.feed(b"", final=True)
    broken = out.decode("utf-8", "replace").count("\ufffd")
    if encoding == "latin-1":
        assert out.decode() == data.decode("latin-1")
    elif encoding == "viqr":
        assert (broken > 0) == any(byte > 127 for byte in data)
    elif encoding == "cp1252":
        assert (broken > 0) == any(byte in b"\x81\x8d\x8f\x90\x9d" for byte in data)
    elif encoding == "tcvn3":
        lacking = set(range(0x80, 0x100)) - {0xA0} - {int(x, 16) for x in TCVN3.split()[1::2]}
        assert (broken > 0) == any(byte in lacking for byte in data)


def test_transcoder__lone_surrogates_and_an_odd_byte_break_their_own_line_only():
    data = "a\n".encode("utf-16-le") + b"\x3d\xd8" + "\nb\n".encode("utf-16-le") + b"\x00\xdc"
    coder = Transcoder("utf-16")
    lines = (coder.feed(data + b"z") + coder.feed(b"", final=True)).split(b"\n")
    assert [line.decode("utf-8", "replace").count("\ufffd") > 0 for line in lines] == [
        False,
        True,
        False,
        True,
    ]


def test_to_utf8__two_bytes_without_meaning_never_make_a_letter():
    assert to_utf8("\udcc3\udcba") == b"\xc3\xff\xba"
    with pytest.raises(UnicodeDecodeError):
        to_utf8("\udcc3\udcba").decode()
