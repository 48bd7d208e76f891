"""Small networks of the known architectures, written node by node as exporters write them.

Each function adds nodes to a `Net` and names its outputs; `NETWORKS` builds the models.
"""

from collections.abc import Callable

import numpy as np
from onnx import TensorProto, helper, numpy_helper

FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64


class Net:
    """Nodes and initializers in the making, with seeded weights."""

    def __init__(self, seed=0, opset=17):
        self.rng, self.opset = np.random.default_rng(seed), opset
        self.nodes, self.stored, self.inputs, self.outputs = [], [], [], []

    def input(self, name, *shape, kind=FLOAT):
        self.inputs.append(helper.make_tensor_value_info(name, kind, shape))
        return name

    def output(self, name, kind=FLOAT):
        self.outputs.append(helper.make_tensor_value_info(name, kind, None))

    def const(self, array, dtype=None):
        name = f"c{len(self.stored)}"
        self.stored.append(numpy_helper.from_array(np.asarray(array, dtype), name))
        return name

    def ints(self, *values):
        return self.const(values, np.int64)

    def weight(self, *shape):
        fan = max(1, int(np.prod(shape[1:])))
        return self.const(self.rng.normal(size=shape) * np.sqrt(2 / fan), np.float32)

    def op(self, op, *inputs, outputs=1, **attributes):
        names = [f"t{len(self.nodes)}_{i}" for i in range(outputs)]
        self.nodes.append(
            helper.make_node(op, list(inputs), names, f"n{len(self.nodes)}", **attributes)
        )
        return names[0] if outputs == 1 else names

    def conv(self, x, c, o, k=3, s=1, p=None, **attributes):
        p = k // 2 if p is None else p
        w, b = self.weight(o, c // attributes.get("group", 1), k, k), self.weight(o)
        return self.op("Conv", x, w, b, kernel_shape=[k, k], strides=[s, s], pads=[p] * 4,
                       **attributes)  # fmt: skip

    def up(self, x, c, o, k=4, s=2, p=1):
        return self.op("ConvTranspose", x, self.weight(c, o, k, k), kernel_shape=[k, k],
                       strides=[s, s], pads=[p] * 4)  # fmt: skip

    def norm(self, x, c):
        gamma, mean = self.weight(c), self.weight(c)
        variance = self.const(self.rng.uniform(0.5, 1.5, c), np.float32)
        return self.op("BatchNormalization", x, gamma, self.weight(c), mean, variance)

    def model(self):
        graph = helper.make_graph(self.nodes, "net", self.inputs, self.outputs, self.stored)
        imports = [helper.make_opsetid("", self.opset)]
        return helper.make_model(
            graph, ir_version=8, opset_imports=imports, producer_name="pytorch"
        )


NETWORKS: dict[str, Callable[[], Net]] = {}


def network(function):
    NETWORKS[function.__name__] = function
    return function


@network
def dcgan_generator():
    net = Net()
    x = net.input("z", "N", 8, 1, 1)
    x = net.op("Relu", net.norm(net.up(x, 8, 8, s=1, p=0), 8))
    x = net.op("Relu", net.norm(net.up(x, 8, 4), 4))
    net.output(net.op("Tanh", net.up(x, 4, 3)))
    return net


@network
def dcgan_discriminator():
    net = Net()
    x = net.input("x", "N", 3, 16, 16)
    x = net.op("LeakyRelu", net.conv(x, 3, 4, 4, 2, 1), alpha=0.2)
    x = net.op("LeakyRelu", net.norm(net.conv(x, 4, 8, 4, 2, 1), 8), alpha=0.2)
    net.output(net.op("Flatten", net.op("Sigmoid", net.conv(x, 8, 1, 4, 1, 0))))
    return net


@network
def unet_with_cropping():
    """The way up by transposed convolution, cut to the skip connection's size by its Shape."""
    net = Net()
    x = net.input("x", "N", 1, 13, 15)
    skip = net.op("Relu", net.conv(x, 1, 4))
    down = net.op("MaxPool", skip, kernel_shape=[2, 2], strides=[2, 2])
    middle = net.op("Relu", net.conv(down, 4, 8))
    up = net.up(middle, 8, 4, 4, 2, 0)
    shape = net.op("Shape", skip)
    sizes = [net.op("Gather", shape, net.ints(a), axis=0) for a in (2, 3)]
    up = net.op("Slice", up, net.ints(0, 0), net.op("Concat", *sizes, axis=0), net.ints(2, 3))
    joined = net.op("Concat", up, skip, axis=1)
    net.output(net.op("Sigmoid", net.conv(joined, 8, 1, 1)))
    return net


@network
def unet_with_resizing():
    net = Net()
    x = net.input("x", "N", 3, 16, 16)
    skip = net.op("Relu", net.norm(net.conv(x, 3, 4), 4))
    down = net.op("Relu", net.conv(skip, 4, 8, 3, 2))
    scales = net.const([1, 1, 2, 2], np.float32)
    up = net.op("Resize", down, "", scales, mode="linear",
                coordinate_transformation_mode="align_corners")  # fmt: skip
    joined = net.op("Concat", skip, up, axis=1)
    net.output(net.op("Softmax", net.conv(joined, 12, 5, 1), axis=1))
    return net


@network
def vae():
    """Encoder, the trick with the noise as an input, decoder."""
    net = Net()
    x, noise = net.input("x", "N", 1, 8, 8), net.input("noise", "N", 3)
    h = net.op("Relu", net.conv(x, 1, 4, 3, 2))
    h = net.op("Flatten", h)
    mean, log = (net.op("Gemm", h, net.weight(3, 64), net.weight(3), transB=1) for _ in range(2))
    deviation = net.op("Exp", net.op("Mul", log, net.const(0.5, np.float32)))
    z = net.op("Add", mean, net.op("Mul", noise, deviation))
    h = net.op("Relu", net.op("Gemm", z, net.weight(64, 3), net.weight(64), transB=1))
    batch = net.op("Unsqueeze", net.op("Gather", net.op("Shape", x), net.const(0, np.int64)),
                   net.ints(0))  # fmt: skip
    h = net.op("Reshape", h, net.op("Concat", batch, net.ints(4, 4, 4), axis=0))
    net.output(net.op("Sigmoid", net.up(h, 4, 1)))
    net.output(mean)
    net.output(log)
    return net


@network
def pixel_cnn():
    """Gated layers with masked kernels; logits of 4 levels for each of 3 colours."""
    net = Net()
    x = net.input("x", "N", 3, 7, 7)
    mask = np.ones((8, 3, 5, 5), np.float32)
    mask[:, :, 2, 2:], mask[:, :, 3:] = 0, 0
    w = net.const(net.rng.normal(size=mask.shape).astype(np.float32) * mask * 0.2)
    h = net.op("Conv", x, w, pads=[2] * 4)
    a, b = net.op("Split", h, net.ints(4, 4), outputs=2, axis=1)
    h = net.op("Mul", net.op("Tanh", a), net.op("Sigmoid", b))
    h = net.op("Add", h, net.conv(h, 4, 4, 1))
    h = net.op("Reshape", net.conv(h, 4, 12, 1), net.ints(0, 4, 3, 7, 7))
    net.output(net.op("LogSoftmax", h, axis=1))
    net.output(net.op("ArgMax", h, axis=1, keepdims=0), INT64)
    return net


def _silu(net, x):
    return net.op("Mul", x, net.op("Sigmoid", x))


@network
def yolo_v5():
    """Cross-stage block, pyramid pooling, a skip up, one head with anchors, sorted scores."""
    net = Net()
    x = net.input("images", 1, 3, 32, 32)
    x = _silu(net, net.conv(x, 3, 8, 6, 2, 2))
    a, b = net.op("Split", x, net.ints(4, 4), outputs=2, axis=1)
    shallow = net.op("Concat", net.op("Add", a, _silu(net, net.conv(a, 4, 4))), b, axis=1)
    x = _silu(net, net.conv(shallow, 8, 8, 3, 2))
    pools = [x]
    for _ in range(3):
        pools.append(net.op("MaxPool", pools[-1], kernel_shape=[5, 5], pads=[2] * 4))
    x = _silu(net, net.conv(net.op("Concat", *pools, axis=1), 32, 8, 1))
    x = net.op("Resize", x, "", net.const([1, 1, 2, 2], np.float32), mode="nearest",
               nearest_mode="floor", coordinate_transformation_mode="asymmetric")  # fmt: skip
    x = net.conv(net.op("Concat", x, shallow, axis=1), 16, 3 * 7, 1)
    x = net.op("Reshape", x, net.ints(1, 3, 7, 16, 16))
    x = net.op("Sigmoid", net.op("Transpose", x, perm=[0, 1, 3, 4, 2]))
    place, size, rest = net.op("Split", x, net.ints(2, 2, 3), outputs=3, axis=4)
    grid = np.stack(np.meshgrid(np.arange(16), np.arange(16)), -1)[None, None] - 0.5
    place = net.op("Mul", place, net.const(2, np.float32))
    place = net.op("Mul", net.op("Add", place, net.const(grid, np.float32)),
                   net.const(2, np.float32))  # fmt: skip
    size = net.op("Pow", net.op("Mul", size, net.const(2, np.float32)), net.const(2, np.float32))
    size = net.op("Mul", size, net.const(net.rng.uniform(4, 9, (1, 3, 1, 1, 2)), np.float32))
    y = net.op("Concat", place, size, rest, axis=4)
    y = net.op("Reshape", y, net.ints(1, -1, 7))
    net.output(y)
    scores = net.op("Slice", y, net.ints(4), net.ints(5), net.ints(2), net.ints(1))
    best, index = net.op("TopK", scores, net.ints(20), outputs=2, axis=1)
    net.output(best)
    wide = net.op("Expand", index, net.ints(1, 20, 4))
    boxes = net.op("Slice", y, net.ints(0), net.ints(4), net.ints(2), net.ints(1))
    net.output(net.op("GatherElements", boxes, wide, axis=1))
    return net


@network
def yolo_v8_head():
    """Distances as expected values of distributions: Softmax and a convolution with 0, 1, 2, ..."""
    net = Net()
    x = net.input("x", "N", 8, 4, 4)
    x = net.op("Reshape", _silu(net, net.conv(x, 8, 32)), net.ints(0, 4, 8, 16))
    x = net.op("Softmax", net.op("Transpose", x, perm=[0, 2, 1, 3]), axis=1)
    x = net.op("Conv", x, net.const(np.arange(8).reshape(1, 8, 1, 1), np.float32))
    x = net.op("Reshape", x, net.ints(0, 4, 16))
    low, high = (net.op("Slice", x, net.ints(a), net.ints(b), net.ints(1)) for a, b in
                 ((0, 2), (2, 4)))  # fmt: skip
    anchors = net.const(np.indices((4, 4)).reshape(1, 2, 16) + 0.5, np.float32)
    first, second = net.op("Sub", anchors, low), net.op("Add", high, anchors)
    middle = net.op("Div", net.op("Add", first, second), net.const(2, np.float32))
    net.output(net.op("Concat", middle, net.op("Sub", second, first), axis=1))
    return net


@network
def style_transfer():
    net = Net()
    x = net.input("x", "N", 3, 12, 12)

    def block(x, c, o, k=3, s=1):
        p = k // 2
        x = net.op("Pad", x, net.ints(0, 0, p, p, 0, 0, p, p), mode="reflect")
        x = net.conv(x, c, o, k, s, 0)
        return net.op("InstanceNormalization", x, net.weight(o), net.weight(o))

    x = net.op("Relu", block(x, 3, 4, 5))
    x = net.op("Relu", block(x, 4, 8, 3, 2))
    x = net.op("Add", x, block(net.op("Relu", block(x, 8, 8)), 8, 8))
    x = net.op("Resize", x, "", net.const([1, 1, 2, 2], np.float32), mode="nearest",
               nearest_mode="floor", coordinate_transformation_mode="asymmetric")  # fmt: skip
    net.output(block(x, 8, 3))
    return net


@network
def super_resolution():
    """Channels to pixels, as one node and as three."""
    net = Net()
    x = net.input("x", "N", 1, 6, 5)
    h = net.conv(net.op("Relu", net.conv(x, 1, 8, 5)), 8, 9)
    y = net.op("Reshape", h, net.ints(-1, 1, 3, 3, 6, 5))
    y = net.op("Reshape", net.op("Transpose", y, perm=[0, 1, 4, 2, 5, 3]), net.ints(-1, 1, 18, 15))
    z = net.op("DepthToSpace", h, blocksize=3, mode="CRD")
    net.output(net.op("Clip", net.op("Add", y, z), net.const(0, np.float32),
                      net.const(1, np.float32)))  # fmt: skip
    return net


@network
def quantised():
    """Convolutions between QuantizeLinear and DequantizeLinear, weights stored as int8."""
    net = Net()
    x = net.input("x", "N", 3, 8, 8)

    def scaled(x, scale, zero):
        pair = net.const(scale, np.float32), net.const(zero, np.uint8)
        return net.op("DequantizeLinear", net.op("QuantizeLinear", x, *pair), *pair)

    def conv(x, c, o):
        w = net.const(net.rng.integers(-127, 128, (o, c, 3, 3)), np.int8)
        scales = net.const(net.rng.uniform(0.5, 1.5, o) / 512, np.float32)
        w = net.op("DequantizeLinear", w, scales, net.const(np.zeros(o), np.int8), axis=0)
        return net.op("Conv", x, w, net.weight(o), pads=[1] * 4)

    x = net.op("Relu", conv(scaled(x, 0.03125, 128), 3, 4))
    net.output(scaled(conv(scaled(x, 0.015625, 0), 4, 4), 0.03125, 100))
    return net


@network
def segnet():
    """Max pooling whose places unpooling uses."""
    net = Net()
    x = net.input("x", "N", 2, 8, 6)
    x = net.op("Relu", net.norm(net.conv(x, 2, 4), 4))
    y, places = net.op("MaxPool", x, outputs=2, kernel_shape=[2, 2], strides=[2, 2])
    y = net.op("MaxUnpool", net.conv(y, 4, 4), places, kernel_shape=[2, 2], strides=[2, 2])
    net.output(net.conv(y, 4, 3))
    return net


@network
def spatial_transformer():
    """An affine grid computed by the network, and the image sampled there."""
    net = Net(opset=20)
    x = net.input("x", "N", 1, 9, 9)
    h = net.op("GlobalAveragePool", net.op("Relu", net.conv(x, 1, 4)))
    theta = net.op("Gemm", net.op("Flatten", h), net.weight(6, 4), net.weight(6), transB=1)
    theta = net.op("Reshape", net.op("Mul", theta, net.const(0.3, np.float32)), net.ints(-1, 2, 3))
    grid = np.stack([*np.meshgrid(np.linspace(-1, 1, 7), np.linspace(-1, 1, 7)), np.ones((7, 7))])
    points = net.op("MatMul", theta, net.const(grid.reshape(3, 49), np.float32))
    points = net.op("Reshape", net.op("Transpose", points, perm=[0, 2, 1]), net.ints(-1, 7, 7, 2))
    net.output(net.op("GridSample", x, points, align_corners=1, mode="linear"))
    return net


@network
def two_stage_detector():
    """Regions by their scores, aligned to one size, classified."""
    net = Net(opset=16)
    x = net.op("Relu", net.conv(net.input("x", 1, 3, 16, 16), 3, 4))
    boxes = net.op("Sigmoid", net.op("Reshape", net.conv(x, 4, 4, 4, 4, 0), net.ints(4, 16)))
    boxes = net.op("Mul", net.op("Transpose", boxes), net.const(16, np.float32))
    low, high = (net.op("Slice", boxes, net.ints(a), net.ints(a + 2), net.ints(1)) for a in (0, 2))
    boxes = net.op("Concat", net.op("Min", low, high), net.op("Max", low, high), axis=1)
    scores = net.op("Reshape", net.conv(x, 4, 1, 4, 4, 0), net.ints(16))
    _, best = net.op("TopK", scores, net.ints(5), outputs=2)
    regions = net.op("Gather", boxes, best, axis=0)
    pooled = net.op("RoiAlign", x, regions, net.ints(0, 0, 0, 0, 0), output_height=3,
                    output_width=3, sampling_ratio=2)  # fmt: skip
    flat = net.op("Flatten", pooled)
    net.output(net.op("Softmax", net.op("Gemm", flat, net.weight(3, 36), transB=1), axis=1))
    net.output(regions)
    return net


@network
def shifted_windows():
    """Attention in windows: rolled, cut, with a bias gathered from a table, and put back."""
    net = Net(opset=18)
    x = net.input("x", "N", 8, 8, 4)
    half = [net.op("Slice", x, net.ints(a), net.ints(b), net.ints(1)) for a, b in ((2, 8), (0, 2))]
    x = net.op("Concat", *half, axis=1)
    w = net.op("Transpose", net.op("Reshape", x, net.ints(-1, 2, 4, 2, 4, 4)),
               perm=[0, 1, 3, 2, 4, 5])  # fmt: skip
    w = net.op("Reshape", w, net.ints(-1, 4, 16, 4))
    q, k, v = (net.op("MatMul", w, net.weight(4, 4)) for _ in range(3))
    places = np.arange(16)[:, None] // 4 - np.arange(16) // 4 + 3
    bias = net.op("Gather", net.weight(7), net.const(places, np.int64), axis=0)
    scores = net.op("Einsum", q, k, equation="nwic,nwjc->nwij")
    weights = net.op("Softmax", net.op("Add", scores, bias), axis=-1)
    y = net.op("Reshape", net.op("MatMul", weights, v), net.ints(-1, 2, 2, 4, 4, 4))
    y = net.op("Transpose", y, perm=[0, 1, 3, 2, 4, 5])
    net.output(net.op("Reshape", y, net.ints(-1, 8, 8, 4)))
    return net


@network
def volumes():
    """A network of videos: convolutions and pools with a depth."""
    net = Net()
    x = net.input("x", "N", 2, 6, 8, 8)
    w = net.weight(4, 1, 3, 3, 3)
    x = net.op("Relu", net.op("Conv", x, w, net.weight(4), pads=[1] * 6, group=2))
    x = net.op("MaxPool", x, kernel_shape=[2, 2, 2], strides=[2, 2, 2])
    x = net.op("Conv", x, net.weight(6, 4, 2, 3, 3), strides=[1, 2, 2], pads=[0, 1, 1, 1, 1, 1])
    y = net.op("ConvTranspose", x, net.weight(6, 2, 2, 2, 2), strides=[2, 2, 2])
    net.output(net.op("AveragePool", y, kernel_shape=[3, 2, 2], pads=[1, 0, 0, 1, 1, 1]))
    net.output(net.op("GlobalAveragePool", x))
    return net
