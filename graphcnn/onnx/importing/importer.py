"""An ONNX model as a graph of ours: node by node, by the rules of `context`.

What can be known while importing is computed then (shapes, sizes, axes), so that the graph holds
none of it. An operator without a rule is written out by the function that ONNX itself gives for
it; so are the functions that the model brings along. The first axis of an input whose size is
open becomes the batch symbol N.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import onnx

from graphcnn.ir.node import Array
from graphcnn.onnx.importing.context import NeedsValueError, UnsupportedError
from graphcnn.onnx.importing.file.cut import cut_model
from graphcnn.onnx.importing.file.given import Inputs, given_inputs
from graphcnn.onnx.importing.file.limits import Limits
from graphcnn.onnx.importing.file.load import read_model
from graphcnn.onnx.importing.file.messages import faults
from graphcnn.onnx.importing.file.validate import validate
from graphcnn.onnx.importing.file.written import as_written
from graphcnn.onnx.importing.known.affine import at_batch
from graphcnn.onnx.importing.opening import opened, opening
from graphcnn.onnx.importing.survey import refusal, start
from graphcnn.onnx.importing.translate import Imported, Shapes, Translation


def import_graph(
    source: str | Path | bytes,
    inputs: Inputs | None = None,
    limits: Limits | None = None,
    outputs: Sequence[str] | None = None,
) -> Imported:
    """The graph in an ONNX file, with the arrays of its states."""
    limits = limits or Limits()
    model, folder = read_model(source, limits)
    if outputs is not None:
        model = cut_model(model, outputs)
    name = "" if isinstance(source, bytes | bytearray | memoryview) else Path(source).stem
    with faults("the model"):
        shapes, known = given_inputs(model, inputs)
    try:
        return import_proto(model, shapes, limits, folder, name, known)
    except (NeedsValueError, UnsupportedError) as error:
        raise refusal(Translation(model, shapes, limits, folder, known), error) from None


def import_proto(
    model: onnx.ModelProto,
    inputs: Shapes | None = None,
    limits: Limits | None = None,
    folder: Path | None = None,
    name: str = "",
    known: Mapping[str, Array] | None = None,
) -> Imported:
    """The graph of a message. `known` gives inputs that are constants of the result."""
    limits = limits or Limits()
    with faults("the model"):
        validate(model, limits)
        if not inputs and not known:
            found = as_written(model, limits, folder)
            if found is not None:
                return found

        def read(shapes: Shapes, size: int | None = None) -> Imported:
            values = {k: a if size is None else at_batch(a, size) for k, a in (known or {}).items()}
            run = Translation(model, shapes, limits, folder, values)
            start(run)
            for node in model.graph.node:
                run.node(node, run.env, run.opsets, 0)
            return run.finish(name)

        wanted = opening(model, inputs or {})
        return opened(wanted, inputs or {}, read) if wanted else read(inputs or {})
