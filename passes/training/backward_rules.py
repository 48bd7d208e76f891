"""Named sets of backward rules: other ways back through a network than the derivative.

A rule stands in for `Op.gradient` of every node of one operator and has its signature:
`rule(node, *cotangents of the outputs)` gives the cotangents of the inputs, as nodes, or None where
it leaves the node to its own derivative. A set is a table from names of
operators to rules, under a name; what is not in it keeps its derivative. With y = f(x), dy what
arrives at y, and dx what leaves at x:

    plain        nothing: the derivative
    guided       dx = f'(x) · max(dy, 0) at rectifiers
    deconv       dx = max(dy, 0) at rectifiers, whatever x was
    redirected   dx = f'(x) · dy, but dy where this is 0 for a whole item
    lrp          dx = f'(x) · dy · z / (z + epsilon · sign z) at what is linear, z its result
    deeplift     dx = dy · (f(x) - f(x0)) / (x - x0) at what is not linear, x0 of a baseline

Rectifiers are relu, leaky_relu, prelu, elu, silu, mish, gelu and hard_swish, and maximum and clip
with 0 as the lower bound, as relu6 is written.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from graphcnn.errors import GradientError
from graphcnn.ir.graph import topological_order, with_inputs
from graphcnn.ir.node import OPS, Node, Value, constant_of
from graphcnn.ir.sources import Constant, Input
from graphcnn.ops.activation import Relu
from graphcnn.ops.broadcast import BroadcastTo, unbroadcast
from graphcnn.ops.comparison import Equal, Where
from graphcnn.ops.elementwise import Abs, Maximum, Sqrt
from graphcnn.ops.norm import per_channel
from graphcnn.ops.pool import MaxPool2d, MaxPool2dGrad
from graphcnn.ops.reduce import Max

#: For every input of a node what arrives there, None for one without influence.
Cotangents = Sequence[Value | None]
Rule = Callable[..., Cotangents | None]


@dataclass(frozen=True)
class BackwardRules:
    """A set of rules. It applies to what occurs of its operators, and it must be something.

    Attributes:
        name: what errors, and the origins of the nodes that a rule made, call it.
        table: the rule of every operator that has one, by the operator's name.
    """

    name: str
    table: Mapping[str, Rule]


def rule_for(*operators: str) -> Callable[[Rule], dict[str, Rule]]:
    """Make a table of one rule for these operators; `first | second` joins two."""
    return lambda rule: dict.fromkeys(operators, rule)


def own_derivative(node: Node, *cotangents: Value | None) -> Cotangents:
    """The cotangents of the inputs by the operator's own `gradient`."""
    found: Cotangents = node.op.gradient(node, *cotangents)
    return found


# Rectifiers

_RECTIFIERS = (
    "relu", "leaky_relu", "prelu", "elu", "silu", "mish", "gelu", "hard_swish", "maximum", "clip",
)  # fmt: skip


@rule_for(*_RECTIFIERS)
def _guided(node: Node, dy: Value) -> Cotangents | None:
    return own_derivative(node, Relu()(dy)) if _rectifies(node) else None


@rule_for(*_RECTIFIERS)
def _deconv(node: Node, dy: Value) -> Cotangents | None:
    if not _rectifies(node):
        return None
    passed = Relu()(dy)
    fixed = [
        isinstance(x.node.op, Constant) or name == "slope"
        for x, name in zip(node.inputs, node.op.operands, strict=True)
    ]
    return [
        None if known else unbroadcast(passed, x.shape)
        for known, x in zip(fixed, node.inputs, strict=True)
    ]


@rule_for(*_RECTIFIERS)
def _redirected(node: Node, dy: Value) -> Cotangents | None:
    if not _rectifies(node):
        return None

    def open_where_closed(dx: Value | None) -> Value | None:
        if dx is None or dx.shape != dy.shape:
            return dx
        others = tuple(range(1, dx.type.rank))
        most = Max(others, keepdims=True)(Abs()(dx)) if others else Abs()(dx)
        return Where()(Equal()(most, constant_of(0.0, dy.dtype)), dy, dx)

    return [open_where_closed(dx) for dx in own_derivative(node, dy)]


def _rectifies(node: Node) -> bool:
    """Whether it is a rectifier: of those of two operands, what is cut off at 0."""
    if isinstance(node.op, Maximum):
        fixed = [v.node.op for v in node.inputs if isinstance(v.node.op, Constant)]
        return len(fixed) == 1 and not np.any(fixed[0].array)
    return bool(node.op.attributes.get("low", 0.0) == 0.0)


plain = BackwardRules("plain", {})

guided = BackwardRules("guided", _guided)
"""Guided backpropagation: dx = f'(x) · max(dy, 0) at every rectifier f.

Only paths on which every unit speaks for the score are followed back. One more relu per rectifier
than the derivative. J. T. Springenberg, A. Dosovitskiy, T. Brox, M. Riedmiller, arXiv:1412.6806.
"""

deconv = BackwardRules("deconv", _deconv)
"""The deconvolutional network: dx = max(dy, 0) at every rectifier, whatever went forward.

Convolutions are transposed, and maxima return to the places from which max pooling took them (its
switches), which is what their derivatives do. M. D. Zeiler, R. Fergus, arXiv:1311.2901.
"""

redirected = BackwardRules("redirected", _redirected)
"""The derivative, except that a rectifier passes dy as it is to an item of the batch of which it
would let nothing through at all. An image that excites no unit yet can so be improved.

It is decided item by item, from the whole result of the node: a rectifier with one open unit that
dy reaches has its derivative. C. Olah, A. Mordvintsev, L. Schubert, doi:10.23915/distill.00007,
whose program (lucid) moreover holds back what would lower units that are below 0 already.
"""


# Layer-wise relevance propagation


def lrp(epsilon: float = 1e-6) -> BackwardRules:
    """Layer-wise relevance propagation by the epsilon rule, as gradient times input.

    A unit z = sum of a_i · w_i + b hands the relevance R that it received to its inputs in
    proportion to what they contributed: R_i = a_i · w_i / (z + epsilon · sign z) · R, where
    sign 0 is 1. Relevance is carried divided by the value that it belongs to, so that this is

        dx = f'(x) · dy · z / (z + epsilon · sign z)

    and **the relevance of an input x is x · gradient**. It starts with that of the score, its
    value. The bias keeps its share, b / (z + epsilon · sign z) · R, and epsilon absorbs some: for
    epsilon -> 0 and without biases the relevances of an input add up to the score.

    It holds at conv2d, conv_transpose2d, dense, matmul by weights, batch_norm (whose mean and beta
    are a bias), avg_pool2d, global_avg_pool2d, add and sub (a residual is shared out by its two
    parts). Where two tensors that depend on inputs are multiplied each receives one half. At an
    activation (and clip, maximum and minimum by a constant) relevance passes unchanged, dx =
    dy · y / x, for relu the derivative, with x kept away from 0 by epsilon. Whatever else there is
    has its derivative: max pooling hands all to the maximum; concat, reshape and slice move it.

    S. Bach et al., PLOS ONE 10(7), 2015, doi:10.1371/journal.pone.0130140, equation 58; as
    gradient times input: M. Ancona et al., arXiv:1711.06104.

    Raises `GradientError` for an epsilon below 0.
    """
    if not epsilon >= 0:
        raise GradientError(f"epsilon must be at least 0, found {epsilon}")

    def shared_out(node: Node, dy: Value) -> Cotangents:
        return own_derivative(node, dy * stable_ratio(node.output, node.output))

    @rule_for(
        "conv2d", "conv_transpose2d", "dense", "avg_pool2d", "global_avg_pool2d", "add", "sub"
    )
    def linear(node: Node, dy: Value) -> Cotangents | None:
        return shared_out(node, dy)

    @rule_for("matmul")
    def matrix(node: Node, dy: Value) -> Cotangents | None:
        return None if all(map(_fed, node.inputs)) else shared_out(node, dy)

    @rule_for("batch_norm")
    def norm(node: Node, dy: Value) -> Cotangents | None:
        x, gamma, _, _, variance = node.inputs
        slope = gamma / Sqrt()(variance + node.op.attributes["epsilon"])
        return [dy * stable_ratio(node.output, node.output) * per_channel(slope, x), *[None] * 4]

    @rule_for("mul")
    def product(node: Node, dy: Value) -> Cotangents | None:
        return own_derivative(node, dy * 0.5) if all(map(_fed, node.inputs)) else None

    @rule_for(
        "leaky_relu", "prelu", "elu", "silu", "mish", "gelu", "hard_swish", "tanh", "sigmoid",
        "hard_sigmoid", "softplus", "clip", "maximum", "minimum",
    )  # fmt: skip
    def bend(node: Node, dy: Value) -> Cotangents | None:
        moving = [x for x in node.inputs if len(node.inputs) == 1 or _fed(x)]
        if len(moving) != 1 or moving[0].shape != node.output.shape:
            return None
        passed = dy * stable_ratio(node.output, moving[0])
        return [passed if x is moving[0] else None for x in node.inputs]

    def stable_ratio(a: Value, b: Value) -> Value:
        """a / b, with b moved away from 0 by epsilon; 0 where a and b are 0."""

        def number(x: float) -> Value:
            return constant_of(x, b.dtype)

        if epsilon == 0:
            return a / Where()(Equal()(b, number(0.0)), number(1.0), b)
        return a / (b + Where()(b >= number(0.0), number(epsilon), number(-epsilon)))

    return BackwardRules("lrp", linear | matrix | norm | product | bend)


def _fed(value: Value) -> bool:
    """Whether it depends on an input of the graph, so that it is no weight."""
    return any(isinstance(node.op, Input) for node in topological_order([value.node]))


# DeepLIFT

#: Differences smaller than this are none: the derivative takes the place of the slope.
_NEAR = 1e-7


def deeplift(baseline: Mapping[Value, Any]) -> BackwardRules:
    """DeepLIFT by its rescale rule: slopes from a baseline in place of derivatives.

        dx = dy · (f(x) - f(x0)) / (x - x0)    or dy · f'(x) where |x - x0| < 1e-7

    x0 is what x is where the inputs are those of the baseline: a second copy of the network, in the
    same graph, computes it. **The contribution of an input x is (x - x0) · gradient**, and all
    contributions add up to the difference of the scores, F(x) - F(x0).

    It holds at every activation and function of one element, and at quotients, powers, maxima and
    minima of which one operand is constant, as the slope of prelu is. A product of two tensors that
    depend on inputs is a · b - a0 · b0 = (a - a0) · (b + b0) / 2 + (b - b0) · (a + a0) / 2. Max
    pooling moves to the larger of both maxima and then from it: with m = max(y, y0), (m - y0) · dy
    belongs to the place of the maximum of x and (y - m) · dy to that of x0. What is linear has its
    derivative, which is the slope. So has all else, such as softmax and a quotient of two such
    tensors, for which the sum is not kept: take the score before the softmax.

    A. Shrikumar, P. Greenside, A. Kundaje, arXiv:1704.02685; at pooling as in captum and shap.

    Args:
        baseline: the inputs (any values) with what they are in the baseline: a tensor of the same
            type, or an array or number that broadcasts to it.

    Raises:
        GraphError: a baseline does not have the shape of its input.
    """
    reference = _Reference(
        {x: x0 if isinstance(x0, Value) else _filled(x, x0) for x, x0 in baseline.items()}
    )

    @rule_for("div", "pow", "maximum", "minimum", "prelu", *_bent())
    def slope(node: Node, dy: Value) -> Cotangents | None:
        moving = [i for i, v in enumerate(node.inputs) if reference(v) is not v]
        if len(moving) != 1 or node.output.dtype is not node.inputs[0].dtype:
            return None  # a cast
        (i,) = moving
        x = node.inputs[i]
        dx = x - reference(x)
        ratio = unbroadcast(dy * ((node.output - reference(node.output)) / dx), x.shape)
        own = own_derivative(node, dy)[i]
        near = Abs()(dx) < constant_of(_NEAR, x.dtype)
        found: list[Value | None] = [None] * len(node.inputs)
        found[i] = Where()(near, own, ratio) if own is not None else ratio
        return found

    @rule_for("mul")
    def product(node: Node, dy: Value) -> Cotangents | None:
        a, b = node.inputs
        if reference(a) is a or reference(b) is b:
            return None
        parts = [dy * ((v + reference(v)) * 0.5) for v in (b, a)]
        return [unbroadcast(p, v.shape) for p, v in zip(parts, (a, b), strict=True)]

    @rule_for("max_pool2d")
    def maxima(node: Node, dy: Value | None, _: Value | None = None) -> Cotangents | None:
        (x,), y = node.inputs, node.output
        if dy is None or reference(x) is x:
            return None
        assert isinstance(node.op, MaxPool2d)
        back, x0, y0 = MaxPool2dGrad(**node.op.window), reference(x), reference(y)
        larger, dx = Maximum()(y, y0), x - x0
        moved = back(x, (larger - y0) * dy) + back(x0, (y - larger) * dy)
        return [Where()(Abs()(dx) < constant_of(_NEAR, x.dtype), back(x, dy), moved / dx)]

    return BackwardRules("deeplift", slope | product | maxima)


def _bent() -> Iterator[str]:
    """The functions of one element that are not linear."""
    for name, op in OPS.items():
        linear = op.involution or op.name == "dropout"
        if op.elementwise and len(op.operands) == 1 and not op.piecewise_constant and not linear:
            yield name


def _filled(x: Value, x0: Any) -> Value:
    number = constant_of(x0, x.dtype)
    return number if number.shape == x.shape else BroadcastTo(x.shape)(number)


class _Reference:
    """What a value is in the baseline: itself, where it does not depend on an input of it."""

    def __init__(self, baseline: Mapping[Value, Value]) -> None:
        for x, x0 in baseline.items():
            if x0.type != x.type:
                raise GradientError(f"the baseline of {x!r} has another type: {x0.type}")
        self._known = dict(baseline)

    def __call__(self, value: Value) -> Value:
        for node in topological_order([value.node]):
            inputs = tuple(self._known.get(v, v) for v in node.inputs)
            if inputs != node.inputs and node.output not in self._known:
                name = f"{node.name}.baseline" if node.name else ""
                copied = replace(with_inputs(node, inputs), name=name)
                self._known.update(zip(node.outputs, copied.outputs, strict=True))
        return self._known.get(value, value)


#: The sets that need nothing but their name; `lrp()` with its default epsilon.
NAMED: Mapping[str, BackwardRules] = {
    rules.name: rules for rules in (plain, guided, deconv, redirected, lrp())
}
