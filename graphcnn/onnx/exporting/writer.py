"""The emitter: collects ONNX nodes and helper constants, and gives everything a unique name.

It works at one opset. A node that this opset cannot express raises `NeedsOpset`, with the lowest
one that can; `export_graph` then starts again or refuses.

Nodes and values are two namespaces in ONNX. The results of our node "conv1" are the values
"conv1", "conv1.indices"; helper values are "conv1.pad", helper nodes "conv1/pad".
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from graphcnn.errors import ExportError
from graphcnn.ir.naming import Names
from graphcnn.ir.node import Array, Value
from graphcnn.ir.tensor_type import (
    Dim,
    DType,
    Shape,
    TensorType,
    affine,
    known_size,
    open_axes,
    times_n,
)

#: ONNX's element types by ours, those that the installed onnx knows.
ELEMENT_TYPES: dict[DType, int] = {
    d: int(helper.np_dtype_to_tensor_dtype(d.numpy))
    for d in DType
    if d.numpy in {helper.tensor_dtype_to_np_dtype(c) for c in helper.get_all_tensor_dtypes()}
}

#: The end of an axis for ONNX's Slice.
END = np.iinfo(np.int64).max


class NeedsOpset(Exception):
    """The operator cannot be written at the emitter's opset; `opset` is the lowest that can."""

    def __init__(self, what: str, opset: int) -> None:
        super().__init__(what)
        self.what = what
        self.opset = opset


#: (a, b) for a·N + b.
Line = tuple[int, int]


def value_info(name: str, type: TensorType) -> onnx.ValueInfoProto:
    """The declaration of one value; `N` and `4*N` become dimension parameters of that name."""
    shape: list[int | str | None] = [d if isinstance(d, int) else str(d) for d in type.shape]
    return helper.make_tensor_value_info(name, ELEMENT_TYPES[type.dtype], shape)


@dataclass(frozen=True)
class Most:
    """How many nodes a graph may become, and how many elements of one constant may be made for
    it: for graphs that are not to be trusted."""

    nodes: int
    elements: int


class NodeWriter:
    """ONNX nodes in the making. Exporters use `add`, `constant` and what follows from them."""

    def __init__(
        self,
        opset: int,
        values: Sequence[str],
        nodes: Sequence[str],
        inputs: Sequence[Value],
        most: Most | None = None,
    ) -> None:
        """`values` and `nodes` are names to keep free; `inputs` tell where the batch size is."""
        self.opset = opset
        self._most = most
        self.nodes: list[onnx.NodeProto] = []
        #: Arrays of the initializers. Only those that a node reads are written.
        self.arrays: dict[str, Array] = {}
        self._values = Names(values)
        self._nodes = Names(nodes)
        self._inputs = inputs
        self._shared: dict[Any, str] = {}
        self._scope, self._doc, self._start = "graph", "", 0
        self._written = 0

    def body(self) -> "BodyWriter":
        """A writer for the nodes of a graph inside the node that is written now."""
        return BodyWriter(self)

    def begin(self, scope: str, doc: str = "") -> None:
        """Nodes added from now on belong to our node `scope`."""
        self._scope, self._doc, self._start = scope, doc, len(self.nodes)

    def finish(self, results: Sequence[str], names: Sequence[str]) -> None:
        """Give the results of the scope their final names, and its last node the scope's name."""
        final: dict[str, str] = {}
        for result, name in zip(results, names, strict=True):
            result = final.get(result, result)
            producer = self._producer(result)
            if producer is None or result in names:  # made elsewhere, or named already
                self.add("Identity", result)
                producer = self.nodes[-1]
                result = producer.output[0]
            for node in self.nodes[self._start :]:
                _replace(node.input, result, name)
                _replace(node.output, result, name)
            final[result] = name
            self._shared = {k: name if v == result else v for k, v in self._shared.items()}
        last = self._producer(names[0])
        if last is not None:
            self._nodes.taken.discard(last.name)
            last.name = self._scope

    def room(self, elements: int) -> None:
        """Called before an array is made, or a list as long. Raises where that is too much."""
        if self._most is not None and elements > self._most.elements:
            raise ExportError(f"{elements:,} elements, expected at most {self._most.elements:,}")

    def alias(self, value: str, name: str) -> None:
        """The same value under another name, by a node that is called like it if possible."""
        self.begin(self._nodes.fresh(name))
        self.finish([value], [name])

    def _producer(self, value: str) -> onnx.NodeProto | None:
        """The node of this scope that makes `value`."""
        return next((n for n in self.nodes[self._start :] if value in n.output), None)

    def fresh(self, hint: str) -> str:
        """A new name for a value."""
        return self._values.fresh(hint)

    def add(self, onnx_type: str, *inputs: str, **attributes: Any) -> str:
        """Add a node with one result; its name. "" stands for an optional input left out."""
        return self.add_many(onnx_type, 1, *inputs, **attributes)[0]

    def add_many(self, onnx_type: str, count: int, *inputs: str, **attributes: Any) -> list[str]:
        """Add a node with `count` results; their names."""
        self.count_node()
        self._check_opset(onnx_type, attributes)
        word = onnx_type.lower()
        outputs = [self.fresh(f"{self._scope}.{word}") for _ in range(count)]
        name = self._nodes.fresh(f"{self._scope}/{word}")
        node = helper.make_node(onnx_type, list(inputs), outputs, name, self._doc or None)
        for key in sorted(attributes):
            node.attribute.append(helper.make_attribute(key, attributes[key]))
        self.nodes.append(node)
        return outputs

    def count_node(self) -> None:
        """Raises where there are too many, those of inner graphs included."""
        self._written += 1
        if self._most is not None and self._written > self._most.nodes:
            raise ExportError(f"more than {self._most.nodes:,} nodes")

    @property
    def scope(self) -> str:
        """The name of our node that is written now."""
        return self._scope

    def fresh_node(self, hint: str) -> str:
        """A new name for a node."""
        return self._nodes.fresh(hint)

    def _check_opset(self, onnx_type: str, attributes: Mapping[str, Any]) -> None:
        if _missing(onnx_type, tuple(attributes), self.opset) is None:
            return
        for opset in range(self.opset + 1, onnx.defs.onnx_opset_version() + 1):
            if _missing(onnx_type, tuple(attributes), opset) is None:
                missing = _missing(onnx_type, tuple(attributes), opset - 1)
                raise NeedsOpset(f"{onnx_type}{missing}", opset)
        raise AssertionError(f"no opset has {onnx_type} with {sorted(attributes)}")

    def constant(self, array: Any, hint: str = "constant") -> str:
        """An initializer. Equal arrays are stored once."""
        array = np.asarray(array)
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._shared:
            name = self.fresh(f"{self._scope}.{hint}")
            self.arrays[name] = array
            self._shared[key] = name
        return self._shared[key]

    def integers(self, values: Sequence[int], hint: str = "constant") -> str:
        """A list of 64-bit integers: axes, sizes, positions."""
        return self.constant(np.array(values, np.int64), hint)

    def scalar(self, value: float, dtype: DType) -> str:
        """A number as a tensor of rank 0."""
        return self.constant(np.array(value, dtype.numpy))

    def batch(self) -> str:
        """The batch size as a tensor i64[1], read from the first input that has it."""
        if "batch" not in self._shared:
            for value in self._inputs:
                for axis in open_axes(value.shape):
                    key = value.node.op.key  # type: ignore[attr-defined]
                    size = self.add("Shape", key, start=axis, end=axis + 1)
                    times = times_n(value.shape[axis])
                    if times > 1:
                        size = self.add("Div", size, self.integers([times], "times"))
                    self._shared["batch"] = size
                    return size
            raise ExportError("the batch size N is used, but no input of the graph has it")
        return self._shared["batch"]

    def numbers(self, lines: Sequence[Line], hint: str) -> str:
        """Numbers a·N + b with the batch size of the run, i64[count]."""
        lines = tuple(lines)
        if all(not a for a, _ in lines):
            return self.integers([b for _, b in lines], hint)
        if lines not in self._shared:
            parts = [self._line(a, b) if a else self.integers([b], "size") for a, b in lines]
            one = len(parts) == 1
            self._shared[lines] = parts[0] if one else self.add("Concat", *parts, axis=0)
        return self._shared[lines]

    def _line(self, a: int, b: int) -> str:
        """a·N + b as a tensor i64[1]."""
        found = self.batch()
        if a != 1:
            found = self.add("Mul", found, self.integers([a], "times"))
        return self.add("Add", found, self.integers([b], "plus")) if b else found

    def shape(self, shape: Shape) -> str:
        """A shape as a tensor i64[rank], with the batch size of the run in place of `N`."""
        return self.numbers([*map(affine, shape)], "shape")

    def elements(self, shape: Shape) -> str:
        """The number of elements of a shape, i64[1]."""
        count = self.integers((known_size(shape),))
        for _ in open_axes(shape):
            count = self.add("Mul", self.batch(), count)
        return count

    def zeros(self, shape: Sequence[Dim | Line], dtype: DType) -> str:
        """A tensor of zeros, made when the model runs."""
        lines = [d if isinstance(d, tuple) else affine(d) for d in shape]
        zero = numpy_helper.from_array(np.zeros(1, dtype.numpy))
        return self.add("ConstantOfShape", self.numbers(lines, "shape"), value=zero)

    def reshape(self, x: str, old: Shape, new: Shape) -> str:
        """x of shape `old` under the shape `new`; an axis that depends on N stays dynamic."""
        if len(open_axes(new)) > 1:
            return self.add("Reshape", x, self.shape(new), allowzero=0)
        # 0 copies the size of the same axis, -1 is what remains
        free = [0 if old[a : a + 1] == (d,) else -1 for a, d in enumerate(new)]
        target = [d if isinstance(d, int) else free[a] for a, d in enumerate(new)]
        return self.add("Reshape", x, self.integers(target, "shape"), allowzero=0)

    def transpose(self, x: str, *perm: int) -> str:
        return self.add("Transpose", x, perm=perm)

    def slice(
        self,
        x: str,
        starts: Sequence[int],
        ends: Sequence[int],
        axes: Sequence[int],
        steps: Sequence[int] | None = None,
    ) -> str:
        """x[start:end:step] along each of `axes`."""
        steps = steps or [1] * len(axes)
        parts = ((starts, "starts"), (ends, "ends"), (axes, "axes"), (steps, "steps"))
        return self.add("Slice", x, *(self.integers(v, hint) for v, hint in parts))

    def pad(self, x: str, before: Sequence[int], after: Sequence[int], value: str) -> str:
        """x with cells of `value` (a name) around it; one number per axis."""
        return self.add("Pad", x, self.integers([*before, *after], "pads"), value, mode="constant")

    def reduce(self, onnx_type: str, x: str, axes: Sequence[int], keepdims: bool) -> str:
        """A reduction over `axes`, which became an input at opset 18 (for sums, at 13)."""
        if self.opset >= 18 or onnx_type == "ReduceSum":
            where = self.integers(axes, "axes")
            return self.add(onnx_type, x, where, keepdims=int(keepdims), noop_with_empty_axes=0)
        return self.add(onnx_type, x, axes=tuple(axes), keepdims=int(keepdims))


class BodyWriter(NodeWriter):
    """Nodes of a graph inside a node. It sees all names outside of it, and its own are free there.

    Constants, and what is computed of the batch size, stand outside, where all bodies share them.
    """

    def __init__(self, outer: NodeWriter) -> None:
        super().__init__(outer.opset, (), (), outer._inputs, outer._most)
        self._outer = outer
        self.arrays, self._values, self._nodes = outer.arrays, outer._values, outer._nodes

    def count_node(self) -> None:
        self._outer.count_node()

    def constant(self, array: Any, hint: str = "constant") -> str:
        return self._outer.constant(array, hint)

    def batch(self) -> str:
        return self._outer.batch()

    def numbers(self, lines: Sequence[Line], hint: str) -> str:
        return self._outer.numbers(lines, hint)


def _replace(names: Any, old: str, new: str) -> None:
    for i, name in enumerate(names):
        if name == old:
            names[i] = new


@cache
def _missing(onnx_type: str, attributes: tuple[str, ...], opset: int) -> str | None:
    """What `opset` lacks of an operator with these attributes: None, or a text for the error."""
    try:
        schema = onnx.defs.get_schema(onnx_type, opset, "")
    except onnx.defs.SchemaError:
        return ""
    missing = sorted(set(attributes) - set(schema.attributes))
    return f" with {', '.join(missing)}" if missing else None
