"""The plane of the codes of a network whose codes are two numbers."""

from statistics import NormalDist

import numpy as np

from graphcnn.errors import GraphError
from graphcnn.generative.graphs import decoder
from graphcnn.generative.sampling import Sampling
from graphcnn.ir.node import Array
from graphcnn.learning.samplers import Codes
from graphcnn.network.feeding import at_least_one
from graphcnn.passes.streaming.sampler import IMAGE
from graphcnn.runtime.execution import Execution


def quantiles(side: int) -> Array:
    """`side` numbers that a normal one, of mean 0 and variance 1, falls between equally often:
    the inverse of its distribution function at (i + ½) / side."""
    normal = NormalDist()
    return np.array([normal.inv_cdf((i + 0.5) / at_least_one(side, "side")) for i in range(side)])


def plane(
    model: Sampling,
    side: int = 20,
    *,
    runtime: str | None = None,
    threads: int | None = None,
    precision: str | None = None,
) -> Array:
    """What a network draws of the codes of a plane: float32 (side, side, C, H, W).

    The codes are pairs of quantiles of a normal number, so that each image stands for an equal part
    of all that the network draws (D. Kingma and M. Welling, arXiv:1312.6114, figure 4). Row i has
    the second number of the code from its largest on, column j the first from its smallest.

    Raises:
        GraphError: the network does not draw from codes, or they are not two numbers.
    """
    sampler = model.sampler
    if not isinstance(sampler, Codes):
        raise GraphError(
            f"{model.name} does not draw from codes: a plane is that of a model whose sampler is "
            "cnn.samplers.Codes"
        )
    graph = decoder(model.graph, sampler)
    (code,) = graph.inputs
    if code.shape[1:] not in ((2,), (2, 1, 1)):
        raise GraphError(
            f"a plane has codes of two numbers, (N, 2), and those of {model.name} are {code.type}: "
            "graphcnn train vae --set z=2 makes a network with such"
        )
    at = quantiles(side)
    codes = np.stack(np.meshgrid(at, at[::-1]), -1).reshape(side * side, *code.shape[1:])
    runner = model.runner_of(f"{sampler}", lambda: graph, Execution.of(runtime, threads, precision))
    fed = {sampler.code: codes.astype(code.dtype.numpy)}
    images: Array = runner.run(fed, model.states.snapshot())[0][IMAGE]
    return images.reshape(side, side, *images.shape[1:]).astype(np.float32)
