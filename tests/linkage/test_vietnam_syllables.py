import re
import unicodedata

import pytest

from linkage.vietnam.syllables import (
    RIMES,
    ascii_letters,
    ascii_syllables,
    canonical_syllables,
    is_syllable,
    place_tone,
    split_syllable,
    split_tone,
    without_tones,
)

# Names and common words in the older school's spelling.
WORDS = """
nguyễn trần lê phạm huỳnh phan vũ võ đặng bùi đỗ hồ ngô dương lý trương đinh trịnh nông mai hà
đoàn lương cao đào lưu triệu phùng đàm chu văn thị hòa khỏe thúy thủy hỏa xòe hoàn khoét huệ thuở quý quà già
giò quốc quyền giấy giữa nghĩa nghiêm nghiên ngoãn khuỷu khuya hoài xoáy ngoẹo tuấn tuyết thuận duệ khuê uyên
oanh yến diệu hiếu ưng ước út ý ích gìn giếng giết gì kỳ kiều quỳnh quới thùy tùy lũy ủy thỏa khóa họa đọa
hòe lòe mía múa mứa cửa bướm bưởi rượu muỗi tuổi nước được người phượng phước bích minh ánh đức phúc ngọc
phát nhật xoong boong quạnh quắm quỵt quẫy huơ thuế
""".split()
NOT_SYLLABLES = """
ksor kbuôr mlô hlan brôi niêm̀ nghan cê kan ngiên ghan qan
guyen tranf aa uie bcd đđ jang wi zung foo
""".split()

TONE_MARKS = {"\u0300": 1, "\u0301": 2, "\u0303": 3, "\u0309": 4, "\u0323": 5}


def twin_split_tone(word: str) -> tuple[str, int]:
    """The tone by full decomposition of the word."""
    decomposed = unicodedata.normalize("NFD", word)
    tones = [TONE_MARKS[c] for c in decomposed if c in TONE_MARKS]
    letters = unicodedata.normalize("NFC", "".join(c for c in decomposed if c not in TONE_MARKS))
    return letters, tones[0] if tones else 0


def twin_parts(toneless: str) -> tuple[str, str] | None:
    """Onset and rime by the textbook: onset, glide, nucleus, coda, each with its spelling rule."""
    match = re.fullmatch(
        r"(?P<onset>ngh|ng|nh|th|tr|ch|ph|kh|gh|gi(?=[aăâeêoôơuư])|g|qu|[bcdđhklmnprstvx])?"
        r"(?P<rime>[aăâeêioôơuưy]{1,3}(?:ch|ng|nh|[cmnpt])?)",
        toneless,
    )
    if match is None:
        return None
    onset, rime = match["onset"] or "", match["rime"]
    front = rime[0] in "eêiy"
    if (onset in ("c", "ng") and front) or (onset in ("gh", "ngh", "k") and not front):
        return None
    if re.search(r"(nh|ch)$", rime) and not re.search(r"[aiêy](nh|ch)$", rime):
        return None
    return onset, rime


@pytest.mark.parametrize("word", WORDS)
def test_is_syllable__holds_for_real_words(word):
    toneless, tone = twin_split_tone(word)
    assert split_tone(word) == (toneless, tone)
    assert is_syllable(toneless, tone)
    assert split_syllable(toneless) == twin_parts(toneless) or toneless.startswith("gi")
    assert canonical_syllables()[word] == word


@pytest.mark.parametrize("word", NOT_SYLLABLES)
def test_is_syllable__refuses_other_spellings(word):
    assert not is_syllable(word, 0)


@pytest.mark.parametrize("coda", ["c", "ch", "p", "t"])
def test_is_syllable__stop_codas_bear_two_tones_only(coda):
    word = "a" + coda
    assert [tone for tone in range(6) if is_syllable("b" + word, tone)] == [2, 5]


def test_syllables__every_one_fits_the_textbook():
    for word in canonical_syllables().values():
        toneless = twin_split_tone(word)[0]
        assert twin_parts(toneless) is not None, toneless


@pytest.mark.parametrize(
    ("new", "old"),
    [
        ("hoà", "hòa"),
        ("khoẻ", "khỏe"),
        ("thuý", "thúy"),
        ("thuỷ", "thủy"),
        ("hoả", "hỏa"),
        ("xoè", "xòe"),
        ("nghìên", "nghiền"),
        ("qúy", "quý"),
        ("gìa", "già"),
        ("nguỹên", "nguyễn"),
        ("gịa", "giạ"),
    ],
)
def test_canonical__moves_a_misplaced_tone(new, old):
    assert canonical_syllables()[new] == old


def test_canonical__every_place_of_the_mark_leads_to_one_spelling():
    for word in WORDS:
        letters, tone = twin_split_tone(word)
        mark = next((m for m, t in TONE_MARKS.items() if t == tone), "")
        for at, letter in enumerate(letters):
            if tone and letter in "aăâeêioôơuưy":
                moved = unicodedata.normalize("NFC", letters[: at + 1] + mark + letters[at + 1 :])
                assert canonical_syllables()[moved] == word


def test_canonical__is_a_fixed_point_with_the_same_letters_and_tone():
    for spelling, word in canonical_syllables().items():
        assert twin_split_tone(spelling) == twin_split_tone(word)
    values = set(canonical_syllables().values())
    assert all(canonical_syllables()[word] == word for word in values)
    assert {ascii_letters(word) for word in values} <= ascii_syllables()


def test_place_tone__without_tone_is_the_plain_text():
    for rime in RIMES:
        assert place_tone("", rime, 0) == rime
        for tone in range(1, 6):
            assert without_tones(place_tone("", rime, tone)) == rime


def test_ascii_letters__fold_all_134_letters():
    letters = "".join(unicodedata.normalize("NFC", v + t) for v in "aăâeêioôơuưy" for t in ["", *TONE_MARKS])
    assert ascii_letters(letters + "đ") == "".join(v * 6 for v in "aaaeeiooouuy") + "d"
