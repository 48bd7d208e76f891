"""Drawing with a network that tells how each number is distributed given those before it."""

from collections.abc import Mapping

import numpy as np

from graphcnn.compile.runner import Runner
from graphcnn.generative.graphs import IMAGE, TEMPERATURE, UNIFORM
from graphcnn.ir.node import Array
from graphcnn.ir.state_values import Snapshot
from graphcnn.learning.samplers import Pixels


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
    _, channels, height, width = given.shape
    for y in range(height):
        for x in range(width):
            for c in range(channels):
                unknown = np.isnan(given[:, c, y, x])
                if not unknown.any():
                    continue
                drawn = runner.run({**feeds, sampler.image: image}, states)[0][IMAGE]
                image[unknown, c, y, x] = drawn[unknown, c, y, x]
    return image


def fed(uniform: Array, temperature: float, conditions: Mapping[str, Array]) -> dict[str, Array]:
    """What the graph is fed but the image."""
    return {UNIFORM: uniform, TEMPERATURE: np.asarray(temperature, np.float32), **conditions}
