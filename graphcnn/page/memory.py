"""The memory of a page's module: where inputs, outputs, weights and arena of its functions lie.

Places are decided here, so that the page calls a function with a list of numbers and reads its
results where they lie. What functions have in common, such as the image, lies there once.
"""

import base64
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphcnn.compile.together import Together
from graphcnn.errors import GraphCnnError
from graphcnn.ir.node import Array
from graphcnn.ir.plan import ALIGN
from graphcnn.runtime.native.ahead import wasm
from graphcnn.runtime.native.memory.arena import READABLE, round_up

#: Bytes that 32-bit pointers of engines surely reach.
_MOST = 2 << 30
#: Of a pointer in WebAssembly.
_POINTER = 4
SPACE = "space"


@dataclass(frozen=True)
class Programs:
    """A finished module, what the page is told of its memory, as page.d.ts has it, and the bytes of
    its constants, which `told` says the places of."""

    code: bytes
    told: Mapping[str, Any]
    content: bytes

    @property
    def text(self) -> str:
        """The module for a block of the page, deflated."""
        return deflated(self.code)

    @property
    def constants(self) -> str:
        """The bytes of constants for a block of the page, deflated."""
        return deflated(self.content)


def text_of(content: bytes) -> str:
    return base64.b64encode(content).decode()


def deflated(content: bytes) -> str:
    """For a block of the page, which `inflated` in decode.js reads."""
    return text_of(zlib.compress(content, 9))


def planes_of(array: Array) -> bytes:
    """The first bytes of all numbers, then the second ones, and so on: those with the exponents
    are much alike, and deflate to less when they stand together."""
    flat = np.ascontiguousarray(array).reshape(-1)
    return flat.view(np.uint8).reshape(-1, flat.itemsize).T.tobytes()


class _Space:
    """Bytes that are given away one after the other."""

    def __init__(self) -> None:
        self.top = 0
        self.ports: dict[str, tuple[int, int]] = {}

    def take(self, size: int) -> int:
        begin = self.top
        self.top = round_up(begin + size, ALIGN)
        return begin

    def port(self, name: str, size: int) -> int:
        """The place of that name: of two functions the same."""
        if name not in self.ports:
            self.ports[name] = self.take(size), size // 4
        return self.ports[name][0]


class _Content:
    """Bytes that are stored one after the other, equal ones once."""

    def __init__(self) -> None:
        self.top = 0
        self.places: dict[bytes, int] = {}

    def place(self, content: bytes) -> int:
        if content not in self.places:
            self.places[content] = self.top
            self.top += len(content)
        return self.places[content]


def programs_of(
    made: Together,
    states: Mapping[str, int],
    named: Callable[[str, str, bool], str],
    who: str,
) -> Programs:
    """The module, with a place for everything.

    Args:
        states: bytes of each raw state.
        named: `named(function, key, is_input)` is what an input or output is called in the page.
        who: the network, for the error where it is too large.
    """
    space = _Space()
    raw = {key: space.take(size) for key, size in states.items()}
    prepared = {part.prepares for part in made.parts.values() if part.prepares is not None}
    weights = {name: space.take(part.weights) for name, part in made.parts.items()}
    arena_bytes = max(part.arena for part in made.parts.values())
    copies: list[tuple[int, int, int]] = []
    constants: list[tuple[int, int, int]] = []
    content = _Content()
    arguments: dict[str, list[int]] = {}
    results: dict[str, dict[str, int]] = {}
    for name, part in made.parts.items():
        begin = weights[name]
        for at, array in part.constants:
            constants.append((begin + at, content.place(array), len(array)))
        packed = {key: begin + at for key, (at, _) in part.states.items()}
        if part.prepares is not None:
            results[part.prepares] = packed
        made_before = _outputs(made, part.prepares)
        for key, (at, size) in part.states.items():
            if key not in made_before:
                copies.append((raw[key], begin + at, size))
    for name, part in made.parts.items():
        found: list[int] = []
        for port in part.inputs:
            known = raw if name in prepared else {}
            place = known.get(port.key)
            found.append(
                space.port(named(name, port.key, True), port.bytes) if place is None else place
            )
        for port in part.outputs:
            place = results.get(name, {}).get(port.key)
            found.append(
                space.port(named(name, port.key, False), port.bytes) if place is None else place
            )
        arguments[name] = [*found, weights[name]]
    arena = space.take(arena_bytes)
    for places in arguments.values():
        places.append(arena)
    tables = {name: space.take(_POINTER * len(places)) for name, places in arguments.items()}
    total = space.top + READABLE
    if total > _MOST:
        raise GraphCnnError(
            f"the page of {who} needs {total / 2**30:.1f} GiB of memory, and browsers surely have "
            f"{_MOST >> 30}"
        )
    symbols = [part.symbol for part in made.parts.values()]
    code = wasm.link(made.object.code, symbols, {SPACE: total}, made.object.stack)
    told = {
        "states": raw,
        "copies": copies,
        "constants": constants,
        "prepare": [name for name in made.parts if name in prepared],
        "functions": {name: (tables[name], places) for name, places in arguments.items()},
        "ports": space.ports,
    }
    return Programs(code, told, b"".join(content.places))


def _outputs(made: Together, function: str | None) -> Iterable[str]:
    return () if function is None else [port.key for port in made.parts[function].outputs]
