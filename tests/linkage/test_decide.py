from __future__ import annotations

import math
import random
from dataclasses import dataclass, field, fields

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linkage.config import Decision
from linkage.decide import Standards, Subjects, near_share
from linkage.decisions import CONFLICT, DECISIONS, INELIGIBLE, LINK, NEW, REVIEW, SETTLED, Decided
from linkage.levels import Level, Part, compile_parts
from linkage.model import LevelModel, Model, PartModel, Weights, identify, weigh
from linkage.posterior import UNFORESEEN
from linkage.reasons import BIT, reason_lists
from linkage.rehearsal import BANDS, Rehearsal
from linkage.scored import Scored
from tests.linkage import small
from tests.linkage.deciding import decide

PARTS = (
    Part(
        "number",
        ("personal_number",),
        (
            Level("null", "null"),
            Level("same", "exact", group="same"),
            Level("near", "one_digit", group="near"),
            Level("different", "always"),
        ),
    ),
    Part(
        "name",
        ("full_name",),
        (Level("null", "null"), Level("same", "exact"), Level("other", "always", link=False)),
    ),
)
PROGRAMME = compile_parts(PARTS, small.KINDS)
REGISTER = 1000
NUMBER = {"null": 0, "same": 1, "near": 2, "different": 3}
NAME = {"null": 0, "same": 1, "other": 2}
#: Rows of the agencies begin here.
FIRST = 1000


def model(near: float = 0.006, different: float = 0.014) -> Model:
    shares = {"number": [0.0, 0.98, near, different], "name": [0.0, 0.95, 0.05]}
    return identify(
        Model(
            register=REGISTER,
            parts=[
                PartModel(
                    name=part.name,
                    columns=list(part.columns),
                    levels=[
                        LevelModel(name=level.name, when=level.when, m=m or 1.0, u=0.5)
                        for level, m in zip(part.levels, shares[part.name], strict=True)
                    ],
                )
                for part in PARTS
            ],
            corrections=[],
            mean_frequency={},
            lost=0.002,
            training=[],
            converged=True,
            warnings=[],
        )
    )


WEIGHTS: Weights = weigh(model(), PROGRAMME)


@dataclass
class Record:
    """One agency record: its candidates (person, bits, bits without the number, number level, name level)."""

    candidates: list[tuple[int, float, float, str, str]] = field(default_factory=list)
    state: int = 2
    informed: bool = True
    source: int = 1


def certain(person: int) -> Record:
    return Record([(person, 50.0, 30.0, "same", "same")])


CROWD = [certain(500 + i) for i in range(300)]


def counted(
    records: list[Record],
    demands: Decision | None = None,
    crowd: bool = True,
    forced: list[int] | None = None,
    settled: list[bool] | None = None,
    **options: object,
) -> tuple[Decided, dict[str, list]]:
    """Decide ``records`` beside a crowd of certain ones, so that shares and sets are as in a real source."""
    everyone = [*records, *(CROWD if crowd else [])]
    rows = [
        (FIRST + row, person, bits, blind, NUMBER[number] * 3 + NAME[name])
        for row, record in enumerate(everyone)
        for person, bits, blind, number, name in record.candidates
    ]
    rows.reverse()
    scored = Scored(
        np.array([r[0] for r in rows], np.uint32),
        np.array([r[1] for r in rows], np.uint32),
        np.array([r[4] for r in rows], np.uint32),
        np.zeros(len(rows), np.uint8),
        np.array([round(r[2] * 1024) for r in rows], np.int32),
        np.array([round(r[3] * 1024) for r in rows], np.int32),
    )
    return decide(
        scored,
        Subjects(
            np.array([r.source for r in everyone], np.uint8),
            np.arange(len(everyone), dtype=np.uint64),
            np.array([r.state for r in everyone], np.int64),
            np.array([r.informed for r in everyone]),
        ),
        np.arange(REGISTER, dtype=np.uint64),
        FIRST,
        Standards(PROGRAMME, model(), WEIGHTS, [demands or Decision()] * 3),
        forced=None if forced is None else np.array([*forced, *([-1] * len(CROWD))], np.int64),
        settled=None if settled is None else np.array([*settled, *([False] * len(CROWD))]),
        settling=scored.pattern == NUMBER["same"] * 3 + NAME["same"],
        **options,  # type: ignore[arg-type]
    )


def decided(
    records: list[Record],
    demands: Decision | None = None,
    crowd: bool = True,
    forced: list[int] | None = None,
) -> Decided:
    return counted(records, demands, crowd, forced)[0]


def reasons(out: Decided, row: int = 0) -> list[str]:
    return reason_lists(out.reasons[row : row + 1]).to_list()[0]


def test_decide__links_a_single_good_candidate() -> None:
    out = decided([Record([(7, 40.0, 25.0, "same", "same"), (9, 2.0, 2.0, "different", "same")])])
    assert out.decision[0] == LINK
    assert (out.person[0], out.runner_up[0]) == (7, 9)
    assert out.weight[0] == 40 * 1024
    assert out.margin[0] == 38 * 1024
    assert out.probability[0] == out.p_link[0] > 0.999999
    assert reasons(out) == ["number_same", "evidence_agrees"]
    best = out.pair[0]
    assert (out.scored.left[best], out.scored.right[best]) == (FIRST, 7)


def test_decide__without_a_second_candidate_the_margin_is_the_weight() -> None:
    out = decided([certain(7)])
    assert (out.decision[0], out.runner_up[0]) == (LINK, -1)
    assert out.margin[0] == out.weight[0] == 50 * 1024


def test_decide__a_tie_between_two_people_is_a_conflict() -> None:
    out = decided([Record([(7, 40.0, 25.0, "null", "same"), (9, 40.0, 25.0, "null", "same")], state=0)])
    assert out.decision[0] == CONFLICT
    assert {int(out.person[0]), int(out.runner_up[0])} == {7, 9}
    assert out.margin[0] == 0
    assert out.p_link[0] == pytest.approx(0.5, abs=1e-3)
    assert "register_double" in reasons(out)


def test_decide__a_close_second_candidate_goes_to_review() -> None:
    out = decided([Record([(7, 40.0, 25.0, "null", "same"), (9, 37.0, 25.0, "null", "same")], state=0)])
    assert out.decision[0] == REVIEW
    assert out.person[0] == 7
    assert out.p_link[0] == pytest.approx(8 / 9, abs=1e-3)
    assert {"second_candidate", "record_below"} <= set(reasons(out))


def test_decide__the_number_of_one_and_the_name_of_another_are_a_conflict() -> None:
    # The number's holder leads, but by name and birth the second is far better.
    strong = math.log2(REGISTER) + 20
    out = decided([Record([(7, 40.0, -10.0, "same", "same"), (9, strong, strong, "different", "same")])])
    assert out.decision[0] == CONFLICT
    assert "number_against_name" in reasons(out)
    # As long as the other fits no better by more than eight bits, or is not likely at all, it is none.
    for blind, wanted in [((strong - 7), LINK), (-10.0, LINK)]:
        other = (9, strong if blind > 0 else -5.0, strong if blind > 0 else -1.0, "different", "same")
        out = decided([Record([(7, 60.0, blind, "same", "same"), other])])
        assert out.decision[0] == wanted


def test_decide__never_links_another_given_name() -> None:
    out = decided([Record([(7, 60.0, 30.0, "same", "other")])])
    assert out.decision[0] == REVIEW
    assert out.p_link[0] > 0.9999
    assert "given_name_differs" in reasons(out)
    assert out.person[0] == 7


def test_decide__nobody_for_an_unheld_number_is_new() -> None:
    # Fifteen of three hundred have an unheld number and no candidate: mostly unregistered people.
    out = decided([Record(state=1) for _ in range(15)])
    assert (out.decision[:15] == NEW).all()
    assert (out.person[:15] == -1).all()
    assert (out.pair[:15] == -1).all()
    assert (out.probability[:15] == out.p_unregistered[:15]).all()
    assert out.probability[0] > 0.99
    assert reasons(out) == ["not_in_register"]


def test_decide__somebody_without_candidate_may_have_been_missed() -> None:
    # A held number, and nobody found: somebody whom the rules lost, or a stranger's slip.
    out = decided([Record(state=2)])
    assert out.decision[0] == REVIEW
    assert "candidate_may_be_missed" in reasons(out)


def test_decide__too_little_is_ineligible() -> None:
    out = decided(
        [Record(state=0, informed=False), Record([(7, 3.0, 3.0, "null", "null")], 0, informed=False)]
    )
    assert out.decision[:2].tolist() == [INELIGIBLE, INELIGIBLE]
    assert out.person[:2].tolist() == [-1, -1]
    assert all("too_little" in reasons(out, row) for row in (0, 1))


def doubtful(count: int, bits: float) -> list[Record]:
    return [Record([(i, bits, bits, "null", "same")], state=0) for i in range(count)]


def test_decide__links_no_record_below_its_own_least() -> None:
    # Odds of 8 to 1 against a prior of a thousand strangers.
    out = decided(doubtful(5, math.log2(REGISTER) - 4), Decision(precision=0.5, record_min=0.99))
    assert (out.decision[:5] == REVIEW).all()
    assert (out.p_link[:5] < 0.99).all()
    assert "record_below" in reasons(out)
    out = decided(doubtful(5, math.log2(REGISTER) - 4), Decision(precision=0.5, record_min=0.5))
    assert (out.decision[:5] == LINK).all()


@pytest.mark.parametrize("precision", [0.99, 0.999, 0.9999])
def test_decide__keeps_the_promised_precision_of_a_source(precision: float) -> None:
    # One more stranger: ever more doubtful records, each against an unknown share of none.
    records = [
        Record(
            [(i, math.log2(REGISTER) + 4 - i / 40, 5.0, "null", "same"), (999, 8.0, 5.0, "null", "same")],
            state=0,
        )
        for i in range(200)
    ]
    out, counts = counted(records, Decision(precision=precision, record_min=0.6))
    linked = out.decision == LINK
    assert 300 < linked.sum() < 500
    assert (1 - out.p_link[linked]).mean() <= 1 - precision
    refused = np.flatnonzero(~linked)
    assert out.p_link[refused].max() <= out.p_link[linked].min()
    best = refused[np.argmax(out.p_link[refused])]
    more = np.append(out.p_link[linked], out.p_link[best])
    assert (1 - more).mean() > 1 - precision
    assert "set_below" in reasons(out, int(best))
    (estimate,) = [e for e in counts["estimates"] if e["links"]]
    assert estimate["links"] == linked.sum()
    unforeseen = UNFORESEEN * linked.sum()
    assert estimate["expected"] == pytest.approx((1 - out.p_link[linked]).sum() + unforeseen, abs=1e-8)
    assert estimate["low"] <= estimate["expected"] <= estimate["high"]


def test_decide__judges_each_source_for_itself() -> None:
    doubts = [Record([(i, 13.0, 13.0, "null", "same")], state=0, source=2) for i in range(20)]
    alone, counts = counted(doubts, Decision(precision=0.9999))
    assert not (alone.decision[:20] == LINK).any()
    assert (alone.decision[20:] == LINK).all()
    assert [e["links"] for e in counts["estimates"]] == [0, 300, 0]


def test_decide__does_not_depend_on_the_order_of_pairs_or_of_records() -> None:
    records = [
        Record([(7, 40.0, 25.0, "same", "same"), (9, 40.0, 30.0, "near", "same")]),
        *doubtful(20, math.log2(REGISTER) + 3),
        Record(state=1),
    ]
    one = decided(records)
    rows = np.random.default_rng(1).permutation(one.scored.left.shape[0])
    two, _ = decide(
        one.scored.where(rows),
        Subjects(
            np.ones(322, np.uint8),
            np.arange(322, dtype=np.uint64),
            np.array([r.state for r in [*records, *CROWD]]),
            np.ones(322, bool),
        ),
        np.arange(REGISTER, dtype=np.uint64),
        FIRST,
        Standards(PROGRAMME, model(), WEIGHTS, [Decision()] * 3),
    )
    for name in ("decision", "person", "runner_up", "weight", "margin", "probability", "reasons"):
        assert np.array_equal(getattr(one, name), getattr(two, name)), name


def test_decide__a_confirmed_judgement_links_whatever_the_evidence() -> None:
    strong = math.log2(REGISTER) + 20
    records = [
        Record([(7, 40.0, -10.0, "same", "same"), (9, strong, strong, "different", "same")]),
        Record([(7, 60.0, 30.0, "same", "other")]),
        Record(state=1),
        Record([(8, 40.0, 25.0, "same", "same")]),
    ]
    before = decided(records)
    assert before.decision[:4].tolist() == [CONFLICT, REVIEW, NEW, LINK]
    out = decided(records, forced=[9, 7, 4, -1])
    assert out.decision[:4].tolist() == [LINK] * 4
    assert out.person[:4].tolist() == [9, 7, 4, 8]
    assert out.p_link[:3].tolist() == [1.0] * 3
    assert all("must_link" in reasons(out, row) for row in range(3))
    assert "must_link" not in reasons(out, 3)
    # Only a pair that was scored settles it.
    assert out.pair[2] == -1
    assert out.scored.right[out.pair[1]] == 7


def test_decide__without_any_pair() -> None:
    out = decided([Record(state=1), Record(state=0, informed=False)], crowd=False)
    assert out.decision[1] == INELIGIBLE
    assert out.person.tolist() == out.runner_up.tolist() == out.pair.tolist() == [-1, -1]


def test_decide__a_number_is_absent_only_where_the_record_holds_none() -> None:
    out = decided([Record(state=0), Record(state=1), Record(state=2), Record(state=0, informed=False)])
    assert ["number_absent" in reasons(out, row) for row in range(4)] == [True, False, False, True]
    assert all(reasons(out, row) for row in range(4))


def test_decisions__have_names_in_the_order_of_their_numbers() -> None:
    assert [DECISIONS[i] for i in (LINK, REVIEW, NEW, CONFLICT, INELIGIBLE)] == [
        "link", "review", "new", "conflict", "ineligible",
    ]  # fmt: skip


def test_near_share__is_of_the_wrong_numbers_that_are_one_slip_off() -> None:
    assert near_share(model(0.006, 0.014), PROGRAMME) == pytest.approx(0.3)
    assert near_share(model(), compile_parts(PARTS[1:], small.KINDS)) == 0.0


def test_total__counts_links_by_band_and_records_by_source() -> None:
    out, counts = counted([*doubtful(40, math.log2(REGISTER) + 8), Record(state=0), Record(source=2)])
    bands = counts["calibration"]
    linked = out.p_link[out.decision == LINK]
    assert sum(b["links"] for b in bands) == linked.shape[0]
    assert sum(b["expected_false"] for b in bands) == pytest.approx((1 - linked).sum(), abs=1e-9)
    for band in bands:
        inside = (linked >= band["from"]) & (linked < band["to"])
        assert band["links"] == inside.sum() + ((linked == 1.0).sum() if band["to"] == 1.0 else 0)
    assert BIT["evidence_agrees"] & int(out.reasons[0])
    own = [0] * 5
    own[out.decision[41]] = 1
    assert counts["decisions"] == [
        [0] * 5,
        (np.bincount(out.decision, minlength=5) - own).tolist(),
        own,
    ]


def mixed(rng: random.Random) -> list[Record]:
    """Records of every sort: sure, doubtful, tied, contradicted, new, poor."""
    out = []
    for _ in range(rng.randint(1, 60)):
        state = rng.choice([0, 0, 1, 2, 2, 3, 4])
        others = [
            (
                rng.randrange(REGISTER),
                rng.uniform(-5, 22),
                rng.uniform(-5, 30),
                rng.choice(list(NUMBER)),
                name,
            )
            for name in rng.choices(["same", "other", "null"], k=rng.choice([0, 1, 1, 2, 4]))
        ]
        out.append(Record(others, state, rng.random() < 0.9, rng.choice([1, 1, 2])))
        if others and rng.random() < 0.3:
            out[-1].candidates.append((rng.randrange(REGISTER), *others[0][1:]))
    return out


@settings(deadline=None, max_examples=60)
@given(st.randoms(use_true_random=False), st.lists(st.integers(0, 400), max_size=5))
def test_decide__does_not_depend_on_the_ranges(rng: random.Random, cuts: list[int]) -> None:
    records = mixed(rng)
    n = len(records) + len(CROWD)
    forced = [rng.choice([-1, -1, -1, rng.randrange(REGISTER)]) for _ in records]
    settled = [rng.random() < 0.3 and any(c[3] == c[4] == "same" for c in r.candidates) for r in records]
    demands = Decision(precision=rng.choice([0.9, 0.99, 0.9999]), record_min=0.6, new=0.98)
    heard = Rehearsal(np.full(BANDS, 1.7), np.ones(BANDS), np.ones(BANDS), np.ones(BANDS), 9)
    options = {"settled": settled, "rehearsal": rng.choice([None, heard])}
    whole, counts = counted(records, demands, True, forced, **options)
    ranges = [min(c, n) for c in cuts]
    again, others = counted(records, demands, True, forced, ranges=ranges, **options)
    assert counts == others
    for part in fields(Decided):
        one, other = getattr(whole, part.name), getattr(again, part.name)
        if isinstance(one, np.ndarray):
            assert np.array_equal(one, other), part.name
    for part in fields(Scored):
        assert np.array_equal(getattr(whole.scored, part.name), getattr(again.scored, part.name))
    assert np.array_equal(whole.prior.registered, again.prior.registered)


def test_decide__a_settled_record_has_its_settling_pair_alone() -> None:
    tied = Record([(7, 40.0, 25.0, "same", "same"), (9, 40.0, 30.0, "different", "same")])
    open_, _ = counted([tied, certain(3)])
    assert open_.decision[0] == CONFLICT
    out, _ = counted([tied, certain(3)], settled=[True, False])
    alone, _ = counted([Record(tied.candidates[:1]), certain(3)])
    assert out.decision[0] == LINK
    assert (out.person[0], out.runner_up[0]) == (7, -1)
    assert out.scored.rule[out.pair[0]] == SETTLED
    assert (out.scored.left == FIRST).sum() == 1
    assert (out.scored.rule[out.scored.left != FIRST] == 0).all()
    # Whether its other pairs were scored at all makes no difference.
    for name in ("decision", "person", "weight", "margin", "probability", "p_unregistered", "reasons"):
        assert np.array_equal(getattr(out, name), getattr(alone, name)), name
