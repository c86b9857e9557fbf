"""What an example is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray


def mapped(values: NDArray[Any]) -> NDArray[Any]:
    """A read-only view, as of a mapped file or of an Arrow array: to Numba a type of its own."""
    view = values.view()
    view.flags.writeable = False
    return view


@dataclass(frozen=True, slots=True)
class Example:
    """A kernel and a maker of its arguments.

    ``make(n)`` gives the arguments for ``n`` units, ``n`` at least 1; ``unit`` says of what. ``case`` tells
    several examples of one kernel apart. ``consumed`` are the places of the arguments that a call changes and
    depends on: who calls twice copies them before.
    """

    kernel: Callable[..., Any]
    make: Callable[[int], tuple[Any, ...]]
    unit: str
    case: str = ""
    consumed: tuple[int, ...] = ()

    @property
    def name(self) -> str:
        """Module and function, and the case where there are several: ``edit.osa_pairs, cutoff 2``."""
        own = f"{self.kernel.__module__.removeprefix('kernels.')}.{self.kernel.__name__}"
        return f"{own}, {self.case}" if self.case else own

    def call(self, arguments: tuple[Any, ...]) -> Any:
        """Run the kernel."""
        return self.kernel(*arguments)
