"""Writing a model as an ONNX file, in the form that is asked for, and comparing it with ours."""

import importlib.util
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graphcnn.analysis.divisors import divisor_inputs
from graphcnn.compile.pipelines import export_pipeline, observers
from graphcnn.compile.runner import Runner
from graphcnn.errors import CrashError, ExportError, VerifyError
from graphcnn.ir.graph import Graph, state_of
from graphcnn.ir.node import Array
from graphcnn.ir.tensor_type import DType
from graphcnn.network.network import Network
from graphcnn.runtime.execution import REFERENCE

if TYPE_CHECKING:
    from graphcnn.onnx.comparing.parity import Parity


def export_onnx(
    model: Network,
    path: str | Path,
    *,
    opset: int | str = "auto",
    verify: bool | None = None,
    target: str | None = None,
    float16: bool = False,
    fold_batch_norm: bool = False,
    external_data: bool | None = None,
) -> "Parity | None":
    """Write an ONNX file, checked, and compared with ONNX Runtime where it is installed.

    The file takes its name after the comparison: one that is found wrong is not written. Results
    are judged by their distance from the exact ones, in multiples of what rounding makes of this
    model (`graphcnn.onnx.comparing`).

    Args:
        opset: "auto" is the lowest that can express the graph, from 17 on.
        verify: True insists on the comparison, at batches of 1, 2 and 5 and with ONNX Runtime's
            optimisations on and off, False skips it. By default it takes about a second: of large
            models that is less, which the result says.
        target: releases that have to read the file, as in "onnxruntime>=1.16": bounds the opset
            and the IR version.
        float16: parameters and computation in float16, inputs and outputs in float32. Compared
            with the model as it is, by what rounding to float16 makes of it.
        fold_batch_norm: batch norms become part of the layers before or after them, where there
            are such. The file then predicts as before, and cannot be trained on as before.
        external_data: True puts large arrays into a file of their own beside the model, which
            happens by itself above 1.8 GiB; False never does.

    Returns:
        The comparison, or None where there was none.

    Raises:
        ParityError: ONNX Runtime computes something else; it has the comparison as `parity`.
        ExportError: the graph has no equivalent, or ONNX Runtime refuses the file.
        CrashError: ONNX Runtime died of the file, which is written.
    """
    from graphcnn.onnx.comparing import ort
    from graphcnn.onnx.exporting.export import build_model, write_model

    compared = verify or (verify is None and importlib.util.find_spec("onnxruntime") is not None)
    states = {state_of(s).key: model.states[state_of(s).key] for s in model.graph.states}
    forms = export_pipeline(float16=float16, fold_batch_norm=fold_batch_norm)
    graph, arrays = forms.apply(model.graph, states, observers())
    with ort.kept() if compared else nullcontext():  # ONNX Runtime loads while the file is made
        exported, data = build_model(
            graph,
            arrays,
            path,
            opset=opset,
            metadata=model.metadata(),
            target=target,
            external_data=external_data,
        )
        if not compared:
            write_model(exported, data, path)
            return None
        beside = data.arrays if data is not None else {}
        narrowed = DType.FLOAT16 if float16 else None
        try:
            parity = _compared(model.graph, states, exported, beside, narrowed, bool(verify))
        except CrashError as error:
            write_model(exported, data, path)
            raise CrashError(f"{path} is written, but not compared: {error}") from None
        except (ExportError, VerifyError) as error:
            raise type(error)(f"{error}\n{_not_written(path)}") from None
    if not parity.passed:
        raise ParityError(parity, path)
    write_model(exported, data, path)
    return parity


class ParityError(VerifyError):
    """ONNX Runtime computes something else than we do of a file, which was not written.

    `parity` is the comparison.
    """

    def __init__(self, parity: "Parity", path: str | Path) -> None:
        super().__init__(
            f"ONNX Runtime computes something else\n{parity}\n{_not_written(path)}; "
            "graphcnn check FILE names the node at which they part"
        )
        self.parity = parity


def _not_written(path: str | Path) -> str:
    there = "as it was before" if Path(path).exists() else "not there"
    return (
        f"{path} is {there}: to write the file without comparing it, use verify=False, on the "
        "command line --no-verify"
    )


def _compared(
    graph: Graph,
    states: Mapping[str, Array],
    exported: Any,
    beside: Mapping[str, Array],
    narrowed: DType | None,
    whole: bool,
) -> "Parity":
    """The model against its file in ONNX Runtime. By a constant where there is no room for runs in
    float64."""
    from graphcnn.exchange.export_judge import ExportJudge
    from graphcnn.exchange.trial import room_for
    from graphcnn.onnx.comparing.effort import SECONDS, cost
    from graphcnn.onnx.comparing.parity import (
        BATCHES,
        FLOAT16_BOUND,
        NO_ROOM,
        bound_for,
        compare,
    )

    runner = Runner(graph, REFERENCE)

    def run(feeds: Mapping[str, Array]) -> dict[str, Array]:
        return runner.run(feeds, states)[0]

    room = room_for(graph, max(BATCHES), states)
    found = compare(
        exported,
        run,
        bound=bound_for(graph) if narrowed is None else FLOAT16_BOUND,
        seconds=None if whole else SECONDS,
        cost=cost(graph),
        arrays=beside,
        judge=ExportJudge(graph, states, exported, beside, narrowed) if room else None,
        divisors=divisor_inputs(graph),
    )
    if room:
        return found
    return replace(found, notes=(*found.notes, NO_ROOM))
