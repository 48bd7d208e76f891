"""The gated PixelCNN: a training step, and images that it draws, beside the same in PyTorch.

"train" is a step of Adam on 16 digits of 28×28. "infer" draws 16 images of 14×14, which PyTorch
does as it is usually written: a forward pass of the whole network for every pixel. Both have the
same weights, and draw the same images from the same numbers.
"""

import importlib.util
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

import graphcnn as cnn
from graphcnn.generative.noise import uniforms
from graphcnn.ir.node import Array
from graphcnn.models.pixelcnn import DILATIONS
from graphcnn.tools.bench.cases import Options
from graphcnn.tools.bench.ours import our_name
from graphcnn.tools.bench.timing import Run

NET, BATCH = "pixelcnn", 16
LAYERS = 7
SIZES = {"train": 28, "infer": 14}

#: For one kind of work: who does it.
Contest = tuple[str, dict[str, Callable[[], Run]]]


def contests(options: Options, threads: int) -> Iterator[Contest]:
    """Drawing, and a training step; PyTorch where it is installed and asked for."""
    for work in (work for work in ("infer", "train") if work in options.work):
        make: dict[str, Callable[[], Run]] = {
            our_name(p): partial(_ours, work, options, threads, p) for p in options.precisions
        }
        if options.peers and importlib.util.find_spec("torch"):
            make["torch"] = partial(torch_run, work, threads)
        yield work, make


def model(work: str) -> cnn.Model:
    """The network, with seeded weights."""
    found: cnn.Model = cnn.models.pixelcnn(size=SIZES[work], layers=LAYERS)
    return found.initialize(0)


def images(work: str) -> Array:
    """Black and white images to learn."""
    drawn = np.random.default_rng(0).random((BATCH, 1, SIZES[work], SIZES[work])) < 0.2
    return drawn.astype(np.float32)


def _ours(work: str, options: Options, threads: int, precision: str) -> Run:
    execution: dict[str, Any] = {
        "runtime": options.runtime, "threads": threads, "precision": precision,
    }  # fmt: skip
    net, x = model(work), images(work)
    if work == "infer":
        return lambda: net.sample(BATCH, **execution)
    loss, adam = cnn.losses.PixelNLL(), cnn.Adam(1e-3)
    session = cnn.Session(net, loss, adam, tune=options.tune, **execution)
    return lambda: session.step(x, x)


def torch_run(work: str, threads: int) -> Run:
    """The same work in PyTorch. Drawing gives the images."""
    import torch
    from torch.nn import functional as F

    torch.set_num_threads(threads)
    net = model(work)
    state = {key: torch.from_numpy(np.array(a)) for key, a in net.states.items()}
    if work == "infer":
        size = SIZES[work]
        u = torch.from_numpy(uniforms(0, 0, BATCH, (1, size, size)))

        def draw() -> object:
            image = torch.zeros((BATCH, 1, size, size))
            with torch.inference_mode():
                for y in range(size):
                    for x in range(size):
                        p = torch.sigmoid(torch_logits(state, image))
                        image[:, :, y, x] = (u[:, :, y, x] < p[:, :, y, x]).float()
            return image.numpy()

        return draw
    for each in state.values():
        each.requires_grad_()
    x = torch.from_numpy(images(work))
    optimizer = torch.optim.Adam(state.values(), lr=1e-3)

    def step() -> object:
        optimizer.zero_grad(set_to_none=True)
        logits = torch_logits(state, x)
        lost = F.binary_cross_entropy_with_logits(logits, x, reduction="none")
        loss = lost.sum((1, 2, 3)).mean()
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def torch_logits(state: dict[str, Any], image: Any) -> Any:
    """The network in PyTorch: kernels along a row have no taps that a mask would leave out."""
    import torch
    from torch.nn import functional as F

    def conv(x: Any, name: str, taps: int | None = None, dilation: int = 1) -> Any:
        weight = state[f"{name}.weight"]
        weight = weight if taps is None else weight[..., :taps]
        return F.conv2d(x, weight, state.get(f"{name}.bias"), dilation=dilation)

    def gate(x: Any) -> Any:
        a, b = x.chunk(2, 1)
        return torch.tanh(a) * torch.sigmoid(b)

    above = left = image
    width = image.shape[3]
    for i in range(LAYERS):
        name, first = f"layer{i + 1}", i == 0
        reach, apart = (3, 1) if first else (1, DILATIONS[(i - 1) % len(DILATIONS)])
        far = reach * apart
        rows = conv(F.pad(above, (far, far, far, 0)), f"{name}.rows", None, apart)
        pixels = conv(F.pad(left, (far, 0, 0, 0)), f"{name}.pixels", reach + (not first), apart)
        down = conv(F.pad(rows, (0, 0, 1, 0))[:, :, :-1], f"{name}.down")
        new = conv(gate(pixels[..., :width] + down), f"{name}.out")
        above, left = gate(rows), new if first else left + new
    return conv(F.relu(conv(F.relu(left), "head")), "logits")
