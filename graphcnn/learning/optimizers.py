"""Optimisers: rules that build the update of one parameter as graph nodes.

The formulas are those of PyTorch. Throughout, p is the parameter, g its gradient, lr the learning
rate, t the step counting from 1, wd the weight decay. All slots start at zero.

Weight decay pulls kernels and matrices towards 0. Biases and the gamma and beta of batch
normalisation are left alone: they are not many, and shrinking them does not simplify a network.
"""

from dataclasses import KW_ONLY, dataclass, fields, replace
from typing import Any, ClassVar, Self

from graphcnn.errors import GraphError
from graphcnn.ir.node import Value, constant_of
from graphcnn.ir.tensor_type import DType
from graphcnn.language.arguments import choose
from graphcnn.learning.schedules import Schedule, is_number, schedule
from graphcnn.ops.elementwise import Cast, Sqrt, as_type

Slots = dict[str, Value]


@dataclass(frozen=True)
class Optimizer:
    """`learning_rate` is a number or a `Schedule`.

    `weight_decay` wd adds wd·p to the gradient of every parameter that `decays`; `clip_norm` c
    scales all gradients so that their common norm is at most c, before anything else happens; it is
    applied by the pass that sees them all.

    `suggested_rate` and `suggested_momentum` of a class suit small networks: `suggested` takes them
    where nobody says another, as the command line does. None is the default of the class.
    """

    suggested_rate: ClassVar[float | None] = None
    suggested_momentum: ClassVar[float | None] = None

    learning_rate: float | Schedule
    _: KW_ONLY
    weight_decay: float = 0.0
    clip_norm: float | None = None

    def __post_init__(self) -> None:
        schedule(self.learning_rate)
        self._check("weight_decay", 0)
        if self.clip_norm is not None:
            self._check("clip_norm", 0, open_below=True)

    @classmethod
    def suggested(cls, **settings: Any) -> Self:
        """One with these settings, and for the others with what its class suggests."""
        found = {"learning_rate": cls.suggested_rate, "momentum": cls.suggested_momentum}
        return cls(**{key: x for key, x in found.items() if x is not None} | settings)

    @property
    def slots(self) -> tuple[str, ...]:
        """Names of the tensors, one of each per parameter and of its shape, kept between steps."""
        return ()

    def rate(self, step: int) -> float:
        """The learning rate of step `step`, 1 for the first."""
        return schedule(self.learning_rate).at(step)

    def over(self, steps_per_epoch: int | None, epochs: float = 1) -> Self:
        """With the schedules of a run of so many epochs; see `Schedule.over`."""
        found = {f.name: getattr(self, f.name) for f in fields(self)}
        changed: dict[str, Any] = {
            name: x.over(steps_per_epoch, epochs)
            for name, x in found.items()
            if isinstance(x, Schedule)
        }
        return replace(self, **changed) if changed else self

    def decays(self, parameter: Value) -> bool:
        """Whether weight decay applies: to parameters of two and more axes."""
        return bool(self.weight_decay) and parameter.type.rank >= 2

    def update(
        self,
        parameter: Value,
        gradient: Value,
        slots: Slots,
        learning_rate: Value,
        step: Value,
    ) -> tuple[Value, Slots]:
        """(new parameter, new slots) after one step.

        Args:
            slots: one value for each name of `self.slots`, of the parameter's type.
            learning_rate: f32[].
            step: i64[], counting from 1.
        """
        raise NotImplementedError

    def _decayed(self, parameter: Value, gradient: Value) -> Value:
        """g + wd·p: the gradient of the loss plus wd/2 times the sum of all squared weights."""
        return gradient + parameter * self.weight_decay if self.decays(parameter) else gradient

    def _check(
        self, name: str, low: float, high: float | None = None, open_below: bool = False
    ) -> None:
        """Raise `GraphError` unless low <= field < high (low < field where `open_below`)."""
        x = getattr(self, name)
        if is_number(x) and (x > low or (x == low and not open_below)):
            if high is None or x < high:
                return
        least = f"greater than {low}" if open_below else f"at least {low}"
        most = "" if high is None else f" and less than {high}"
        raise GraphError(
            f"{type(self).__name__}: {name} must be a number {least}{most}, found {x!r}"
        )


@dataclass(frozen=True)
class SGD(Optimizer):
    """Stochastic gradient descent, with momentum m (I. Sutskever et al., ICML 2013).

    g += wd·p       v = m·v + g       p -= lr·v       nesterov: p -= lr·(g + m·v)

    Slot: velocity, if there is momentum.
    """

    suggested_rate = 0.05
    suggested_momentum = 0.9

    learning_rate: float | Schedule = 0.01
    momentum: float = 0.0
    nesterov: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check("momentum", 0, 1)
        if self.nesterov and not self.momentum:
            raise GraphError("SGD: nesterov needs a momentum greater than 0, found 0")

    @property
    def slots(self) -> tuple[str, ...]:
        return ("velocity",) if self.momentum else ()

    def update(
        self,
        parameter: Value,
        gradient: Value,
        slots: Slots,
        learning_rate: Value,
        step: Value,
    ) -> tuple[Value, Slots]:
        lr, g = as_type(learning_rate, parameter.dtype), self._decayed(parameter, gradient)
        if not self.momentum:
            return parameter - lr * g, {}
        v = slots["velocity"] * self.momentum + g
        direction = g + v * self.momentum if self.nesterov else v
        return parameter - lr * direction, {"velocity": v}


@dataclass(frozen=True)
class RMSProp(Optimizer):
    """Gradients divided by their running root mean square (T. Hinton, lecture 6e, 2012).

    g += wd·p       s = decay·s + (1 - decay)·g²       d = g / (sqrt(s) + epsilon)
    p -= lr·d       with momentum m: b = m·b + d, p -= lr·b

    Slots: square (s), and velocity (b) if there is momentum.
    """

    suggested_rate = 0.001

    learning_rate: float | Schedule = 1e-3
    decay: float = 0.99
    epsilon: float = 1e-8
    momentum: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check("decay", 0, 1)
        self._check("epsilon", 0, open_below=True)
        self._check("momentum", 0, 1)

    @property
    def slots(self) -> tuple[str, ...]:
        return ("square", "velocity") if self.momentum else ("square",)

    def update(
        self,
        parameter: Value,
        gradient: Value,
        slots: Slots,
        learning_rate: Value,
        step: Value,
    ) -> tuple[Value, Slots]:
        lr, g = as_type(learning_rate, parameter.dtype), self._decayed(parameter, gradient)
        square = slots["square"] * self.decay + g * g * (1 - self.decay)
        direction = g / (Sqrt()(square) + self.epsilon)
        if not self.momentum:
            return parameter - lr * direction, {"square": square}
        velocity = slots["velocity"] * self.momentum + direction
        return parameter - lr * velocity, {"square": square, "velocity": velocity}


@dataclass(frozen=True)
class Adam(Optimizer):
    """Running mean over running root mean square (D. Kingma, J. Ba, arXiv:1412.6980).

    g += wd·p
    m = beta1·m + (1 - beta1)·g         v = beta2·v + (1 - beta2)·g²
    p -= lr · (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + epsilon)

    Slots: mean (m), square (v). The two corrections are computed in float64: in float32
    1 - 0.999 is wrong from its fifth digit on.
    """

    suggested_rate = 0.002

    learning_rate: float | Schedule = 1e-3
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check("beta1", 0, 1)
        self._check("beta2", 0, 1)
        self._check("epsilon", 0, open_below=True)

    @property
    def slots(self) -> tuple[str, ...]:
        return ("mean", "square")

    def update(
        self,
        parameter: Value,
        gradient: Value,
        slots: Slots,
        learning_rate: Value,
        step: Value,
    ) -> tuple[Value, Slots]:
        return self._adam(parameter, self._decayed(parameter, gradient), slots, learning_rate, step)

    def _adam(
        self, parameter: Value, g: Value, slots: Slots, learning_rate: Value, step: Value
    ) -> tuple[Value, Slots]:
        dtype, t = parameter.dtype, Cast(DType.FLOAT64)(step)
        mean = slots["mean"] * self.beta1 + g * (1 - self.beta1)
        square = slots["square"] * self.beta2 + g * g * (1 - self.beta2)
        rate = as_type(as_type(learning_rate, DType.FLOAT64) / _correction(self.beta1, t), dtype)
        root = as_type(Sqrt()(_correction(self.beta2, t)), dtype)
        new = parameter - rate * mean / (Sqrt()(square) / root + self.epsilon)
        return new, {"mean": mean, "square": square}


@dataclass(frozen=True)
class AdamW(Adam):
    """Adam with weight decay outside of it (I. Loshchilov, F. Hutter, arXiv:1711.05101).

    p -= lr·wd·p, then the step of `Adam` with the gradient as it is.
    """

    _: KW_ONLY
    weight_decay: float = 0.01

    def update(
        self,
        parameter: Value,
        gradient: Value,
        slots: Slots,
        learning_rate: Value,
        step: Value,
    ) -> tuple[Value, Slots]:
        p = parameter
        if self.decays(parameter):
            p = p - as_type(learning_rate, p.dtype) * self.weight_decay * p
        return self._adam(p, gradient, slots, learning_rate, step)


#: What `optimizer=` accepts as a name, with default settings.
OPTIMIZERS: dict[str, type[Optimizer]] = {
    "sgd": SGD, "rmsprop": RMSProp, "adam": Adam, "adamw": AdamW
}  # fmt: skip


def optimizer(spec: Any) -> Optimizer:
    """An optimiser from itself, or one with default settings from its name.

    Raises:
        GraphError: the name is unknown; the message holds the nearest known one.
    """
    if isinstance(spec, Optimizer):
        return spec
    if isinstance(spec, str):
        return choose(OPTIMIZERS, spec.lower(), "optimizer")()  # type: ignore[call-arg]
    raise GraphError(
        f"optimizer must be a name ({', '.join(OPTIMIZERS)}) or an Optimizer such as "
        f"SGD(0.05, momentum=0.9), found {spec!r}"
    )


def _correction(beta: float, t: Value) -> Value:
    """1 - beta^t: what the running mean of a constant 1 has reached after t steps."""
    return 1.0 - constant_of(beta, t.dtype) ** t
