"""The page of a finished run: what it says, and that it fits a terminal."""

from jobs.run_text import run_text

RUN = {
    "run_id": "0123456789abcdef",
    "totals": {"rows": 1_001_000, "accepted": 1_000_000, "pairs": 5_000_000},
    "seconds": 43.21,
    "peak_memory": 2 << 30,
    "by_source": {
        "tax": {"link": 9_950, "review": 10, "new": 30, "conflict": 4, "ineligible": 6},
        "empty": {"link": 0, "review": 0, "new": 0, "conflict": 0, "ineligible": 0},
    },
    "estimates": {"all": {"links": 9_950, "false_links": {"expected": 1.25, "low": 0.0, "high": 7.0}}},
    "corrections": {
        "tax": {"by_action": {"apply": 1_234, "confirm": 5}, "orders": 67},
        "empty": {"by_action": {}, "orders": 0},
    },
    "cases": {"field.sex": 3, "duplicate": 2},
    "gates": [{"name": "converged", "holds": True, "en": "Yes."}],
    "blocking": {
        "rules": {
            "number": {"largest": 2, "refined_pairs": 0, "given_up_pairs": 0},
            "phone_given": {"largest": 151_000, "refined_pairs": 22_801_000_000, "given_up_pairs": 41_000},
        },
        "refined_keys": {"number": 0, "phone_given": 0},
        "lost_to_refinement": None,
    },
    "warnings": [],
    "left_out": [],
    "accepted": [],
    "withheld": False,
}
LEFT_OUT = {"source": "school", "code": "E-INPUT-019", "message": "many rows were refused"}
GATE = {"name": "new:tax", "holds": False, "en": "tax: " + "11 % of the records are new; " * 6}


def test_text__says_decisions_corrections_and_cases_by_source() -> None:
    text = run_text(RUN, "runs/first")
    rows = [line.split() for line in text.splitlines()]
    assert ["tax", "10,000", "99.50", "%", "10", "30", "4", "6"] in rows
    assert ["empty", "0", "-", "0", "0", "0", "0"] in rows
    assert ["tax", "1,234", "5", "0", "67"] in rows
    assert "Register cases: 5 (field: sex 3, duplicate 2)." in text
    assert "1,000 refused" in text
    assert "All 1 gates hold" in text
    assert "warnings" not in text


def test_text__tells_what_is_withheld_and_how_it_is_released() -> None:
    run = {**RUN, "gates": [GATE, {**GATE, "name": "review"}], "withheld": True, "warnings": ["a", "b"]}
    text = run_text({**run, "accepted": [{"gate": "review"}], "left_out": [LEFT_OUT]}, "runs/first")
    assert "2 of 2 gates fail" in text
    assert "new:tax (NOT accepted)" in text
    assert "review (accepted)" in text
    assert "--accept GATE --reason TEXT" in text
    assert "broke their contract: school (E-INPUT-019)" in text
    assert "2 warnings" in text
    one = run_text({**RUN, "gates": [GATE, {**GATE, "name": "review", "holds": True}]}, "runs/first")
    assert "1 of 2 gates fails:" in one
    assert max(map(len, text.splitlines())) <= 98


def test_text__says_which_rules_had_blocks_refined_and_what_that_may_cost() -> None:
    assert "refined" not in run_text(RUN, "runs/first")
    blocking = {**RUN["blocking"], "refined_keys": {"number": 0, "phone_given": 1_204}}
    text = run_text({**RUN, "blocking": blocking}, "runs/first")
    rows = [line.split() for line in text.splitlines()]
    assert ["phone_given", "1,204", "151,000", "22,801,000,000", "41,000"] in rows
    assert not any(row[:1] == ["number"] for row in rows)
    assert "What that loses is not measured" in text
    lost = {"matches": 50_000, "parted": 4, "records": 25_000, "links": 2.0}
    text = run_text({**RUN, "blocking": {**blocking, "lost_to_refinement": lost}}, "runs/first")
    assert "Of 50,000 matches" in text
    assert "at most 2.0 links of the 25,000 records" in " ".join(text.split())
    assert max(map(len, text.splitlines())) <= 98
