"""An ONNX model with the results of all its nodes in sight: what each became in our graph, and
the same model with some of them as outputs, for ONNX Runtime."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnx import ModelProto, NodeProto, SparseTensorProto, TensorProto, helper, numpy_helper

from graphcnn.analysis.randomness import random_nodes, random_outputs
from graphcnn.ir.node import Array, Node, Value
from graphcnn.onnx.importing.context import Known, NeedsValueError, UnsupportedError
from graphcnn.onnx.importing.file.given import Inputs, given_inputs
from graphcnn.onnx.importing.file.limits import Limits
from graphcnn.onnx.importing.file.load import is_external, read_model
from graphcnn.onnx.importing.file.messages import faults
from graphcnn.onnx.importing.file.validate import validate
from graphcnn.onnx.importing.opening import opening
from graphcnn.onnx.importing.survey import refusal, start
from graphcnn.onnx.importing.translate import Imported, Translation


@dataclass
class Edges:
    """A model, imported.

    Attributes:
        values: what the results of the nodes became, in their order: values of the graph, or
            arrays that were computed while importing. Results inside of several nodes that became
            one operator are missing.
        stored: the initializers that lie in other files.
        fed: the inputs that are constants of the graph, since they decided shapes or were given
            so, and their numbers.
        random: the outputs that depend on random numbers, of which every runtime draws others.
            They are not among `values`, nor is anything else that does.
        drawn: the nodes that do.
    """

    found: Imported
    values: dict[str, Value | Array]
    stored: dict[str, Array]
    fed: Mapping[str, Array]
    random: tuple[str, ...] = ()
    drawn: frozenset[Node] = frozenset()

    @property
    def compared(self) -> dict[str, Value]:
        """The outputs that do not depend on random numbers, and what these are drawn for: the
        last values before them that do not."""
        found = {k: v for k, v in self.found.graph.outputs.items() if k not in self.random}
        if len(self.found.empty) == len(self.model.graph.output):
            return {}
        if not self.random:
            return found
        read = {v for node in self.drawn for v in node.inputs}
        last = {k: v for k, v in self.values.items() if isinstance(v, Value) and v in read}
        return {**last, **found}

    @property
    def model(self) -> ModelProto:
        return self.found.model

    def with_outputs(self, names: Sequence[str]) -> ModelProto:
        """The model with these values as its only outputs."""
        model = ModelProto()
        model.CopyFrom(self.model)
        del model.graph.output[:]
        model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
        return model

    def producer(self, name: str) -> NodeProto | None:
        """The node that makes a value, None for inputs and initializers."""
        return next((n for n in self.model.graph.node if name in n.output), None)

    def merged(self, node: NodeProto) -> list[NodeProto]:
        """The nodes before `node` that became one operator with it."""
        found: list[NodeProto] = []
        for name in node.input:
            before = self.producer(name)
            if before is not None and name not in self.values and before not in found:
                found += [*self.merged(before), before]
        return found


def read_edges(
    source: str | Path | bytes,
    inputs: Inputs,
    given: Mapping[str, Array],
    limits: Limits | None = None,
) -> Edges:
    """Import a model with `inputs` as `import_onnx` has them. Inputs of `given` that decide shapes
    become constants."""
    limits = limits or Limits()
    model, folder = read_model(source, limits)
    shapes, known = given_inputs(model, inputs)
    fixed = opening(model, shapes)
    if (
        fixed is not None and fixed.number is None
    ):  # ONNX Runtime takes the batch that the file says
        shapes = dict(fixed.shapes)
    while True:
        try:
            with faults("the model"):
                validate(model, limits)
                run = Translation(model, shapes, limits, folder, known)
                start(run)
                for node in model.graph.node:
                    run.node(node, run.env, run.opsets, 0)
                found = run.finish()
            break
        except NeedsValueError as need:
            more = {k: given[k] for k in need.keys if k in given and k not in known}
            if not more:
                raise refusal(Translation(model, shapes, limits, folder, known), need) from None
            known |= more
            shapes = {k: s for k, s in shapes.items() if k not in known}
        except UnsupportedError as error:
            raise refusal(Translation(model, shapes, limits, folder, known), error) from None
    nodes = set(found.graph.nodes)
    stand_ins = [v for v in map(run.became, run.store.drawn) if v.node in nodes]
    drawn = random_nodes(found.graph, stand_ins)
    values, random = _values(run, found, drawn), random_outputs(found.graph, stand_ins)
    return Edges(found, values, _external(run, model), known, random, drawn)


def _values(run: Translation, found: Imported, drawn: frozenset[Node]) -> dict[str, Value | Array]:
    alive = set(found.graph.nodes) - drawn
    values: dict[str, Value | Array] = {}
    for name in (name for node in run.model.graph.node for name in node.output if name):
        operand = run.env.get(name)
        if isinstance(operand, Known):
            values[name] = operand.array
            continue
        value = run.became(operand) if isinstance(operand, Value) else None
        if value is not None and value.node in alive:
            values[name] = value
    return values


def _external(run: Translation, model: ModelProto) -> dict[str, Array]:
    """The initializers that lie in other files. Sparse ones of them become dense, and constants of
    nodes part of the model, as ONNX Runtime is handed arrays for the others alone."""
    for sparse in [t for t in model.graph.sparse_initializer if _is_outside(t)]:
        dense = TensorProto(name=sparse.values.name, dims=sparse.dims)
        dense.data_type = sparse.values.data_type
        dense.data_location = TensorProto.EXTERNAL
        dense.external_data.add(key="location", value="dense")
        model.graph.initializer.append(dense)
        model.graph.sparse_initializer.remove(sparse)
    for node in model.graph.node:
        for a in node.attribute if node.op_type == "Constant" else ():
            operand = run.env.get(node.output[0])
            outside = _is_outside(a.sparse_tensor) or is_external(a.t)
            if outside and isinstance(operand, Known):
                held = numpy_helper.from_array(np.ascontiguousarray(operand.array))
                a.CopyFrom(helper.make_attribute("value", held))
    arrays: dict[str, Array] = {}
    for tensor in model.graph.initializer:
        operand = run.env[tensor.name]
        if is_external(tensor) and isinstance(operand, Known):
            arrays[tensor.name] = np.ascontiguousarray(operand.array)
    return arrays


def _is_outside(tensor: SparseTensorProto) -> bool:
    """Whether a part of it lies in another file."""
    return is_external(tensor.values) or is_external(tensor.indices)
