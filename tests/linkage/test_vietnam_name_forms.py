import unicodedata
from collections import defaultdict

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linkage.vietnam.name_forms import phonetic, token_forms
from linkage.vietnam.syllables import canonical_syllables

SAME_SOUND = """
trinh chinh / sương xương / dung giung rung vung / giang dang / lan nan / linh ninh / long
nong / nguyễn nguyển / dũng dủng / mỹ mỷ / vũ vủ / nghĩa nghỉa nghịa / vân dân / vinh dinh / tấn tấng / ngân
ngâng / lan lang / hương hươn / phát phác / nhật nhậc / đạt đạc / minh min / bích bít / diệu dịu / hiếu híu /
lý lí / mỹ mĩ / kỳ kì / sỹ sĩ / quý quí / vy vi / yến iến / lưu lươu / h'lan hlan lan / k'brôi brôi / hòa hoa
/ đặng dang / tuổi tủi
"""
OTHER_SOUND = [
    ("mai", "may"),
    ("thúy", "thúi"),
    ("an", "anh"),
    ("lan", "loan"),
    ("hoa", "hao"),
    ("trung", "tung"),
    ("kim", "kiêm"),
    ("bạch", "bạc"),
    ("nga", "na"),
    ("thu", "tu"),
    ("khoa", "hoa"),
    ("ng", "n"),
    ("t", "c"),
]


@pytest.mark.parametrize("group", [group.split() for group in SAME_SOUND.split("/")])
def test_phonetic__folds_regional_spellings(group):
    assert len({phonetic(word) for word in group}) == 1


@pytest.mark.parametrize(("left", "right"), OTHER_SOUND)
def test_phonetic__keeps_others_apart(left, right):
    assert phonetic(left) != phonetic(right)


def test_token_forms__examples():
    forms = token_forms(pl.Series(["nguyễn", "ng", "đ", "h'lan", "hòa", "an", "иван", "y", "tr"]))
    assert forms.columns == ["token", "ascii", "plain", "phonetic", "marked", "single", "initial"]
    assert forms["ascii"].to_list() == ["nguyen", "ng", "d", "hlan", "hoa", "an", "43843243043d", "y", "tr"]
    assert forms["plain"].to_list() == ["nguyên", "ng", "đ", "h'lan", "hoa", "an", "иван", "y", "tr"]
    assert forms["marked"].to_list() == [True, False, True, False, True, False, True, False, False]
    assert forms["single"].to_list() == [False, True, True, False, False, False, False, True, True]
    assert forms["initial"].to_list() == ["n", "n", "d", "h", "h", "a", "4", "y", "t"]


def test_token_forms__of_nothing():
    assert token_forms(pl.Series([], dtype=pl.String)).height == 0


def nested(frame):
    """Whether every form is a function of the finer one before it."""
    for finer, coarser in (("plain", "ascii"), ("ascii", "phonetic")):
        coarse = defaultdict(set)
        for key, value in frame.select(finer, coarser).iter_rows():
            coarse[key].add(value)
        if any(len(values) > 1 for values in coarse.values()):
            return False
    return True


def test_token_forms__are_nested_over_all_syllables():
    words = sorted(set(canonical_syllables().values()))
    extra = ["h'lan", "hlan", "k'brôi", "kbroi", "ksơr", "ksor", "ng", "mlô", "r'ô", "rô", "h'oanh", "hoanh"]
    frame = token_forms(pl.Series([*words, *extra]))
    assert nested(frame)

    def slow_plain(word):
        tones = set("\u0300\u0301\u0303\u0309\u0323")
        return unicodedata.normalize(
            "NFC", "".join(c for c in unicodedata.normalize("NFD", word) if c not in tones)
        )

    def slow_ascii(word):
        return "".join(c for c in unicodedata.normalize("NFD", word.replace("đ", "d")) if "a" <= c <= "z")

    assert frame["plain"].to_list() == [slow_plain(word) for word in [*words, *extra]]
    assert frame["ascii"].to_list() == [slow_ascii(word) for word in [*words, *extra]]


@settings(max_examples=80, deadline=None)
@given(
    st.lists(
        st.text(alphabet="aàâăeêioôơuưyýbcdđghklmnpqrstvx'", min_size=1, max_size=7), min_size=1, max_size=40
    )
)
def test_token_forms__are_nested_for_any_tokens(tokens):
    doubled = [*tokens, *(token.replace("â", "ă").replace("đ", "d") for token in tokens)]
    assert nested(token_forms(pl.Series(doubled)))
