from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linkage.levels import Level, Part, compile_parts
from linkage.model import Model
from linkage.scored import Counted
from linkage.train import (
    KNOWN_FROM,
    Evidence,
    expectation_maximisation,
    level_counts,
    parts_to_count,
    some_parts,
    train,
    trained_parts,
    widened,
)
from tests.linkage import small

PARTS = (
    Part(
        "number",
        ("personal_number",),
        (Level("null", "null"), Level("same", "exact", group="same"), Level("different", "always")),
    ),
    Part(
        "name",
        ("full_name",),
        (Level("null", "null"), Level("exact", "exact"), Level("near", "given"), Level("other", "always")),
    ),
    Part("birth", ("birth_date",), (Level("null", "null"), Level("same", "exact"), Level("other", "always"))),
    Part("sex", ("sex",), (Level("null", "null"), Level("same", "exact"), Level("other", "always"))),
    Part("unit", ("commune",), (Level("null", "null"), Level("same", "overlap"), Level("other", "always"))),
)
PROGRAMME = compile_parts(PARTS, small.KINDS)
SHAPE = PROGRAMME.shape

#: The truth by part: shares of the levels behind null, among matches and among strangers.
M = [[0.96, 0.04], [0.9, 0.07, 0.03], [0.97, 0.03], [0.995, 0.005], [0.8, 0.2]]
U = [[1e-6, 1 - 1e-6], [0.002, 0.05, 0.948], [0.01, 0.99], [0.5, 0.5], [0.03, 0.97]]
NULL = 0.06


def product(shares: Sequence[Sequence[float]], null: float = NULL) -> np.ndarray:
    """The chance of every pattern when parts are independent, as a table over levels."""
    table = np.ones(())
    for own in shares:
        level = np.array([null, *(np.array(own) * (1 - null))])
        table = np.multiply.outer(table, level)
    return table


def drawn(table: np.ndarray, pairs: int, seed: int) -> Counted:
    """So many pairs drawn from a table of chances."""
    counts = np.random.default_rng(seed).multinomial(pairs, table.ravel() / table.sum())
    some = np.flatnonzero(counts)
    return Counted(some.astype(np.uint32), counts[some].astype(np.int64))


def of_rule(part: int, share: float, pairs: int, seed: int, m: Sequence[Sequence[float]] = M) -> Counted:
    """Pairs of a rule's blocks: all agree on the rule's part, ``share`` of them are matches."""

    def agreeing(shares: Sequence[Sequence[float]]) -> np.ndarray:
        own = [list(s) for s in shares]
        own[part] = [1.0] + [0.0] * (len(own[part]) - 1)
        table = product(own)
        index = [slice(None)] * len(own)
        index[part] = slice(0, 1)
        table[tuple(index)] = 0
        return table / table.sum()

    return drawn(share * agreeing(m) + (1 - share) * agreeing(U), pairs, seed)


NONE = Counted(np.zeros(0, np.uint32), np.zeros(0, np.int64))
RULES = {"by birth": (2, 0.3), "by name": (1, 0.5), "by unit": (4, 0.1)}


def evidence(**changed: object) -> Evidence:
    made = {
        "rules": {name: of_rule(part, share, 200_000, part) for name, (part, share) in RULES.items()},
        "groups": {"same": of_rule(0, 0.995, 200_000, 9)},
        "rule_columns": {name: PARTS[part].columns for name, (part, _) in RULES.items()},
        "random": drawn(product(U), 3_000_000, 20),
        "register": [],
        "equality": {},
        "n_agency": 150_000,
        "n_register": 200_000,
        "present": {},
        "lost": 0.01,
        "mean_frequency": {"exact": 0.001, "ascii": 0.002, "ends": 0.01},
        "group_share": {"same": 1.0},
    }
    return Evidence(**{**made, **changed})  # type: ignore[arg-type]


def trained_levels(model: Model, attribute: str, part: int) -> list[float]:
    return [getattr(level, attribute) for level in model.parts[part].levels[1:]]


def behind_null(shares: Sequence[Sequence[float]]) -> list[np.ndarray]:
    return [np.array([0.0, *own]) for own in shares]


def run_em(counted: Counted, **options: object):
    start = [np.array([0.0, 0.9, *([0.1 / (len(s) - 1)] * (len(s) - 1))]) for s in M]
    return expectation_maximisation(
        PROGRAMME.levels_of(counted.patterns),
        counted.counts,
        start,
        behind_null(U),
        on=[1, 2, 3, 4],
        **options,  # type: ignore[arg-type]
    )


@pytest.mark.parametrize("share", [0.02, 0.3, 0.9])
def test_em__recovers_the_parameters_that_patterns_were_drawn_from(share: float) -> None:
    pairs = 400_000
    fitted = run_em(drawn(share * product(M) + (1 - share) * product(U), pairs, 3))
    assert fitted.converged
    assert fitted.m[0].tolist() == [0.0, 0.9, 0.1], "the part that is off"
    assert fitted.share == pytest.approx(share, rel=0.03)
    for part in (1, 2, 3, 4):
        # Five standard errors of a share among the matches, twice over for what is not certain of them.
        error = 10 * np.sqrt(np.array(M[part]) / (share * pairs)) + 1e-3
        assert (np.abs(fitted.m[part][1:] - M[part]) < error).all(), part
        assert fitted.m[part].sum() == pytest.approx(1.0)
        assert fitted.m[part][0] == 0.0
        assert np.array_equal(fitted.u[part][1:], U[part])
    assert sum(fitted.expected[1]) == pytest.approx(share * pairs * (1 - NULL), rel=0.03)


def test_em__learns_chance_agreement_where_it_is_asked_to() -> None:
    relatives = [[0.5, 0.5], [0.05, 0.25, 0.7], [0.05, 0.95], [0.45, 0.55], [0.7, 0.3]]
    counted = drawn(0.9 * product(M) + 0.1 * product(relatives), 400_000, 5)
    fitted = run_em(counted, learn_u=True)
    assert fitted.share == pytest.approx(0.9, abs=0.01)
    for part in (1, 2, 3, 4):
        assert fitted.u[part][1:] == pytest.approx(relatives[part], abs=0.03)
    assert fitted.u[0].tolist() == [0.0, *U[0]]


def test_em__says_when_it_did_not_converge() -> None:
    fitted = run_em(drawn(0.3 * product(M) + 0.7 * product(U), 50_000, 6), iterations=3)
    assert not fitted.converged
    assert fitted.iterations == 3


def test_em__does_not_depend_on_the_order_of_patterns() -> None:
    counted = drawn(0.3 * product(M) + 0.7 * product(U), 50_000, 7)
    order = np.random.default_rng(1).permutation(counted.patterns.shape[0])
    one, two = run_em(counted), run_em(Counted(counted.patterns[order], counted.counts[order]))
    assert one.share == pytest.approx(two.share, rel=1e-9)
    for part in range(5):
        assert one.m[part] == pytest.approx(two.m[part], abs=1e-9)


@settings(deadline=None)
@given(st.lists(st.dictionaries(st.integers(0, 9), st.integers(1, 5)), max_size=5))
def test_counted__total_is_the_sorted_sum_in_any_order(parts: list[dict[int, int]]) -> None:
    counted = [Counted(np.array(list(p), np.uint32), np.array(list(p.values()), np.int64)) for p in parts]
    for some in (counted, counted[::-1]):
        total = Counted.total_of(some)
        wanted = {k: sum(p.get(k, 0) for p in parts) for k in sorted({k for p in parts for k in p})}
        assert dict(zip(total.patterns.tolist(), total.counts.tolist(), strict=True)) == wanted
        assert total.patterns.tolist() == list(wanted)


@pytest.fixture(scope="module")
def model() -> Model:
    return train(PROGRAMME, evidence())


def test_train__recovers_m_and_u_from_several_rules(model: Model) -> None:
    assert model.converged
    assert model.warnings == []
    for part in (1, 2, 3, 4):
        assert trained_levels(model, "m", part) == pytest.approx(M[part], abs=0.006)
        assert trained_levels(model, "u", part) == pytest.approx(U[part], rel=0.05)
    shares = {t.rule: t.matched_share for t in model.training}
    assert shares["identifier:same"] == pytest.approx(0.995, abs=0.002)
    for name, (_, share) in RULES.items():
        assert shares[name] == pytest.approx(share, abs=0.01)


def test_train__switches_off_what_a_rule_reads(model: Model) -> None:
    parts = {t.rule: t.parts for t in model.training}
    for name, (part, _) in RULES.items():
        assert parts[name] == [p.name for i, p in enumerate(PARTS) if i != part]
    assert parts["identifier:same"] == ["name", "birth", "sex", "unit"]
    # In the spread stands what each of them found: three rules and the identifier, or two rules and it.
    assert [len(p.levels[1].spread) for p in model.parts] == [3, 3, 3, 4, 3]


def test_train__learns_how_often_an_identifier_agrees_by_chance() -> None:
    relatives = [[1.0, 0.0], [0.05, 0.25, 0.7], [0.05, 0.95], [0.45, 0.55], [0.7, 0.3]]
    alike = [[1.0, 0.0], *M[1:]]
    pairs, share = 300_000, 0.9

    def within(shares: Sequence[Sequence[float]]) -> np.ndarray:
        table = product(shares)
        table[[0, 2]] = 0
        return table / table.sum()

    group = drawn(share * within(alike) + (1 - share) * within(relatives), pairs, 8)
    for counted_share in (1.0, 0.25):
        made = train(PROGRAMME, evidence(groups={"same": group}, group_share={"same": counted_share}))
        for part in (1, 2, 3, 4):
            found = [level.chance["same"] for level in made.parts[part].levels[1:]]
            assert found == pytest.approx(relatives[part], abs=0.03), part
        # Wrong pairs of that number among all pairs of an agency and a register record.
        wanted = (1 - share) * pairs / counted_share / 150_000 / 200_000
        assert made.parts[0].levels[1].u == pytest.approx(wanted, rel=0.03)
        assert "blocks of 'same'" in made.parts[0].levels[1].u_from


def test_train__says_that_an_identifier_never_agreed() -> None:
    made = train(PROGRAMME, evidence(groups={}))
    assert any("'same'" in w and "default" in w for w in made.warnings)
    assert 0 < made.parts[0].levels[1].u < 1e-10


def test_train__says_what_did_not_converge() -> None:
    made = train(PROGRAMME, evidence(), iterations=2)
    assert not made.converged
    for name in ("identifier:same", *RULES):
        assert any(f"'{name}'" in w and "did not converge" in w for w in made.warnings)
    assert all(t.iterations <= 2 for t in made.training)


def test_train__says_which_levels_were_never_observed() -> None:
    never = [list(own) for own in M]
    never[1] = [0.95, 0.0, 0.05]
    unseen = {name: of_rule(part, 1.0, 50_000, part, never) for name, (part, _) in RULES.items()}
    made = train(PROGRAMME, evidence(rules=unseen, groups={"same": of_rule(0, 1.0, 50_000, 9, never)}))
    assert "level 'name.near' was never observed among matches" in made.warnings
    assert not any("name.exact" in w for w in made.warnings)
    # What was never seen stays possible.
    assert made.parts[1].levels[2].m > 0
    assert made.parts[1].levels[2].observed < 1


def test_train__says_that_a_rule_has_no_pairs() -> None:
    made = train(PROGRAMME, evidence(rules={"by name": NONE, "by birth": evidence().rules["by birth"]}))
    assert "training rule 'by name' has no pairs" in made.warnings


def test_train__says_that_a_rule_reads_columns_of_every_comparison() -> None:
    every = [column for part in PARTS for column in part.columns]
    columns = {**evidence().rule_columns, "by name": every}
    made = train(PROGRAMME, evidence(rule_columns=columns))
    assert "training rule 'by name' trains nothing: it reads columns of every comparison" in made.warnings
    assert [t.rule for t in made.training] == ["identifier:same", "by birth", "by unit"]
    assert made.converged


def test_train__from_which_nothing_is_learned_has_not_converged() -> None:
    every = [column for part in PARTS for column in part.columns]
    idle = evidence(
        groups={}, rules={"by name": evidence().rules["by name"]}, rule_columns={"by name": every}
    )
    made = train(PROGRAMME, idle)
    assert made.training == []
    assert not made.converged


def test_train__keeps_what_is_fixed() -> None:
    name = PARTS[1]
    levels = (
        name.levels[0],
        Level("exact", "exact", m=0.5, u=0.25),
        Level("near", "given", u=0.125),
        name.levels[3],
    )
    programme = compile_parts((PARTS[0], Part("name", name.columns, levels), *PARTS[2:]), small.KINDS)
    made = train(programme, evidence())
    exact, near = made.parts[1].levels[1], made.parts[1].levels[2]
    assert (exact.m, exact.m_from, exact.u, exact.u_from) == (0.5, "fixed", 0.25, "fixed")
    assert (near.u, near.u_from, near.m_from) == (0.125, "fixed", "em")


def test_train__counts_rare_agreement_instead_of_sampling_it() -> None:
    few = drawn(product(U), 10_000, 21)
    made = train(PROGRAMME, evidence(random=few, equality={("name", "exact"): 0.0021}))
    assert made.parts[1].levels[1].u == pytest.approx(0.0021)
    assert made.parts[1].levels[1].u_from == "value counts"
    assert made.parts[1].levels[2].u_from == "random pairs"


def test_train__is_the_same_for_the_same_evidence(model: Model) -> None:
    again = train(PROGRAMME, evidence())
    assert again == model
    assert again.model_id == model.model_id
    other = train(PROGRAMME, evidence(lost=0.02))
    assert msgspec.structs.replace(other, lost=0.01, model_id="") == msgspec.structs.replace(
        model, model_id=""
    )
    assert other.model_id != model.model_id


def dependent() -> np.ndarray:
    """Register pairs: one in fifty are relatives, who share a unit and half a name far more often."""
    relatives = [U[0], [0.002, 0.8, 0.198], U[2], U[3], [0.9, 0.1]]
    return 0.98 * product(U, 0.0) + 0.02 * product(relatives, 0.0)


def test_train__corrects_what_independence_gets_wrong_by_its_true_size() -> None:
    n = 4_000
    pairs = n * (n - 1) // 2
    truth = dependent()
    made = train(
        PROGRAMME,
        evidence(
            random=drawn(truth, 20_000_000, 22),
            register=[(drawn(truth, pairs, 23), 1.0)],
            n_register=n,
            present={p.name: 1.0 for p in PARTS},
        ),
    )
    rest = truth.sum(axis=0)
    single = [rest.sum(axis=tuple(a for a in range(4) if a != axis)) for axis in range(4)]
    found = {tuple(c.levels): c for c in made.corrections}
    checked = 0
    for levels in itertools.product(*(range(len(s)) for s in single)):
        index = tuple(slice(None) if level == 0 else level for level in levels)
        together = float(np.sum(rest[index]))
        apart = math.prod(float(single[axis][level]) for axis, level in enumerate(levels) if level)
        bits = math.log2(together / apart) if together else 0.0
        if levels in found:
            error = 5 / math.sqrt(found[levels].pairs) / math.log(2) + 0.03
            assert found[levels].bits == pytest.approx(bits, abs=error), levels
            assert found[levels].pairs == pytest.approx(together * pairs, rel=0.5, abs=50)
            checked += 1
        elif levels[0] == 2 and levels[3] == 1 and together * pairs > 1000:
            # Half a name and one unit: what the relatives have more often.
            assert bits < 0.3, levels
    assert checked >= 4
    # A pair of name and unit alone: seven times what independence says.
    assert found[(2, 0, 0, 1)].bits > 2
    # Nothing is ever corrected downward.
    assert all(c.bits > 0.25 and c.pairs >= 3 for c in made.corrections)


def test_train__corrects_nothing_where_parts_are_independent() -> None:
    n = 2_000
    made = train(
        PROGRAMME,
        evidence(
            random=drawn(product(U, 0.0), 20_000_000, 24),
            register=[(drawn(product(U, 0.0), n * (n - 1) // 2, 25), 1.0)],
            n_register=n,
            present={p.name: 1.0 for p in PARTS},
        ),
    )
    assert all(c.pairs < 200 for c in made.corrections)


def test_train__pairs_of_which_a_share_was_counted_stand_for_all() -> None:
    n = 4_000
    pairs = n * (n - 1) // 2
    truth = dependent()
    rest = {"n_register": n, "present": {p.name: 1.0 for p in PARTS}, "random": drawn(truth, 20_000_000, 22)}
    # Half of the pairs belong to a rule that is counted whole, half to one of which a fifth is.
    some = [(drawn(truth, pairs // 2, 26), 1.0), (drawn(truth, pairs // 10, 27), 0.2)]
    whole = train(PROGRAMME, evidence(register=[(drawn(truth, pairs, 23), 1.0)], **rest))
    thinned = train(PROGRAMME, evidence(register=some, **rest))
    wanted = {tuple(c.levels): c for c in whole.corrections}
    found = {tuple(c.levels): c for c in thinned.corrections}
    often = [levels for levels, c in wanted.items() if c.pairs > 2_000]
    assert len(often) >= 3
    for levels in often:
        assert found[levels].bits == pytest.approx(wanted[levels].bits, abs=0.25), levels
        assert found[levels].pairs == pytest.approx(0.6 * wanted[levels].pairs, rel=0.1)
    # One pair in five counted is no reason to believe in five.
    assert all(c.pairs >= 3 for c in thinned.corrections)


def test_parts_to_count__are_those_with_a_level_that_was_seldom_seen() -> None:
    counted = drawn(product(U), 100_000, 28)
    counts = level_counts(PROGRAMME, counted)
    assert [c.sum() for c in counts] == [100_000] * 5
    twin = [[0] * n for n in SHAPE]
    for pattern, pairs in zip(counted.patterns.tolist(), counted.counts.tolist(), strict=True):
        for part, level in enumerate(np.unravel_index(pattern, SHAPE)):
            twin[part][level] += pairs
    assert [c.tolist() for c in counts] == twin
    # Exact names are rare, and birth dates; numbers that agree are not asked for here.
    assert parts_to_count(PROGRAMME, twin) == [1, 2]
    assert parts_to_count(PROGRAMME, [[KNOWN_FROM] * n for n in SHAPE]) == [0, 1, 2, 3, 4]


def test_trained_parts__are_those_that_read_no_fixed_column() -> None:
    assert trained_parts(PROGRAMME, ("full_name", "sex")) == [0, 2, 4]
    assert trained_parts(PROGRAMME, ()) == [0, 1, 2, 3, 4]


@settings(deadline=None, max_examples=40)
@given(st.sets(st.integers(0, 4), min_size=1), st.lists(st.integers(0, 10**6), max_size=20))
def test_widened__keeps_the_levels_of_the_parts_and_the_others_at_null(
    chosen: set[int], raw: list[int]
) -> None:
    places = sorted(chosen)
    some = some_parts(PROGRAMME, places, small.KINDS)
    assert [p.name for p in some.parts] == [PARTS[i].name for i in places]
    patterns = np.unique(np.array([r % some.n_patterns for r in raw], np.uint32))
    wide = widened(Counted(patterns, np.ones(patterns.shape[0], np.int64)), some, PROGRAMME, places)
    levels = PROGRAMME.levels_of(wide.patterns)
    assert np.array_equal(levels[:, places], some.levels_of(patterns))
    assert (np.delete(levels, places, axis=1) == 0).all()
    assert (np.diff(wide.patterns.astype(np.int64)) > 0).all()
