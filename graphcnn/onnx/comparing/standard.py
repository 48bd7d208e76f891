"""What the standard says of single nodes: the reference implementation of the onnx package."""

import warnings
from collections.abc import Mapping, Sequence

import numpy as np
import onnx
from onnx import ModelProto, NodeProto

from graphcnn.ir.node import Array

#: Products that it may form, at most: it is written to be read.
_PRODUCTS = 1 << 28


def by_the_standard(
    model: ModelProto, nodes: Sequence[NodeProto], arrays: Mapping[str, Array], name: str
) -> Array | None:
    """One result of some nodes of a model, computed from `arrays` in float64 where that is
    possible, else in their own types. None where the onnx package cannot tell."""
    if any(_too_much(node, arrays) for node in nodes):
        return None
    wide = {
        k: a.astype(np.float64) if a.dtype in (np.float32, np.float16) else a
        for k, a in arrays.items()
    }
    for feeds in (wide, dict(arrays)):
        try:
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                return _evaluated(model, nodes, feeds, name)
        except Exception:  # whatever it lacks or trips over
            continue
    return None


def _evaluated(
    model: ModelProto, nodes: Sequence[NodeProto], feeds: Mapping[str, Array], name: str
) -> Array:
    from onnx.reference import ReferenceEvaluator

    infos = [
        onnx.helper.make_tensor_value_info(
            key, onnx.helper.np_dtype_to_tensor_dtype(a.dtype), a.shape
        )
        for key, a in feeds.items()
    ]
    graph = onnx.helper.make_graph(nodes, "nodes", infos, [onnx.ValueInfoProto(name=name)])
    alone = onnx.helper.make_model(
        graph, opset_imports=model.opset_import, functions=model.functions
    )
    (found,) = ReferenceEvaluator(alone).run([name], dict(feeds))
    return np.asarray(found)


def _too_much(node: NodeProto, arrays: Mapping[str, Array]) -> bool:
    sizes = [arrays[k].size if k in arrays else 1 for k in node.input if k]
    kernel = next((arrays[k].shape for k in node.input[1:2] if k in arrays), ())
    if "Conv" in node.op_type:
        return bool(sizes and sizes[0] * np.prod(kernel[2:]) * max((1, *kernel[:1])) > _PRODUCTS)
    if "MatMul" in node.op_type or node.op_type == "Gemm":
        return bool(sizes and sizes[0] * (kernel[-1] if kernel else 1) > _PRODUCTS)
    return sum(sizes) > _PRODUCTS >> 4
