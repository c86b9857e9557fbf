"""Queries: what somebody must look at in a row that was accepted, as stable codes with their texts.

An error refuses a row (see :mod:`linkage.ingest`); a query does not: the row takes part in everything, and a
value that cannot be read counts as absent.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import polars as pl

#: Code -> (English, Vietnamese). Codes never change their meaning; new ones are added at the end.
QUERIES: dict[str, tuple[str, str]] = {
    "unreadable_date": ("The date cannot be read.", "Không đọc được ngày tháng."),
    "impossible_date": ("There is no such day.", "Ngày này không tồn tại."),
    "early_date": ("The date is before 1850.", "Ngày trước năm 1850."),
    "date_after_extract": ("The date is after the day of the extract.", "Ngày sau ngày trích xuất dữ liệu."),
    "age_over_120": (
        "The person would be older than 120 years.",
        "Tính theo ngày sinh thì người này đã trên 120 tuổi.",
    ),
    "death_before_birth": ("The death is before the birth.", "Ngày chết trước ngày sinh."),
    "unknown_code": ("The code is not in the contract's table.", "Mã không có trong bảng mã đã khai báo."),
    "unknown_unit": (
        "The administrative unit is not in the lists of before and after 1 July 2025.",
        "Đơn vị hành chính không có trong danh mục trước và sau ngày 01/7/2025.",
    ),
    "unclear_address": (
        "The address can mean several communes, or names none.",
        "Địa chỉ có thể chỉ nhiều xã, phường hoặc không ghi xã, phường.",
    ),
    "placeholder_number": (
        "The number is a placeholder, such as 000000000000 or 123456789012.",
        "Số chỉ để giữ chỗ, ví dụ 000000000000 hoặc 123456789012.",
    ),
    "malformed_number": (
        "The number has not the form of its kind.",
        "Số không đúng định dạng của loại giấy tờ.",
    ),
    "unlikely_number": (
        "The number begins with no province's code, or its year of birth is after the extract.",
        "Ba chữ số đầu không phải mã tỉnh, hoặc năm sinh trong số sau ngày trích xuất.",
    ),
    "number_against_sex": (
        "The number says another sex than the record.",
        "Giới tính trong số định danh khác giới tính của bản ghi.",
    ),
    "number_against_birth_year": (
        "The number says another year of birth than the record.",
        "Năm sinh trong số định danh khác năm sinh của bản ghi.",
    ),
    "repair_undone": (
        "The number was completed, but then contradicts the record; it is used as written.",
        "Số đã được bổ sung nhưng lại mâu thuẫn với bản ghi; giữ nguyên số đã ghi.",
    ),
    "number_of_many": (
        "Five or more records of this source bear the number.",
        "Số này xuất hiện ở 5 bản ghi trở lên của nguồn dữ liệu.",
    ),
    "wrong_check_digit": ("The check digit of the tax code is wrong.", "Sai số kiểm tra của mã số thuế."),
    "unknown_province": (
        "The card names no province's code.",
        "Mã tỉnh trên thẻ không có trong danh mục.",
    ),
    "unusable_phone": (
        "The telephone number is unreadable or a placeholder.",
        "Số điện thoại không đọc được hoặc chỉ để giữ chỗ.",
    ),
    "unknown_phone": (
        "No telephone number in use in Vietnam looks so.",
        "Số điện thoại không đúng dạng đang dùng tại Việt Nam.",
    ),
    "unreadable_name": (
        "The name holds no letters, or has more than 256 characters.",
        "Họ tên không có chữ cái, hoặc dài hơn 256 ký tự.",
    ),
    "name_with_digits": ("The name holds digits.", "Họ tên có chữ số."),
    "name_of_one_word": ("The name is a single word.", "Họ tên chỉ có một từ."),
    "name_lost_letters": (
        "Letters of the name were lost in a conversion.",
        "Họ tên bị mất chữ khi chuyển mã.",
    ),
    "name_of_parent": (
        "A newborn stands under a parent's name.",
        "Trẻ sơ sinh ghi theo tên cha hoặc mẹ.",
    ),
}

#: As many records of one source bearing one number make it a clerk's, an employer's or a placeholder.
NUMBER_OF_MANY = 5

#: Oldest age that raises no query, in years.
OLDEST = 120

#: Columns of a part's queries: row (of the part), field, code; sorted so, each once.
QUERY_COLUMNS = {"row": pl.UInt32, "field": pl.String, "code": pl.String}

#: Queries that come of what reading a value found: by the kind of the field, then by what it found.
OF_ISSUES: Mapping[str, Mapping[str, str]] = {
    "date": {
        "unreadable": "unreadable_date",
        "invalid": "impossible_date",
        "out_of_range": "early_date",
        "after_extract": "date_after_extract",
    },
    "unit": {
        "unknown_code": "unknown_unit",
        "unknown_name": "unknown_unit",
        "unreadable": "unknown_unit",
        "ambiguous": "unclear_address",
        "no_commune": "unclear_address",
    },
    "phone": {
        "unreadable": "unusable_phone",
        "placeholder": "unusable_phone",
        "malformed": "unknown_phone",
    },
    "name": {
        "unreadable": "unreadable_name",
        "newborn": "name_of_parent",
        "digits": "name_with_digits",
        "lost_letter": "name_lost_letters",
    },
    "number": {"malformed": "malformed_number", "placeholder": "placeholder_number"},
}

Rows = npt.NDArray[np.bool_] | npt.NDArray[np.integer]


class QueryList:
    """Queries of one part, gathered field by field."""

    def __init__(self) -> None:
        self._pieces: list[tuple[npt.NDArray[np.uint32], str, str]] = []

    def add(self, field: str, code: str, rows: Rows) -> None:
        """Note a query; ``rows`` are row numbers or a mask of all rows. An unknown code is a KeyError."""
        if code not in QUERIES:
            raise KeyError(code)
        at = np.flatnonzero(rows) if rows.dtype == np.bool_ else rows
        if at.size:
            self._pieces.append((at.astype(np.uint32), field, code))

    def table(self) -> pl.DataFrame:
        """QUERY_COLUMNS."""
        frames = [
            pl.DataFrame({"row": rows}).with_columns(field=pl.lit(field), code=pl.lit(code))
            for rows, field, code in self._pieces
        ]
        if not frames:
            return pl.DataFrame(schema=QUERY_COLUMNS)
        return pl.concat(frames).unique().sort("row", "field", "code")


def query_dates(
    queries: QueryList,
    birth: npt.NDArray[np.int32] | None,
    death: npt.NDArray[np.int32] | None,
    extract_year: int,
) -> None:
    """Ages and orders of dates; codes of dates, 0 where unknown (see :mod:`linkage.dates`)."""
    if birth is None:
        return
    year = birth // 512
    until = np.full(birth.shape[0], extract_year, np.int32)
    if death is not None:
        died = death != 0
        until[died] = death[died] // 512
        # A year, or a year and month, alone is no later than any day in it.
        whole = (birth % 32 != 0) & (death % 32 != 0)
        months = (birth % 512 >= 32) & (death % 512 >= 32)
        before = (year > until) | (whole & (birth > death)) | (months & (birth // 32 > death // 32))
        queries.add("death_date", "death_before_birth", died & (birth != 0) & before)
    queries.add("birth_date", "age_over_120", (birth != 0) & (until - year > OLDEST))


def contradictions(
    says: tuple[npt.NDArray[np.uint8], npt.NDArray[np.int16]],
    sex: npt.NDArray[np.uint8] | None,
    birth: npt.NDArray[np.int32] | None,
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Where a number says another sex, and another year of birth, than the record: two bool[n].

    says : sex uint8[n] (1 M, 2 F) and birth year int16[n] by the number's structure, 0 where it says none
    sex, birth : the record's own, codes; None where the source has no such field
    """
    own_sex, own_year = says
    nowhere = np.zeros(own_sex.shape[0], np.bool_)
    against_sex = nowhere if sex is None else (own_sex != 0) & (sex != 0) & (own_sex != sex)
    against_year = nowhere if birth is None else (own_year != 0) & (birth != 0) & (own_year != birth // 512)
    return against_sex, against_year


def numbers_of_many(repeats: npt.NDArray[np.integer]) -> npt.NDArray[np.bool_]:
    """Rows whose number stands in NUMBER_OF_MANY or more rows of their source; ``repeats`` counts them."""
    return repeats >= NUMBER_OF_MANY
