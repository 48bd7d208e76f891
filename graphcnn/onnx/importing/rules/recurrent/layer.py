"""RNN, GRU and LSTM of ONNX: their inputs read and checked, one loop for each direction.

X is (T, N, F), W (D, G·H, F), R (D, G·H, H), B (D, 2·G·H), initial states (D, N, H), P (D, 3·H);
with `layout` 1 X is (N, T, F) and states are (N, D, H). Y is (T, D, N, H), or (N, T, D, H). D is
the number of directions. Of weights that the file stores each direction becomes a parameter in the
order of our layers; others are cut by the graph.
"""

from collections.abc import Sequence

import numpy as np

from graphcnn.errors import ImportModelError
from graphcnn.ir.node import Value
from graphcnn.ir.tensor_type import Dim, DType, TensorType
from graphcnn.language.loops.cells import contribution, counted, over_steps
from graphcnn.onnx.importing.context import (
    Call,
    Known,
    UnsupportedError,
    cast_to,
    imports,
)
from graphcnn.onnx.importing.rules.parts import cut
from graphcnn.onnx.importing.rules.recurrent.cells import KINDS, separate_bias, step_of
from graphcnn.onnx.importing.rules.recurrent.functions import chosen_functions
from graphcnn.onnx.importing.rules.recurrent.weights import Part, is_zero, part
from graphcnn.ops.gather import filled
from graphcnn.ops.shape import Concat, Reshape, Transpose

DIRECTIONS = {"forward": (False,), "reverse": (True,), "bidirectional": (False, True)}


@imports("RNN", "GRU", "LSTM")
def recurrent(call: Call) -> list[Value | None]:
    return _Layer(call).results()


class _Layer:
    """A recurrent node. Raises `ImportModelError` where its inputs do not fit each other."""

    def __init__(self, call: Call) -> None:
        self.call, self.kind = call, KINDS[call.op_type]
        word = call.attribute("direction", "forward")
        word = word.decode(errors="replace") if isinstance(word, bytes) else word
        if word not in DIRECTIONS:
            raise ImportModelError(
                f"attribute 'direction' must be {', '.join(DIRECTIONS)}, found {word!r}"
            )
        self.ways, self.batch_first = DIRECTIONS[word], bool(call.attribute("layout", 0))
        x = call.value(0)
        if x.type.rank != 3 or not x.dtype.is_float:
            order = "(N, T, F)" if self.batch_first else "(T, N, F)"
            raise ImportModelError(f"X must be floats {order}, found {x.type}")
        self.rows = Transpose((1, 0, 2))(x) if self.batch_first else x
        steps, self.items, features = self.rows.shape
        if not isinstance(steps, int) or not isinstance(features, int):
            raise UnsupportedError(
                f"the number of steps and that of features must be known, found X {x.type}: axis "
                f"{int(self.batch_first)} counts the steps, give its size in inputs="
            )
        self.steps, self.features = steps, features
        self._check_weights()
        self.chosen = chosen_functions(call, self.kind.functions, len(self.ways))
        self.mask = self._mask()

    # Checks

    def _check_weights(self) -> None:
        call, count, gates = self.call, len(self.ways), len(self.kind.gates)
        r = _shape(call, 2)
        size = r[-1] if r else 0
        self.units = int(call.attribute("hidden_size", size))
        if self.units < 1:
            raise ImportModelError(f"attribute 'hidden_size' must be at least 1, is {self.units}")
        h = self.units
        made = f"{gates} gates × hidden_size {h}" if gates > 1 else f"hidden_size {h}"
        self._expect(1, "W", (count, gates * h, self.features), f"{made}, features of X")
        self._expect(2, "R", (count, gates * h, h), f"{made}, hidden_size")
        self._expect(3, "B", (count, 2 * gates * h), f"2 × {made}: one half of W, one of R")
        state = (self.items, count, h) if self.batch_first else (count, self.items, h)
        words = "items, directions" if self.batch_first else "directions, items"
        for i, name in enumerate(("initial_h", "initial_c")[: self.kind.states]):
            self._expect(5 + i, name, state, f"{words}, hidden_size {h}")
        if self.kind.peepholes:
            self._expect(7, "P", (count, 3 * h), f"3 gates × hidden_size {h}")

    def _expect(self, index: int, name: str, shape: tuple[Dim, ...], words: str) -> None:
        """Raise unless the input is absent, or of a shape and of X's type."""
        if not self.call.has(index) and index > 2:
            return
        found, dtype = _shape(self.call, index), _dtype(self.call, index)
        if found != shape or dtype is not self.rows.dtype:
            lead = "" if words.startswith(("directions", "items")) else "directions, "
            expected = TensorType(shape, self.rows.dtype)
            raise ImportModelError(
                f"{name} must be {expected} ({lead}{words}), found {TensorType(found, dtype)}"
            )

    def _mask(self) -> Value | None:
        """(T, N, 1), whether a step counts for an item; None where all steps do."""
        if not self.call.has(4):
            return None
        found, dtype = self.call.given(4), _dtype(self.call, 4)
        shape = _shape(self.call, 4)
        if shape != (self.items,) or dtype not in (DType.INT32, DType.INT64):
            raise ImportModelError(
                f"sequence_lens must be i32[{self.items}], one number for each item, found "
                f"{TensorType(shape, dtype)}"
            )
        if isinstance(found, Known):
            if found.array.size and (found.array.min() < 0 or found.array.max() > self.steps):
                raise ImportModelError(
                    f"sequence_lens must be from 0 to the number of steps {self.steps}, found "
                    f"{found.array.tolist()[:8]}"
                )
            if np.all(found.array == self.steps):
                return None
        return counted(cast_to(self.call.value(4), DType.INT64), self.steps)

    # Results

    def results(self) -> list[Value | None]:
        """Y, Y_h and, of an LSTM, Y_c."""
        found = [self._one_way(i) for i in range(len(self.ways))]
        axis = 2 if self.batch_first else 1
        ys = [Transpose((1, 0, 2))(y) if self.batch_first else y for y, _ in found]
        lasts = []
        for states in zip(*(last for _, last in found), strict=True):
            a = 1 if self.batch_first else 0
            lasts.append(_joined([_widened(s, a) for s in states], a))
        return [_joined([_widened(y, axis) for y in ys], axis), *lasts]

    def _one_way(self, i: int) -> tuple[Value, tuple[Value, ...]]:
        call, gates = self.call, self.kind.gates
        name = call.name + (f".{('forward', 'backward')[i]}" if len(self.ways) > 1 else "")
        w = part(call, 1, i, Part(gates), f"{name}.input.weight")
        r = part(call, 2, i, Part(gates), f"{name}.recurrent.weight")
        outer, inner = list[Value](), list[Value]()
        if call.has(3):
            apart = separate_bias(call)
            first = Part(gates, (0,) if apart else (0, 1))
            outer.append(part(call, 3, i, first, f"{name}.input.bias"))
            if apart:
                inner.append(part(call, 3, i, Part(gates, (1,)), f"{name}.recurrent.bias"))
        peepholes: tuple[Value, ...] = ()
        if self.kind.peepholes and call.has(7):
            p, h = part(call, 7, i, Part(), f"{name}.peepholes"), self.units
            peepholes = tuple(cut(p, 0, k * h, h) for k in range(self.kind.peepholes))
        step = step_of(call, self.chosen[i], r, tuple(inner), peepholes)
        given = contribution(self.rows, w, *outer, name=f"{name}.input")
        start = [self._start(5 + k, i, name) for k in range(self.kind.states)]
        return over_steps(step, given, start, self.mask, self.ways[i], name)

    def _start(self, index: int, i: int, name: str) -> Value:
        """A state before the first step, (N, H)."""
        if not self.call.has(index) or is_zero(self.call, index):
            return filled((self.items, self.units), 0.0, self.rows.dtype)
        name = f"{name}.{'hc'[index - 5]}"
        return part(self.call, index, i, Part(), name, 1 if self.batch_first else 0)


def _shape(call: Call, index: int) -> tuple[Dim, ...]:
    found = call.given(index)
    return found.array.shape if isinstance(found, Known) else found.shape


def _dtype(call: Call, index: int) -> DType:
    found = call.given(index)
    return DType.of(found.array.dtype) if isinstance(found, Known) else found.dtype


def _widened(x: Value, axis: int) -> Value:
    return Reshape((*x.shape[:axis], 1, *x.shape[axis:]))(x)


def _joined(parts: Sequence[Value], axis: int) -> Value:
    return parts[0] if len(parts) == 1 else Concat(axis)(*parts)
