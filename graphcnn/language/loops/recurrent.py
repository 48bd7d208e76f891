"""Recurrent layers: `rnn`, `lstm` and `gru`, as loops over the steps of sequences (N, T, F).

What the input contributes is one product for all steps, before the loop; in it stands what the
state contributes.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphcnn.errors import GraphError
from graphcnn.ir.node import Value
from graphcnn.ir.tensor_type import DType
from graphcnn.language.arguments import Activation, positive, scoped
from graphcnn.language.errors import located
from graphcnn.language.loops.cells import (
    Cell,
    contribution,
    counted,
    gru_cell,
    lstm_cell,
    over_steps,
    rnn_cell,
    with_state,
)
from graphcnn.language.sources import learned
from graphcnn.ops.gather import filled
from graphcnn.ops.parts.checks import check_float
from graphcnn.ops.shape import Concat, Transpose


@located
def rnn(
    x: Value,
    units: int,
    *,
    activation: Activation = "tanh",
    start: Value | None = None,
    lengths: Value | None = None,
    reverse: bool = False,
    bidirectional: bool = False,
    bias: bool = True,
    name: str = "",
) -> tuple[Value, Value]:
    """A recurrent layer: h[t] = tanh(W x[t] + b + U h[t-1]).

    Args:
        x: sequences (N, T, F).
        units: size H of the state.
        activation: a name such as "relu", or a function of a tensor.
        start: h before the first step, (N, H); zeros by default.
        lengths: int64 (N,): of item n only the first `lengths[n]` steps count. At the others h
            stays, and the result is 0.
        reverse: from the last step to the first. Each result stands at the place of its step.
        bidirectional: two layers, one each way, whose results lie behind each other: 2·H.
        bias: add b.

    Returns:
        (ys, h): all states (N, T, H), and the last one (N, H).
    """
    size = positive(units, "units")
    layer = _Layer(rnn_cell(activation), size, 1, 1, bias, False, 0.0, name or "rnn")
    ys, (last,) = layer.over(x, _given(start), lengths, reverse, bidirectional)
    return ys, last


@located
def lstm(
    x: Value,
    units: int,
    *,
    start: tuple[Value, Value] | None = None,
    lengths: Value | None = None,
    reverse: bool = False,
    bidirectional: bool = False,
    bias: bool = True,
    forget_bias: float = 1.0,
    name: str = "",
) -> tuple[Value, tuple[Value, Value]]:
    """Long short-term memory (S. Hochreiter, J. Schmidhuber, 1997; with a gate that forgets).

        i, f, g, o = W x[t] + b + U h[t-1]                       four parts, in this order
        c[t] = sigmoid(f) · c[t-1] + sigmoid(i) · tanh(g)
        h[t] = sigmoid(o) · tanh(c[t])

    W is (4·H, F), U is (4·H, H): rows in the order of PyTorch, whose two biases add up to b.

    Args:
        start: (h, c) before the first step; zeros by default.
        forget_bias: where b begins for f, so that a new layer remembers (R. Jozefowicz et al.,
            2015). The rest of b begins with 0.
        x, units, lengths, reverse, bidirectional, bias: as for `rnn`.

    Returns:
        (ys, (h, c)): all h (N, T, H), and the last h and c (N, H).
    """
    size = positive(units, "units")
    layer = _Layer(lstm_cell, size, 4, 2, bias, False, float(forget_bias), name or "lstm")
    ys, (h, c) = layer.over(x, _given(start), lengths, reverse, bidirectional)
    return ys, (h, c)


@located
def gru(
    x: Value,
    units: int,
    *,
    start: Value | None = None,
    lengths: Value | None = None,
    reverse: bool = False,
    bidirectional: bool = False,
    bias: bool = True,
    name: str = "",
) -> tuple[Value, Value]:
    """A gated recurrent unit (K. Cho et al., 2014), as PyTorch and cuDNN have it.

        r, z, n = W x[t] + b;  r', z', n' = U h[t-1] + b'        three parts each, in this order
        g = tanh(n + sigmoid(r + r') · n');  s = sigmoid(z + z')
        h[t] = (1 - s) · g + s · h[t-1]

    Args:
        x, units, start, lengths, reverse, bidirectional, bias: as for `rnn`.

    Returns:
        (ys, h): all states (N, T, H), and the last one (N, H).
    """
    size = positive(units, "units")
    layer = _Layer(gru_cell, size, 3, 1, bias, bias, 0.0, name or "gru")
    ys, (last,) = layer.over(x, _given(start), lengths, reverse, bidirectional)
    return ys, last


class _Layer:
    """A cell with its weights, over sequences.

    Args:
        gates: parts of size `units` that input and state contribute.
        states: tensors of size `units` that are carried, the first of them the result.
        inner_bias: whether the state's contribution has a bias of its own.
        forget: where the second part of the bias begins.
    """

    def __init__(
        self,
        cell: Cell,
        units: int,
        gates: int,
        states: int,
        bias: bool,
        inner_bias: bool,
        forget: float,
        name: str,
    ) -> None:
        self.cell, self.units, self.gates, self.states = cell, units, gates, states
        self.bias, self.inner_bias, self.forget, self.name = bias, inner_bias, forget, name

    def over(
        self,
        x: Value,
        start: Sequence[Value] | None,
        lengths: Value | None,
        reverse: bool,
        bidirectional: bool,
    ) -> tuple[Value, tuple[Value, ...]]:
        """All results, and the last states."""
        self._check(x, start, lengths, bidirectional)
        mask = None if lengths is None else counted(lengths, int(x.shape[1]))  # type: ignore[arg-type]
        rows = Transpose((1, 0, 2))(x)
        if not bidirectional:
            ys, last = self._one_way(rows, start, mask, reverse, self.name)
            return Transpose((1, 0, 2))(ys), last
        both = [
            self._one_way(rows, start, mask, way, f"{self.name}.{word}")
            for way, word in ((False, "forward"), (True, "backward"))
        ]
        ys = Concat(2)(*(found for found, _ in both))
        last = tuple(Concat(1)(*pair) for pair in zip(*(found for _, found in both), strict=True))
        return Transpose((1, 0, 2))(ys), last

    def _one_way(
        self,
        rows: Value,
        start: Sequence[Value] | None,
        mask: Value | None,
        reverse: bool,
        name: str,
    ) -> tuple[Value, tuple[Value, ...]]:
        size, dtype = self.gates * self.units, rows.dtype
        weight = learned((size, int(rows.shape[2])), "xavier", dtype)  # type: ignore[arg-type]
        given = contribution(rows, weight, *self._biases(dtype), name=scoped(f"{name}.input", ""))
        inner = learned((size, self.units), "orthogonal", dtype)
        more = [learned((size,), "zeros", dtype)] if self.inner_bias else []
        zeros = [filled((rows.shape[1], self.units), 0.0, dtype)] * self.states
        step = with_state(self.cell, inner, *more)
        return over_steps(step, given, start or zeros, mask, reverse, name)

    def _biases(self, dtype: DType) -> list[Value]:
        if not self.bias:
            return []
        begin = np.zeros(self.gates * self.units, dtype.numpy)
        if self.gates > 1:
            begin[self.units : 2 * self.units] = self.forget
        return [learned(begin.shape, begin if begin.any() else "zeros", dtype)]

    def _check(
        self, x: Value, start: Sequence[Value] | None, lengths: Value | None, bidirectional: bool
    ) -> None:
        if x.type.rank != 3 or not isinstance(x.shape[1], int) or not isinstance(x.shape[2], int):
            raise GraphError(
                f"x must be sequences (N, T, F) with a known number of steps, found {x.type}"
            )
        check_float(x=x.type)
        expected = x.type.with_shape((x.shape[0], self.units))
        if start is not None and bidirectional:
            raise GraphError("start is of one direction: call the layer once for each, and concat")
        if start is not None and [s.type for s in start] != [expected] * self.states:
            found = ", ".join(str(s.type) for s in start)
            raise GraphError(f"start must be {self.states} × {expected}, found {found}")
        if lengths is None:
            return
        if not isinstance(lengths, Value) or (lengths.shape, lengths.dtype) != (
            x.shape[:1],
            DType.INT64,
        ):
            found = str(lengths.type if isinstance(lengths, Value) else lengths)
            raise GraphError(
                f"lengths must be i64[{x.shape[0]}], one number of steps for each item, "
                f"found {found}"
            )


def _given(start: Any) -> tuple[Value, ...] | None:
    """The states that a layer starts with, from one or several."""
    if start is None:
        return None
    values = start if isinstance(start, tuple | list) else (start,)
    if not all(isinstance(v, Value) for v in values):
        raise GraphError(f"start must be a tensor, or a pair of them for lstm, found {start!r}")
    return tuple(values)
