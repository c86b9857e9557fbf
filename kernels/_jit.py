"""The one door to Numba: options of every kernel, stated once.

Results never depend on these options: fastmath stays off, so that additions are not reordered, and
scores are fixed-point integers. Nobody calls a kernel through a C function pointer, so none is made: a
twentieth of the time of compilation.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, TypeVar, cast

import numba
import numpy as np
from numba import _dynfunc
from numba.core import types
from numba.core.caching import CompileResultCacheImpl, FunctionCache, UserProvidedCacheLocator
from numba.core.codegen import JITCodeLibrary, ll
from numba.core.compiler import Compiler
from numba.core.errors import NumbaTypeError
from numba.core.registry import CPUDispatcher, cpu_target
from numba.core.runtime import rtsys
from numba.core.types.misc import unliteral
from numba.extending import intrinsic
from numpy.typing import NDArray

F = TypeVar("F", bound=Callable[..., Any])

_MAKERS = frozenset({"copy", "empty", "empty_like", "full", "ones", "zeros", "zeros_like"})


class _Kernel(CPUDispatcher):  # type: ignore[misc] # Numba is untyped
    """A compiled function, compiled for the types of its arguments and not for their values.

    Numba compiles what is called with a constant for that very constant first, and again once it has seen
    that the variable changes: a twentieth of all compilation, and LLVM knows the constant where it inlines.
    """

    def get_call_template(self, args: Any, kws: Any) -> Any:
        named = {name: unliteral(kind) for name, kind in kws.items()}
        return super().get_call_template(tuple(unliteral(kind) for kind in args), named)

    def add_overload(self, cres: Any) -> None:
        super().add_overload(cres)
        if not isinstance(self, _Inner):  # inner functions' own are entered where the machine code is
            for environment in cres._find_referenced_environments():
                cres.library.codegen.set_env(environment.env_name, environment)


class _Inner(_Kernel):
    """A compiled function without a way in from Python, which costs a tenth of all compilation."""

    def __call__(self, *_: Any) -> Any:
        raise TypeError(
            f"{self.py_func.__name__} was called from Python. Wanted: a call from a compiled function. "
            "Call the kernel that uses it."
        )


class _KernelLibrary(JITCodeLibrary):  # type: ignore[misc] # Numba is untyped
    """Machine code of a kernel."""

    def _optimize_functions(self, ll_module: Any) -> None:
        """As Numba does, but with one pipeline of LLVM's for a module: not one for each name in it."""
        ll_module.data_layout = self._codegen._data_layout
        builder = self._codegen._pass_builder()
        passes = builder.getFunctionPassManager()
        for function in ll_module.functions:
            if not function.is_declaration:
                passes.run(function, builder)


class _InnerLibrary(_KernelLibrary):
    """LLVM's form of what kernels call: each takes a copy, and no machine code is made of it.

    Its functions are simplified one by one; LLVM goes through the copies again with each kernel, from the
    innermost outwards, so that going through all of them here as well is a tenth of compilation for nothing.
    """

    def _optimize_final_module(self) -> None:
        pass

    def _finalize_final_module(self) -> None:
        self._finalize_dynamic_globals()
        self._verify_declare_only_symbols()
        self._finalized = True


@contextlib.contextmanager
def _made_as(
    context: Any, library: type[JITCodeLibrary], entered: Callable[..., Any] | None
) -> Iterator[None]:
    """What Numba compiles or loads meanwhile becomes a ``library``, its functions are ``entered`` so.

    Numba does either under a lock of its own, and either may happen while a kernel is compiled.
    """
    codegen = context.codegen()
    held = codegen._library_class, context.__dict__.pop("get_executable", None)
    codegen._library_class = library
    if entered:
        context.get_executable = entered
    try:
        yield
    finally:
        context.__dict__.pop("get_executable", None)
        codegen._library_class = held[0]
        if held[1]:
            context.get_executable = held[1]


class _KernelCompiler(Compiler):  # type: ignore[misc] # Numba is untyped
    """Compiles a kernel; what it calls of Numba's own, such as ``np.empty``, as far as LLVM's form."""

    def compile_extra(self, func: Any) -> Any:
        shared = cpu_target.target_context
        rtsys.initialize(shared)  # the one library of Numba's own that is called where it lies
        self.state.targetctx.__dict__.pop("get_executable", None)  # of a kernel that calls this one
        self.state.library = _KernelLibrary(shared.codegen(), func.__qualname__)
        self.state.library.enable_object_caching()
        with _made_as(shared, _InnerLibrary, _entered_nowhere):
            return super().compile_extra(func)


class _InnerCompiler(Compiler):  # type: ignore[misc] # Numba is untyped
    """Compiles an inner function as far as LLVM's form: a tenth of all compilation less."""

    def compile_extra(self, func: Any) -> Any:
        context = self.state.targetctx  # a copy that is this compilation's own
        context.get_executable = _entered_nowhere
        self.state.library = _InnerLibrary(context.codegen(), func.__qualname__)
        compiled = super().compile_extra(func)
        given = compiled.signature.return_type
        if context.data_model_manager[given].contains_nrt_meminfo():
            raise NumbaTypeError(
                f"{func.__name__} gives back {given}, which callers that make none would never let go of. "
                "Wanted: numbers. Have it write to an array of its caller's."
            )
        return compiled


def _entered_nowhere(library: Any, described: Any, environment: Any) -> Any:
    """What Numba knows an inner function by: an object of its own, with no address."""
    library._ensure_finalized()
    name = described.qualname.rpartition(".")[2]
    return _dynfunc.make_function(described.lookup_module(), name, "", 0, environment, (library,))


class _Library(JITCodeLibrary):  # type: ignore[misc] # Numba is untyped
    """Machine code; out of the cache, LLVM's form of it is read only when another function wants a copy."""

    _llvm_form = b""

    @classmethod
    def _unserialize(cls, codegen: Any, state: Any) -> Any:
        name, kind, content = state
        if kind != "object":
            return super()._unserialize(codegen, state)
        machine_code, llvm_form = content
        self = cls(codegen, name)
        self._llvm_form = llvm_form
        self.enable_object_caching()
        self._set_compiled_object(machine_code)
        self._finalize_final_module()
        return self

    def _get_module_for_linking(self) -> Any:
        if self._llvm_form:
            self._shared_module, self._llvm_form = ll.parse_bitcode(self._llvm_form), b""
        return super()._get_module_for_linking()


#: Files of the cache that this process has written.
WRITTEN: set[str] = set()


class _Locator(UserProvidedCacheLocator):  # type: ignore[misc] # Numba is untyped
    """The folder that the process has chosen, even if it can only be read."""

    def ensure_cache_path(self) -> None:
        with contextlib.suppress(OSError):
            super().ensure_cache_path()


class _CacheFiles(CompileResultCacheImpl):  # type: ignore[misc] # Numba is untyped
    """Names and contents of a kernel's files."""

    _locator_classes = (_Locator, *CompileResultCacheImpl._locator_classes)


class _Cache(FunctionCache):  # type: ignore[misc] # Numba is untyped
    """The cache on disk of a function, read without what only a compiler needs.

    Numba imports the implementations of all that it can compile, and enters them in its tables, before it
    loads the first function: a quarter of a second in each process. What is compiled asks for nothing but
    Numba's allocator; a function that is not in the cache has the compiler fill its tables itself. Reading
    LLVM's form of every function, and the names in it, took as long as all the rest of loading.
    """

    _impl_class = _CacheFiles

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        rtsys.initialize(target_context)
        with self._guard_against_spurious_io_errors():
            codegen = target_context.codegen()
            try:
                held = self._cache_file.load(self._index_key(sig, codegen))
            except Exception:  # noqa: BLE001 - damaged since it was verified: a pickle may raise anything
                self._cache_file.flush()
                return None
            if held is None:
                return None
            names = (held[1].llvm_func_name, held[1].llvm_cpython_wrapper_name)
            codegen._engine._defined_symbols.update(names)
            with _made_as(target_context, _Library, None):
                return self._impl.rebuild(target_context, held)

    def save_overload(self, sig: Any, data: Any) -> None:
        super().save_overload(sig, data)
        held = self._cache_file
        name = held._load_index().get(self._index_key(sig, data.codegen))
        WRITTEN.update([held._index_path] if name is None else [held._index_path, held._data_path(name)])


def jit(function: F) -> F:
    """Compile ``function`` without the GIL, cached on disk.

    The cache folder is ``NUMBA_CACHE_DIR``, which the caller's process sets before the first import of a
    kernel. Numba checks only the file a function stands in, not the files it calls, so that folder's name
    must change with any file of this package (see :func:`jobs.kernel_cache.prepare`).
    """
    made = _compiled(function, _KernelCompiler)
    if isinstance(made, CPUDispatcher):  # not where Numba is told to compile nothing
        made.__class__ = _Kernel
        made._cache = _Cache(function)
    return cast("F", made)


def inner(function: F) -> F:
    """Like :func:`jit`, for compiled functions alone to call: from Python it raises TypeError.

    It is part of each kernel that calls it, and in the cache as such only.
    """
    return _without_entry(function, forceinline=False)


def inline(function: F) -> F:
    """Like :func:`inner`, but always inlined by LLVM where it is called; for scalar forms in inner loops."""
    return _without_entry(function, forceinline=True)


def _compiled(function: Callable[..., Any], compiler: type[Compiler], **own: bool) -> Any:
    """What Numba makes of a function, with the options that all have in common and its ``own``."""
    options = {"nogil": True, "fastmath": False, "no_cfunc_wrapper": True, "_nrt": _allocates(function)}
    return numba.njit(pipeline_class=compiler, **options, **own)(function)


def _allocates(function: Callable[..., Any]) -> bool:
    """Whether a function makes arrays of its own; where it does not, no references are counted.

    That is a tenth of what LLVM is given, and calls that LLVM does not see through: counting votes took three
    times as long. A maker that is not named here fails to compile: Numba wants references for it.
    """
    return not _MAKERS.isdisjoint(function.__code__.co_names)


def _without_entry(function: F, *, forceinline: bool) -> F:
    made = _compiled(function, _InnerCompiler, no_cpython_wrapper=True, forceinline=forceinline)
    if isinstance(made, CPUDispatcher):  # as above
        made.__class__ = _Inner
    return cast("F", made)


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
