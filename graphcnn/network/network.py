"""The core of a model: a graph, the values of its states, and what is saved with them."""

import copy
import fnmatch
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from graphcnn.analysis.finding import given_tensors, value_named
from graphcnn.compile.runner import Runner
from graphcnn.data.class_names import given_names
from graphcnn.data.normalisation import LOOKS, Normalisation, check_images, check_items
from graphcnn.errors import GraphError, TrainingError, WeightsError
from graphcnn.ir.cells import in_training
from graphcnn.ir.graph import Graph, rebuilt, state_of
from graphcnn.ir.naming import given_inputs, joined, named, output_names
from graphcnn.ir.node import Array, Value
from graphcnn.ir.sources import Input, Role
from graphcnn.ir.state_values import ArraysByName, StateValues
from graphcnn.ir.tensor_type import is_open
from graphcnn.language.arguments import choose
from graphcnn.learning.aim import Losses
from graphcnn.learning.samplers import Sampler
from graphcnn.network import freezing
from graphcnn.network.lessons import learned, lessons, teach
from graphcnn.network.metadata import Learned, read, written
from graphcnn.network.pickling import drawn_by_functions, packed, unpacked, with_own_cells
from graphcnn.network.weights import (
    as_stored,
    check_states,
    check_suffix,
    read_tensors,
    write_tensors,
)
from graphcnn.runtime.execution import Execution
from graphcnn.text.write import dump_graph


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
        values = joined(output_names(outputs))
        self._adopt(named(Graph.of(given_inputs(inputs), values, name=name)))
        self._tell_trainable()

    def _adopt(self, graph: Graph) -> None:
        """Begin as a model of this graph that has learned nothing yet."""
        self.graph = graph
        self._classes: tuple[str, ...] = ()
        self.loss: str | None = None
        self.objective: Losses | None = None
        self.seed: int | None = None
        self._sampler: Sampler | None = None
        self.reach: float | None = None
        self.looks = LOOKS
        self._normalisation: Normalisation | None = None
        self._inherited: tuple[int, Normalisation | None] = (-1, None)
        self._states = StateValues(graph)
        self._feeds = [*graph.inputs[:1]]
        self._runners: dict[tuple[Any, ...], Runner] = {}

    def _tell_trainable(self) -> None:
        """Models that are made of these states later begin with the same ones frozen."""
        for state in map(state_of, self.graph.states):
            state.cell.trainable = state.trainable

    @property
    def name(self) -> str:
        return self.graph.name

    def __repr__(self) -> str:
        inputs = ", ".join(f"{v.node.name} {v.type}" for v in self.graph.inputs)
        count = sum(p.type.size for p in self.graph.parameters)
        return f"<Model {self.name!r}: {inputs}, {count:,} parameters>"

    # Values

    def value(self, name: str, *, activated: bool = True) -> Value:
        """A tensor of the graph by name: of a layer, an operator, an input, a state, an output.

        A model can be made of it, `Model(trained.graph.inputs, head(trained.value("S4")))`, which
        shares the weights of this one; so `model["S4"]` is short for `model.value("S4")`.

        The name of a layer stands for what the layer's function returned, its activation included;
        with `activated=False` for what that was computed from. "split:1" is the second result of
        an operator with several. Raises `GraphError`, with names like it, where there is none.
        """
        return value_named(self.graph, name, activated)

    def __getitem__(self, name: str) -> Value:
        return self.value(name)

    __iter__: ClassVar[None] = None  # with names in place of numbers it is no sequence

    def __call__(self, *inputs: Value) -> Any:
        """The outputs of this model for other tensors, with the same, shared weights.

        One tensor, or a dict by name where there are several outputs. A new `Model` of one input
        after the other: `Model(image, (first(image) + second(image)) / 2)`.
        """
        given = given_tensors(self.graph, inputs)
        found = rebuilt(self.graph.outputs.values(), given)
        if inputs and isinstance(inputs[0].node.op, Input):
            self._feeds.append(inputs[0])  # fed the same images
            self._teach()
        named_outputs = dict(zip(self.graph.outputs, found, strict=True))
        return named_outputs if len(found) > 1 else found[0]

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes, in the order of their numbers; empty where none are known."""
        return self._classes

    @classes.setter
    def classes(self, names: Any) -> None:
        self._classes = given_names(names)

    @property
    def normalisation(self) -> Normalisation | None:
        """How images become the input; set by `fit` from the data, saved along.

        A model without one that shares states and its first input with others takes theirs, since
        the shared weights know no other images. Raises `GraphError` where these differ.
        """
        if self._normalisation is not None or not self.graph.inputs:
            return self._normalisation
        if self._inherited[0] != lessons():
            self._inherited = lessons(), learned(self.graph)
        return self._inherited[1]

    @normalisation.setter
    def normalisation(self, normalisation: Normalisation | None) -> None:
        self._normalisation = normalisation
        self._teach()

    def _teach(self) -> None:
        if self._normalisation is not None:
            teach(self.graph, self._feeds, self._normalisation)

    # Parameters and states

    def initialize(self, seed: int = 0) -> Self:
        """Draw new initial values for all states. The same seed gives the same bits.

        Models that share states with this one have the new values too.
        """
        self.seed = seed
        self._values().put(self._drawn(seed, self._values()))
        return self

    def initialize_missing(self, seed: int = 0) -> Self:
        """Draw initial values for the states that have none: a new head on a trained backbone."""
        values = self._values()
        missing = values.missing
        if len(missing) == len(values):
            self.seed = seed
        values.fill(self._drawn(seed, missing))
        return self

    def _drawn(self, seed: int, keys: Iterable[str]) -> dict[str, Array]:
        wanted = {state_of(s).key: s for s in self.graph.states}
        return {k: state_of(wanted[k]).initial(wanted[k].type, seed, k) for k in keys}

    def _values(self) -> StateValues:
        if self._states.graph is not self.graph:
            self._states = StateValues(self.graph)
        return self._states

    @property
    def is_initialized(self) -> bool:
        """Whether all states have values: after training, loading or reading them."""
        return self._values().complete

    @property
    def states(self) -> StateValues:
        """All states by name: parameters and running statistics. Drawn at first use.

        While a `Session` or `fit` trains them, reading and writing means those of the run.
        """
        values = self._values()
        if not values.complete:
            self.initialize_missing(self.seed or 0)
        return values

    def update_states(self, arrays: Mapping[str, Array]) -> None:
        """Replace states by arrays of the right types, which are read-only from now on.

        So a state changes only by being replaced, and nobody computes with an old copy. Raises
        `WeightsError` for unknown names and other types, and changes nothing then.
        """
        known = {state_of(s).key: s for s in self.graph.states}
        check_states(arrays, [known[key] for key in arrays if key in known], "the mapping")
        self.states.put(arrays)

    def replace_states(self, arrays: Mapping[str, Array]) -> None:
        """Replace all states by these, of which none may be missing."""
        check_states(arrays, self.graph.states, "the mapping")
        self._values().put(arrays)

    @property
    def parameters(self) -> Mapping[str, Array]:
        """The learned tensors by name. Change them with `set_parameters`."""
        states = [state_of(p) for p in self.graph.parameters]
        values = self.states.snapshot()
        undecayed = [s.key for s in states if not s.decays]
        return ArraysByName({s.key: values[s.key] for s in states}, undecayed)

    def set_parameters(self, arrays: Mapping[str, Any]) -> None:
        """Replace states by name. Raises `WeightsError` for unknown names, other shapes, and
        numbers that the type of a state cannot hold."""
        if not isinstance(arrays, Mapping):
            raise WeightsError(f"states are given by name, in a dict, found {arrays!r}"[:200])
        types = {state_of(s).key: s.dtype for s in self.graph.states}
        self.update_states({k: as_stored(k, a, types.get(k)) for k, a in arrays.items()})

    def freeze(self, pattern: str = "*", *, statistics: str | None = None) -> list[str]:
        """Take the parameters whose names match (like file names: "stage1.*") out of training.

        No backward nodes are generated for them. Returns their names. Models that are made of this
        one's values later begin with the same ones frozen. Raises `TrainingError` while a `fit`
        trains them.

        A batch normalisation whose parameters are both frozen keeps its running statistics, and
        training normalises by them. `statistics` changes that where their names match: "moving"
        takes those of the batch and moves the running ones although the parameters are frozen;
        "kept" freezes the statistics alone, and the parameters stay in training.
        """
        if statistics is not None:
            choose(dict.fromkeys(freezing.STATISTICS), statistics, "statistics")
            moved = freezing.statistics(self.graph, pattern)
            if statistics == "kept":
                self.mark(moved, False, Role.SETTING)
                return moved
            self.mark(moved, True, Role.STATISTIC)
        keys = freezing.matching(self.graph, pattern)
        self.mark(keys)
        return keys

    def unfreeze(self, pattern: str = "*") -> list[str]:
        """Put the parameters whose names match back into training. Returns their names."""
        keys = freezing.matching(self.graph, pattern)
        self.mark(keys, True)
        self.mark(fnmatch.filter(freezing.running(self.graph), pattern), False, Role.STATISTIC)
        return keys

    def mark(self, keys: Iterable[str], trainable: bool = False, role: Role | None = None) -> None:
        """Freeze the states of these very names, or put them back into training."""
        self.refuse_in_training("what is trained cannot be changed")
        self.graph = freezing.marked(self.graph, {*keys}, trainable, role)

    def refuse_in_training(self, why: str) -> None:
        """Raise `TrainingError` while a `fit`, of whatever model, trains any of the states."""
        if in_training(state_of(s).cell for s in self.graph.states):
            raise TrainingError(f"{why} while a fit trains the states of {self.name!r}")

    # Running

    def prepare(self, images: Any) -> Array:
        """Images as the first input takes them: checked, scaled, normalised, of its type.

        What is no image (another rank, integers, the batch behind the first axis) is only checked.
        """
        t = self.graph.inputs[0].type
        if t.rank != 4 or not t.dtype.is_float or is_open(t.shape[1:]):
            return check_items(images, t)
        checked = check_images(images, t.shape[1:])  # type: ignore[arg-type]
        scaled = (self.normalisation or Normalisation()).numbers(checked)
        return scaled.astype(t.dtype.numpy, copy=False)

    def runner(
        self,
        runtime: str | None = None,
        threads: int | None = None,
        precision: str | None = None,
        tune: bool | None = None,
    ) -> Runner:
        """Runs the inference graph at any batch size; kept until the graph changes."""
        graph, asked = self.graph, (runtime, threads, precision, tune)
        known = self._runners.get((graph, *asked))
        if known is None:
            execution = Execution.of(*asked)
            known = self._kept_runner((graph, execution), graph, execution)
            self._runners[graph, *asked] = known  # found at once, the environment not read again
        return known

    def runner_of(self, what: str, make: Callable[[], Graph], execution: Execution) -> Runner:
        """Runs another graph that is made of this one's, known by `what`; kept until that
        changes."""
        graph = self.graph
        known = self._runners.get((graph, what, execution))
        return known or self._kept_runner((graph, what, execution), make(), execution)

    def _kept_runner(self, key: tuple[Any, ...], graph: Graph, execution: Execution) -> Runner:
        """A new runner, and those of former graphs forgotten."""
        for old in [known for known in list(self._runners) if known[0] is not key[0]]:
            self._runners.pop(old, None)
        # Of two threads that come here at once both get the same one.
        return self._runners.setdefault(key, Runner(graph, execution))

    # Keeping

    def metadata(self) -> dict[str, str]:
        """What a saved or exported model carries besides its weights."""
        learned = Learned(
            self.classes, self.normalisation, self.loss, self.objective, self.seed, self._sampler
        )
        return written(learned, self.graph)

    def save(self, path: str | Path) -> Path:
        """Write graph, weights, normalisation and classes to one safetensors file."""
        return self.save_with(self.states.snapshot(), path)

    def save_with(self, states: Mapping[str, Array], path: str | Path) -> Path:
        """`save` with other values of all states than those of the model, such as averages."""
        check_suffix(path)
        about = {"graph": dump_graph(self.graph), **self.metadata()}
        return write_tensors(path, states, about)

    def load(self, path: str | Path) -> Self:
        """Read weights saved from a model of the same layers.

        Raises `WeightsError` listing tensors that are missing, extra or of another shape, or naming
        the field of the metadata that is damaged. The model is then as it was.
        """
        tensors, metadata = read_tensors(path)
        check_states(tensors, self.graph.states, path)
        learned = read(metadata, self.graph, path)
        self.replace_states(tensors)
        self._take(learned)
        return self

    def _take(self, learned: Learned) -> None:
        self.classes, self.loss, self.seed = learned.classes, learned.loss, learned.seed
        self.objective, self._sampler = learned.objective, learned.sampler
        if learned.normalisation is not None:
            self.normalisation = learned.normalisation

    # Copies: `copy.copy` shares the weights, `copy.deepcopy` and `pickle` do not.

    def __copy__(self) -> Self:
        made = self._of_graph(self.graph)
        made.__dict__.update(self._added(made))
        return made

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        made = self._of_graph(with_own_cells(self.graph, memo))
        made._values().fill({k: np.array(v) for k, v in self._values().snapshot().items()})
        made.normalisation = self.normalisation
        memo[id(self)] = made  # what is added may refer to it
        made.__dict__.update(copy.deepcopy(self._added(made), memo))
        return made

    def _added(self, made: Self) -> dict[str, Any]:
        """The attributes that classes made of this one add, which `_of_graph` does not know."""
        return {key: value for key, value in self.__dict__.items() if key not in made.__dict__}

    def _of_graph(self, graph: Graph) -> Self:
        made = self.__class__.__new__(self.__class__)
        made._adopt(graph)
        made.classes, made.loss, made.seed = self.classes, self.loss, self.seed
        made.objective, made._sampler = self.objective, self._sampler
        made.reach = self.reach
        made._normalisation = self._normalisation
        return made

    def __getstate__(self) -> dict[str, Any]:
        """Plain data: the text of the graph, and arrays. Initial values that functions draw are
        drawn before, since functions are not kept; nor is a loss that is one."""
        if drawn_by_functions(self.graph) and not self.is_initialized:
            self.initialize_missing(self.seed or 0)
        more = self._added(self._of_graph(self.graph))
        model = packed(self.graph, self._values().snapshot(), self.metadata())
        return {"model": model, **({"more": more} if more else {})}

    def __setstate__(self, state: Any) -> None:
        """Raises `WeightsError` for what `__getstate__` did not give."""
        graph, states, metadata = unpacked(state.get("model") if isinstance(state, dict) else state)
        learned = read(metadata, graph, "a pickled model")
        self._adopt(graph)
        self._tell_trainable()
        self.__dict__.update(state.get("more", {}))
        self._values().fill(states)
        self._take(learned)
