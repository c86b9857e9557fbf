"""Verification field by field: every record of a list is told how it agrees with the register.

Result codes are those of the Vietnamese social security's look-up of insurance cards, where it has one
(000, 050, 051, 060, 061, 070, 080, 205); 098, 099 and those from 500 on are this engine's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from linkage import agreement
from linkage.decisions import CONFLICT, INELIGIBLE, LINK, NEW, REVIEW

AGREES = "000"

#: Code -> (English, Vietnamese), the gravest first: the first finding is a record's result. Codes never
#: change their meaning.
RESULTS: dict[str, tuple[str, str]] = {
    "205": (
        "The record holds too little to be verified.",
        "Tham số không hợp lệ: bản ghi có quá ít thông tin.",
    ),
    "050": ("No such person was found in the register.", "Không tìm thấy người này trong CSDL dân cư."),
    "099": ("Undecided: a clerk has to look at it.", "Chưa kết luận được: cần cán bộ xem xét."),
    "051": ("The personal number is wrong.", "Số định danh cá nhân không đúng."),
    "060": ("The full name is wrong.", "Họ tên không đúng."),
    "061": (
        "The full name is wrong, but its first letters agree.",
        "Họ tên không đúng, nhưng các chữ cái đầu phù hợp.",
    ),
    "070": ("The date of birth is wrong.", "Ngày sinh không đúng."),
    "080": ("The sex is wrong.", "Giới tính không đúng."),
    "510": ("The number is an earlier one of this person.", "Số là số cũ đã được thay thế của người này."),
    "511": ("The nine-digit number is wrong.", "Số CMND 9 số không đúng."),
    "560": ("The father's name is wrong.", "Họ tên cha không đúng."),
    "561": ("The mother's name is wrong.", "Họ tên mẹ không đúng."),
    "571": ("The province of birth is wrong.", "Tỉnh đăng ký khai sinh không đúng."),
    "590": ("The date of death is wrong or not held.", "Ngày chết không đúng hoặc chưa có."),
    "599": ("Another field is wrong.", "Có trường khác không đúng."),
    "531": ("A value cannot be read.", "Có giá trị không đọc được."),
    "098": (
        "A value differs from the register's, which is itself being looked into.",
        "Có giá trị khác với CSDL dân cư, nhưng chính giá trị trong CSDL dân cư đang được xem xét.",
    ),
    AGREES: ("All that can be compared agrees.", "Mọi thông tin đối chiếu được đều đúng."),
    "520": (
        "A value is less complete than the register's.",
        "Có giá trị chưa đầy đủ bằng CSDL dân cư.",
    ),
    "521": (
        "A value is more complete than the register's.",
        "Có giá trị đầy đủ hơn CSDL dân cư.",
    ),
    "530": ("A field is empty and could not be compared.", "Có trường để trống, không đối chiếu được."),
    "532": (
        "The register holds nothing to compare a value with.",
        "CSDL dân cư không có giá trị để đối chiếu.",
    ),
    "570": (
        "The residence is another one; it changes without notice.",
        "Nơi cư trú khác; nơi cư trú có thể thay đổi.",
    ),
}

#: Field -> code of another value than the register's.
WRONG: Mapping[str, str] = {
    "personal_number": "051",
    "old_number": "511",
    "full_name": "060",
    "birth_date": "070",
    "sex": "080",
    "father_name": "560",
    "mother_name": "561",
    "birth_province": "571",
    "commune": "570",
    "death_date": "590",
}

#: Code of a full name that is wrong in the letters behind the first ones only.
SAME_INITIALS = "061"

#: Beside the relations of :mod:`linkage.agreement`: another value, for which a register case is open.
DISPUTED = 15

#: Relation -> finding of a field, in the words of ``fields``.
FINDINGS: Mapping[int, str] = {
    agreement.EQUAL: "equal",
    agreement.LESS: "less",
    agreement.MORE: "more",
    agreement.EARLIER: "earlier",
    agreement.DIFFERENT: "different",
    agreement.HELD_EMPTY: "empty",
    agreement.REGISTER_EMPTY: "register_empty",
    agreement.UNREADABLE: "unreadable",
    DISPUTED: "disputed",
}

_CODES: Mapping[int, str] = {
    agreement.LESS: "520",
    agreement.MORE: "521",
    agreement.EARLIER: "510",
    agreement.HELD_EMPTY: "530",
    agreement.REGISTER_EMPTY: "532",
    agreement.UNREADABLE: "531",
    DISPUTED: "098",
}

_UNLINKED: Mapping[int, str] = {REVIEW: "099", CONFLICT: "099", NEW: "050", INELIGIBLE: "205"}

_ORDER = {code: place for place, code in enumerate(RESULTS)}


@dataclass(frozen=True)
class Verified:
    """Results of n records: ``index`` int64[n] among the distinct outcomes, which stand beside one another.

    results  : code of each outcome;  findings : all its codes, the gravest first
    fields   : 'field=finding' for every field that was compared
    """

    index: np.ndarray
    results: list[str]
    findings: list[list[str]]
    fields: list[list[str]]


def same_initials(held: np.ndarray, theirs: np.ndarray, initial: np.ndarray) -> np.ndarray:
    """Whether names (uint32[k, 8]) have as many words with the same first letters, diacritics apart: bool[k].

    initial : uint32[v], first letter of each token, 0 for token 0
    """
    return (initial[held] == initial[theirs]).all(axis=1)


def verify(decision: np.ndarray, relations: Mapping[str, np.ndarray], initials: np.ndarray) -> Verified:
    """Results of records.

    decision : uint8[n], :mod:`linkage.decisions`
    relations : field -> uint8[n], :mod:`linkage.agreement` or ``DISPUTED``, of linked records; in the order
        they are told
    initials : bool[n], the full name is another one with the same first letters
    """
    code = decision.astype(np.int64) * 2 + initials
    linked = decision == LINK
    radix = 16
    for relation in relations.values():
        if int(code.max(initial=0)) > (1 << 58):
            _, code = np.unique(code, return_inverse=True)
        code = code * radix + np.where(linked, relation, 0)
    _, first, index = np.unique(code, return_index=True, return_inverse=True)
    results, findings, fields = [], [], []
    for row in first.tolist():
        held = {f: int(r[row]) for f, r in relations.items()}
        found, told = _outcome(int(decision[row]), held, initials=bool(initials[row]))
        results.append(found[0])
        findings.append(found)
        fields.append(told)
    return Verified(index.ravel().astype(np.int64), results, findings, fields)


def _outcome(decision: int, relations: Mapping[str, int], *, initials: bool) -> tuple[list[str], list[str]]:
    """Codes, the gravest first, and findings by field of one record."""
    if decision != LINK:
        return [_UNLINKED[decision]], []
    codes = set()
    for standard, relation in relations.items():
        if relation == agreement.DIFFERENT:
            wrong = WRONG.get(standard, "599")
            codes.add(SAME_INITIALS if standard == "full_name" and initials else wrong)
        elif relation == agreement.HELD_EMPTY and standard == "death_date":
            codes.add(WRONG[standard])
        elif relation in _CODES:
            codes.add(_CODES[relation])
    if all(_ORDER[c] > _ORDER[AGREES] for c in codes):
        codes.add(AGREES)
    told = [f"{f}={FINDINGS[r]}" for f, r in relations.items() if r in FINDINGS]
    return sorted(codes, key=_ORDER.__getitem__), told


def texts(codes: list[str], language: str = "en") -> list[str]:
    """The sentences of result codes, ``en`` or ``vi``."""
    return [RESULTS[c][0 if language == "en" else 1] for c in codes]
