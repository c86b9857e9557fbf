"""Word lists that tell the parts of a Vietnamese name: surnames, titles, clans of the highland peoples.

Lists serve conservative repairs only (a title dropped, a reversed order turned); a surname that is missing
here loses a repair, nothing else. Sources: the hundred commonest surnames of four published samples and Lê
Trung Hoa's "Họ và tên người Việt Nam" (2005); clan names of the Ê Đê, Gia Rai and Mnông from published
compilations. Words are in canonical spelling (see :mod:`linkage.vietnam.syllables`).
"""

from __future__ import annotations

from linkage.vietnam.syllables import ascii_letters


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _with_ascii(words: frozenset[str]) -> frozenset[str]:
    return words | frozenset(ascii_letters(word) for word in words)


STRONG_SURNAMES = _words("nguyễn trần lê phạm huỳnh phan võ đặng bùi đỗ ngô trịnh trương")
"""Surnames that are almost never given names."""

STRONG_SURNAMES_ASCII = _words("nguyen pham huynh bui")
"""The same without diacritics, where no given name without them looks the same."""

COMMON_SURNAMES = _with_ascii(
    _words(
        """
        nguyễn trần lê phạm hoàng huỳnh phan vũ võ đặng bùi đỗ hồ ngô dương lý trương đinh trịnh nông mai hà
        đoàn lương cao đào lưu triệu phùng đàm chu văn vi tạ vương tô hứa đậu tăng quách
        """
    )
)
"""Surnames of at least about a quarter of a percent, with and without diacritics."""

SURNAMES = COMMON_SURNAMES | _with_ascii(
    _words(
        """
        giản lộ thái lâm châu thạch sơn kim danh khổng ninh nghiêm cù kiều doãn thân tống hàn la lã lại từ
        mạc mạch âu ông tôn đồng viên thiều thẩm tiêu tào kha khương khuất khúc lạc lăng liêu liễu lò lô
        lường lục lữ mã mẫn mao mè nghê ngũ ngụy ngân nhan nhâm nhữ ong phí phó phù quản quan quàng sầm sử
        sùng tòng thang thi thiệu thào thượng tiết tiền trác trưng tưởng ty uông ưng vàng vạn viêm vừ xa xồng
        bá bạc bạch bàng bàn bành bế biện bồ ca cà cái cam cầm cấn cát chắng chế chiêm chúng cồ cung cự dã di
        diệp đái đan đạo đắc đèo điền điểu đôn đổng đới đường giàng giáp hạng hầu hờ hy khâu khiếu khu khuông
        kỷ kỳ lầu lềm lềnh lỗ lù ma mang mùa mục nghị ngọ nhạc nùng phàn phủ sái sâm sằm tất tề thập tán
        tường trầm trì ứng vày ầu bối cổ chảo tẩn vòng phoòng chìu voòng sín thòong ngải lìu dềnh
        """
    )
)
"""All listed surnames, with and without diacritics; not the rare ones that are everyday given names."""

PURE_MIDDLES = _words("văn thị van thi")
"""Middle names that are hardly ever given names."""

TITLES = _words("ông bà cụ ngài chị cô chú bác em bé cháu ong mr mrs ms")
"""Forms of address that stand before a name."""

RELIGIOUS_TITLES = frozenset(
    (first, second)
    for pair in """
    linh mục, đại đức, thượng tọa, hòa thượng, ni sư, ni cô, ni trưởng, sư cô, sư thầy, nữ tu, tu sĩ, mục sư,
    giám mục
    """.split(",")
    for first, second in (pair.split(), ascii_letters(pair).split())
)
"""Titles of clerics, of two words, with and without diacritics."""

SAINTS = _words(
    """
    maria giuse phêrô phero anna têrêsa teresa phaolô phaolo gioan đaminh daminh vinhsơn vinhson martinô
    martino antôn anton cecilia matta matthêu mattheu luca micae giacôbê giacobe giêrônimô augustinô augustino
    phanxicô phanxico tôma toma stêphanô stephano inhaxiô inhaxio agata agnès agnes rosa monica catarina
    isave đôminicô dominico giuseppe joseph peter paul
    """
)
"""Saints' names that Catholics put before their own, words of one name written together."""

SAINT_FIRSTS = SAINTS | _words("vinh")
"""First words of those."""

NEWBORN_STARTS = frozenset(
    (first, second)
    for first in ("con", "bé", "cháu", "be", "chau")
    for second in ("bà", "ông", "mẹ", "chị", "cô", "của", "ba", "me", "chi", "cua", "trai", "gái", "gai")
    if first == "con" or second in ("của", "cua", "trai", "gái", "gai")
)
"""First two words of a newborn's entry, which goes on with the mother's name."""

CLANS = _words(
    """
    niê nie mlô mlo kpă kpa ksor ksơr rmah rahlan rơ siu nay r'ô r'com rcom kbuôr kbuor adrơng adrong êban
    eban ênuôl enuôl enuol kđăm kdăm kdam kđoh hđơk hdơk hđok hmok hmŏk hwing hlong mlao byă ayun arul knul
    ktla ktul kriêng kuan bkrông bdap rcăm rchâm ơban buôn ksa kčor kcor mdrang rơchâm rlan
    """
)
"""Clan and family names of the Ê Đê, Gia Rai and Mnông that no Kinh name contains."""

ALIAS_WORD = "tức"
"""\"That is\": what follows is another name of the person."""
