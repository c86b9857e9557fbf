"""What a run has to do, in the quantities that :mod:`linkage.costs` is linear in.

The declarations and the number of records say most of it; how many keys and pairs the records have, a
forecast says, or where there is none, what is usual.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from jobs.foreseen import Foreseen, foresee
from jobs.foreseen_texts import ForeseenTexts, foresee_texts
from jobs.project import LoadedProject
from jobs.workspace import Workspace
from linkage import costs
from linkage.forecast import RuleForecast
from linkage.pipeline import STAGES
from linkage.plan import brought_kinds
from linkage.settle import sample_share

#: What is usual, where nothing is known of the records: the share of the rules that a record has keys under
#: (of generated extracts 0.70 and 0.93), and its pairs that are compared, as of 22 million records.
_KEYS_A_RULE = 0.82
_COMPARED_A_RECORD = 2.5

#: Records that identifiers do not settle have this many times the pairs of others. Of generated nations of 2,
#: 22 and 223 million records identifiers found 88 in 100, and of all other pairs 21, 17 and 23 in 100 were
#: compared.
_UNSETTLED = 1.75

#: Most agency records that identifiers settle, whatever a sample says of them: some have rivals.
_MOST_SETTLED = 0.9


#: What a long text takes of its own bytes as it lies after intake: as it is, packed fast, or packed small. Of
#: made-up addresses, which repeat more than true ones, 0.31 and 0.17 were measured.
_PLAIN, _FAST, _SMALL = 1.0, 0.7, 0.45

#: Files of a source that are looked at for it, spread over all: each takes some 30 ms.
_FILES = 16


def stages_of(loaded: LoadedProject) -> tuple[str, ...]:
    """Stages that a run of the project has, in their order."""
    left_out = () if loaded.project.corrections.make else ("correct", "cases", "feeds")
    return tuple(stage.name for stage in STAGES if stage.name not in left_out)


def foresee_files(loaded: LoadedProject, share: int | None = None) -> dict[str, list[Foreseen]]:
    """What the beginnings of every source's files say of them, see :func:`jobs.foreseen.foresee`.

    share : bytes that a task may take, if that is known
    """
    from jobs.intake import most_rows

    most = most_rows(share)
    return {
        source.name: [
            foresee(file.path, file.size, loaded.contracts[source.name], most)
            for file in loaded.files[source.name]
        ]
        for source in loaded.project.sources
    }


def foresee_long(
    loaded: LoadedProject, files: Mapping[str, Sequence[Foreseen]], rows: Mapping[str, float]
) -> ForeseenTexts:
    """What the first records of all files, or of some of many, say of plain text.

    rows : accepted records of each source
    """
    kinds = brought_kinds(loaded.project, loaded.contracts.values())
    long = distinct = 0.0
    for name, many in files.items():
        contract = loaded.contracts[name]
        columns = [f.column for f in contract.fields if kinds.get(f.standard) == "text"]
        held = [(file.path, told.records) for file, told in zip(loaded.files[name], many, strict=True)]
        some = held[:: math.ceil(len(held) / _FILES)] if held else []
        seen = sum(records for _, records in some)
        if not columns or not seen:
            continue
        for path, records in some:
            share = rows.get(name, 0.0) * records / seen
            found = foresee_texts(path, contract, columns, int(share))
            long, distinct = long + found.long, distinct + found.distinct
    return ForeseenTexts(long, distinct)


def declared_work(
    loaded: LoadedProject,
    rows: Mapping[str, float],
    rules: int,
    files: Mapping[str, Sequence[Foreseen]] | None = None,
) -> dict[str, float]:
    """What is to be done for so many accepted records of each source, by what is declared and what is usual.

    rules : that make keys;  files : by source, if they have been looked at already
    """
    from jobs.blocking import rule_groups
    from jobs.intake import FAST_BYTES, PLAIN_BYTES
    from jobs.publishing import ROUND_ROWS

    every = sum(rows.values())
    register = sum(rows.get(s.name, 0.0) for s in loaded.project.sources if s.role == "register")
    agency = every - register
    files = foresee_files(loaded) if files is None else files
    looked = [file for many in files.values() for file in many]
    texts = foresee_long(loaded, files, rows)
    size = sum(f.size for f in looked)  # unpacked, as intake sees it when it asks whether to spare the disk
    cells = sum(n * len(loaded.contracts[name].fields) for name, n in rows.items())
    keys = _KEYS_A_RULE * rules * every
    group = max((len(g) for g in rule_groups(range(rules), int(every))), default=0)
    return dict.fromkeys(costs.DRIVERS, 0.0) | {
        "one": 1.0,
        "bytes": float(sum(f.size for many in loaded.files.values() for f in many)),
        "spooled": float(sum(f.spooled for f in looked)),
        "rows": every,
        "register": register,
        "agency": agency,
        "corrected": agency if loaded.project.corrections.make else 0.0,
        "fed": _fed(loaded, rows) if loaded.project.corrections.make else 0.0,
        "far": every * max(0.0, math.log10(max(1.0, every) / 1e6)),
        "cells": cells,
        "plain": cells if size <= PLAIN_BYTES else 0.0,
        "loose": cells if PLAIN_BYTES < size <= FAST_BYTES else 0.0,
        "long": texts.long * (_PLAIN if size <= PLAIN_BYTES else _FAST if size <= FAST_BYTES else _SMALL),
        "texts": texts.distinct,
        "round": min(every, float(ROUND_ROWS)),
        "keys": keys,
        "at_once": keys * group / max(1, rules),
        "sampled": 2.0 * _side(register, agency),
        "random": random_pairs(register, agency),
        "compared": _COMPARED_A_RECORD * every,
    }


def _fed(loaded: LoadedProject, rows: Mapping[str, float]) -> float:
    """Most agency records whose feeds are joined at once, as if each record were corrected once."""
    from jobs.correction import joined_together

    agencies = {s.name: int(rows.get(s.name, 0.0)) for s in loaded.project.sources if s.role == "agency"}
    return float(max((sum(agencies[name] for name in some) for some in joined_together(agencies)), default=0))


def forecast_work(
    space: Workspace, rows: Mapping[str, float], rules: Sequence[RuleForecast], *, trained: bool
) -> dict[str, float]:
    """What is to be done by a forecast of every rule.

    rows : accepted records by source;  trained : the run trains its model
    """
    from jobs.blocking import rule_groups

    keyed = [number for number, rule in enumerate(space.rules) if not rule.near]
    work = declared_work(space.loaded, rows, len(keyed))
    groups = rule_groups(keyed, int(work["rows"]))
    return work | {
        "keys": sum(r.keys for r in rules),
        "at_once": max((sum(rules[n].keys for n in group) for group in groups), default=0.0),
        "pairs": sum(r.pairs + r.register_pairs for r in rules),
        "sampled": work["sampled"] if trained else 0.0,
        "random": work["random"] if trained else 0.0,
        "trained": trained_pairs(space, work["agency"], rules) if trained else 0.0,
        "compared": compared_pairs(space, work["agency"], rules),
    }


def random_pairs(register: float, agency: float) -> float:
    """Random pairs that training counts."""
    from jobs.tasks_train import RANDOM_PAIRS, RANDOM_PAIRS_A_RECORD

    return min(RANDOM_PAIRS, RANDOM_PAIRS_A_RECORD * (register + agency), _side(register, agency) ** 2)


def _side(register: float, agency: float) -> float:
    """Records of each side that random pairs are made of."""
    from jobs.tasks_train import RANDOM_SIDE

    return min(float(RANDOM_SIDE), register, agency)


def trained_pairs(space: Workspace, agency: float, rules: Sequence[RuleForecast]) -> float:
    """Pairs of blocks that training counts: a share of every rule, see :func:`jobs.tasks_train.shares_of`."""
    from jobs.tasks_train import NEAR_PAIRS, REGISTER_PAIRS, RULE_PAIRS

    plan = space.training
    share = min(1.0, plan.sample / max(1.0, agency))
    total = sum(min(r.register_pairs, REGISTER_PAIRS) for r in rules)
    for index in dict.fromkeys([*plan.rules, *(r for _, r in plan.groups)]):
        pairs = rules[index].pairs
        total += min(pairs, NEAR_PAIRS) if space.rules[index].near else min(share * pairs, RULE_PAIRS)
    return total


def compared_pairs(space: Workspace, agency: float, rules: Sequence[RuleForecast]) -> float:
    """Pairs that are compared and scored: of records that identifiers settle, those of identifiers only.

    A sample cannot tell which these are; by the agency records that identifiers find, it is guessed.
    """
    every = sum(r.compared for r in rules)
    first = space.identifier_rules
    if not first or not space.settling.any():
        return every
    found = sum(rules[n].compared for n in first)
    settled = min(_MOST_SETTLED, found / max(1.0, agency))
    left = min(1.0, _UNSETTLED * (1.0 - settled))
    share = sample_share(int(agency))
    return found + (every - found) * (share + (1.0 - share) * left)
