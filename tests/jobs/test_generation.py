import json

import pytest

from jobs import cli
from jobs.generation import generate_nation, read_stamp
from linkage.config import parse_project
from linkage.contract import STANDARD_KINDS, parse_contract
from linkage.errors import ConfigError
from linkage.policy import parse_policy


def test_generate__options_are_stamped_and_another_option_is_another_nation(tmp_path):
    options = {"sources": ["all"], "cards": True, "hostile": True, "forms": [("encoding", "tax=vni")]}
    made = generate_nation(tmp_path / "n", 200, **options)
    assert made["made"]
    held = read_stamp(tmp_path / "n")["parameters"]
    assert held["sources"] == ["all"]
    assert held["forms"] == [["encoding", "tax=vni"]]
    assert (held["cards"], held["hostile"], held["residue"]) == (True, True, None)
    assert not generate_nation(tmp_path / "n", 200, **options)["made"]
    again = generate_nation(tmp_path / "n", 200, replace=True)
    assert again["made"]
    assert set(again["counts"]["records"]) == {"register", "insurance", "tax", "education"}


def test_generate__hostile_sets_rates_that_a_single_one_still_overrules(tmp_path):
    generate_nation(tmp_path / "n", 200, hostile=True, rates={"tax.lost_zero": 0.5}, residue=0.1)
    rates = json.loads((tmp_path / "n/report.json").read_text())["rates"]
    assert rates["tax"]["lost_zero"] == 0.5
    assert rates["insurance"]["lost_zero"] == 0.02
    assert rates["education"]["name_telex"] == pytest.approx(0.045)
    contract = (tmp_path / "n/contracts/tax.toml").read_text()
    assert "dd-mm-yyyy" in contract


def test_generate__mojibake_is_off_where_the_encoding_cannot_say_it(tmp_path):
    generate_nation(tmp_path / "n", 200, hostile=True, forms=[("encoding", "insurance=tcvn3")])
    rates = json.loads((tmp_path / "n/report.json").read_text())["rates"]
    assert rates["insurance"]["name_mojibake"] == 0
    assert rates["tax"]["name_mojibake"] > 0
    with pytest.raises(ConfigError, match="Insurance.name_mojibake is set"):
        generate_nation(
            tmp_path / "m", 200, forms=[("encoding", "insurance=tcvn3")],
            rates={"insurance.name_mojibake": 0.1},
        )  # fmt: skip
    assert not (tmp_path / "m").exists()


def test_generate__writes_what_the_engine_declares(tmp_path):
    generate_nation(tmp_path / "n", 200, sources=["all"], cards=True, forms=[("declare", "auto")])
    project = parse_project((tmp_path / "n/project.toml").read_text())
    assert [source.name for source in project.sources if source.verify] == ["exam"]
    for source in project.sources:
        contract = parse_contract((tmp_path / "n" / source.contract).read_text(), source.name)
        if source.role == "agency":
            policy = parse_policy((tmp_path / "n" / source.policy).read_text(), source.name, STANDARD_KINDS)
            assert set(policy.receive) <= set(contract.by_standard())
            assert (contract.encoding, contract.delimiter) == ("auto", "auto")


def test_generate__takes_every_option_of_the_command_line(tmp_path, capsys):
    command = ["generate", "--people", "300", "--out", str(tmp_path / "n"), "--sources", "tax, bank",
               "--cards", "--residue", "0.02", "--hostile", "--format", "bank=excel",
               "--encoding", "tax=utf-16", "--delimiter", "tax=pipe", "--compress", "zstd",
               "--dates", "mixed", "--declare", "tax=auto", "--json"]  # fmt: skip
    assert cli.invoke(command) == 0
    made = json.loads(capsys.readouterr().out)
    assert set(made["counts"]["records"]) == {"register", "tax", "bank"}
    names = {path.name for path in (tmp_path / "n").iterdir()}
    assert {"tax.csv.zst", "bank.xlsx"} <= names


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--sources", "police"], "There is no source 'police'"),
        (["--encoding", "tax=tcvn"], "Encoding is 'tcvn'"),
        (["--format", "tax=excel", "--compress", "tax=gzip"], "of files in the format excel"),
        (["--residue", "2"], "residue"),
    ],
)
def test_generate__refuses_options_it_does_not_know(tmp_path, capsys, arguments, message):
    out = tmp_path / "n"
    assert cli.invoke(["generate", "--people", "10", "--out", str(out), *arguments]) == 2
    assert message in capsys.readouterr().err
    assert not out.exists()
