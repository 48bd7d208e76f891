"""What is timed: the networks, the kinds of work, and how a contender offers itself."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from graphcnn.ir.node import Array
from graphcnn.learning.optimizers import SGD
from graphcnn.model import Model
from graphcnn.models import build

#: Network to batch size of training and of inference in large batches.
NETS = {"lenet5": 64, "mnist_cnn": 128, "vgg_cifar": 64, "resnet18": 8}
WORK = ("train", "infer", "single")
OPTIMIZER = SGD(0.01, momentum=0.9)
#: The networks of the `onnx` package that are timed.
LIGHT = ("resnet50", "squeezenet", "densenet121", "shufflenet", "inception_v2", "vgg19")

#: What the curves of the case cifar have: the mean loss of the batches since the last row, and at
#: the end of an epoch the accuracy on the test images.
LOSS, ACCURACY = "loss", "test_accuracy"


@dataclass(frozen=True)
class Options:
    """What to run; the words are those of `graphcnn bench`."""

    cases: tuple[str, ...]
    nets: tuple[str, ...] = tuple(NETS)
    work: tuple[str, ...] = WORK
    peers: bool = False
    rounds: int = 9
    runtime: str = "native"
    precisions: tuple[str, ...] = ("fast",)
    tune: bool = False
    data: str = ""
    #: Of the case cifar: all epochs, PyTorch in bfloat16 too, and at most so many steps an epoch.
    whole: bool = False
    bf16: bool = False
    steps: int | None = None


@dataclass(frozen=True)
class Case:
    """One kind of work on one network: the same weights and inputs for everybody.

    `work` is "train" (forward, backward and SGD with momentum 0.9 on cross-entropy), "infer" (a
    large batch) or "single" (batch 1); both from NumPy array to NumPy array. `onnx` is the file of
    a network that came as one.
    """

    net: str
    work: str
    batch: int
    threads: int
    model: Model
    images: Array
    labels: Array
    onnx: bytes | None = None


#: Makes the function to time, or raises `Unavailable`.
Contender = Callable[[Case], Callable[[], object]]


class Unavailable(Exception):
    """This contender does not do this kind of case at all; the message says why."""


def make_cases(nets: tuple[str, ...], work: tuple[str, ...], threads: int) -> Iterator[Case]:
    """All cases of some networks and kinds of work, with seeded weights and inputs."""
    for net in nets:
        model = build(net).initialize(0)
        shape = tuple(int(d) for d in model.graph.inputs[0].shape[1:] if isinstance(d, int))
        classes = next(iter(model.graph.outputs.values())).shape[1]
        for kind in work:
            batch = 1 if kind == "single" else NETS[net]
            rng = np.random.default_rng(0)
            images = rng.normal(size=(batch, *shape)).astype(np.float32)
            labels = rng.integers(0, classes, batch)  # type: ignore[arg-type]
            yield Case(net, kind, batch, threads, model, images, labels)


def light_cases(threads: int) -> Iterator[Case]:
    """Single images through the imported networks of the `onnx` package, weights seeded."""
    from graphcnn.model import import_onnx
    from graphcnn.tools.bench.light import light_model

    for name in LIGHT:
        content = light_model(name)[0].SerializeToString()
        model = import_onnx(content)
        image = np.random.default_rng(1).normal(size=(1, 3, 224, 224)).astype(np.float32)
        labels = np.zeros(1, np.int64)
        yield Case(f"light_{name}", "single", 1, threads, model, image, labels, content)
