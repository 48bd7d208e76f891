"""Recurrent cells, and how one goes through the steps of sequences (T, N, F).

Layers of the language and nodes of ONNX files are made of these.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphcnn.ir.node import Value, constant_of
from graphcnn.ir.tensor_type import merged_size
from graphcnn.language.activations import activate
from graphcnn.language.arguments import Activation
from graphcnn.language.loops.scan import scan
from graphcnn.ops.activation import Sigmoid, Tanh
from graphcnn.ops.comparison import Less, Where
from graphcnn.ops.dense import Dense
from graphcnn.ops.shape import Reshape

#: The new states from what the input gives at one step, from what the old state gives, and from
#: the old states. The first state is what the layer shows.
Cell = Callable[[Value, Value, tuple[Value, ...]], tuple[Value, ...]]

#: The new states from what the input gives at one step, and from the old states.
Step = Callable[[Value, tuple[Value, ...]], tuple[Value, ...]]


def rnn_cell(activation: Activation) -> Cell:
    """h' = activation(given + before)."""

    def cell(given: Value, before: Value, states: tuple[Value, ...]) -> tuple[Value, ...]:
        return (activate(given + before, activation),)

    return cell


def lstm_cell(given: Value, before: Value, states: tuple[Value, ...]) -> tuple[Value, ...]:
    """i, f, g, o = given + before; c' = sigmoid(f) · c + sigmoid(i) · tanh(g);
    h' = sigmoid(o) · tanh(c')."""
    i, f, g, o = parts(given + before, 4)
    c = Sigmoid()(f) * states[1] + Sigmoid()(i) * Tanh()(g)
    return Sigmoid()(o) * Tanh()(c), c


def gru_cell(given: Value, before: Value, states: tuple[Value, ...]) -> tuple[Value, ...]:
    """r, z, n = given; r', z', n' = before; s = sigmoid(z + z');
    h' = (1 - s) · tanh(n + sigmoid(r + r') · n') + s · h."""
    (r, z, n), (r2, z2, n2) = parts(given, 3), parts(before, 3)
    new = Tanh()(n + Sigmoid()(r + r2) * n2)
    share = Sigmoid()(z + z2)
    return ((1.0 - share) * new + share * states[0],)


def parts(x: Value, count: int) -> list[Value]:
    """Equal parts along the last axis of (N, count·H)."""
    size = int(x.shape[1]) // count  # type: ignore[arg-type]
    return [x[:, k * size : (k + 1) * size] for k in range(count)]


def with_state(cell: Cell, weight: Value, *bias: Value) -> Step:
    """The step of a cell whose state contributes `weight` (G·H, H) times h, plus `bias`."""

    def step(given: Value, states: tuple[Value, ...]) -> tuple[Value, ...]:
        return cell(given, Dense()(states[0], weight, *bias, name="recurrent"), states)

    return step


def contribution(rows: Value, weight: Value, *bias: Value, name: str = "") -> Value:
    """What the input (T, N, F) gives at all steps, as one product: (T, N, G·H)."""
    steps, items, features = rows.shape
    flat = Reshape((merged_size((steps, items)), features))(rows)
    found = Dense()(flat, weight, *bias, name=name)
    return Reshape((steps, items, weight.shape[0]))(found)


def over_steps(
    step: Step,
    given: Value,
    start: Sequence[Value],
    mask: Value | None = None,
    reverse: bool = False,
    name: str = "",
) -> tuple[Value, tuple[Value, ...]]:
    """The first state at every step, (T, N, H), and all states after the last one.

    Args:
        given: what the input gives, (T, N, G·H).
        start: the states before the first step, each (N, H).
        mask: (T, N, 1), whether a step counts for an item. Where it does not, its states stay, and
            what is shown is 0.
        reverse: from the last step to the first.
    """

    def body(states: tuple[Value, ...], at: tuple[Value, ...]) -> Any:
        new = step(at[0], states)
        if mask is None:
            return new, new[0]
        on = at[1]
        kept = tuple(Where()(on, n, old) for n, old in zip(new, states, strict=True))
        return kept, Where()(on, new[0], constant_of(0.0, given.dtype))

    xs = (given,) if mask is None else (given, mask)
    last, ys = scan(body, tuple(start), xs, axis=0, reverse=reverse, name=name)
    return ys, last


def counted(lengths: Value, steps: int) -> Value:
    """(T, N, 1): whether step t counts for item n."""
    places = constant_of(np.arange(steps, dtype=np.int64)[:, None])
    on = Less()(places, lengths)
    return Reshape((*on.shape, 1))(on)
