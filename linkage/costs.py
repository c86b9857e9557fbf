"""What a run costs: seconds of each stage, memory and disk, as linear functions of what it has to do.

The coefficients are measured: :mod:`benchmarks.experiments.costs` fits them, none below zero, to the records
of finished runs of several sizes, and writes them here. They are seconds on the machine of the measurement,
with two threads on two processors; another machine's speed enters as a factor, measured there.
"""

from __future__ import annotations

from collections.abc import Mapping
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
    "keys": "block keys: records times rules",
    "pairs": "pairs of all blocks as they are walked, register pairs included",
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


#: Which drivers may matter to each stage, and whether one task does it. Stages not named here are guessed
#: from agency records alone.
SHAPES: Mapping[str, tuple[tuple[str, ...], bool]] = {
    "intake": (("one", "rows", "bytes"), False),
    "standardise": (("one", "rows"), False),
    "vocabulary": (("one", "rows"), True),
    "columns": (("one", "rows"), False),
    "frequency": (("one", "rows"), False),
    "block": (("one", "keys", "pairs"), False),
    "train": (("one", "rows", "random", "trained"), False),
    "match": (("one", "rows", "compared"), False),
    "decide": (("one", "agency"), False),
    "resolve": (("one", "agency"), False),
    "order": (("one", "rows"), False),
    "correct": (("one", "corrected"), False),
    "cases": (("one", "corrected"), False),
    "publish": (("one", "rows", "agency"), False),
    "feeds": (("one", "corrected"), False),
    "receipts": (("one", "agency"), False),
}

# fitted begin
#: Bytes. Memory is that of one process with its threads; disk is that of the run's folder at its
#: fullest, its artefacts included, and of the artefacts that stay.
# MEMORY is what is held without mapped files, of runs of 2, 22 and 223 million records: not linear, and not
# what a run's own record calls its peak, which counts mapped files too.
MEMORY = Cost({"one": 8.5e08, "rows": 7.3, "corrected": 25})
FULLEST = Cost({"one": 1.427e07, "rows": 266.5, "corrected": 382.7})
ARTEFACTS = Cost({"one": 9.153e05, "rows": 69.97, "corrected": 199.4})
#: Seconds.
SECONDS: Mapping[str, Cost] = {
    "intake": Cost({"one": 0.1787, "rows": 3.482e-07, "bytes": 7.978e-09}),
    "standardise": Cost({"one": 0.6311, "rows": 7.647e-07}),
    "vocabulary": Cost({"one": 0.031, "rows": 1.293e-08}, serial=True),
    "columns": Cost({"one": 0.02539, "rows": 7.515e-08}),
    "frequency": Cost({"one": 0.2691, "rows": 4.924e-07}),
    "block": Cost({"one": 0.2494, "keys": 3.77e-08}),
    "train": Cost({"one": 0.7368, "rows": 5.771e-07, "random": 7.368e-08, "trained": 1.941e-07}),
    "match": Cost({"one": 0.4412, "rows": 1.23e-06}),
    "decide": Cost({"one": 0.1273, "agency": 7.376e-07}),
    "resolve": Cost({"one": 0.0973, "agency": 3.692e-07}),
    "order": Cost({"one": 0.05, "rows": 1.5e-07}),
    "correct": Cost({"one": 0.4, "corrected": 2.3e-06}),
    "cases": Cost({"one": 0.2409, "corrected": 4.062e-07}),
    "publish": Cost({"one": 0.4091, "rows": 5.263e-07, "agency": 1.344e-06}),
    "feeds": Cost({"one": 0.2787, "corrected": 1.575e-06}),
    "receipts": Cost({"one": 0.07536, "agency": 3.329e-08}),
    "between": Cost({"one": 0.1656, "bytes": 1.896e-09}, serial=True),
}
# fitted end


def seconds(drivers: Mapping[str, float], threads: int, speed: float) -> dict[str, float]:
    """Seconds of every stage.

    threads : that really run at once, at least 1;  speed : of this machine's processors, 1 as measured, 2
              twice as fast
    """
    wide = THREADS / max(1, min(threads, MOST_THREADS))
    return {name: cost.of(drivers) * (1.0 if cost.serial else wide) / speed for name, cost in SECONDS.items()}


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
