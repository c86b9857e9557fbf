"""What a run costs: seconds and disk of each stage, and memory, as linear functions of what it has to do.

The coefficients are measured: :mod:`benchmarks.experiments.costs` fits them, none below zero, to the records
of finished runs of several sizes, and writes them here. They are seconds on the machine of the measurement,
with two threads on two processors; another machine's speed enters as a factor, measured there. Bytes on the
disk are those of what lies in the run's folder while the stage goes on, and the same on every machine.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np

#: What a run has to do: the quantities that costs are linear in.
DRIVERS: Mapping[str, str] = {
    "one": "1: what a stage costs whatever comes",
    "bytes": "bytes of the input files",
    "spooled": "bytes of the input files that are written out before they are read, as they are then",
    "rows": "accepted records",
    "register": "accepted register records",
    "agency": "accepted agency records",
    "corrected": "accepted agency records if corrections are made, else none",
    "far": "accepted records times the powers of ten by which they are more than a million",
    "cells": "fields of all accepted records",
    "plain": "fields of all accepted records if they lie as they are, else none",
    "loose": "the same if they lie packed fast",
    "long": "bytes of plain text beyond those of ordinary fields, as they lie after intake",
    "texts": "bytes of the different plain texts, with their hashes and offsets",
    "round": "records that are published at once",
    "fed": "agency records whose feeds are joined at once, if corrections are made",
    "keys": "block keys",
    "at_once": "block keys that lie on the disk at once",
    "pairs": "pairs of all blocks as they are walked, register pairs included",
    "sampled": "records that random pairs of training are made of",
    "random": "random pairs of training",
    "trained": "pairs of training from blocks",
    "compared": "pairs that are compared and scored",
}

#: Threads of the measurement.
THREADS = 2

#: Seconds that the fixed work of :func:`jobs.machine.measure_speed` took there.
YARDSTICK = 0.0236

#: Threads beyond these gain nothing: a stage has so many tasks of its own only on large inputs.
MOST_THREADS = 64


@dataclass(frozen=True)
class Cost:
    """Cost of a stage: a coefficient for each driver; ``serial`` stages gain nothing from more threads."""

    coefficients: Mapping[str, float]
    serial: bool = False

    def of(self, drivers: Mapping[str, float]) -> float:
        """The cost, in the unit of the coefficients."""
        return sum(value * drivers[name] for name, value in self.coefficients.items())


#: Which drivers may matter to each stage's seconds, and whether one task does it.
SHAPES: Mapping[str, tuple[tuple[str, ...], bool]] = {
    "intake": (("one", "rows", "bytes"), False),
    "standardise": (("one", "rows", "cells"), False),
    "vocabulary": (("one", "rows"), True),
    "columns": (("one", "rows", "far"), False),
    "frequency": (("one", "rows", "far"), False),
    "block": (("one", "keys", "pairs", "far"), False),
    "train": (("one", "rows", "random", "trained"), False),
    "match": (("one", "rows", "compared", "pairs"), False),
    "decide": (("one", "agency", "far"), False),
    "resolve": (("one", "agency", "far"), False),
    "order": (("one", "rows", "far"), False),
    "correct": (("one", "corrected"), False),
    "cases": (("one", "corrected"), False),
    "publish": (("one", "rows", "agency", "far"), False),
    "feeds": (("one", "corrected"), False),
    "receipts": (("one", "agency"), False),
}

_COLUMNS = ("one", "rows", "cells", "plain", "loose")
_BLOCKED = (*_COLUMNS, "keys")

#: The stage that writes files out before it reads them. All of them lie there until it ends, none after it:
#: this is not measured but so, and the runs that the coefficients are fitted to have none.
SPOOLING = "intake"

#: How often the different plain texts lie there at the fullest of each stage, and what intake has of them:
#: once in those not named. As with spooled files, this is not measured but so.
TEXTS: Mapping[str, float] = {"intake": 0.0, "standardise": 1.0, "vocabulary": 2.0}
LONG: Mapping[str, float] = {"receipts": 0.0}

#: Seconds for each byte of the different plain texts, as SECONDS: of eight million addresses.
TEXT_SECONDS: Mapping[str, float] = {"standardise": 1.8e-08, "vocabulary": 2e-08}

#: Which of them may matter to the bytes that lie in the run's folder at the fullest of each stage.
LYING: Mapping[str, tuple[str, ...]] = {
    "intake": _COLUMNS,
    "standardise": _COLUMNS,
    "vocabulary": _COLUMNS,
    "columns": _COLUMNS,
    "frequency": _COLUMNS,
    "block": (*_BLOCKED, "at_once"),
    "train": (*_BLOCKED, "sampled"),
    "match": (*_BLOCKED, "compared"),
    "decide": (*_COLUMNS, "agency", "compared"),
    "resolve": (*_COLUMNS, "agency", "corrected"),
    "order": (*_COLUMNS, "agency", "corrected"),
    "correct": (*_COLUMNS, "corrected"),
    "cases": (*_COLUMNS, "corrected"),
    "publish": (*_COLUMNS, "agency", "corrected", "round"),
    "feeds": (*_COLUMNS, "corrected", "fed"),
    "receipts": ("one", "rows", "cells", "corrected"),
}

#: Of the disk so much more is foreseen than was measured: what a run finds too little of ends it.
MARGIN = 1.05

# MEMORY is what is held without mapped files, of runs of 2, 22 and 223 million records: not linear.
MEMORY = Cost({"one": 8.5e08, "rows": 7.3, "corrected": 25})

# disk begin
#: Bytes of the run's folder at the fullest of each stage, its artefacts included.
DISK: Mapping[str, Cost] = {
    "intake": Cost({"one": 4.33e04, "rows": 28.31, "cells": 3.021, "plain": 5.958, "loose": 2.557}),
    "standardise": Cost({"one": 1.356e05, "rows": 52.67, "cells": 5.618, "plain": 5.977, "loose": 2.554}),
    "vocabulary": Cost({"one": 2.09e05, "rows": 52.78, "cells": 5.63, "plain": 6.008, "loose": 2.544}),
    "columns": Cost({"one": 2.2e05, "rows": 80.09, "cells": 8.641, "plain": 6.006, "loose": 1.442}),
    "frequency": Cost({"one": 2.411e05, "rows": 76.63, "cells": 8.173, "plain": 9.335, "loose": 5.463}),
    "block": Cost(
        {
            "one": 2.585e05,
            "rows": 57.98,
            "cells": 6.188,
            "plain": 15.04,
            "loose": 8.76,
            "keys": 6.915,
            "at_once": 1.648,
        }
    ),
    "train": Cost(
        {
            "one": 7.776e05,
            "rows": 59.39,
            "cells": 6.397,
            "plain": 5.822,
            "loose": 1.752,
            "keys": 7.307,
            "sampled": 186.5,
        }
    ),
    "match": Cost(
        {"one": 5.114e05, "rows": 77.81, "cells": 6.38, "plain": 6.319, "loose": 2.285, "keys": 7.188}
    ),
    "decide": Cost(
        {"one": 5.294e05, "rows": 56.59, "cells": 6.034, "plain": 6.302, "loose": 2.365, "agency": 99.4}
    ),
    "resolve": Cost(
        {
            "one": 5.479e05,
            "rows": 59.23,
            "cells": 6.315,
            "plain": 6.288,
            "loose": 2.362,
            "agency": 104.3,
            "corrected": 22.3,
        }
    ),
    "order": Cost(
        {
            "one": 4.072e05,
            "rows": 60.19,
            "cells": 6.511,
            "plain": 5.114,
            "loose": 2.38,
            "agency": 108.7,
            "corrected": 32.12,
        }
    ),
    "correct": Cost(
        {"one": 6.114e05, "rows": 81.54, "cells": 8.693, "plain": 6.118, "loose": 2.541, "corrected": 146.5}
    ),
    "cases": Cost(
        {"one": 6.464e05, "rows": 76.65, "cells": 8.172, "plain": 6.11, "loose": 2.543, "corrected": 137.6}
    ),
    "publish": Cost(
        {
            "one": 5.325e05,
            "rows": 60.14,
            "cells": 6.424,
            "plain": 6.335,
            "loose": 2.708,
            "agency": 108.2,
            "corrected": 74.85,
            "round": 29.42,
        }
    ),
    "feeds": Cost(
        {"one": 8.084e05, "rows": 74.28, "cells": 7.915, "plain": 3.763, "corrected": 132.2, "fed": 88.83}
    ),
    "receipts": Cost({"one": 8.304e05, "rows": 43.63, "cells": 4.579, "corrected": 199.9}),
}
#: Bytes of the artefacts, which stay.
ARTEFACTS = Cost({"one": 3.614e05, "rows": 34.04, "cells": 3.575, "corrected": 199.4})
# disk end

# seconds begin
#: Seconds of each stage, and of what lies between them.
SECONDS: Mapping[str, Cost] = {
    "intake": Cost({"one": 0.6444, "rows": 1.997e-08, "bytes": 8.332e-09}),
    "standardise": Cost({"one": 0.2619, "cells": 5.218e-08}),
    "vocabulary": Cost({"one": 0.05902, "rows": 2.568e-09}, serial=True),
    "columns": Cost({"one": 0.04007, "far": 3.409e-08}),
    "frequency": Cost({"one": 0.3335, "rows": 9.404e-08, "far": 1.349e-07}),
    "block": Cost({"one": 0.07751, "keys": 2.605e-08, "pairs": 2.18e-08}),
    "train": Cost({"one": 0.2094, "rows": 6.377e-08, "random": 2.094e-08, "trained": 3.478e-07}),
    "match": Cost({"one": 0.225, "rows": 3e-07, "compared": 5.042e-07}),
    "decide": Cost({"one": 0.2457, "agency": 1.341e-07, "far": 7.878e-08}),
    "resolve": Cost({"one": 0.163, "agency": 1.287e-08, "far": 5.349e-08}),
    "order": Cost({"one": 0.1, "rows": 1.5e-07, "far": 1e-07}),
    "correct": Cost({"one": 0.5, "corrected": 1.4e-06}),
    "cases": Cost({"one": 0.1919, "corrected": 1.768e-07}),
    "publish": Cost({"one": 0.6532, "agency": 6.002e-07, "far": 3.688e-07}),
    "feeds": Cost({"one": 0.3, "corrected": 8.6e-07}),
    "receipts": Cost({"one": 0.04414, "agency": 1.329e-08}),
    "between": Cost({"one": 0.8277, "bytes": 2.526e-09}, serial=True),
}
# seconds end


def seconds(drivers: Mapping[str, float], threads: int, speed: float) -> dict[str, float]:
    """Seconds of every stage.

    threads : that really run at once, at least 1;  speed : of this machine's processors, 1 as measured, 2
              twice as fast
    """
    wide = THREADS / max(1, min(threads, MOST_THREADS))
    found = {name: cost.of(drivers) * (1.0 if cost.serial else wide) for name, cost in SECONDS.items()}
    for name, each in TEXT_SECONDS.items():
        found[name] += each * drivers["texts"] * wide
    return {name: value / speed for name, value in found.items()}


def disk(drivers: Mapping[str, float], stages: Collection[str]) -> dict[str, int]:
    """Bytes of the run's folder at its ``fullest``, and of the ``artefacts`` in it, which stay.

    stages : that the run has
    """
    lying = {name: cost.of(drivers) for name, cost in DISK.items() if name in stages}
    if SPOOLING in lying:
        lying[SPOOLING] += drivers["spooled"]
    for name in lying:
        lying[name] += TEXTS.get(name, 1.0) * drivers["texts"] + LONG.get(name, 1.0) * drivers["long"]
    fullest = max(lying.values())
    return {"fullest": int(MARGIN * fullest), "artefacts": int(MARGIN * ARTEFACTS.of(drivers))}


def fit(features: np.ndarray, costs: np.ndarray, rounds: int = 20_000) -> np.ndarray:
    """Coefficients, none below zero, of the linear function whose relative errors are least.

    features : float64[runs, drivers];  costs : float64[runs], above zero.  Multiplicative updates of
    Lee and Seung (2000) for non-negative least squares.
    """
    scale = np.maximum(features.max(axis=0), 1e-300)
    held = features / scale / costs[:, None]
    out = np.full(features.shape[1], 1.0)
    above = held.T @ np.ones(costs.shape[0])
    gram = held.T @ held
    for _ in range(rounds):
        out *= above / np.maximum(gram @ out, 1e-300)
    return np.asarray(out / scale)
