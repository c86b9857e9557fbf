"""One chunk of the nation, every table and line of it, made from nothing but the seed and its number."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from data.generator import dates, truth
from data.generator.agencies import extract
from data.generator.columns import constant, digit_texts, joined, take
from data.generator.content import Content, contents
from data.generator.coverage import demand
from data.generator.forms import Form
from data.generator.layouts import LAYOUTS, NATIONAL, Layout
from data.generator.naming import Naming, cohort_of, naming
from data.generator.numbers import Serials
from data.generator.people import People, people_of
from data.generator.places import BEFORE, Places, places
from data.generator.rates import Rates
from data.generator.register import alias_rows, person_ids, register_rows
from data.generator.rows import Material, Rows
from data.generator.sampling import Sample, hit_living, sample
from data.generator.truth import SourceErrors, history

#: Registered people of a chunk. Part of what the data are: with another size the same seed makes another
#: nation.
CHUNK = 50_000


@dataclass(frozen=True)
class Plan:
    """What all chunks share."""

    people: int
    seed: int
    born: int | None
    namesakes: float
    rates: Rates
    files: int
    layouts: tuple[Layout, ...]
    forms: Mapping[str, Form]  # of every source
    cards: bool

    @property
    def chunks(self) -> int:
        """How many chunks the nation has."""
        return -(-self.people // CHUNK)

    def registered(self, chunk: int) -> int:
        """How many registered people a chunk holds: all alike but for one."""
        return self.people // self.chunks + (chunk < self.people % self.chunks)


@dataclass
class Piece:
    """What one chunk adds to each file, and to the report."""

    tables: dict[str, list[pa.Table]] = field(
        default_factory=dict
    )  # Parquet files by name, one table a file part
    extracts: dict[str, list[Content]] = field(default_factory=dict)  # by source, one a file part
    records: dict[str, int] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    names: NDArray[np.int64] = field(
        default_factory=lambda: np.zeros(0, np.int64)
    )  # full names of the register
    givens: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    groups: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))  # sex * 6 + cohort


def _generator(plan: Plan, chunk: int, purpose: int) -> np.random.Generator:
    return np.random.Generator(np.random.SFC64(np.random.SeedSequence([plan.seed, chunk, purpose])))


def people_in(plan: Plan, chunk: int) -> People:
    """The people of a chunk, before anything is written about them."""
    return people_of(
        _generator(plan, chunk, 0),
        places(),
        naming(plan.namesakes),
        Serials(plan.seed, chunk, plan.chunks),
        plan.rates,
        plan.registered(chunk),
        plan.born,
    )


def clerks(plan: Plan, people: People) -> dict[str, NDArray[np.int64]]:
    """The numbers of clerks that stand on many rows, by source: of grown people of the first chunk."""
    rng = _generator(plan, 0, 1)
    able = np.flatnonzero(people.registered & (people.age >= 20) & (people.death == dates.NO_DAY))
    if len(able) == 0:
        able = np.flatnonzero(people.registered)
    needs = demand(plan.rates, plan.born)
    found = {}
    for layout in LAYOUTS:
        rows = needs.typical[layout.source] * plan.people * plan.rates.agency(layout.source).clerk_number
        wanted = min(len(able), max(1, round(rows / 30)))
        found[layout.source] = people.number[rng.choice(able, wanted, replace=False)]
    return found


def make(plan: Plan, chunk: int, clerk_numbers: dict[str, NDArray[np.int64]]) -> Piece:
    """Everything of one chunk."""
    people = people_in(plan, chunk)
    material = Material(
        people=people,
        person_id=person_ids(people),
        naming=naming(plan.namesakes),
        places=places(),
        serials=Serials(plan.seed, chunk, plan.chunks),
        cards=plan.cards,
    )
    samples = _samples(plan, chunk, people)
    # The further sources leave the register as it is.
    national = {layout.source: samples[layout.source] for layout in NATIONAL}
    every_clerk = np.concatenate([clerk_numbers[layout.source] for layout in NATIONAL])
    hit_living(_generator(plan, chunk, 2), people, national, plan.rates, every_clerk, plan.people)

    piece = Piece()
    rng = _generator(plan, chunk, 3)
    register, errors = register_rows(
        rng, people, material.person_id, material.naming, material.places, plan.rates.register
    )
    all_errors = [errors]
    piece.records["register"] = len(register)
    piece.tables["register"] = _parts(register, plan.files)
    piece.tables["register_alias"] = [alias_rows(rng, people, material.person_id)]
    entities = [
        pa.table(
            [
                constant("register", len(register)),
                register["person_id"].combine_chunks(),
                take(material.person_id, errors.person),
            ],
            schema=truth.ENTITIES,
        )
    ]
    for layout in plan.layouts:
        rows = _rows(plan, chunk, layout, material, samples, clerk_numbers)
        table, who = extract(rows)
        piece.records[layout.source] = len(table)
        piece.extracts[layout.source] = contents(rows, table, plan.files)
        entities.append(who)
        all_errors.append(rows.errors)
        for content in piece.extracts[layout.source]:
            for broken in content.broken:
                name = f"{layout.source}.row.{broken.kind}"
                piece.counts[name] = piece.counts.get(name, 0) + 1
    piece.tables["truth/entities"] = [pa.concat_tables(entities)]
    planted = [table for source in all_errors for table in source.tables]
    piece.tables["truth/errors"] = [pa.concat_tables([truth.ERRORS.empty_table(), *planted])]
    piece.tables["truth/fields"] = [
        _fields(people, material.person_id, material.naming, material.places, all_errors)
    ]
    for source in all_errors:
        for kind, count in source.counts.items():
            piece.counts[f"{source.source}.{kind}"] = count
    _summarise(piece, people)
    return piece


def _samples(plan: Plan, chunk: int, people: People) -> dict[str, Sample]:
    """Who stands in the national files, written or not, and in the further ones that are."""
    needs = demand(plan.rates, plan.born)
    found = {}
    for layout in LAYOUTS:
        if layout in NATIONAL or layout in plan.layouts:
            rng = _generator(plan, chunk, 10 + layout.number)
            rates = plan.rates.agency(layout.source)
            found[layout.source] = sample(rng, people, places(), layout, rates, needs)
    return found


def _rows(
    plan: Plan,
    chunk: int,
    layout: Layout,
    material: Material,
    samples: dict[str, Sample],
    clerk_numbers: dict[str, NDArray[np.int64]],
) -> Rows:
    return Rows(
        _generator(plan, chunk, 20 + layout.number),
        lambda purpose: _generator(plan, chunk, 1000 + 100 * layout.number + purpose),
        layout,
        plan.forms[layout.source],
        plan.rates.agency(layout.source),
        material,
        samples[layout.source],
        clerk_numbers[layout.source],
    )


def _parts(table: pa.Table, files: int) -> list[pa.Table]:
    edges = [len(table) * part // files for part in range(files + 1)]
    return [table.slice(start, stop - start) for start, stop in pairwise(edges)]


def _fields(
    people: People, person_id: pa.Array, names: Naming, where: Places, all_errors: list[SourceErrors]
) -> pa.Table:
    """True values of every field that some source holds otherwise, and former ones where there is a
    history.
    """
    iso = dates.texts("yyyy-mm-dd")
    sexes = pa.array(["M", "F"], pa.string())
    tables: list[pa.Table] = []

    def touched(name: str) -> NDArray[np.int64]:
        mark = np.zeros(people.count, np.bool_)
        for source in all_errors:
            for persons in source.touched.get(name, []):
                mark[persons] = True
        if name == "personal_number":
            mark[people.reissued] = True
        return np.flatnonzero(mark)

    def add(
        name: str, who: NDArray[np.int64], value: pa.Array, since: NDArray[np.int32] | None = None
    ) -> None:
        tables.append(history(person_id, name, who, value, since))

    who = touched("personal_number")
    since = np.full(people.count, dates.NO_DAY, np.int32)
    since[people.reissued] = people.reissued_on
    add("personal_number", who, digit_texts(people.number[who], 12), since[who])
    who = people.reissued
    add("personal_number", who, digit_texts(people.cancelled[who], 12), people.birth[who])
    for name, values in (
        ("full_name", people.name),
        ("father_name", people.father_name),
        ("mother_name", people.mother_name),
    ):
        who = touched(name)
        add(name, who, joined(names.title, values[who]))
    who = touched("birth_date")
    add("birth_date", who, take(iso, people.birth[who]))
    who = touched("sex")
    add("sex", who, take(sexes, people.sex[who]))
    who = touched("commune")
    add("commune", who, take(where.after_dated, people.home[who]), people.moved_on[who])
    add("commune", who, take(where.before_dated, people.former_home[who]))
    who = touched("birth_province")
    dated = pa.array([f"{code}@{BEFORE}" for code in where.province_gso.to_pylist()], pa.string())
    add("birth_province", who, take(dated, people.born_in[who]))
    who = touched("phone")
    add("phone", who, digit_texts(people.phone[who], 10))
    who = touched("death_date")
    add("death_date", who, take(iso, people.death[who]))
    return pa.concat_tables(tables)


def _summarise(piece: Piece, people: People) -> None:
    held = np.flatnonzero(people.registered)
    names = people.name[held].astype(np.int64)
    piece.names = (names[:, 0] << 32) | (names[:, 1] << 16) | names[:, 2]
    piece.givens = names[:, 2]
    piece.groups = people.sex[held] * 6 + cohort_of(people.year[held])
    day = dates.DAY[people.birth[held]]
    month = dates.MONTH[people.birth[held]]
    for name, count in {
        "people.registered": len(held),
        "people.unregistered": int((~people.registered).sum()),
        "people.dead": int((people.death[held] != dates.NO_DAY).sum()),
        "people.born_on_1_january": int(((day == 1) & (month == 1)).sum()),
        "people.twins": people.twins,
        "people.sons_named_after_their_father": people.named_after_father,
        "people.number_reissued": len(people.reissued),
        "people.with_spouse": int((people.spouse[held] >= 0).sum()),
        "people.with_parent": int(((people.mother[held] >= 0) | (people.father[held] >= 0)).sum()),
    }.items():
        piece.counts[name] = count
