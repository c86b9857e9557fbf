from collections import Counter

import polars as pl

from data import reference


def test_provinces__sixty_three_become_thirty_four():
    provinces = reference.provinces()
    assert provinces.height == 63
    assert provinces["code3"].n_unique() == 63
    assert provinces["new_gso"].n_unique() == 34
    assert (provinces["code3"] == "0" + provinces["gso"]).all()
    assert set(provinces["new_gso"]) <= set(provinces["gso"])
    assert set(provinces["region"]) == {"north", "central", "south"}
    assert abs(provinces["weight"].sum() - 1) < 1e-3
    assert not provinces["old_prefixes"].str.contains(r"[^0-9 ]").any()


def test_provinces__seven_keep_a_name_with_the_code_of_the_other():
    provinces = reference.provinces()
    names = dict(provinces.select("gso", "name").iter_rows())
    new = {
        code: name
        for code, name in provinces.select("new_gso", "new_name").iter_rows()
        if names[code] != name
    }
    assert new == {
        "15": "Lào Cai",
        "24": "Bắc Ninh",
        "44": "Quảng Trị",
        "52": "Gia Lai",
        "80": "Tây Ninh",
        "82": "Đồng Tháp",
        "91": "An Giang",
    }


def test_communes__counts_of_both_eras():
    before, after = reference.communes_before(), reference.communes_after()
    assert before.height == before["code"].n_unique() == 10_035
    assert after.height == after["code"].n_unique() == 3_321
    for frame in (before, after):
        assert frame["code"].str.contains(r"^\d{5}$").all()
        assert (frame["name"] == frame["name"].str.normalize("NFC")).all()
        assert frame["name"].str.strip_chars().str.len_chars().min() > 3
    # five island districts of the 696 had no communes
    assert before.select("province_gso", "district").n_unique() == 696 - 5
    assert before["province_gso"].n_unique() == 63
    assert after["province_gso"].n_unique() == 34
    types = Counter(after["name"].str.extract("^(Xã|Phường|Đặc khu)").to_list())
    assert types == {"Xã": 2_621, "Phường": 687, "Đặc khu": 13}


def test_communes__nearly_all_new_codes_are_old_codes_of_other_communes():
    before, after = reference.communes_before(), reference.communes_after()
    both = before.join(after, on="code", suffix="_after")
    assert both.height == 3_316
    assert (both["name"] != both["name_after"]).sum() > 2_100
    names = dict(before.select("code", "name").iter_rows())
    new_names = dict(after.select("code", "name").iter_rows())
    assert (names["00004"], new_names["00004"]) == ("Phường Trúc Bạch", "Phường Ba Đình")


def test_changes__every_old_commune_has_a_successor_in_the_successor_of_its_province():
    changes = reference.commune_changes()
    before, after = reference.communes_before(), reference.communes_after()
    assert set(changes["old_code"]) == set(before["code"])
    assert set(changes["new_code"]) <= set(after["code"])
    assert changes.select("old_code", "new_code").n_unique() == changes.height == 10_597
    successor = dict(reference.provinces().select("gso", "new_gso").iter_rows())
    joined = changes.join(before, left_on="old_code", right_on="code").join(
        after, left_on="new_code", right_on="code", suffix="_after"
    )
    assert all(
        successor[old] == new for old, new in joined.select("province_gso", "province_gso_after").iter_rows()
    )


def test_changes__whole_means_a_single_successor():
    counts = reference.commune_changes().group_by("old_code").agg(pl.len(), pl.col("whole").unique())
    assert counts.filter(pl.col("len") == 1)["whole"].explode().all()
    divided = counts.filter(pl.col("len") > 1)
    assert not divided["whole"].explode().any()
    assert Counter(divided["len"].to_list()) == {2: 397, 3: 58, 4: 15, 5: 1}
