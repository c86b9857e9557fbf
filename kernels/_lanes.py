"""Comparing one unit with 32 or 64 neighbouring units at once, as LLVM vector instructions.

The bit-parallel distances need, for each character of the text, the set of positions of the pattern that
hold it. The textbook keeps a table with a word per letter of the alphabet, which must be filled and cleared
for every pair and becomes a hash table for wide alphabets. For patterns of at most 64 units a vector
comparison gives the same word at once, without a table, for units of any width. LLVM lowers the vectors to
whatever the processor has; the results are integers and the same everywhere.

Sets of positions are ``int64`` holding 64 bits: bit ``k`` stands for position ``k``.

Inner functions take addresses, not arrays. Numba counts references to arrays even where they only pass
through, and counting is an atomic operation on a word that all threads share: spelling the two names of a
pair took 96 ns with arrays and takes 20 ns with addresses. An address (:func:`address`) does not keep its
array alive: take it only of arrays that are arguments of the whole call, never of arrays made inside compiled
code. ``zero`` arguments carry nothing but the type of the units. Nothing here reads outside the ``room`` it
is given: where a full vector would, a plain loop does the work.
"""

# ruff: noqa: ARG001 (Numba fixes the arguments of functions that type and generate code)
from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from numba.core import cgutils, types
from numba.extending import intrinsic

from kernels._jit import inline

ir = cgutils.ir
_INT32 = ir.IntType(32)
_INT64 = ir.IntType(64)

#: Zero units behind the last string that let every comparison of a column take the vector path.
PADDING = 64


def _instruction(typer: Callable[..., Any]) -> Callable[..., Any]:
    """Numba's decorator for functions made of LLVM instructions, with a type."""
    return cast("Callable[..., Any]", intrinsic(typer))


def _place(builder: Any, address: Any, index: Any, kind: Any) -> Any:
    """Pointer to the unit ``index`` places after an address."""
    return builder.gep(builder.inttoptr(address, kind.as_pointer()), [index])


def _vector(builder: Any, address: Any, unit: Any, lanes: int) -> Any:
    vector = ir.VectorType(ir.IntType(unit.bitwidth), lanes)
    return builder.load(builder.inttoptr(address, vector.as_pointer()), align=unit.bitwidth // 8)


def _word(builder: Any, lanes_true: Any, lanes: int) -> Any:
    word = builder.bitcast(lanes_true, ir.IntType(lanes))
    return word if lanes == 64 else builder.zext(word, _INT64)


@_instruction
def address(typing_context: Any, array: Any, index: Any) -> Any:
    """Address of an element, counted in a contiguous array of any shape as in one long row."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, args[0]).data
        return builder.ptrtoint(builder.gep(data, [args[1]]), _INT64)

    return types.int64(array, types.int64), codegen


@_instruction
def zero_of(typing_context: Any, array: Any) -> Any:
    """A zero of an array's type."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return ir.Constant(context.get_value_type(signature.return_type), 0)

    return array.dtype(array), codegen


@_instruction
def after(typing_context: Any, start: Any, count: Any, zero: Any) -> Any:
    """The address ``count`` units after another; before it, where ``count`` is negative."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        size = ir.Constant(_INT64, signature.args[2].bitwidth // 8)
        return builder.add(args[0], builder.mul(args[1], size))

    return types.int64(types.int64, types.int64, zero), codegen


@_instruction
def unit_at(typing_context: Any, start: Any, index: Any, zero: Any) -> Any:
    """The unit ``index`` places after an address."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        place = _place(builder, args[0], args[1], ir.IntType(signature.args[2].bitwidth))
        return builder.load(place)

    return zero(types.int64, types.int64, zero), codegen


@_instruction
def put_unit(typing_context: Any, start: Any, index: Any, unit: Any) -> Any:
    """Write a unit ``index`` places after an address."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        builder.store(args[2], _place(builder, args[0], args[1], ir.IntType(signature.args[2].bitwidth)))
        return context.get_dummy_value()

    return types.none(types.int64, types.int64, unit), codegen


@_instruction
def _copy32(typing_context: Any, source: Any, target: Any, zero: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        vector = _vector(builder, args[0], signature.args[2], 32)
        place = builder.inttoptr(args[1], vector.type.as_pointer())
        builder.store(vector, place, align=signature.args[2].bitwidth // 8)
        return context.get_dummy_value()

    return types.none(types.int64, types.int64, zero), codegen


def _equal(lanes: int) -> Any:
    def typer(typing_context: Any, start: Any, unit: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            vector = _vector(builder, args[0], signature.args[1], lanes)
            empty = ir.Constant(vector.type, ir.Undefined)
            first = builder.insert_element(empty, args[1], ir.Constant(_INT32, 0))
            spread = ir.Constant(ir.VectorType(_INT32, lanes), [0] * lanes)
            splat = builder.shuffle_vector(first, empty, spread)
            return _word(builder, builder.icmp_unsigned("==", vector, splat), lanes)

        return types.int64(types.int64, unit), codegen

    return _instruction(typer)


def _differing(lanes: int) -> Any:
    def typer(typing_context: Any, start_a: Any, start_b: Any, zero: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            a = _vector(builder, args[0], signature.args[2], lanes)
            b = _vector(builder, args[1], signature.args[2], lanes)
            return _word(builder, builder.icmp_unsigned("!=", a, b), lanes)

        return types.int64(types.int64, types.int64, zero), codegen

    return _instruction(typer)


_equal32 = _equal(32)
_equal64 = _equal(64)
_differ32 = _differing(32)

#: Of the eight units at an address, those equal to a unit, and those that differ from the eight at another
#: address, as bits 0 to 7.
equal8 = _equal(8)
differ8 = _differing(8)


def _looked_up(builder: Any, table: Any, ids: Any) -> Any:
    """``table[ids[0]] ... table[ids[7]]`` as a vector; all are uint32."""
    row = _vector(builder, ids, types.uint32, 8)
    forms = ir.Constant(row.type, ir.Undefined)
    for k in range(8):
        lane = ir.Constant(_INT32, k)
        index = builder.zext(builder.extract_element(row, lane), _INT64)
        forms = builder.insert_element(forms, builder.load(_place(builder, table, index, _INT32)), lane)
    return forms


@_instruction
def equal_forms(typing_context: Any, table: Any, ids_a: Any, ids_b: Any) -> Any:
    """Which of eight ids have the same form as which of eight others, as a matrix of 64 bits.

    Bit ``8 * row + column`` is set where ``table[ids_a[row]] == table[ids_b[column]]``. All three are
    addresses of uint32.
    """

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        a = _looked_up(builder, args[0], args[1])
        b = _looked_up(builder, args[0], args[2])
        lanes = ir.VectorType(_INT32, 64)
        rows = builder.shuffle_vector(a, a, ir.Constant(lanes, [k // 8 for k in range(64)]))
        columns = builder.shuffle_vector(b, b, ir.Constant(lanes, [k % 8 for k in range(64)]))
        return _word(builder, builder.icmp_unsigned("==", rows, columns), 64)

    return types.int64(types.int64, types.int64, types.int64), codegen


@_instruction
def equal_in_order(typing_context: Any, table: Any, ids_a: Any, ids_b: Any) -> Any:
    """Which of eight ids have the same form as the id in the same place of eight others, as bits 0 to 7."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        a = _looked_up(builder, args[0], args[1])
        b = _looked_up(builder, args[0], args[2])
        return _word(builder, builder.icmp_unsigned("==", a, b), 8)

    return types.int64(types.int64, types.int64, types.int64), codegen


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


@inline
def positions(start: int, room: int, count: int, unit: Any) -> int:
    """Where ``unit`` stands among the ``count`` units at ``start``, 1 to 64; ``room`` units are readable."""
    kept = (2 << (count - 1)) - 1
    if count <= 32 and room >= 32:
        return _equal32(start, unit) & kept
    if room >= 64:
        return _equal64(start, unit) & kept
    found = 0
    for k in range(count):
        found |= int(unit_at(start, k, unit) == unit) << k
    return found


@inline
def common_prefix(a: int, room_a: int, b: int, room_b: int, limit: int, zero: Any) -> int:
    """How many of the first ``limit`` units at two addresses are equal before the first that differs."""
    done = 0
    while done < limit and done + 32 <= room_a and done + 32 <= room_b:
        differing = _differ32(after(a, done, zero), after(b, done, zero), zero)
        if differing != 0:
            return min(done + lowest(differing), limit)
        done += 32
    while done < limit and unit_at(a, done, zero) == unit_at(b, done, zero):
        done += 1
    return min(done, limit)


@inline
def common_suffix(a: int, room_a: int, b: int, room_b: int, limit: int, zero: Any) -> int:
    """How many of the last ``limit`` units before two addresses are equal; ``room`` counts backwards."""
    done = 0
    while done < limit and done + 32 <= room_a and done + 32 <= room_b:
        differing = _differ32(after(a, -32 - done, zero), after(b, -32 - done, zero), zero)
        if differing != 0:
            return min(done + leading(differing) - 32, limit)
        done += 32
    while done < limit and unit_at(a, -1 - done, zero) == unit_at(b, -1 - done, zero):
        done += 1
    return min(done, limit)


@inline
def copy_units(source: int, room: int, count: int, target: int, zero: Any) -> None:
    """Copy ``count <= 32`` units; all 32 units at ``target`` may be overwritten."""
    if room >= 32:
        _copy32(source, target, zero)
    else:
        for k in range(count):
            put_unit(target, k, unit_at(source, k, zero))
