"""An ONNX model as a graph of ours: node by node, by the rules of `context`.

What can be known while importing is computed then (shapes, sizes, axes), so that the graph holds
none of it. An operator without a rule is written out by the function that ONNX itself gives for
it; so are the functions that the model brings along. The first axis of an input whose size is
open becomes the batch symbol N.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import onnx

from graphcnn.errors import GraphCnnError, ImportModelError
from graphcnn.graph import state_of
from graphcnn.ir import Array
from graphcnn.metadata import read
from graphcnn.onnx.importing.affine import at_batch
from graphcnn.onnx.importing.context import NeedsValueError, UnsupportedError
from graphcnn.onnx.importing.cut import cut_model
from graphcnn.onnx.importing.declared import warn_of
from graphcnn.onnx.importing.given import Inputs, given_inputs
from graphcnn.onnx.importing.limits import Limits
from graphcnn.onnx.importing.load import one_line, read_model
from graphcnn.onnx.importing.messages import faults
from graphcnn.onnx.importing.opening import opened, opening
from graphcnn.onnx.importing.survey import refusal, start
from graphcnn.onnx.importing.translate import Imported, Run, Shapes
from graphcnn.onnx.importing.validate import validate
from graphcnn.onnx.importing.written import as_written

if TYPE_CHECKING:
    from graphcnn.model import Model


def import_onnx(
    source: str | Path | bytes,
    inputs: Inputs | None = None,
    limits: Limits | None = None,
    outputs: Sequence[str] | None = None,
) -> "Model":
    """The model in an ONNX file (or its bytes): float initializers are its parameters.

    Args:
        source: path, or the content of a file. External data is read for paths only, and only
            from the folder of the file.
        inputs: shapes by name where the file leaves sizes open, or to change them:
            `{"x": (1, 3, 224, 224)}`. The batch axis N stays open as `None`, `"N"` or `N`, or is
            opened where the file fixes it, if every item is proven to be computed apart. `"4*N"`
            says that a batch has four rows for each of N items, such as the frames of videos.
            What is no tuple or list is a value, an array or a number:
            `{"sizes": np.array([1, 3, 448, 448])}`. Such an input becomes a constant of the model
            and is no input any more, which is how the numbers of an input can decide shapes. A
            value may also be given for an initializer, in place of that of the file.
        limits: budgets for hostile files.
        outputs: names of values that are the outputs instead of those of the file: what comes
            behind them is left out, such as the selection of boxes at the end of a detector.

    Sizes that the file declares of results and outputs decide nothing; an `ImportModelWarning`
    tells where they are not so.

    Raises:
        ImportModelError: one line with the node, the attribute, and what was expected.
    """
    from graphcnn.model import Model

    found = import_graph(source, inputs, limits, outputs)
    graph = found.graph
    warn_of(graph.name, found.doubts)
    for name, array in found.empty.items():
        raise ImportModelError(
            f"output {name!r} has the shape {array.shape}, expected sizes of at least 1"
        )
    with faults("the model"):
        model = Model(graph.inputs, graph.outputs, graph.name)
    keys = [state_of(s).key for s in model.graph.states]
    model.replace_states({key: found.states[key] for key in keys})
    if found.model.producer_name == "graphcnn":
        try:
            model._take(read(found.metadata, model.graph, "the model"))
        except GraphCnnError as error:
            raise ImportModelError(one_line(error)) from None
    return model


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
        raise refusal(Run(model, shapes, limits, folder, known), error) from None


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
            run = Run(model, shapes, limits, folder, values)
            start(run)
            for node in model.graph.node:
                run.node(node, run.env, run.opsets, 0)
            return run.finish(name)

        wanted = opening(model, inputs or {})
        return opened(wanted, inputs or {}, read) if wanted else read(inputs or {})
