"""The core of a model: a graph, the values of its states, and what is saved with them."""

import fnmatch
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

import numpy as np

from graphcnn.errors import GraphError, WeightsError
from graphcnn.graph import Graph, state_of
from graphcnn.ir import Array, Node, Value, build
from graphcnn.naming import given_inputs, named, output_names
from graphcnn.normalisation import Normalisation, check_images, check_items
from graphcnn.objective import LOSSES
from graphcnn.runner import Runner
from graphcnn.sources import State
from graphcnn.state_values import StateValues
from graphcnn.tensor_type import N
from graphcnn.text.write import dump_graph
from graphcnn.weights import check_states, read_tensors, write_tensors


class Network:
    """The core of a `Model`, which explains the arguments and attributes."""

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

    # Running

    def prepare(self, images: Any) -> Array:
        """Images as the first input takes them: checked, scaled, normalised, of its type.

        What is no image (another rank, integers, the batch behind the first axis) is only checked.
        """
        t = self.graph.inputs[0].type
        if t.rank != 4 or not t.dtype.is_float or N in t.shape[1:]:
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
