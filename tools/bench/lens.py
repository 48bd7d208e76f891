"""The lens against captum, and images that are made against PyTorch.

All have the same weights and images; an attribution goes from a NumPy array to a NumPy array.
Captum has a batch size in occlusion that suits it, and noise of its own.
"""

import importlib.util
import math
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from graphcnn.data.normalisation import Normalisation
from graphcnn.models import build
from graphcnn.tools.bench.cases import Options
from graphcnn.tools.bench.ours import our_name
from graphcnn.tools.bench.timing import Run
from graphcnn.tools.bench.torch_nets import torch_module

if TYPE_CHECKING:
    from graphcnn.ir.node import Array
    from graphcnn.model import Model

#: The layer of the class activation maps, and the number of that module in PyTorch.
LAYERS = {
    "lenet5": ("C3", 4),
    "mnist_cnn": ("conv2", 4),
    "resnet18": ("stage4.block2.relu2", 11),
}
#: What is done on every network, and what on the small ones besides.
QUICK = ("gradient", "guided", "grad_cam")
WORK = (*QUICK, "integrated", "smooth", "occlude")
SAMPLES, PATCH = 50, 5
#: Of the search for the images of all filters of a layer.
FILTERS, STEPS = ("mnist_cnn", "conv2", 64), 64

#: For one network, kind of work and number of items: who does it.
Contest = tuple[str, str, int, dict[str, Callable[[], Run]]]


@dataclass(frozen=True)
class Task:
    """One image whose score is explained."""

    net: str
    model: "Model"
    image: "Array"
    target: int
    threads: int


def contests(options: Options, threads: int) -> Iterator[Contest]:
    """All of them; peers where they are installed and asked for."""
    for net in (net for net in options.nets if net in LAYERS):
        model = build(net).initialize(0)
        size = tuple(int(d) for d in model.graph.inputs[0].shape[1:] if isinstance(d, int))
        image = np.random.default_rng(0).random((1, *size)).astype(np.float32)
        task = Task(net, model, image, int(model.lens().predicted(image).argmax()), threads)
        for work in QUICK if net == "resnet18" else WORK:
            make: dict[str, Callable[[], Run]] = {
                our_name(p): partial(_ours, task, work, p) for p in _precisions(options)
            }
            if options.peers and importlib.util.find_spec("captum"):
                make["captum"] = partial(_captum, task, work)
            yield net, work, 1, make
    if FILTERS[0] in options.nets:
        yield _maximising(options, threads)


def _precisions(options: Options) -> tuple[str, ...]:
    """The lens computes in strict precision where nobody says otherwise."""
    return tuple(dict.fromkeys(("strict", *options.precisions)))


def _ours(task: Task, work: str, precision: str) -> Run:
    lens = task.model.lens(threads=task.threads, precision=precision)
    x, target, layer = task.image, task.target, LAYERS[task.net][0]
    runs: dict[str, Run] = {
        "gradient": lambda: lens.gradient(x, target),
        "guided": lambda: lens.gradient(x, target, rule="guided"),
        "grad_cam": lambda: lens.grad_cam(x, target, layer=layer),
        "integrated": lambda: lens.integrated(x, target, steps=SAMPLES, tolerance=None),
        "smooth": lambda: lens.smooth(x, target, samples=SAMPLES),
        "occlude": lambda: lens.occlude(x, target, patch=PATCH, stride=1),
    }
    return runs[work]


def _captum(task: Task, work: str) -> Run:
    """The same by captum."""
    import torch
    from captum import attr

    torch.set_num_threads(task.threads)
    warnings.filterwarnings("ignore", module="captum")  # it says that it sets hooks
    module = torch_module(task.net, task.model.states).eval()
    image = task.image
    noise = 0.15 * float(image.max() - image.min())
    window = (image.shape[1], PATCH, PATCH)
    methods: dict[str, tuple[Callable[[], Any], dict[str, Any]]] = {
        "gradient": (lambda: attr.Saliency(module), {"abs": False}),
        "guided": (lambda: attr.GuidedBackprop(module), {}),
        "grad_cam": (lambda: attr.LayerGradCam(module, module[LAYERS[task.net][1]]), {}),
        "integrated": (lambda: attr.IntegratedGradients(module), {"n_steps": SAMPLES}),
        "smooth": (
            lambda: attr.NoiseTunnel(attr.Saliency(module)),
            {"nt_type": "smoothgrad", "nt_samples": SAMPLES, "stdevs": noise, "abs": False},
        ),
        "occlude": (
            lambda: attr.Occlusion(module),
            {"sliding_window_shapes": window, "perturbations_per_eval": 64},
        ),
    }
    make, options = methods[work]
    method = make()

    def run() -> object:
        found = method.attribute(torch.from_numpy(image), target=task.target, **options)
        return found.detach().numpy()

    return run


def _maximising(options: Options, threads: int) -> Contest:
    """The images that all filters of a layer answer most, made at once."""
    net, layer, count = FILTERS
    model = build(net).initialize(0)
    model.normalisation = Normalisation((0.1307,), (0.3081,))

    def ours(precision: str) -> Run:
        lens = model.lens(threads=threads, precision=precision)
        return lambda: lens.maximise(layer, steps=STEPS)

    make: dict[str, Callable[[], Run]] = {
        our_name(p): partial(ours, p) for p in _precisions(options)
    }
    if options.peers and importlib.util.find_spec("torch"):
        for name, last in (("torch eager", False), ("torch channels_last", True)):
            make[name] = partial(_torch_search, model, count, threads, last)
    return net, f"maximise, {STEPS} steps,", count, make


def _torch_search(model: "Model", count: int, threads: int, last: bool) -> Run:
    """The same search as anyone would write it: amplitudes of cosines, jitter, Adam."""
    import torch

    torch.set_num_threads(threads)
    layers = torch_module(FILTERS[0], model.states)[:5]
    if last:
        layers = layers.to(memory_format=torch.channels_last)
    for parameter in layers.parameters():
        parameter.requires_grad_(False)
    side, jitter = 28, 2
    k = torch.arange(side, dtype=torch.float32)
    cosines = math.sqrt(2 / side) * torch.cos(math.pi * torch.outer(k, k + 0.5) / side)
    cosines[0] /= math.sqrt(2)
    frequency = torch.hypot(k[:, None] / (2 * side), k[None] / (2 * side)).clamp(min=1 / side)
    scale = 1.5 / frequency / (1 / frequency).square().mean().sqrt()
    each = torch.arange(count)

    def run() -> object:
        torch.manual_seed(0)
        amplitudes = torch.randn(count, 1, side, side).requires_grad_()
        optimizer = torch.optim.Adam([amplitudes], 0.05)
        for _ in range(STEPS):
            optimizer.zero_grad(set_to_none=True)
            image: Any = torch.sigmoid(cosines.t() @ (amplitudes * scale) @ cosines)
            row, column = (int(v) for v in torch.randint(0, 2 * jitter + 1, (2,)))
            image = torch.nn.functional.pad(image, (jitter,) * 4, mode="replicate")
            image = image[:, :, row : row + side, column : column + side]
            image = (image - 0.1307) / 0.3081
            if last:
                image = image.contiguous(memory_format=torch.channels_last)
            (-layers(image)[each, each].mean((1, 2)).sum()).backward()
            optimizer.step()
        return amplitudes.detach().numpy()

    return run
