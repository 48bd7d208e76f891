"""Penalties: what is added to a loss so that weights, or what a layer gives, stay small.

    small = {"conv*.weight": cnn.penalties.L2(1e-4), "code": cnn.penalties.L1(1e-5)}
    model.fit(train, penalties=small)

A key is a pattern of names of parameters, as `freeze` takes it, or the name of a layer. Their sum
is reported as `penalty`.
"""

import fnmatch
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from graphcnn.analysis.finding import value_named
from graphcnn.errors import GraphError
from graphcnn.ir.graph import Graph, state_of
from graphcnn.ir.node import Value
from graphcnn.ir.tensor_type import item_axis
from graphcnn.language.arguments import number
from graphcnn.language.errors import located
from graphcnn.ops.broadcast import Sum
from graphcnn.ops.elementwise import Abs
from graphcnn.ops.reduce import Mean

__all__ = ["L1", "L2", "Penalty", "l1", "l2"]


@dataclass(frozen=True)
class Penalty:
    """A number to be added to the loss, for each tensor that it is given for.

    Attributes:
        strength: what the sum is multiplied by.
    """

    strength: float

    def __post_init__(self) -> None:
        found = number(self.strength, "strength")
        if not (math.isfinite(found) and found >= 0):
            raise GraphError(f"strength must be finite and at least 0, found {found}")

    def __call__(self, x: Value) -> Value:
        """The penalty for a tensor, a float scalar."""
        raise NotImplementedError


@dataclass(frozen=True)
class L1(Penalty):
    """strength · sum of |x|; of what a layer gives the mean over the items: `l1`."""

    def __call__(self, x: Value) -> Value:
        return l1(x, self.strength)


@dataclass(frozen=True)
class L2(Penalty):
    """strength · sum of x²; of what a layer gives the mean over the items: `l2`."""

    def __call__(self, x: Value) -> Value:
        return l2(x, self.strength)


@located
def l1(x: Value, strength: float) -> Value:
    """strength · sum of |x|: of a tensor with a batch axis, the mean over the items."""
    return _total(Abs()(x)) * number(strength, "strength")


@located
def l2(x: Value, strength: float) -> Value:
    """strength · sum of x²: of a tensor with a batch axis, the mean over the items."""
    return _total(x * x) * number(strength, "strength")


def _total(x: Value) -> Value:
    items = item_axis(x.shape)
    if items is None:
        return Sum(tuple(range(x.type.rank)))(x)
    others = tuple(axis for axis in range(x.type.rank) if axis != items)
    return Mean((0,))(Sum(others)(x) if others else x)


def check_penalties(given: Any) -> dict[str, tuple[Penalty, ...]]:
    """Penalties by name, one or several for each. Raises `GraphError` for anything else."""
    if not isinstance(given, Mapping):
        raise GraphError(f"penalties must be a dict by names, found {given!r}")
    found = {key: each if isinstance(each, tuple) else (each,) for key, each in given.items()}
    for key, several in found.items():
        if not isinstance(key, str) or not all(isinstance(each, Penalty) for each in several):
            raise GraphError(
                "penalties are given by names of parameters or layers, such as "
                f"{{'*.weight': cnn.penalties.L2(1e-4)}}, found {key!r}: {given[key]!r}"
            )
    return found


def penalty_of(graph: Graph, penalties: Mapping[str, tuple[Penalty, ...]]) -> Value | None:
    """The sum of the penalties in a graph; None where there are none.

    A parameter that several patterns match has all of their penalties. Raises `GraphError` for a
    name that is no parameter's and no layer's, with the nearest.
    """
    parameters = {state_of(p).key: p for p in graph.parameters}
    total: Value | None = None
    for key, several in penalties.items():
        matching = fnmatch.filter(parameters, key)
        for value in [parameters[name] for name in matching] or [value_named(graph, key)]:
            if not value.dtype.is_float:
                raise GraphError(f"penalties are of floats, found {key!r} of {value.type}")
            for penalty in several:
                total = penalty(value) if total is None else total + penalty(value)
    return total
