"""The dense layer that a convolution is, of its own weights."""

import numpy as np

from graphcnn.ir.node import Node
from graphcnn.lens.core import Core
from graphcnn.lens.finding import Finding
from graphcnn.lens.study.filters import weights_of
from graphcnn.ops.conv import Conv2d
from graphcnn.passes.simplify.conv_to_dense import dense_equivalent
from graphcnn.passes.simplify.dense_part import dense_part
from graphcnn.pictures.lessons.shared_weights import SharedWeights, shared_weights_picture


def dense_form(core: Core, layer: str) -> Finding:
    """See `Study.dense_form`."""
    node, kernel = weights_of(core, layer)
    counts = dense_equivalent(node)  # refuses other operators
    part = dense_part(node, kernel)
    form = SharedWeights(
        name=layer,
        setting=setting(node, kernel.shape[2:]),
        kernel=kernel,
        input_sizes=node.inputs[0].shape[1:],  # type: ignore[arg-type]
        output_sizes=node.output.shape[1:],  # type: ignore[arg-type]
        outputs=part.outputs,
        inputs=part.inputs,
        taps=part.taps,
        parameters=counts.parameters,
        weights=counts.weights,
        kept=counts.nonzero,
    )
    arrays = {
        "weights": part.weights,
        "taps": part.taps,
        "outputs": np.array(part.outputs),
        "inputs": np.array(part.inputs),
    }
    facts = {
        "layer": f"{layer}, {node.op.name}",
        "method": str(counts),
        "shown": f"{len(part.outputs)} rows and {len(part.inputs)} columns",
        "model": core.model.name,
    }
    return Finding(
        f"{layer} as a dense layer", arrays, facts, lambda _: shared_weights_picture(form)
    )


def setting(node: Node, kernel: tuple[int, ...]) -> str:
    """`3×3 kernel, stride 1, padding 0`, and what else is unusual."""
    op = node.op
    assert isinstance(op, Conv2d)
    top, bottom, left, right = op.padding
    sides = (top, bottom, left, right)
    padding = str(top) if len(set(sides)) == 1 else f"{top}, {bottom}, {left}, {right}"
    words = [
        f"{kernel[0]}×{kernel[1]} kernel",
        f"stride {_pair(op.stride)}",
        f"padding {padding}",
    ]
    if op.dilation != (1, 1):
        words.append(f"dilation {_pair(op.dilation)}")
    if op.groups > 1:
        words.append(f"{op.groups} groups")
    return ", ".join(words)


def _pair(pair: tuple[int, int]) -> str:
    return str(pair[0]) if pair[0] == pair[1] else f"{pair[0]}×{pair[1]}"
