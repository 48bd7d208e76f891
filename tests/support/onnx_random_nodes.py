"""Random models of one node, by ONNX Runtime and by us: how many are compared, and what differs."""

from collections import Counter
from random import Random

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper
from support.random_nodes import MAKERS, model_of

from graphcnn.exchange.backend import GraphCnnRep

runtime = pytest.importorskip("onnxruntime")

#: Largest error allowed, normalised by the largest output.
BOUND = 3e-6


def theirs(model, fed):
    """What ONNX Runtime gives, None where it refuses the model."""
    options = runtime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_DISABLE_ALL
    try:
        session = runtime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        return session.run(None, fed)
    except Exception:  # its errors have no common base
        return None


def in_double(model, fed):
    """What ONNX Runtime gives for the same node in double precision, None where it cannot."""
    twin = onnx.ModelProto.FromString(model.SerializeToString())
    for info in (*twin.graph.input, *twin.graph.output):
        if info.type.tensor_type.elem_type == onnx.TensorProto.FLOAT:
            info.type.tensor_type.elem_type = onnx.TensorProto.DOUBLE
    for tensor in twin.graph.initializer:
        if tensor.data_type == onnx.TensorProto.FLOAT:
            wide = numpy_helper.to_array(tensor).astype(np.float64)
            tensor.CopyFrom(numpy_helper.from_array(wide, tensor.name))
    wide = {k: a.astype(np.float64) if a.dtype == np.float32 else a for k, a in fed.items()}
    return theirs(twin, wide)


def shape_of_pool(node, shape):
    """By the specification: a window that would begin behind the image is ignored."""
    given = {a.name: helper.get_attribute_value(a) for a in node.attribute}
    spatial = range(len(shape) - 2)
    counts = []
    for i in spatial:
        kernel, stride = given["kernel_shape"][i], given.get("strides", [1] * 3)[i]
        before, after = (given.get("pads", [0] * 6)[j] for j in (i, i + len(spatial)))
        span = (kernel - 1) * given.get("dilations", [1] * 3)[i] + 1
        size = before + shape[i + 2] + after - span
        count = (-(-size // stride) if given.get("ceil_mode") else size // stride) + 1
        counts.append(count - ((count - 1) * stride >= before + shape[i + 2]))
    return (*shape[:2], *counts)


def is_an_error_of_theirs(model, fed, found, expected):
    """Whether ONNX Runtime is wrong by itself or by the specification: releases before 1.24 count a
    last window of padding alone in pools that round up, and layer norms lost digits."""
    if found[0].shape != expected[0].shape:
        node = model.graph.node[0]
        return "Pool" in node.op_type and found[0].shape == shape_of_pool(node, fed["x"].shape)
    exact = in_double(model, fed)
    if exact is None:
        return False
    scale = max(np.abs(e).max(initial=1e-6) for e in exact)
    ours, other = (
        max(np.abs(a - e).max(initial=0) for a, e in zip(results, exact, strict=True)) / scale
        for results in (found, expected)
    )
    return bool(ours <= BOUND < other)


def differences(seed, count, makers=MAKERS):
    """(compared, refused by ONNX Runtime, texts of what differs) of `count` random nodes."""
    compared, refused, wrong = Counter(), Counter(), []
    names = list(makers)
    for i in range(count):
        random = Random(f"{seed} {i}")
        name = names[i % len(names)]
        node, arrays, opset = makers[name](random)
        model, fed = model_of(node, arrays, opset)
        expected = theirs(model, fed)
        if expected is None:
            refused[name] += 1
            continue
        compared[name] += 1
        try:
            found = GraphCnnRep(model).run(fed)
            agree(found, expected)
        except AssertionError as error:
            if not is_an_error_of_theirs(model, fed, found, expected):
                wrong.append(f"{i} {described(node, arrays, opset)}: {error}")
        except Exception as error:
            wrong.append(f"{i} {described(node, arrays, opset)}: {error!r}")
    return compared, refused, wrong


def agree(found, expected):
    for a, b in zip(found, expected, strict=True):
        scale = np.abs(b[np.isfinite(b)]).max(initial=1e-6)
        np.testing.assert_allclose(a / scale, b / scale, rtol=0, atol=BOUND)
        assert (a.shape, a.dtype) == (b.shape, b.dtype)


def described(node, arrays, opset):
    attributes = " ".join(f"{a.name}={a.ints or a.i or a.s or a.f}" for a in node.attribute)
    return f"{node.op_type}-{opset} {attributes} {[v.shape for v in arrays.values()]}"
