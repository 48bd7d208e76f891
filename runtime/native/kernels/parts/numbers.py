"""The numbers of a sum of products: what is read, what weighs it, what sums it, what is written.

    y = (written) sum over k of  x[k] · w[k]        x of type `read`, w of type `weight`, in `sums`

Kernels of products take their `Numbers` from the node (`FusedGroup.numbers`) and compute by them:
a pair of types that has an instruction of its own is another `multiply_add`, not another kernel.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import llvmlite.ir as ir

from graphcnn.errors import GraphError
from graphcnn.ir.tensor_type import DType
from graphcnn.runtime.native.code.emit import Emitter
from graphcnn.runtime.native.code.target import Target
from graphcnn.runtime.native.kernels.parts.casts import cast

#: The types that products of plain tensors, and those of blocked images, have code for.
PLAIN_TYPES = (DType.FLOAT32, DType.FLOAT64)
BLOCKED_TYPES = (DType.FLOAT32,)


@dataclass(frozen=True)
class Numbers:
    """Element types of a product kernel's operands, accumulators and result."""

    read: DType
    weight: DType
    sums: DType
    written: DType

    @classmethod
    def of(cls, read: DType, weight: DType, written: DType) -> "Numbers":
        """Short floats are summed in float32, integers in i32, all others as they are read."""
        if read.is_float:
            return cls(read, weight, DType.FLOAT32 if read.is_small else read, written)
        return cls(read, weight, DType.INT32, written)

    @classmethod
    def alike(cls, dtype: DType) -> "Numbers":
        """All of one type."""
        return cls(dtype, dtype, dtype, dtype)

    @property
    def turned(self) -> "Numbers":
        """For a product whose vectors are of x, and whose broadcast numbers are of the weight."""
        return Numbers(self.weight, self.read, self.sums, self.written)

    def are(self, known: Sequence[DType]) -> bool:
        """Whether all are of the same type, one of `known`."""
        return self.read in known and self == Numbers.alike(self.read)

    def require(self, op: str, known: Sequence[DType]) -> "Numbers":
        """Itself. Raises `GraphError` where all are not of the same type, one of `known`."""
        if not self.are(known):
            found = " and ".join(dict.fromkeys((self.read, self.weight, self.written)))
            raise GraphError(f"{op} of {found} has no native code: use {' or '.join(known)}")
        return self

    def lanes(self, target: Target) -> int:
        """Sums in one vector."""
        return target.lanes(self.sums)

    def number(self, e: Emitter, pointer: ir.Value, lanes: int) -> ir.Value:
        """One number that is read, in every lane."""
        return e.broadcast(cast(e, e.load(pointer, self.read), self.read, self.sums), lanes)

    def vector(self, e: Emitter, pointer: ir.Value, lanes: int) -> ir.Value:
        """Neighbouring numbers of the weight."""
        return cast(e, e.load(pointer, self.weight, lanes), self.weight, self.sums)

    def multiply_add(
        self, e: Emitter, number: ir.Value, vector: ir.Value, total: ir.Value
    ) -> ir.Value:
        """total + number · vector."""
        return e.fma(number, vector, total)

    def write(self, e: Emitter, value: ir.Value, pointer: ir.Value, aligned: bool = False) -> None:
        """Store sums, or what followed from them, as the type of the result."""
        e.store(cast(e, value, self.sums, self.written), pointer, aligned)
