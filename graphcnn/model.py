"""A network with its weights: what users build, train, look at, save and export."""

import fnmatch
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from graphcnn.analysis.summary import Summary, summarize
from graphcnn.compile import training_graph
from graphcnn.errors import GraphError, WeightsError
from graphcnn.graph import Graph, state_of
from graphcnn.ir import Array, Node, Value, build
from graphcnn.naming import given_inputs, named, output_names
from graphcnn.normalisation import Normalisation, check_images, check_items
from graphcnn.objective import LOSSES, Metrics, Objective
from graphcnn.optimizers import Optimizer
from graphcnn.optimizers import optimizer as make_optimizer
from graphcnn.runner import Runner
from graphcnn.sources import State
from graphcnn.state_values import StateValues
from graphcnn.text.parse import parse_graph
from graphcnn.text.write import dump_graph
from graphcnn.weights import check_states, read_tensors, write_tensors

if TYPE_CHECKING:
    from graphcnn.evaluation import Data
    from graphcnn.onnx.comparing.parity import Parity
    from graphcnn.runtime.history import History
    from graphcnn.training.onnx_parity import TrainingParity

#: What turns the outputs of a network into what people read, by the loss it was trained with.
_READABLE = {"cross_entropy": "softmax", "binary_cross_entropy": "sigmoid"}


class Model:
    """A network: its graph (in inference form) and the values of its states.

    Args:
        inputs: the tensor, or the tensors, that are fed.
        outputs: a tensor, several, or a dict from name to tensor. The first is the prediction.
        name: used for files and titles.

    Attributes:
        graph: the definition, immutable, with a unique name on every node.
        normalisation: how images become the input; set by `fit` from the data, saved along.
        classes: names of the classes; set by `fit` from the data, saved along.
        loss: name of the loss of the last `fit`.
        seed: of the last `fit`, else of the initial weights; None for weights from elsewhere.
    """

    def __init__(
        self,
        inputs: Value | Sequence[Value],
        outputs: Value | Sequence[Value] | Mapping[str, Value],
        name: str = "model",
    ) -> None:
        if not isinstance(name, str):
            raise GraphError(f"the name of a model must be a string, found {name!r}")
        self.graph = named(Graph.of(given_inputs(inputs), output_names(outputs), name=name))
        self.normalisation: Normalisation | None = None
        self.classes: tuple[str, ...] = ()
        self.loss: str | None = None
        self._states: StateValues | None = None
        self.seed: int | None = None
        self._runners: dict[tuple[str | int | None, ...], Runner] = {}

    @property
    def name(self) -> str:
        return self.graph.name

    def __repr__(self) -> str:
        inputs = ", ".join(f"{v.node.name} {v.type}" for v in self.graph.inputs)
        count = sum(p.type.size for p in self.graph.parameters)
        return f"<Model {self.name!r}: {inputs}, {count:,} parameters>"

    # Parameters and states

    def initialize(self, seed: int = 0) -> Self:
        """Draw new initial values for all states. The same seed gives the same bits."""
        self.seed, self._states = seed, StateValues()
        for value in self.graph.states:
            state = state_of(value)
            self._states.put_later(state.key, partial(state.initial, value.type, seed, state.key))
        self._states.values()  # drawn now, and again if they were dropped meanwhile
        return self

    @property
    def is_initialized(self) -> bool:
        """Whether the states have values: after training, loading or reading them."""
        return self._states is not None

    @property
    def states(self) -> StateValues:
        """All states by name: parameters and running statistics. Drawn at first use."""
        if self._states is None:
            self.initialize(self.seed or 0)
        assert self._states is not None
        return self._states

    def update_states(self, arrays: Mapping[str, Array]) -> None:
        """Replace states by arrays of the right types, which are read-only from now on.

        So a state changes only by being replaced, and nobody computes with an old copy.
        """
        for key, array in arrays.items():
            self.states.put(key, array)

    def replace_states(self, arrays: Mapping[str, Array]) -> None:
        """Forget all states and take these."""
        self._states = StateValues()
        self.update_states(arrays)

    @property
    def parameters(self) -> Mapping[str, Array]:
        """The learned tensors by name. Change them with `set_parameters`."""
        keys = [state_of(p).key for p in self.graph.parameters]
        return MappingProxyType({key: self.states[key] for key in keys})

    def set_parameters(self, arrays: Mapping[str, Any]) -> None:
        """Replace states by name. Raises `WeightsError` for unknown names and other shapes."""
        known = {state_of(s).key: s for s in self.graph.states}
        new: dict[str, Array] = {}
        for key, array in arrays.items():
            try:
                new[key] = np.array(array, known[key].dtype.numpy if key in known else None)
            except (TypeError, ValueError) as error:
                raise WeightsError(f"{key} cannot be made an array of numbers: {error}") from None
        check_states(new, [known[key] for key in new if key in known], "the mapping")
        self.update_states(new)

    def freeze(self, pattern: str = "*") -> list[str]:
        """Take the parameters whose names match (like file names: "stage1.*") out of training.

        No backward nodes are generated for them. Returns their names.
        """
        return self._set_trainable(pattern, False)

    def unfreeze(self, pattern: str = "*") -> list[str]:
        """Put the parameters whose names match back into training. Returns their names."""
        return self._set_trainable(pattern, True)

    def _set_trainable(self, pattern: str, trainable: bool) -> list[str]:
        keys = [state_of(p).key for p in self.graph.parameters]
        matching = fnmatch.filter(keys, pattern)
        if not matching:
            raise GraphError(f"no parameter matches {pattern!r}; they are {', '.join(keys)}")

        def set_flag(node: Node, inputs: tuple[Value, ...]) -> Sequence[Value] | None:
            if not isinstance(node.op, State) or node.op.key not in matching:
                return None
            if node.op.trainable == trainable:
                return None
            return build(replace(node.op, trainable=trainable), (), node.name, node.origin).outputs

        self.graph = self.graph.transform(set_flag)
        return matching

    # Looking

    def summary(self, *, dense: bool = False) -> Summary:
        """A table of the layers: shapes, parameters, multiply-adds, receptive fields.

        `dense` adds, for every convolution, the dense layer that it is: how many weights that
        would have, how many of them are removed, and how many shared.
        """
        if not dense:
            return summarize(self.graph)
        from graphcnn.passes.conv_to_dense import dense_equivalent

        convolutions = [n for n in self.graph.nodes if n.op.name == "conv2d"]
        return summarize(
            self.graph, tuple(f"{n.name}: {dense_equivalent(n)}" for n in convolutions)
        )

    def draw(self, path: str | Path, *, backward: bool = False, **options: Any) -> Path:
        """Draw the graph in the format of the file's suffix. Options are those of
        `graphcnn.pictures.graph_picture`; `backward` draws a whole training step instead."""
        from graphcnn.pictures import graph_picture, training_picture

        if backward:
            step = self.training_graph(self.loss or "cross_entropy")
            return training_picture(step, **options).save(path)
        return graph_picture(self.graph, **options).save(path)

    def draw_volume(self, path: str | Path, image: Any = None, **options: Any) -> Path:
        """Draw the tensors as volumes; with an image, its real feature maps are painted on them."""
        from graphcnn.pictures import volume_picture

        paint = self.activations(image) if image is not None else None
        return volume_picture(self.graph, paint=paint, **options).save(path)

    def activations(self, image: Any) -> dict[str, Array]:
        """The result of every operator for an image (C, H, W), by name, in a batch of one."""
        own = {*self.graph.operations, *(v.node for v in self.graph.inputs)}
        values = {n.name: n.outputs[0] for n in self.graph.nodes if n in own}
        x = self.prepare(image[None] if np.ndim(image) == 3 else image)
        runner = Runner(self.graph.with_outputs(values), "reference")
        return runner.run({self.graph.inputs[0].node.name: x}, self.states)[0]

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        """What a notebook shows: the graph."""
        from graphcnn.pictures import graph_picture

        return graph_picture(self.graph)._repr_mimebundle_()

    def training_graph(
        self,
        loss: str | Objective = "cross_entropy",
        optimizer: str | Optimizer = "sgd",
        metrics: Metrics = None,
    ) -> Graph:
        """One graph for a whole training step: forward, loss, generated backward, updates."""
        return training_graph(self.graph, loss, make_optimizer(optimizer), metrics)

    # Using

    def predict(
        self,
        images: Any,
        *,
        batch_size: int = 256,
        raw: bool = False,
        runtime: str | None = None,
        threads: int | None = None,
        precision: str | None = None,
        tune: bool | None = None,
    ) -> Any:
        """The outputs for images (n, C, H, W) of uint8 or float, in batches.

        A model of several inputs takes a dict from their names to arrays.

        After training with cross-entropy these are probabilities (softmax of the logits), after
        binary cross-entropy likewise (sigmoid); `raw` gives the outputs of the graph themselves,
        and so does a model that was never trained. Several outputs come as a dict. The last four
        are explained at `fit`.
        """
        from graphcnn.evaluation import predict

        outputs = predict(self, images, batch_size, self.runner(runtime, threads, precision, tune))
        readable = _READABLE.get(self.loss or "")
        if readable and not raw:
            first = next(iter(outputs))
            outputs[first] = _apply(readable, outputs[first])
        return outputs if len(outputs) > 1 else next(iter(outputs.values()))

    def evaluate(
        self,
        data: "Data",
        *,
        loss: str | Objective | None = None,
        batch_size: int = 256,
        metrics: Metrics = None,
        runtime: str | None = None,
        threads: int | None = None,
        precision: str | None = None,
        tune: bool | None = None,
    ) -> dict[str, float]:
        """Loss and metrics over a data set, exact means over all its items.

        `loss` defaults to that of the last `fit`, else to cross-entropy.
        """
        from graphcnn.evaluation import evaluate

        chosen = loss or self.loss or "cross_entropy"
        options = runtime, threads, precision, tune
        return evaluate(self, data, chosen, batch_size, metrics, *options)

    def fit(self, train: "Data", **options: Any) -> "History":
        """Train. The arguments are those of `graphcnn.training.fit.fit`, explained there."""
        from graphcnn.training.fit import fit

        history = fit(self, train, **options)
        if history.advice:
            print(history.advice, file=sys.stderr)
        return history

    def prepare(self, images: Any) -> Array:
        """Images as the first input takes them: checked, scaled, normalised, of its type.

        What is no image (another rank, integers) is only checked.
        """
        t = self.graph.inputs[0].type
        if t.rank != 4 or not t.dtype.is_float:
            return check_items(images, t)
        checked = check_images(images, t.shape[1:])  # type: ignore[arg-type]
        scaled = (self.normalisation or Normalisation()).apply(checked)
        return scaled.astype(t.dtype.numpy, copy=False)

    def runner(
        self,
        runtime: str | None = None,
        threads: int | None = None,
        precision: str | None = None,
        tune: bool | None = None,
    ) -> Runner:
        """Runs the inference graph at any batch size; kept until the graph changes."""
        settings = (runtime, threads, precision, tune)
        known = self._runners.get(settings)
        if known is None or known.graph is not self.graph:
            known = self._runners[settings] = Runner(self.graph, *settings)
        return known

    # Keeping

    def metadata(self) -> dict[str, str]:
        """What a saved or exported model carries besides its weights."""
        data = {"name": self.name, "classes": json.dumps(list(self.classes))}
        if self.normalisation is not None:
            data["normalisation"] = self.normalisation.to_json()
        if self.loss is not None:
            data["loss"] = self.loss
        if self.seed is not None:
            data["seed"] = str(self.seed)
        return data

    def save(self, path: str | Path) -> Path:
        """Write graph, weights, normalisation and classes to one safetensors file."""
        return write_tensors(
            path, self.states, {"graph": dump_graph(self.graph), **self.metadata()}
        )

    def load(self, path: str | Path) -> Self:
        """Read weights saved from a model of the same layers.

        Raises `WeightsError` listing tensors that are missing, extra or of another shape.
        """
        tensors, metadata = read_tensors(path)
        check_states(tensors, self.graph.states, path)
        self.replace_states(tensors)
        self._take(metadata)
        return self

    def _take(self, metadata: Mapping[str, str]) -> None:
        self.classes = tuple(json.loads(metadata.get("classes", "[]")))
        loss = metadata.get("loss")
        self.loss = loss if loss in LOSSES else None
        self.seed = int(metadata["seed"]) if "seed" in metadata else None
        if "normalisation" in metadata:
            self.normalisation = Normalisation.from_json(metadata["normalisation"])

    def export_onnx(self, path: str | Path, **options: Any) -> "Parity | None":
        """Write an ONNX file, checked, and compared with ONNX Runtime where it is installed.

        The options (opset, target, float16, fold_batch_norm, external_data, verify) are those of
        `graphcnn.exporting.export_onnx`, explained there. Returns the comparison, if there was one.
        """
        from graphcnn.exporting import export_onnx

        return export_onnx(self, path, **options)

    def export_onnx_training(self, folder: str | Path, **options: Any) -> "TrainingParity | None":
        """Write a folder with which ONNX Runtime trains this model, from Python or JavaScript.

        The options (loss, optimizer, seed, verify, ...) are those of
        `graphcnn.training.onnx_export.export_onnx_training`, explained there. Returns the
        comparison of some training steps with ours, if there was one.
        """
        from graphcnn.training.onnx_export import export_onnx_training

        return export_onnx_training(self, folder, **options)


def load(path: str | Path) -> Model:
    """The model in a file that `Model.save` wrote: graph, weights, normalisation, classes."""
    tensors, metadata = read_tensors(path)
    if "graph" not in metadata:
        raise WeightsError(
            f"{path} holds weights but no graph; build the model in Python and load them into it"
        )
    graph = parse_graph(metadata["graph"])
    model = Model(graph.inputs, graph.outputs, graph.name)
    check_states(tensors, model.graph.states, path)
    model.replace_states(tensors)
    model._take(metadata)
    return model


def _apply(name: str, logits: Array) -> Array:
    """Softmax over the classes (axis 1), or the sigmoid, by the operator that defines it."""
    from graphcnn.ops.activation import Sigmoid
    from graphcnn.ops.softmax import Softmax

    result: Array = (Softmax(axis=1) if name == "softmax" else Sigmoid()).evaluate(logits)
    return result
