"""Whether a message is an ONNX model that means something: names, order, attributes, versions.

`onnx.checker` accepts files that no runtime can run, and refuses others without a reason. Here
every rule gives one line that names the node, the attribute and what was expected. Shapes are
checked later, by the type inference of the operators that the nodes become.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import onnx
from onnx import AttributeProto, FunctionProto, GraphProto, ModelProto, NodeProto

from graphcnn.errors import ImportModelError
from graphcnn.onnx.importing.file.arrays import check_tensor, check_type
from graphcnn.onnx.importing.file.limits import Limits
from graphcnn.onnx.importing.file.names import find_schema, shown
from graphcnn.onnx.importing.file.sparse import check_sparse

#: The versions that are understood: as old as the first CNNs in circulation.
FIRST_IR, FIRST_OPSET = 3, 6

STANDARD = ("", "ai.onnx")
#: The domain of ONNX's operators of training.
TRAINING = "ai.onnx.preview.training"

_FIELDS = {
    AttributeProto.FLOAT: "f",
    AttributeProto.INT: "i",
    AttributeProto.STRING: "s",
    AttributeProto.TENSOR: "t",
    AttributeProto.SPARSE_TENSOR: "sparse_tensor",
    AttributeProto.TYPE_PROTO: "tp",
    AttributeProto.GRAPH: "g",
    AttributeProto.FLOATS: "floats",
    AttributeProto.INTS: "ints",
    AttributeProto.STRINGS: "strings",
    AttributeProto.TENSORS: "tensors",
    AttributeProto.SPARSE_TENSORS: "sparse_tensors",
    AttributeProto.GRAPHS: "graphs",
}

Functions = Mapping[tuple[str, str, str], FunctionProto]


def validate(model: ModelProto, limits: Limits) -> None:
    """Raise `ImportModelError` for the first thing that breaks a rule."""
    newest = onnx.IR_VERSION
    if not FIRST_IR <= model.ir_version <= newest:
        raise ImportModelError(
            f"the model has IR version {model.ir_version}, expected {FIRST_IR} to {newest}, the "
            f"newest that onnx {onnx.__version__} knows"
        )
    opsets = check_opsets(model.opset_import, "the model")
    _imported(model.opset_import, model.graph.node, "the model", limits)
    _unique((p.key for p in model.metadata_props), "metadata key")
    functions = _functions(model, limits)
    state = _State(limits, functions)
    state.graph(model.graph, opsets, (), 0)


def check_opsets(imports: Iterable[Any], what: str) -> dict[str, int]:
    """The version of every domain, the standard one under ""."""
    opsets: dict[str, int] = {}
    for entry in imports:
        domain = "" if entry.domain in STANDARD else entry.domain
        if opsets.setdefault(domain, entry.version) != entry.version:
            raise ImportModelError(
                f"{what} imports the domain {domain or 'ai.onnx'!r} twice, in the versions "
                f"{opsets[domain]} and {entry.version}, expected one"
            )
    newest = onnx.defs.onnx_opset_version()
    if not opsets:
        raise ImportModelError(f"{what} imports no opset of the standard operators, expected one")
    opsets.setdefault("", newest)  # for what operators of other domains are written out in
    if not 1 <= opsets[""] <= newest:
        raise ImportModelError(
            f"{what} has opset {opsets['']}, expected {FIRST_OPSET} to {newest}, "
            f"the newest that onnx {onnx.__version__} knows"
        )
    return opsets


def _imported(
    imports: Iterable[Any], nodes: Iterable[NodeProto], what: str, limits: Limits
) -> None:
    """Standard operators need an opset; a model of operators of other domains only has none."""
    if any(entry.domain in STANDARD for entry in imports):
        return
    for node in _all_nodes(nodes, limits):
        if node.domain in STANDARD:
            raise ImportModelError(
                f"{what} imports no opset of the standard operators, expected one for {label(node)}"
            )


def _unique(names: Iterable[str], what: str) -> set[str]:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise ImportModelError(f"{what} {name!r} appears twice, expected once")
        seen.add(name)
    return seen


def function_key(node: NodeProto) -> tuple[str, str, str]:
    """What a node calls, in the table of local functions."""
    return node.domain, node.op_type, getattr(node, "overload", "")


def _functions(model: ModelProto, limits: Limits) -> Functions:
    """The local functions, none of which calls itself."""
    functions: dict[tuple[str, str, str], FunctionProto] = {}
    for f in model.functions:
        key = (f.domain, f.name, getattr(f, "overload", ""))
        if not f.name or key in functions:
            raise ImportModelError(f"function {f.name!r} of {f.domain!r} appears twice or unnamed")
        functions[key] = f
    calls = {
        key: {function_key(n) for n in _all_nodes(f.node, limits)} & set(functions)
        for key, f in functions.items()
    }
    done: set[tuple[str, str, str]] = set()
    while len(done) < len(calls):
        ready = {key for key, called in calls.items() if key not in done and called <= done}
        if not ready:
            name = min(key for key in calls if key not in done)[1]
            raise ImportModelError(f"function {name!r} calls itself, expected no recursion")
        done |= ready
    return functions


def _all_nodes(nodes: Iterable[NodeProto], limits: Limits, depth: int = 0) -> Iterable[NodeProto]:
    if depth > limits.nesting:
        raise ImportModelError(f"subgraphs lie deeper than {limits.nesting} (limits.nesting)")
    for node in nodes:
        yield node
        for attribute in node.attribute:
            for graph in (*attribute.graphs, *([attribute.g] if attribute.HasField("g") else [])):
                yield from _all_nodes(graph.node, limits, depth + 1)


class _State:
    """One walk over a model: what it has counted so far."""

    def __init__(self, limits: Limits, functions: Functions) -> None:
        self.limits = limits
        self.functions = functions
        self.nodes = 0
        for f in functions.values():
            self.function(f)

    def function(self, f: FunctionProto) -> None:
        what = f"function {f.name!r}"
        opsets = check_opsets(f.opset_import, what)
        _imported(f.opset_import, f.node, what, self.limits)
        known = _unique(f.input, f"{what}: input")
        _unique([*f.attribute, *(a.name for a in f.attribute_proto)], f"{what}: attribute")
        self.body(f.node, known, opsets, 1, what)
        for name in f.output:
            if name not in known:
                raise ImportModelError(f"{what}: output {name!r}: no node makes it, expected one")

    def graph(
        self, graph: GraphProto, opsets: Mapping[str, int], outer: Sequence[set[str]], depth: int
    ) -> None:
        if depth > self.limits.nesting:
            raise ImportModelError(
                f"subgraph {graph.name!r} lies deeper than {self.limits.nesting} (limits.nesting)"
            )
        inputs = _unique((v.name for v in graph.input), "input")
        sparse = [t.values.name for t in graph.sparse_initializer]
        initializers = _unique((*(t.name for t in graph.initializer), *sparse), "initializer")
        for name in (*inputs, *initializers):
            if not name:
                raise ImportModelError("an input or initializer has no name, expected one")
        for info in (*graph.input, *graph.output, *graph.value_info):
            # an output of a subgraph may leave its type open
            if not depth or info.HasField("type"):
                check_type(info, self.limits)
        for tensor in graph.initializer:
            check_tensor(tensor, f"initializer {tensor.name!r}", self.limits)
        for t in graph.sparse_initializer:
            check_sparse(t, f"initializer {t.values.name!r}", self.limits)
        known = inputs | initializers
        for names in outer:
            for name in known & names:
                raise ImportModelError(f"{name!r} of a subgraph hides a value outside it")
        if not graph.output:
            raise ImportModelError(f"graph {graph.name!r} has no outputs, expected at least one")
        scope = (*outer, known)
        self.body(graph.node, known, opsets, depth, "", scope)
        if not depth:
            _unique((n.name for n in graph.node if n.name), "node name")
        for v in graph.output:
            if not any(v.name in names for names in scope):
                raise ImportModelError(f"output {v.name!r}: no node makes it, expected one")

    def body(
        self,
        nodes: Sequence[NodeProto],
        known: set[str],
        opsets: Mapping[str, int],
        depth: int,
        what: str,
        scope: Sequence[set[str]] = (),
    ) -> None:
        """Nodes in order: each reads what was made before, and makes new names. Fills `known`."""
        later = {name for node in nodes for name in node.output if name}
        for node in nodes:
            self.nodes += 1
            if self.nodes > self.limits.nodes:
                raise ImportModelError(f"more than {self.limits.nodes:,} nodes (limits.nodes)")
            where = f"{what}: {label(node)}" if what else label(node)
            for name in node.input:
                if not name or name in known or any(name in names for names in scope):
                    continue
                if name in later:
                    raise ImportModelError(
                        f"{where}: input {name!r} is made by a later node, which needs this one, "
                        "expected no cycle"
                    )
                raise ImportModelError(f"{where}: input {name!r} is unknown, expected an input, an "
                                       "initializer or the result of a node")  # fmt: skip
            for name in filter(None, node.output):
                if name in known or any(name in names for names in scope):
                    raise ImportModelError(
                        f"{where}: output {name!r} exists already, expected a new name"
                    )
                known.add(name)
            self.attributes(node, where, bool(what), opsets)
            self.schema(node, where, opsets)
            for attribute in node.attribute:
                if attribute.type == AttributeProto.GRAPH and not attribute.ref_attr_name:
                    self.graph(attribute.g, opsets, scope or (known,), depth + 1)

    def attributes(
        self, node: NodeProto, where: str, in_function: bool, opsets: Mapping[str, int]
    ) -> None:
        _unique((a.name for a in node.attribute), f"{where}: attribute")
        for a in node.attribute:
            what = f"{where}: attribute {a.name!r}"
            if a.ref_attr_name:
                if not in_function:
                    raise ImportModelError(
                        f"{what} refers to one of a function, expected in functions only"
                    )
                continue
            if a.type not in _FIELDS:
                raise ImportModelError(f"{what} has type {a.type}, expected a known one")
            filled = {f.name for f, _ in a.ListFields()} & set(_FIELDS.values())
            if not filled <= {_FIELDS[a.type]}:
                raise ImportModelError(
                    f"{what} says it is {AttributeProto.AttributeType.Name(a.type)} but holds "
                    f"{', '.join(sorted(filled))}, expected {_FIELDS[a.type]}"
                )
            for number in (a.f, *a.floats):
                if number != number:
                    raise ImportModelError(f"{what} is not a number, expected a finite one")
                if abs(number) == float("inf") and a.name in FINITE:
                    raise ImportModelError(f"{what} is {number}, expected a finite number")
            for tensor in (*a.tensors, *([a.t] if a.type == AttributeProto.TENSOR else [])):
                check_tensor(tensor, what, self.limits)
            lone = [a.sparse_tensor] if a.type == AttributeProto.SPARSE_TENSOR else []
            for t in (*a.sparse_tensors, *lone):
                check_sparse(t, what, self.limits)

    def schema(self, node: NodeProto, where: str, opsets: Mapping[str, int]) -> None:
        """Attributes and the number of inputs and outputs, by ONNX's own table of operators."""
        if function_key(node) in self.functions:
            f = self.functions[function_key(node)]
            self._count(where, "inputs", len(node.input), 0, len(f.input))
            self._count(where, "outputs", len(node.output), 0, len(f.output))
            return
        domain = "" if node.domain in STANDARD else node.domain
        if domain not in opsets:
            raise ImportModelError(
                f"{where}: the model imports no opset of the domain {shown(node.domain)!r}, "
                "expected one for each domain of its nodes"
            )
        if domain not in ("", TRAINING):
            return  # the walk tells which nodes of a domain of someone's own are in the way
        schema = find_schema(node.op_type, opsets[domain], domain)
        if schema is None and node.op_type in UNVERSIONED:
            schema = find_schema("LayerNormalization", 17)
        if not domain and opsets[""] < FIRST_OPSET and schema is not None:
            first = find_schema(node.op_type, FIRST_OPSET)
            if first is None or first.since_version != schema.since_version:
                raise ImportModelError(
                    f"{where}: opset {opsets['']} has an older {node.op_type!r}, expected that of "
                    f"opset {FIRST_OPSET} or a later one, as onnx.version_converter writes it"
                )
        if schema is None:
            return  # as above
        self._count(where, "inputs", len(node.input), schema.min_input, schema.max_input)
        self._count(where, "outputs", len(node.output), schema.min_output, schema.max_output)
        for a in node.attribute:
            expected = schema.attributes.get(a.name)
            if expected is None:
                names = ", ".join(sorted(schema.attributes)) or "none"
                raise ImportModelError(f"{where}: unknown attribute {a.name!r}, expected {names}")
            if a.type != int(getattr(expected.type, "value", expected.type)):
                kind = str(expected.type).rsplit(".", 1)[-1]
                raise ImportModelError(f"{where}: attribute {a.name!r} must be of type {kind}")
        given = {a.name for a in node.attribute}
        for name, expected in schema.attributes.items():
            if expected.required and name not in given:
                raise ImportModelError(f"{where}: attribute {name!r} is missing, expected one")

    def _count(self, where: str, what: str, found: int, least: int, most: int) -> None:
        if not least <= found <= most:
            raise ImportModelError(f"{where}: {found} {what}, expected {least} to {most}")


#: What ONNX Runtime's optimiser writes into files of any opset.
UNVERSIONED = frozenset({"LayerNormalization", "SimplifiedLayerNormalization"})

#: Operators on trial, which ONNX took out of its table again, and the last opset that had them.
EXPERIMENTAL = frozenset(
    {"Affine", "Crop", "ImageScaler", "ParametricSoftplus", "Scale", "ScaledTanh",
     "ThresholdedRelu"}
)  # fmt: skip
LAST_EXPERIMENTAL = 9

#: Float attributes that are factors or tolerances: infinite ones mean nothing.
FINITE = frozenset({"epsilon", "momentum", "alpha", "beta", "gamma", "bias", "ratio", "scales"})


def label(node: NodeProto) -> str:
    """A node in a message: `node "conv1" (Conv)`, by its first output where it has no name."""
    name = node.name or next(iter(node.output), "")
    return f'node "{shown(name)}" ({shown(node.op_type)})'
