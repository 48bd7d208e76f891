"""A network as the functions that its page calls.

    run        from the image and a factor for each channel of each map: all maps
    gradient   from these factors and a seed for each map too: of the sum of seeds · maps, the
               derivative by the image and by every map

The factors are 1 where nothing is switched off, which changes no bit. Three rules lead back through
rectifiers, in one program, by two numbers: with dy what arrives,

    plain    f'(x) · dy             floor = -inf   open = 0
    guided   f'(x) · max(dy, 0)     floor = 0      open = 0
    deconv   max(dy, 0)             floor = 0      open = 1
"""

from collections import Counter

from graphcnn.compile.pipelines import inference_graph
from graphcnn.ir.graph import Graph, rebuilt
from graphcnn.ir.node import Node, Value
from graphcnn.ir.sources import Input
from graphcnn.ir.tensor_type import DType, TensorType
from graphcnn.ops.elementwise import Maximum
from graphcnn.page.shown import Shown
from graphcnn.passes.training.backward import vjp
from graphcnn.passes.training.backward_rules import (
    NAMED,
    BackwardRules,
    Cotangents,
    own_derivative,
)

#: Inputs of the numbers that choose a rule.
FLOOR, OPEN = "floor", "open"
#: Beginnings of the names of inputs, before that of a map.
FACTOR, SEED = "factor ", "seed "


def forward_graph(graph: Graph, maps: list[Shown]) -> Graph:
    """All maps but the image, each times its factors; what follows is computed with the product."""
    factors, products = _switched(maps)
    outputs = {s.name: value for s, value in zip(maps[1:], products, strict=True)}
    made = Graph.of((*graph.inputs, *factors), outputs, name=f"{graph.name} run")
    return inference_graph(made)


def _switched(maps: list[Shown]) -> tuple[list[Value], list[Value]]:
    """Factors of all maps but the image, as inputs, and the products, each made of those before."""
    factors: list[Value] = []
    new: dict[Value, Value] = {}
    for each in maps[1:]:
        (value,) = rebuilt([each.value], new)
        key = FACTOR + each.name
        factor = Input(key, TensorType(_factor_shape(each), DType.FLOAT32))(name=key)
        factors.append(factor)
        new[each.value] = value * factor
    return factors, [new[each.value] for each in maps[1:]]


def _factor_shape(of: Shown) -> tuple[int, ...]:
    """One number for each channel, or each unit of a vector."""
    axis = of.channel_axis
    return tuple(of.shape[0] if at == axis else 1 for at in range(of.value.type.rank))


def gradient_graph(graph: Graph, maps: list[Shown]) -> tuple[Graph, bool]:
    """Derivatives by all maps, with what is switched off as `run` has it, and whether the network
    has rectifiers, for which rules differ."""
    floor, opened = (Input(key, TensorType((), DType.FLOAT32))(name=key) for key in (FLOOR, OPEN))
    seeds = [Input(SEED + s.name, s.value.type)(name=SEED + s.name) for s in maps[1:]]
    fired: Counter[str] = Counter()
    factors, products = _switched(maps)
    found = vjp(products, seeds, [maps[0].value, *products], _rules(floor, opened), fired)
    outputs = {s.name: value for s, value in zip(maps, found, strict=True) if value is not None}
    inputs = (*graph.inputs, *factors, floor, opened, *seeds)
    made = Graph.of(inputs, outputs, name=f"{graph.name} gradient")
    return inference_graph(made), bool(fired)


def _rules(floor: Value, opened: Value) -> BackwardRules:
    """The rules of `guided` and `deconv` with numbers that choose between them and neither."""

    def rule(node: Node, dy: Value) -> Cotangents | None:
        through = NAMED["deconv"].table[node.op.name](node, dy)
        if through is None:
            return None
        own = own_derivative(node, Maximum()(dy, floor))
        return [
            d if t is None else t * opened if d is None else d * (1 - opened) + t * opened
            for d, t in zip(own, through, strict=True)
        ]

    return BackwardRules("page", dict.fromkeys(NAMED["deconv"].table, rule))
