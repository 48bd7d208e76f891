"""What the page computes by hand, and what it must be told of an operator for that.

`steps.js` computes the effects, `cell.js` a number of a map; a rule here stands for code there.
"""

from collections.abc import Callable
from typing import Any, TypeVar

from graphcnn.ir.node import Node, Op, Value
from graphcnn.ir.sources import Constant, State
from graphcnn.page.shown import Shown

Settings = Callable[[Op], tuple[float, ...]]
Scaling = Callable[[Node], tuple[Value, ...]]
Window = Callable[[Op], dict[str, Any]]
Computed = Callable[[Shown], bool]
Told = Callable[[Node], dict[str, Any]]
Rule = TypeVar("Rule")

#: The numbers that go with an operator which maps each number alone.
EFFECTS: dict[str, Settings] = {}
#: Of x ∘ b, which is scale · x + shift: the operands that may be the numbers b.
SCALINGS: dict[str, Scaling] = {}
#: What the page is told of a window beside its sizes.
WINDOWS: dict[str, Window] = {}
#: What it is told of operators that read in another way than through a window; `apart.js` has them.
SETTINGS: dict[str, Told] = {}
#: Whether the page can compute a number of this map from those of the maps before.
COMPUTED: dict[str, Computed] = {}


def _registered(table: dict[str, Rule], *names: str) -> Callable[[Rule], Rule]:
    def register(rule: Rule) -> Rule:
        table.update(dict.fromkeys(names, rule))
        return rule

    return register


@_registered(EFFECTS, "relu", "sigmoid", "tanh", "softplus", "silu", "mish", "gelu", "hard_swish")
@_registered(EFFECTS, "neg", "abs", "exp", "log", "sqrt")
def _no_numbers(op: Op) -> tuple[float, ...]:
    return ()


@_registered(EFFECTS, "leaky_relu", "elu")
def _alpha(op: Op) -> tuple[float, ...]:
    return (op.attributes["alpha"],)


@_registered(EFFECTS, "hard_sigmoid")
def _alpha_and_beta(op: Op) -> tuple[float, ...]:
    return op.attributes["alpha"], op.attributes["beta"]


@_registered(EFFECTS, "clip")
def _bounds(op: Op) -> tuple[float, ...]:
    return op.attributes["low"], op.attributes["high"]


@_registered(SCALINGS, "sub", "div")
def _second(node: Node) -> tuple[Value, ...]:
    return tuple(node.inputs[1:])


@_registered(SCALINGS, "add", "mul")
def _either(node: Node) -> tuple[Value, ...]:
    return node.inputs[1], node.inputs[0]


@_registered(WINDOWS, "conv2d", "max_pool2d")
def _window_alone(op: Op) -> dict[str, Any]:
    return {}


@_registered(WINDOWS, "avg_pool2d")
def _counting(op: Op) -> dict[str, Any]:
    return {"countPad": bool(op.attributes["count_include_pad"])}


@_registered(SETTINGS, "conv_transpose2d")
def _spreading(node: Node) -> dict[str, Any]:
    told = node.op.attributes
    top, bottom, left, right = told["padding"]
    return {
        "kernel": [int(d) for d in node.inputs[1].shape[2:] if isinstance(d, int)],
        "stride": list(told["stride"]),
        "pads": [top, left, bottom, right],
        "dilation": list(told["dilation"]),
        "groups": int(told["groups"]),
    }


@_registered(SETTINGS, "upsample2d")
def _enlarging(node: Node) -> dict[str, Any]:
    told = node.op.attributes
    return {"scale": list(told["scale"]), "mode": told["mode"], "corners": told["align_corners"]}


@_registered(SETTINGS, "group_norm")
def _groups(node: Node) -> dict[str, Any]:
    return {"groups": node.op.attributes["groups"], **_normalising(node)}


@_registered(SETTINGS, "layer_norm")
def _axes_of_norm(node: Node) -> dict[str, Any]:
    return {**_axes(node), **_normalising(node)}


def _normalising(node: Node) -> dict[str, Any]:
    epsilon = node.op.attributes["epsilon"]
    return {"epsilon": epsilon, "gamma": key_of(node, "gamma"), "beta": key_of(node, "beta")}


@_registered(SETTINGS, "mean")
def _axes(node: Node) -> dict[str, Any]:
    return {"axes": page_axes(node)}


@_registered(COMPUTED, "group_norm")
def _of_groups(of: Shown) -> bool:
    return of.value.type.rank != 3 and _has_scale(of.node)  # whose channels are rows in the page


@_registered(COMPUTED, "layer_norm")
def _along_axes(of: Shown) -> bool:
    return page_axes(of.node) is not None and _has_scale(of.node)


def _has_scale(node: Node) -> bool:
    return key_of(node, "gamma") is not None and key_of(node, "beta") is not None


@_registered(COMPUTED, "mean")
def _over_axes(of: Shown) -> bool:
    return page_axes(of.node) is not None


@_registered(COMPUTED, "conv2d", "conv_transpose2d", "dense")
def _with_weights(of: Shown) -> bool:
    given = [n for n in ("weight", "bias") if operand(of.node, n) is not None]
    flipped = of.node.op.attributes.get("flip_kernel", False)
    return not flipped and all(key_of(of.node, n) for n in given)


@_registered(COMPUTED, "add", "sub", "mul", "maximum", "minimum")
def _of_two_maps(of: Shown) -> bool:
    return len(live(of.node)) == 2 and all(s.shape == of.shape for s in of.sources)


@_registered(COMPUTED, "concat")
def _along_channels(of: Shown) -> bool:
    return bool(of.node.op.attributes["axis"] == of.channel_axis)


@_registered(COMPUTED, "softmax")
def _over_channels(of: Shown) -> bool:
    return len(live(of.node)) == 1 and _along_channels(of)


@_registered(COMPUTED, "max_pool2d", "avg_pool2d", "global_avg_pool2d")
@_registered(COMPUTED, "flatten", "reshape", "upsample2d")
def _of_one_map(of: Shown) -> bool:
    return len(live(of.node)) == 1


def page_axes(node: Node) -> list[int] | None:
    """The axes of an operator as those of the map that it reads: 0 are channels, 1 rows, 2 columns;
    None where the batch is one of them, or the map has other axes."""
    rank, axes = node.inputs[0].type.rank, node.op.attributes["axes"]
    if rank not in (2, 3, 4) or any(a % rank == 0 for a in axes):
        return None
    first = 0 if rank == 3 else 1  # (N, T, D) is one channel of T rows
    return sorted(a % rank - first for a in axes)


def live(node: Node) -> list[Value]:
    """The inputs that a network computes: neither weights nor constants."""
    return [v for v in node.inputs if not isinstance(v.node.op, State | Constant)]


def operand(node: Node, name: str) -> Value | None:
    for index, value in enumerate(node.inputs):
        if node.op.operand_name(index) == name:
            return value
    return None


def key_of(node: Node, name: str) -> str | None:
    """The name of the weights that are this operand; None where it is no weights."""
    value = operand(node, name)
    return value.node.op.key if value is not None and isinstance(value.node.op, State) else None
