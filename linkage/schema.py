"""Declared files: a TOML text read by a typed structure, every problem told, and its JSON Schema.

The structures are frozen ``msgspec`` structs. Their decoder stops at the first fault; this one walks the
structure itself, so that a user mends a file in one go.
"""

from __future__ import annotations

import datetime
import json
import tomllib
import types
import typing
from collections.abc import Iterable, Mapping
from typing import Any, Literal, TypeVar

import msgspec

from linkage.errors import ConfigError, LinkageError, did_you_mean

S = TypeVar("S", bound=msgspec.Struct)


class Problem(msgspec.Struct, frozen=True):
    """One thing that is wrong: a stable code, and what came, what was wanted, what to do."""

    code: str
    what: str
    wanted: str
    do: str

    def line(self) -> str:
        """The problem as one line of text."""
        return f"{self.code}: {self.what} {self.wanted} {self.do}".strip()


class DeclarationError(ConfigError):
    """A declared file is wrong in one or more places; ``problems`` holds all of them.

    ``code``, ``what``, ``wanted`` and ``do`` are those of the first problem.
    """

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        first = self.problems[0]
        super().__init__(first.code, first.what, first.wanted, first.do)
        if len(self.problems) > 1:
            self.args = ("\n".join(problem.line() for problem in self.problems),)

    def as_dict(self) -> dict[str, Any]:
        """The parts of the first problem, and ``problems``, the parts of each."""
        return {**super().as_dict(), "problems": [msgspec.to_builtins(p) for p in self.problems]}

    def __reduce__(self) -> tuple[type[LinkageError], tuple[Any, ...]]:
        return (type(self), (self.problems,))


class Reader:
    """Collects the problems of one file while its tables are turned into structs.

    ``area`` is the middle of the codes (``CONFIG``, ``CONTRACT`` or ``POLICY``); ``name`` says which file is
    meant.
    """

    def __init__(self, area: Literal["CONFIG", "CONTRACT", "POLICY"], name: str) -> None:
        self.area = area
        self.name = name
        self.problems: list[Problem] = []

    def add(self, number: int, where: str, what: str, wanted: str, do: str = "") -> None:
        """Note a problem; ``where`` is a place such as ``[[source]] 2``, empty for the whole file.

        do : where nothing closer is known, how to find what may stand there
        """
        place = f"{self.name}, {where}:" if where else f"{self.name}:"
        kind = {"CONFIG": "project"}.get(self.area, self.area.lower())
        do = do or f"Mend it there; 'linkage schema {kind}' lists what may stand there."
        self.problems.append(Problem(f"E-{self.area}-{number:03d}", f"{place} {what}", wanted, do))

    def finish(self) -> None:
        """Raise every problem noted so far."""
        if self.problems:
            raise DeclarationError(self.problems)

    def toml(self, text: str) -> dict[str, Any]:
        """The tables of ``text``; a text that is no TOML is a problem by itself and raised at once."""
        try:
            return tomllib.loads(text)
        except tomllib.TOMLDecodeError as fault:
            do = "Mend that line; a key with other letters than a to z stands in quotes."
            self.add(1, "", f"it is not TOML: {fault}.", "A TOML 1.0 file is wanted.", do)
            self.finish()
            raise
        except (ValueError, RecursionError):  # digits by the thousand, brackets by the thousand
            what = "a number is too long, or tables lie too deep in one another."
            self.add(1, "", what, "A TOML 1.0 file is wanted.", "Shorten it.")
            self.finish()
            raise

    def struct(self, kind: type[S], table: object, where: str) -> S | None:
        """``table`` as a struct of ``kind``, or None after noting what is wrong with it."""
        if not isinstance(table, dict):
            self.add(4, where, f"{_noun(table)} came.", "A table is wanted.")
            return None
        known = {field.encode_name: field for field in msgspec.structs.fields(kind)}
        for key in table:
            if key not in known:
                hint = did_you_mean(key, known).strip()
                self.add(2, where, f"unknown key '{key}'.", f"Known keys: {', '.join(known)}.", hint)
        before = len(self.problems)
        values: dict[str, Any] = {}
        for key, field in known.items():
            if key in table:
                values[field.name] = self._value(field.type, table[key], _join(where, key))
            elif field.required:
                self.add(3, where, f"'{key}' is missing.", f"It is wanted: {_wish(field.type)}.")
        return kind(**values) if len(self.problems) == before else None

    def _value(self, kind: Any, value: object, where: str) -> Any:
        """``value`` as a ``kind``: struct by struct where there are structs, else by msgspec."""
        plain = _plain(kind)
        origin, arguments = typing.get_origin(plain), typing.get_args(plain)
        if isinstance(plain, type) and issubclass(plain, msgspec.Struct):
            return self.struct(plain, value, where)
        if origin is tuple and _is_struct(arguments[0]):
            if not isinstance(value, list):
                self.add(4, where, f"{_noun(value)} came.", "A list of tables is wanted.")
                return ()
            return tuple(
                self.struct(arguments[0], row, f"{where} {number}")
                for number, row in enumerate(value, start=1)
            )
        if origin is dict and _is_struct(arguments[1]):
            if not isinstance(value, dict):
                self.add(4, where, f"{_noun(value)} came.", "A table of tables is wanted.")
                return {}
            return {key: self.struct(arguments[1], row, _join(where, key)) for key, row in value.items()}
        if origin is Literal and (value not in arguments or isinstance(value, bool)):
            came = f"{_came(value)} came."
            hint = did_you_mean(value, [str(a) for a in arguments]).strip() if isinstance(value, str) else ""
            self.add(4, where, came, f"Wanted: {_wish(kind)}.", hint)
            return None
        if isinstance(
            value, datetime.datetime
        ):  # is a date to isinstance, but a time of day has no place here
            self.add(4, where, "a date with a time came.", f"Wanted: {_wish(kind)}.", "Write 2026-11-20.")
            return None
        try:
            return msgspec.convert(value, kind)
        except msgspec.ValidationError as fault:
            if isinstance(value, list | dict) and "$" in str(fault):
                inside = str(fault).rpartition("`$")[2].rstrip("`.")
                came = f"an entry ({inside}) does not fit."
            else:
                came = f"{_came(value)} came."
            self.add(4, where, came, f"Wanted: {_wish(kind)}.")
            return None


def unique(reader: Reader, number: int, names: Iterable[tuple[str, str]], thing: str) -> None:
    """Note every name that comes twice; ``names`` are pairs of place and name."""
    seen: dict[str, str] = {}
    for where, name in names:
        if name in seen:
            reader.add(
                number,
                where,
                f"the {thing} '{name}' stands at {seen[name]} already.",
                "It is wanted once.",
                "Rename or remove one.",
            )
        seen.setdefault(name, where)


def json_schema(kind: type[msgspec.Struct], title: str) -> str:
    """The JSON Schema (draft 2020-12) of a declared file as text, for editors and for people outside."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **msgspec.json.schema(kind)}
    schema["title"] = title
    return json.dumps(schema, indent=2, ensure_ascii=False)


def _join(where: str, key: str) -> str:
    return f"{where} {key}" if where else key


def _plain(kind: Any) -> Any:
    """The type inside ``Annotated`` and inside an optional."""
    if typing.get_origin(kind) is typing.Annotated:
        return _plain(typing.get_args(kind)[0])
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        inner = [k for k in typing.get_args(kind) if k is not type(None)]
        if len(inner) == 1:
            return _plain(inner[0])
    return kind


def _is_struct(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


_NOUNS: Mapping[type, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a text",
    list: "a list",
    dict: "a table",
    datetime.date: "a date",
    datetime.datetime: "a date with a time",
    datetime.time: "a time",
}


def _noun(value: object) -> str:
    return _NOUNS.get(type(value), type(value).__name__)


def _came(value: object) -> str:
    """A value of a declared file as a message shows it."""
    if isinstance(value, list | dict):
        return f"an empty {_noun(value)[2:]}" if not value else _noun(value)
    if isinstance(value, bool):
        return str(value).lower()
    return f"'{value}'" if isinstance(value, str) else str(value)


def _wish(kind: Any) -> str:
    """A type in words: what a field wants."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Annotated:
        metas = [a for a in arguments[1:] if isinstance(a, msgspec.Meta)]
        stated = [m.extra["wish"] for m in metas if m.extra and "wish" in m.extra]
        return stated[0] if stated else " ".join([_wish(arguments[0]), *filter(None, map(_bounds, metas))])
    if origin in (typing.Union, types.UnionType):
        return " or ".join(_wish(k) for k in arguments if k is not type(None))
    if origin is Literal:
        return " or ".join(json.dumps(a) for a in arguments)
    if origin is tuple:
        return f"a list of entries, each {_wish(arguments[0])}"
    if origin is dict:
        return f"a table, each value {_wish(arguments[1])}"
    return "a table" if _is_struct(kind) else _NOUNS.get(kind, str(kind))


def _bounds(meta: msgspec.Meta) -> str:
    """The limits of a value in words."""
    parts = [
        f"{word} {limit}"
        for word, limit in (
            ("above", meta.gt),
            ("at least", meta.ge),
            ("below", meta.lt),
            ("at most", meta.le),
        )
        if limit is not None
    ]
    return " and ".join(parts)
