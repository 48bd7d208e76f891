"""What augmentation costs: a training step with it and without, and each transform on its own.

The network is of the kind that reaches 94 % on CIFAR-10 in seconds (K. Jordan, 2024): convolutions
of 3×3 in three blocks of 64, 256 and 256 channels, batches of 256 images 3×32×32 of uint8. A step
gets its batch as in `fit`, from a thread beside it where it is augmented.
"""

import itertools
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from typing import Any
from weakref import finalize

import numpy as np

import graphcnn as cnn
from graphcnn.data import augment
from graphcnn.data.dataset import Dataset
from graphcnn.data.prefetching import drawn
from graphcnn.model import Model
from graphcnn.tools.bench.cases import OPTIMIZER, Options
from graphcnn.tools.bench.ours import our_name
from graphcnn.tools.bench.timing import Run

BATCH, SHAPE, CLASSES = 256, (3, 32, 32), 10
#: What such networks are trained with.
CHAIN = augment.flip(), augment.crop(4), augment.cutout(8)
TRANSFORMS: dict[str, augment.Transform | tuple[augment.Transform, ...]] = {
    "flip": augment.flip(),
    "alternating_flip": augment.alternating_flip(),
    "crop(4)": augment.crop(4),
    "crop(4, reflect)": augment.crop(4, "reflect"),
    "cutout(8)": augment.cutout(8),
    "random_erasing": augment.random_erasing(),
    "rotation(15)": augment.rotation(15),
    "rotation, scale, shift, shear": (
        augment.rotation(15),
        augment.scale(0.1),
        augment.shift(2),
        augment.shear(5),
    ),
    "random_resized_crop": augment.random_resized_crop(),
    "brightness(0.2)": augment.brightness(0.2),
    "contrast(0.2)": augment.contrast(0.2),
    "saturation(0.2)": augment.saturation(0.2),
    "hue(0.1)": augment.hue(0.1),
    "colour_jitter": augment.colour_jitter(0.2, 0.2, 0.2, 0.1),
    "noise(0.05)": augment.noise(0.05),
    "mixup": augment.mixup(),
    "cutmix": augment.cutmix(),
}


def fast_network(width: int = 64) -> Model:
    """Three blocks, each of two convolutions with a pooling between."""
    image = cnn.input("image", SHAPE)
    x = cnn.gelu(cnn.conv2d(image, width // 3 + 3, 2, padding=0))
    for channels in (width, 4 * width, 4 * width):
        x = cnn.max_pool2d(cnn.conv2d(x, channels, 3, padding=1, bias=False), 2)
        x = cnn.gelu(cnn.batch_norm(x))
        x = cnn.gelu(cnn.batch_norm(cnn.conv2d(x, channels, 3, padding=1, bias=False)))
    x = cnn.flatten(cnn.max_pool2d(x, 3))
    return cnn.Model(image, cnn.dense(x, CLASSES, bias=False), name="fast").initialize(0)


def data(batches: int = 4) -> Dataset:
    """Random images: what is done to them takes as long as on real ones."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (batches * BATCH, *SHAPE), dtype=np.uint8)
    labels = rng.integers(0, CLASSES, len(images))
    return Dataset(images, labels, tuple(map(str, range(CLASSES))))


def contests(
    options: Options, threads: int, width: int = 64
) -> Iterator[tuple[str, str, dict[str, Callable[[], Run]]]]:
    """For the network and for each transform: its name, the kind of work, who does it."""
    model, plain = fast_network(width), data()
    chain = plain.augmented(*CHAIN)
    for precision in options.precisions:
        yield (
            "fast",
            "train",
            {
                our_name(precision): lambda p=precision: _steps(model, chain, options, threads, p),  # type: ignore[misc]
                "as stored": lambda p=precision: _steps(model, plain, options, threads, p),  # type: ignore[misc]
            },
        )
    yield "flip, crop, cutout", "batch", {"graphcnn": lambda: _batches(chain)}
    yield "as stored", "batch", {"graphcnn": lambda: _batches(plain)}
    for name, each in TRANSFORMS.items():
        one = plain.augmented(*(each if isinstance(each, tuple) else (each,)))
        yield name, "batch", {"graphcnn": lambda one=one: _batches(one)}  # type: ignore[misc]


def _steps(model: Model, train: Dataset, options: Options, threads: int, precision: str) -> Run:
    session = cnn.Session(
        model, optimizer=OPTIMIZER, runtime=options.runtime, threads=threads, precision=precision,
        tune=options.tune,
    )  # fmt: skip
    kept = ExitStack()  # the thread that draws goes with the function that takes
    batches = iter(kept.enter_context(drawn(_endless(train), train.costly)))
    finalize(run := partial(_step, session, batches), kept.close)
    return run


def _step(session: cnn.Session, batches: Iterator[tuple[Any, ...]]) -> object:
    return session.step(*next(batches))


def _batches(train: Dataset) -> Run:
    batches = _endless(train)
    return lambda: next(batches)


def _endless(train: Dataset) -> Iterator[tuple[Any, ...]]:
    return itertools.chain.from_iterable(train.epoch(0, e, BATCH) for e in itertools.count())
