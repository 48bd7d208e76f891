"""The first node of an ONNX model at which a runtime of ours and ONNX Runtime part.

Intermediate values of the file are made outputs on both sides and compared in the order of the
nodes, so many at a time as fit `KEPT_BYTES`. Nodes that became one operator are looked at as one,
and what was computed while importing as a constant. Keeping a value changes what the native
runtime computes together; where the difference goes away by that, values are kept one at a time
and the place is found by halving.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx

from graphcnn.compile.pipelines import inference_graph
from graphcnn.ir.graph import Graph
from graphcnn.ir.node import Array, Value
from graphcnn.onnx.comparing import ort
from graphcnn.onnx.comparing.difference import errors
from graphcnn.onnx.comparing.edges import Edges
from graphcnn.onnx.importing.file.names import shown
from graphcnn.onnx.importing.file.validate import label
from graphcnn.onnx.importing.known.affine import at_batch
from graphcnn.runtime.execution import Execution
from graphcnn.runtime.reference import Reference

#: Bytes of intermediate values that are kept at a time.
KEPT_BYTES = 1 << 28

Arrays = Mapping[str, Array]


@dataclass(frozen=True)
class Culprit:
    """The first node whose result differs by more than the bound.

    Attributes:
        error: of its result, divided by the largest number in it; infinite where shape or type
            differ.
        inputs: the same for what it reads: 0 for inputs and initializers.
        operator: what became of the node and of those in `merged`.
        fused: the result is right where it is kept, and wrong where the node is computed together
            with its neighbours.
    """

    node: str
    output: str
    error: float
    inputs: dict[str, float]
    attributes: dict[str, str]
    operator: str
    merged: tuple[str, ...]
    fused: bool

    def __str__(self) -> str:
        read = ", ".join(f"{shown(k)} {error:.2e}" for k, error in self.inputs.items())
        rows = [("inputs", read or "none")]
        if self.attributes:
            found = (f"{shown(k)}={v}" for k, v in self.attributes.items())
            rows.append(("attributes", ", ".join(found)))
        rows.append(("became", ", together with ".join((self.operator, *self.merged))))
        if self.fused:
            rows.append(("note", "right by itself, wrong when computed with its neighbours"))
        head = f"{self.node}: its result {shown(self.output)!r} differs by {self.error:.2e}"
        return "\n".join((head, *(f"  {key:<11} {text}" for key, text in rows)))


@dataclass
class Sides:
    """One model and its inputs, to be run by ONNX Runtime and by ours."""

    edges: Edges
    batch: int
    feeds: Arrays

    def theirs(self, names: Sequence[str], optimised: bool) -> dict[str, Array]:
        """What ONNX Runtime computes of a model that keeps just these values."""
        session = ort.session(self.edges.with_outputs(names), optimised, self.edges.stored)
        wanted = {i.name for i in session.get_inputs()}
        fed = {name: a for name, a in self.feeds.items() if name in wanted}
        return dict(zip(names, ort.run(session, fed, names), strict=True))

    def ours(self, runtime: str, values: Mapping[str, Value | Array]) -> dict[str, Array]:
        """What a runtime of ours computes; arrays are constants of the import."""
        found = {k: at_batch(v, self.batch) for k, v in values.items() if not isinstance(v, Value)}
        wanted = {k: v for k, v in values.items() if isinstance(v, Value)}
        if wanted:
            graph = self.edges.found.graph.with_outputs(wanted).bind(self.batch)
            keys = [v.node.name for v in graph.inputs]
            with np.errstate(all="ignore"):
                found |= RUN[runtime](
                    graph, {key: self.feeds[key] for key in keys}, self.edges.found.states
                )
        return {k: np.asarray(found[k]) for k in values}


def _reference(graph: Graph, feeds: Arrays, states: Arrays) -> Arrays:
    return Reference(graph).run(feeds, states)[0]


def _native(graph: Graph, feeds: Arrays, states: Arrays) -> Arrays:
    from graphcnn.compile.native import Prepared  # LLVM is loaded when it is needed

    prepared = Prepared(inference_graph(graph), Execution.of("native"))
    prepared.bind_states(states)
    return prepared.run(feeds)[0]


RUN: dict[str, Callable[[Graph, Arrays, Arrays], Arrays]] = {
    "native": _native,
    "reference": _reference,
}


def first_difference(
    sides: Sides, runtime: str, bound: float, optimised: bool, wrong: Mapping[str, float]
) -> Culprit | None:
    """The first node whose result differs by more than `bound`, None where there is none as soon
    as intermediate values are kept. `wrong` are the outputs that differ, and by how much."""
    values = sides.edges.values
    seen: dict[str, float] = {}
    for names in groups(sides, list(values)):
        theirs = sides.theirs(names, optimised)
        ours = sides.ours(runtime, {name: values[name] for name in names})
        for name in names:
            seen[name] = error_of(theirs[name], ours[name])
            if not seen[name] <= bound:
                return culprit(sides.edges, name, seen, False)
    names = [name for name, value in values.items() if isinstance(value, Value)]

    def differs(name: str) -> float | None:
        ours = sides.ours(runtime, {**sides.edges.found.graph.outputs, name: values[name]})
        here = error_of(sides.theirs([name], optimised)[name], ours[name])
        return None if here <= bound else here

    found = halved(names, wrong, differs) if runtime == "native" else None
    if found is None:
        return None
    name, seen[name] = found
    return culprit(sides.edges, name, seen, True)


def halved(
    names: Sequence[str], wrong: Mapping[str, float], differs: Callable[[str], float | None]
) -> tuple[str, float] | None:
    """The name of a value that differs while the one before it agrees, and its error.

    `wrong` are the outputs that differ; `differs` gives the error of a value that is kept alone, so
    that all others are computed together as usual, and None where it is right.
    """
    at = [i for i, name in enumerate(names) if name in wrong]
    if not at:
        return None
    low, high = -1, at[0]
    error = wrong[names[high]]
    while high - low > 1:
        middle = (low + high) // 2
        here = differs(names[middle])
        if here is None:
            low = middle
        else:
            high, error = middle, here
    return names[high], error


def groups(sides: Sides, names: Sequence[str]) -> list[list[str]]:
    """Names of values in order, in groups that fit `KEPT_BYTES`."""
    groups: list[list[str]] = [[]]
    room = KEPT_BYTES
    for name in names:
        value = sides.edges.values[name]
        size = value.type.bind(sides.batch).bytes if isinstance(value, Value) else value.nbytes
        if groups[-1] and size > room:
            groups.append([])
            room = KEPT_BYTES
        groups[-1].append(name)
        room -= size
    return [group for group in groups if group]


def error_of(theirs: Array, ours: Array, strict: bool = True) -> float:
    """The largest difference, divided by the largest of our numbers: infinite for other shapes, and
    where it is `strict` for other types."""
    if theirs.shape != ours.shape or (strict and theirs.dtype != ours.dtype):
        return float("inf")
    return errors(theirs, ours)[1]


def culprit(edges: Edges, name: str, seen: Mapping[str, float], fused: bool) -> Culprit:
    """What there is to say of the node that makes a value."""
    node = edges.producer(name)
    assert node is not None
    value, merged = edges.values[name], edges.merged(node)
    nodes = (*merged, node)
    inner = {output for each in merged for output in each.output}
    read = dict.fromkeys(k for each in nodes for k in each.input if k and k not in inner)
    constant = "a constant, computed while importing"
    return Culprit(
        node=label(node),
        output=name,
        error=seen[name],
        inputs={key: seen.get(key, 0.0) for key in read},
        attributes={a.name: _text(a) for each in nodes for a in each.attribute},
        operator=value.node.op.name if isinstance(value, Value) else constant,
        merged=tuple(map(label, merged)),
        fused=fused,
    )


def _text(attribute: onnx.AttributeProto) -> str:
    """An attribute in a few characters."""
    found = onnx.helper.get_attribute_value(attribute)
    if isinstance(found, onnx.TensorProto):
        return f"tensor of {tuple(found.dims)}"
    if isinstance(found, onnx.GraphProto):
        return "a graph"
    return shown(found.decode("utf-8", "replace") if isinstance(found, bytes) else str(found))
