"""What a loss is: its function with its settings, and all that is known of it."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, ClassVar

from graphcnn.errors import GraphError
from graphcnn.ir.node import Array, Op, Value
from graphcnn.ir.tensor_type import DType, TensorType
from graphcnn.learning.metrics.base import Measure
from graphcnn.ops.activation import Sigmoid

#: A loss alone, or with numbers that are reported beside it, by name.
Parts = tuple[Value, Mapping[str, Value]]


def class_numbers(prediction: TensorType) -> TensorType:
    """One class index per item, or for a prediction (N, K, H, W) one per pixel."""
    return TensorType((*prediction.shape[:1], *prediction.shape[2:]), DType.INT64)


def like_prediction(prediction: TensorType) -> TensorType:
    """A number for each that is predicted."""
    return prediction


class Loss:
    """A loss with its settings: what `loss=` takes besides names and functions.

    A subclass is a frozen dataclass whose fields are the settings, keyword arguments of `function`.
    One more in `graphcnn.learning.losses.known` has a name too: by it the loss is trained,
    measured, saved with a model, made readable and offered by the command line.

        @dataclass(frozen=True)
        class Cubic(cnn.losses.Loss):
            scale: float = 1.0

            @staticmethod
            def function(prediction, target, *, scale, weights=None):
                return cnn.mean(cnn.abs(prediction - target) ** 3.0) * scale

    Attributes:
        name: what users call it, and what is saved with a model that was trained with it.
        function: of the predictions and the target, a float scalar. One that takes the keyword
            `weights` can be given weights of the items.
        readable: the operator that makes of what the function takes what people read:
            probabilities of logits. The function applies it itself, so a model that is proven to
            end in it has its loss computed of what stands before, and `predict` applies it to the
            outputs of others. None where the prediction itself is read.
        metrics: what is reported besides the loss, where nobody says otherwise.
        predictions: how many predictions it compares; None is any number. One that is given alone
            and compares several takes the outputs that are called as the arguments of `function`,
            where a model has such, else all outputs in their order.
        targeted: whether it takes a target, behind the predictions.
    """

    name: ClassVar[str] = ""
    function: ClassVar[Callable[..., Value]]
    readable: ClassVar[Op | None] = None
    metrics: ClassVar[Mapping[str, Measure]] = {}
    predictions: ClassVar[int | None] = 1
    targeted: ClassVar[bool] = True

    def __call__(self, *values: Value, weights: Any = None) -> Value:
        """The loss of predictions and their target, as a tensor of the graph."""
        given = self.options if weights is None else {**self.options, "weights": weights}
        return type(self).function(*values, **given)

    def parts(self, *values: Value, weights: Any = None) -> Parts:
        """The loss, and the numbers that are reported beside it, by name."""
        return (self(*values) if weights is None else self(*values, weights=weights)), {}

    @property
    def arguments(self) -> tuple[str, ...]:
        """The names of the predictions that `function` takes, () where it takes any number."""
        if self.predictions is None:
            return ()
        return (*inspect.signature(type(self).function).parameters,)[: self.predictions]

    def target(self, prediction: TensorType, targets: Array | None = None) -> TensorType | None:
        """The type of the targets for a (first) prediction of some type, where the data hold
        `targets`; None is what they hold."""
        return None

    def stand_in(self, prediction: TensorType) -> TensorType:
        """A type that targets may have, where only the data tell it and there are none yet."""
        return prediction

    @property
    def options(self) -> dict[str, Any]:
        """The settings by name."""
        if not is_dataclass(self):
            return {}
        return {f.name: getattr(self, f.name) for f in fields(self)}

    @property
    def spec(self) -> Any:
        """How a user would say it: its name where that says all, or the loss itself."""
        return self.name if self.name and self == type(self)() else self

    @property
    def takes_weights(self) -> bool:
        """Whether items can have weights."""
        return accepts(type(self).function, "weights")

    def scores(self, prediction: TensorType) -> int | None:
        """How many classes are told apart by a model trained so, None where it does not say: one
        for every channel that is read as a probability; two by a single sigmoid."""
        channels = prediction.shape[1] if prediction.rank > 1 else None
        if self.readable is None or not isinstance(channels, int):
            return None
        if channels == 1:
            return 2 if isinstance(self.readable, Sigmoid) else None
        return channels


@dataclass(frozen=True)
class Own(Loss):
    """A function of a user: of (prediction, target), or of several predictions and a target."""

    made: Callable[..., Value]
    predictions: ClassVar[int | None] = None

    def __call__(self, *values: Value, weights: Any = None) -> Value:
        if weights is None:
            return self.made(*values)
        return self.made(*values, weights=weights)

    @property
    def spec(self) -> Any:
        return self.made

    @property
    def takes_weights(self) -> bool:
        return accepts(self.made, "weights")


@dataclass(frozen=True)
class WithoutTarget(Loss):
    """A loss of predictions alone, such as the divergence of a code from a normal distribution.

        loss={"image": "mse", ("mean", "log_variance"): cnn.losses.WithoutTarget(divergence)}

    Attributes:
        made: a function of the predictions, a float scalar.
    """

    made: Callable[..., Value]
    predictions: ClassVar[int | None] = None
    targeted: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if not callable(self.made):
            raise GraphError(f"WithoutTarget takes a function of predictions, found {self.made!r}")

    def __call__(self, *values: Value, weights: Any = None) -> Value:
        if weights is None:
            return self.made(*values)
        return self.made(*values, weights=weights)

    @property
    def spec(self) -> Any:
        return self

    @property
    def takes_weights(self) -> bool:
        return accepts(self.made, "weights")


def accepts(function: Callable[..., Any], keyword: str) -> bool:
    """Whether a function takes this keyword argument, by name or with `**`."""
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):
        return False
    return any(
        p.kind is p.VAR_KEYWORD or (p.name == keyword and p.kind is not p.POSITIONAL_ONLY)
        for p in parameters.values()
    )
