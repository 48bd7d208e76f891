"""One ONNX model by everybody: ONNX Runtime, both runtimes of ours, and our export of it again."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import onnxruntime

from graphcnn.compile.runner import Runner
from graphcnn.ir.node import Array
from graphcnn.onnx.exporting.export import export_graph
from graphcnn.onnx.importing.importer import import_graph
from graphcnn.runtime.execution import Execution

#: Largest error allowed, normalised by the largest output.
BOUND = 3e-6


def theirs(content: bytes, feeds: Mapping[str, Array]) -> dict[str, Array]:
    """What ONNX Runtime gives, without its optimisations."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 4
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(content, options, ["CPUExecutionProvider"])
    names = [o.name for o in session.get_outputs()]
    fed = {i.name: feeds[i.name] for i in session.get_inputs()}
    return dict(zip(names, session.run(names, fed), strict=True))


def everybody(content: bytes, feeds: Mapping[str, Array]) -> dict[str, dict[str, Array]]:
    """The outputs by who computes them."""
    found = import_graph(content)
    fed = {v.node.op.key: feeds[v.node.op.key] for v in found.graph.inputs}  # type: ignore[attr-defined]
    results = {"onnxruntime": theirs(content, feeds)}
    for runtime in ("reference", "native"):
        results[runtime] = Runner(found.graph, Execution(runtime)).run(fed, found.states)[0]
    again = export_graph(found.graph, found.states).SerializeToString()
    results["again"] = theirs(again, feeds)
    return results


def check_agreement(
    content: bytes, draw: Callable[[int], Mapping[str, Array]], batches: Sequence[int] = (1, 3)
) -> None:
    """All agree, at every batch size; integers and booleans exactly."""
    for n in batches:
        results = everybody(content, draw(n))
        expected = results.pop("onnxruntime")
        for who, outputs in results.items():
            assert set(outputs) == set(expected), who
            for key, y in expected.items():
                same(outputs[key], y, f"{who}, {key} at batch {n}")


def same(a: Array, b: Array, what: str) -> None:
    assert (a.shape, a.dtype) == (b.shape, b.dtype), what
    if b.dtype.kind != "f":
        np.testing.assert_array_equal(a, b, what)
        return
    scale = np.abs(b[np.isfinite(b)]).max(initial=1e-6)
    np.testing.assert_allclose(a / scale, b / scale, rtol=0, atol=BOUND, err_msg=what)
