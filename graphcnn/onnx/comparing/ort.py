"""ONNX Runtime as the other side of a comparison: its sessions, its runs, its errors as ours."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import onnx

from graphcnn.errors import ExportError, MissingExtraError
from graphcnn.ir import Array


def onnxruntime() -> Any:
    """The package. Raises `MissingExtraError` where it is not installed."""
    try:
        import onnxruntime
    except ImportError:
        raise MissingExtraError("comparing with ONNX Runtime", "onnxruntime", "verify") from None
    return onnxruntime


def version() -> str:
    return f"onnxruntime {onnxruntime().__version__}"


def session(
    model: onnx.ModelProto | str | Path,
    optimised: bool,
    arrays: Mapping[str, Array] | None = None,
) -> Any:
    """A session of one thread. `arrays` are initializers that the model keeps in other files, so
    that ONNX Runtime opens none of them.

    Raises `ExportError` where ONNX Runtime refuses the model.
    """
    runtime = onnxruntime()
    options = runtime.SessionOptions()
    options.intra_op_num_threads = 1
    if not optimised:
        options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_DISABLE_ALL
    source = model.SerializeToString() if isinstance(model, onnx.ModelProto) else str(model)
    try:
        if arrays:
            values = [runtime.OrtValue.ortvalue_from_numpy(a) for a in arrays.values()]
            options.add_external_initializers(list(arrays), values)
        return runtime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its errors have no common base
        raise ExportError(f"ONNX Runtime refuses the model: {error}") from None


def run(
    session: Any, arrays: Mapping[str, Array], names: Sequence[str] | None = None
) -> list[Array]:
    """The outputs called `names`, by default all of them."""
    try:
        return list(session.run(names, dict(arrays)))
    except Exception as error:  # as above
        raise ExportError(f"ONNX Runtime cannot run the model: {error}") from None
