"""graphcnn as a backend of the `onnx` package: what its conformance suite and score board run.

    import graphcnn.exchange.backend as backend
    rep = backend.prepare(model)
    outputs = rep.run([x])

A graph of ours has fixed shapes, so a model is imported when it is run, for the shapes that are
fed. Inputs that decide shapes (of a Reshape, say) count as constants of that run.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import onnx
from onnx.backend.base import Backend, BackendRep

from graphcnn.errors import ImportModelError
from graphcnn.ir.node import Array
from graphcnn.onnx.importing.context import NeedsValueError
from graphcnn.onnx.importing.importer import import_proto
from graphcnn.onnx.importing.translate import Imported
from graphcnn.runtime.execution import Execution


class GraphCnnRep(BackendRep):
    """A model, ready to be run. What was imported for one set of shapes is kept."""

    def __init__(self, model: onnx.ModelProto, runtime: str | None = None) -> None:
        self.model, self.runtime = model, runtime
        stored = {t.name for t in model.graph.initializer}
        stored |= {t.values.name for t in model.graph.sparse_initializer}
        inputs = [v for v in model.graph.input if v.name not in stored]
        self.names = [v.name for v in inputs]
        self.lists = {v.name for v in inputs if v.type.WhichOneof("value") != "tensor_type"}
        self._imported: dict[Any, tuple[_Imported, dict[str, Array]]] = {}

    def run(self, inputs: Any, **kwargs: Any) -> tuple[Any, ...]:
        """The outputs of the model in their order; inputs in theirs, or by name."""
        if isinstance(inputs, Mapping):
            feeds = {name: _given(inputs[name]) for name in self.names if name in inputs}
        else:
            given = inputs if isinstance(inputs, Sequence) else [inputs]
            feeds = {n: _given(a) for n, a in zip(self.names, given, strict=False)}
        lists = {n: a for n, a in feeds.items() if n in self.lists}
        feeds = {n: a for n, a in feeds.items() if n not in lists}
        imported = self._import(feeds, lists)
        results: dict[str, Any] = dict(imported.run(feeds))
        for name, elements in imported.found.sequences.items():
            results[name] = [results[e] for e in elements]
        return tuple(results[v.name] for v in self.model.graph.output)

    def _import(self, feeds: Mapping[str, Array], lists: Mapping[str, Any]) -> "_Imported":
        """The graph for these inputs, those that decide shapes taken as constants, and so are
        sequences and optional inputs without a value."""
        key = tuple((name, a.shape, a.dtype.name) for name, a in feeds.items())
        if key in self._imported and not lists:
            found, known = self._imported[key]
            if all(np.array_equal(feeds[name], array) for name, array in known.items()):
                return found
        known = {name: a for name, a in feeds.items() if not a.size}
        texts = {name: a.astype(str) for name, a in feeds.items() if a.dtype.kind in "OU"}
        known |= texts  # no part of a graph, but they can be compared
        while True:
            shapes = {n: a.shape for n, a in feeds.items() if n not in known}
            try:
                all_known = {**known, **lists}
                found = _Imported(import_proto(self.model, shapes, known=all_known), self.runtime)
            except NeedsValueError as need:
                more = {k: feeds[k] for k in need.keys if k in feeds and k not in known}
                if not more:
                    raise
                known |= more
                continue
            self._imported[key] = found, known
            return found


class _Imported:
    """A model imported for one set of shapes."""

    def __init__(self, found: Imported, runtime: str | None) -> None:
        from graphcnn.compile.runner import Runner

        self.found = found
        self.runner = Runner(found.graph, Execution.of(runtime))

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        """The outputs by name."""
        graph, states = self.found.graph, self.found.states
        batch = self.runner.count(feeds) if self.runner.item_places else 1
        used = {v.node.name: feeds[v.node.name] for v in graph.inputs}
        with np.errstate(all="ignore"):
            if self.runner.execution.runtime == "reference":
                results, _ = self.runner.reference(batch).run(used, states)
            else:
                executable = self.runner.prepared(batch)
                executable.bind_states(states)
                results, _ = executable.run(used)
        return {name: np.asarray(a) for name, a in results.items()} | self.found.empty


def _given(x: Any) -> Any:
    """What a caller feeds: an array, or a sequence or None as they are."""
    return x if x is None or isinstance(x, list) else np.asarray(x)


class GraphCnnBackend(Backend):
    """What `onnx.backend` asks of a framework."""

    #: "native" or "reference"; None is the default one, as GRAPHCNN_RUNTIME says.
    runtime: ClassVar[str | None] = None

    @classmethod
    def prepare(cls, model: onnx.ModelProto, device: str = "CPU", **kwargs: Any) -> GraphCnnRep:
        if not cls.supports_device(device):
            raise ImportModelError(f"device {device!r} is not supported, expected 'CPU'")
        return GraphCnnRep(model, cls.runtime)

    @classmethod
    def run_model(
        cls, model: onnx.ModelProto, inputs: Any, device: str = "CPU", **kwargs: Any
    ) -> tuple[Any, ...]:
        return cls.prepare(model, device, **kwargs).run(inputs)

    @classmethod
    def run_node(
        cls,
        node: onnx.NodeProto,
        inputs: Any,
        device: str = "CPU",
        outputs_info: Any = None,
        **kwargs: Any,
    ) -> tuple[Any, ...]:
        """One node as a model of its own."""
        arrays = [np.asarray(a) for a in inputs]
        infos = [
            onnx.helper.make_tensor_value_info(
                name, onnx.helper.np_dtype_to_tensor_dtype(a.dtype), a.shape
            )
            for name, a in zip(filter(None, node.input), arrays, strict=False)
        ]
        results = [onnx.ValueInfoProto(name=name) for name in node.output if name]
        graph = onnx.helper.make_graph([node], "node", infos, results)
        return cls.run_model(onnx.helper.make_model(graph), arrays, device)

    @classmethod
    def supports_device(cls, device: str) -> bool:
        return device.split(":")[0] == "CPU"

    @classmethod
    def is_compatible(cls, model: onnx.ModelProto, device: str = "CPU", **kwargs: Any) -> bool:
        return True


is_compatible = GraphCnnBackend.is_compatible
prepare = GraphCnnBackend.prepare
run_model = GraphCnnBackend.run_model
run_node = GraphCnnBackend.run_node
supports_device = GraphCnnBackend.supports_device
