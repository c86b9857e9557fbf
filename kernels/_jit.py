"""The one door to Numba: options of every kernel, stated once.

Results never depend on these options: fastmath stays off, so that additions are not reordered, and
scores are fixed-point integers. Nobody calls a kernel through a C function pointer, so none is made: a
twentieth of the time of compilation.
"""

from __future__ import annotations

import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import numba
import numpy as np
from numba.core import types
from numba.core.caching import FunctionCache, IndexDataCacheFile
from numba.core.environment import Environment
from numba.core.registry import CPUDispatcher
from numba.core.runtime import rtsys
from numba.extending import intrinsic
from numpy.typing import NDArray

F = TypeVar("F", bound=Callable[..., Any])


class _Inner(CPUDispatcher):  # type: ignore[misc] # Numba is untyped
    """A compiled function without a way in from Python, which costs a tenth of all compilation."""

    def __call__(self, *_: Any) -> Any:
        raise TypeError(
            f"{self.py_func.__name__} was called from Python. Wanted: a call from a compiled function. "
            "Call the kernel that uses it."
        )


class _Cache(FunctionCache):  # type: ignore[misc] # Numba is untyped
    """The cache on disk of a function, read without what only a compiler needs.

    Numba imports the implementations of all that it can compile, and enters them in its tables, before it
    loads the first function: a quarter of a second in each process. What is compiled asks for nothing but
    Numba's allocator; a function that is not in the cache has the compiler fill its tables itself.
    """

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        rtsys.initialize(target_context)
        with self._guard_against_spurious_io_errors():
            return self._load_overload(sig, target_context)


def _environment(module: str, constants: list[Any], name: str) -> Environment:
    """What a compiled function keeps of its module: of one not imported no more than its name.

    Only what calls back into the interpreter would look for globals there, and no kernel does.
    """
    held = Environment._memo.get(name)
    if held is None:
        known = sys.modules.get(module)
        held = Environment({"__name__": module} if known is None else known.__dict__)
        held.consts[:] = constants
        held.env_name = name
        Environment._memo[name] = held
    return held


class _Reader(pickle.Unpickler):
    """Reads a file of the cache; the modules that a function was compiled from are not imported for it."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("numba.core.environment", "_rebuild_env"):
            return _environment
        return super().find_class(module, name)


class _CacheFile(IndexDataCacheFile):  # type: ignore[misc] # Numba is untyped
    """The files of a function's cache, read without Numba's own modules of lists, arrays and texts.

    What is compiled holds code of these, and Numba imports them to have their globals: 0.07 s a process.
    """

    def _load_data(self, name: str) -> Any:
        with Path(self._data_path(name)).open("rb") as stream:
            return _Reader(stream).load()


def _quickly_loaded(made: Any) -> Any:
    if type(getattr(made, "_cache", None)) is FunctionCache:  # not where Numba is told to compile nothing
        made._cache.__class__ = _Cache
        made._cache._cache_file.__class__ = _CacheFile
    return made


def jit(function: F) -> F:
    """Compile ``function`` without the GIL, cached on disk.

    The cache folder is ``NUMBA_CACHE_DIR``, which the caller's process sets before the first import of a
    kernel. Numba checks only the file a function stands in, not the files it calls, so that folder's name
    must change with any file of this package (see :func:`jobs.kernel_cache.prepare`).
    """
    made = numba.njit(nogil=True, cache=True, fastmath=False, no_cfunc_wrapper=True)(function)
    return cast("F", _quickly_loaded(made))


def inline(function: F) -> F:
    """Like :func:`jit`, but inlined by LLVM where it is called; for scalar forms used in inner loops.

    Compiled functions alone can call it: from Python it raises TypeError.
    """
    made = numba.njit(
        nogil=True,
        cache=True,
        fastmath=False,
        no_cfunc_wrapper=True,
        no_cpython_wrapper=True,
        inline="never",
        forceinline=True,
    )(function)
    if isinstance(made, CPUDispatcher):  # not where Numba is told to compile nothing
        made.__class__ = _Inner
    return cast("F", _quickly_loaded(made))


def _word_pointer(context: Any, builder: Any, array_type: Any, array: Any, at: Any) -> Any:
    """The address of byte ``at`` of an array of bytes, as that of a word."""
    held = context.make_array(array_type)(context, builder, array)
    word = context.get_value_type(types.uint64)
    return builder.bitcast(builder.gep(held.data, [at]), word.as_pointer())


def _load_word(_: Any, data: Any, _at: Any) -> tuple[Any, Any]:
    def made(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        return builder.load(_word_pointer(context, builder, signature.args[0], *given), align=1)

    return types.uint64(data, types.int64), made


def _store_word(_: Any, out: Any, _at: Any, _word: Any) -> tuple[Any, Any]:
    def made(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        *place, value = given
        builder.store(value, _word_pointer(context, builder, signature.args[0], *place), align=1)
        return context.get_dummy_value()

    return types.void(out, types.int64, types.uint64), made


_loaded, _stored = intrinsic(_load_word), intrinsic(_store_word)


@inline
def word_at(data: NDArray[np.uint8], at: int | np.int64) -> np.uint64:
    """Eight bytes from ``at`` on, which may lie anywhere, the first the lowest: one instruction, not eight.

    Nobody looks whether the array has them: 0 <= at <= len(data) - 8 is the caller's to see to.
    """
    word: np.uint64 = _loaded(data, at)
    return word


@inline
def put_word(out: NDArray[np.uint8], at: int | np.int64, word: np.uint64) -> None:
    """Eight bytes from ``at`` on, as :func:`word_at` reads them."""
    _stored(out, at, word)
