"""Batch norm into the layers around it."""

from typing import Any

from graphcnn.ir.node import Value
from graphcnn.ir.tensor_type import DType, N, TensorType
from graphcnn.ops.activation import Relu
from graphcnn.ops.conv import Conv2d, ConvTranspose2d
from graphcnn.ops.dense import Dense
from graphcnn.ops.norm import BatchNorm
from graphcnn.passes.simplify.fold_batch_norm import FoldBatchNorm
from rewrites import Example, RefusalExample

SCALE = "div(gamma, sqrt(add(variance, 1e-05)))"


def sources(channels: int, **others: Any) -> dict[str, Any]:
    names = ("gamma", "beta", "mean", "variance")
    return {"x": TensorType((N, 2, 5, 4), DType.FLOAT64), **others} | dict.fromkeys(
        names, (channels,)
    )


def norm(x: Value, s: dict[str, Value]) -> Value:
    return BatchNorm()(x, s["gamma"], s["beta"], s["mean"], s["variance"], name="norm")


def after(layer: Any) -> Any:
    """batch_norm of a layer."""

    def build(x: Value, w: Value, b: Value | None = None, **s: Value) -> Value:
        return norm(layer(x, w, *([] if b is None else [b])), s)

    return build


def before(layer: Any) -> Any:
    """A layer of a batch_norm."""

    def build(x: Value, w: Value, b: Value | None = None, **s: Value) -> Value:
        return layer(norm(x, s), w, *([] if b is None else [b]))

    return build


def fires(rule: str, build: Any, result: str, given: Any) -> Example:
    return Example(rule, FoldBatchNorm(), build, result, given)


def refuses(rule: str, build: Any, reason: str, given: Any) -> RefusalExample:
    return RefusalExample(rule, FoldBatchNorm(), build, reason, given)


def used_twice(x: Value, w: Value, **s: Value) -> tuple[Value, Value]:
    y = Conv2d()(x, w)
    return norm(y, s), Relu()(y)


def norm_used_twice(x: Value, w: Value, **s: Value) -> tuple[Value, Value]:
    y = norm(x, s)
    return Conv2d()(y, w), Relu()(y)


def shared_weight(x: Value, w: Value, **s: Value) -> tuple[Value, Value]:
    return norm(Conv2d()(x, w), s), Conv2d(stride=(2, 2))(x, w)


ROWS = sources(3, w=(3, 2), b=(3,)) | {"x": (4, 2)}
KERNEL = "reshape({scale}; shape={shape})"
MUL_ADD = "add(mul({}, {}), beta)"


def scaled(shape: str) -> str:
    return f"mul(w, {KERNEL.format(scale=SCALE, shape=shape)})"


def folded_shift(shape: str) -> str:
    return f"reshape(sub(beta, mul(mean, {SCALE})); shape={shape})"


EXAMPLES = [
    fires(
        "batch_norm_into_layer",
        after(Conv2d(padding=(1, 1, 1, 1))),
        f"conv2d(x, {scaled('(3, 1, 1, 1)')}, {MUL_ADD.format('sub(b, mean)', SCALE)}; "
        "padding=(1, 1, 1, 1))",
        sources(3, w=(3, 2, 3, 3), b=(3,)),
    ),
    fires(
        "batch_norm_into_layer",
        after(Conv2d(groups=2)),
        f"conv2d(x, {scaled('(4, 1, 1, 1)')}, {MUL_ADD.format('neg(mean)', SCALE)}; groups=2)",
        sources(4, w=(4, 1, 3, 3)),
    ),
    fires(
        "batch_norm_into_layer",
        after(ConvTranspose2d(stride=(2, 2))),
        f"conv_transpose2d(x, {scaled('(1, 3, 1, 1)')}, {MUL_ADD.format('sub(b, mean)', SCALE)}; "
        "stride=(2, 2))",
        sources(3, w=(2, 3, 3, 3), b=(3,)),
    ),
    fires(
        "batch_norm_into_layer",
        after(ConvTranspose2d(groups=2)),
        "conv_transpose2d(x, reshape(mul(reshape(w; shape=(2, 2, 3, 3, 3)), "
        f"reshape({SCALE}; shape=(2, 1, 3, 1, 1))); shape=(4, 3, 3, 3)), "
        f"{MUL_ADD.format('neg(mean)', SCALE)}; groups=2)",
        sources(6, w=(4, 3, 3, 3)) | {"x": (2, 4, 5, 4)},
    ),
    fires(
        "batch_norm_into_layer",
        after(Dense()),
        f"dense(x, {scaled('(3, 1)')}, {MUL_ADD.format('sub(b, mean)', SCALE)})",
        ROWS,
    ),
    fires(
        "batch_norm_into_layer",
        shared_weight,
        f"conv2d(x, {scaled('(3, 1, 1, 1)')}, {MUL_ADD.format('neg(mean)', SCALE)})",
        sources(3, w=(3, 2, 3, 3)),
    ),
    fires(
        "batch_norm_before_layer",
        before(Conv2d()),
        f"conv2d(x, {scaled('(1, 2, 1, 1)')}, add(b, "
        f"sum(mul(w, {folded_shift('(1, 2, 1, 1)')}); axes=(1, 2, 3))))",
        sources(2, w=(3, 2, 3, 3), b=(3,)),
    ),
    fires(
        "batch_norm_before_layer",
        before(Dense()),
        f"dense(x, {scaled('(1, 2)')}, sum(mul(w, {folded_shift('(1, 2)')}); axes=(1,)))",
        sources(2, w=(3, 2)) | {"x": (4, 2)},
    ),
    fires(
        "batch_norm_to_scale_and_shift",
        lambda x, **s: Relu()(norm(x, s)),
        f"relu(add(mul(x, reshape({SCALE}; shape=(1, 2, 1, 1))), {folded_shift('(1, 2, 1, 1)')}))",
        sources(2),
    ),
]

#: Statistics that depend on an input: nothing of this can be folded.
FED = {k: v for k, v in sources(3, w=(3, 2, 3, 3)).items() if k != "mean"} | {"y": (3,)}


def fed_mean(x: Value, w: Value, y: Value, **s: Value) -> Value:
    return norm(Conv2d()(x, w), {**s, "mean": y})


def fed_mean_before(x: Value, w: Value, y: Value, **s: Value) -> Value:
    return Conv2d()(norm(x, {**s, "mean": y}), w)


FED_BEFORE = {k: v for k, v in sources(2, w=(3, 2, 3, 3)).items() if k != "mean"} | {"y": (2,)}

REFUSALS = [
    refuses("batch_norm_into_layer", fed_mean, "depend on the inputs", FED),
    refuses("batch_norm_to_scale_and_shift", fed_mean, "depend on the inputs", FED),
    refuses("batch_norm_before_layer", fed_mean_before, "depend on the inputs", FED_BEFORE),
]

#: Here only the folding is refused; the batch norm still becomes a product and a sum.
SCALED_INSTEAD = [
    refuses(
        "batch_norm_into_layer",
        used_twice,
        "used without the batch norm",
        sources(3, w=(3, 2, 3, 3)),
    ),
    refuses(
        "batch_norm_before_layer",
        before(Conv2d(padding=(1, 0, 0, 0))),
        "the padding is 0 after",
        sources(2, w=(3, 2, 3, 3)),
    ),
    refuses(
        "batch_norm_before_layer",
        before(Conv2d(groups=2)),
        "groups = 2",
        sources(2, w=(4, 1, 3, 3)),
    ),
    refuses(
        "batch_norm_before_layer",
        norm_used_twice,
        "used elsewhere",
        sources(2, w=(3, 2, 3, 3)),
    ),
]
