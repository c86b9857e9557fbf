"""The extract of one agency: its columns, and every error that is planted in them."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from data.generator.columns import constant, take
from data.generator.foreigners import with_foreigners
from data.generator.layouts import CARDS
from data.generator.places import BEFORE
from data.generator.record_contacts import communes, phones
from data.generator.record_dates import birth_dates, deaths
from data.generator.record_keys import health_cards
from data.generator.record_names import full_names, parents_names
from data.generator.record_numbers import personal_numbers
from data.generator.rows import Rows

_STANDARD_SEXES = pa.array(["M", "F"], pa.string())


def extract(rows: Rows) -> tuple[pa.Table, pa.Table]:
    """The file's rows in the layout's columns, and who each of them is (``source, record_id,
    true_person_id``); ``rows`` gathers the errors.
    """
    layout, drawn = rows.layout, rows.drawn
    second = np.flatnonzero(drawn.first >= 0)
    rows.errors.plant(
        second, "record", "second_record", take(rows.record_id, second),
        take(rows.record_id, drawn.first[second]),
    )  # fmt: skip
    unregistered = np.flatnonzero(~rows.people.registered[rows.person])
    rows.errors.plant(unregistered, "record", "unregistered", take(rows.record_id, unregistered), None)
    # The columns draw from the generators of ``rows`` in this order, which is part of what the data are.
    columns = {"record_id": rows.record_id, "personal_number": personal_numbers(rows)}
    columns["full_name"] = full_names(rows)
    if layout.parents:
        columns |= parents_names(rows)
    for name, made in (
        ("birth_date", birth_dates),
        ("sex", _sexes),
        ("commune", communes),
        ("phone", phones),
        ("death_date", deaths),
        ("birth_province", _birth_provinces),
    ):
        if name in layout.columns:
            columns[name] = made(rows)
    told = {column: columns[name] for name, column in layout.columns.items()}
    if rows.material.cards and layout.source == "insurance":
        told[CARDS["insurance"]["health_card"]] = health_cards(rows)
    entities = pa.table(
        [constant(layout.source, rows.count), rows.record_id, take(rows.material.person_id, rows.person)],
        names=["source", "record_id", "true_person_id"],
    )
    table = pa.table(told)
    return with_foreigners(rows, table, entities) if rows.foreigners else (table, entities)


def _sexes(rows: Rows) -> pa.Array:
    true = rows.people.sex[rows.person]
    held = true.copy()
    at = np.flatnonzero(rows.rng.random(rows.count) < rows.rates.sex_wrong)
    held[at] = 1 - held[at]
    rows.errors.plant(at, "sex", "wrong", take(_STANDARD_SEXES, held[at]), take(_STANDARD_SEXES, true[at]))
    return take(pa.array(list(rows.layout.sex), pa.string()), held)


def _birth_provinces(rows: Rows) -> pa.Array:
    """Where each birth was registered, in the codes until 30 June 2025."""
    places, rng = rows.places, rows.stream("birth_province")
    true = rows.people.born_in[rows.person]
    held = true.copy()
    at = np.flatnonzero(rng.random(rows.count) < rows.rates.birth_province_wrong)
    # Any other province: people write where they live, where the family comes from, or the wrong line.
    held[at] = (true[at] + rng.integers(1, len(places.province_gso), len(at))) % len(places.province_gso)
    dated = pa.array([f"{code}@{BEFORE}" for code in places.province_gso.to_pylist()], pa.string())
    rows.errors.plant(at, "birth_province", "wrong", take(dated, held[at]), take(dated, true[at]))
    return take(places.province_gso, held)
