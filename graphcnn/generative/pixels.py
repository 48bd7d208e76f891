"""Drawing with a network that tells how each number is distributed given those before it."""

from collections.abc import Mapping

import numpy as np

from graphcnn.compile.runner import Runner
from graphcnn.errors import GraphError
from graphcnn.generative.graphs import LOGITS
from graphcnn.ir.node import Array
from graphcnn.ir.state_values import Snapshot
from graphcnn.learning.samplers import Pixels
from graphcnn.passes.streaming.sampler import GIVEN, IMAGE, KNOWN, TEMPERATURE, UNIFORM

#: Images that are changed at a time, to see what depends on what.
_AT_ONCE = 64


def in_loops(runner: Runner, states: Snapshot, feeds: Mapping[str, Array], given: Array) -> Array:
    """Images (n, C, H, W), by a run of the graph `streamed`; NaN of `given` is drawn."""
    stays = ~np.isnan(given)
    fed = {GIVEN: np.where(stays, given, 0).astype(np.float32), KNOWN: stays.astype(np.float32)}
    return runner.run({**feeds, **fed}, states)[0][IMAGE]


def one_by_one(
    runner: Runner,
    states: Snapshot,
    sampler: Pixels,
    feeds: Mapping[str, Array],
    given: Array,
) -> Array:
    """Images (n, C, H, W), by a whole forward pass for every number that is to be drawn.

    Args:
        runner: of the graph `all_pixels`.
        feeds: all that it is fed but the image.
        given: (n, C, H, W), with NaN where to draw.
    """
    image = np.nan_to_num(given, nan=0.0)
    for place in _places(given.shape[1:]):
        at = (slice(None), *place)
        unknown = np.isnan(given[at])
        if unknown.any():
            drawn = runner.run({**feeds, sampler.image: image}, states)[0][IMAGE]
            image[at] = np.where(unknown, drawn[at], image[at])
    return image


def check_order(
    runner: Runner, states: Snapshot, sampler: Pixels, feeds: Mapping[str, Array], name: str
) -> None:
    """Raise `GraphError` where what is told of a number depends on it, or on one behind it.

    An image is changed from each of its numbers on, to another random one, and what is told of
    this number and of all before it must be the same bits.
    """
    shape = feeds[UNIFORM].shape[1:]
    places = _places(shape)
    number = np.empty(shape, np.int64)  # of each place, in the order of drawing
    for i, place in enumerate(places):
        number[place] = i
    image = feeds[UNIFORM][:1]  # any image will do
    other = np.roll(1 - image, 1)  # each number by what has nothing to do with it
    first = {key: a[:1] for key, a in feeds.items() if key != TEMPERATURE}
    for start in range(0, len(places), _AT_ONCE - 1):
        of = np.arange(start, min(start + _AT_ONCE - 1, len(places)))
        later = number[None] >= of[:, None, None, None]
        images = np.concatenate([image, np.where(later, other, image)])
        fed = {key: np.repeat(a, len(images), 0) for key, a in first.items()}
        fed = {**fed, TEMPERATURE: feeds[TEMPERATURE], sampler.image: images}
        logits = runner.run(fed, states)[0][LOGITS]
        per = logits.shape[1] // shape[0]
        each = logits.reshape(len(logits), shape[0], per, *shape[1:])
        same = (each[1:] == each[:1]).all(2)
        wrong = ~same & (number[None] <= of[:, None, None, None])
        if wrong.any():
            i, c, y, x = (int(n) for n in np.argwhere(wrong)[0])
            raise GraphError(
                f"{name}: the distribution of channel {c} at row {y}, column {x} depends on "
                f"channel {places[of[i]][0]} at row {places[of[i]][1]}, column "
                f"{places[of[i]][2]}, or one behind it, which is drawn later: masks "
                '(mask="A" in the first convolution, "B" in others) would leave it out'
            )


def _places(shape: tuple[int, ...]) -> list[tuple[int, int, int]]:
    """(channel, row, column) in the order of drawing."""
    channels, height, width = shape
    return [(c, y, x) for y in range(height) for x in range(width) for c in range(channels)]


def fed(uniform: Array, temperature: float, conditions: Mapping[str, Array]) -> dict[str, Array]:
    """What the graphs are fed but the image."""
    return {UNIFORM: uniform, TEMPERATURE: np.asarray(temperature, np.float32), **conditions}
