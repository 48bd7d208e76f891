"""Networks that draw: a training step of each, and images of the PixelCNN, beside PyTorch.

"train" is a step of Adam on digits of 28×28 in batches as recipes have them: PixelCNN, row LSTM,
VAE, and both networks of DCGAN. "infer" draws 16 images of 14×14, which PyTorch does as it is
usually written: a forward pass of the whole network for every pixel. Both have the same weights,
and pixel models draw the same images from the same numbers.
"""

import importlib.util
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

import graphcnn as cnn
from graphcnn.generative.noise import uniforms
from graphcnn.ir.node import Array
from graphcnn.tools.bench import torch_draws
from graphcnn.tools.bench.cases import Options
from graphcnn.tools.bench.ours import our_name
from graphcnn.tools.bench.timing import Run

#: Images of a training step; 16 are drawn.
BATCHES = {"pixelcnn": 16, "row_lstm": 16, "vae": 100, "dcgan": 64}
SIZES = {"train": 28, "infer": 14}

#: A network and a kind of work: who does it.
Contest = tuple[str, str, dict[str, Callable[[], Run]]]


def contests(options: Options, threads: int) -> Iterator[Contest]:
    """Drawing, and training steps; PyTorch where it is installed and asked for."""
    peers = options.peers and importlib.util.find_spec("torch")
    for net in BATCHES:
        for work in ("infer", "train") if net == "pixelcnn" else ("train",):
            if work not in options.work:
                continue
            make: dict[str, Callable[[], Run]] = {
                our_name(p): partial(_ours, net, work, options, threads, p)
                for p in options.precisions
            }
            if peers:
                make["torch"] = partial(torch_run, net, work, threads)
            yield net, work, make


def model(net: str, work: str) -> cnn.Model:
    """The network, with seeded weights."""
    return cnn.models.build(net, size=SIZES[work]).initialize(0)


def images(net: str) -> Array:
    """Black and white images to learn."""
    drawn = np.random.default_rng(0).random((BATCHES[net], 1, 28, 28)) < 0.2
    return drawn.astype(np.float32)


def _ours(net: str, work: str, options: Options, threads: int, precision: str) -> Run:
    execution: dict[str, Any] = {
        "runtime": options.runtime, "threads": threads, "precision": precision,
    }  # fmt: skip
    made = model(net, work)
    if work == "infer":
        return lambda: made.sample(BATCHES[net], **execution)
    x = images(net)
    adam = cnn.Adam(torch_draws.RATE)
    if net == "dcgan":
        adam = cnn.Adam(torch_draws.RATE, *torch_draws.BETAS)
    session = cnn.Session(made, None, adam, tune=options.tune, **execution)
    fed = (x,) if net == "dcgan" else (x, x)
    return lambda: session.step(*fed)


def torch_run(net: str, work: str, threads: int) -> Run:
    """The same work in PyTorch. Drawing gives the images, a step its losses."""
    import torch

    torch.set_num_threads(threads)
    state = torch_draws.state_of(model(net, work).states)
    if work == "infer":
        size = SIZES[work]
        return torch_draws.drawing(state, uniforms(0, 0, BATCHES[net], (1, size, size)))
    return torch_draws.training(net, state, images(net))
