"""Blocking rules: their keys, and the refinement that keeps blocks small.

A rule's key is a keyed 64-bit hash of its columns. Which keys were refined is the plan (see
:mod:`linkage.block`); with it every record's *effective* key under every rule is known anywhere, and a pair
belongs to the first rule whose effective key both records share.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from kernels import keys as key_kernels
from kernels._door import reading
from linkage.coded import Coded, Meaning
from linkage.config import Blocking
from linkage.errors import ConfigError, did_you_mean
from linkage.name_keys import fold_codes, name_codes

#: Key forms by kind of column.
FORMS: dict[str, tuple[str, ...]] = {
    "identifier": ("", "any", "near"),
    "phone": ("",),
    "date": ("", "year", "month", "day_month", "year_month"),
    "sex": ("",),
    "unit": ("any", "province"),
    "name": (
        "",
        "ascii",
        "phonetic",
        "set",
        "given",
        "given.ascii",
        "given.phonetic",
        "surname",
        "surname.ascii",
        "surname.phonetic",
        "middle.ascii",
    ),
    "text": ("",),
}

#: Forms that give a record several keys.
_MANY = {("identifier", "any"), ("unit", "any")}

#: Members of a unit set that become keys; a larger set keeps its smallest ones (at most 6 occur in Vietnam).
_UNITS_KEPT = 6


@dataclass(frozen=True)
class KeyPart:
    """One element of a rule: a column and the form of it that must agree."""

    column: str
    form: str

    def __str__(self) -> str:
        return f"{self.column}.{self.form}" if self.form else self.column


@dataclass(frozen=True)
class Rule:
    """A compiled blocking rule.

    ``near``: pairs whose identifiers are one slip apart (found by probing). ``relatives``: brings together
    only the register's own people, to learn how relatives agree; it finds no candidates.
    """

    name: str
    on: tuple[KeyPart, ...]
    refine: tuple[KeyPart, ...]
    near: bool = False
    relatives: bool = False

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns the rule reads, refinement included."""
        return tuple(dict.fromkeys(p.column for p in (*self.on, *self.refine)))


def parse_key_part(text: str, kinds: dict[str, str], rule: str) -> KeyPart:
    """``full_name.given.ascii`` -> column and form; ConfigError E-CONFIG-030 to -032 if there is no such."""
    column, _, form = text.partition(".")
    if column not in kinds:
        raise ConfigError(
            "E-CONFIG-030",
            f"The blocking rule '{rule}' uses the column '{column}'.",
            f"Known columns: {', '.join(sorted(kinds))}.",
            f"Declare it in a contract, or correct it.{did_you_mean(column, kinds)}",
        )
    kind = kinds[column]
    if kind == "unit" and form == "":
        form = "any"
    if form not in FORMS[kind]:
        known = [f or "(nothing)" for f in FORMS[kind]]
        raise ConfigError(
            "E-CONFIG-031",
            f"The blocking rule '{rule}' asks '{form}' of the column '{column}'.",
            f"A column of kind {kind} has the forms: {', '.join(known)}.",
            f"Correct the form.{did_you_mean(form, known)}",
        )
    return KeyPart(column, form)


def compile_rules(rules: Sequence[Blocking], kinds: dict[str, str]) -> tuple[Rule, ...]:
    """Compile rules: those that find candidates first, then those for relatives, those that probe last."""
    out = []
    for written in rules:
        name, on, refine = written.name, written.on, written.refine
        parts = tuple(parse_key_part(t, kinds, name) for t in on)
        extra = tuple(parse_key_part(t, kinds, name) for t in refine)
        near = any(p.form == "near" for p in parts)
        many = sum((kinds[p.column], p.form) in _MANY for p in parts)
        if (
            not parts
            or many > 1
            or (near and len(parts) > 1)
            or any((kinds[p.column], p.form) in _MANY for p in extra)
        ):
            raise ConfigError(
                "E-CONFIG-032",
                f"The blocking rule '{name}' combines {', '.join(on) or 'nothing'}.",
                "A rule has at least one column, at most one form with several keys (any), none of them in "
                "'refine', and 'near' stands alone.",
                "Split the rule in two.",
            )
        out.append(Rule(name, parts, extra, near, written.use == "relatives"))
    return tuple(sorted(out, key=lambda r: (r.near, r.relatives)))


def many_keys(rule: Rule) -> bool:
    """Whether a record may have several keys under the rule."""
    return any(part.form == "any" for part in rule.on)


def key_head(rule: Rule, known: Rule, kinds: Mapping[str, str]) -> tuple[KeyPart, ...]:
    """What a rule asks for that few pairs agree on and that is quickly compared: its elements that are no
    names and of one key, without those on which pairs of the rule ``known`` agree.

    Empty where few pairs would fall by it: without a day, a number or a text, unless the rule has an element
    of several keys; or where it is the whole key.
    """

    def tells(part: KeyPart) -> bool:
        kind = kinds[part.column]
        return kind in ("identifier", "phone", "text") or (kind == "date" and part.form in ("", "day_month"))

    head = tuple(
        part
        for part in rule.on
        if part.form != "any"
        and kinds[part.column] != "name"
        and part not in known.on
        and KeyPart(part.column, "") not in known.on
    )
    if len(head) == len(rule.on) or not (many_keys(rule) or any(map(tells, head))):
        return ()
    return head


def part_codes(coded: Coded, meaning: Meaning, part: KeyPart) -> np.ndarray:
    """Codes of a key element: uint64[n], or uint64[n, width] for a form with several keys; zero is absent."""
    values = coded.arrays[part.column]
    kind = meaning.kinds[part.column]
    if kind in ("identifier", "phone"):
        own = values.astype(np.uint64)
        if part.form == "any":
            aliases = coded.arrays.get(f"{part.column}.alias")
            if aliases is None or aliases.shape[1] == 0:
                return own[:, None]
            return np.concatenate([own[:, None], aliases.astype(np.uint64)], axis=1)
        return own
    if kind == "date":
        year, month, day = values >> 9, (values >> 5) & 15, values & 31
        whole = (month > 0) & (day > 0)
        if part.form == "year":
            code = year
        elif part.form == "month":
            code = month
        elif part.form == "year_month":
            code = np.where(month > 0, values >> 5, 0)
        elif part.form == "day_month":
            code = np.where(whole, values & 511, 0)
        else:
            code = np.where(whole, values, 0)
        return code.astype(np.uint64)
    if kind == "sex":
        return values.astype(np.uint64)
    if kind == "unit":
        return _unit_codes(values, meaning, part.form)
    if kind == "text":
        return np.where(values > 0, meaning.texts[part.column].hashes[values], np.uint64(0))
    return name_codes(values, meaning.tokens, part.form)


def _unit_codes(values: np.ndarray, meaning: Meaning, form: str) -> np.ndarray:
    units = meaning.units
    known = values >= 0
    at = np.where(known, values, 0)
    if form == "province":
        province = units.province[at]
        return np.where(known & (province >= 0), province.astype(np.int64) + 1, 0).astype(np.uint64)
    width = max(1, min(_UNITS_KEPT, int(np.diff(units.offsets).max(initial=1))))
    out = np.empty((values.shape[0], width), np.uint64)
    key_kernels.set_codes(
        reading(values, np.int32, "values"),
        reading(units.offsets, np.int64, "offsets"),
        reading(units.members, np.int32, "members"),
        out,
    )
    return out


def _fold_parts(
    coded: Coded,
    meaning: Meaning,
    parts: Sequence[KeyPart],
    secret: int,
    known: dict[KeyPart, np.ndarray],
) -> np.ndarray:
    n = len(coded)
    keys = np.empty(n, np.uint64)
    key_kernels.start_keys(np.uint64(secret), keys)
    many: np.ndarray | None = None
    for part in parts:
        if part not in known:
            known[part] = part_codes(coded, meaning, part)
        codes = known[part]
        if codes.ndim == 2:
            many = codes
        else:
            key_kernels.fold_column(codes, np.uint64(0), keys)
    if many is None:
        return keys[:, None]
    out = np.empty(many.shape, np.uint64)
    key_kernels.fold_any(keys, np.ascontiguousarray(many), out)
    return out


def effective_keys(
    coded: Coded, meaning: Meaning, rules: Sequence[Rule], hot: Sequence[np.ndarray], secret: int
) -> tuple[np.ndarray, np.ndarray]:
    """Effective keys of several rules side by side.

    Returns uint64[n, sum of widths], the keys of one rule in falling order so that zeros come last, and
    int64[rules + 1], where each rule's columns begin
    """
    out = []
    codes: dict[KeyPart, np.ndarray] = {}
    for rule, burning in zip(rules, hot, strict=True):
        base = base_keys(coded, meaning, rule, secret, codes)
        effective = refine_keys(coded, meaning, rule, base, burning) if burning.size else base
        if effective.shape[1] > 1:
            key_kernels.sort_falling(effective)
        out.append(effective)
    widths = np.concatenate([[0], np.cumsum([k.shape[1] for k in out])]).astype(np.int64)
    return (
        np.ascontiguousarray(np.concatenate(out, axis=1)) if out else np.zeros((len(coded), 0), np.uint64)
    ), widths


def base_keys(
    coded: Coded,
    meaning: Meaning,
    rule: Rule,
    secret: int,
    codes: dict[KeyPart, np.ndarray] | None = None,
) -> np.ndarray:
    """Keys of every record under the rule before refinement: uint64[n, width], zero for none.

    codes : of these records, by element of a key: what another rule has made is taken, what is made is kept
    """
    return _fold_parts(coded, meaning, rule.on, secret, {} if codes is None else codes)


def refine_keys(coded: Coded, meaning: Meaning, rule: Rule, keys: np.ndarray, hot: np.ndarray) -> np.ndarray:
    """Take refinement columns into the hot keys; a key still hot after the last column is given up."""
    refined = keys.copy()
    flat = refined.reshape(-1)
    burning = np.flatnonzero(_among(flat, hot))
    for part in rule.refine:
        if not burning.size:
            return refined
        codes = part_codes(coded.take(burning // keys.shape[1], (part.column,), marks=False), meaning, part)
        flat[burning] = fold_codes(flat[burning], codes)
        burning = burning[_among(flat[burning], hot)]
    flat[burning] = key_kernels.NO_KEY
    return refined


def _among(keys: np.ndarray, ordered: np.ndarray) -> np.ndarray:
    out = np.zeros(keys.shape, np.bool_)
    if ordered.size:
        key_kernels.find_among(reading(keys, np.uint64, "keys"), reading(ordered, np.uint64, "ordered"), out)
    return out
