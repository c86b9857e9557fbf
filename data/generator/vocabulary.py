"""Kinh surnames, middle names and given names, commonest first, and how popular each is by region and cohort.

The orders and the leading shares follow published counts (Lê Trung Hoa's surname figures; the name samples of
hoten.org for Đắk Lắk, Nghệ An and the Hồ Chí Minh City area); the tails are common knowledge. All text is NFC
with the tone mark placed the old way (``Hòa``, ``Thúy``). Multi-word entries stand with ``_`` for the space.
"""

from __future__ import annotations


def _percentages(text: str) -> dict[str, float]:
    return {
        name: float(share) for name, _, share in (entry.strip().partition(" ") for entry in text.split(","))
    }


REGIONS = ("north", "central", "south")
#: First birth year of each cohort after the first; people born before 1955 are cohort 0.
COHORT_STARTS = (1955, 1970, 1985, 1995, 2005)
COHORTS = ("before 1955", "1955-1969", "1970-1984", "1985-1994", "1995-2004", "since 2005")

#: Per cent of the Kinh population of a region. The rest of 100 goes to ``RARE_SURNAMES``.
SURNAMES: dict[str, dict[str, float]] = {
    "north": _percentages(
        """
Nguyễn 39.5, Trần 8.5, Phạm 7.6, Lê 7, Vũ 4.3, Hoàng 4, Đỗ 3.3, Bùi 3, Đặng 2.3, Ngô 2, Phan 1.6,
Dương 1.5, Đinh 1.5, Trịnh 1.3, Đào 1.5, Đoàn 1.1, Lương 1, Hà 1, Mai 0.9, Trương 0.9, Cao 0.8,
Phùng 0.8, Lưu 0.8, Tạ 0.7, Chu 0.6, Vương 0.5, Tô 0.5, Tống 0.4, Kiều 0.4, Đàm 0.4, Hồ 0.3, Lại 0.4,
Quách 0.3, Nghiêm 0.3, Thân 0.3, Thái 0.2, Ninh 0.2, Doãn 0.2, Bạch 0.2, Võ 0.15, Khuất 0.1, Lã 0.2,
Văn 0.15, Hứa 0.1, Từ 0.1, Huỳnh 0.03
"""
    ),
    "central": _percentages(
        """
Nguyễn 35.5, Trần 9.6, Lê 9.2, Phạm 5.1, Võ 3.6, Phan 4.1, Hoàng 3.4, Hồ 3.2, Huỳnh 1.7, Đặng 2.2,
Bùi 2.1, Trương 2.1, Ngô 1.8, Đinh 1.3, Cao 1.4, Dương 1, Đoàn 1, Mai 0.9, Thái 0.8, Trịnh 0.9,
Lương 0.9, Hà 0.8, Vũ 1, Đỗ 1, Đào 0.6, Văn 0.4, Châu 0.4, Tạ 0.3, Lưu 0.4, Đậu 0.4, Chu 0.3, Phùng 0.3,
Tôn_Thất 0.08, Tôn_Nữ 0.05, Lâm 0.3, Tô 0.2, Hứa 0.15, Đàm 0.15, Tống 0.15, Lý 0.2, Thân 0.15, Từ 0.1,
Bạch 0.1, Kiều 0.15, La 0.1, Nguyễn_Phước 0.05
"""
    ),
    "south": _percentages(
        """
Nguyễn 35, Trần 10.9, Lê 9.2, Huỳnh 4.7, Phạm 5.6, Võ 4.4, Phan 2.8, Đặng 2, Trương 2.4, Bùi 1.9,
Hồ 1.7, Ngô 1.6, Dương 1.5, Hoàng 1.4, Vũ 1.6, Đỗ 1.3, Lâm 1.2, Mai 0.9, Đinh 0.8, Cao 0.8, Đoàn 0.8,
Lý 0.6, Châu 0.5, Lương 0.6, Thái 0.5, Tô 0.5, Trịnh 0.5, Hà 0.5, Tạ 0.4, Lưu 0.5, Quách 0.3, Tăng 0.3,
Văn 0.3, Đào 0.4, Phùng 0.25, Từ 0.2, La 0.2, Kiều 0.2, Diệp 0.2, Hứa 0.2, Thạch 0.1, Vương 0.2,
Mạc 0.1, Tống 0.15, Đàm 0.1, Chung 0.1, Âu 0.06, Giang 0.1
"""
    ),
}

RARE_SURNAMES = """
Triệu Lục Nhan Lữ Mã Tiêu Khổng Ông Cù Cung Bành Phó Viên Nhữ Ngụy Đồng Giáp Đường Tất Tưởng Trang Thẩm
Khúc Khương Hàn Ưng Uông Thi Sử Sái Phương Phí Ôn Ngũ Nghị Mẫn Mạch Lỗ Liêu Liễu Lộ Kim Kha Hồng Hạ Hàng
Đới Đổng Điền Đan Cấn Cát Can Bế Ao An Âu_Dương Bàng Biện Bồ Cái Cam Chế Chử Chúc Chương Công Dư Dụng
Đái Đống Giản Hình Hoa Hướng Kông Khâu Khưu Lai Lao Lăng Lạc Lê_Đình Lò Luyện Lường Mộc Nhâm Ngạc Nghê
Nguyên Nhiếp Nông Ổ Phú Phi Quản Quan Quế Sầm Sơn Tào Tề Thang Thiều Thôi Tiết Tiền Tín Tòng Trà Tri Trì
Triều Trình Trưng Tuấn Tương Ty Vi Vạn Viêm Vòng Xa Yên Đôn Đèo Đức Hùng Hy Khiếu Lang Man Ngọ Ngân Nhật
Phục Sỹ Thịnh Thập Tôn
""".split()

FEMALE_GIVEN = {
    "old": """
Lan Hoa Hồng Liên Hương Thu Tâm Bình Nga Minh Thanh Xuân Hà Mai Loan Dung Cúc Huệ Hạnh Phượng Tuyết
Nguyệt Hiền Lý Sáu Bảy Tư Năm Ba Hai Tám Chín Út Mười Thơm Thắm Lành Gái Bé Nhàn Nhung Yến Oanh Vân Kim
Ngọc Lệ Thảo Chung Tính Tý Sửu Dần Mão Thìn Tỵ Ngọ Mùi Thân Dậu Tuất Hợi Nụ Hường Nhạn Én Sen Đào Mận
Lựu Bưởi Chanh Cam Quýt Tép Thêu Thoa Thuận Hòa Thịnh Vượng Phúc Lộc Thọ Khuyên Ngoan Hiếu Chiến Thắng
Lợi Ích Điểm Sim Mơ Mít Lụa Gấm Nhài Ngát Vui Tươi Xinh Đẹp Duyên Na Nết Chắt Dâu Ngân Vàng Bạc Châu Lài
Mến Thành Khánh Quý Phương Luyến Huê Ngà Nhỏ Bông Búp Lượm Lượng Mừng Nuôi Rượu Son Tân Thôn Tiến Tiếp
Toan Trầm Tròn Vinh Viễn Ấm Bền Bưởi Cần Cậy Chi Chín Cư Dinh Đông Đượm Én Giàu Hậu Hảo Hằng Khang Kiểm
Kỷ Lê Lịch Liễu Long Lung Lươn Măng Miên Mùa Muôn Mỳ Năng Nếp Nghĩa Nhẫn Nhớ Nữ
""".split(),
    "mid": """
Hương Hằng Thủy Hà Hạnh Hiền Hoa Lan Mai Nga Nhung Phương Thanh Thảo Thu Trang Tuyết Vân Yến Linh Huyền
Hồng Dung Loan Oanh Phượng Quyên Tâm Thơ Trinh Trâm Tuyền Uyên Vy Xuân Ánh Bích Châu Chi Diễm Diệp Duyên
Giang Hảo Hòa Huệ Lệ Liên Liễu Ly My Mỹ Nguyệt Nhàn Nhi Như Sương Thắm Thoa Thùy Thương Thuận Tình Tú
Kiều Lam Luyến Mến Ngà Ngân Bình Cúc Hường Khánh Kim Lài Lành Lý Minh Miền Nết Ngoan Thúy Ngọc Anh Chinh
Chiên Đào Điệp Định Đông Gấm Hậu Hiên Hoài Huế Huyên Khuyên Lựu Mận Nhạn Nhài Quế Sen Sâm Soan Tươi Thêu
Thơm Thi Thục Tiên Toàn Trúc Tuyến Vinh Xoan Xuyến Út Ái Bảy Ba Chung Cẩm Dịu Dương Hợp Hiệp Hiếu Hòe
Lụa Lương Nhẫn Nụ Phúc Phụng Quý Sang Tám Tuyên Thành Thân Thể
""".split(),
    "young": """
Trang Thảo Linh Anh Phương Ngọc Vy Nhi My Hân Thư Trâm Ngân Chi Quỳnh Hà Hằng Huyền Như Uyên Yến Châu Ly
Tiên Thy Nhiên Khánh Giang Hương Mai Vân Ánh Trinh Diệp Dương Hiền Nguyên Nghi Băng Tú Lam Kim Thùy
Thanh Tâm Đan Đoan An Ân Bảo Cát Du Duyên Gia Hạ Hoài Huệ Khuê Kỳ Lan Lâm Mẫn Mi Miên Minh Mỹ Nga Ngà
Nhung Oanh Phụng Phúc Phước Quyên San Sa Song Sương Thiên Thơ Thủy Thục Thương Tường Tuyền Tuệ Trà Trúc
Vi Viên Xuân Ý Yên Phượng Hạnh Bích Bình Diệu Đào Nhã Loan Thúy Hồng Hoa Hòa Hảo Dung Diễm Cẩm Ái Đông
Hoàng Huyên Khanh Khuyên Kiều Lệ Liên Liễu Lê Luyến Mến Muội Nương Nguyệt Nữ Phi Quân Quế Sang Sao Thi
Thoa Thu Thuận Tịnh Toàn Tuyết Tuyên Việt Vinh Xuyến Ngoan Na Jenny Elsa Mia
""".split(),
}

MALE_GIVEN = {
    "old": """
Hùng Dũng Minh Thành Bình Hải Hòa Sơn Thắng Long Tuấn Hưng Cường Lâm Quang Đức Tâm Thanh Phúc Tân Chiến
Hà Nam Tài Lợi Lộc Quý Thọ An Khánh Vinh Xuân Trung Dương Hiếu Nghĩa Nhân Tiến Toàn Hồng Ngọc Phương
Liêm Chính Chung Đông Tây Sáu Bảy Tư Năm Ba Hai Tám Chín Út Mười Mạnh Kiên Định Hoàng Khoa Kỳ Lực Lương
Lượng Mỹ Ninh Phong Phú Quyết Quyền Sang Sinh Sỹ Tấn Thái Thạch Thân Thế Thi Thiện Thịnh Thông Thuận
Thủy Tình Tín Tính Toản Trí Triều Trọng Trường Tú Tùng Tuyên Tường Vạn Viễn Việt Vượng Yên Ất Bính Đinh
Mậu Kỷ Canh Tý Sửu Dần Mão Thìn Tỵ Ngọ Mùi Dậu Tuất Hợi Báu Bảng Bền Bé Bộ Cẩn Châu Chí Chuyên Công Cửu
Dân Danh Diễn Doanh Duệ Duyệt Đạo Đảng Đệ Điền Đính Đoàn Đồng Đường Giáp Hạnh Hậu Hiển Hiền Hiến Hoan
Hoạt Hợp Huấn Huề Huynh Khải Khang Khiêm Khôi Kim Lai Lạc Lan Lân Lễ Liên Luân Luật Lý
""".split(),
    "mid": """
Hùng Dũng Tuấn Cường Thắng Hải Sơn Thành Long Nam Minh Hoàng Hưng Anh Bình Đức Hiếu Trung Tùng Việt
Quang Huy Kiên Linh Lâm Tú Thanh Phương Hòa Toàn Tâm Quân Phong Phúc Khánh Tân Tiến Trường Vinh Vũ Dương
Đạt Đông Duy Giang Hà Hậu Hiệp Khoa Khang Khôi Lộc Lợi Luân Mạnh Nghĩa Nguyên Nhân Nhật Phát Phú Quyết
Quyền Quốc Quý Sang Sinh Sỹ Tài Tấn Thái Thiện Thịnh Thông Thuận Thức Tín Tình Toản Trí Triều Trọng Trực
Tuyên Tường Văn Viễn Vương Xuân Ân An Ánh Bảo Bắc Biên Cảnh Chiến Chính Chung Chương Công Danh Diện Đại
Đăng Điệp Định Đoàn Độ Đồng Hạnh Hân Hào Hiển Hiền Hoan Hội Hợp Huân Huấn Huynh Kha Khải Khiêm Khương
Kim Kỳ Lam Lân Lập Liêm Lĩnh Luận Lực Lượng Mẫn Nghị Ngọc Ngữ Nhã Ninh Oanh
""".split(),
    "young": """
Tuấn Hoàng Huy Anh Hiếu Hùng Minh Nam Khang Bảo Khoa Phúc Khánh Long Đạt Duy Phong Quân Đức Thành Khôi
Kiệt Thịnh Tài Lộc Nhân Phát Tùng Cường Dũng Hải Hưng Thắng Trung Linh Việt Vũ Vinh Trí An Nguyên Dương
Bách Đăng Quang Kiên Tú Sơn Nghĩa Lâm Tâm Tín Toàn Tiến Trường Vương Thiện Nhật Nguyện Quý Quốc Hào Hậu
Hiển Hòa Hoàn Khải Kha Khiêm Luân Mạnh Nam Ninh Phú Phước Phương Quyền Quyết Sang Sinh Tân Tấn Thái
Thanh Thiên Thông Thuận Trọng Triết Trực Tường Văn Việt Vĩnh Ân Ấn Bằng Bình Cảnh Chiến Chính Công Danh
Di Doanh Đại Đan Định Đông Giang Gia Giáp Hà Hạo Hiệp Hợp Hữu Khương Kỳ Lập Lợi Lương Lực Mẫn Nhã Phi
Pháp Phụng Quảng Sáng Sĩ Tây Thạch Thế Thức Tính Trình Trị Tuệ Vỹ Xuân Ý Đạo Thi Uy Tôn Trác Thuyên Khuê
Kin Ken Bin Henry David Nhựt Luật Hiền Bửu Cơ Đệ Đỉnh Gấm Hiếu_Nghĩa Khả Kính Lân Lạc Mừng
""".split(),
}

#: Share of the eras in each cohort's given names.
ERA_MIX: dict[str, tuple[float, ...]] = {
    "old": (0.80, 0.45, 0.12, 0.03, 0.01, 0.00),
    "mid": (0.20, 0.50, 0.73, 0.57, 0.29, 0.10),
    "young": (0.00, 0.05, 0.15, 0.40, 0.70, 0.90),
}

FEMALE_MIDDLE = """
Ngọc Thanh Thu Kim Minh Hồng Bích Mỹ Phương Thùy Tuyết Diễm Cẩm Hoàng Xuân Kiều Lan Mai Như Quỳnh Thúy
Ánh Thảo Khánh Bảo Gia Tường Hải Trúc Yến Anh Hoài Hà Huyền Lệ Mộng Ái Ngân Thiên Uyên Vân An Tú Cát
Châu Diệu Đan Diệp Hạnh Hương Linh Nhã Nhật Nguyệt Phúc Quế Tâm Thục Thương Tuệ Tố Trà Tiểu Vy Băng Bình
Hạ Đông Nguyên Quý Song Thái Thủy Việt
""".split()

MALE_MIDDLE = """
Minh Đức Quốc Hữu Hoàng Thanh Ngọc Quang Xuân Công Đình Anh Gia Tuấn Duy Thành Bảo Trọng Văn Tấn Trung
Mạnh Hải Nhật Khánh Thế Phúc Tiến Chí Viết Bá Hồng Huy Phước Khắc Việt Đăng Thiên Trường Nguyên Sỹ Danh
Phú Hùng Quý Thái Vĩnh Hoài Đại Tùng Lâm Doãn Kim Như Trí An Cao Nam Tất Sơn Thuận Trần Đắc Ích Thiện
Cảnh Nhân Kiến Kỳ Mậu Phương Triệu Chấn Hà
""".split()

#: A mother's surname as the first middle name.
SURNAME_MIDDLE = "Nguyễn Trần Lê Phạm Hoàng Vũ Phan Huỳnh Võ Đặng Bùi Đỗ Hồ Dương Lâm".split()

#: Shares of names by number of middle words (none, one, two, three), by cohort.
MIDDLE_WORDS: dict[str, tuple[tuple[float, float, float, float], ...]] = {
    "F": (
        (0.015, 0.950, 0.035, 0.000),
        (0.012, 0.900, 0.088, 0.000),
        (0.008, 0.760, 0.230, 0.002),
        (0.006, 0.690, 0.302, 0.002),
        (0.004, 0.500, 0.492, 0.004),
        (0.002, 0.348, 0.645, 0.005),
    ),
    "M": (
        (0.040, 0.945, 0.015, 0.000),
        (0.030, 0.940, 0.030, 0.000),
        (0.020, 0.900, 0.079, 0.001),
        (0.014, 0.830, 0.155, 0.001),
        (0.011, 0.775, 0.212, 0.002),
        (0.009, 0.728, 0.261, 0.002),
    ),
}
PARTICLE = {"F": "Thị", "M": "Văn"}
#: Share of the particle among names of one middle word, by cohort (the first two figures of the women are
#: solved for, so that their full names coincide at the published rate); then among first words of two.
PARTICLE_ALONE = {
    "F": (0.62, 0.62, 0.60, 0.55, 0.25, 0.015),
    "M": (0.55, 0.52, 0.46, 0.36, 0.18, 0.028),
}
PARTICLE_FIRST = {
    "F": (0.90, 0.85, 0.72, 0.52, 0.35, 0.25),
    "M": (0.20, 0.15, 0.10, 0.06, 0.03, 0.02),
}
