"""What a convolution reads, its image or its kernel, may be read once more by what follows it."""

import numpy as np
import pytest

import graphcnn as cnn
from graphcnn.compile.native import Prepared
from graphcnn.compile.pipelines import inference_graph
from graphcnn.runtime.execution import Execution
from graphcnn.runtime.native.code.target import can_run, named
from graphcnn.runtime.reference import Reference


def image_again(x, channels):
    return cnn.conv2d(x, channels, 3, padding=1, bias=False) * 0.5 - x


@pytest.mark.parametrize("target", ["sse2", "avx2", "avx512"])
@pytest.mark.parametrize("channels", [2, 4, 8, 16])
@pytest.mark.parametrize("precision", ["fast", "strict"])
def test_an_image_is_read_beside_the_result(target: str, channels: int, precision: str) -> None:
    if not can_run(named(target)):
        pytest.skip(f"no {target} here")
    image = cnn.input("image", (channels, 6, 6))
    x = cnn.concat([cnn.relu(image), image], 1)[:, :channels]
    model = cnn.Model(image, cnn.global_avg_pool2d(image_again(x, channels))).initialize(0)
    graph = inference_graph(model.graph).bind(N=2)
    states = model.states.snapshot()
    prepared = Prepared(graph, Execution("native", 1, precision, False, named(target)))
    prepared.bind_states(states)
    feeds = {"image": np.random.default_rng(0).normal(size=(2, channels, 6, 6)).astype("f4")}
    (found,), (expected,) = (
        each[0].values() for each in (prepared.run(feeds), Reference(graph).run(feeds, states))
    )
    assert np.allclose(found, expected, rtol=1e-4, atol=1e-5)
