"""Where everything lies while a network runs that was built: in the caller's arena, or among the
weights. What a table of addresses is for a run in this process is decided here, once."""

import keyword
import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from graphcnn.ir.graph import state_of
from graphcnn.ir.node import Array, Value
from graphcnn.ir.plan import ALIGN, Buffer, BufferRole, Plan
from graphcnn.ir.storage import pack, storage_bytes
from graphcnn.ir.tensor_type import TensorType
from graphcnn.runtime.native.memory.arena import READABLE, round_up
from graphcnn.runtime.native.memory.places import constant_array

#: Words that are no names in Python, C, C++ or JavaScript; macros and types of headers of C; what
#: else a module exports, and its loader.
_TAKEN = frozenset(keyword.kwlist) | frozenset(
    "alignas alignof and_eq arguments asm auto bitand bitor bool case catch char char16_t char32_t "
    "char8_t co_await co_return co_yield compl concept const const_cast consteval constexpr "
    "constinit debugger decltype default delete do double dynamic_cast enum eval explicit export "
    "extends extern float friend function goto implements inline instanceof int interface let long "
    "mutable namespace new noexcept not_eq null nullptr operator or_eq package private protected "
    "public register reinterpret_cast requires restrict short signed sizeof static static_assert "
    "static_cast struct super switch template this thread_local throw typedef typeid typename "
    "typeof undefined union unsigned using var virtual void volatile wchar_t xor xor_eq "
    "bufsiz eof errno far infinity linux nan near small stderr stdin stdout unix "
    "int8_t int16_t int32_t int64_t uint8_t uint16_t uint32_t uint64_t "
    "about arena load memory network run weights".split()
)


@dataclass(frozen=True)
class Port:
    """An input or an output.

    Attributes:
        key: its name in the graph.
        name: its name in C and JavaScript.
        buffer: what it is copied into, or from.
    """

    key: str
    name: str
    type: TensorType
    buffer: Buffer

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(int(d) for d in self.type.shape if isinstance(d, int))

    @property
    def bytes(self) -> int:
        return storage_bytes(self.type)

    @property
    def count(self) -> int:
        return self.bytes // self.type.dtype.bytes


@dataclass(frozen=True)
class Places:
    """Addresses as distances, from the begin of the arena or of the weights.

    Attributes:
        arena: bytes of the arena, which begins at a multiple of `ALIGN`.
        weights: all weights, as they lie in memory: hundreds of megabytes of some networks.
        in_arena, in_weights: where each buffer lies.
    """

    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    arena: int
    weights: memoryview
    in_arena: Mapping[Buffer, int]
    in_weights: Mapping[Buffer, int]


def places_of(plan: Plan, values: Mapping[str, Array], network: str) -> Places:
    """The places for a plan of inference; `values` are those of its states, and `network` is the
    name of what is built: no input or output is called as its function, or a macro of its header.

    Kernels may read up to `READABLE` bytes past the end of a buffer: after the last one of the
    arena and of the weights so many are left free. Inputs are copied in, so that this holds of
    them, too.
    """
    weights, in_weights = _laid(plan, values)
    in_arena = {b: b.offset for b in plan.buffers if b.offset is not None}
    top, names = (
        round_up(plan.arena_bytes, ALIGN),
        {*map(str.lower, _TAKEN), f"{network}_run".lower()},
    )

    def port(key: str, value: Value, buffer: Buffer) -> Port:
        nonlocal top
        if buffer not in in_arena and buffer not in in_weights:
            in_arena[buffer] = top
            top = round_up(top + buffer.bytes, ALIGN)
        macro = identifier(key).startswith(f"{network.upper()}_")
        return Port(key, _name(key.lower() if macro else key, names), value.type, buffer)

    inputs = [port(v.node.op.attributes["key"], v, plan.at[v]) for v in plan.graph.inputs]
    copied = {c.target: c.source for c in plan.copies if c.target.role is BufferRole.OUTPUT}
    outputs = [
        port(key, value, copied.get(buffer, buffer))
        for (key, value), buffer in zip(
            plan.graph.outputs.items(), plan.outputs.values(), strict=True
        )
    ]
    return Places(tuple(inputs), tuple(outputs), top + READABLE, weights, in_arena, in_weights)


def _laid(plan: Plan, values: Mapping[str, Array]) -> tuple[memoryview, dict[Buffer, int]]:
    """The weights one after the other, and where each begins."""
    given = [(v, plan.at[v], values[state_of(v).key]) for v in plan.graph.states]
    given += [(v, buffer, constant_array(v)) for v, buffer in plan.constants.items()]
    end, found = 0, dict[Buffer, int]()
    for value, buffer, _ in given:
        found[buffer] = round_up(end, ALIGN)
        end = found[buffer] + storage_bytes(value.type)
    room = np.zeros(end + READABLE if found else 0, np.uint8)
    for value, buffer, array in given:
        packed = pack(np.asarray(array), value.type).view(np.uint8)
        room[found[buffer] : found[buffer] + packed.size] = packed
    return room.data.toreadonly(), found


def _name(key: str, taken: set[str]) -> str:
    """A name of an input or output that no other has, not in capitals either."""
    name = identifier(key)
    found, number = name, 2
    while found.lower() in taken:
        found, number = f"{name}_{number}", number + 1
    taken.add(found.lower())
    return found


def identifier(text: str) -> str:
    """A text as a name in C."""
    name = re.sub(r"\W", "_", text, flags=re.ASCII).strip("_") or "x"
    return f"_{name}" if name[0].isdigit() else name
