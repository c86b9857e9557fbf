"""Arguments for every kernel, for any number of units: made once, used thrice.

The warm-up calls each kernel with a few units and so has it compiled, with the types that runs use. The tests
compare kernels with their twins on hundreds of units, the benchmarks time them on hundreds of thousands. The
same number of units always gives the same arguments.
"""

from __future__ import annotations

from kernels.examples import blocks, codes, corrections, intake, names, publishing, strings, text
from kernels.examples._form import Example

__all__ = ["EXAMPLES", "Example"]

#: Every public kernel that works on whole columns, some of them in several ways.
EXAMPLES: tuple[Example, ...] = (
    *strings.EXAMPLES,
    *names.EXAMPLES,
    *codes.EXAMPLES,
    *blocks.EXAMPLES,
    *text.EXAMPLES,
    *intake.EXAMPLES,
    *publishing.EXAMPLES,
    *corrections.EXAMPLES,
)
