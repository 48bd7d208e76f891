"""The tables of a recipe and their keys. Each key with its default, which a run has that says
nothing; None leaves it to the model, the data or `fit`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from graphcnn.base.config import PRECISIONS, RUNTIMES
from graphcnn.network.views import TTA
from graphcnn.recipes.kinds import (
    LENGTH,
    OPEN,
    SIZE,
    TEXT,
    TEXTS,
    TRUTH,
    each_of,
    key,
    one_of,
    share,
    whole,
)
from graphcnn.training.resuming import CHANGES

Settings = Mapping[str, Any]


@dataclass(frozen=True)
class Network:
    """Which network. A recipe that names a Python file or module runs its code when it is trained,
    not when it is read."""

    #: A built-in name, `file.py:function`, `module:function`, or a saved model or ONNX file.
    name: str | None = key(TEXT)
    #: Those of its function; of an ONNX file the numbers of inputs.
    arguments: Settings = field(default_factory=dict, metadata=OPEN)
    #: Of the inputs of an ONNX file, such as { x = ["N", 3, 224, 224] }.
    shapes: Settings = field(default_factory=dict, metadata=OPEN)
    #: A file of weights to begin with, as `Model.load_weights` reads it.
    weights: str | None = key(TEXT)
    #: A kernel that whitens patches of the training images, and how: see `cnn.whiten`.
    whiten: Settings = field(default_factory=dict, metadata=OPEN)
    #: Patterns of the names of parameters that are not trained.
    freeze: str | tuple[str, ...] = key(TEXTS, ())


@dataclass(frozen=True)
class Data:
    """Which images, how they are read, and what becomes of them on their way to training."""

    #: As on the command line: digits, mnist:DIR, images:PATH, ... or the name alone, where the
    #: place is to be given with --data.
    source: str | None = key(TEXT)
    size: int | str | tuple[int, int] | None = key(SIZE)
    grey: bool | None = key(TRUTH)
    lazy: bool | None = key(TRUTH)
    labels: str | None = key(TEXT)
    on_error: str | None = key(one_of(("raise", "skip")))
    background: str | None = key(one_of(("white", "black")))
    #: Calls of `cnn.augment`: ["flip", "crop(4)"], or "flip, crop(4)".
    augment: str | tuple[str, ...] = key(TEXTS, ())
    #: The target of an image is the image itself.
    reconstruct: bool = key(TRUTH, False)
    #: Images in black and white: see `cnn.data.binarised`.
    binarise: bool = key(TRUTH, False)
    #: An input of the network that is fed the labels, for networks that draw for a label.
    label_input: str | None = key(TEXT)
    #: Part of the training images that is set aside and measured after every epoch.
    validation_fraction: float = key(share(), 0.0)


@dataclass(frozen=True)
class Measuring:
    """What is measured besides the loss, and how at the end."""

    metrics: str | tuple[str, ...] = key(TEXTS, ())
    #: Views of the test images over which scores are averaged.
    tta: str | None = key(one_of(TTA))


@dataclass(frozen=True)
class Run:
    """How long, in which order, and when to stop: arguments of `fit`."""

    epochs: int | None = key(whole(1))
    batch_size: int | None = key(whole(1))
    shards: int = key(whole(1), 1)
    seed: int = key(whole(0, below=2**63), 0)
    shuffle: bool = key(TRUTH, True)
    drop_last: bool = key(TRUTH, False)
    steps_per_epoch: int | None = key(whole(1))
    max_steps: int | None = key(whole(1))
    max_time: float | str | None = key(LENGTH)
    validation_every: int = key(whole(1), 1)
    early_stopping: int | None = key(whole(1))
    #: NAME, or NAME:min and NAME:max: what early stopping watches.
    monitor: str | None = key(TEXT)
    checkpoint: str | None = key(TEXT, own=True)
    checkpoint_every: int | None = key(whole(1), own=True)
    resume: str | None = key(TEXT, own=True)
    changing: str | tuple[str, ...] = key(each_of(CHANGES), (), own=True)
    #: So many steps are rehearsed, and nothing is written.
    fast_dev_run: int | None = key(whole(1), own=True)


@dataclass(frozen=True)
class Machine:
    """How it is computed."""

    runtime: str | None = key(one_of(RUNTIMES))
    threads: int | None = key(whole(1), own=True)
    precision: str | None = key(one_of(PRECISIONS))
    tune: bool | None = key(TRUTH)


@dataclass(frozen=True)
class Output:
    """What is written, and where."""

    #: The trained model; NAME.safetensors in the current folder, or in the folder of the run.
    model: str | None = key(TEXT, own=True)
    #: The folder of the run: recipe, log, curves, checkpoints, results.
    run: str | None = key(TEXT, own=True)
    curves: str | None = key(TEXT, own=True)
    #: What a network that draws draws after every epoch.
    drawn: str | None = key(TEXT, own=True)
    #: FILE.csv, FILE.jsonl or tensorboard:DIR.
    logs: str | tuple[str, ...] = key(TEXTS, (), own=True)
    progress: bool = key(TRUTH, True, own=True)
