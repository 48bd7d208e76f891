"""A search for images: many at once, each from its own start, none influencing another."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphcnn.ir.node import Array, Value
from graphcnn.language.sources import parameter
from graphcnn.learning.optimizers import Adam
from graphcnn.lens.checks import check_count
from graphcnn.lens.core import Core
from graphcnn.lens.synthesis.canvas import Canvas
from graphcnn.lens.synthesis.motion import Motion
from graphcnn.lens.synthesis.penalties import checked_penalties, penalty, penalty_words
from graphcnn.lens.synthesis.seen import pieces, pixel_input, shape_of
from graphcnn.ops.broadcast import Sum
from graphcnn.training.minimise import Minimisation

#: Of pixels (n, C, H, W), a score of each item (n,) that is to become large.
Scores = Callable[[Value], Value]


@dataclass(frozen=True)
class Settings:
    """How images are sought: what they are made of, how they are moved, what keeps them simple.

    Attributes:
        rate: of Adam.
        steps: that are taken.
        frames: how many images of the way are kept besides the first: the last one, that of half
            its steps, and so on, since most happens at first.
    """

    canvas: Canvas
    motion: Motion
    penalties: tuple[tuple[str, float], ...]
    rate: float
    steps: int
    frames: int

    def __post_init__(self) -> None:
        for name, number in (("steps", self.steps), ("frames", self.frames)):
            check_count(name, number)

    @property
    def kept(self) -> list[int]:
        """The numbers of steps of the frames."""
        return sorted({0, *(self.steps >> i for i in range(self.frames))})

    def __str__(self) -> str:
        return (
            f"{self.steps} steps of Adam {self.rate:g} on {self.canvas.words}, {self.motion}, "
            f"{penalty_words(dict(self.penalties))}"
        )


def settings(
    core: Core,
    canvas: str,
    steps: int,
    rate: float,
    jitter: int | None,
    turn: float,
    zoom: float,
    penalties: Mapping[str, float] | None,
    frames: int,
) -> Settings:
    """The settings, checked; the jitter is a 14th of the smaller side by default."""
    made = Canvas(canvas, shape_of(core))
    most = min(made.shape[1:]) // 14 if jitter is None else jitter
    motion = Motion(most, turn, zoom)
    weights = tuple(checked_penalties(penalties).items())
    return Settings(made, motion, weights, rate, steps, frames)


@dataclass(frozen=True, eq=False)
class Way:
    """How images came about.

    Attributes:
        steps: the number of steps before each frame.
        frames: images in [0, 1], (frames, n, C, H, W): the last ones are those that were sought.
        course: the score before each step, as the images were moved then, (steps, n).
        numbers: the free numbers at last, (n, C, H, W).
    """

    steps: tuple[int, ...]
    frames: Array
    course: Array
    numbers: Array


def searched(
    core: Core,
    key: Any,
    how: Settings,
    scores: Scores,
    start: Array,
    feeds: Mapping[str, Array],
    seed: int,
    rules: str = "plain",
) -> Way:
    """Make the scores of images large, from the free numbers `start` (n, C, H, W).

    `key` names what `scores` makes of pixels; one compilation serves all searches of equal key,
    settings and number of images. `feeds` are arrays for its inputs.
    """

    def make() -> Minimisation:
        p = parameter(start.shape, "zeros", name="lens.canvas")
        pixels = how.canvas.image(p)
        found = scores(how.motion(pixels))
        costs = penalty(pixels, dict(how.penalties))
        loss = Sum((0,))(-found if costs is None else costs - found)
        optimizer = Adam(how.rate)
        watch = {"score": found}
        return Minimisation(
            loss, [p], optimizer, watch=watch, rules=rules, execution=core.execution
        )

    known = (key, how.canvas, how.motion, how.penalties, how.rate, len(start), rules)
    step = core.kept(("search", core.network.normalisation, *known), make)
    found = step.run(how.steps, seed=seed, feeds=feeds, snapshots=how.kept, start=[start])
    numbers = np.stack([values[0] for values in found.snapshots.values()])
    frames = shown(core, how.canvas, numbers.reshape(-1, *start.shape[1:]))
    frames = frames.reshape(len(numbers), *start.shape)
    return Way(tuple(found.snapshots), frames, found.history["score"], found.values[0])


def shown(core: Core, canvas: Canvas, numbers: Array) -> Array:
    """The pixels of free numbers (n, C, H, W)."""

    def parts() -> tuple[Sequence[Value], Mapping[str, Value]]:
        p = pixel_input(core, "canvas")
        return (p,), {"pixels": canvas.image(p)}

    return core.probe(("canvas", canvas), parts)(numbers)["pixels"]


def in_pieces(start: Array, search: Callable[[slice], Way]) -> Way:
    """The way of many images, sought in pieces of a size that memory has room for."""
    spans = pieces(len(start), start.shape[1:])
    ways = [search(span) for span in spans]
    if len(ways) == 1:
        return ways[0]
    frames = np.empty((len(ways[0].steps), *start.shape), np.float32)
    course, numbers = np.empty((len(ways[0].course), len(start)), np.float32), np.empty_like(start)
    for way, span in zip(ways, spans, strict=True):
        frames[:, span], course[:, span], numbers[span] = way.frames, way.course, way.numbers
    return Way(ways[0].steps, frames, course, numbers)
