"""The graphs that draw, made of that of a model."""

from graphcnn.analysis.finding import value_named
from graphcnn.errors import GraphError
from graphcnn.ir.graph import Graph, rebuilt, topological_order
from graphcnn.ir.sources import Input
from graphcnn.ir.tensor_type import DType, TensorType
from graphcnn.learning.samplers import Codes, Pixels
from graphcnn.passes.streaming.sampler import IMAGE, TEMPERATURE, UNIFORM

#: The output that has what was drawn from, where one sees whether it depends on what comes later.
LOGITS = "logits"


def all_pixels(graph: Graph, sampler: Pixels) -> Graph:
    """Draws every number of an image as if those before it were the ones that are fed.

    Inputs are those of the model, `uniform` as the image, and `temperature`, a number; outputs are
    `image` and `logits`.
    """
    inputs = {v.node.name: v for v in graph.inputs}
    image = inputs[sampler.image]
    taken = {UNIFORM, TEMPERATURE} & inputs.keys()
    if taken:
        raise GraphError(
            f"the input {taken.pop()!r} of {graph.name} has the name of what a draw "
            "is fed: give it another"
        )
    noise = Input(UNIFORM, image.type)(name=UNIFORM)
    heat = Input(TEMPERATURE, TensorType((), DType.FLOAT32))(name=TEMPERATURE)
    logits = graph.outputs[sampler.logits]
    drawn = sampler.distribution.draw(logits, noise, heat)
    return Graph.of(
        (*graph.inputs, noise, heat), {IMAGE: drawn, LOGITS: logits}, name=f"{graph.name}.draw"
    )


def decoder(graph: Graph, sampler: Codes) -> Graph:
    """From a code to an image.

    Raises:
        GraphError: there is no such code, or the image depends on something else that is fed.
    """
    code = value_named(graph, sampler.code, True)
    fed = Input(sampler.code, code.type)(name=sampler.code)
    (image,) = rebuilt([graph.outputs[sampler.image]], {code: fed})
    found = topological_order([image.node])
    others = [n.name for n in found if isinstance(n.op, Input) and n is not fed.node]
    if others:
        raise GraphError(
            f"{graph.name} draws from {sampler.code!r} {code.type} alone, and its output "
            f"{sampler.image!r} depends on the input {others[0]!r} as well: make it of the code "
            "only, or name another tensor as the code"
        )
    if not any(n is fed.node for n in found):
        raise GraphError(
            f"the output {sampler.image!r} of {graph.name} does not depend on {sampler.code!r} "
            f"{code.type}, which is to be its code"
        )
    return Graph.of((fed,), {IMAGE: image}, name=f"{graph.name}.decoder")
