"""Addresses as free text to the sets of present communes that they can mean.

People write the commune, the district and the province, of the time before July 2025 (`P. Trúc Bạch, Q. Ba
Đình, Hà Nội`) or after it, when districts had gone (`Phường Ba Đình, Hà Nội`), and mixtures: a new province
behind an old commune, an old district behind a new commune. House, street and hamlet stand in front.

Names repeat, within a province too, so an address stands for everything it can mean: the communes of the name
(and of the type and the district, where it has them) before and after the reform, as the union of their sets.
A union of more than MAX_MEMBERS communes says nothing and is none; nothing is ever guessed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from functools import lru_cache
from itertools import pairwise

import numpy as np
import polars as pl

from linkage.vietnam.place_names import COMMUNE_TYPES, DISTRICT_TYPES, Place, name_keys, read_place
from linkage.vietnam.units import PROVINCE_ALIASES, REFORM, UnitTable

MAX_MEMBERS = 6
"""Present communes that an address may mean at most."""

_END_OF_ADDRESS = 500
"""Characters at the end of an address that are looked at: the units that name a place stand there."""

_Entry = tuple[str, str, str, tuple[int, ...], bool]
"""Type of the commune, its key with diacritics, type of its district, its set, whether it is a new one."""
_Found = tuple[int, str | None]

#: Districts that were joined or divided, as (province, district): the ones that addresses call by that name.
_OTHER_DISTRICTS = {
    ("hochiminh", "2"): ("thuduc",),
    ("hochiminh", "9"): ("thuduc",),
    ("hanoi", "tuliem"): ("bactuliem", "namtuliem"),
    ("hue", "hue"): ("thuanhoa", "phuxuan"),
}
_CENTRAL = frozenset(["", "hanoi", "haiphong", "hue", "danang", "hochiminh", "cantho"])
"""No province, and the provinces that are cities."""
_TWO_WORDS = ((r"\bth[ịi] x[ãa]\s", "tx. "), (r"\bth[ịi] tr[ấa]n\s", "tt. "))
_COUNTRY = r"[\s,.\-]*(?:việt nam|viet ?nam|vn)[\s.]*$"
_HYPHENATED = (
    (r"(r[ịi]a)\s*[-–]\s*(v[ũu]ng)", "${1} ${2}"),
    (r"(thi[êe]n)\s*[-–]\s*(hu[ếe])", "${1} ${2}"),
    (r"(rang)\s*[-–]\s*(th[áa]p)", "${1} ${2}"),
    (r"(mi[ếe]u)\s*[-–]\s*(qu[ốo]c)", "${1} ${2}"),
    (r"(m[âa]y)\s*[-–]\s*(l[ăa]ng)", "${1} ${2}"),
    (r"\s*[-–]\s*([đd][àa] l[ạa]t\s*(?:,|tỉnh|t\.|lâm|lam|[-–]))", " ${1}"),
)
_MARKER = (
    r"\s+((?:phường|quận|huyện|thành phố|tỉnh|xã|đặc khu)\s|(?:tp|tx|tt|[pqhxft])\s?\.\s*"
    r"|(?:p|q|f)\.?\s?\d|(?:tp|tx|tt|p|q|x|h)\s+\pL|tphcm)"
)
_IN_FRONT = (
    r"^(?:\d.*\pL|(?:số|ngõ|ngách|hẻm|tổ|thôn|xóm|ấp|khóm|đường số|kp|tdp|quốc lộ|chung cư)[\s\d.]|đ\.)"
)
_LONGEST = 5


class AddressBook:
    """Every name of a commune, district and province, and what it can mean.

    units : the unit table with the unions of sets that addresses need added behind its own sets
    """

    def __init__(
        self,
        units: UnitTable,
        provinces: pl.DataFrame,
        communes_before: pl.DataFrame,
        communes_after: pl.DataFrame,
        commune_changes: pl.DataFrame,
    ) -> None:
        self._old_of: dict[str, set[str]] = {}
        self._new_of: dict[str, set[str]] = {}
        for name, gso, new_gso, new_name in provinces.select(
            "name", "gso", "new_gso", "new_name"
        ).iter_rows():
            for key in {_province_key(name), _province_key(new_name)}:
                self._old_of.setdefault(key, set())
                self._new_of.setdefault(key, set())
            self._old_of[_province_key(name)].add(gso)
            self._old_of[_province_key(new_name)].add(gso)
            self._new_of[_province_key(name)].add(new_gso)
            self._new_of[_province_key(new_name)].add(new_gso)
        self._by_province: dict[tuple[str, str], list[_Entry]] = {}
        self._by_district: dict[tuple[str, str, str], list[_Entry]] = {}
        self._districts: dict[str, set[str]] = {}
        self._fill(units, communes_before, communes_after, commune_changes)
        self.units, self._ids = _with_unions(units, self._unions())
        self._provinces = units.provinces_old
        self._provinces_new = units.provinces_new

    def _fill(
        self, units: UnitTable, before: pl.DataFrame, after: pl.DataFrame, changes: pl.DataFrame
    ) -> None:
        keys_of: dict[str, list[str]] = {}
        keys_of_new: dict[str, list[str]] = {}
        for key, members in self._old_of.items():
            for gso in members:
                keys_of.setdefault(gso, []).append(key)
        for key, members in self._new_of.items():
            for gso in members:
                keys_of_new.setdefault(gso, []).append(key)
        sets = _sets(units)
        places: dict[str, tuple[str, Place]] = {}
        for code, name, gso, district in before.select(
            "code", "name", "province_gso", "district"
        ).iter_rows():
            commune, within = _readings(name.lower())[0], _readings(district.lower())[0]
            places[code] = (gso, within)
            entry = (
                commune.type,
                _marked(commune),
                within.type,
                sets[units.communes_old[code]],
                False,
            )
            for key in ["", *keys_of[gso]]:
                if key:
                    self._districts.setdefault(key, set()).add(within.key)
                    self._by_province.setdefault((key, commune.key), []).append(entry)
                self._by_district.setdefault((key, within.key, commune.key), []).append(entry)
        sources: dict[str, set[str]] = {}
        for old, new in changes.select("old_code", "new_code").iter_rows():
            sources.setdefault(new, set()).add(old)
        for code, name, gso in after.select("code", "name", "province_gso").iter_rows():
            commune = _readings(name.lower())[0]
            meant = sets[units.communes_new[code]]
            for key in keys_of_new[gso]:
                self._by_province.setdefault((key, commune.key), []).append(
                    (commune.type, _marked(commune), "", meant, True)
                )
            for old_gso, within in {places[old] for old in sources.get(code, ())}:
                entry = (commune.type, _marked(commune), within.type, meant, True)
                for key in keys_of[old_gso]:
                    self._by_district.setdefault((key, within.key, commune.key), []).append(entry)

    def _unions(self) -> Iterable[tuple[int, ...]]:
        for entries in (*self._by_province.values(), *self._by_district.values()):
            if len({entry[3] for entry in entries}) == 1:
                continue
            for era in (entries, [entry for entry in entries if not entry[4]]):
                if not era:
                    continue
                marks = {entry[1] for entry in era} | {""}
                for marked in marks:
                    chosen = _preferring(era, 1, marked)
                    for sign in {entry[0] for entry in chosen} | {""}:
                        typed = _preferring(chosen, 0, sign)
                        for within in {entry[2] for entry in typed} | {""}:
                            yield _union(_preferring(typed, 2, within))

    def provinces(self, values: pl.Series) -> pl.DataFrame:
        """Provinces of addresses (text, no nulls), of the last component; columns as :meth:`communes`.

        A name that stood for one province until June 2025 and for several since means all of these.
        """
        tails = _components(values)
        found: list[_Found] = []
        for parts in tails.to_list():
            key = next((k for k in map(_province_of, _readings(parts[-1])) if k), "") if parts else ""
            unit = self._provinces_new.get(key, self._provinces.get(key, -1))
            found.append((unit, None if unit >= 0 else "unknown_name"))
        return pl.DataFrame(found, schema={"unit": pl.Int32, "issue": pl.String}, orient="row")

    def communes(self, values: pl.Series, as_of: date | None) -> pl.DataFrame:
        """Communes of distinct addresses (text, no nulls).

        as_of : no address is younger; before July 2025 only the communes of then are meant

        One row a value, in the order given: ``unit`` Int32 (-1 none); ``issue``: null, ``unknown_name`` (the
        names are not in the lists, or not together), ``ambiguous`` (they mean too many communes) or
        ``no_commune`` (province, or province and district, alone).
        """
        old_only = as_of is not None and as_of < REFORM
        tails = _components(values)
        frame = pl.DataFrame({"tail": tails.list.join(",")}).with_row_index("row")
        distinct = frame["tail"].unique(maintain_order=True)
        found = pl.DataFrame(
            [self._commune(tail.split(",") if tail else [], old_only) for tail in distinct.to_list()],
            schema={"unit": pl.Int32, "issue": pl.String},
            orient="row",
        ).with_columns(tail=distinct)
        joined = frame.join(found, on="tail", how="left", maintain_order="left")
        return joined.select("unit", "issue")

    def _commune(self, parts: Sequence[str], old_only: bool) -> _Found:
        if not parts:
            return -1, "unknown_name"
        if len(parts) == 1:
            found = self._run_together(parts[0], old_only)
            if found is not None:
                return found
        province = self._province(parts[-1])
        if not province:
            parts = self._parted(parts)
            province = self._province(parts[-1])
        components = [_readings(part) for part in reversed(parts)]
        rest = components[1:] if province else components
        if not rest:
            return -1, "no_commune"
        if province not in _CENTRAL and any(r.type == "c" for r in components[0]):
            # A city of a province has that province's name, and may stand where the province would.
            found = self._in_district(province, Place("c", "", components[0][0].key), rest[0], old_only)
            if found is not None and not any(r.type in DISTRICT_TYPES for r in rest[0]):
                return found
        return self._within(province, rest, old_only)

    def _province(self, part: str) -> str:
        """Key of the province that a component names, else empty."""
        keys = (_province_of(r) for r in _readings(part) if r.type in ("", "t", "c"))
        return next((key for key in keys if key in self._old_of), "")

    def _parted(self, parts: Sequence[str]) -> Sequence[str]:
        """The components, a province cut off the end of the last one where it ends in one."""
        words = parts[-1].split()
        for at in range(max(1, len(words) - _LONGEST), len(words)):
            if self._province(" ".join(words[at:])):
                return [*parts[:-1], " ".join(words[:at]), " ".join(words[at:])]
        return parts

    def _within(self, province: str, rest: Sequence[Sequence[Place]], old_only: bool) -> _Found:
        """The commune named by components (the last first) within a province, ``""`` where none is named."""
        known = self._districts.get(province, set())
        named = False
        for first in rest[0]:
            if first.type in COMMUNE_TYPES:
                found = self._in_province(province, first, old_only)
                if found is not None:
                    return found
            elif first.type != "t" and len(rest) > 1:
                found = self._in_district(province, first, rest[1], old_only)
                if found is not None:
                    return found
            named |= first.type in ("", *DISTRICT_TYPES) and bool(
                {first.key, *_OTHER_DISTRICTS.get((province, first.key), ())} & known
            )
        if named:
            return -1, "unknown_name" if len(rest) > 1 else "no_commune"
        if rest[0] and all(first.type == "" for first in rest[0]):
            found = self._in_province(province, rest[0][0], old_only)
            if found is not None:
                return found
        return -1, "unknown_name"

    def _in_province(self, province: str, commune: Place, old_only: bool) -> _Found | None:
        return self._resolved(self._by_province.get((province, commune.key), ()), commune, "", old_only)

    def _in_district(
        self, province: str, district: Place, communes: Sequence[Place], old_only: bool
    ) -> _Found | None:
        names = (district.key, *_OTHER_DISTRICTS.get((province, district.key), ()))
        for commune in communes:
            if commune.type in DISTRICT_TYPES or commune.type == "t":
                continue
            entries = [e for name in names for e in self._by_district.get((province, name, commune.key), ())]
            before = [entry for entry in entries if not entry[4]]
            found = self._resolved(before or entries, commune, district.type, old_only)
            if found is not None:
                return found
        return None

    def _resolved(
        self, entries: Iterable[_Entry], commune: Place, within: str, old_only: bool
    ) -> _Found | None:
        meant = [entry for entry in entries if not (old_only and entry[4])]
        if not meant:
            return None
        chosen = _preferring(_preferring(meant, 1, commune.marked), 0, commune.type)
        members = _union(_preferring(chosen, 2, within))
        if len(members) > MAX_MEMBERS:
            return -1, "ambiguous"
        unit = self._ids.get(members)
        return (-1, "ambiguous") if unit is None else (unit, None)

    def _run_together(self, text: str, old_only: bool) -> _Found | None:
        """An address without separators: every cut into commune, district and province is tried.

        None where no cut is an address; several that differ are ambiguous.
        """
        words = text.split()
        found: dict[bool, set[_Found]] = {True: set(), False: set()}
        for end in range(max(0, len(words) - _LONGEST - 1), len(words)):
            province = self._province(" ".join(words[end:]))
            if not province:
                continue
            for at in range(max(0, end - _LONGEST - 1), end):
                districts = _readings(" ".join(words[at:end]))
                for district in districts:
                    known = {district.key, *_OTHER_DISTRICTS.get((province, district.key), ())}
                    if district.type in COMMUNE_TYPES:
                        one = self._in_province(province, district, old_only)
                        if one is not None:
                            found[False].add(one)
                        continue
                    if not known & self._districts[province]:
                        continue
                    best: tuple[bool, _Found] | None = None
                    for begin in range(max(0, at - _LONGEST - 1), at):
                        for commune in _readings(" ".join(words[begin:at])):
                            one = self._in_district(province, district, (commune,), old_only)
                            if one is None:
                                continue
                            # The longest name counts, but one whose type is written before all others.
                            if best is None or (commune.type != "" and not best[0]):
                                best = (commune.type != "", one)
                    if best is not None:
                        found[True].add(best[1])
        chosen = found[True] or found[False]
        if not chosen:
            return None
        return chosen.pop() if len(chosen) == 1 else (-1, "ambiguous")


@lru_cache(maxsize=1 << 16)
def _readings(component: str) -> tuple[Place, ...]:
    return read_place(component)


def _province_key(name: str) -> str:
    key = name_keys(name.lower())[1]
    return PROVINCE_ALIASES.get(key, key)


def _province_of(place: Place) -> str:
    return PROVINCE_ALIASES.get(place.key, place.key)


def _marked(place: Place) -> str:
    return place.marked or place.key


def _sets(units: UnitTable) -> list[tuple[int, ...]]:
    """The members of every set of communes."""
    members, offsets = units.set_members.tolist(), units.set_offsets.tolist()
    return [tuple(members[a:b]) for a, b in pairwise(offsets[: units.commune_sets + 1])]


def _preferring(entries: Sequence[_Entry], at: int, wanted: str) -> Sequence[_Entry]:
    """The entries with the wanted value, all of them where none has it or none is wanted."""
    return [entry for entry in entries if entry[at] == wanted] or entries if wanted else entries


def _union(entries: Iterable[_Entry]) -> tuple[int, ...]:
    return tuple(sorted({member for entry in entries for member in entry[3]}))


def _with_unions(
    units: UnitTable, unions: Iterable[tuple[int, ...]]
) -> tuple[UnitTable, Mapping[tuple[int, ...], int]]:
    """The table with further sets behind its own, and the number of every set of communes."""
    sets = _sets(units)
    ids = {members: unit for unit, members in enumerate(sets)}
    more = sorted({union for union in unions if len(union) <= MAX_MEMBERS and union not in ids})
    ids |= {members: len(units) + place for place, members in enumerate(more)}
    owner = {
        members[0]: int(units.set_province[unit]) for unit, members in enumerate(sets) if len(members) == 1
    }
    owners = [{owner[member] for member in members} for members in more]
    return replace(
        units,
        set_offsets=np.concatenate(
            [units.set_offsets, units.set_offsets[-1] + np.cumsum([len(m) for m in more], dtype=np.int64)]
        ),
        set_members=np.concatenate(
            [units.set_members, np.array([m for members in more for m in members], np.int32)]
        ),
        set_province=np.concatenate(
            [units.set_province, np.array([min(o) if len(o) == 1 else -1 for o in owners], np.int32)]
        ),
    ), ids


def _components(values: pl.Series) -> pl.Series:
    """The last components of each address that can name a unit, in order, as lists."""
    if (values.str.len_bytes() > _END_OF_ADDRESS).any():
        values = values.str.tail(_END_OF_ADDRESS)
    text = pl.col("text").str.normalize("NFC").str.to_lowercase().str.replace_all(r"\([^()]*\)?", " ")
    text = text.str.replace_all(r"[\s\u{a0}]+", " ").str.replace(_COUNTRY, "")
    for pattern, other in (*_HYPHENATED, *_TWO_WORDS):
        text = text.str.replace_all(pattern, other)
    text = text.str.replace_all(r"[;|/\n]", ",")
    frame = values.to_frame("text").select(text=text)
    parted = (
        pl.when(pl.col("text").str.contains(","))
        .then(pl.col("text"))
        .otherwise(pl.col("text").str.replace_all(r"\s+[-–]\s+", ","))
    )
    # Twice, because the blank behind one marker can be the blank before the next.
    marked = parted.str.replace_all(_MARKER, ",${1}").str.replace_all(_MARKER, ",${1}")
    parts = frame.select(
        parts=marked.str.split(",").list.eval(
            pl.element().str.strip_chars(" .").filter(pl.element().str.strip_chars(" .") != "")
        )
    )["parts"]
    kept = parts.list.eval(pl.element().filter(~pl.element().str.contains(_IN_FRONT)))
    # Where nothing else is left (an address without any comma), the whole goes on.
    return (
        pl.DataFrame({"kept": kept, "parts": parts})
        .select(
            pl.when(pl.col("kept").list.len() > 0)
            .then(pl.col("kept"))
            .otherwise(pl.col("parts"))
            .list.tail(4)
        )
        .to_series()
    )
