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
    "rows": "accepted records",
    "register": "accepted register records",
    "agency": "accepted agency records",
    "corrected": "accepted agency records if corrections are made, else none",
    "far": "accepted records times the powers of ten by which they are more than a million",
    "cells": "fields of all accepted records",
    "plain": "fields of all accepted records if they lie as they are, else none",
    "loose": "the same if they lie packed fast",
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

# MEMORY is what is held without mapped files, of runs of 2, 22 and 223 million records: not linear, and not
# what a run's own record calls its peak, which counts mapped files too.
MEMORY = Cost({"one": 8.5e08, "rows": 7.3, "corrected": 25})

# disk begin
#: Bytes of the run's folder at the fullest of each stage, its artefacts included.
DISK: Mapping[str, Cost] = {
    "intake": Cost({"one": 2.989e04, "rows": 46.88, "cells": 1.037, "plain": 6.002, "loose": 2.557}),
    "standardise": Cost({"one": 1.267e05, "rows": 41.77, "cells": 6.781, "plain": 6.026, "loose": 2.555}),
    "vocabulary": Cost({"one": 2.079e05, "rows": 41.73, "cells": 6.809, "plain": 6.044, "loose": 2.549}),
    "columns": Cost({"one": 2.373e05, "rows": 56.19, "cells": 11.19, "plain": 6.09, "loose": 1.732}),
    "frequency": Cost({"one": 2.766e05, "rows": 136, "cells": 1.824, "plain": 9.311, "loose": 5.653}),
    "block": Cost(
        {
            "one": 2.859e05,
            "rows": 80.17,
            "cells": 2.329,
            "plain": 10.91,
            "loose": 5.541,
            "keys": 8.489,
            "at_once": 6.824,
        }
    ),
    "train": Cost(
        {
            "one": 7.49e05,
            "rows": 33.17,
            "cells": 10.65,
            "plain": 5.909,
            "loose": 1.921,
            "keys": 6.182,
            "sampled": 190.9,
        }
    ),
    "match": Cost(
        {"one": 4.479e05, "rows": 102.2, "cells": 5.906, "plain": 5.886, "loose": 2.193, "keys": 5.032}
    ),
    "decide": Cost(
        {"one": 5.721e05, "rows": 61.25, "cells": 3.57, "plain": 6.243, "loose": 2.461, "agency": 162.2}
    ),
    "resolve": Cost(
        {
            "one": 5.64e05,
            "rows": 72.75,
            "cells": 3.802,
            "plain": 6.143,
            "loose": 2.458,
            "agency": 136.5,
            "corrected": 9.972,
        }
    ),
    "order": Cost(
        {
            "one": 3.632e05,
            "rows": 118.6,
            "cells": 4.73,
            "plain": 5.594,
            "loose": 2.555,
            "agency": 45.42,
            "corrected": 16.4,
        }
    ),
    "correct": Cost(
        {"one": 6.111e05, "rows": 93.98, "cells": 6.55, "plain": 6.127, "loose": 2.551, "corrected": 160.3}
    ),
    "cases": Cost(
        {"one": 6.44e05, "rows": 97.22, "cells": 4.221, "plain": 6.141, "loose": 2.548, "corrected": 167.5}
    ),
    "publish": Cost(
        {
            "one": 5.311e05,
            "rows": 38.08,
            "cells": 7.769,
            "plain": 4.994,
            "loose": 2.551,
            "agency": 134.2,
            "corrected": 66.51,
            "round": 42.29,
        }
    ),
    "feeds": Cost(
        {"one": 7.38e05, "rows": 117.4, "cells": 1.311, "plain": 5.548, "corrected": 202.7, "fed": 27.19}
    ),
    "receipts": Cost({"one": 8.849e05, "rows": 50.84, "cells": 3.653, "corrected": 204.6}),
}
#: Bytes of the artefacts, which stay.
ARTEFACTS = Cost({"one": 3.772e05, "rows": 33.32, "cells": 3.541, "corrected": 202.9})
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
    "match": Cost({"one": 0.225, "compared": 5.042e-07}),
    "decide": Cost({"one": 0.2457, "agency": 1.341e-07, "far": 7.878e-08}),
    "resolve": Cost({"one": 0.163, "agency": 1.287e-08, "far": 5.349e-08}),
    "publish": Cost({"one": 0.6532, "agency": 6.002e-07, "far": 3.688e-07}),
    "order": Cost({"one": 0.1, "rows": 1.5e-07, "far": 1e-07}),
    "correct": Cost({"one": 0.5, "corrected": 1.4e-06}),
    "cases": Cost({"one": 0.1919, "corrected": 1.768e-07}),
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
    return {name: cost.of(drivers) * (1.0 if cost.serial else wide) / speed for name, cost in SECONDS.items()}


def disk(drivers: Mapping[str, float], stages: Collection[str]) -> dict[str, int]:
    """Bytes of the run's folder at its ``fullest``, and of the ``artefacts`` in it, which stay.

    stages : that the run has
    """
    fullest = max(cost.of(drivers) for name, cost in DISK.items() if name in stages)
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
