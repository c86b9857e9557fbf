"""Comparing one unit with 32 or 64 neighbouring units at once, as LLVM vector instructions.

The bit-parallel distances need, for each character of the text, the set of positions of the pattern that
hold it. The textbook keeps a table with a word per letter of the alphabet, which must be filled and cleared
for every pair and becomes a hash table for wide alphabets. For patterns of at most 64 units a vector
comparison gives the same word at once, without a table, for units of any width. LLVM lowers the vectors to
whatever the processor has; the results are integers and the same everywhere.

Masks are ``int64`` holding 64 bits: bit ``k`` stands for position ``start + k``. Nothing here reads outside
its array: where a full vector would, a plain loop does the work.
"""

# ruff: noqa: ARG001 (Numba fixes the arguments of functions that type and generate code)
from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from numba.core import cgutils, types
from numba.core.imputils import impl_ret_borrowed
from numba.extending import intrinsic
from numpy.typing import NDArray

from kernels._jit import inline

ir = cgutils.ir

#: Zero units behind the last string that let every comparison of a column take the vector path.
PADDING = 64


def _instruction(typer: Callable[..., Any]) -> Callable[..., Any]:
    """Numba's decorator for functions made of LLVM instructions, with a type."""
    return cast("Callable[..., Any]", intrinsic(typer))


def _load(context: Any, builder: Any, array_type: Any, array: Any, index: Any, lanes: int) -> Any:
    data = context.make_array(array_type)(context, builder, array).data
    vector = ir.VectorType(ir.IntType(array_type.dtype.bitwidth), lanes)
    place = builder.bitcast(builder.gep(data, [index]), vector.as_pointer())
    return builder.load(place, align=array_type.dtype.bitwidth // 8)


def _word(builder: Any, lanes_true: Any, lanes: int) -> Any:
    word = builder.bitcast(lanes_true, ir.IntType(lanes))
    return word if lanes == 64 else builder.zext(word, ir.IntType(64))


def _equal(lanes: int) -> Any:
    def typer(typing_context: Any, codes: Any, start: Any, unit: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            vector = _load(context, builder, signature.args[0], args[0], args[1], lanes)
            empty = ir.Constant(vector.type, ir.Undefined)
            lane0 = builder.insert_element(empty, args[2], ir.Constant(ir.IntType(32), 0))
            spread = ir.Constant(ir.VectorType(ir.IntType(32), lanes), [0] * lanes)
            splat = builder.shuffle_vector(lane0, empty, spread)
            return _word(builder, builder.icmp_unsigned("==", vector, splat), lanes)

        return types.int64(codes, types.int64, codes.dtype), codegen

    return _instruction(typer)


def _differing(lanes: int) -> Any:
    def typer(typing_context: Any, codes_a: Any, start_a: Any, codes_b: Any, start_b: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            a = _load(context, builder, signature.args[0], args[0], args[1], lanes)
            b = _load(context, builder, signature.args[2], args[2], args[3], lanes)
            return _word(builder, builder.icmp_unsigned("!=", a, b), lanes)

        return types.int64(codes_a, types.int64, codes_b, types.int64), codegen

    return _instruction(typer)


def _looked_up(context: Any, builder: Any, signature: Any, args: Any, side: int) -> Any:
    """``table[ids[start]] ... table[ids[start + 7]]`` as a vector."""
    table = context.make_array(signature.args[0])(context, builder, args[0]).data
    ids = _load(context, builder, signature.args[side], args[side], args[side + 1], 8)
    forms = ir.Constant(ir.VectorType(ir.IntType(signature.args[0].dtype.bitwidth), 8), ir.Undefined)
    for k in range(8):
        lane = ir.Constant(ir.IntType(32), k)
        index = builder.zext(builder.extract_element(ids, lane), ir.IntType(64))
        forms = builder.insert_element(forms, builder.load(builder.gep(table, [index])), lane)
    return forms


@_instruction
def equal_forms(typing_context: Any, table: Any, ids_a: Any, start_a: Any, ids_b: Any, start_b: Any) -> Any:
    """Which of eight ids have the same form as which of eight others, as a matrix of 64 bits in an int64.

    Bit ``8 * row + column`` is set where ``table[ids_a[start_a + row]] == table[ids_b[start_b + column]]``. The
    ids are uint32, and an array of rows counts as one long row.
    """

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        a = _looked_up(context, builder, signature, args, 1)
        b = _looked_up(context, builder, signature, args, 3)
        lanes = ir.VectorType(ir.IntType(32), 64)
        rows = builder.shuffle_vector(a, a, ir.Constant(lanes, [k // 8 for k in range(64)]))
        columns = builder.shuffle_vector(b, b, ir.Constant(lanes, [k % 8 for k in range(64)]))
        return _word(builder, builder.icmp_unsigned("==", rows, columns), 64)

    return types.int64(table, ids_a, types.int64, ids_b, types.int64), codegen


@_instruction
def equal_in_order(
    typing_context: Any, table: Any, ids_a: Any, start_a: Any, ids_b: Any, start_b: Any
) -> Any:
    """Which of eight ids have the same form as the id in the same place of eight others, as bits 0 to 7."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        a = _looked_up(context, builder, signature, args, 1)
        b = _looked_up(context, builder, signature, args, 3)
        return _word(builder, builder.icmp_unsigned("==", a, b), 8)

    return types.int64(table, ids_a, types.int64, ids_b, types.int64), codegen


@_instruction
def _copy32(typing_context: Any, source: Any, start: Any, target: Any, place: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        vector = _load(context, builder, signature.args[0], args[0], args[1], 32)
        data = context.make_array(signature.args[2])(context, builder, args[2]).data
        place = builder.bitcast(builder.gep(data, [args[3]]), vector.type.as_pointer())
        builder.store(vector, place, align=signature.args[2].dtype.bitwidth // 8)
        return context.get_dummy_value()

    return types.none(source, types.int64, target, types.int64), codegen


@_instruction
def lowest(typing_context: Any, word: Any) -> Any:
    """Position of the lowest set bit of an int64; 64 where none is set."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.cttz(args[0], ir.Constant(ir.IntType(1), 0))

    return types.int64(types.int64), codegen


@_instruction
def leading(typing_context: Any, word: Any) -> Any:
    """Number of zero bits above the highest set bit of an int64; 64 where none is set."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.ctlz(args[0], ir.Constant(ir.IntType(1), 0))

    return types.int64(types.int64), codegen


@_instruction
def bit_count(typing_context: Any, word: Any) -> Any:
    """Number of set bits of an int64."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.ctpop(args[0])

    return types.int64(types.int64), codegen


@_instruction
def frozen(typing_context: Any, array: Any) -> Any:
    """The same array, read-only to the compiler: what is called with it is compiled once, not twice."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return impl_ret_borrowed(context, builder, signature.return_type, args[0])

    return array.copy(readonly=True)(array), codegen


_equal32 = _equal(32)
_equal64 = _equal(64)
_differ32 = _differing(32)

#: Of eight neighbours, those equal to a unit, and those that differ from eight others, as bits 0 to 7 of an
#: int64. The caller sees to it that all eight lie inside; an array of rows counts as one long row.
equal8 = _equal(8)
differ8 = _differing(8)


@inline
def positions(codes: NDArray[Any], start: int, count: int, unit: Any) -> int:
    """The positions of ``unit`` in ``codes[start:start + count]`` as bits of an int64; 1 <= count <= 64."""
    size = codes.shape[0]
    kept = (2 << (count - 1)) - 1
    if count <= 32 and start + 32 <= size:
        return _equal32(codes, start, unit) & kept
    if start + 64 <= size:
        return _equal64(codes, start, unit) & kept
    found = 0
    for k in range(count):
        found |= int(codes[start + k] == unit) << k
    return found


@inline
def common_prefix(
    codes_a: NDArray[Any], start_a: int, codes_b: NDArray[Any], start_b: int, limit: int
) -> int:
    """How many of the first ``limit`` units of both strings are equal before the first that differs."""
    done = 0
    while (
        done < limit and start_a + done + 32 <= codes_a.shape[0] and start_b + done + 32 <= codes_b.shape[0]
    ):
        differing = _differ32(codes_a, start_a + done, codes_b, start_b + done)
        if differing != 0:
            return min(done + lowest(differing), limit)
        done += 32
    while done < limit and codes_a[start_a + done] == codes_b[start_b + done]:
        done += 1
    return min(done, limit)


@inline
def common_suffix(codes_a: NDArray[Any], stop_a: int, codes_b: NDArray[Any], stop_b: int, limit: int) -> int:
    """How many of the last ``limit`` units of both strings are equal after the last that differs."""
    done = 0
    while done < limit and stop_a - done >= 32 and stop_b - done >= 32:
        differing = _differ32(codes_a, stop_a - done - 32, codes_b, stop_b - done - 32)
        if differing != 0:
            return min(done + leading(differing) - 32, limit)
        done += 32
    while done < limit and codes_a[stop_a - done - 1] == codes_b[stop_b - done - 1]:
        done += 1
    return min(done, limit)


@inline
def copy_units(source: NDArray[Any], start: int, count: int, target: NDArray[Any], place: int) -> None:
    """Copy ``count <= 32`` units; up to 32 units of ``target`` from ``place`` on may be overwritten."""
    if start + 32 <= source.shape[0] and place + 32 <= target.shape[0]:
        _copy32(source, start, target, place)
    else:
        for k in range(count):
            target[place + k] = source[start + k]
