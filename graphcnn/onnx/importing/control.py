"""If, Loop and Scan: what they decide is decided while importing.

A loop becomes a `scan` (`graphcnn.onnx.importing.loops`) or, where its body changes from turn to
turn or it is small, is written out, one body after the other. Both need the number of its turns. An
If takes the branch of its condition or, where only the run knows it, computes both branches and
chooses.
"""

from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from onnx import AttributeProto, GraphProto, NodeProto

from graphcnn.errors import ImportModelError
from graphcnn.ir.node import Value, constant_of
from graphcnn.ir.tensor_type import DType
from graphcnn.onnx.importing.context import (
    Call,
    Known,
    NeedsValueError,
    Operand,
    Store,
    UnsupportedError,
    reshaped,
)
from graphcnn.onnx.importing.file.arrays import sizes_of
from graphcnn.onnx.importing.file.limits import Limits
from graphcnn.onnx.importing.loops import (
    CHEAP,
    Turn,
    along,
    is_computed,
    looped,
    numbered,
    turned,
)
from graphcnn.onnx.importing.rules.parts import cut
from graphcnn.onnx.importing.rules.scatter import moved, size_of
from graphcnn.onnx.importing.rules.sequences import SequenceItems
from graphcnn.ops.comparison import Where
from graphcnn.ops.shape import Concat


class BranchWalk(Protocol):
    """What translates nodes: `graphcnn.onnx.importing.translate.Translation`."""

    limits: Limits
    store: Store
    nodes: int

    def initializers(self, graph: GraphProto, env: MutableMapping[str, Operand]) -> None: ...

    def node(
        self,
        node: NodeProto,
        env: MutableMapping[str, Operand],
        opsets: Mapping[str, int],
        depth: int,
        attributes: Mapping[str, AttributeProto] | None = None,
        prefix: str = "",
    ) -> None: ...


@dataclass
class Place:
    """Where a node with graphs inside stands: names in sight, opsets, nesting, prefix of names."""

    walk: BranchWalk
    env: Mapping[str, Operand]
    opsets: Mapping[str, int]
    depth: int
    prefix: str
    graphs: Mapping[str, AttributeProto]
    #: Whether the node stays a loop; else it is written out.
    is_loop: bool = False

    def graph(self, name: str) -> GraphProto:
        if name not in self.graphs:
            raise ImportModelError(f"attribute {name!r} is missing")
        return self.graphs[name].g

    def turns(self, body: GraphProto, label: str) -> Callable[..., list[Operand]]:
        """A function that writes the body out once, for given inputs, and returns its outputs.
        Initializers are shared by all turns."""
        base = dict(self.env)
        self.walk.initializers(body, base)
        count = 0

        def turn(*inputs: Operand) -> list[Operand]:
            nonlocal count
            self.walk.nodes += 1  # turns without nodes take time, too
            if self.walk.nodes > self.walk.limits.nodes:
                raise ImportModelError(f"more than {self.walk.limits.nodes:,} turns (limits.nodes)")
            if count >= self.walk.limits.pieces:
                raise ImportModelError(
                    f"more than {self.walk.limits.pieces:,} turns to be written out (limits.pieces)"
                )
            inner = base | dict(zip((v.name for v in body.input), inputs, strict=True))
            prefix = f"{self.prefix}{label}.{count}/" if label else self.prefix
            count += 1
            for node in body.node:
                self.walk.node(node, inner, self.opsets, self.depth + 1, None, prefix)
            return [inner[v.name] for v in body.output]

        return turn


Results = Sequence[Operand | None]


def branch(place: Place, call: Call) -> Results:
    """The branch of a known condition; of both branches what the condition of a run chooses."""
    try:
        chosen = "then_branch" if call.scalar(0, "the condition") else "else_branch"
        return place.turns(place.graph(chosen), "")()
    except NeedsValueError as error:
        condition = call.value(0)
        if condition.dtype is not DType.BOOL or condition.type.rank:
            raise
        first, second = (
            place.turns(place.graph(name), "")() for name in ("then_branch", "else_branch")
        )
        results: list[Operand] = []
        for a, b in zip(first, second, strict=True):
            if isinstance(a, SequenceItems) or isinstance(b, SequenceItems):
                raise error
            x, y = place.walk.store.value(a), place.walk.store.value(b)
            if x.type != y.type:
                raise error
            results.append(Where()(condition, x, y))
        return results


def loop(place: Place, call: Call) -> Results:
    """The body for 0, 1, 2, ... while the condition holds, at most `M` times."""
    body = place.graph("body")
    most = call.scalar(0, "the number of turns") if call.has(0) else None
    going = bool(call.scalar(1, "the condition")) if call.has(1) else True
    carried: list[Operand] = [_operand(call, i) for i in range(2, len(call.inputs))]
    turn, states = place.turns(body, call.name), len(carried)
    if going and most is not None and most > 1 and most * len(body.node) > CHEAP:
        found = _as_loop(place, call, turn, carried, most)
        if found is not None:
            return found
    stacks: list[list[Operand]] = [[] for _ in body.output[1 + states :]]
    i = 0
    while going and (most is None or i < most):
        each = turn(Known(np.array(i, np.int64)), Known(np.array(True)), *carried)
        carried = each[1 : 1 + states]
        for stack, operand in zip(stacks, each[1 + states :], strict=True):
            stack.append(operand)
        going = bool(_known(place, each[0], "whether the loop goes on"))
        i += 1
    names = body.output[1 + states :]
    joined = [stacked(place, s, 0, v) for s, v in zip(stacks, names, strict=True)]
    return [*carried, *joined]


def _as_loop(
    place: Place, call: Call, turn: Turn, carried: list[Operand], most: int
) -> Results | None:
    """A Loop of so many turns as a scan over their numbers."""
    place.walk.store.fold((most,), np.int64)
    numbers = constant_of(np.arange(most), DType.INT64)
    each = numbered(turn)
    results = looped(call, each, carried, (numbers,), most)
    place.is_loop = results is not None
    return results


def scan(place: Place, call: Call) -> Results:
    """The body for each slice of the scanned inputs; opset 8 does so for each item of a batch."""
    if call.opset >= 9:
        return _scanned(place, call, [_operand(call, i) for i in range(len(call.inputs))])
    if call.has(0):
        raise UnsupportedError("lengths of sequences in Scan")
    inputs = [_operand(call, i) for i in range(1, len(call.inputs))]
    items = [
        _scanned(place, call, [part(x, 0, b) for x in inputs]) for b in range(length(inputs[0], 0))
    ]
    outputs = place.graph("body").output
    return [
        stacked(place, list(item), 0, v)
        for item, v in zip(zip(*items, strict=True), outputs, strict=True)
    ]


def _scanned(place: Place, call: Call, inputs: list[Operand]) -> list[Operand]:
    body, count = place.graph("body"), call.attribute("num_scan_inputs", 0)
    if not 1 <= count <= len(inputs):
        raise ImportModelError(f"attribute 'num_scan_inputs' = {count} of {len(inputs)} inputs")
    carried, scanned = inputs[: len(inputs) - count], inputs[len(inputs) - count :]
    stacks: list[list[Operand]] = [[] for _ in body.output[len(carried) :]]
    axes = _per_tensor(call, "scan_input_axes", count)
    back = _per_tensor(call, "scan_input_directions" if call.opset >= 9 else "directions", count)
    sizes = [length(x, a) for x, a in zip(scanned, axes, strict=True)]
    if len(set(sizes)) > 1:
        raise ImportModelError(f"the scanned axes have the sizes {sizes}, expected equal ones")
    turn = place.turns(body, call.name)
    ways = _per_tensor(call, "scan_output_directions", len(stacks))
    if sizes[0] > 1 and not is_computed(inputs):
        store, turns_back = place.walk.store, all(back)
        xs = [along(store, x, a) for x, a in zip(scanned, axes, strict=True)]
        xs = [turned(call, x) if b and not turns_back else x for x, b in zip(xs, back, strict=True)]
        found = looped(call, turn, carried, xs, sizes[0], turns_back)
        if found is not None:
            place.is_loop = True
            places = _per_tensor(call, "scan_output_axes", len(stacks))
            ys = [
                y if bool(b) == turns_back else turned(call, y)
                for y, b in zip(found[len(carried) :], ways, strict=True)
            ]
            return [
                *found[: len(carried)],
                *(moved(y, 0, a % y.type.rank) for y, a in zip(ys, places, strict=True)),
            ]
    for i in range(sizes[0]):
        slices = [
            part(x, a, sizes[0] - 1 - i if b else i)
            for x, a, b in zip(scanned, axes, back, strict=True)
        ]
        results = turn(*carried, *slices)
        for stack, operand in zip(stacks, results[len(carried) :], strict=True):
            stack.append(operand)
        carried = results[: len(carried)]
    axes = _per_tensor(call, "scan_output_axes", len(stacks))
    names = body.output[len(carried) :]
    return [
        *carried,
        *(
            stacked(place, s[::-1] if b else s, a, v)
            for s, a, b, v in zip(stacks, axes, ways, names, strict=True)
        ),
    ]


def _per_tensor(call: Call, name: str, count: int) -> tuple[int, ...]:
    return call.ints(name, (0,) * count, count)


def _operand(call: Call, index: int) -> Operand:
    found = call.inputs[index]
    if found is None:
        raise ImportModelError(f"input {index} is missing")
    return found


def _known(place: Place, operand: Operand, what: str) -> Any:
    """A number that does not depend on the inputs of the run."""
    probe = Call("", "", 1, (operand,), (), {}, place.walk.store)
    return probe.scalar(0, what)


def length(x: Operand, axis: int) -> int:
    if isinstance(x, Known):
        return int(x.array.shape[axis])
    return size_of(x, axis % x.type.rank)


def part(x: Operand, axis: int, i: int) -> Operand:
    """x at one place of an axis, without that axis."""
    if isinstance(x, Known):
        return Known(np.asarray(x.array.take(i, axis)), f"{x.name}.{i}")
    axis %= x.type.rank
    y = cut(x, axis, i, 1)
    return reshaped(y, (*y.shape[:axis], *y.shape[axis + 1 :]))


def stacked(place: Place, parts: list[Operand], axis: int, declared: Any) -> Operand:
    """The results of all turns along a new axis; of no turn, by the declared type."""
    if not parts:
        tensor = declared.type.tensor_type
        shape = [size or 0 for size in sizes_of(tensor)]
        return Known(np.zeros([0, *shape], np.float32), declared.name)
    if all(isinstance(p, Known) and not isinstance(p, SequenceItems) for p in parts):
        arrays = [p.array for p in parts if isinstance(p, Known)]
        place.walk.store.fold((len(arrays), *arrays[0].shape), arrays[0].dtype)
        return Known(np.stack(arrays, axis), declared.name)
    values = [place.walk.store.value(p) for p in parts]
    axis %= values[0].type.rank + 1
    rows = [_widened(v, axis) for v in values]
    return rows[0] if len(rows) == 1 else Concat(axis)(*rows)


def _widened(x: Value, axis: int) -> Value:
    return reshaped(x, (*x.shape[:axis], 1, *x.shape[axis:]))


CONTROL: dict[str, Callable[[Place, Call], Results]] = {"If": branch, "Loop": loop, "Scan": scan}
