"""Random single nodes of all versions: imported, run, and compared with ONNX Runtime."""

import numpy as np
import pytest
from onnx import helper
from support.onnx_random_nodes import differences, is_an_error_of_theirs, theirs
from support.random_nodes import MAKERS, model_of

runtime = pytest.importorskip("onnxruntime")


def test_random_nodes_agree():
    compared, refused, wrong = differences("default", 200)
    assert not wrong, "\n".join(wrong)
    assert sum(compared.values()) >= 150, refused
    assert set(compared) | set(refused) == set(MAKERS)


def test_the_judge_of_a_difference_is_not_ours():
    """It finds an error of theirs, and none where we are wrong."""
    x = np.random.default_rng(0).normal(size=(2, 5)).astype(np.float32)
    model, fed = model_of(helper.make_node("Softmax", ["x"], ["y"], axis=-1), {"x": x}, 13)
    right = theirs(model, fed)
    off = [right[0] + np.float32(1e-4)]
    assert is_an_error_of_theirs(model, fed, right, off)
    assert not is_an_error_of_theirs(model, fed, off, right)
    assert not is_an_error_of_theirs(model, fed, [right[0][:, :3]], right)
    x = np.ones((1, 1, 11, 5), np.float32)
    window = dict(kernel_shape=[1, 3], strides=[3, 1], pads=[0, 1, 0, 0], ceil_mode=1)
    model, fed = model_of(helper.make_node("MaxPool", ["x"], ["y"], **window), {"x": x}, 12)
    right, more = [np.ones((1, 1, 4, 4))], [np.ones((1, 1, 5, 4))]
    assert is_an_error_of_theirs(model, fed, right, more)
    assert not is_an_error_of_theirs(model, fed, more, right)


@pytest.mark.sweep
def test_many_random_nodes_agree():
    compared, refused, wrong = differences("full", 3000)
    print(f"compared {sum(compared.values())}, refused by ONNX Runtime {dict(refused)}")
    assert not wrong, f"{len(wrong)}\n" + "\n".join(wrong[:20])
    assert sum(compared.values()) >= 2000
