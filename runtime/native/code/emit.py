"""LLVM IR that reads like the loops it makes. The only place that touches pointer types.

Every kernel has the same signature, `void kernel(ptr table, i64 part, i64 parts)`: the table holds
the addresses of its operands, and (part, parts) says which share of the work to do. It calls the
body, which takes the addresses themselves; who knows these while code is made calls it directly.
An `Emitter` is open inside one body:

    def emit(e):                                   # y = 2 x over n elements
        x, y = e.operands
        first, last = e.share(n // 16)             # cut by output: the same bits for any `parts`
        def body(i):
            v = e.load(e.at(x, F32, (i, 16)), F32, 16)
            e.store(e.mul(v, e.splat(2.0, F32, 16)), e.at(y, F32, (i, 16)))
        e.loop(first, last, body)
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import llvmlite.ir as ir

from graphcnn.ir.tensor_type import DType
from graphcnn.runtime.native.code.target import Target

Int: TypeAlias = "int | ir.Value"
Count: TypeAlias = int  # inside the class, `int` is a method

I1, I8, I16, I32, I64 = (ir.IntType(bits) for bits in (1, 8, 16, 32, 64))
POINTER = ir.PointerType()
VOID = ir.VoidType()

#: How the elements of a type lie in memory. Truth values are bytes, 0 or 1; of the types that
#: are stored only, the bits.
STORED: dict[DType, ir.Type] = {
    DType.FLOAT32: ir.FloatType(),
    DType.FLOAT64: ir.DoubleType(),
}
STORED |= {d: ir.IntType(8 * d.bytes) for d in DType if d not in STORED}


class Emitter:
    """Builds the body of one kernel.

    Attributes:
        b: the llvmlite builder, for what has no shorthand here.
        operands: pointers to the operands, in order: inputs, outputs, scratch.
        part, parts: the share of the work.
        index: the type of numbers that count and tell places, as wide as an address. Others, such
            as labels, are as wide as they are stored: `place` and `stored` lead from one to the
            other.
    """

    def __init__(
        self,
        name: str,
        target: Target,
        operands: Count,
        noalias: bool = True,
        entry: bool = True,
    ) -> None:
        """Without `entry` there is the body alone, a function that others may call by `name`."""
        self.target = target
        self.module = ir.Module(name)
        self.module.triple, self.module.data_layout = target.triple, target.data_layout
        self.index = ir.IntType(8 * target.pointer_bytes)
        whole = (*(POINTER,) * operands, self.index, self.index)
        called = self._entry(name) if entry else None
        body = ir.Function(self.module, ir.FunctionType(VOID, whole), name + ".body" * entry)
        self._attribute(body)
        body.attributes.add("noinline")
        if noalias:
            for argument in body.args[:operands]:
                argument.add_attribute("noalias")
        if called is not None:
            body.linkage = "internal"
            self._call(body, called, operands)
        self.function = body
        self.b = ir.IRBuilder(body.append_basic_block("entry"))
        self.operands: list[ir.Value] = list(body.args[:operands])
        self.part, self.parts = body.args[operands:]

    def _entry(self, name: str) -> ir.Function:
        entry = ir.Function(self.module, ir.FunctionType(VOID, (POINTER, I64, I64)), name)
        self._attribute(entry)
        return entry

    def _attribute(self, function: ir.Function) -> None:
        for attribute in self.target.attributes:  # set.add: llvmlite knows few of them
            set.add(function.attributes, attribute)

    def _call(self, body: ir.Function, entry: ir.Function, operands: Count) -> None:
        """The entry's code: what the table holds to the body."""
        self.b = ir.IRBuilder(entry.append_basic_block("entry"))
        table, part, parts = entry.args
        pointers = [
            self.b.load(self.b.gep(table, [I64(i)], source_etype=POINTER), typ=POINTER)
            for i in range(operands)
        ]
        self.b.call(body, [*pointers, self.place(part), self.place(parts)])
        self.b.ret_void()

    def finish(self) -> ir.Module:
        """Close the body; the module is ready to be compiled."""
        self.b.ret_void()
        return self.module

    # Integers and addresses

    def int(self, i: Int) -> ir.Value:
        return self.index(i) if isinstance(i, int) else i

    def place(self, number: ir.Value) -> ir.Value:
        """An i64 that lies within some array, as an index."""
        return number if self.index == I64 else self.b.trunc(number, self.index)

    def stored(self, index: Int) -> ir.Value:
        """An index as an i64."""
        index = self.int(index)
        return index if self.index == I64 else self.b.sext(index, I64)

    def i32(self, index: Int) -> ir.Value:
        """An index that is not large as an i32."""
        index = self.int(index)
        return self.b.trunc(index, I32) if self.index == I64 else index

    def iadd(self, a: Int, b: Int) -> Int:
        if isinstance(a, int) and isinstance(b, int):
            return a + b
        return self.b.add(self.int(a), self.int(b))

    def imul(self, a: Int, b: Int) -> Int:
        if isinstance(a, int) and isinstance(b, int):
            return a * b
        return self.b.mul(self.int(a), self.int(b))

    def divmod(self, a: Int, by: Count) -> tuple[Int, Int]:
        """Quotient and rest of a non-negative number by a constant."""
        if isinstance(a, int):
            return divmod(a, by)
        return self.b.udiv(a, self.index(by)), self.b.urem(a, self.index(by))

    def unravel(self, index: Int, shape: Sequence[Count]) -> list[Int]:
        """The coordinates of a row-major position."""
        coordinates: list[Int] = []
        for size in reversed(shape[1:]):
            index, rest = self.divmod(index, size)
            coordinates.append(rest)
        return [index, *reversed(coordinates)]

    def at(self, pointer: ir.Value, dtype: DType, *terms: tuple[Int, Count]) -> ir.Value:
        """The address of the element sum(index · stride) after `pointer`, strides in elements."""
        offset: Int = 0
        for index, stride in terms:
            offset = self.iadd(offset, self.imul(index, stride))
        return self.b.gep(pointer, [self.int(offset)], source_etype=STORED[dtype])

    def share(self, units: Count) -> tuple[ir.Value, ir.Value]:
        """First and last + 1 of the units that this part does: contiguous, as even as can be."""
        n = self.index(units)
        first = self.b.udiv(self.b.mul(self.part, n), self.parts)
        last = self.b.udiv(self.b.mul(self.b.add(self.part, self.index(1)), n), self.parts)
        return first, last

    # Control

    def loop(
        self,
        start: Int,
        stop: Int,
        body: Callable[..., Sequence[ir.Value] | None],
        step: Count = 1,
        carry: Sequence[ir.Value] = (),
    ) -> list[ir.Value]:
        """for i in range(start, stop, step): carry = body(i, *carry). Returns the last carry."""
        if isinstance(start, int) and isinstance(stop, int) and start + step >= stop > start:
            return list(body(self.index(start), *carry) or ())
        function, before = self.function, self.b.block
        head = function.append_basic_block("loop")
        inside = function.append_basic_block("body")
        after = function.append_basic_block("end")
        self.b.branch(head)
        self.b.position_at_end(head)
        i = self.b.phi(self.index)
        i.add_incoming(self.int(start), before)
        carried = []
        for value in carry:
            phi = self.b.phi(value.type)
            phi.add_incoming(value, before)
            carried.append(phi)
        self.b.cbranch(self.b.icmp_signed("<", i, self.int(stop)), inside, after)
        self.b.position_at_end(inside)
        results = body(i, *carried) or ()
        back = self.b.block
        i.add_incoming(self.b.add(i, self.index(step)), back)
        for phi, value in zip(carried, results, strict=True):
            phi.add_incoming(value, back)
        self.b.branch(head)
        self.b.position_at_end(after)
        return carried

    def when(self, condition: ir.Value, body: Callable[[], None]) -> None:
        """if condition: body()"""
        with self.b.if_then(condition):
            body()

    # Memory

    def load(
        self, pointer: ir.Value, dtype: DType, lanes: Count = 1, aligned: bool = False
    ) -> ir.Value:
        """A scalar, or a vector of `lanes` elements from consecutive addresses."""
        kind = STORED[dtype] if lanes == 1 else ir.VectorType(STORED[dtype], lanes)
        align = dtype.bytes * lanes if aligned else dtype.bytes
        return self.b.load(pointer, typ=kind, align=align)

    def store(self, value: ir.Value, pointer: ir.Value, aligned: bool = False) -> None:
        """A scalar or a vector to consecutive addresses."""
        kind = value.type
        element = kind.element if isinstance(kind, ir.VectorType) else kind
        size = {ir.HalfType: 2, ir.FloatType: 4, ir.DoubleType: 8}.get(type(element))
        size = size or max(1, element.width // 8)
        lanes = kind.count if isinstance(kind, ir.VectorType) else 1
        self.b.store(value, pointer, align=size * lanes if aligned else size)

    def prefetch(self, pointer: ir.Value, write: bool = False) -> None:
        """Have the processor fetch the cache line of an address that will be read or written."""
        name = "llvm.prefetch.p0"
        function = self.module.globals.get(name)
        if function is None:
            signature = ir.FunctionType(VOID, (POINTER, I32, I32, I32))
            function = ir.Function(self.module, signature, name)
        self.b.call(function, (pointer, I32(1 if write else 0), I32(2), I32(1)))

    # Arithmetic on floats, scalars and vectors alike

    def splat(self, number: float, dtype: DType, lanes: Count = 1) -> ir.Value:
        """A constant in every lane."""
        kind = STORED[dtype]
        number = float(number) if dtype.is_float else int(number)
        return kind(number) if lanes == 1 else ir.VectorType(kind, lanes)(number)

    def broadcast(self, scalar: ir.Value, lanes: Count) -> ir.Value:
        """A scalar in every lane."""
        if lanes == 1:
            return scalar
        vector = ir.VectorType(scalar.type, lanes)
        one = self.b.insert_element(_undefined(vector), scalar, I32(0))
        return self.shuffle(one, None, [0] * lanes)

    def shuffle(self, a: ir.Value, b: ir.Value | None, places: Sequence[Count]) -> ir.Value:
        """The lanes `places` of `a` followed by `b`; of one vector where `b` is None."""
        return self.b.shuffle_vector(a, b or _undefined(a.type), _places(tuple(places)))

    def add(self, a: ir.Value, b: ir.Value) -> ir.Value:
        return self.b.fadd(a, b)

    def sub(self, a: ir.Value, b: ir.Value) -> ir.Value:
        return self.b.fsub(a, b)

    def mul(self, a: ir.Value, b: ir.Value) -> ir.Value:
        return self.b.fmul(a, b)

    def fma(self, a: ir.Value, b: ir.Value, c: ir.Value) -> ir.Value:
        """a · b + c, rounded once where the processor can (a product and a sum where not)."""
        whole = getattr(a.type, "count", 1) > 1  # not a single number
        if not self.target.fused or (self.target.relaxed and not whole):
            return self.b.fadd(self.b.fmul(a, b), c)
        if self.target.relaxed:
            return self.intrinsic("llvm.wasm.relaxed.madd", a.type, a, b, c)
        return self.intrinsic("llvm.fma", a.type, a, b, c)

    def intrinsic(self, name: str, kind: ir.Type, *arguments: ir.Value) -> ir.Value:
        """An LLVM intrinsic overloaded on one type: `intrinsic("llvm.sqrt", v.type, v)`."""
        full = f"{name}.{_suffix(kind)}"
        function: Any = self.module.globals.get(full)
        if function is None:
            signature = ir.FunctionType(kind, [a.type for a in arguments])
            function = ir.Function(self.module, signature, full)
        return self.b.call(function, arguments)


# Constants, made and written as text once however often they are used.


@functools.cache
def _places(places: tuple[int, ...]) -> ir.Value:
    return ir.VectorType(I32, len(places))(places)


@functools.cache
def _undefined(kind: ir.Type) -> ir.Value:
    return kind(ir.Undefined)


def _suffix(kind: ir.Type) -> str:
    """`f32`, `v16f32`, `i64`: how LLVM names a type in its intrinsics."""
    if isinstance(kind, ir.VectorType):
        return f"v{kind.count}{_suffix(kind.element)}"
    names = {ir.HalfType: "f16", ir.FloatType: "f32", ir.DoubleType: "f64"}
    return names.get(type(kind)) or f"i{kind.width}"
