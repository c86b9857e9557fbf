"""Evidence beyond the register: what other agencies hold, and what the number itself says.

A vote is a source, never a record: an agency that holds a value ten times has copied it nine times.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kernels._door import reading
from kernels.votes import count_votes, group_rows

#: Code -> (English, Vietnamese). Codes never change their meaning; new ones are added at the end.
EVIDENCE: dict[str, tuple[str, str]] = {
    "agencies_agree": (
        "Two or more agencies hold the same value against the register.",
        "Từ hai cơ quan trở lên cùng có một giá trị khác với CSDL dân cư.",
    ),
    "agency_holds": (
        "One agency holds another value than the register.",
        "Một cơ quan có giá trị khác với CSDL dân cư.",
    ),
    "no_agency_confirms": (
        "No agency holds the register's value.",
        "Không có cơ quan nào có giá trị trùng với CSDL dân cư.",
    ),
    "agency_confirms": (
        "An agency holds the register's value.",
        "Có cơ quan có giá trị trùng với CSDL dân cư.",
    ),
    "number_structure": (
        "Sex or birth year in the personal number are those of the agencies, not those of the register.",
        "Giới tính hoặc năm sinh trong số định danh trùng với cơ quan, khác với CSDL dân cư.",
    ),
    "number_against": (
        "Sex or birth year in the personal number are those of the register.",
        "Giới tính hoặc năm sinh trong số định danh trùng với CSDL dân cư.",
    ),
    "register_incomplete": (
        "The register's value is a less complete form of the agencies'.",
        "Giá trị trong CSDL dân cư là dạng kém đầy đủ hơn của giá trị tại các cơ quan.",
    ),
    "register_empty": (
        "The register holds nothing where agencies hold a value.",
        "CSDL dân cư để trống trong khi các cơ quan có giá trị.",
    ),
    "register_spelling": (
        "Hardly anyone bears the register's spelling; the agencies' is common.",
        "Cách viết trong CSDL dân cư hầu như không ai dùng, cách viết của cơ quan là phổ biến.",
    ),
    "register_mistyped": (
        "The register's text reads as a mistyping of the agencies' value.",
        "Nội dung trong CSDL dân cư là dạng gõ sai của giá trị tại các cơ quan.",
    ),
    "number_contradicts_holder": (
        "The person's own number says another sex or birth year than the register.",
        "Số định danh của chính người này cho giới tính hoặc năm sinh khác với CSDL dân cư.",
    ),
    "name_same": ("Both have the same full name.", "Hai người có cùng họ tên."),
    "birth_date_same": ("Both were born on the same day.", "Hai người có cùng ngày sinh."),
    "parents_same": ("A parent has the same name.", "Có cha hoặc mẹ cùng họ tên."),
    "commune_same": ("Both live in the same commune.", "Hai người cùng nơi cư trú cấp xã."),
    "phone_same": ("Both have the same telephone number.", "Hai người có cùng số điện thoại."),
    "old_number_same": ("Both have the same nine-digit number.", "Hai người có cùng số CMND 9 số."),
    "number_near": (
        "The personal numbers differ by one slip.",
        "Hai số định danh chỉ sai khác một lỗi gõ.",
    ),
    "number_earlier": (
        "The number of one is an earlier number of the other.",
        "Số của người này là số cũ đã được thay thế của người kia.",
    ),
    "records_fit_both": (
        "Agency records fit both persons equally.",
        "Bản ghi của cơ quan phù hợp như nhau với cả hai người.",
    ),
}


@dataclass(frozen=True)
class Votes:
    """Other sources than a record's own, counted by record: uint8[k] each.

    for_register : sources with a record of the same person that equals the register
    for_held     : sources with a record of the same person that holds this record's very value
    against      : sources with a record of the same person that contradicts the register
    """

    for_register: np.ndarray
    for_held: np.ndarray
    against: np.ndarray


@dataclass(frozen=True)
class Seats:
    """Records by person, the same for every field: see :func:`seats_of`.

    order : uint32[k], records by person, those of one in the order they came
    starts : int64[persons + 1], where in ``order`` those of each person begin
    """

    order: np.ndarray
    starts: np.ndarray


def seats_of(person: np.ndarray) -> Seats:
    """Records by person: int64[k] from 0, fewer than 2**32; ValueError if a record has no person."""
    if person.shape[0] and int(person.min()) < 0:
        raise ValueError(
            "A record without a person came to be counted; linked records only were wanted. "
            "Leave out records whose person is negative."
        )
    highest = int(person.max(initial=-1))
    if highest >= 4 * person.shape[0] + 1024:  # few persons of many: numbered anew, in their order
        person = np.unique(person, return_inverse=True)[1].ravel()
        highest = int(person.max(initial=-1))
    return group_persons(person, highest + 1)


def group_persons(person: np.ndarray, persons: int) -> Seats:
    """Records by person, who are numbered from 0 and below ``persons``."""
    starts, order = np.empty(persons + 1, np.int64), np.empty(person.shape[0], np.uint32)
    group_rows(reading(person.astype(np.uint32, copy=False), np.uint32, "person"), starts, order)
    return Seats(order, starts)


def votes(
    person: np.ndarray,
    source: np.ndarray,
    value: np.ndarray,
    agrees: np.ndarray,
    contrary: np.ndarray | None = None,
    seats: Seats | None = None,
) -> Votes:
    """Count, for every linked record, the other sources that agree with the register and with the record.

    A source's own further records never count for or against it.

    Parameters
    ----------
    person : int64[k], whose record it is
    source : uint8[k]
    value : uint64[k], a code or a hash of the exact standard value; 0 none, which no one agrees with
    agrees, contrary : bool[k], the record equals the register, and contradicts it (default: none does)
    seats : those of the same ``person``, where several fields are counted

    Raises
    ------
    ValueError
        The arrays are not of one length, or a person is negative.
    """
    k = person.shape[0]
    contrary = np.zeros(k, bool) if contrary is None else contrary
    if not (source.shape[0] == value.shape[0] == agrees.shape[0] == contrary.shape[0] == k):
        raise ValueError(
            f"Votes came as arrays of {k}, {source.shape[0]}, {value.shape[0]}, {agrees.shape[0]} and "
            f"{contrary.shape[0]} rows; one row a record was wanted in each. Give the same records to all."
        )
    if seats is None:
        seats = seats_of(person)
    for_register, for_held, against = (np.empty(k, np.uint8) for _ in range(3))
    count_votes(
        reading(seats.starts, np.int64, "starts"),
        reading(seats.order, np.uint32, "order"),
        reading(source, np.uint8, "source"),
        reading(value, np.uint64, "value"),
        reading(agrees, np.bool_, "agrees"),
        reading(contrary, np.bool_, "contrary"),
        for_register,
        for_held,
        against,
    )
    return Votes(for_register, for_held, against)


def starts_of(*columns: np.ndarray) -> np.ndarray:
    """Where a new run of equal rows begins in sorted columns: int64[runs]."""
    new = np.zeros(columns[0].shape[0], bool)
    new[:1] = True
    for column in columns:
        new[1:] |= column[1:] != column[:-1]
    return np.flatnonzero(new)


def texts(codes: list[str], language: str = "en") -> list[str]:
    """The sentences of evidence codes, ``en`` or ``vi``."""
    return [EVIDENCE[c][0 if language == "en" else 1] for c in codes]


def number_says(
    field: str, theirs: np.ndarray, held: np.ndarray, sex: np.ndarray, year: np.ndarray
) -> np.ndarray:
    """Whom a person's own number takes the side of, where a record's value differs from the register's.

    theirs, held : codes of sex or of dates, the register's and the record's
    sex, year : uint8[k] and int16[k], what the register's number says of its holder, 0 nothing
    Returns int8[k]: 1 the record's side, -1 the register's, 0 neither or both; 0 for every other field.
    """
    if field == "sex":
        told, register, record = sex.astype(np.int64), theirs.astype(np.int64), held.astype(np.int64)
    elif field == "birth_date":
        told, register, record = (
            year.astype(np.int64),
            theirs.astype(np.int64) >> 9,
            held.astype(np.int64) >> 9,
        )
    else:
        return np.zeros(theirs.shape[0], np.int8)
    sided = (told != 0) & (register != record) & (register != 0) & (record != 0)
    return np.where(sided & (told == record), 1, np.where(sided & (told == register), -1, 0)).astype(np.int8)
