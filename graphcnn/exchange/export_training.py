"""Training as ONNX: a folder with which any ONNX runtime trains a network.

    forward.onnx      image and weights to prediction, the form of inference
    train_step.onnx   a batch and all states to loss, metrics and the new states: one whole step
    grads.onnx        a batch and the weights to loss and gradients, for optimisers of one's own
    init.onnx         nothing to the first values of all states
    train.py          a program for Python that trains with them (NumPy and ONNX Runtime)
    train.mjs         the same for Node.js
    training.json     what a program must know: names, types, normalisation
    report.json, .txt 30 steps of ONNX Runtime beside ours: losses, differences of the weights

A state, "C1.weight" say, is an input of its own name, and leaves as "C1.weight.new"; its gradient
is "C1.weight.grad". Learning rate, seed and step counter are states as well. All operators are
standard ones, the batch size is open.
"""

import importlib.util
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import onnx

from graphcnn.base.folders import atomic_folder
from graphcnn.compile.pipelines import training_graph
from graphcnn.errors import ExportError
from graphcnn.exchange.drivers import drivers
from graphcnn.exchange.training_parity import BATCH, STEPS, TrainingParity, compare_training
from graphcnn.ir.graph import Graph, state_of
from graphcnn.ir.node import Value
from graphcnn.ir.plan import GRADIENT
from graphcnn.ir.sources import Role
from graphcnn.ir.tensor_type import TensorType
from graphcnn.learning.aim import Losses, aim_of, loss_name, terms_of
from graphcnn.learning.goals import Goals
from graphcnn.learning.metrics import Metrics
from graphcnn.learning.optimizers import Optimizer
from graphcnn.learning.target_rule import TARGET
from graphcnn.network.network import Network
from graphcnn.network.usual_loss import usual_loss
from graphcnn.network.weights import FORMAT
from graphcnn.onnx.exporting.export import export_graph
from graphcnn.onnx.exporting.states import open_states, values_graph
from graphcnn.text.write import dump_graph
from graphcnn.training.session import Session

#: A gradient is the output of its state's name and this.
GRAD = ".grad"


def export_onnx_training(
    model: Network,
    folder: str | Path,
    *,
    loss: Losses | None = None,
    optimizer: str | Optimizer = "sgd",
    metrics: Metrics = None,
    target: TensorType | None = None,
    seed: int = 0,
    opset: int | str = "auto",
    verify: bool | None = None,
    steps: int = STEPS,
    batch_size: int = BATCH,
) -> TrainingParity | None:
    """Write the folder that the text above describes, for one training step of `model`.

    A new folder appears whole. In one that exists, these files are replaced and all others stay.

    Args:
        loss, optimizer, metrics: as in `fit`, but no metrics made of sums over all batches (f1).
            Schedules are the caller's, whose programs set the learning rate (and the momentum)
            before each step; `train.py` keeps the first ones. Slots and averages of any optimiser
            are states as all others.
        target: type of the targets, where the loss does not tell.
        seed: of weights not drawn yet, and of dropout.
        opset: "auto" is the lowest that can express the graph, from 17 on (dropout needs 18).
        verify: True insists on the comparison with ONNX Runtime, False skips it, None compares
            where ONNX Runtime is installed.
        steps, batch_size: of the comparison.

    Returns:
        The comparison, also where weights differ: ask for `passed`, or call `require()`.
    """
    if len(model.graph.inputs) != 1:
        names = ", ".join(v.node.name for v in model.graph.inputs)
        raise ExportError(f"training feeds one input and its target, {model.name} takes {names}")
    loss = aim_of(usual_loss(model, loss))
    terms = terms_of(loss, model.graph)
    alone = [term.name for term in terms] == [""] and not isinstance(loss, Goals)
    if not alone or not terms[0].loss.targeted:
        raise ExportError(f"training as ONNX has one loss and its target, found {loss_name(loss)}")
    model.initialize_missing(seed)
    session = Session(
        model,
        loss,
        optimizer,
        metrics,
        seed=seed,
        target=target,
        teach=False,  # what is tried here is no training of the model
        runtime="reference",
    )
    _refuse_sums(session.graph)
    states = session.states
    graphs = {
        "forward": open_states(model.graph),
        "train_step": open_states(session.graph),
        "grads": open_states(gradient_graph(model.graph, loss, metrics, target)),
        "init": values_graph(model.name, {**model.states, **states}),
    }
    metadata = {**model.metadata(), **({"loss": loss} if isinstance(loss, str) else {})}
    files = {
        name: export_graph(
            graph, {}, opset=opset, metadata={**metadata, "part": name}, external_data=False
        )
        for name, graph in graphs.items()
    }
    content = {f"{name}.onnx": _bytes(proto) for name, proto in files.items()}
    content |= drivers()
    content["training.json"] = _json(_manifest(model, session, seed, metadata))
    report = None
    if verify or (verify is None and importlib.util.find_spec("onnxruntime") is not None):
        report = compare_training(
            files["init"], files["train_step"], session, steps=steps, batch_size=batch_size
        )
    content["report.json"] = _json(report.to_dict() if report else {"compared": False})
    content["report.txt"] = f"{report or 'not compared with ONNX Runtime'}\n".encode()
    atomic_folder(folder, content)
    return report


def _refuse_sums(graph: Graph) -> None:
    """Raise `ExportError` for metrics that are no number of one batch."""
    for name, value in graph.outputs.items():
        if value.shape != ():
            raise ExportError(
                f"metric {name!r} is made of sums over all batches, {value.type} of each, which "
                "the programs of the folder do not finish: leave it out; means such as accuracy "
                "are exported"
            )


def gradient_graph(
    graph: Graph, loss: Losses, metrics: Metrics = None, target: TensorType | None = None
) -> Graph:
    """Loss, metrics and gradients under their names in the file; running statistics move, too."""
    graph = training_graph(graph, loss, None, metrics, target)
    outputs: dict[str, Value] = {}
    for key, value in graph.outputs.items():
        is_gradient = key.startswith(GRADIENT)
        outputs[key.removeprefix(GRADIENT) + GRAD if is_gradient else key] = value
    moved = {s: v for s, v in graph.updates.items() if state_of(s).role is Role.STATISTIC}
    return graph.with_outputs(outputs, moved)


def _manifest(
    model: Network, session: Session, seed: int, metadata: Mapping[str, str]
) -> dict[str, Any]:
    """What a program must know of the model to feed and to keep it."""
    prediction = next(iter(model.graph.outputs.values())).shape
    inputs = {v.node.name: v for v in session.graph.inputs}
    target = _typed(inputs[TARGET])
    if not inputs[TARGET].dtype.is_float:
        target["classes"] = prediction[1] if len(prediction) > 1 else 2
    normalisation = model.normalisation.to_json() if model.normalisation is not None else "null"
    return {
        "model": model.name,
        "inputs": [_typed(v) for key, v in inputs.items() if key != TARGET],
        "target": target,
        "metrics": list(session.graph.outputs),
        "weights": [state_of(s).key for s in model.graph.states],
        "optimizer": repr(session.optimizer),
        "seed": seed,
        "normalisation": json.loads(normalisation),
        "metadata": {"format": FORMAT, "graph": dump_graph(model.graph), **metadata},
    }


def _typed(value: Value) -> dict[str, Any]:
    shape = [d if isinstance(d, int) else str(d) for d in value.shape]
    return {"name": value.node.name, "type": value.dtype.numpy.name, "shape": shape}


def _bytes(model: onnx.ModelProto) -> bytes:
    return bytes(model.SerializeToString(deterministic=True))


def _json(content: Mapping[str, Any]) -> bytes:
    return (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode()
