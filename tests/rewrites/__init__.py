"""Graphs on which rewrite rules fire, and graphs on which they refuse, declared once per rule.

One file per pass; each has the lists EXAMPLES and REFUSALS. A new rule without an example fails
`tests/passes/test_rules.py`.
"""

import importlib
import pkgutil
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from graphcnn.ir.graph import Graph
from graphcnn.ir.initializers import Constant as Fill
from graphcnn.ir.node import Array, Value
from graphcnn.ir.sources import Constant, Input, Role, State
from graphcnn.ir.tensor_type import DType, TensorType
from graphcnn.passes.driver.base import Pass
from graphcnn.text.literals import format_op

#: These names are inputs of an example, all others are states.
INPUTS = ("x", "y", "c")


@dataclass(frozen=True)
class Example:
    """`build(**sources)` makes a value of sources with these types; after the pass it is `result`.

    A source is given by its shape (float64) or type. `result` is written as `expression` does.
    """

    rule: str
    by: Pass
    build: Callable[..., Any]
    result: str
    sources: dict[str, Any] = field(default_factory=dict)

    @property
    def graph(self) -> Graph:
        return graph_of(self.build, **self.sources)

    def __repr__(self) -> str:
        return f"{self.rule}-{self.result}"


@dataclass(frozen=True)
class RefusalExample:
    """A graph that the rule leaves alone, with a reason that matches `reason` (a regex)."""

    rule: str
    by: Pass
    build: Callable[..., Any]
    reason: str
    sources: dict[str, Any] = field(default_factory=dict)

    @property
    def graph(self) -> Graph:
        return graph_of(self.build, **self.sources)

    def __repr__(self) -> str:
        return f"{self.rule}-{self.reason}"


def graph_of(build: Callable[..., Any], **sources: Any) -> Graph:
    """The graph of one or several results of `build`, called `result`, `result1`, ..."""
    values: dict[str, Value] = {}
    for key, spec in sources.items():
        t = spec if isinstance(spec, TensorType) else TensorType(spec, DType.FLOAT64)
        values[key] = (
            Input(key, t)(name=key)
            if key in INPUTS
            else State(key, t, Role.PARAMETER, True, Fill(1.0))(name=key)
        )
    made = build(**values)
    results = made if isinstance(made, tuple) else (made,)
    inputs = [values[k] for k in sources if k in INPUTS]
    keys = ["result", *(f"result{i}" for i in range(1, len(results)))]
    return Graph.of(inputs, dict(zip(keys, results, strict=True)), name="example")


def expression(value: Value) -> str:
    """`add(relu(x), 2.0)`: a value in terms of its sources. Arrays appear as `const[2, 3]`."""
    op = value.node.op
    if isinstance(op, Input | State):
        return op.key
    if isinstance(op, Constant):
        return str(op.array.item()) if op.array.size == 1 else f"const{list(op.array.shape)}"
    parts = [", ".join(map(expression, value.node.inputs)), format_op(op)]
    index = f":{value.index}" if value.index else ""
    return f"{op.name}({'; '.join(filter(None, parts))}){index}"


def arrays_for(graph: Graph, special: bool = False) -> dict[str, Array]:
    """Random arrays for inputs and states by key, the same at every call, states in [1/2, 2).

    With `special`, every array holds zeros of both signs, infinities and NaN.
    """
    arrays = {}
    for value in (*graph.inputs, *graph.states):
        op = value.node.op
        rng = np.random.default_rng(zlib.crc32(op.key.encode()))
        shape, dtype = value.shape, value.dtype
        if dtype is DType.BOOL:
            array = rng.random(shape) < 0.5
        elif not dtype.is_float:
            array = rng.integers(0, 5, shape)
        else:
            array = rng.uniform(*((-2, 2) if op.key in INPUTS else (0.5, 2)), shape)
            if special:
                flat = array.reshape(-1)
                odd = [0.0, -0.0, np.nan, np.inf, -np.inf, 0.0, -0.0][: flat.size]
                flat[rng.permutation(flat.size)[: len(odd)]] = odd
        arrays[op.key] = array.astype(dtype.numpy)
    return arrays


def _gather(kind: str) -> list[Any]:
    found = []
    for module in sorted(m.name for m in pkgutil.iter_modules(__path__)):
        found += getattr(importlib.import_module(f"rewrites.{module}"), kind)
    return found


def all_examples() -> list[Example]:
    return _gather("EXAMPLES")


def all_refusals() -> list[RefusalExample]:
    return _gather("REFUSALS")
