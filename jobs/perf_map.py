"""Names of compiled kernels for ``perf``: run any command of the program, then write its map.

    perf record -F 199 -e cpu-clock -- python -m jobs.perf_map run PROJECT --out RUN --threads 2
    perf report --sort symbol

``perf`` looks for the functions of a process that it finds in no file in ``perf-PID.map`` in the folder of
temporary files: a line each of address, size and name, in hexadecimal. Numba's own announcement of functions
(``NUMBA_ENABLE_PROFILING``) reaches ``perf`` only where LLVM was built for it, as that of wheels is not.
A kernel's time holds that of the kernels inlined into it.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

#: What lies farther behind a kernel's entry than this, is not of it.
_LARGEST = 1 << 18


def compiled(modules: Sequence[ModuleType]) -> list[tuple[int, int, str]]:
    """Address, size and name of every compiled kernel of ``modules``, by address; no two overlap.

    Numba says where a kernel begins, not where it ends: at most where the next one begins. What is inlined
    wherever it is called has no address.
    """
    found: dict[int, str] = {}
    for module in modules:
        for held in vars(module).values():
            if not hasattr(held, "overloads") or held.py_func.__module__ != module.__name__:
                continue
            for number, result in enumerate(held.overloads.values()):
                name = f"{module.__name__}.{held.py_func.__name__}" + (f"#{number}" if number else "")
                if place := _address(result):
                    found[place] = name
    places = sorted(found)
    ends = [*places[1:], places[-1] + _LARGEST] if places else []
    return [
        (place, min(end - place, _LARGEST), found[place]) for place, end in zip(places, ends, strict=True)
    ]


def _address(result: Any) -> int:
    return int(result.library.get_pointer_to_function(result.fndesc.llvm_func_name))


def write_map() -> Path:
    """Write the map of this process's kernels where ``perf`` looks for it."""
    modules = [m for name, m in sorted(sys.modules.items()) if name.split(".")[0] == "kernels"]
    path = Path(tempfile.gettempdir()) / f"perf-{os.getpid()}.map"
    text = "".join(f"{place:x} {size:x} {name}\n" for place, size, name in compiled(modules))
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as stream:
        stream.write(text)
    return path


def main() -> None:
    """Run the command line, then write the map."""
    from jobs.cli import invoke

    code = invoke(sys.argv[1:])
    write_map()
    sys.exit(code)


if __name__ == "__main__":
    main()
