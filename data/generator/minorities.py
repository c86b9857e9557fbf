"""Names of peoples other than the Kinh: who lives where, and how each writes a name.

A name is three parts written one after the other. Tày, Nùng, Thái, Mường, Hmông, Dao, Khmer and Chăm names
stand surname first; Ê Đê, Gia Rai, Mnông and Ba Na names stand given name first behind a particle of sex
(``Y``, ``A``, ``H'``) with the clan last; Cơ Ho names stand behind ``K'`` or ``Ka``. Lists are short next
to the Kinh ones: a namesake is commoner among them, as it is in life.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class People:
    """How one people is named. ``clan_last``: given name before clan. Words with ``_`` hold a space."""

    name: str
    surnames: tuple[str, ...]
    male_middle: tuple[str, ...]
    female_middle: tuple[str, ...]
    male_given: tuple[str, ...]
    female_given: tuple[str, ...]
    clan_last: bool = False


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_TAY = People(
    "tay",
    _words(
        "Hoàng Nông Lý Triệu Lương Bế Ma Hà Nguyễn Đàm La Chu Phan Vi Hứa Lục Đinh Mã Lô Lã Ngọc Sầm "
        "Mông Thẩm Dương"
    ),
    _words("Văn Văn Văn Đức Quốc Xuân Minh Trung Hữu Ngọc Quang Thanh"),
    _words("Thị Thị Thị Thị Thu Thúy Hồng Kim Ngọc Bích Minh"),
    _words(
        "Tuấn Hùng Dũng Thắng Cường Nam Sơn Hải Toàn Hiếu Huy Quân Tùng Long Đức Minh Kiên Trung Thành "
        "Hoàng Khánh Duy Mạnh Hòa Tiến Lâm Bằng Chiến Thái Vinh Bảo Thiện Công Lập Phong Hưng Tú Ngọc "
        "Sáng Luân"
    ),
    _words(
        "Hương Hằng Thảo Huyền Trang Linh Hoa Lan Nga Thủy Hà Phương Ngọc Nhung Yến Mai Hiền Thu Vân "
        "Duyên Diệp Hạnh Lệ Loan Oanh Chi Anh Dung Quỳnh Xuân Kiều Luyến Thơm Thêu Bích Ánh Nguyệt Liễu "
        "Sen Điệp"
    ),
)
_THAI = People(
    "thai",
    _words(
        "Lò Quàng Lường Cà Tòng Hà Vi Lô Lương Cầm Bạc Đèo Lèo Mè Lềm Hoàng Sầm Ngân Lữ Kha Vì Mào Lự Điêu"
    ),
    _words("Văn Văn Văn Văn Văn Quốc Minh Đức Thanh"),
    _words("Thị Thị Thị Thị Thị Thị Thu Ngọc Bích"),
    _words(
        "Pâng Ín Thoan Hặc Panh Thương Inh Chiến Dũng Hùng Thắng Cường Muôn Xôm Ngoan Hoan Biên Tuấn "
        "Tiến Toàn Nam Sơn Hải Hiếu Đôi Phong Pản Bun Pó Ún Khặm Thiện Duy Anh Đức Minh Lả Hịa Piệng "
        "Chung"
    ),
    _words(
        "Pành Ánh Lả Xuân Hoa Hương Thu Thảo Huyền Trang Linh Nga Yến Phương Inh Én Ún Bun Pâng Ín "
        "Thoan Hặc Xôm Ban Chiêng Chương Diên Hạnh Hiên Hồng Kim Lan Loan Minh Nguyệt Nhung Quyên Tâm "
        "Thơm Tươi"
    ),
)
_MUONG = People(
    "muong",
    _words("Bùi Bùi Bùi Đinh Đinh Quách Hà Phạm Nguyễn Trương Cao Lê Xa Hoàng"),
    _words("Văn Văn Văn Văn Đức Xuân Thanh Công Quốc Mạnh"),
    _words("Thị Thị Thị Thị Thị Thu Hồng Thanh Ngọc Bích"),
    _words(
        "Dũng Hùng Thắng Cường Nam Sơn Hải Toàn Hiếu Tuấn Tùng Long Đức Minh Kiên Trung Thành Hoàng "
        "Chiến Tiến Ỉnh Dệu Nhảy Bỉnh Tý Quyết Quân Huy Anh Duy Lực Thảo Thiện Tình Hiển Hưng Lợi Khánh "
        "Thủy Phong"
    ),
    _words(
        "Hương Hằng Thảo Huyền Trang Linh Hoa Lan Nga Thủy Hà Phương Ngọc Nhung Yến Mai Hiền Thu Vân "
        "Duyên Dậu Diện Nhiến Ển Ún Hiệng Lìn Tươi Thương Hạnh Loan Oanh Chi Anh Dung Quỳnh Xuân Kiều "
        "Thơm Bích"
    ),
)
_HMONG = People(
    "hmong",
    _words(
        "Giàng Vàng Sùng Thào Lý Mùa Lầu Vừ Hờ Cứ Hạng Má Ly Sồng Tráng Chá Xồng Thò Cư Hầu Ma Phàng Tếnh Lù"
    ),
    _words("A A A A A A Seo Mí Bá Văn Xuân Chứ Pà"),
    _words("Thị Thị Thị Thị Thị Y Mai Mỷ"),
    _words(
        "Dơ Páo Sử Chu Tủa Súa Vừ Lử Dế Pó Phử Chứ Sình Sáng Sinh Chống Chá Say Giống Tính Nủ Của Tráng "
        "Vàng Thắng Lềnh Hồ Pao Páo_Sinh Sề Phình Cáng Nếnh Lồng Thanh Dinh Hù Khua Khai Lâu Ninh Xà "
        "Chư Kỷ Mang Tu Vảng"
    ),
    _words(
        "Mỷ Dợ Sông Chư Mai Sua Chía Máy Dở Xua Dua Pàng Say Dí Xay Mo Nủ Già Ca Sung Cở Dia Lia Mị Pà "
        "Chứ Chở Rùa Vá Bầu Sầu Xà Hoa Dinh Kía Dông Bla Mỵ Sáy Cầu Chu Tồng"
    ),
)
_DAO = People(
    "dao",
    _words("Triệu Triệu Bàn Đặng Phùng Lý Chảo Tẩn Phàn Lò Dương Tằng Trương Hoàng Chìu"),
    _words("Văn Tài Đức Hữu Kim Tiến Xuân Quý Láo Sành Chẳn Sinh Phúc Nguyên"),
    _words("Thị Thị Thị Mùi Tả Lở Sử Kim Tồn"),
    _words(
        "Phúc Kinh Vượng Hồng Chòi Phấu Tả Sành Phương Chiêu Lai Thành Tiến Long Quyên Vạn Tòn Pao Cáo "
        "Kiều Lưu Sơn Hùng Thắng Toàn Kiên Lâm Duy Dũng Minh Hiếu Nam Quân Quang Thanh Sinh Liều Nhàn "
        "Hành Chài"
    ),
    _words(
        "Mẩy Mùi Nái Liều Nhất Chài Pham Coi Ghến Lai Khé Xiêm Phượng Lan Hoa Hương Sao Hồng Mai Linh "
        "Thu Huyền Vân Nga Thảo Hiền Xuân Dung Nguyệt Ngân Hà Quyên Tâm Yến Liên Nhung Duyên Muổng Líu "
        "Chiêu"
    ),
)
_KHMER = People(
    "khmer",
    _words("Thạch Thạch Sơn Kim Danh Châu Lâm Kiên Lý Trần Liêu Chau Neáng Tăng Đào Trà Thị Hứa Huỳnh"),
    _words("_ _ _ _ Văn Minh Ngọc Hoàng Thanh Sóc Chanh Ra Quốc Hữu"),
    _words("_ _ _ Thị Thị Thị Ngọc Kim Mỹ Hồng Sa Bích Thanh"),
    _words(
        "Sóc Kha Rây Sươl Khêl Phol Duôl Hiệp Na Sa_Vuông Rít_Thi Đa Oanh Dũng Tuấn Nghĩa Hoàng Bình "
        "Thi Phát Ranh Suôl Sóc_Kha Hên Rết Dươl Pháp Vanh_Na Sinh Kiệt Tha Thươl Vũ Quyền Lượm Sang "
        "Chanh_Đa Rin Vút Som Nát Phone"
    ),
    _words(
        "Sóc_Thi Da_Ni Sa_Rây Na_Vy Đa_Ra Thol Linh Ngân Sang Xuyên Pha Hiền Lan Ngọc Thu Oanh Thảo "
        "Trang Sà_Rương Phương Mai Sa_Mết Thia Lý Duyên Diệu Mỹ Ni Hoa Yến Kiều Sót Nhi Rươl Chanh_Thu "
        "Savy Ươl Na Kunthea Sâm"
    ),
)
_CHAM = People(
    "cham",
    _words(
        "Đạo Đàng Kiều Quảng Lưu Thành Báo Trượng Châu Bá Phú Từ Hán Dụng Thiên Não Ngư Tài Lộ Đổng Nguyễn"
    ),
    _words("Văn Văn Văn Thanh Ngọc Xuân Minh Quốc Thành Năng _"),
    _words("Thị Thị Thị Thị Nữ Kim Ngọc Thanh Mỹ Xuân"),
    _words(
        "Tỷ Hoài Sơn Tâm Dũng Hùng Thắng Tuấn Toàn Hiếu Minh Thanh Bình Quang Phú Trung Sự Lâm Tài Đức "
        "Ja_Ya Phước Chương Nam Tú Thiện Vinh Nhân Sinh Sáng Đại Danh Long Khánh Hoàng An Tiến Thoại "
        "Mười Trà"
    ),
    _words(
        "Hằng Hoa Hương Lan Thanh Thảo Nga Mai Linh Trang Hạnh Thu Xuân Yến Phượng Kim Loan Hồng Vân "
        "Tuyết Mỹ Duyên Đào Liên Tiên Ngân Oanh Nhung Ngọc Thủy Diễm Trinh Bích Lệ Cúc Hường Kiều Sương "
        "Trâm Ánh"
    ),
)
_EDE = People(
    "ede",
    _words(
        "Niê Niê Niê Mlô Mlô Êban Ksơr Buôn_Yă Kbuôr Adrơng Niê_Kđăm Ayŭn Hđơk Ênuôl Kpă Byă Hwing Mjâo "
        "Ktla Rcăm Êñuôl"
    ),
    _words("Y"),
    _words("_"),
    _words(
        "Blong Bhi Bhok Blơ Brông Buêl Dhăm Dhiăt Djuang Đức Hoan Jut Kha Khăm Khôi Klơng Knul Kuan "
        "Luân Lương Minh Ngăm Nguyên Nhiêm Phôn Quang Rin Săm Siêng Soai Suăn Sương Tam Thăm Thiên "
        "Thoan Tlam Trung Tuân Wơ Yăn Yôk Zai"
    ),
    _words(
        "H'Maryam H'Lan H'Bia H'Ban H'Blao H'Bơn H'Đăm H'Djuôn H'Hoa H'Hương H'Juel H'Khuyên H'Kim H'Li "
        "H'Linh H'Loan H'Luyn H'Mai H'Mi H'Mơ H'Năm H'Nga H'Ngăm H'Ngoan H'Nguyệt H'Nhi H'Nuăn H'Oanh "
        "H'Rôsa H'Sa H'Suê H'Thao H'Thảo H'Trang H'Uyên H'Vân H'Wen H'Yar H'Yer H'Zi"
    ),
    clan_last=True,
)
_GIARAI = People(
    "giarai",
    _words("Siu Siu Rơ_Châm Ksor Nay Kpă Rah_Lan Rcom R'ô R'com Kpuih Rơ_Mah Puih Rơ_Lan Hiao Alê"),
    _words("_"),
    _words("_"),
    _words(
        "Bol Byin Chưn Dơ Djueng Hlin Hyơng Khanh Klăh Kră Krih Lip Nghĩa Nhơn Phiơ Pil Pơi Rơch Sang "
        "Ŭk Thiêng Thim Thuyên Tuân Thoai Ven Vinh Wơn Yơm Ngọc Khoa Tâm Blô Chăm Đinh Hiêu Jú Kiêm Lăm "
        "Mlinh"
    ),
    _words(
        "H'Bạch H'Bêl H'Blen H'Bơi H'Ben H'Diệp H'Djuên H'Duyên H'Hiên H'Hoan H'Huệ H'Jen H'Kiều H'Lach "
        "H'Lan H'Linh H'Loan H'Mlin H'Năng H'Ngơi H'Nhung H'Phương H'Pưk H'Rin H'Sương H'Thơm H'Thu "
        "H'Thủy H'Trâm H'Vân H'Vy H'Yên"
    ),
)
_BANA = People(
    "bana",
    _words("_ _ _ Đinh Đinh A"),
    _words("A"),
    _words("Y"),
    _words(
        "Hmưnh Byưk Chơt Dêk Djrang Gleng Hlôi Hơn Hyuh Khuyên Klơt Krôi Lưng Nhưn Pôt Rơn Thơt Tưr Wơi "
        "Yun Bôk Chuêng Đưk Huynh Jơh Kiêng Lơi Mơ Nglơn Phin Sin Thun Thiu Tim Văn Hùng Blưh Đeng Lâm "
        "Phương"
    ),
    _words(
        "Bia Blưn Byin Chưih Djưm Đơih Hyưng Hlan Huyên Jem Khưp Linh Lơm Nhung Ngưi Phưn Rim Sưng "
        "Thoan Thưm Tơih Ưm Vơih Wưn Yưt Hoa Lan Thu Duyên Nga Kim Blơ Glưng Prưm Nhưi Mưih Đel Jui "
        "Srưm Khui"
    ),
    clan_last=True,
)
_COHO = People(
    "coho",
    _words("_ _ _ Kơ_Să Cil Liêng Lơ_Mu Pang_Ting Rơ_Ông Cill Kră_Jăn Dà_Cát Bon_Dơng Liêng_Hot"),
    _words("_"),
    _words("_"),
    _words(
        "K'Brèo K'Brèm K'Brơih K'Bôn K'Chung K'Diệp K'Dòng K'Đức K'Hùng K'Hiền K'Kê K'Lâm K'Lộc K'Minh "
        "K'Ngọc K'Nhơn K'Phương K'Quang K'Rin K'Sơn K'Thắng K'Thành K'Tiến K'Tuấn K'Văn K'Vinh K'Thoại "
        "K'Tân K'Liêm K'Huy"
    ),
    _words(
        "Ka_Brèm Ka_Chi Ka_Dịu Ka_Hạnh Ka_Hiền Ka_Hoa Ka_Huệ Ka_Hương Ka_Kim Ka_Lan Ka_Liên Ka_Linh "
        "Ka_Loan Ka_Mai Ka_Mỹ Ka_Nga Ka_Ngọc Ka_Nhung Ka_Phượng Ka_Sương Ka_Thảo Ka_Thoan Ka_Thu "
        "Ka_Trang Ka_Tuyết Ka_Uyên Ka_Yến"
    ),
)

PEOPLES: tuple[People, ...] = (
    _TAY,
    _THAI,
    _MUONG,
    _HMONG,
    _DAO,
    _KHMER,
    _CHAM,
    _EDE,
    _GIARAI,
    _BANA,
    _COHO,
)

#: Share of each people in a province, by ``code3``; the rest is Kinh. Rounded from the 2019 census,
#: subgroups and neighbours with alike names counted together (Nùng with Tày, Mnông with Ê Đê, Xơ Đăng with
#: Ba Na, Mạ with Cơ Ho).
SHARES: dict[str, dict[str, float]] = {
    "002": {"hmong": 0.34, "tay": 0.35, "dao": 0.15},
    "004": {"tay": 0.72, "hmong": 0.11, "dao": 0.10},
    "006": {"tay": 0.62, "dao": 0.18, "hmong": 0.07},
    "008": {"tay": 0.28, "dao": 0.13, "hmong": 0.03},
    "010": {"hmong": 0.25, "tay": 0.19, "dao": 0.14, "thai": 0.02},
    "011": {"thai": 0.36, "hmong": 0.38, "dao": 0.01},
    "012": {"thai": 0.31, "hmong": 0.24, "dao": 0.14},
    "014": {"thai": 0.54, "hmong": 0.16, "muong": 0.07, "dao": 0.02},
    "015": {"tay": 0.20, "dao": 0.12, "hmong": 0.13, "thai": 0.07, "muong": 0.02},
    "017": {"muong": 0.63, "thai": 0.04, "dao": 0.02, "tay": 0.03},
    "019": {"tay": 0.16, "dao": 0.02, "hmong": 0.01},
    "020": {"tay": 0.78, "dao": 0.04},
    "022": {"dao": 0.05, "tay": 0.04},
    "024": {"tay": 0.08},
    "025": {"muong": 0.15, "dao": 0.01},
    "026": {"dao": 0.03},
    "037": {"muong": 0.03},
    "038": {"muong": 0.10, "thai": 0.06},
    "040": {"thai": 0.10, "hmong": 0.01},
    "054": {"ede": 0.03, "cham": 0.03},
    "056": {"coho": 0.04, "ede": 0.01},
    "058": {"cham": 0.12, "coho": 0.11},
    "060": {"cham": 0.04, "coho": 0.02},
    "062": {"bana": 0.43, "giarai": 0.05, "muong": 0.02, "tay": 0.02},
    "064": {"giarai": 0.30, "bana": 0.13, "tay": 0.03},
    "066": {"ede": 0.21, "tay": 0.07, "hmong": 0.02, "giarai": 0.01},
    "067": {"ede": 0.10, "tay": 0.07, "hmong": 0.05, "coho": 0.02},
    "068": {"coho": 0.17, "tay": 0.04},
    "070": {"tay": 0.06, "khmer": 0.02, "coho": 0.09},
    "084": {"khmer": 0.31},
    "089": {"khmer": 0.04, "cham": 0.01},
    "091": {"khmer": 0.12},
    "092": {"khmer": 0.02},
    "093": {"khmer": 0.03},
    "094": {"khmer": 0.30},
    "095": {"khmer": 0.08},
    "096": {"khmer": 0.02},
}
