"""Stable codes that say why a decision is what it is, with their text in English and Vietnamese."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

#: Code -> (English, Vietnamese). Codes never change their meaning; new ones are added at the end.
REASONS: dict[str, tuple[str, str]] = {
    "number_same": ("The personal number is the same.", "Số định danh cá nhân trùng khớp."),
    "number_earlier": (
        "The number is an earlier one of this person.",
        "Số là số cũ đã được thay thế của người này.",
    ),
    "old_number_same": ("The nine-digit number is the same.", "Số CMND 9 số trùng khớp."),
    "number_near": (
        "The personal number differs by one slip.",
        "Số định danh chỉ sai khác một lỗi gõ.",
    ),
    "number_different": ("The personal number is another one.", "Số định danh khác nhau."),
    "number_absent": ("There is no usable number to compare.", "Không có số định danh để đối chiếu."),
    "evidence_agrees": (
        "Name, birth and further fields agree.",
        "Họ tên, ngày sinh và các trường khác phù hợp.",
    ),
    "record_below": (
        "The probability is below what a link demands.",
        "Xác suất thấp hơn mức yêu cầu để liên kết.",
    ),
    "set_below": (
        "Linking it would lower the source's precision below the promise.",
        "Nếu liên kết, độ chính xác của nguồn sẽ thấp hơn mức cam kết.",
    ),
    "second_candidate": (
        "A second person fits almost as well.",
        "Có người thứ hai cũng phù hợp gần như vậy.",
    ),
    "given_name_differs": (
        "The given name is another one; this is never linked without a person's judgement.",
        "Tên khác nhau; trường hợp này luôn cần người xem xét.",
    ),
    "number_against_name": (
        "The number belongs to one person, name and birth date to another.",
        "Số định danh thuộc một người, họ tên và ngày sinh thuộc người khác.",
    ),
    "register_double": (
        "Two register persons fit equally; they may be one person.",
        "Hai người trong CSDL dân cư cùng phù hợp; có thể là một người bị trùng.",
    ),
    "not_in_register": ("No register person fits.", "Không có người phù hợp trong CSDL dân cư."),
    "candidate_may_be_missed": (
        "No register person was found, but one may have been missed.",
        "Không tìm thấy người phù hợp, nhưng có thể đã bỏ sót.",
    ),
    "too_little": (
        "The record holds too little to tell one person from another.",
        "Bản ghi có quá ít thông tin để phân biệt người.",
    ),
    "must_link": ("A confirmed judgement links it.", "Đã được xác nhận là cùng một người."),
    "cannot_link": (
        "A confirmed judgement forbids the best candidate.",
        "Đã được xác nhận không phải người này.",
    ),
    "person_taken": (
        "The person already has a record of this source that fits better, and only one is foreseen.",
        "Người này đã có bản ghi phù hợp hơn trong nguồn, và chỉ cho phép một bản ghi.",
    ),
}

BIT: dict[str, int] = {code: 1 << i for i, code in enumerate(REASONS)}


def reason_lists(masks: np.ndarray) -> pl.Series:
    """Lists of reason codes, one a row, from bit masks (uint32[n])."""
    distinct, inverse = np.unique(masks, return_inverse=True)
    lists = pl.Series(
        "reasons", [[c for c, bit in BIT.items() if int(m) & bit] for m in distinct], dtype=pl.List(pl.String)
    )
    return lists.gather(inverse)


def texts(codes: Sequence[str], language: str = "en") -> list[str]:
    """The sentences of reason codes, ``en`` or ``vi``."""
    return [REASONS[c][0 if language == "en" else 1] for c in codes]
