"""Random single nodes of all versions: imported, run, and compared with ONNX Runtime."""

from collections import Counter
from random import Random

import numpy as np
import pytest
from random_nodes import MAKERS, model_of

from graphcnn.onnx.backend import GraphCnnRep

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
            for a, b in zip(found, expected, strict=True):
                scale = np.abs(b[np.isfinite(b)]).max(initial=1e-6)
                np.testing.assert_allclose(a / scale, b / scale, rtol=0, atol=BOUND)
                assert (a.shape, a.dtype) == (b.shape, b.dtype)
        except Exception as error:
            attributes = " ".join(f"{a.name}={a.ints or a.i or a.s or a.f}" for a in node.attribute)
            shapes = [v.shape for v in arrays.values()]
            wrong.append(f"{i} {node.op_type}-{opset} {attributes} {shapes}: {error}")
    return compared, refused, wrong


def test_random_nodes_agree():
    compared, refused, wrong = differences("default", 200)
    assert not wrong, "\n".join(wrong)
    assert sum(compared.values()) >= 150, refused
    assert set(compared) == set(MAKERS)


@pytest.mark.sweep
def test_many_random_nodes_agree():
    compared, refused, wrong = differences("full", 3000)
    print(f"compared {sum(compared.values())}, refused by ONNX Runtime {dict(refused)}")
    assert not wrong, f"{len(wrong)}\n" + "\n".join(wrong[:20])
    assert sum(compared.values()) >= 2000
