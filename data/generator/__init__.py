"""A synthetic nation: a population register, the extracts of agencies, and the truth about both.

    from data.generator import generate, parse_rates
    generate(Path("nation"), 1_000_000)
    generate(Path("slice"), 1_000_000, born=1985, namesakes=12, rates=parse_rates(["tax.number_missing=0.1"]))
    generate(Path("old"), 100_000, forms=parse_forms([("encoding", "insurance=tcvn3")]))

Nobody in it exists. What it makes, and how true to life it is, stands in ``data/README.md``.
"""

from __future__ import annotations

from data.generator.forms import Form, fitting, parse_forms
from data.generator.layouts import DEFAULT_SOURCES, SOURCES
from data.generator.nation import generate
from data.generator.rates import DEFAULT, AgencyRates, Rates, RegisterRates, parse_rates
from data.generator.report import Report

__all__ = [
    "DEFAULT",
    "DEFAULT_SOURCES",
    "SOURCES",
    "AgencyRates",
    "Form",
    "Rates",
    "RegisterRates",
    "Report",
    "fitting",
    "generate",
    "parse_forms",
    "parse_rates",
]
