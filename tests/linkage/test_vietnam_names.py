import random
import time
import unicodedata

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linkage.vietnam.names import KINDS, LONGEST_NAME, parse_names
from linkage.vietnam.syllables import canonical_syllables

EXAMPLES = [
    # spelling of letters, case, spaces
    ("Nguyễn Văn An", "nguyễn văn an", ""),
    ("NGUYỄN THỊ HÒA", "nguyễn thị hòa", ""),
    (unicodedata.normalize("NFD", "Nguyễn Thị Thúy"), "nguyễn thị thúy", ""),
    ("Nguyê\u0303n Thi\u0323 Lan", "nguyễn thị lan", ""),
    ("  Trần\u00a0 Văn\u200b   Ba ", "trần văn ba", ""),
    ("Ðặng Ðình Đức", "đặng đình đức", "look_alike"),
    ("Trần Vаn Ba", "trần van ba", "look_alike"),
    ("\u039aim Ngân", "kim ngân", "look_alike"),
    ("Nguyễn Văn １", "nguyễn văn", "digits look_alike"),
    ("Trần-Văn-Ba", "trần văn ba", ""),
    # place of the tone mark; i and y stay
    ("Nguyễn Thị Hoà", "nguyễn thị hòa", "tone_placement"),
    ("Lê Khoẻ", "lê khỏe", "tone_placement"),
    ("Trần Thuỷ Tuý", "trần thủy túy", "tone_placement"),
    ("Lý Mỹ", "lý mỹ", ""),
    ("Lí Mĩ", "lí mĩ", ""),
    # keyboard residue
    ("Nguyeenx Thij Lan", "nguyễn thị lan", "telex"),
    ("Nguyênx Thị Lan", "nguyễn thị lan", "telex"),
    ("Tranaf Ddoox", "trần đỗ", "telex"),
    ("Nguye6n4 Thi5 Lan", "nguyễn thị lan", "vni"),
    ("Nguyê4n Thị Lan", "nguyễn thị lan", "vni"),
    ("Thijj Hoasss", "thị hóa", "telex"),
    ("Traaan Ddddinhs", "trân đính", "telex"),
    ("Nguye66n44 Lan", "nguyễn lan", "vni"),
    # values of another encoding
    ("NguyÔn ThÞ Lan", "nguyễn thị lan", "tcvn3"),
    ("L\u00adu V¨n §øc", "lưu văn đức", "tcvn3"),
    ("NGUYÔN THÞ HOA", "nguyễn thị hoa", "tcvn3"),
    ("Nguyeãn Thò Thuùy Hoøa", "nguyễn thị thúy hòa", "vni_windows"),
    ("Ñoã Vaên Ñöùc", "đỗ văn đức", "vni_windows"),
    ("Nguye^~n Thi. Thu'y", "nguyễn thị thúy", "viqr"),
    ("Nguyá»…n Thá»‹ HÃ²a", "nguyễn thị hòa", "utf8_twice"),
    ("Võ Dòng", "võ dòng", ""),
    ("Phan Thi. Be'", "phan thị bé", "viqr"),
    ("Vu~ Ha` Sang", "vũ hà sang", "viqr"),
    ("Nguyen Thi Hoa'", "nguyen thi hoa", ""),
    ("Nguye6n4 Va8n Y1", "nguyễn văn ý", "vni"),
    ("Nguyễn Văn A1", "nguyễn văn a", "digits"),
    # lost diacritics are not guessed
    ("NGUYEN THI HOA", "nguyen thi hoa", ""),
    ("Tran Van Binh", "tran van binh", ""),
    # abbreviations
    ("Ng. T. Hoa", "ng t hoa", "abbreviation"),
    ("Ng T Hoa", "ng t hoa", ""),
    ("Ng~ Hoa Mai", "ng hoa mai", "abbreviation"),
    ("Nguyễn T.Hoa", "nguyễn t hoa", "abbreviation"),
    ("Nguyễn Thị Lan.", "nguyễn thị lan", ""),
    # titles and second names
    ("Bà Nguyễn Thị Lan", "nguyễn thị lan", "title"),
    ("Bé Trần Văn An", "trần văn an", "title"),
    ("Đ/c Lê Văn Ba", "lê văn ba", "title"),
    ("Ông Thị Lan", "ông thị lan", ""),
    ("Nguyễn Văn A (Tư)", "nguyễn văn a", "alias"),
    ("Nguyễn Văn Ba tức Tư Râu", "nguyễn văn ba", "alias"),
    ("(Nguyễn Văn Ba)", "nguyễn văn ba", ""),
    ("Con bà Nguyễn Thị Lan", "", "newborn"),
    ("Bé gái Trần Thị Lan", "", "newborn"),
    # order
    ("An Văn Nguyễn", "nguyễn văn an", "order"),
    ("Anh Nguyễn Văn", "nguyễn văn anh", "order"),
    ("Văn An Nguyễn", "nguyễn văn an", "order"),
    ("Anh Tuấn Nguyễn", "nguyễn anh tuấn", "order"),
    ("Hà Nguyễn Thị", "nguyễn thị hà", "order"),
    ("Lan Trần", "trần lan", "order"),
    ("Bé Nguyễn Thị", "nguyễn thị bé", "order"),
    ("Nguyễn Trần", "nguyễn trần", ""),
    ("Doãn Thanh Lê", "doãn thanh lê", ""),
    ("Bàn Kim Pham", "bàn kim pham", ""),
    ("Ông Văn Hưng", "ông văn hưng", ""),
    ("A Huynh", "a huynh", ""),
    ("A Wơi", "a wơi", ""),
    ("thị nguyễn trần thị", "thị nguyễn trần thị", ""),
    ("Hoàng Thị Lê", "hoàng thị lê", ""),
    # a saint's name before a name of one's own is no part of the legal name
    ("Maria Nguyễn Thị Lan", "nguyễn thị lan", "religious"),
    ("Vinh Sơn Trần Văn Ba", "trần văn ba", "religious"),
    ("Linh mục Phêrô Nguyễn Văn A", "nguyễn văn a", "religious"),
    ("Maria Lan", "maria lan", ""),
    ("Thích Nguyên Hạnh", "thích nguyên hạnh", ""),
    # peoples of the highlands
    ("H' Lan Niê", "h'lan niê", "prefix"),
    ("H’Lan Niê", "h'lan niê", ""),
    ("HLan Niê", "h'lan niê", "prefix"),
    ("HLAN NIÊ", "h'lan niê", "prefix"),
    ("H Lan Niê", "h'lan niê", "prefix"),
    ("H Lan", "h'lan", "prefix"),
    ("H Thị Lan", "h thị lan", ""),
    ("HOàng Văn An", "hoàng văn an", ""),
    ("K' Brôi", "k'brôi", "prefix"),
    ("KBrôi", "k'brôi", "prefix"),
    ("Y Bhin Niê", "y bhin niê", ""),
    ("YBhin Niê", "y bhin niê", "prefix"),
    ("Y-Bhin Niê", "y bhin niê", ""),
    ("Kpă H Lan", "kpă h'lan", "prefix"),
    ("Ksor Y Blô", "ksor y blô", ""),
    ("H'Nơr Niê", "h'nơr niê", ""),
    ("Y Lees Niê", "y lees niê", ""),
    ("Y Ñuk Niê", "y ñuk niê", ""),
    ("Y Jŭt Êban", "y jŭt êban", ""),
    ("H'Wen Mlô", "h'wen mlô", ""),
    ("Zơ Râm Č", "zơ râm č", ""),
    ("Đinh Wơi", "đinh wơi", ""),
    ("H\u02bcLan Niê", "h'lan niê", ""),
    # damage
    ("NguyễnVăn An", "nguyễn văn an", "spacing"),
    ("NguyenVan An", "nguyen van an", "spacing"),
    ("Nguy?n Th? Lan", "nguyn th lan", "lost_letter"),
    ("Trần Văn Ba 2", "trần văn ba", "digits"),
    ("123", "", "digits unreadable"),
    ("-", "", "unreadable"),
    ("???", "", "unreadable"),
]


@pytest.mark.parametrize(("raw", "text", "kinds"), EXAMPLES)
def test_parse_names__examples(raw, text, kinds):
    parsed = parse_names(pl.Series([raw]))
    assert parsed.texts().to_list() == [text]
    assert parsed.repairs["kind"].to_list() == kinds.split()
    assert parsed.repairs["value"].to_list() == [0] * len(kinds.split())


def test_parse_names__layout():
    parsed = parse_names(pl.Series(["Trần Văn An", "1", "An Văn Trần", "Lê An"]))
    assert parsed.offsets.dtype == np.int64
    assert parsed.tokens.dtype == np.int32
    assert parsed.offsets.tolist() == [0, 3, 3, 6, 8]
    assert parsed.token_text.to_list() == ["an", "lê", "trần", "văn"]
    assert parsed.tokens.tolist() == [2, 3, 0, 2, 3, 0, 1, 0]
    assert parsed.repairs.schema == {"value": pl.UInt32, "kind": pl.String, "confidence": pl.Float32}
    assert parsed.repairs["value"].to_list() == [1, 1, 2]


def test_parse_names__longer_than_any_name_is_unreadable():
    longest = "Lê " + "a" * (LONGEST_NAME - 3)
    parsed = parse_names(pl.Series([longest, longest + "b", "Trần Văn An"]))
    assert parsed.texts().to_list() == [longest.lower(), "", "trần văn an"]
    assert parsed.repairs.select("value", "kind").rows() == [(1, "unreadable")]


def test_parse_names__of_whole_books_in_little_time():
    """Fifty megabytes that look like names: every word of them was looked at, for most of a minute."""
    book = "Nguyen Van1 An, Tran? Thi Bich. " * 800
    begun = time.perf_counter()
    parsed = parse_names(pl.Series([f"{book}{n}" for n in range(2_000)]))
    assert time.perf_counter() - begun < 10
    assert len(parsed.tokens) == 0


def test_parse_names__leaves_the_values_as_they_came():
    held = ["NguyÔn ThÞ Lan", "Ng. T. Hoa", "Trần Văn An"]
    values = pl.Series(held)
    parse_names(values)
    assert values.to_list() == held


def test_parse_names__of_nothing():
    for values in (pl.Series([], dtype=pl.String), pl.Series(["1", "-"])):
        parsed = parse_names(values)
        assert parsed.offsets.tolist() == [0] * (len(values) + 1)
        assert len(parsed.tokens) == len(parsed.token_text) == 0
        assert parsed.texts().to_list() == [""] * len(values)


def test_parse_names__every_syllable_stays_what_it_is():
    words = sorted(set(canonical_syllables().values()))
    parsed = parse_names(pl.Series([f"nguyễn {word} an" for word in words]))
    kept = [text.split()[1] == word for text, word in zip(parsed.texts(), words, strict=True)]
    assert all(kept)


words = st.one_of(
    st.sampled_from(sorted(canonical_syllables())),
    st.sampled_from(
        """
        Nguyễn Trần Lê Phạm Nguyen Pham Hoàng Văn Thị Anh An Lan Hoà Thuỷ Nguyeenx Thij
        Nguye6n4 hoa2 Lees Ddoox H H' K K' Y R' HLan KBrôi YBhin Hlan h'lan Niê Kpă Ksor Rơ Ng.
        T. Ng~ (Tư) tức Bà Ông Bé Con bà gái CB Đ/c Mr Maria Ðặng NguyễnVăn NguyenVan 12 - ?
        NguyÔn ThÞ Nguyeãn Thuùy Nguye^~n Thi. Maria Vinh Sơn Linh Mục Nguy?n О'Neil d'hoà h'hoà Th?
        """.split()
    ),
    st.text(alphabet="aăâeêioôơuưybcdđghklmnpqrstvxfjwzHKYR'’.()/?~-0123456789\u0301\u0323 ẳỷÐ", max_size=8),
    st.text(max_size=6),
)
names = st.lists(words, min_size=1, max_size=6).map(" ".join)


@settings(max_examples=200, deadline=None)
@given(names)
def test_parse_names__is_idempotent(raw):
    check_idempotent(raw)


@pytest.mark.slow
@settings(max_examples=5_000, deadline=None)
@given(names)
def test_parse_names__is_idempotent_at_length(raw):
    check_idempotent(raw)


def check_idempotent(raw):
    first = parse_names(pl.Series([raw], dtype=pl.String))
    text = first.texts()[0]
    assert set(first.repairs["kind"]) <= set(KINDS)
    if not text:
        return
    again = parse_names(pl.Series([text]))
    assert again.texts()[0] == text
    assert again.token_text.to_list() == first.token_text.to_list()
    assert again.repairs.is_empty()
    assert unicodedata.normalize("NFC", text) == text
    assert text.lower() == text


@settings(max_examples=30, deadline=None)
@given(st.lists(names, min_size=1, max_size=30, unique=True), st.randoms(use_true_random=False))
def test_parse_names__a_name_does_not_depend_on_its_company(values, shuffle):
    together = parse_names(pl.Series(values, dtype=pl.String))
    texts = together.texts().to_list()
    for i, value in enumerate(values):
        alone = parse_names(pl.Series([value], dtype=pl.String))
        assert alone.texts().to_list() == [texts[i]]
        repairs = together.repairs.filter(pl.col("value") == i)
        assert repairs.drop("value").equals(alone.repairs.drop("value"))
    order = list(range(len(values)))
    shuffle.shuffle(order)
    shuffled = parse_names(pl.Series([values[i] for i in order], dtype=pl.String))
    assert shuffled.token_text.to_list() == together.token_text.to_list()
    assert shuffled.texts().to_list() == [texts[i] for i in order]


def test_parse_names__many_names_in_little_time():
    rng = random.Random(3)
    syllables = [word.title() for word in rng.sample(sorted(canonical_syllables()), 2000)]
    values = pl.Series([" ".join(rng.choices(syllables, k=3)) for _ in range(20_000)]).unique(
        maintain_order=True
    )
    parsed = parse_names(values)
    assert len(parsed.offsets) == len(values) + 1
    assert parsed.offsets[-1] == len(parsed.tokens)


@pytest.mark.parametrize(
    ("raw", "text"), [("ai YHuR", "ai y hủ"), ("ai y'hur", "ai y hủ"), ("YHuR Niê", "y hur niê")]
)
def test_parse_names__y_written_together_is_read_as_when_it_stands_apart(raw, text):
    """`ai YHuR` came apart as `ai y hur`, which a second reading took for `hủ` typed by Telex."""
    assert parse_names(pl.Series([raw])).texts().to_list() == [text]
    check_idempotent(raw)
