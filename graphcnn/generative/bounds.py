"""How likely images are under a network that makes them of codes: a bound from many draws."""

import math
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from graphcnn.compile.runner import Runner
from graphcnn.data.dataset import Dataset
from graphcnn.errors import DataError
from graphcnn.generative.graphs import decoder
from graphcnn.generative.sampling import Sampling
from graphcnn.ir.graph import Graph, rebuilt
from graphcnn.ir.node import Array, Value
from graphcnn.ir.sources import Input
from graphcnn.ir.state_values import Snapshot
from graphcnn.ir.tensor_type import DType, TensorType
from graphcnn.language.activations import softplus
from graphcnn.language.arguments import choose, is_int
from graphcnn.learning.samplers import Codes
from graphcnn.network.feeding import at_least_one, item_feeds
from graphcnn.ops.broadcast import Sum
from graphcnn.ops.elementwise import Exp, Maximum, as_type
from graphcnn.ops.random import RandomUniform, normal_of_uniform
from graphcnn.ops.shape import Transpose
from graphcnn.passes.streaming.sampler import IMAGE
from graphcnn.runtime.execution import Execution

#: The stream of the draws, apart from those of nodes, of training and of drawn images.
_STREAM = 0x49574145
_SEED, _SAMPLE, _FIRST = "seed", "sample", "first"
#: Below any exponent.
_LEAST = -3e38


def importance_bound(
    model: Sampling,
    images: Any,
    samples: int = 500,
    *,
    seed: int = 0,
    batch_size: int = 100,
    code: str | None = None,
    outputs: tuple[str, str, str] = ("logits", "mean", "log_variance"),
    runtime: str | None = None,
    threads: int | None = None,
    precision: str | None = None,
) -> Array:
    """An upper bound on -log p(x) of each image, in nats, of a variational autoencoder.

    Y. Burda et al., "Importance weighted autoencoders", arXiv:1509.00519: with K codes z drawn from
    q(z | x), normal with the mean and the variance that the encoder gives,

        -log 1/K Σ p(x | z) p(z) / q(z | x)

    whose expectation falls to -log p(x) as K grows; K = 1 is the loss `elbo`. Pixels are bits of
    the probabilities sigmoid(logits). The sum is taken as the codes are drawn, as m + log Σ exp(w -
    m), m the largest exponent w so far, so that memory does not depend on K. Which codes are drawn
    follows from seed, sample and item alone, so `threads` changes nothing, and `batch_size` the
    last bits at most.

    Args:
        images: a data set, or images (n, C, H, W); pixels of floats in [0, 1].
        samples: K.
        code: the tensor that a code is fed in place of, by default that of the model's sampler.
        outputs: the names of logits, mean and log variance.

    Returns:
        float64 (n,).

    Raises:
        GraphError: an output that the model does not have, or logits that depend on more than the
            code.
        DataError: a number of samples that is none.
    """
    count = at_least_one(samples, "samples")
    size = at_least_one(batch_size, "batch_size")
    if not is_int(seed):
        raise DataError(f"seed must be an int, found {seed!r}")
    if code is None:
        code = model.sampler.code if isinstance(model.sampler, Codes) else "code"
    execution = Execution.of(runtime, threads, precision)
    logits, mean, log_variance = outputs
    _output(model, logits)
    encoder = Graph.of(
        model.graph.inputs,
        {n: _output(model, n) for n in (mean, log_variance)},
        name=f"{model.name}.encoder",
    )
    encoding = model.runner_of(f"encoder {mean} {log_variance}", lambda: encoder, execution)
    step = model.runner_of(
        f"importance {code} {outputs}", partial(_step, model, Codes(code, logits)), execution
    )
    states = model.states.snapshot()
    found: list[Array] = []
    for feeds in _batches(model, images, size):
        pixels = next(iter(feeds.values()))
        codes = encoding.run(feeds, states)[0]
        first = sum(len(each) for each in found)
        given = {"x": pixels, "mean": codes[mean], "log_variance": codes[log_variance]}
        found.append(_streamed(step, states, given, seed, first, count))
    return np.concatenate(found)


def _batches(model: Sampling, images: Any, size: int) -> Iterator[dict[str, Array]]:
    """What the model is fed, piece by piece."""
    if isinstance(images, Dataset):
        for x, *_ in images.epoch(None, 0, size):
            yield item_feeds(model, x)
        return
    array = np.asarray(images)
    for first in range(0, len(array), size):
        yield item_feeds(model, array[first : first + size])


def _output(model: Sampling, name: str) -> Value:
    return choose(model.graph.outputs, name, f"output of {model.name}, for the bound,")


def _step(model: Sampling, sampler: Codes) -> Graph:
    """One more code for each item: from the largest exponent and the sum so far to those with it.

    The exponent is log p(x | z) + log p(z) - log q(z | x), for z = μ + s ε the sum over pixels of
    x · l - softplus(l) and over codes of ½ (ε² - z²) + log s.
    """
    graph = decoder(model.graph, sampler)
    (code,), logits = graph.inputs, graph.outputs[IMAGE]
    number = TensorType((), DType.INT64)
    seed, sample, first = (Input(n, number)(name=n) for n in (_SEED, _SAMPLE, _FIRST))
    x, mean, log_variance = (
        Input(name, kind)(name=name)
        for name, kind in (("x", logits.type), ("mean", code.type), ("log_variance", code.type))
    )
    row = TensorType(code.shape[:1], DType.FLOAT32)
    largest, total = (Input(name, row)(name=name) for name in ("largest", "total"))
    n, *rest = code.shape
    both = RandomUniform((n, 2, *rest), _STREAM)(seed, sample, first)
    order = (1, 0, *range(2, len(rest) + 2))  # item by item, so that each has numbers of its own
    noise = as_type(normal_of_uniform(Transpose(order)(both)), code.dtype)
    drawn = mean + Exp()(log_variance * 0.5) * noise
    (decoded,) = rebuilt([logits], {code: drawn})
    of_image = _items(x * decoded - softplus(decoded))
    exponent = of_image + _items(noise * noise - drawn * drawn + log_variance) * 0.5
    exponent = as_type(exponent, DType.FLOAT32)
    highest = Maximum()(largest, exponent)
    summed = total * Exp()(largest - highest) + Exp()(exponent - highest)
    inputs = (x, mean, log_variance, largest, total, seed, sample, first)
    return Graph.of(inputs, {"largest": highest, "total": summed}, name=f"{model.name}.bound")


def _items(x: Value) -> Value:
    return Sum(tuple(range(1, x.type.rank)))(x)


def _streamed(
    step: Runner, states: Snapshot, given: dict[str, Array], seed: int, first: int, samples: int
) -> Array:
    """The bound of one batch."""
    n = len(given["mean"])
    # The first code replaces these: exp(least - w) is 0.
    sums: dict[str, Array] = {
        "largest": np.full(n, _LEAST, np.float32),
        "total": np.zeros(n, np.float32),
    }
    fixed = {**given, _SEED: np.array(seed), _FIRST: np.array(first)}
    for sample in range(samples):
        sums = step.run({**fixed, **sums, _SAMPLE: np.array(sample)}, states)[0]
    mean = np.log(sums["total"].astype(np.float64)) - math.log(samples)
    return -(sums["largest"].astype(np.float64) + mean)
