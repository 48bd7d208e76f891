"""What a graph with a loss is fed besides the items: targets, one array or several, and weights."""

import difflib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphcnn.errors import DataError, GraphError
from graphcnn.ir.graph import Graph
from graphcnn.ir.node import Array
from graphcnn.ir.tensor_type import N, Shape, TensorType, item_axis
from graphcnn.learning.aim import Losses, Term, term_name, terms_of
from graphcnn.learning.losses.known import target_type
from graphcnn.learning.target_rule import TARGET, WEIGHTS, TargetRule

#: Types of what is fed besides the items, by the names of the inputs.
Fed = Mapping[str, TensorType]


@dataclass(frozen=True, eq=False)
class Targets:
    """The checks of targets and weights on their way into one graph.

    Attributes:
        rules: by the name of the term, which is that of an output, or "" where it is the only one.
        weights: the type of the input for them, where there is one.
        outputs: of the model: data may hold targets also for those that have no loss.
    """

    rules: Mapping[str, TargetRule]
    weights: TensorType | None
    outputs: Collection[str] = ()

    @classmethod
    def of(cls, graph: Graph, outputs: Collection[str] = ()) -> "Targets":
        """Those of a graph that `with_loss` made."""
        rules: dict[str, TargetRule] = {}
        weights = None
        for value in graph.inputs:
            name = value.node.name
            if name == WEIGHTS:
                weights = value.type
            elif name == TARGET or name.startswith(f"{TARGET}."):
                rules[name.removeprefix(TARGET).removeprefix(".")] = TargetRule.of(graph, name)
        return cls(rules, weights, outputs)

    @property
    def types(self) -> Fed:
        """The types of what is fed, by the names of the inputs."""
        types = {_input(name): rule.kind for name, rule in self.rules.items()}
        return types if self.weights is None else {**types, WEIGHTS: self.weights}

    @property
    def first(self) -> TargetRule | None:
        """The rule of the first targets."""
        return next(iter(self.rules.values()), None)

    def check(self, targets: Any) -> dict[str, Array]:
        """The targets by name, as arrays of the right types whose first axis counts the items.

        Raises:
            DataError: targets that are missing or of no output, or what `TargetRule.check` refuses.
        """
        found = by_name(targets, self.rules, self.outputs)
        checked: dict[str, Array] = {}
        for name, rule in self.rules.items():
            try:
                checked[name] = rule.check(found[name])
            except DataError as error:
                if not name:
                    raise
                raise type(error)(f"target {name!r}: {error}") from None
        counts = {name: len(array) for name, array in checked.items()}
        if len(set(counts.values())) > 1:
            each = ", ".join(f"{count} of {name!r}" for name, count in counts.items())
            raise DataError(f"each item has a target for every loss, found {each}")
        return checked

    def feeds(self, targets: Any, weights: Any = None) -> dict[str, Array]:
        """What the inputs are fed for one batch. Without weights all items count the same."""
        checked = self.check(targets)
        fed = {
            _input(name): along(array, self.rules[name].kind.shape)
            for name, array in checked.items()
        }
        if self.weights is not None:
            fed[WEIGHTS] = self._weights(weights, checked)
        elif weights is not None:
            raise DataError("this loss was made without weights of the items")
        return fed

    def _weights(self, given: Any, checked: Mapping[str, Array]) -> Array:
        assert self.weights is not None
        item = tuple(d for d in self.weights.shape[1:] if isinstance(d, int))
        count = len(next(iter(checked.values()))) if checked else None
        if given is None:
            return np.ones((count or 1, *item), self.weights.dtype.numpy)
        try:
            array = np.asarray(given, self.weights.dtype.numpy)
        except (TypeError, ValueError):
            raise DataError(f"weights must be numbers, found {given!r:.80}") from None
        if array.shape[1:] != item or not array.ndim or count not in (None, len(array)):
            wanted = ", ".join(map(str, (count or "n", *item)))
            raise DataError(f"weights must have shape ({wanted}), found {array.shape}")
        if not (np.isfinite(array).all() and (array >= 0).all()):
            raise DataError("weights must be finite and at least 0")
        return array


def _input(name: str) -> str:
    return f"{TARGET}.{name}" if name else TARGET


def along(array: Array, shape: Shape) -> Array:
    """Items, first in a data set, along the axis N."""
    axis = item_axis(shape)
    return np.moveaxis(array, 0, axis) if axis else array


def by_name(targets: Any, names: Iterable[str], outputs: Collection[str] = ()) -> dict[str, Any]:
    """Targets by the names of their terms: given as a dict, as a tuple in their order, or alone.

    Raises `DataError` where some are missing, or of another name.
    """
    names = list(names)
    if not names:
        return {}
    listed = ", ".join(map(repr, names))
    if names == [""]:
        if isinstance(targets, Mapping):
            raise DataError(
                "one loss takes one array of targets, found a dict with "
                f"{', '.join(map(str, targets))}: losses of several outputs are "
                "loss={name: ...}"
            )
        return {"": targets}
    if isinstance(targets, Mapping):
        given = {term_name(key): each for key, each in targets.items()}
        for key in given:
            if key not in names and key not in outputs:
                near = difflib.get_close_matches(key, names, 1)
                hint = f"; did you mean {near[0]!r}?" if near else ""
                raise DataError(f"no output {key!r} takes targets{hint} There are {listed}")
        missing = [name for name in names if name not in given]
        if missing:
            raise DataError(
                f"targets are missing for {', '.join(map(repr, missing))}; found "
                f"{', '.join(map(repr, given))}"
            )
        return {name: given[name] for name in names}
    if isinstance(targets, tuple | list) and len(names) > 1:
        if len(targets) != len(names):
            raise DataError(f"targets must be {len(names)}, for {listed}, found {len(targets)}")
        return dict(zip(names, targets, strict=True))
    if len(names) == 1:
        return {names[0]: targets}
    raise DataError(f"targets must be a dict with {listed}, or a tuple in this order, found one")


def fed_types(loss: Losses, graph: Graph, targets: Any = None, weights: Any = None) -> Fed:
    """The types of targets and weights, for the outputs of a model's graph and what data hold.

    Args:
        targets: arrays like those of the data, by name or alone; None where nobody knows.
        weights: an array like that of the data, None where all items count the same.
    """
    terms = [term for term in terms_of(loss, graph) if term.loss.targeted]
    given: Mapping[str, Any] = {}
    if targets is not None:
        names = dict.fromkeys(term.target_name for term in terms)
        given = by_name(targets, names, graph.outputs)
    types = {term.target: _type(term, graph, given.get(term.target_name)) for term in terms}
    if weights is not None:
        first = next(iter(graph.outputs.values()))
        types[WEIGHTS] = TensorType((N, *weights.shape[1:]), first.dtype)
    return types


def given_types(
    loss: Losses, graph: Graph, target: TensorType | Mapping[Any, TensorType] | None
) -> Fed | None:
    """Types of targets that somebody gives, one or by outputs, by the names of the inputs."""
    if target is None:
        return None
    targeted = (term for term in terms_of(loss, graph) if term.loss.targeted)
    names = [*dict.fromkeys(term.target_name for term in targeted)]
    if isinstance(target, Mapping):
        return {_input(name): each for name, each in by_name(target, names).items()}
    if len(names) != 1:
        raise GraphError(f"there are targets of {len(names)} losses: give a dict of types")
    return {_input(names[0]): target}


def tells_targets(loss: Losses, graph: Graph) -> bool:
    """Whether losses say what their targets are, whatever the data hold."""
    return all(
        not term.loss.targeted or term.loss.target(_first(term, graph)) is not None
        for term in terms_of(loss, graph)
    )


def _type(term: Term, graph: Graph, targets: Any) -> TensorType:
    array = targets if targets is None or hasattr(targets, "dtype") else np.asarray(targets)
    return target_type(term.loss, _first(term, graph), array)


def _first(term: Term, graph: Graph) -> TensorType:
    """The type of the first output that a loss takes, or of the first of all."""
    return graph.outputs[next(iter(term.outputs or graph.outputs))].type
