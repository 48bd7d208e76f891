"""The `onnx` package's tests of single nodes, imported and exported again, for ONNX Runtime.

What is exported it reads, unless it does not read the test itself either, and it computes the
expected numbers. One test of sixteen is tried, in the full run all of them.
"""

import warnings
from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from graphcnn.errors import ExportError, ImportModelError
from graphcnn.onnx.exporting.export import export_graph
from graphcnn.onnx.importing.context import NeedsValueError
from graphcnn.onnx.importing.imported import Imported
from graphcnn.onnx.importing.importer import import_proto

runtime = pytest.importorskip("onnxruntime")

#: Names of tests whose exported files are not asked for the expected numbers, with the reason.
OTHERWISE = {
    "bernoulli": "random numbers",
    "bfloat16": "a type that ONNX Runtime stores, and computes with hardly anywhere",
    "bf16": "likewise",
    "align_corners": "scales that are no whole numbers, which no runtime reads as onnx does",
    "fp16": "numbers of another rounding",
}

#: The types of arrays that ONNX Runtime takes and gives in Python.
NUMPY = {np.dtype(code) for code in "?bBhHiIlLqQefd"}

#: Of one test in so many the name is tried in the quick run.
SHARE = 16


@cache
def nodes() -> list[Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from onnx.backend.test.loader import load_model_tests

        return sorted(load_model_tests(kind="node"), key=lambda case: case.name)


def session(model: onnx.ModelProto) -> Any:
    """A session, or None where ONNX Runtime does not take the model."""
    options = runtime.SessionOptions()
    options.log_severity_level = 4
    try:
        content = model.SerializeToString()
        return runtime.InferenceSession(content, options, ["CPUExecutionProvider"])
    except Exception:  # as many kinds as reasons
        return None


def imported(model: onnx.ModelProto, arrays: dict[str, Any]) -> Imported | None:
    """The graph, inputs that decide shapes taken as constants; None where it is not supported."""
    known: dict[str, Any] = {}
    while True:
        try:
            copy = onnx.ModelProto.FromString(model.SerializeToString())
            return import_proto(copy, known=known or None)
        except NeedsValueError as error:
            more = {key: arrays[key] for key in error.keys if key in arrays}
            if not more or more.keys() <= known.keys():
                return None
            known |= more
        except ImportModelError:
            return None


def plain(x: Any) -> Any:
    """An input as an array; sequences and maps as they are."""
    if isinstance(x, onnx.TensorProto):
        return numpy_helper.to_array(x)
    return np.asarray(x) if isinstance(x, np.generic) else x


def problems(case: Any) -> Iterator[str]:
    model = onnx.ModelProto.FromString(case.model.SerializeToString())
    model.ir_version = min(model.ir_version, 10)
    inputs, outputs = case.data_sets[0]
    names = [v.name for v in model.graph.input]
    arrays = {name: plain(x) for name, x in zip(names, inputs, strict=True)}
    if not all(isinstance(a, np.ndarray) for a in arrays.values()):
        return
    found = imported(model, arrays)
    if found is None:
        return
    try:
        back = export_graph(found.graph, found.states)
    except ExportError as error:
        if "bfloat16" not in str(error):
            yield f"{case.name} is not exported: {error}"
        return
    ready = session(back)
    fed_and_expected = [*arrays.values(), *map(plain, outputs)]
    stored_only = any(a.dtype not in NUMPY for a in fed_and_expected if isinstance(a, np.ndarray))
    if ready is None and (session(model) is None or stored_only):
        return
    if ready is None:
        yield f"{case.name}: ONNX Runtime refuses what becomes of it"
        return
    if stored_only or any(word in case.name for word in OTHERWISE):
        return
    feeds = {v.name: arrays[v.name] for v in ready.get_inputs()}
    results = dict(zip((v.name for v in ready.get_outputs()), ready.run(None, feeds), strict=True))
    for info, expected in zip(model.graph.output, map(plain, outputs), strict=True):
        y = results.get(info.name)
        if isinstance(expected, np.ndarray) and y is not None and not close(y, expected):
            yield f"{case.name}: {info.name} differs"


def close(y: Any, expected: Any) -> bool:
    """As the suite compares."""
    if (y.dtype, y.shape) != (expected.dtype, expected.shape):
        return False
    if expected.dtype.kind != "f":
        return np.array_equal(y, expected)
    scale = np.abs(expected[np.isfinite(expected)]).max(initial=1)
    return np.allclose(y, expected, rtol=1e-3, atol=1e-5 * scale, equal_nan=True)


def test_every_node_that_is_read_is_written_for_onnx_runtime(full: bool) -> None:
    chosen = nodes() if full else nodes()[5::SHARE]
    assert len(chosen) > 80
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wrong = [problem for case in chosen for problem in problems(case)]
    assert not wrong, "\n".join(wrong)
