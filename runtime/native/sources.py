"""Inputs, states and outputs of an executable: where their values come from, where they lie."""

from collections.abc import Callable, Iterator, Mapping

import numpy as np

from graphcnn.ir.node import Array, Node, Value
from graphcnn.ir.plan import BufferRole, Plan
from graphcnn.ir.sources import Input, State
from graphcnn.ir.storage import PLAIN, pack, unpack
from graphcnn.ir.tensor_type import TensorType
from graphcnn.runtime.native.memory.arena import usable_in_place
from graphcnn.runtime.native.memory.places import Memory
from graphcnn.runtime.native.step_table import StepTable
from graphcnn.runtime.reference import fed

#: Smaller arrays are copied in; larger ones are read where they lie, if they lie well.
_COPY = 16 << 10

Read = Callable[[], Array]


class Source:
    """An input or a state: where its value comes from and where the steps find it."""

    def __init__(self, value: Value, table: StepTable, memory: Memory) -> None:
        op, plan = value.node.op, memory.plan
        assert isinstance(op, Input | State)
        self.key, self.op, self.type = op.key, op, value.type
        self.node: Node = value.node
        self.shape, self.dtype = value.shape, value.dtype.numpy
        self.buffer, self._table, self._memory = plan.at[value], table, memory
        self._array: Array | None = None  # in use where it lies
        small = isinstance(op, Input) and value.type.bytes <= _COPY
        busy = any(c.source is self.buffer for c in plan.copies) or self.buffer in memory.updated
        elsewhere = self.buffer.role not in (BufferRole.INPUT, BufferRole.STATE)
        self._packed = value.type.layout != PLAIN
        self._copy = small or busy or elsewhere or self._packed or memory.guard  # in red zones
        self._view = memory.view(self.buffer, self.type)

    def read(self) -> Array:
        """A copy of the value."""
        return reader(self._array if self._array is not None else self._view, self.type)()

    def settle(self) -> None:
        """Lie where the memory says."""
        self._view = self._memory.view(self.buffer, self.type)
        self._table.point(self.buffer, self._memory.address(self.buffer))
        self._array = None

    def checked(self, source: Mapping[str, Array]) -> Array:
        """The value in `source`, of the right type. Raises `GraphError` for another."""
        array = source.get(self.key)
        if type(array) is np.ndarray and array.dtype is self.dtype and array.shape == self.shape:
            return array
        return fed(source, self.op, self.node)

    def feed(self, source: Mapping[str, Array], copy: bool = False) -> None:
        """Take the value from `source`."""
        array = self.checked(source)
        if copy or self._copy or not usable_in_place(array):
            if self._array is not None:
                self.settle()
            if _is_zero(array) and _is_zero(self._view):
                pass  # as it is for velocities at first; what is not written takes no memory
            elif self._packed:
                self._view.reshape(-1)[...] = pack(array, self.type)
            else:
                np.copyto(self._view, array)
        elif array is not self._array:
            self._table.point(self.buffer, array.__array_interface__["data"][0])
            self._array = array


def _is_zero(array: Array) -> bool:
    """Whether all bytes of a large array are zero."""
    if array.nbytes < _COPY or not array.flags.c_contiguous:
        return False
    data = array.reshape(-1).view(np.uint8)
    return not data[:_COPY].any() and not data.max()


def reader(view: Array, kind: TensorType) -> Read:
    """A function that copies the value out of its memory."""
    if kind.layout == PLAIN:
        return view.reshape(tuple(int(d) for d in kind.shape if isinstance(d, int))).copy
    return lambda: np.array(unpack(view.reshape(-1), kind))


class Reading(Mapping[str, Array]):
    """The values of states, each read when it is asked for."""

    def __init__(self, states: Mapping[str, Source]) -> None:
        self._states = states

    def __getitem__(self, key: str) -> Array:
        return self._states[key].read()

    def __iter__(self) -> Iterator[str]:
        return iter(self._states)

    def __len__(self) -> int:
        return len(self._states)


def outputs_of(plan: Plan, memory: Memory) -> list[tuple[str, Read]]:
    """What reads each output: from where a step made it, or from where it is copied."""
    copied = {c.target: c.source for c in plan.copies if c.target.role is BufferRole.OUTPUT}
    return [
        (key, reader(memory.view(copied.get(buffer, buffer), value.type), value.type))
        for (key, value), buffer in zip(
            plan.graph.outputs.items(), plan.outputs.values(), strict=True
        )
    ]
