"""Activation maximisation: the image that a unit, a channel or a class answers most.

    image = argmax over x of score(x) - Σ weight · penalty(x)

from noise, by gradient (D. Erhan et al., "Visualizing Higher-Layer Features of a Deep Network",
2009; K. Simonyan et al., arXiv:1312.6034; C. Olah et al., Distill 2017). The images of one call are
sought at once, in a batch, and do not influence each other.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from graphcnn.errors import GradientError, LensError
from graphcnn.ir.node import Array, Value
from graphcnn.ir.tensor_type import DType
from graphcnn.language.arguments import is_int
from graphcnn.lens.core import Core
from graphcnn.lens.finding import Finding
from graphcnn.lens.synthesis.alive import dead_end, looked_at
from graphcnn.lens.synthesis.canvas import SPREAD
from graphcnn.lens.synthesis.channel import one_channel
from graphcnn.lens.synthesis.search import Settings, Way, in_pieces, searched, shown
from graphcnn.lens.synthesis.seen import given, normalisation_words, seen
from graphcnn.lens.synthesis.strip import film, score_lines
from graphcnn.lens.target import MEAN, Target, class_target, selected, unit_target
from graphcnn.pictures.raster.tiles import number
from graphcnn.training.session import checked_seed

#: Starts that are drawn for an image whose score has no gradient.
ATTEMPTS = 8
#: Steps past rectifiers that are shut for the whole image, where no start has a gradient; and how
#: often so many are taken, as long as that is so.
REDIRECTED, ROUNDS = 16, 4

#: Numbers that the frames of a way have, at most: 256 MiB.
FRAMES = 1 << 26


def maximise(
    core: Core,
    layer: str | None,
    channel: Any,
    unit: Any,
    at: Any,
    negative: bool,
    seed: int,
    how: Settings,
) -> Finding:
    """See `Lens.maximise`."""
    value, targets = _targets(core, layer, channel if unit is None else unit, at, negative)
    if len(targets) * len(how.kept) * int(np.prod(how.canvas.shape)) > FRAMES:
        how = replace(how, frames=1)
    sign = -1 if negative else 1
    weights = sign * np.concatenate([target.selector(value) for target in targets])
    task = _Task(core, value, tuple(targets), weights, checked_seed(seed), how)
    begun = task.begun()
    if len(begun.blocked) == len(targets):
        raise LensError(
            f"nothing of {targets[0].words} reaches the image, from {ATTEMPTS} starts: its "
            f"gradient ends at {begun.blocked[0]}, which lets nothing through"
        )
    way = task.sought(begun.start, range(len(targets)), how)
    scores = sign * np.stack([task.looked_at(frame)["score"] for frame in way.frames])
    return _finding(task, replace(way, course=sign * way.course), scores, begun, negative)


@dataclass(frozen=True, eq=False)
class _Begun:
    """Free numbers to begin with.

    Attributes:
        passed: how many steps went past shut rectifiers, by the number of the image.
        blocked: where the gradient ends, of images without one.
    """

    start: Array
    passed: dict[int, int]
    blocked: dict[int, str]


@dataclass(frozen=True, eq=False)
class _Task:
    """What is sought: for each target an image with a large score, Σ weights · value."""

    core: Core
    value: Value
    targets: tuple[Target, ...]
    weights: Array
    seed: int
    how: Settings

    def sought(
        self, start: Array, which: Sequence[int], how: Settings, rules: str = "plain"
    ) -> Way:
        """The way of some of the images from some free numbers on."""

        index = np.array([self.targets[i].index for i in which], np.int64)
        select = self.weights[which, index][:, None]

        def piece(span: slice) -> Way:
            key, feeds = (
                ("maximise", self.value),
                {"lens.index": index[span], "lens.select": select[span]},
            )
            return searched(self.core, key, how, self._scores, start[span], feeds, self.seed, rules)

        return in_pieces(start, piece)

    def _scores(self, pixels: Value) -> Value:
        """Of pixels (n, C, H, W) the scores (n,), with two inputs: a channel for each item, and
        weights for its map."""
        (whole,) = seen(self.core, pixels, [self.value])
        index = given("index", whole.shape[:1], DType.INT64)
        return selected(one_channel(whole, index))[1]

    def looked_at(self, pixels: Array, which: Any = slice(None)) -> dict[str, Array]:
        return looked_at(self.core, self.value, pixels, self.weights[which])

    def begun(self) -> _Begun:
        """Free numbers from which the score has a gradient.

        Where none of several starts has one, the first steps go past rectifiers that are shut:
        only those images, only these steps.
        """
        start = self._noise(range(len(self.targets)), 0)
        dead = self._dead(start, range(len(start)))
        for attempt in range(1, ATTEMPTS):
            if dead:
                start[dead] = self._noise(dead, attempt)
                dead = self._dead(start[dead], dead)
        passed: dict[int, int] = {}
        for k in range(ROUNDS):
            if dead:
                passed.update(dict.fromkeys(dead, (k + 1) * REDIRECTED))
                start[dead] = self._redirected(start[dead], dead)
                dead = self._dead(start[dead], dead)
        pixels = shown(self.core, self.how.canvas, start[dead]) if dead else start[:0]
        ends = [
            dead_end(self.core, self.value, image[None], self.weights[i : i + 1])
            for i, image in zip(dead, pixels, strict=True)
        ]
        opened = {i: n for i, n in passed.items() if i not in dead}
        return _Begun(start, opened, dict(zip(dead, ends, strict=True)))

    def _redirected(self, start: Array, which: list[int]) -> Array:
        """The free numbers after some steps past rectifiers that are shut."""
        opening = replace(self.how, steps=REDIRECTED, frames=1)
        try:
            return self.sought(start, which, opening, "redirected").numbers
        except GradientError:  # no rectifier is on the way: something else is shut
            return start

    def _noise(self, which: Iterable[int], attempt: int) -> Array:
        indices = [self.targets[i].index for i in which]
        return np.stack([self.how.canvas.noise(self.seed, k, attempt) for k in indices])

    def _dead(self, start: Array, which: Sequence[int]) -> list[int]:
        """Those whose score has no gradient at these free numbers, one for each of `which`."""
        pixels = shown(self.core, self.how.canvas, start)
        reach = self.looked_at(pixels, [*which])["reach"]
        return [i for i, size in zip(which, reach, strict=True) if size == 0]


def _targets(
    core: Core, layer: str | None, index: Any, at: Any, negative: bool
) -> tuple[Value, list[Target]]:
    """What is made large: a tensor, and the channels or units of it.

    A class is taken before softmax. What is to become small is taken before its activation, which
    would hide everything below 0.
    """
    prediction = next(iter(core.network.graph.outputs.values()))
    named = None if layer is None else core.value(layer, activated=not negative)
    if named is None or (prediction.type.rank == 2 and named in (prediction, core.scores)):
        value = core.scores
        if at is not None:
            raise LensError(f"at={at!r} is a place in the map of a channel; name its layer")
        return value, [class_target(core.network, k, value) for k in _several(index, value)]
    return named, [unit_target(str(layer), named, k, at) for k in _several(index, named)]


def _several(index: Any, value: Value) -> list[Any]:
    """The numbers or names that are asked for; all where none is."""
    if index is None:
        count = value.shape[1] if value.type.rank > 1 else 0
        return [*range(count)] if isinstance(count, int) else [0]
    if isinstance(index, str) or is_int(index):
        return [index]
    return [*index] if np.ndim(index) == 1 and len(index) else [index]


def _finding(task: _Task, way: Way, scores: Array, begun: _Begun, negative: bool) -> Finding:
    words = [target.words for target in task.targets]
    short, mean = [word.removesuffix(MEAN) for word in words], MEAN * words[0].endswith(MEAN)
    what = "least" if negative else "most"
    first, last = scores[0], scores[-1]
    which = words[0] if len(words) == 1 else f"{len(words)} of {task.targets[0].layer}{mean}"
    facts = {
        "target": which,
        "score": f"{number(first.mean())} at first, {number(last.mean())} at last"
        + (" (means)" if len(words) > 1 else ""),
        "method": f"activation maximisation; {task.how}",
        "start": f"noise of sd {SPREAD:g} before the sigmoid",
        "pixels": normalisation_words(task.core),
        "seed": str(task.seed),
        **task.core.settings(),
    }
    if begun.passed:
        counts = ", ".join(f"{short[i]} for {n} steps" for i, n in begun.passed.items())
        facts["redirected"] = f"at first past rectifiers that are shut: {counts}"
    if begun.blocked:
        ends = "; ".join(f"{short[i]} at {end}" for i, end in begun.blocked.items())
        facts["blocked"] = f"no gradient reaches the image: {ends}"
    arrays = {
        "images": np.array(way.frames[-1]),
        "scores": scores,
        "frames": way.frames,
        "course": way.course,
    }
    title = f"what excites {which.removesuffix(MEAN)} {what}"
    lines = score_lines(scores)
    return Finding(
        title, arrays, facts, lambda found: film(found, short, way.steps, lines, begun.blocked)
    )
