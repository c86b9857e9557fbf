"""Foreigners among an agency's records: a passport instead of a number, and in no register."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from data.generator import dates
from data.generator.columns import constant, digit_texts, take
from data.generator.numbers import mobile_numbers
from data.generator.rows import Rows

#: Beginnings of passport numbers, surnames and given names, by where they come from.
_NATIONS: tuple[tuple[str, str, str], ...] = (
    ("M", "KIM LEE PARK CHOI JUNG KANG CHO YOON JANG LIM",
     "MINJUN SEOJUN DOYUN JIHO JUNSEO SEOYEON MINSEO JIWOO HAYUN SUBIN"),
    ("E", "WANG LI ZHANG LIU CHEN YANG HUANG ZHAO WU ZHOU",
     "WEI FANG NA XIUYING MIN JING QIANG LEI JUN YANG JIE TAO"),
    ("T", "SATO SUZUKI TAKAHASHI TANAKA ITO WATANABE YAMAMOTO NAKAMURA",
     "HIROSHI KENJI TAKASHI YUKI HARUTO SAKURA AIKO NAOMI"),
    ("P", "SMITH JOHNSON WILLIAMS BROWN JONES MILLER DAVIS WILSON TAYLOR MARTIN DUPONT MULLER",
     "JAMES JOHN ROBERT MARY LINDA ANNA PAUL DAVID EMMA JEAN MARIE PETER"),
)  # fmt: skip
_FIRST_BIRTH, _LAST_BIRTH = dates.day("1950-01-01"), dates.day("2004-12-31")


def with_foreigners(rows: Rows, table: pa.Table, entities: pa.Table) -> tuple[pa.Table, pa.Table]:
    """The rows of ``table`` and ``entities`` with those of the foreigners among them, in a new order.

    Their identities begin with F; each record is planted as unregistered.
    """
    layout, rng, count = rows.layout, rows.stream("foreigners"), rows.foreigners
    nation = rng.integers(0, len(_NATIONS), count)
    passports = rows.material.serials.passports(count)
    names = pa.nulls(count, pa.string())
    first = np.zeros(count, np.int64)
    given = np.zeros(count, np.int64)
    words: list[str] = []
    for at, (_, surnames, others) in enumerate(_NATIONS):
        of_nation = nation == at
        for drawn, choice in ((first, surnames.split()), (given, others.split())):
            drawn[of_nation] = len(words) + rng.integers(0, len(choice), int(of_nation.sum()))
            words += choice
    written = pa.array(words, pa.string())
    names = pc.binary_join_element_wise(take(written, first), take(written, given), " ")
    letter = take(pa.array([entry[0] for entry in _NATIONS], pa.string()), nation)
    columns = {
        "record_id": rows.foreign_id,
        "full_name": names,
        "birth_date": take(dates.texts(layout.date), rng.integers(_FIRST_BIRTH, _LAST_BIRTH, count)),
        "sex": take(pa.array(list(layout.sex), pa.string()), rng.integers(0, 2, count)),
        "personal_number": pc.binary_join_element_wise(letter, digit_texts(passports, 8), ""),
        "phone": digit_texts(mobile_numbers(rng, count), 10, missing=rng.random(count) >= layout.phone),
    }
    theirs = pa.table({column: columns[name] for name, column in layout.columns.items()})
    identity = digit_texts(passports, 9, "F")
    who = pa.table([constant(layout.source, count), rows.foreign_id, identity], names=entities.column_names)
    rows.errors.plant_strangers(rows.foreign_id)
    order = pa.array(rng.permutation(rows.count + count))
    return pa.concat_tables([table, theirs]).take(order), pa.concat_tables([entities, who]).take(order)
