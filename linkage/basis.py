"""What a correction rests on: stable codes, with their text in English and Vietnamese."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from linkage.artefacts import coded_text

#: Code -> (English, Vietnamese), in the order in which they are told. Codes never change their meaning; new
#: ones are added at the end.
BASIS: dict[str, tuple[str, str]] = {
    "register": ("The register holds this value.", "CSDL dân cư có giá trị này."),
    "agency": (
        "Another agency holds the register's value of this person.",
        "Cơ quan khác cũng có giá trị này của CSDL dân cư về người này.",
    ),
    "agency_against": (
        "Another agency contradicts the register's value of this person.",
        "Cơ quan khác có giá trị trái với CSDL dân cư về người này.",
    ),
    "number_structure": (
        "What the personal number says of sex and birth year is against the held value.",
        "Giới tính, năm sinh trong số định danh trái với giá trị đang lưu.",
    ),
    "number_for_held": (
        "What the personal number says of sex or birth year is the held value, against the register's.",
        "Giới tính, năm sinh trong số định danh trùng với giá trị đang lưu, khác với CSDL dân cư.",
    ),
    "alias": (
        "The held number is a cancelled number of this person.",
        "Số đang lưu là số đã bị hủy của chính người này.",
    ),
    "old_number": (
        "A nine-digit number stands where the personal number belongs.",
        "Số CMND 9 số đang nằm ở ô của số định danh cá nhân.",
    ),
    "other_holder": (
        "The held number is another person's, whose name and birth date the record contradicts.",
        "Số đang lưu là của người khác, có họ tên và ngày sinh khác với bản ghi.",
    ),
    "spelling": (
        "The held spelling is nobody's in the register, the register's is common.",
        "Cách viết đang lưu không có ai dùng trong CSDL dân cư, cách viết của CSDL dân cư là phổ biến.",
    ),
    "unreadable": (
        "The held text is no value of this field.",
        "Nội dung đang lưu không phải là giá trị của trường này.",
    ),
    "incomplete": (
        "The held value is a less complete form of the register's.",
        "Giá trị đang lưu là dạng chưa đầy đủ của giá trị trong CSDL dân cư.",
    ),
    "exact_person": (
        "Number, full name and birth date of the record are each those of the person.",
        "Số định danh, họ tên và ngày sinh của bản ghi đều trùng khớp với người này.",
    ),
    "rare_spelling": (
        "The register's own spelling is nobody else's, or far rarer than another.",
        "Cách viết trong CSDL dân cư không có ở ai khác, hoặc hiếm hơn nhiều so với cách viết khác.",
    ),
    "register_repaired": (
        "The register's own text had to be repaired to be read.",
        "Chính nội dung trong CSDL dân cư phải sửa mới đọc được.",
    ),
    "no_equivalent": (
        "The register's value has no single equivalent in the source's format or code list.",
        "Giá trị của CSDL dân cư không có một giá trị tương đương duy nhất trong danh mục của nguồn.",
    ),
}

#: Code -> bit of a correction's basis.
BIT: dict[str, int] = {code: 1 << place for place, code in enumerate(BASIS)}


def basis_texts(bits: np.ndarray) -> pa.DictionaryArray:
    """Codes joined by ``+`` of basis bits (uint32[n]), dictionary-encoded."""
    # All there can be are few: to sort a row group's took a tenth of making its part of a feed.
    there = np.zeros(1 << len(BIT), bool)
    there[bits] = True
    distinct = np.flatnonzero(there)
    place = np.empty(there.shape[0], np.int64)
    place[distinct] = np.arange(distinct.shape[0])
    texts = ["+".join(code for code, bit in BIT.items() if value & bit) for value in distinct.tolist()]
    return coded_text(place[bits], texts)
