"""The walk over an ONNX model: inputs, initializers, nodes, functions, branches, outputs."""

from collections import Counter
from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import AttributeProto, FunctionProto, GraphProto, NodeProto

import graphcnn.onnx.importing.rules  # noqa: F401 - fills the registry
from graphcnn.compile.pipelines import import_pipeline, observers
from graphcnn.errors import GraphCnnError, ImportModelError
from graphcnn.ir.graph import Graph
from graphcnn.ir.node import Array, Node, Value, constant_of
from graphcnn.ir.origin import UNKNOWN, inherit
from graphcnn.ir.sources import Constant, Input, State
from graphcnn.ir.tensor_type import Shape, TensorType
from graphcnn.onnx.exporting.writer import ELEMENT_TYPES
from graphcnn.onnx.importing.context import RULES, Call, Known, NeedsValueError, Operand, Store
from graphcnn.onnx.importing.context import UnsupportedError as UnsupportedError
from graphcnn.onnx.importing.control import CONTROL, Place
from graphcnn.onnx.importing.file.arrays import element_type, type_name
from graphcnn.onnx.importing.file.attributes import plain_attributes, resolved
from graphcnn.onnx.importing.file.declared import contradictions
from graphcnn.onnx.importing.file.input_shapes import declared_shape, given_shape
from graphcnn.onnx.importing.file.limits import Limits
from graphcnn.onnx.importing.file.messages import (
    concrete,
    faults,
    origin_of,
    plain_name,
    schema_function,
    without_shape,
)
from graphcnn.onnx.importing.file.names_read import names_in, names_used
from graphcnn.onnx.importing.file.sparse import dense_array
from graphcnn.onnx.importing.file.validate import (
    STANDARD,
    TRAINING,
    check_opsets,
    function_key,
    label,
)
from graphcnn.onnx.importing.imported import Imported as Imported
from graphcnn.onnx.importing.known.affine import simplified
from graphcnn.onnx.importing.known.fold import folded
from graphcnn.onnx.importing.known.ramps import refuse_stand_ins
from graphcnn.onnx.importing.missing import MissingError, missing, within
from graphcnn.onnx.importing.rules.microsoft.operators import MICROSOFT, OWN
from graphcnn.onnx.importing.rules.sequences import SequenceItems, items_of
from graphcnn.passes.driver.base import Applied

#: Shapes of inputs that replace the declared ones; N, "N" or None is the batch axis.
Shapes = Mapping[str, Sequence[Any]]


class Translation:
    """The import of one model. `env` maps the names of the file to what they stand for."""

    def __init__(
        self,
        model: onnx.ModelProto,
        inputs: Shapes,
        limits: Limits,
        folder: Path | None,
        known: Mapping[str, Array],
    ) -> None:
        self.model, self.limits, self.folder = model, limits, folder
        self.shapes, self.given = inputs, known
        self.store = Store(limits)
        self.opsets = check_opsets(model.opset_import, "the model")
        self.functions = {
            (f.domain, f.name, getattr(f, "overload", "")): f for f in model.functions
        }
        self.env: dict[str, Operand] = {}
        self.inputs: list[Value] = []
        self.folded: Counter[str] = Counter()
        self.lowered: Counter[str] = Counter()
        self.looped: Counter[str] = Counter()
        #: What the pipeline did to the graph.
        self.applied: list[Applied] = []
        self.nodes = 0
        #: The names that anything reads; other results are not asked for.
        self.used = names_used(model)
        self.own = model.producer_name == "graphcnn"

    # Inputs, initializers, outputs

    def sources(self) -> None:
        """Initializers and inputs into `env`."""
        graph = self.model.graph
        self.initializers(graph, self.env)
        names = [v.name for v in graph.input if v.name not in self.env]
        unknown = sorted(set(self.shapes) - set(names))
        if unknown:
            raise ImportModelError(
                f"the model has no input {unknown[0]!r}; it has {', '.join(names) or 'none'}"
            )
        for info in graph.input:
            if info.name in self.given:
                self.env[info.name] = items_of(self.given[info.name])
            elif info.name not in self.env:
                value = self.input(info)
                self.inputs.append(value)
                self.env[info.name] = value

    def initializers(self, graph: GraphProto, env: MutableMapping[str, Operand]) -> None:
        found: dict[str, Array] = {}
        for tensor in graph.initializer:
            what = f"initializer {tensor.name!r}"
            found[tensor.name] = self.store.array(tensor, what, self.folder)
        for sparse in graph.sparse_initializer:
            name = sparse.values.name
            found[name] = dense_array(sparse, f"initializer {name!r}", self.folder, self.store)
        for name, array in found.items():
            of_floats = array.dtype.name in ("float16", "float32", "float64")
            learned = of_floats and array.ndim > 0 and array.size > 0
            env[name] = Known(array, name, learned)
            self.store.taken.add(name)

    def input(self, info: onnx.ValueInfoProto) -> Value:
        what = f"input {info.name!r}"
        kind = info.type.WhichOneof("value") or "tensor_type"
        if kind != "tensor_type":
            raise ImportModelError(f"{what} is a {kind.removesuffix('_type')}, expected a tensor")
        tensor = info.type.tensor_type
        dtype = element_type(tensor.elem_type, what)
        shape: Shape
        if info.name in self.shapes:
            shape = given_shape(info.name, self.shapes[info.name], tensor)
        elif not tensor.HasField("shape"):
            raise ImportModelError(without_shape(info.name))
        else:
            shape = declared_shape(info.name, tensor)
        self.limits.check_shape(shape, what)
        with inherit(UNKNOWN):
            return Input(info.name, TensorType(shape, dtype))(name=info.name)

    def finish(self, name: str = "") -> Imported:
        """The graph of all outputs, after the passes of the importer."""
        outputs: dict[str, Value] = {}
        empty: dict[str, Array] = {}
        sequences: dict[str, list[str]] = {}
        for info in self.model.graph.output:
            found = self.env[info.name]
            if isinstance(found, SequenceItems):
                sequences[info.name] = [f"{info.name}.{i}" for i in range(len(found.items))]
                parts = dict(zip(sequences[info.name], found.items, strict=True))
                outputs |= {key: self.store.value(part) for key, part in parts.items()}
                continue
            if isinstance(found, Known) and 0 in found.array.shape:
                empty[info.name] = found.array
                continue
            with inherit(UNKNOWN):
                outputs[info.name] = self._output(info)
        if not outputs:
            outputs["nothing"] = constant_of(0)  # a graph has outputs
        title = self.model.graph.name or name or "model"
        refuse_stand_ins(outputs.values(), self.store.counted)
        written = Graph.of(self.inputs, outputs, name=title)
        graph = import_pipeline().run(written, observers(self.applied.append))
        keys = [s.node.op.key for s in graph.states]  # type: ignore[attr-defined]
        states = {key: np.array(self.store.states[key]) for key in keys}
        as_declared = not self.shapes and not self.given
        doubts = contradictions(self.model, self.env) if as_declared else ()
        return Imported(
            graph, states, self.model, self.folded, self.lowered, empty, sequences, doubts
        )

    def became(self, value: Value) -> Value:
        """What a value of `env` is in the finished graph, which may lack it: inside of what became
        one operator, or where no output depends on it."""
        for applied in self.applied:
            value = applied.log.became.get(value, value)
        return value

    def _output(self, info: onnx.ValueInfoProto) -> Value:
        value = self.store.value(self.env[info.name])
        tensor = info.type.tensor_type
        what = f"output {info.name!r}"
        if tensor.elem_type and tensor.elem_type != ELEMENT_TYPES[value.dtype]:
            raise ImportModelError(
                f"{what} is declared as {type_name(tensor.elem_type)}, found {value.type}"
            )
        return value

    # Nodes

    def node(
        self,
        node: NodeProto,
        env: MutableMapping[str, Operand],
        opsets: Mapping[str, int],
        depth: int,
        attributes: Mapping[str, AttributeProto] | None = None,
        prefix: str = "",
    ) -> None:
        """Translate one node; its results go into `env`. What nobody reads is left out."""
        if not self.reads(node):
            return
        self.nodes += 1
        if self.nodes > self.limits.nodes:
            raise ImportModelError(f"more than {self.limits.nodes:,} nodes (limits.nodes)")
        try:
            with faults(label(node)):
                results = self._results(node, env, opsets, depth, attributes, prefix)
        except ImportModelError as error:
            error.args = (concrete(within(label(node), error), self.inputs),)
            raise
        for i, name in enumerate(node.output):
            if not name:
                continue
            found = results[i] if i < len(results) else None
            if found is None and name not in self.used:
                continue
            if found is None:
                raise UnsupportedError(f"{label(node)}: its output {i} ({name!r}) is not supported")
            env[name] = found

    def reads(self, node: NodeProto) -> bool:
        """Whether anything reads a result of the node."""
        return any(name in self.used for name in node.output)

    def _results(
        self,
        node: NodeProto,
        env: MutableMapping[str, Operand],
        opsets: Mapping[str, int],
        depth: int,
        attributes: Mapping[str, AttributeProto] | None,
        prefix: str,
    ) -> Sequence[Operand | None]:
        if depth > self.limits.nesting:
            raise ImportModelError(f"functions call deeper than {self.limits.nesting}")
        function = self.functions.get(function_key(node))
        reason = "" if function else missing(node.op_type, node.domain, opsets[""])
        if reason:
            raise MissingError(reason, node.op_type)
        given = resolved(node, attributes)
        inputs = tuple(env[name] if name else None for name in node.input)
        if function is not None:
            self.lowered[node.op_type] += 1
            return self.inline(function, inputs, given, depth, prefix + (node.name or node.op_type))
        standard = node.domain in (*STANDARD, TRAINING)
        rule = OWN.get(node.op_type) if node.domain == MICROSOFT else None
        call = Call(
            node.op_type,
            prefix + plain_name(node),
            opsets[""],
            inputs,
            tuple(name if name in self.used else "" for name in node.output),
            plain_attributes(given, self.store, self.folder),
            self.store,
            max((i + 1 for i, name in enumerate(node.output) if name), default=0),
        )
        if node.op_type in CONTROL and standard:
            place = Place(self, env, opsets, depth, prefix, given)
            control = CONTROL[node.op_type](place, call)
            (self.looped if place.is_loop else self.lowered)[node.op_type] += 1
            return control
        constants = folded(call) if standard else None
        if constants is not None:
            self.folded[node.op_type] += 1
            return [Known(a, name) for a, name in zip(constants, node.output, strict=False)]
        with inherit(origin_of(node.doc_string) if self.own else UNKNOWN):
            rule = rule or RULES.get(node.op_type)
            if rule is not None:
                try:
                    return self.named(call, rule(call))
                except NeedsValueError:
                    raise
                except (UnsupportedError, GraphCnnError) as error:
                    if not standard:
                        raise
                    results = self.instead(node, call, given, inputs, depth, prefix)
                    if results is None:
                        raise error
                    return results
        results = self.lower(node, call, given, inputs, depth, prefix)
        if results is None:
            raise UnsupportedError(f"the operator {node.op_type!r} is not supported")
        return results

    def instead(self, *place: Any) -> list[Operand | None] | None:
        """The results by ONNX's own function where our rule failed. Where that fails as well, what
        our rule said counts, unless numbers would help the function."""
        try:
            return self.lower(*place)
        except NeedsValueError as need:
            if need.keys:
                raise
        except ImportModelError:
            pass
        return None

    def named(self, call: Call, found: Any) -> list[Operand | None]:
        """The results of a rule as a list; nodes without a name get that of the ONNX node."""
        results = list(found) if isinstance(found, list | tuple) else [found]
        renamed: dict[Node, Node] = {}
        operands: list[Operand | None] = []
        for i, result in enumerate(results):
            if isinstance(result, np.ndarray):
                self.folded[call.op_type] += not i
                operands.append(
                    Known(simplified(result), call.outputs[i] if i < len(call.outputs) else "")
                )
                continue
            if isinstance(result, Value):
                node = result.node
                if not node.name and not isinstance(node.op, Input | State | Constant):
                    name = call.name if not renamed else ""
                    renamed.setdefault(node, replace(node, name=name))
                    result = renamed[node].outputs[result.index]
                self._count(result)
            operands.append(result)
        return operands

    def _count(self, value: Value) -> None:
        count = self.limits.check_shape(value.shape, "its result")
        self.store.edge_bytes += count * value.dtype.bytes
        if self.store.edge_bytes > self.limits.edge_bytes:
            raise ImportModelError(
                f"all results together take more than {self.limits.edge_bytes:,} bytes "
                "(limits.edge_bytes)"
            )

    # Functions

    def inline(
        self,
        function: FunctionProto,
        inputs: Sequence[Operand | None],
        given: Mapping[str, AttributeProto],
        depth: int,
        prefix: str,
    ) -> list[Operand | None]:
        """The body of a function in place of a call."""
        env: dict[str, Any] = dict.fromkeys(function.input)
        env |= dict(zip(function.input, inputs, strict=False))
        defaults = {a.name: a for a in getattr(function, "attribute_proto", ())}
        opsets = check_opsets(function.opset_import, f"function {function.name!r}")
        self.used |= names_in(function)
        for node in function.node:
            self.node(node, env, opsets, depth + 1, {**defaults, **given}, f"{prefix}/")
        return [env.get(name) for name in function.output]

    def lower(
        self,
        node: NodeProto,
        call: Call,
        given: Mapping[str, AttributeProto],
        inputs: Sequence[Operand | None],
        depth: int,
        prefix: str,
    ) -> list[Operand | None] | None:
        """The results by the function that ONNX gives for the operator, None where it has none."""
        written = schema_function(node, call.opset, given, inputs)
        if written is None:
            return None
        function, defaults = written
        results = self.inline(function, inputs, {**defaults, **given}, depth, prefix + call.name)
        self.lowered[node.op_type] += 1
        return results
