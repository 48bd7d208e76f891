"""Near misses of the rules for reductions and biases: what looks like them is left as it is."""

import pytest
from rewrites import expression, graph_of

from graphcnn.ir.node import Value
from graphcnn.ops.broadcast import Sum
from graphcnn.ops.conv import Conv2d
from graphcnn.ops.dense import Dense
from graphcnn.ops.reduce import Max, Mean
from graphcnn.ops.shape import Reshape
from graphcnn.passes.driver.base import PassLog
from graphcnn.passes.simplify.canonicalize import Canonicalize


@pytest.mark.parametrize("shape", [(2, 1, 1), (1, 2, 1), (1, 2), (1, 1, 2)])
@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("reduction", [Sum, Mean, Max])
def test_a_reshape_to_other_shapes_stays_behind_the_reduction(
    reduction: type, keepdims: bool, shape: tuple[int, ...]
) -> None:
    def net(x: Value) -> Value:
        return Reshape(shape)(reduction((1,), keepdims)(x))

    log = PassLog()
    after = Canonicalize()(graph_of(net, x=(2, 3)), log)
    assert [n.op.name for n in after.operations] == [reduction((1,)).name, "reshape"]
    assert not log.fired


@pytest.mark.parametrize("bias", [(4,), (1, 1, 1), (4, 1), (1, 1, 4), (2, 4, 1, 1), (1, 4, 4, 4)])
def test_what_is_not_one_number_for_each_channel_is_no_bias(bias: tuple[int, ...]) -> None:
    def net(x: Value, w: Value, b: Value) -> Value:
        return Conv2d()(x, w) + b

    after = Canonicalize()(graph_of(net, x=(2, 3, 6, 6), w=(4, 3, 3, 3), b=bias))
    assert expression(after.outputs["result"]) == "add(conv2d(x, w), b)"


@pytest.mark.parametrize(("bias", "fits"), [((4,), True), ((1, 4), True), ((2, 4), False),
    ((2, 1), False), ((1,), False), ((4, 1, 1), False)])  # fmt: skip
def test_the_bias_of_a_dense_layer(bias: tuple[int, ...], fits: bool) -> None:
    def net(x: Value, w: Value, b: Value) -> Value:
        return Dense()(x, w) + b

    log = PassLog()
    Canonicalize()(graph_of(net, x=(2, 3), w=(4, 3), b=bias), log)
    assert log.fired["bias_into_layer"] == fits
