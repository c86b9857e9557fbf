"""Every source in every form, read back slowly and judged by what the truth says."""

import re
import tomllib
import unicodedata
from collections import Counter

import polars as pl
import pytest

from data import reference
from data.generator import DEFAULT, SOURCES, chunk, fitting, generate, parse_forms, parse_rates
from tests.data.nation_reader import Nation

PEOPLE = 24_000
FORMS = (
    ("encoding", "insurance=tcvn3"), ("compress", "insurance=gzip"),
    ("encoding", "education=vni"), ("compress", "education=zstd"),
    ("encoding", "vehicles=cp1258"), ("encoding", "onestop=utf-16"), ("delimiter", "onestop=tab"),
    ("format", "bank=excel"), ("format", "exam=arrow"), ("dates", "mixed"),
)  # fmt: skip
KEYSTROKES = ("telex_residue", "vni_residue", "viqr_residue", "mojibake")
STANDARDS = ("personal_number", "full_name", "birth_date", "sex", "birth_province", "death_date", "commune")


@pytest.fixture(scope="module", params=["plain", "hostile"])
def nation(request, tmp_path_factory):
    out = tmp_path_factory.mktemp(request.param) / "nation"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chunk, "CHUNK", 8_000)
        if request.param == "plain":
            generate(out, PEOPLE, seed=21, sources=SOURCES, cards=True)
        else:
            forms = parse_forms(FORMS)
            rates = fitting(DEFAULT.hostile(), forms)
            generate(out, PEOPLE, seed=21, sources=SOURCES, forms=forms, rates=rates, files=2)
    return Nation(out)


def fold(text):
    flat = unicodedata.normalize("NFD", text.replace("đ", "d").replace("Đ", "D"))
    return "".join(sign for sign in flat if not unicodedata.combining(sign))


def shown(nation, source, name, *, raw=False):
    """A name in standard form as the source writes it, without case where the encoding has none."""
    if name is None or raw:
        return name
    if source == "bank":
        name = fold(name)
    if source in {"tax", "bank"}:
        name = name.upper()
    # TCVN3 has no toned capitals; letters it lacks are planted.
    return name.lower() if nation.contracts[source].get("encoding") == "tcvn3" else name


def test_errors__are_the_differences_between_every_source_and_the_truth(nation):
    people = nation.people()
    checked, strangers = Counter(), Counter()
    for source, rows in nation.rows.items():
        held_fields = [f for f in STANDARDS if nation.field(source, f) and f != "commune"]
        for key, row in rows.items():
            person = people.get(nation.person[source, key])
            for field in held_fields:
                planted = nation.planted.get((source, key, field), [])
                kinds = {error for error, _, _ in planted}
                held = nation.standard(source, field, row[field])
                if field == "full_name":
                    held = shown(nation, source, held, raw="mojibake" in kinds)
                for _, told, _ in planted:
                    name = field == "full_name"
                    expected = shown(nation, source, told, raw="mojibake" in kinds) if name else told
                    assert held == expected, (source, field, planted, row)
                if person is None:
                    strangers[source] += 1
                    continue
                for _, _, true in planted:
                    assert true == person[field], (source, field, planted, person)
                true = shown(nation, source, person[field]) if field == "full_name" else person[field]
                if not planted:
                    assert held == true, (source, field, row, person)
                elif "encoding_loss" not in kinds:
                    assert held != true, (source, field, planted)
                checked[source, field] += 1
    assert set(checked) >= {("exam", "birth_province"), ("tax", "death_date"), ("vehicles", "birth_date")}
    assert sum(checked.values()) > 100_000
    assert strangers["bank"]


def test_phones__differ_from_the_persons_own_where_that_is_planted(nation):
    own = dict(nation.register.select("person_id", "phone").drop_nulls().iter_rows())
    checked = Counter()
    for source in ("insurance", "tax", "education", "bank", "onestop"):
        for key, row in nation.rows[source].items():
            planted = nation.planted.get((source, key, "phone"), [])
            if row["phone"] is None:
                assert not planted
                continue
            held = mobile(row["phone"])
            assert [told for _, told, _ in planted] == [held] * len(planted)
            true = own.get(nation.person[source, key])
            if true is not None:
                assert bool(planted) == (held != true)
                assert all(told == true for _, _, told in planted)
                checked[bool(planted)] += 1
    assert checked[True] > 2_000
    assert checked[False] > 5_000


def mobile(text):
    """A Vietnamese mobile number of today, ten digits, from any way of writing."""
    digits = re.sub(r"\D", "", text)
    digits = digits.removeprefix("84") if text.startswith("+84") else digits.removeprefix("0")
    before = {
        "12": dict(zip("0123456789", "70 79 77 83 84 85 76 81 78 82".split(), strict=True)),
        "16": dict(zip("23456789", "32 33 34 35 36 37 38 39".split(), strict=True)),
        "18": {"6": "56", "8": "58"},
        "19": {"9": "59"},
    }
    if len(digits) == 10:
        digits = before[digits[:2]][digits[2]] + digits[3:]
    assert len(digits) == 9
    return "0" + digits


def test_entities__are_the_accepted_rows_and_no_others(nation):
    told = Counter(source for source, _ in nation.person)
    assert len(nation.person) == nation.entities.height
    for source, rows in nation.rows.items():
        assert told[source] == len(rows)
        assert all((source, key) in nation.person for key in rows)
        broken = {record for _, record in nation.broken[source].values()}
        assert not broken & set(rows)
        assert len(broken) == len(nation.broken[source])


def test_fields__hold_the_true_value_of_every_error(nation):
    fields = {}
    for person, field, value, _ in nation.fields.iter_rows():
        fields.setdefault((person, field), set()).add(value)
    for (source, record, field), planted in nation.planted.items():
        if field not in {"record", "row"}:
            assert all(true in fields[nation.person[source, record], field] for _, _, true in planted)


def test_communes__as_code_or_address_name_the_home_the_truth_tells(nation):
    changes = {}
    for old, new in reference.commune_changes().select("old_code", "new_code").iter_rows():
        changes.setdefault(old, set()).add(new)
    units = {}
    provinces = dict(reference.provinces().select("gso", "name").iter_rows())
    for code, name, gso, district in reference.communes_before().iter_rows():
        units.setdefault(tuple(map(bare, (name, district, provinces[gso]))), set()).add(code)
    people = nation.people()
    seen = Counter()
    for source in ("insurance", "vehicles", "onestop"):
        for key, row in nation.rows[source].items():
            code = row["commune"]
            if source == "vehicles":
                parts = [part.strip() for part in code.split(",")]
                seen["house"] += len(parts) == 4
                codes = units[tuple(map(bare, parts[-3:]))]
            else:
                codes = {code}
            day = "2025-07-01" if source == "onestop" else "2025-06-30"
            planted = nation.planted.get((source, key, "commune"), [])
            assert {held for _, held, _ in planted} <= {f"{code}@{day}" for code in codes}
            person = people.get(nation.person[source, key])
            if person is None or planted:
                continue
            now = codes if source == "onestop" else set().union(*map(changes.get, codes))
            assert person["commune"] in now
            seen[source] += 1
    assert seen["house"] > 100
    assert seen["onestop"] > 50


def bare(text):
    """A unit's name without the word for its kind, in any of the ways of writing."""
    kind = r"(Thị trấn|Thị xã|Thành phố|Phường|Quận|Huyện|Tỉnh|Xã|TT|TX|TP|[PXQH])(?:\.\s?|\s)"
    name = re.sub(rf"^{kind}", "", unicodedata.normalize("NFC", text), flags=re.IGNORECASE)
    return name.lower()


def test_deaths__are_known_to_six_of_ten_agencies_that_hold_them(nation):
    known = unknown = 0
    for source in ("insurance", "tax"):
        for key, row in nation.rows[source].items():
            planted = nation.planted.get((source, key, "death_date"), [])
            known += row["death_date"] is not None
            unknown += len(planted)
            assert not (planted and row["death_date"])
    assert 0.3 < unknown / (known + unknown) < 0.5
    assert "death_date" not in {f["standard"] for f in nation.contracts["education"]["field"]}


def test_register__is_the_same_whatever_is_written(nation, tmp_path):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chunk, "CHUNK", 8_000)
        generate(tmp_path / "one", PEOPLE, seed=21, sources=["exam"])
    alone = Nation(tmp_path / "one")
    assert alone.register.sort("person_id").equals(nation.register.sort("person_id"))
    assert set(alone.rows) == {"exam"}
    assert set(alone.rows["exam"]) == set(nation.rows["exam"])


def test_further_sources__hold_whom_they_should(nation):
    people = nation.people()
    vehicles = Counter(person for (source, _), person in nation.person.items() if source == "vehicles")
    assert nation.contracts["vehicles"]["records_per_person"] == "many"
    assert set(vehicles.values()) == {1, 2, 3}
    assert all(re.fullmatch(r"\d\d[A-Z]\d-\d{5}", plate) for plate in nation.rows["vehicles"])
    years = Counter(
        people[nation.person["exam", key]]["birth_date"][:4]
        for key in nation.rows["exam"]
        if nation.person["exam", key] in people
    )
    assert set(years) == {"2006", "2007", "2008"}
    assert years["2008"] > 0.8 * sum(years.values())
    homes = {
        people[nation.person["onestop", key]]["commune"]
        for key in nation.rows["onestop"]
        if nation.person["onestop", key] in people
    }
    province = dict(reference.communes_after().select("code", "province_gso").iter_rows())
    assert {province[code] for code in homes} == {"01"}
    names = [row["full_name"] for row in nation.rows["bank"].values()]
    assert all(name.isascii() and name == name.upper() for name in names)
    passports = [
        key for key, row in nation.rows["bank"].items() if re.match("[A-Z]", row["personal_number"] or "")
    ]
    assert {nation.person["bank", key][0] for key in passports} == {"F"}
    assert len(passports) / len(names) == pytest.approx(0.005, abs=0.003)
    assert all(("bank", key, "record") in nation.planted for key in passports)


def test_project__verifies_the_exam_and_names_every_policy(nation):
    for source in nation.project["source"][1:]:
        policy = tomllib.loads((nation.folder / source["policy"]).read_text())
        assert policy["schema"] == 1
        assert policy["purpose"]
        assert policy["legal_basis"]
        held = {field["standard"] for field in nation.contracts[source["name"]]["field"]}
        assert set(policy["receive"]) <= held
        assert source.get("verify", False) == (source["name"] == "exam")


def test_contracts__say_the_forms_the_files_have(nation):
    for source in nation.agencies:
        contract = nation.contracts[source]
        told = {field["column"] for field in contract["field"]} | {contract["key"]}
        for row in nation.raw(source):
            assert set(row) == told
            break
    files = {path.name.split(".", 1)[1] for source in nation.agencies for path in nation.files(source)}
    if "encoding" in nation.contracts["bank"]:
        assert files == {"csv"}
    else:
        assert files == {"csv.gz", "csv.zst", "csv", "xlsx", "arrow"}


def test_cards__agree_with_the_record(tmp_path):
    generate(tmp_path / "n", 9_000, seed=3, cards=True)
    generate(tmp_path / "without", 9_000, seed=3)
    nation, without = Nation(tmp_path / "n"), Nation(tmp_path / "without")
    weights = (31, 29, 23, 19, 17, 13, 7, 5, 3)
    cards = {key: row["health_card"] for key, row in nation.rows["insurance"].items()}
    held = [(key, card) for key, card in cards.items() if card]
    assert 0.82 < len(held) / len(cards) < 0.88
    for key, card in held:
        assert re.fullmatch(r"[A-Z]{2}[1-5]\d{2}\d{10}", card)
        assert card.endswith(key)
        assert nation.rows["insurance"][key]["insurance_number"] == key
    people = nation.people()
    twelve = 0
    for key, row in nation.rows["tax"].items():
        assert row["tax_code"] == key
        if len(key) == 12:
            twelve += 1
            person = people.get(nation.person["tax", key])
            assert person is None or person["personal_number"] == key
        else:
            total = sum(weight * int(digit) for weight, digit in zip(weights, key, strict=False))
            assert 10 - total % 11 == int(key[9])
    assert 0.3 < twelve / len(nation.rows["tax"]) < 0.38
    assert without.register.equals(nation.register)
    for key, row in without.rows["insurance"].items():
        assert row == {name: value for name, value in nation.rows["insurance"][key].items() if name in row}


def test_mixed_dates__are_three_of_ten_in_every_format_named(tmp_path):
    generate(tmp_path / "n", 6_000, seed=5, forms=parse_forms([("dates", "mixed")]))
    nation = Nation(tmp_path / "n")
    for source in nation.agencies:
        shapes = Counter(
            re.sub(r"\d", "9", row["birth_date"])
            for row in nation.rows[source].values()
            if len(row["birth_date"]) > 4
        )
        own = nation.field(source, "birth_date")["formats"][0]
        full = Counter({"slash": 0, "dash": 0, "none": 0})
        for shape, count in shapes.items():
            full["slash" if "/" in shape else "dash" if "-" in shape else "none"] += count
        assert all(full.values())
        rest = sum(full.values()) - full["slash" if "/" in own else "none"]
        assert 0.1 < rest / sum(full.values()) < 0.35
    plain = tmp_path / "p"
    generate(plain, 6_000, seed=5)
    assert pl.read_parquet(plain / "truth/errors.parquet").equals(nation.errors)


def test_lost_zeros__take_the_zeros_of_numbers_and_phones(tmp_path):
    rates = parse_rates(["insurance.lost_zero=0.2"])
    generate(tmp_path / "n", 6_000, seed=5, rates=rates)
    nation = Nation(tmp_path / "n")
    lost = [key for (source, key, field), planted in nation.planted.items()
            if field == "personal_number" and planted[0][0] == "lost_zero"]  # fmt: skip
    rows = nation.rows["insurance"]
    assert len(lost) / len(rows) == pytest.approx(0.2, abs=0.02)
    for key in lost:
        number, phone = rows[key]["personal_number"], rows[key]["phone"]
        assert number[0] != "0"
        assert number.zfill(12) == nation.planted["insurance", key, "personal_number"][0][2]
        assert phone is None or phone[0] != "0" or len(phone) == 11
    whole = [row["phone"] for key, row in rows.items() if key not in set(lost) and row["phone"]]
    assert all(phone.startswith(("0", "+84")) for phone in whole)


def test_residue__is_every_word_of_a_name(tmp_path):
    rates = DEFAULT.with_residue(0.2)
    generate(tmp_path / "n", 6_000, seed=5, rates=rates)
    nation = Nation(tmp_path / "n")
    counts, whole = Counter(), Counter()
    for (source, _, field), planted in nation.planted.items():
        for error, held, true in planted:
            if source != "register" and field == "full_name" and error in KEYSTROKES:
                counts[error] += 1
                assert held != true
                whole[error] += held.isascii()
    total = sum(len(rows) for rows in nation.rows.values())
    damage = 0.17 * 0.05 * total
    for error, share in (("telex_residue", 0.45), ("vni_residue", 0.25), ("viqr_residue", 0.1),
                         ("mojibake", 0.2)):  # fmt: skip
        assert counts[error] == pytest.approx(0.2 * share * total, abs=damage)
        # The others are damage of the default rates, which leaves keystrokes in one word.
        if error != "mojibake":
            assert whole[error] > 0.85 * 0.2 * share * total


def test_broken_rows__are_beside_the_records_at_the_lines_told(tmp_path):
    rates = parse_rates([f"{source}.broken_rows=0.03" for source in ("insurance", "tax", "education")])
    generate(tmp_path / "n", 6_000, seed=5, rates=rates)
    generate(tmp_path / "p", 6_000, seed=5)
    nation, plain = Nation(tmp_path / "n"), Nation(tmp_path / "p")
    assert nation.rows == plain.rows
    kinds = Counter()
    for source in nation.agencies:
        contract = nation.contracts[source]
        [path] = nation.files(source)
        lines = path.read_bytes().split(b"\n")
        header = lines[0].decode().split(contract["delimiter"])
        assert len(lines) - 2 == len(nation.rows[source]) + len(nation.broken[source])
        for (file, line), (kind, record) in nation.broken[source].items():
            assert file == path.name
            text = lines[line - 1]
            cells = text.split(contract["delimiter"].encode())
            kinds[kind] += 1
            assert {
                "stray_quote": text.count(b'"') == 1,
                "short_row": len(cells) == len(header) - 1,
                "long_row": len(cells) == len(header) + 1,
                "control_character": b"\x07" in text,
                "bad_byte": b"\xff" in text,
                "missing_key": text.startswith(contract["delimiter"].encode())
                or not cells[header.index(contract["key"])],
            }[kind]
            assert kind == "missing_key" or record.encode() in text
        assert len(nation.broken[source]) == pytest.approx(0.03 * len(nation.rows[source]), abs=1)
    assert len(kinds) == 6
    assert min(kinds.values()) > 10


def test_forms__give_the_same_bytes_on_any_number_of_threads(tmp_path):
    forms = parse_forms(FORMS)
    rates = fitting(DEFAULT.hostile(), forms)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chunk, "CHUNK", 900)
        for threads in (1, 3):
            out = tmp_path / str(threads)
            generate(out, 3_000, seed=4, sources=SOURCES, forms=forms, rates=rates, cards=True,
                     threads=threads, files=2)  # fmt: skip
    one, three = (
        {str(path.relative_to(tmp_path / name)): path.read_bytes() for path in (tmp_path / name).rglob("*.*")
         if path.is_file()}
        for name in ("1", "3")
    )  # fmt: skip
    assert len(one) > 30
    assert one == three


def test_declare_auto__leaves_the_form_to_be_found(tmp_path):
    forms = parse_forms([("declare", "auto"), ("encoding", "tax=vni"), ("delimiter", "tax=pipe")])
    generate(tmp_path / "auto", 2_000, seed=5, forms=forms)
    generate(tmp_path / "plain", 2_000, seed=5)
    contract = tomllib.loads((tmp_path / "auto/contracts/tax.toml").read_text())
    assert (contract["encoding"], contract["delimiter"]) == ("auto", "auto")
    told = {"insurance": ",", "tax": "|", "education": ","}
    auto = Nation(tmp_path / "auto", {"insurance": "utf-8", "tax": "vni", "education": "utf-8"}, told)
    plain = Nation(tmp_path / "plain")
    assert auto.rows["insurance"] == plain.rows["insurance"]
    lossy = {key for (_, key, _), planted in auto.planted.items()
             for error, _, _ in planted if error == "encoding_loss"}  # fmt: skip
    for key, row in plain.rows["tax"].items():
        assert key in lossy or auto.rows["tax"][key] == row


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ([("encoding", "insurance=tcvn")], "encoding is 'tcvn'"),
        ([("encoding", "insuance=tcvn3")], "no source 'insuance'"),
        ([("colour", "red")], "no option 'colour'"),
        ([("format", "tax=excel"), ("encoding", "tax=vni")], "of files in the format excel"),
        ([("delimiter", "tax=x")], "delimiter is 'x'"),
        ([("dates", "odd")], "dates is 'odd'"),
    ],
)
def test_forms__refuse_what_they_do_not_know(settings, message):
    with pytest.raises(ValueError, match=message):
        parse_forms(settings)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"sources": ["police"]}, "no source 'police'"),
        ({"sources": []}, "wanted one or more"),
        ({"sources": ["tax", "tax"]}, "each once"),
        ({"forms": parse_forms([("encoding", "tcvn3")]), "rates": DEFAULT.hostile()}, "name_mojibake is set"),
    ],
)
def test_generate__refuses_what_it_cannot_write(tmp_path, arguments, message):
    with pytest.raises(ValueError, match=message):
        generate(tmp_path / "n", 100, **arguments)
    assert list(tmp_path.iterdir()) == []
