"""Administrative units: dated codes to the set of units of today that they can mean.

On 1 July 2025 the 63 provinces became 34 and the 10,035 communes 3,321, and nearly all new commune codes are
old codes of other communes. So a code is read with the date of its list, and stands for a set: one commune
where the old one went over whole, several where it was divided. Two codes agree as far as their sets do.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt
import polars as pl

from linkage.vietnam.syllables import ascii_letters

REFORM = date(2025, 7, 1)
"""First day of the present provinces and communes."""

PROVINCE_MEMBER = 100_000
"""Members of sets of provinces are this plus the code of a province before the reform; commune codes are
below.
"""

_NAME_PREFIX = re.compile(r"^(?:thanh pho|tinh|tp|t)(?=[ .])[ .]*")
PROVINCE_ALIASES = {
    "hcm": "hochiminh",
    "tphcm": "hochiminh",
    "sg": "hochiminh",
    "saigon": "hochiminh",
    "hn": "hanoi",
    "brvt": "bariavungtau",
    "vungtau": "bariavungtau",
    "bariavt": "bariavungtau",
    "thuathienhue": "hue",
    "tthue": "hue",
    "hatay": "hanoi",
    "daclac": "daklak",
    "daclak": "daklak",
    "dacnong": "daknong",
    "baccan": "backan",
}
"""Keys of names that people give to provinces, to the keys of their names."""


def province_key(name: str) -> str:
    """ASCII letters of a province's name, without its type and with its common other spellings unified."""
    text = ascii_letters(" ".join(name.lower().split()))
    letters = re.sub(r"[^a-z]", "", _NAME_PREFIX.sub("", text))
    return PROVINCE_ALIASES.get(letters, letters)


@dataclass(frozen=True, eq=False)
class UnitTable:
    """Every set of units that a code can mean, by id, and the codes that mean it.

    Ids of commune sets come first, in the order of their sorted members, those of province sets after them;
    the same reference gives the same ids. Set ``i`` holds ``set_members[set_offsets[i]:set_offsets[i +
    1]]``.
    """

    set_offsets: npt.NDArray[np.int64]
    """int64[n + 1]."""
    set_members: npt.NDArray[np.int32]
    """Sorted within a set: codes of present communes, or PROVINCE_MEMBER + code of a province before the
    reform.
    """
    set_province: npt.NDArray[np.int32]
    """int32[n]: code of the present province that holds all members, or -1 where there are several."""
    commune_sets: int
    """Ids below this are sets of communes, the others sets of provinces."""
    communes_old: Mapping[str, int]
    """Five-digit code until 30 June 2025 to set."""
    communes_new: Mapping[str, int]
    """Five-digit code from 1 July 2025 to set."""
    provinces_old: Mapping[str, int]
    """Two-digit code, three-digit code or key of a name (see :func:`province_key`) until 30 June 2025 to
    set.
    """
    provinces_new: Mapping[str, int]
    """The same from 1 July 2025."""

    @classmethod
    def from_reference(
        cls,
        provinces: pl.DataFrame,
        communes_before: pl.DataFrame,
        communes_after: pl.DataFrame,
        commune_changes: pl.DataFrame,
    ) -> UnitTable:
        """Build the table from the four reference frames.

        Columns used: provinces ``code3, name, gso, new_gso, new_name``; communes ``code`` (and
        ``province_gso`` of those after); changes ``old_code, new_code``. Raises ValueError if a code of a
        change or an old commune is unknown.
        """
        province_of = {
            int(code): int(gso) for code, gso in communes_after.select("code", "province_gso").iter_rows()
        }
        targets: dict[str, set[int]] = {code: set() for code in communes_before["code"].to_list()}
        for old, new in commune_changes.select("old_code", "new_code").iter_rows():
            if old not in targets or int(new) not in province_of:
                raise ValueError(
                    f"the commune change {old} to {new} names an unknown code;"
                    " wanted codes of the two commune tables; correct the reference tables"
                )
            targets[old].add(int(new))
        orphans = [code for code, members in targets.items() if not members]
        if orphans:
            raise ValueError(
                f"{len(orphans)} old communes, {orphans[0]} among them, have no successor;"
                " wanted at least one change for each; correct the reference tables"
            )
        old_sets = {code: tuple(sorted(members)) for code, members in targets.items()}
        new_sets = {code: (int(code),) for code in communes_after["code"].to_list()}
        commune_order = sorted({*old_sets.values(), *new_sets.values()})
        ids = {members: i for i, members in enumerate(commune_order)}

        successor = {
            PROVINCE_MEMBER + int(gso): int(new)
            for gso, new in provinces.select("gso", "new_gso").iter_rows()
        }
        old_names: dict[str, tuple[int, ...]] = {}
        merged: dict[str, set[int]] = {}
        for code3, name, gso, new_gso, new_name in provinces.select(
            "code3", "name", "gso", "new_gso", "new_name"
        ).iter_rows():
            member = PROVINCE_MEMBER + int(gso)
            for key in (code3, gso, province_key(name)):
                old_names[key] = (member,)
            for key in (new_gso, f"0{new_gso}", province_key(new_name)):
                merged.setdefault(key, set()).add(member)
        new_names = {key: tuple(sorted(members)) for key, members in merged.items()}
        province_order = sorted({*old_names.values(), *new_names.values()})
        province_ids = {members: len(commune_order) + i for i, members in enumerate(province_order)}

        everything = [*commune_order, *province_order]
        owners = [
            {province_of[member] if member < PROVINCE_MEMBER else successor[member] for member in members}
            for members in everything
        ]
        return cls(
            set_offsets=np.cumsum([0, *map(len, everything)], dtype=np.int64),
            set_members=np.array([member for members in everything for member in members], dtype=np.int32),
            set_province=np.array(
                [min(owner) if len(owner) == 1 else -1 for owner in owners], dtype=np.int32
            ),
            commune_sets=len(commune_order),
            communes_old={code: ids[members] for code, members in old_sets.items()},
            communes_new={code: ids[members] for code, members in new_sets.items()},
            provinces_old={key: province_ids[members] for key, members in old_names.items()},
            provinces_new={key: province_ids[members] for key, members in new_names.items()},
        )

    def __len__(self) -> int:
        return len(self.set_province)

    def members(self, unit: int) -> tuple[int, ...]:
        """The members of one set, sorted."""
        return tuple(self.set_members[self.set_offsets[unit] : self.set_offsets[unit + 1]].tolist())

    def communes(self, values: pl.Series, as_of: date) -> pl.DataFrame:
        """Read distinct commune codes (text, no nulls) of the list in force on ``as_of``.

        One row a value, in the order given: ``unit`` Int32 (-1 unknown); ``issue``: null, ``lost_zero``
        (fewer than five digits, filled up), ``other_era`` (the code exists only in the list of the other
        era, which was used), ``unknown_code`` or ``unreadable`` (no code of at most five digits).
        """
        first, second = (
            (self.communes_old, self.communes_new)
            if as_of < REFORM
            else (self.communes_new, self.communes_old)
        )
        # Nearly every text is a code of the list as it stands there.
        return _frame(
            (first[text], None) if text in first else _commune(_tidy(text), first, second)
            for text in values.to_list()
        )

    def provinces(self, values: pl.Series, as_of: date) -> pl.DataFrame:
        """Read distinct provinces (text, no nulls): two or three digits, or names, of the list in force on
        ``as_of``.

        A set holds provinces as they were before the reform, which is finer than today's: a code of today
        stands for all provinces that went into it. Columns and issues as in :meth:`communes`.
        """
        first, second = (
            (self.provinces_old, self.provinces_new)
            if as_of < REFORM
            else (self.provinces_new, self.provinces_old)
        )
        return _frame(_province(_tidy(text), first, second) for text in values.to_list())


def _tidy(text: str) -> str:
    return re.sub(r"^(\d+)[.,]0$", r"\1", text.strip().strip("'"))


def _frame(found: Iterable[tuple[int, str | None]]) -> pl.DataFrame:
    units, issues = [], []
    for unit, issue in found:
        units.append(unit)
        issues.append(issue)
    return pl.DataFrame(
        {"unit": pl.Series(units, dtype=pl.Int32), "issue": pl.Series(issues, dtype=pl.String)}
    )


def _commune(text: str, first: Mapping[str, int], second: Mapping[str, int]) -> tuple[int, str | None]:
    if not (text.isascii() and text.isdigit()) or len(text) > 5:
        return -1, "unreadable"
    code = text.zfill(5)
    if code in first:
        return first[code], None if len(text) == 5 else "lost_zero"
    if code in second:
        return second[code], "other_era"
    return -1, "unknown_code"


def _province(text: str, first: Mapping[str, int], second: Mapping[str, int]) -> tuple[int, str | None]:
    lost_zero = False
    if text.isascii() and text.isdigit():
        if len(text) > 3:
            return -1, "unreadable"
        key = text.zfill(2)
        lost_zero = len(text) == 1
    else:
        key = province_key(text)
        if not key:
            return -1, "unreadable"
    if key in first:
        return first[key], "lost_zero" if lost_zero else None
    if key in second:
        return second[key], "other_era"
    return -1, "unknown_code" if text.isascii() and text.isdigit() else "unknown_name"
