"""Hit rate and cost of comparing names by the ids of their tokens, on a nation.

python -m benchmarks.token_tables --people 200000
python -m benchmarks.token_tables --people 200000 --into benchmarks/README.md

A nation is generated and reconciled, with a counter around each kernel that looks at names, in training and
in matching. Names that the ids of their tokens settle are never spelt; of the others a look at their letters
and lengths rules out most; what is left is spelt and its distance is taken.
"""

from __future__ import annotations

import argparse
import contextlib
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.table import put_into
from kernels.tokens import EXACT, NULL, UNACCENTED
from linkage import compare

#: Sizes of a dense table over the commonest tokens whose hit rate is told.
SIZES = (1024, 2048, 4096, 8192)
_SAMPLE = 2_000


class Tally:
    """What was seen of names, over all batches of all threads."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.seconds: Counter[str] = Counter()
        self._lock = threading.Lock()

    def add(self, name: str, seconds: float, seen: dict[str, int]) -> None:
        """Take in one call of a kernel."""
        with self._lock:
            self.seconds[name] += seconds
            self.counts.update(seen)


def seen_by_bits(arguments: Sequence[Any]) -> dict[str, int]:
    """Pairs of names by what their ids say, and token places by how common their two tokens are."""
    table, other, left, right, _, bits = arguments[:6]
    a, b = table[left[:_SAMPLE]], other[right[:_SAMPLE]]
    both = (a != 0) & (b != 0)
    rarer = np.maximum(a, b)[both]
    null, exact, settled = (int(np.count_nonzero(bits & np.uint32(bit))) for bit in (NULL, EXACT, UNACCENTED))
    return {
        "pairs": bits.shape[0], "empty": null, "equal": exact, "settled": settled - exact,
        "places": int(both.sum()), "same": int((a == b)[both].sum()),
        **{f"among {size}": int((rarer <= size).sum()) for size in SIZES},
    }  # fmt: skip


def seen_by_letters(arguments: Sequence[Any]) -> dict[str, int]:
    """Pairs that no id settled, and those of them whose letters rule them out."""
    bits, settled, wanted = arguments[3], arguments[4], arguments[6]
    asked = int(np.count_nonzero((bits & np.uint32(settled)) == 0))
    return {"asked": asked, "near": int(np.count_nonzero(wanted))}


def seen_by_distance(arguments: Sequence[Any]) -> dict[str, int]:
    """Pairs whose distance was taken."""
    return {"spelt": int(np.count_nonzero(arguments[5]))}


def seen_by_masks(arguments: Sequence[Any]) -> dict[str, int]:
    """Names whose letters were gathered."""
    return {"masked": int(arguments[-1].shape[0])}


_WATCHED: dict[str, Callable[[Sequence[Any]], dict[str, int]]] = {
    "name_bits": seen_by_bits,
    "letter_masks": seen_by_masks,
    "may_be_near": seen_by_letters,
    "name_osa_pairs": seen_by_distance,
}


@contextlib.contextmanager
def watched(tally: Tally) -> Iterator[None]:
    """Count and time every comparison of names, whoever asks for it."""
    own = {name: getattr(compare, name) for name in _WATCHED}

    def around(name: str) -> Callable[..., None]:
        def call(*arguments: Any) -> None:
            begun = time.thread_time()
            own[name](*arguments)
            tally.add(name, time.thread_time() - begun, _WATCHED[name](arguments))

        return call

    for name in own:
        setattr(compare, name, around(name))
    try:
        yield
    finally:
        for name, kernel in own.items():
            setattr(compare, name, kernel)


def report(tally: Tally, people: int) -> str:
    """The tables, as Markdown."""
    c, pairs = tally.counts, max(1, tally.counts["pairs"])
    steps = [
        ("compared by token ids", "pairs", "name_bits"),
        ("of names whose letters were gathered", "masked", "letter_masks"),
        ("looked at by letters and lengths", "asked", "may_be_near"),
        ("spelt, and their distance taken", "spelt", "name_osa_pairs"),
    ]
    lines = [
        f"A nation of {people:,} people: {pairs:,} pairs of names, of training and of matching.",
        "",
        "| pairs of names | share |",
        "| --- | ---: |",
        f"| one of them empty | {c['empty'] / pairs:.4f} |",
        f"| the same ids | {c['equal'] / pairs:.4f} |",
        f"| other ids, the same without diacritics | {c['settled'] / pairs:.4f} |",
        f"| ruled out by letters and lengths | {(c['asked'] - c['near']) / pairs:.4f} |",
        f"| spelt, and their distance taken | {c['spelt'] / pairs:.4f} |",
        "",
        "| step | pairs or names | ns each | ns a pair of names |",
        "| --- | ---: | ---: | ---: |",
    ]
    for text, count, kernel in steps:
        spent = tally.seconds[kernel] * 1e9
        lines.append(f"| {text} | {c[count]:,} | {spent / max(1, c[count]):,.1f} | {spent / pairs:,.1f} |")
    places = max(1, c["places"])
    lines += [
        "",
        "| two tokens in the same place of two names | share |",
        "| --- | ---: |",
        f"| the same token | {c['same'] / places:.4f} |",
        *(f"| both among the {size:,} commonest | {c[f'among {size}'] / places:.4f} |" for size in SIZES),
    ]
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Generate, reconcile and count; print the tables or put them into a document."""
    parser = argparse.ArgumentParser(description="Hit rate and cost of comparing names by token ids.")
    parser.add_argument("--people", type=int, default=200_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--into", type=Path, help="document whose section is replaced")
    given = parser.parse_args(arguments)
    from jobs import kernel_cache
    from jobs.generation import generate_nation
    from jobs.progress import Progress
    from jobs.run import run_project

    kernel_cache.prepare()
    kernel_cache.warmup(Progress())
    tally = Tally()
    with tempfile.TemporaryDirectory(prefix="linkage-") as folder:
        nation = Path(folder) / "nation"
        generate_nation(nation, given.people, seed=given.seed, threads=2)
        with watched(tally):
            run_project(nation / "project.toml", Path(folder) / "run", threads=2)
    text = report(tally, given.people)
    if given.into is None:
        print(text)
    else:
        held = given.into.read_text(encoding="utf-8")
        given.into.write_text(put_into(held, "tokens", text), encoding="utf-8")


if __name__ == "__main__":
    main()
