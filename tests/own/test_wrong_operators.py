"""Operators that are not what they say: each is caught by `check_operator`, in words that tell."""

import itertools
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphcnn as cnn
from graphcnn.testing import ErrorSample, Sample, check_operator

Wrong = tuple[type[cnn.Operator], list[Any]]


class _Doubled(cnn.Operator):
    """y = 2·x, as it should be."""

    def forward(self, x: Any) -> Any:
        return 2 * x

    def backward(self, dy: Any, x: Any, y: Any) -> Any:
        return 2 * dy


class ForgetsTheTwo(_Doubled):
    """Its gradient is that of x."""

    def backward(self, dy: Any, x: Any, y: Any) -> Any:
        return 1 * dy


class GivesDouble(_Doubled):
    """Its results are of float64, whatever it reads."""

    def forward(self, x: Any) -> Any:
        return 2 * x.astype(np.float64)


class GradientInDouble(_Doubled):
    """Its gradients are."""

    def backward(self, dy: Any, x: Any, y: Any) -> Any:
        return np.full(x.shape, 2.0) * dy


class GivesMore(_Doubled):
    """It gives a row more than it promises."""

    def forward(self, x: Any) -> Any:
        return np.concatenate([x, x[:1]])


class WritesInto(_Doubled):
    """It works in the place of what it reads."""

    def forward(self, x: Any) -> Any:
        x *= 2
        return x


class Remembers(_Doubled):
    """It counts how often it is called."""

    counter = itertools.count()

    def forward(self, x: Any) -> Any:
        return 2 * x + np.asarray(next(self.counter), x.dtype)


class Random(_Doubled):
    """It adds noise."""

    def forward(self, x: Any) -> Any:
        return 2 * x + np.random.default_rng().random(x.shape).astype(x.dtype)


class CentresTheBatch(_Doubled):
    """It claims that items are apart, and takes their mean off."""

    acts_on = "items"

    def forward(self, x: Any) -> Any:
        return 2 * (x - x.mean(0))

    def backward(self, dy: Any, x: Any, y: Any) -> Any:
        return 2 * (dy - dy.mean(0))


class SumsRows(_Doubled):
    """It claims elements, and adds up rows: items alone are apart."""

    acts_on = "elements"

    def forward(self, x: Any) -> Any:
        return np.cumsum(x, -1)

    def backward(self, dy: Any, x: Any, y: Any) -> Any:
        return np.cumsum(dy[..., ::-1], -1)[..., ::-1]


class MeanForWeights(cnn.Operator):
    """The gradient of its weight is a mean over the items, no sum."""

    acts_on = "items"
    weights = ("w",)

    def forward(self, x: Any, w: Any) -> Any:
        return x * w

    def backward(self, dy: Any, x: Any, w: Any, y: Any) -> Any:
        return dy * w, (dy * x).mean(0)


class OneGradient(cnn.Operator):
    """It forgets the gradient of its second input."""

    def forward(self, a: Any, b: Any) -> Any:
        return a * b

    def backward(self, dy: Any, a: Any, b: Any, y: Any) -> Any:
        return dy * b


class NotFlat(_Doubled):
    """It claims to go in steps."""

    piecewise_constant = True


class OtherInOnnx(_Doubled):
    """What it exports is another function."""

    def onnx(self, x: Any) -> Any:
        return x * 3.0


class OtherSlope(cnn.Operator):
    """Its gradient in functions of the language is wrong."""

    def forward(self, x: Any) -> Any:
        return x * x

    def differentiate(self, dy: Any, x: Any, y: Any) -> Any:
        return dy * x


class Breaks(_Doubled):
    """It breaks on all but the smallest."""

    def forward(self, x: Any) -> Any:
        return x + np.ones(3, x.dtype)


class TakesAll(_Doubled):
    """It does not refuse what its sample says it does."""


X = (4, 5)
#: Each with its inputs, and what is said of it.
TABLE: dict[type[cnn.Operator], tuple[tuple[Any, ...], str]] = {
    ForgetsTheTwo: ((X,), r"gradient of .*x0?.* by differences"),
    GivesDouble: ((X,), r"types in float32 .* must be f32\[4,5\], found f64\[4,5\]"),
    GradientInDouble: ((X,), r"types of backward .* must be f32\[4,5\], found f64\[4,5\]"),
    GivesMore: ((X,), r"the result of forward must be f64\[4,5\], found f64\[5,5\]"),
    WritesInto: ((X,), r"forward raised ValueError: output array is read-only"),
    Remembers: ((X,), "determinism .* differs when the same numbers are read again"),
    Random: ((X,), "determinism .* differs when the same numbers are read again"),
    CentresTheBatch: ((X,), r"items of .* items along axis 0"),
    SumsRows: ((X,), r"items of .* items along axis 1"),
    MeanForWeights: ((X, (5,)), r"items of backward .* sum of"),
    OneGradient: ((X, X), "must give a gradient or None for each of the 2 inputs, found 1"),
    NotFlat: ((X,), "gradient of x along a random direction: 0.0, by differences"),
    OtherInOnnx: ((X,), "onnx of .* result 0 of onnx is"),
    OtherSlope: ((X,), "gradient of x along a random direction"),
    Breaks: ((X,), r"forward raised ValueError: operands .*\(test_wrong_operators.py:\d+\)"),
}


def complaints(cls: type[cnn.Operator], samples: Callable[[Any], list[Any]]) -> str:
    entered: Any = cnn.operator(cls)
    with pytest.raises(AssertionError) as caught:
        check_operator(entered, samples(entered()))
    return str(caught.value)


@pytest.mark.parametrize("cls", TABLE, ids=lambda cls: cls.__name__)
def test_what_is_wrong_is_told(cls: type[cnn.Operator]) -> None:
    inputs, expected = TABLE[cls]
    told = complaints(cls, lambda op: [Sample(op, *inputs, label="the sample")])
    assert re.search(expected, told, re.DOTALL), told
    assert told.startswith(f"{cls.name}: ") and "of the sample: " in told


def test_what_is_not_refused_is_told() -> None:
    told = complaints(TakesAll, lambda op: [Sample(op, X), ErrorSample(op, (3,), match="rank 2")])
    assert "(f32[3]) must be refused, with 'rank 2'; it gives f32[3]" in told
    assert told.startswith("takes_all: 1 of "), "and nothing else"


def test_misuse() -> None:
    entered: Any = cnn.operator(TakesAll)
    with pytest.raises(AssertionError, match="there is no sample"):
        check_operator(entered, [])
    with pytest.raises(AssertionError, match=r"no operator that @cnn\.operator entered"):
        check_operator(_Doubled, [])
    with pytest.raises(AssertionError, match="is no sample of takes_all"):
        check_operator(entered, [Sample(cnn.operator(ForgetsTheTwo)(), X)])
