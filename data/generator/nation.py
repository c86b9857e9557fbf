"""The whole nation: chunks made on threads, written in order, so that any number of threads gives the same
bytes.
"""

from __future__ import annotations

import shutil
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from data.generator.chunk import Piece, Plan, clerks, make, people_in
from data.generator.encodings import LEGACY
from data.generator.forms import PLAIN, Form
from data.generator.layouts import DEFAULT_SOURCES, chosen
from data.generator.naming import naming
from data.generator.rates import DEFAULT, Rates
from data.generator.report import Report, Summary
from data.generator.writer import NationFiles

YEARS = (1920, 2025)


def generate(
    out: Path,
    people: int,
    *,
    seed: int = 1,
    born: int | None = None,
    namesakes: float = 1.0,
    rates: Rates = DEFAULT,
    progress: Callable[[int, int], None] | None = None,
    threads: int = 2,
    files: int = 1,
    sources: Iterable[str] = DEFAULT_SOURCES,
    forms: Mapping[str, Form] | None = None,
    cards: bool = False,
) -> Report:
    """A register of ``people`` persons, the extracts of agencies, contracts, policies, project file and
    truth, in ``out``.

    Parameters
    ----------
    out
        A folder that does not exist or is empty. It is written aside and takes its place when it is complete.
    people
        Registered persons, at least 1; memory does not grow with it.
    seed
        The same seed and other parameters, ``threads`` aside, give the same bytes.
    born
        Only people of this birth year (1920..2025): at a million, a nation's density of birthdays.
    namesakes
        How many times as often full names coincide within sex and cohort (0.1..60).
    rates
        Error rates, see ``Rates``.
    progress
        Called with people written so far and ``people`` after every chunk.
    threads
        Chunks made at a time, at least 1.
    files
        Parts that the register and each extract are split into, at least 1; the rows are the same.
    sources
        The agencies, of ``layouts.SOURCES``; the register is the same whichever are written.
    forms
        How the files of a source are written, by source, see ``Form``; plain where a source is not named.
    cards
        Whether insurance has a column of health cards and the tax office holds a share of its people under
        their personal numbers.

    Raises
    ------
    ValueError
        For an argument outside its range, a folder that is not empty, more people of one birth year, sex and
        province than there are numbers, or more rows than a workbook holds.
    """
    for name, value in (("people", people), ("threads", threads), ("files", files)):
        if value < 1:
            raise ValueError(f"{name} is {value}; wanted at least 1")
    if seed < 0:
        raise ValueError(f"seed is {seed}; wanted 0 or more")
    if born is not None and not YEARS[0] <= born <= YEARS[1]:
        raise ValueError(f"born is {born}; wanted a year in {YEARS[0]}..{YEARS[1]}")
    out = Path(out)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ValueError(f"{out} is not empty; wanted a new or empty folder; remove it or name another one")
    layouts = chosen(tuple(sources))
    every_form = {layout.source: (forms or {}).get(layout.source, PLAIN) for layout in layouts}
    _check_forms(every_form, rates)
    plan = Plan(people, seed, born, namesakes, rates, files, layouts, every_form, cards)
    naming(namesakes)
    aside = out.with_name(f".{out.name}.partial")
    if aside.exists():
        shutil.rmtree(aside)
    try:
        summary = Summary(plan)
        with NationFiles(aside, plan) as written:
            _run(plan, threads, written, summary, progress)
        report = summary.report()
        written.report(report)
        if out.exists():
            out.rmdir()
        aside.rename(out)
    finally:
        if aside.exists():
            shutil.rmtree(aside)
    return report


def _check_forms(forms: Mapping[str, Form], rates: Rates) -> None:
    """Raises ValueError for signs of another encoding in an encoding that cannot say them."""
    for source, form in forms.items():
        if rates.agency(source).name_mojibake and form.encoding in LEGACY:
            raise ValueError(
                f"{source}.name_mojibake is set and its files are in {form.encoding}; wanted utf-8 or utf-16;"
                " set the rate to 0"
            )


def _run(
    plan: Plan,
    threads: int,
    written: NationFiles,
    summary: Summary,
    progress: Callable[[int, int], None] | None,
) -> None:
    clerk_numbers = clerks(plan, people_in(plan, 0))
    done = 0
    executor = ThreadPoolExecutor(threads, thread_name_prefix="generate")
    try:
        waiting: deque[Future[Piece]] = deque()
        following = 0
        for chunk in range(plan.chunks):
            # One chunk more than threads is under way, so that none waits for the writing; memory stays
            # bounded.
            while following < plan.chunks and len(waiting) <= threads:
                waiting.append(executor.submit(make, plan, following, clerk_numbers))
                following += 1
            piece = waiting.popleft().result()
            written.add(piece)
            summary.add(piece)
            done += plan.registered(chunk)
            if progress is not None:
                progress(done, plan.people)
    finally:
        executor.shutdown(cancel_futures=True)
