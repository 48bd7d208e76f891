"""The cells of recurrent nodes: those of our layers where a node means the same, and the forms that
only ONNX has. Gates are in the order of our layers (`graphcnn.language.loops.cells`)."""

from dataclasses import dataclass
from typing import Final

from graphcnn.ir.node import Value
from graphcnn.language.loops.cells import (
    Cell,
    Step,
    gru_cell,
    lstm_cell,
    parts,
    rnn_cell,
    with_state,
)
from graphcnn.onnx.importing.context import Call
from graphcnn.onnx.importing.rules.parts import cut
from graphcnn.onnx.importing.rules.recurrent.functions import Chosen, Function
from graphcnn.ops.dense import Dense

Values = tuple[Value, ...]


@dataclass(frozen=True)
class Kind:
    """What a recurrent operator is made of.

    Attributes:
        gates: the places of ONNX's gates in the order of ours.
        states: tensors that are carried.
        functions: the activations that a node has by default.
        peepholes: parts of P, in ONNX's order.
    """

    gates: tuple[int, ...]
    states: int
    functions: tuple[str, ...]
    peepholes: int = 0


KINDS: Final = {
    "RNN": Kind((0,), 1, ("Tanh",)),
    "GRU": Kind((1, 0, 2), 1, ("Sigmoid", "Tanh")),
    "LSTM": Kind((0, 2, 3, 1), 2, ("Sigmoid", "Tanh", "Tanh"), 3),
}


def separate_bias(call: Call) -> bool:
    """Whether the state's contribution has a bias of its own, which another gate scales."""
    return call.op_type == "GRU" and bool(call.attribute("linear_before_reset", 0))


def step_of(call: Call, chosen: Chosen, weight: Value, bias: Values, peepholes: Values) -> Step:
    """The step of a node in one direction, whose states are multiplied by `weight` (G·H, H)."""
    functions = chosen.functions
    if call.op_type == "RNN":
        return with_state(rnn_cell(functions[0]), weight, *bias)
    if call.op_type == "LSTM":
        coupled = bool(call.attribute("input_forget", 0))
        plain = chosen.plain and not (peepholes or coupled)
        cell = lstm_cell if plain else _lstm(functions, peepholes, coupled)
        return with_state(cell, weight, *bias)
    if separate_bias(call):
        return with_state(gru_cell if chosen.plain else _gru(functions), weight, *bias)
    return _gru_reset_first(functions, weight)


def _lstm(functions: tuple[Function, ...], peepholes: Values, coupled: bool) -> Cell:
    """i, f, c, o as ONNX has them: i and f look at the old c, o at the new one; f is 1 - i where
    they are coupled."""
    f, g, h = functions

    def cell(given: Value, before: Value, states: Values) -> Values:
        i, forget, new, o = parts(given + before, 4)
        old = states[1]
        if peepholes:
            i = i + peepholes[0] * old
            forget = forget + peepholes[2] * old
        i = f(i)
        c = (1.0 - i if coupled else f(forget)) * old + i * g(new)
        o = f(o + peepholes[1] * c if peepholes else o)
        return o * h(c), c

    return cell


def _gru(functions: tuple[Function, ...]) -> Cell:
    """`gru_cell` with other functions."""
    f, g = functions

    def cell(given: Value, before: Value, states: Values) -> Values:
        (r, z, n), (r2, z2, n2) = parts(given, 3), parts(before, 3)
        new, share = g(n + f(r + r2) * n2), f(z + z2)
        return ((1.0 - share) * new + share * states[0],)

    return cell


def _gru_reset_first(functions: tuple[Function, ...], weight: Value) -> Step:
    """The cell whose gate r scales the state before it is multiplied: K. Cho et al., 2014."""
    f, g = functions
    size = int(weight.shape[1])  # type: ignore[arg-type]
    gates, candidate = cut(weight, 0, 0, 2 * size), cut(weight, 0, 2 * size, size)

    def step(given: Value, states: Values) -> Values:
        r, z, n = parts(given, 3)
        r2, z2 = parts(Dense()(states[0], gates), 2)
        new = g(n + Dense()(f(r + r2) * states[0], candidate))
        share = f(z + z2)
        return ((1.0 - share) * new + share * states[0],)

    return step
