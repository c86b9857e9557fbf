from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kernels.patterns import assign_patterns
from linkage.errors import ConfigError
from linkage.levels import BITS, MEASURES, Level, Part, compile_parts
from tests.linkage import small

COLUMNS = ("full_name", "birth_date", "personal_number", "school")


def flag(column: str) -> st.SearchStrategy[str]:
    return st.sampled_from(sorted(BITS[small.KINDS[column]])).map(lambda feature: f"{column}.{feature}")


def threshold(column: str) -> st.SearchStrategy[str]:
    measures = MEASURES[small.KINDS[column]]
    return st.sampled_from(sorted(measures)).flatmap(
        lambda name: st.tuples(
            st.sampled_from([">=", "<="]),
            st.integers(0, 4) if measures[name] == 1 else st.sampled_from([0, 0.25, 0.5, 0.9123, 1]),
        ).map(lambda t: f"{column}.{name} {t[0]} {t[1]}")
    )


conditions = st.recursive(
    st.one_of(*map(flag, COLUMNS), threshold("full_name"), threshold("school"), st.just("always")),
    lambda inner: st.one_of(
        inner.map(lambda one: f"not ({one})"),
        st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(lambda t: f"({t[0]}) {t[1]} ({t[2]})"),
        # Without brackets Python's precedence decides.
        st.tuples(inner, inner, inner).map(lambda t: f"not {t[0]} and {t[1]} or {t[2]}"),
        st.tuples(inner, inner, inner).map(lambda t: f"({t[0]}) and ({t[1]}) and not ({t[2]})"),
    ),
    max_leaves=6,
)


def part(name: str, columns: tuple[str, ...], *conditions: str) -> Part:
    return Part(name, columns, tuple(Level(f"level{i}", when) for i, when in enumerate(conditions)))


@settings(deadline=None, max_examples=80, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.lists(conditions, max_size=3), min_size=1, max_size=3), st.data())
def test_compiled_conditions__mean_what_python_reads(written: list[list[str]], data: st.DataObject) -> None:
    parts = [part(f"part{i}", COLUMNS, *own, "always") for i, own in enumerate(written)]
    programme = compile_parts(parts, small.KINDS)
    count = 6
    bits = np.zeros((max(1, len(programme.bit_columns)), count), np.uint32)
    numbers = np.zeros((max(1, len(programme.measures)), count), np.int32)
    features = []
    for pair in range(count):
        known: dict[str, dict[str, object]] = {column: {} for column in COLUMNS}
        for slot, column in enumerate(programme.bit_columns):
            names = data.draw(st.sets(st.sampled_from(sorted(BITS[small.KINDS[column]])), max_size=6))
            bits[slot, pair] = sum(BITS[small.KINDS[column]][name] for name in names)
            known[column] |= dict.fromkeys(names, True)
        for slot, (column, measure) in enumerate(programme.measures):
            factor = MEASURES[small.KINDS[column]][measure]
            value = data.draw(st.integers(0, 5 if factor == 1 else factor))
            numbers[slot, pair] = value
            known[column][measure] = value / factor
        features.append(known)
    out = np.zeros(count, np.uint32)
    assign_patterns(programme.code, programme.part_starts, programme.radix, bits, numbers, count, out)
    for known, levels in zip(features, programme.levels_of(out).tolist(), strict=True):
        for one, level in zip(parts, levels, strict=True):
            holding = [small.condition_holds(v.when, one.columns, known) for v in one.levels]
            assert level == holding.index(True)


def test_programme__numbers_patterns_in_mixed_radix() -> None:
    programme = compile_parts(
        [part("sex", ("sex",), "null", "exact", "always"), part("school", ("school",), "exact", "always")],
        small.KINDS,
    )
    assert programme.shape == (3, 2)
    assert programme.n_patterns == 6
    assert programme.levels_of(np.arange(6, dtype=np.uint32)).tolist() == [
        [a, b] for a in range(3) for b in range(2)
    ]


def test_programme__computes_each_feature_once() -> None:
    programme = compile_parts(
        [
            part("one", ("full_name",), "exact or osa <= 1", "osa <= 2 and given", "osa >= 9", "always"),
            part("two", ("full_name", "sex"), "sex.exact and full_name.osa <= 3", "always"),
        ],
        small.KINDS,
    )
    assert programme.measures == (("full_name", "osa"),)
    assert programme.bit_columns == ("full_name", "sex")


@pytest.mark.parametrize(
    ("when", "columns", "code", "words"),
    [
        ("exact and", ("sex",), "E-CONFIG-040", "not understood"),
        ("exact + 1", ("sex",), "E-CONFIG-040", "not understood"),
        ("__import__('os')", ("sex",), "E-CONFIG-040", "not understood"),
        ("full_name.osa < 2", ("full_name",), "E-CONFIG-040", "not understood"),
        ("0 <= full_name.osa <= 2", ("full_name",), "E-CONFIG-040", "not understood"),
        ("full_name.osa <= 'a'", ("full_name",), "E-CONFIG-040", "not understood"),
        ("exact", ("sex", "phone"), "E-CONFIG-041", "sex.exact"),
        ("phone.exact", ("sex",), "E-CONFIG-042", "own columns"),
        ("exact", ("colour",), "E-CONFIG-043", "no source declares"),
        ("full_name.phonetik", ("full_name",), "E-CONFIG-044", "Did you mean 'phonetic'?"),
        ("birth_date.osa <= 1", ("birth_date",), "E-CONFIG-044", "kind date"),
    ],
)
def test_conditions__that_are_wrong_are_refused(
    when: str, columns: tuple[str, ...], code: str, words: str
) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        compile_parts([part("part", columns, when, "always")], small.KINDS)
    assert caught.value.code == code


def test_parts__need_a_last_level_for_every_pair() -> None:
    with pytest.raises(ConfigError, match="takes every pair") as caught:
        compile_parts([part("part", ("sex",), "null", "exact")], small.KINDS)
    assert caught.value.code == "E-CONFIG-045"


def test_parts__of_too_many_patterns_are_refused() -> None:
    many = [part(f"p{i}", ("sex",), *["exact"] * 7, "always") for i in range(9)]
    with pytest.raises(ConfigError, match="134,217,728 patterns") as caught:
        compile_parts(many, small.KINDS)
    assert caught.value.code == "E-CONFIG-046"


def test_conditions__are_compiled_by_several_threads_at_once() -> None:
    """CPython 3.11 raises SystemError where two threads parse and one of them is interrupted to collect."""
    program = """
import gc, sys, threading, time
from linkage.levels import Level, Part, compile_parts
sys.setswitchinterval(1e-6)
gc.set_threshold(20)
class Collected:
    def __del__(self):
        for _ in range(50):
            pass
near = Level("near", "(exact or bare) and not (given or (surname and phonetic))")
parts = [Part("name", ("name",), (near, Level("other", "always")))]
failed, end = [], time.monotonic() + 4
def compiling():
    while time.monotonic() < end and not failed:
        held = Collected()
        held.itself = held
        del held
        try:
            compile_parts(parts, {"name": "name"})
        except SystemError as fault:
            failed.append(fault)
threads = [threading.Thread(target=compiling) for _ in range(4)]
for one in threads:
    one.start()
for one in threads:
    one.join()
sys.exit(len(failed))
"""
    root = Path(__file__).resolve().parents[2]
    assert subprocess.run([sys.executable, "-c", program], cwd=root, check=False).returncode == 0
