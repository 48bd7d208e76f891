"""Operators without inputs: what a graph is fed, what it remembers, what it is given.

An `Input` is fed at every run, a `State` lives from run to run (parameters, running statistics,
optimiser slots, counters) and may be updated by the graph, a `Constant` never changes.
"""

import hashlib
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from graphcnn.errors import GraphError
from graphcnn.ir.batch import FIXED, Batches, Rule, Types, source_batch
from graphcnn.ir.cells import Cell
from graphcnn.ir.initializers import Constant as ConstantInitializer
from graphcnn.ir.initializers import Initializer
from graphcnn.ir.node import Array, Op, freeze
from graphcnn.ir.tensor_type import DType, TensorType


@dataclass(frozen=True)
class Input(Op):
    """A tensor fed at every run, under the name `key`."""

    key: str
    type: TensorType

    pure: ClassVar[bool] = False
    family: ClassVar = "end"

    def infer(self) -> TensorType:
        if not self.key:
            raise GraphError("an input needs a name, it is fed under that name")
        for d in self.type.shape:
            if isinstance(d, int) and d < 1:
                raise GraphError(f"sizes must be at least 1, found {self.type}")
        return self.type

    def follow_batch(self, inputs: Batches, types: Types, results: Types) -> Rule:
        return source_batch(self.type)


class Role(StrEnum):
    """What a state is for."""

    PARAMETER = "parameter"  # learned by gradient
    STATISTIC = "statistic"  # running mean and variance
    SLOT = "slot"  # of an optimiser, one per parameter
    SETTING = "setting"  # a number set from outside: learning rate, seed
    COUNTER = "counter"  # steps taken


@dataclass(frozen=True)
class State(Op):
    """A tensor that lives from run to run, under the name `key`, unique in its graph.

    Without `decays` a parameter of several axes is no matrix or kernel, but the scale of a norm,
    say: weight decay and what optimisers do with matrices leave it alone.

    An empty key is filled when a `Model` is made: name of the first user, name of the operand.
    The value is in `cell`, which is no attribute: operators made of this one, with another key
    say, have the same; one that is called anew, parsed or loaded has its own.
    """

    key: str
    type: TensorType
    role: Role = Role.PARAMETER
    trainable: bool = True
    initial: Initializer = field(default_factory=ConstantInitializer)
    decays: bool = field(default=True, repr=False)
    cell: Cell = field(default_factory=Cell, compare=False, repr=False)

    pure: ClassVar[bool] = False
    family: ClassVar = "state"

    def infer(self) -> TensorType:
        if not self.type.is_bound:
            raise GraphError(f"a state cannot depend on the batch size, found {self.type}")
        return self.type

    def follow_batch(self, inputs: Batches, types: Types, results: Types) -> Rule:
        return FIXED


@dataclass(frozen=True, eq=False)
class Constant(Op):
    """An array that never changes. Equal bits are equal constants."""

    array: Any

    family: ClassVar = "state"

    def __post_init__(self) -> None:
        if not isinstance(self.array, np.ndarray) or self.array.flags.writeable:
            object.__setattr__(self, "array", freeze(self.array))

    @cached_property
    def digest(self) -> str:
        """Content hash of type and bytes."""
        head = f"{self.array.dtype}{self.array.shape}".encode()
        return hashlib.sha256(head + self.array.tobytes()).hexdigest()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Constant) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    def infer(self) -> TensorType:
        return TensorType(self.array.shape, DType.of(self.array.dtype))

    def evaluate(self) -> Array:
        return np.asarray(self.array)

    def follow_batch(self, inputs: Batches, types: Types, results: Types) -> Rule:
        return FIXED
