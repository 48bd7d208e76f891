"""Sliding windows worked with numbers, as films: convolution, pooling, and what enlarges images."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, cast

import numpy as np

from graphcnn.errors import GraphError
from graphcnn.ir.geometry import Pair
from graphcnn.ir.graph import state_of
from graphcnn.ir.node import OPS, Array, Node, Op, Value
from graphcnn.ir.philox import words
from graphcnn.ir.sources import Constant, State
from graphcnn.language.arguments import IntOrPair, Padding, choose, cut_off, positive
from graphcnn.language.arguments import pair as pair_of
from graphcnn.language.arguments import sides as sides_of
from graphcnn.ops.conv import Conv2d, ConvTranspose2d
from graphcnn.ops.padding import Pad2d
from graphcnn.ops.pool import AvgPool2d, MaxPool2d
from graphcnn.ops.resample import Upsample2d
from graphcnn.pictures.lessons.reading import cropped
from graphcnn.pictures.lessons.sliding import convolution, pooling
from graphcnn.pictures.lessons.spreading import (
    inserting,
    padding_rows,
    stamping,
    unpooling,
    upsampling,
)
from graphcnn.pictures.lessons.wording import Numbers, pair, sides, size
from graphcnn.pictures.picture import Picture

_Sliding = Conv2d | ConvTranspose2d | MaxPool2d | AvgPool2d | Upsample2d | Pad2d
#: How a transposed convolution is drawn.
METHODS: Final = {"stamps": stamping, "zeros": inserting}


def conv_steps(
    kind: str = "conv2d",
    x: Any = None,
    weight: Any = None,
    bias: Any = None,
    *,
    size: IntOrPair = 5,
    channels: int = 1,
    filters: int = 1,
    kernel: IntOrPair | None = None,
    stride: IntOrPair | None = None,
    padding: Padding = 0,
    dilation: IntOrPair = 1,
    groups: int = 1,
    flip_kernel: bool = False,
    output_padding: IntOrPair = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = False,
    scale: IntOrPair = 2,
    mode: str | None = None,
    method: str = "stamps",
    digits: int = 2,
    title: str = "",
    seed: int = 0,
) -> Picture:
    """A film of an operator that slides a window, one step a frame, every number the engine's.

    A frame shows the window, the numbers under it, what becomes of them and where that goes. Below
    stands the formula of the output's size with its numbers; pixels that no window reads are
    struck through.

        conv_steps(size=6, stride=2).save("stride.svg")
        conv_steps("conv_transpose2d", size=3, method="zeros").strip().save("strip.pdf")

    Args:
        kind: "conv2d", "conv_transpose2d", "max_pool2d", "avg_pool2d", "max_unpool2d" (max pooling
            with its switches, then unpooling by them), "upsample2d" or "pad2d": the functions of
            `graphcnn`, whose arguments these are.
        x: the image (C, H, W), or (H, W) of one channel. Default: whole numbers, (channels, *size).
        weight, bias: the kernels, as the operator takes them. Default: small whole numbers; a
            transposed convolution has no bias.
        kernel: 3, of pools 2.
        stride: 1, of pools the kernel, of transposed convolutions 2.
        mode: of upsample2d "nearest"; of pad2d "constant", "reflect" or "edge".
        method: of conv_transpose2d: "stamps" adds the kernel to the output once for each input;
            "zeros" puts zeros between the inputs and slides the rotated kernel over them. Both
            give the same.
        digits: decimals of numbers that are not whole.
        seed: of the numbers that are not given.

    Raises:
        GraphError: arguments that the operator refuses.
        OutputError: more steps than can be looked at, or what is not drawn step by step.

    Source: V. Dumoulin, F. Visin, arXiv:1603.07285, whose figures move without numbers.
    """
    make = choose(_MAKERS, kind, "operator")
    pools = "pool" in kind
    c, sizes = positive(channels, "channels"), pair_of(size, "size")
    image = _drawn(seed, 0, (c, *sizes), *_RANGES.get(kind, (0, 3))) if x is None else _image(x)
    k = pair_of(kernel if kernel is not None else 2 if pools else 3, "kernel")
    usual = k if pools else 2 if kind == "conv_transpose2d" else 1
    geometry = _Geometry(
        image, k, pair_of(usual if stride is None else stride, "stride"), padding,
        pair_of(dilation, "dilation"), positive(groups, "groups"), flip_kernel,
        pair_of(output_padding, "output_padding"), ceil_mode, count_include_pad,
        pair_of(scale, "scale"), mode,
    )  # fmt: skip
    op = make(geometry)
    if isinstance(op, Conv2d | ConvTranspose2d):
        maps = positive(filters, "filters")
        op.check(k, len(image), maps)
        plain = isinstance(op, Conv2d)
        shape = (maps, len(image) // op.groups) if plain else (len(image), maps // op.groups)
        if weight is None:
            weight = _drawn(seed, 1, (*shape, *k), -2, 2)
        if bias is None and plain:
            bias = _drawn(seed, 2, (len(weight),), 1, 2)
    weight, bias = (
        None if a is None else _finite(np.asarray(a, image.dtype), name)
        for a, name in ((weight, "weight"), (bias, "bias"))
    )
    name = title or _title(kind, op, weight, padding == "same")
    if not title and isinstance(op, ConvTranspose2d) and method == "zeros":
        name = name.replace(":", " as a convolution:")
    return _draw(op, image, weight, bias, name, Numbers(digits), method, kind == "max_unpool2d")


def layer_steps(
    layer: Value,
    x: Any,
    states: Mapping[str, Any] | None = None,
    *,
    channel: int = 0,
    at: Pair = (0, 0),
    shown: IntOrPair = 3,
    method: str = "stamps",
    digits: int = 2,
    title: str = "",
) -> Picture:
    """The film of `conv_steps` for a layer of a model, with its real weights and a real image.

        layer_steps(model["C1"], image, model.states, at=(10, 10))

    Args:
        layer: a value that such an operator makes, or the activation or normalisation behind it.
        x: what it reads, (C, H, W): for the first layer the prepared image, for others what
            `model.activations` has of the layer before.
        states: arrays by key, as `model.states` has them.
        channel: the channel of the output that is drawn: a filter, or a channel of a pool. Of the
            channels that a filter reads four are drawn, and one number says what the others add.
        at, shown: that many places of the output, (rows, columns), from this one on, and what of
            the image they read. Of operators that enlarge the image all of it is drawn.

    Raises:
        GraphError: an operator that slides no window, or an image that it does not take.
        OutputError: the output has no such place, or what `conv_steps` refuses.
    """
    node = sliding_node(layer)
    op, image = cast(_Sliding, node.op), _image(x)
    arrays = [_array(value, states or {}) for value in node.inputs[1:]]
    weight, bias = (*arrays, None, None)[:2]
    part, kind = "", _title(op.name, op, weight, False)
    if isinstance(op, Conv2d):
        assert weight is not None
        if not 0 <= channel < len(weight):
            raise GraphError(f"{layer!r} has the channels 0 to {len(weight) - 1}, not {channel}")
        per_group = weight.shape[1]
        first = channel // (len(weight) // op.groups) * per_group
        image = image[first : first + per_group]
        weight, bias = weight[[channel]], None if bias is None else bias[[channel]]
        op = replace(op, groups=1)
        part = f", filter {channel}"
    elif isinstance(op, MaxPool2d | AvgPool2d | Upsample2d | Pad2d) and len(image) > 1:
        if not 0 <= channel < len(image):
            raise GraphError(f"{layer!r} has the channels 0 to {len(image) - 1}, not {channel}")
        image, part = image[[channel]], f", channel {channel}"
    name = title or f"{node.name}{part}: {kind[0].lower()}{kind[1:].replace(':', ',')}"
    if isinstance(op, Conv2d | MaxPool2d | AvgPool2d):
        op, image, view = cropped(op, image, weight, at, pair_of(shown, "shown"))
        if isinstance(op, Conv2d):
            assert weight is not None
            return convolution(op, image, weight, bias, name, Numbers(digits), view)
        return pooling(op, image, name, Numbers(digits), view)
    return _draw(op, image, weight, bias, name, Numbers(digits), method, False)


def sliding_node(layer: Value) -> Node:
    """The operator that slides a window: of the value, or before its activation.

    Raises:
        GraphError: there is none.
    """
    node = layer.node
    while node.op.family in ("activation", "norm") and node.inputs:
        node = node.inputs[0].node
    if not isinstance(node.op, _Sliding):
        raise GraphError(f"{layer!r} slides no window; operators that do: {', '.join(_MAKERS)}")
    return node


def _draw(
    op: Op,
    x: Array,
    weight: Array | None,
    bias: Array | None,
    title: str,
    show: Numbers,
    method: str,
    unpool: bool,
) -> Picture:
    """The film that suits the operator."""
    match op:
        case Conv2d() if weight is not None:
            return convolution(op, x, weight, bias, title, show)
        case ConvTranspose2d() if weight is not None:
            return choose(METHODS, method, "method")(op, x, weight, bias, title, show)
        case MaxPool2d() if unpool:
            return unpooling(op, x, title, show)
        case MaxPool2d() | AvgPool2d():
            return pooling(op, x, title, show)
        case Upsample2d():
            return upsampling(op, x, title, show)
        case Pad2d():
            return padding_rows(op, x, title, show)
    raise GraphError(f"{op.name} is not drawn step by step")


@dataclass(frozen=True)
class _Geometry:
    """The arguments of `conv_steps` that make an operator."""

    image: Array
    kernel: Pair
    stride: Pair
    padding: Padding
    dilation: Pair
    groups: int
    flip_kernel: bool
    output_padding: Pair
    ceil_mode: bool
    count_include_pad: bool
    scale: Pair
    mode: str | None

    @property
    def sides(self) -> tuple[int, int, int, int]:
        sizes = (self.image.shape[1], self.image.shape[2])
        return sides_of(self.padding, sizes, self.kernel, self.stride, self.dilation)


def _max_pool(g: _Geometry) -> MaxPool2d:
    return MaxPool2d(g.kernel, g.stride, g.sides, g.dilation, g.ceil_mode)


_MAKERS: Final[Mapping[str, Callable[[_Geometry], Op]]] = {
    "conv2d": lambda g: Conv2d(g.stride, g.sides, g.dilation, g.groups, g.flip_kernel),
    "conv_transpose2d": lambda g: ConvTranspose2d(
        g.stride, cut_off(g.padding), g.dilation, g.groups, g.flip_kernel, g.output_padding
    ),
    "max_pool2d": _max_pool,
    "avg_pool2d": lambda g: AvgPool2d(
        g.kernel, g.stride, g.sides, g.dilation, g.ceil_mode, g.count_include_pad
    ),
    "max_unpool2d": _max_pool,
    "upsample2d": lambda g: Upsample2d(g.scale, g.mode or "nearest"),
    "pad2d": lambda g: Pad2d(g.sides, g.mode or "constant"),
}
KINDS: Final = tuple(_MAKERS)


def takes(kind: str) -> frozenset[str]:
    """The arguments of `conv_steps` that matter for an operator."""
    op = OPS["max_pool2d" if kind == "max_unpool2d" else kind]
    convolution = {"kernel", "filters"} if op.anchor else set[str]()
    return frozenset({*op.attribute_names(), *convolution, "size", "channels", "seed"})


#: Smallest and largest pixel that is drawn, where it is not 0 and 3.
_RANGES: Final = {
    "max_pool2d": (0, 9), "avg_pool2d": (0, 9), "max_unpool2d": (1, 9),
    "conv_transpose2d": (1, 3), "upsample2d": (1, 9), "pad2d": (1, 9),
}  # fmt: skip


def _drawn(seed: int, stream: int, shape: tuple[int, ...], low: int, high: int) -> Array:
    """Whole numbers from `low` to `high`, the same for the same seed on every machine."""
    found = words(seed, 0, stream, int(np.prod(shape))) % np.uint32(high - low + 1)
    return found.astype(np.float32).reshape(shape) + np.float32(low)


def _image(x: Any) -> Array:
    """(C, H, W) of (H, W), (C, H, W) or a batch of one."""
    array = _wide(x)
    array = array[0] if array.ndim == 4 and len(array) == 1 else array
    array = array[None] if array.ndim == 2 else array
    if array.ndim != 3 or not array.size:
        raise GraphError(f"an image is (C, H, W) or (H, W), found {np.shape(x)}")
    return _finite(array, "image")


def _wide(x: Any) -> Array:
    """As it is in float32 or float64, else in float32: half precision is worked in it, too."""
    array = np.asarray(x)
    return array if array.dtype in (np.float32, np.float64) else array.astype(np.float32)


def _finite(array: Array, what: str) -> Array:
    if not np.isfinite(array).all():
        raise GraphError(
            f"the {what} holds NaN or infinite numbers: no sum can be worked with them"
        )
    return array


def _array(value: Value, states: Mapping[str, Any]) -> Array:
    """What a parameter of a layer holds."""
    op = value.node.op
    if isinstance(op, Constant):
        return _finite(_wide(op.array), repr(value))
    if isinstance(op, State) and state_of(value).key in states:
        return _finite(_wide(states[state_of(value).key]), state_of(value).key)
    raise GraphError(f"{value!r} is no parameter with an array in states")


def _title(kind: str, op: Op, weight: Array | None, same: bool) -> str:
    """The operator and its attributes, as far as they are not the usual ones."""
    name, parts = _NAMES.get(kind, ""), []
    if isinstance(op, Conv2d | ConvTranspose2d):
        assert weight is not None
        parts.append(f"kernel {size(weight.shape[2:])}")
        if isinstance(op, Conv2d):
            name = _convolution(op, weight)
    elif isinstance(op, MaxPool2d | AvgPool2d):
        parts.append(f"kernel {size(op.kernel)}")
    elif isinstance(op, Upsample2d):
        parts.append(f"scale {pair(op.scale)}")
    given = {n: getattr(op, n) for n in ("stride", "dilation", "output_padding") if hasattr(op, n)}
    if given.get("stride", (1, 1)) != (1, 1):
        parts.append(f"stride {pair(given['stride'])}")
    if hasattr(op, "padding") and any(op.padding):
        parts.append('padding "same"' if same else f"padding {sides(op.padding)}")
    if given.get("dilation", (1, 1)) != (1, 1):
        parts.append(f"dilation {pair(given['dilation'])}")
    if any(given.get("output_padding", ())):
        parts.append(f"output padding {pair(given['output_padding'])}")
    if isinstance(op, Pad2d):
        return f"Padding by {sides(op.padding)}: {op.mode}"
    return f"{name}: {', '.join(parts)}"


_NAMES: Final = {
    "conv2d": "Convolution",
    "conv_transpose2d": "Transposed convolution",
    "max_pool2d": "Max pooling",
    "avg_pool2d": "Average pooling",
    "max_unpool2d": "Max pooling and unpooling",
    "upsample2d": "Nearest upsampling",
}


def _convolution(op: Conv2d, weight: Array) -> str:
    """The name that the field has for a convolution of these attributes."""
    if op.groups > 1:
        return "Depthwise convolution" if weight.shape[1] == 1 else "Grouped convolution"
    if op.flip_kernel:
        return "Mathematical convolution"
    return "Dilated convolution" if max(op.dilation) > 1 else "Convolution"
