"""Small nations for the tests: people as plain dictionaries, and the same people as coded records."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from typing import Any

import numpy as np

from kernels.packed import pack
from kernels.tokens import TokenForms
from linkage.coded import DTYPES, NAME_WIDTH, Coded, Meaning, PackedTexts, Tokens, UnitSets
from tests.kernels import twins
from tests.kernels.twins import Token

#: A person: column -> digits (identifier, phone), (year, month, day), "M" or "F", a unit set, words, text.
Person = dict[str, Any]

KINDS = {
    "personal_number": "identifier",
    "old_number": "identifier",
    "full_name": "name",
    "birth_date": "date",
    "sex": "sex",
    "commune": "unit",
    "phone": "phone",
    "school": "text",
}

#: Sets of units and the province of each unit: units 1 to 9 lie in the province 1, the others in 2.
UNIT_SETS = ((1,), (1, 2), (2, 3), (9, 10), (11,), (12, 13, 14))


def province_of(units: Sequence[int]) -> int:
    """The province of all units of a set, -1 if they differ."""
    provinces = {1 if unit < 10 else 2 for unit in units}
    return provinces.pop() if len(provinces) == 1 else -1


def units_of(value: Any) -> tuple[tuple[int, ...], int]:
    """Members and province of a set of units, given by its number here, or as itself."""
    return (UNIT_SETS[value], province_of(UNIT_SETS[value])) if isinstance(value, int) else value


def token_of(word: Any) -> Token:
    """A word's token; what is no text is one already."""
    return Token(word, single=len(word) == 1) if isinstance(word, str) else word


def word_hash(text: str) -> int:
    """A 64-bit hash of a text that no code under test makes."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") | 1


def date_code(day: tuple[int, int, int] | None) -> int:
    """The code of a date with 0 for an unknown month or day."""
    return day[0] * 512 + day[1] * 32 + day[2] if day else 0


def tokens_of(words: Sequence[str]) -> Tokens:
    """A vocabulary of words, counted from 1 in their order; single letters are abbreviations."""
    known = [Token(word, single=len(word) == 1) for word in words]

    def ids(forms: list[str]) -> np.ndarray:
        order = {form: k for k, form in enumerate(dict.fromkeys(["", *forms]))}
        return np.array([0, *(order[form] for form in forms)], np.uint32)

    def hashes(forms: list[str]) -> np.ndarray:
        return np.array([0, *map(word_hash, forms)], np.uint64)

    letters = [token.letters for token in known]
    return Tokens(
        forms=TokenForms(
            ids(letters),
            ids([token.plain for token in known]),
            ids([token.phonetic for token in known]),
            np.array([0, *(ord(text[0]) for text in letters)], np.uint32),
            np.array([0, *(token.marked for token in known)], np.uint8),
            np.array([0, *(token.single for token in known)], np.uint8),
            np.cumsum([0, 0, *map(len, letters)]).astype(np.int64),
            np.concatenate([np.frombuffer("".join(letters).encode(), np.uint8), np.zeros(64, np.uint8)]),
        ),
        letters=np.array(
            [0, *(sum({1 << (ord(c) - 97 if "a" <= c <= "z" else 26) for c in t[:31]}) for t in letters)],
            np.uint32,
        ),
        exact_hash=hashes(list(words)),
        ascii_hash=hashes(letters),
        phonetic_hash=hashes([token.phonetic for token in known]),
    )


def coded_nation(
    register: Sequence[Person],
    agencies: Sequence[Sequence[Person]] = (),
    kinds: dict[str, str] | None = None,
) -> tuple[Coded, Meaning]:
    """The people as coded records, the register first; ``aliases`` of a person are earlier personal numbers.

    A person's place in ties is the hash of its ``id``, by default its row.
    """
    kinds = KINDS if kinds is None else kinds
    people = [*register, *(person for agency in agencies for person in agency)]
    words = sorted({w for p in people for c, k in kinds.items() if k == "name" for w in p.get(c) or ()})
    texts = {c: sorted({p[c] for p in people if p.get(c)}) for c, kind in kinds.items() if kind == "text"}
    arrays: dict[str, np.ndarray] = {}
    for column, kind in kinds.items():
        values = [person.get(column) for person in people]
        if kind in ("identifier", "phone"):
            arrays[column] = np.array([twins.identifier_code(v or "") for v in values], np.int64)
        elif kind == "date":
            arrays[column] = np.array([date_code(v) for v in values], np.int32)
        elif kind == "sex":
            arrays[column] = np.array([{None: 0, "M": 1, "F": 2}[v] for v in values], np.uint8)
        elif kind == "unit":
            arrays[column] = np.array([-1 if v is None else v for v in values], np.int32)
        elif kind == "name":
            rows = np.zeros((len(people), NAME_WIDTH), np.uint32)
            for row, value in zip(rows, values, strict=True):
                row[: len(value or ())] = [words.index(w) + 1 for w in value or ()]
            arrays[column] = rows
        else:
            arrays[column] = np.array([texts[column].index(v) + 1 if v else 0 for v in values], np.uint32)
    if "personal_number" in kinds:
        earlier = [[twins.identifier_code(a) for a in p.get("aliases", ())] for p in people]
        width = max([1, *map(len, earlier)])
        arrays["personal_number.alias"] = np.array(
            [[*own, *[0] * (width - len(own))] for own in earlier], np.int64
        ).reshape(len(people), width)
    sources = [0] * len(register) + [s for s, agency in enumerate(agencies, 1) for _ in agency]
    coded = Coded(
        arrays,
        np.array(sources, np.uint8),
        np.array([word_hash(f"order {p.get('id', row)}") for row, p in enumerate(people)], np.uint64),
        len(register),
    )
    meaning = Meaning(
        kinds,
        tokens_of(words),
        UnitSets(
            np.cumsum([0, *map(len, UNIT_SETS)]).astype(np.int64),
            np.array([unit for own in UNIT_SETS for unit in own], np.int32),
            np.array([province_of(own) for own in UNIT_SETS], np.int32),
        ),
        {
            column: PackedTexts(pack(["", *own]), np.array([0, *map(word_hash, own)], np.uint64))
            for column, own in texts.items()
        },
    )
    return coded, meaning


def random_person(rng: random.Random, few: int = 3) -> Person:
    """Somebody with few possible values in every column, and often without one."""

    def maybe(value: Any) -> Any:
        return value if rng.random() < 0.85 else None

    words = ["Trần", "Tran", "Lê", "Thị", "Lan", "Lân", "Chi", "Tri", "Minh"][: few * 3]
    month, day = rng.choice([(0, 0), (rng.randint(1, few), rng.randint(1, few)), (rng.randint(1, few), 1)])
    return {
        "personal_number": maybe(f"0{rng.randrange(few * 3):011d}"),
        "old_number": maybe(f"{rng.randrange(few):09d}"),
        "aliases": [f"0{rng.randrange(few * 3):011d}" for _ in range(rng.choice([0, 0, 1, 2]))],
        "full_name": maybe(rng.choices(words, k=rng.choice([1, 2, 3, 3]))),
        "birth_date": maybe((1980 + rng.randrange(few), month, day)),
        "sex": maybe(rng.choice("MF")),
        "commune": maybe(rng.randrange(len(UNIT_SETS))),
        "phone": maybe(f"09{rng.randrange(few):08d}"),
        "school": maybe(rng.choice(["THPT A", "THPT B", "THCS C"])),
    }


# What two records must have in common under a form of a rule, said in plain values.


def key_values(person: Person, column: str, form: str, kinds: dict[str, str] | None = None) -> set[Any]:
    """The values of a person under a form of a column; two people meet where they share one."""
    kind = (KINDS if kinds is None else kinds)[column]
    value = person.get(column)
    if kind == "identifier" and form == "any":
        return {v for v in [value, *person.get("aliases", ())] if v}
    if value is None:
        return set()
    if kind == "unit":
        members, province = units_of(value)
        return {province} - {-1} if form == "province" else set(members)
    if kind == "date":
        year, month, day = value
        whole = bool(month and day)
        return {
            "year": {year},
            "month": {month} - {0},
            "year_month": {(year, month)} if month else set(),
            "day_month": {(day, month)} if whole else set(),
            "": {value} if whole else set(),
        }[form]
    if kind == "name":
        return name_values(value, form)
    return {value} if value else set()


def name_values(words: Sequence[Any], form: str) -> set[Any]:
    """The values of a name's form: the words in the form's spelling."""
    tokens = [token_of(word) for word in words]
    which, _, spelling = form.partition(".")
    if which in ("ascii", "phonetic"):
        which, spelling = "", which
    spelt = [
        {"": token.text, "ascii": token.letters, "phonetic": token.phonetic}[spelling] for token in tokens
    ]
    if not words:
        return set()
    if which == "set":
        return {tuple(sorted(token.letters for token in tokens))}
    if which == "ends":
        return {(tokens[0].letters if len(words) > 1 else None, tokens[-1].letters)}
    if which == "given":
        return {spelt[-1]}
    if which == "surname":
        return {spelt[0]} if len(words) > 1 else set()
    if which == "middle":
        return {tuple(spelt[1:-1])}
    return {tuple(spelt)}


# What a comparison sees in a pair, said in plain values.


def pair_features(
    left: Person, right: Person, held: dict[str, set[Any]], kinds: dict[str, str] | None = None
) -> dict[str, dict[str, Any]]:
    """Column -> feature -> yes or no, or a measure; ``held``: column -> numbers and names of the register."""
    out: dict[str, dict[str, Any]] = {}
    for column, kind in (KINDS if kinds is None else kinds).items():
        a, b = left.get(column), right.get(column)
        facts: set[str] = set()
        measures: dict[str, float] = {}
        if kind in ("identifier", "phone"):
            facts = set(twins.identifier_facts(a or "", b or ""))
            if column == "personal_number":
                earlier = set(left.get("aliases", ())), set(right.get("aliases", ()))
                if (a and a in earlier[1]) or (b and b in earlier[0]):
                    facts.add("alias")
            if a and a in held.get(column, ()):
                facts.add("held")
        elif kind == "date":
            facts = twins.date_facts(a, b)
        elif kind in ("sex", "text"):
            facts = {"null"} if not a or not b else {"exact"} if a == b else set()
            if kind == "text":
                x, y = a or "", b or ""
                measures = {
                    "osa": twins.osa(x, y),
                    "levenshtein": twins.levenshtein(x, y),
                    "jaro": twins.jaro(x, y),
                    "jaro_winkler": twins.jaro_winkler(x, y),
                }
        elif kind == "unit":
            facts = unit_facts(a, b)
        else:
            x, y = ([token_of(word) for word in name or ()] for name in (a, b))
            facts = set(twins.name_facts(x, y))
            if a and tuple(token.text for token in x) in held.get(column, ()):
                facts.add("known")
            equal = "unaccented" in facts
            measures = {
                "osa": 0 if equal else twins.osa(twins.spelt(x), twins.spelt(y)),
                "jaro_winkler": 1.0 if equal else twins.jaro_winkler(twins.spelt(x), twins.spelt(y)),
                "overlap": twins.overlap(x, y),
            }
            if not a or not b:
                measures = {"osa": 255, "jaro_winkler": -1.0, "overlap": 0.0}
        out[column] = {**dict.fromkeys(facts, True), **measures}
    return out


def unit_facts(a: Any, b: Any) -> set[str]:
    """What two sets of units have to do with one another."""
    if a is None or b is None:
        return {"null"}
    (one, here), (two, there) = units_of(a), units_of(b)
    facts = set()
    if a == b:
        facts.add("exact")
    if set(one) & set(two):
        facts.add("overlap")
    if here == there != -1:
        facts.add("same_province")
    return facts


class _Features:
    def __init__(self, known: dict[str, Any]) -> None:
        self._held = known

    def __getattr__(self, feature: str) -> Any:
        return self._held.get(feature, False)


class _Names(dict):
    def __init__(self, features: dict[str, dict[str, Any]], columns: Sequence[str]) -> None:
        super().__init__({column: _Features(known) for column, known in features.items()})
        self.own = features[columns[0]]

    def __missing__(self, name: str) -> Any:
        return True if name == "always" else self.own.get(name, False)


def condition_holds(when: str, columns: Sequence[str], features: dict[str, dict[str, Any]]) -> bool:
    """Python's own reading of a condition."""
    return bool(eval(when, {"__builtins__": {}}, _Names(features, columns)))  # noqa: S307


def empty_column(kind: str, n: int) -> np.ndarray:
    """A column of nothing: what a source without that field has."""
    shape = (n, NAME_WIDTH) if kind == "name" else (n,)
    return np.full(shape, -1 if kind == "unit" else 0, DTYPES[kind])
