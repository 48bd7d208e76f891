"""An image in which a layer is shown more of what it sees there already.

    x ← clip(x + rate · g / mean |g|),   g = ∂/∂x of the mean square of the layer

first on a small image, then on larger ones with what was added so far: octaves, so that patterns of
several sizes appear. A. Mordvintsev, C. Olah, M. Tyka, "Inceptionism: Going Deeper into Neural
Networks", 2015.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from graphcnn.errors import GraphError, LensError
from graphcnn.ir.node import Array, Value
from graphcnn.language.elementwise import abs, maximum, minimum
from graphcnn.language.reduce import mean
from graphcnn.language.sources import parameter
from graphcnn.learning.optimizers import Optimizer, Slots
from graphcnn.lens.checks import check_count, is_number
from graphcnn.lens.core import Core
from graphcnn.lens.finding import Finding
from graphcnn.lens.synthesis.motion import Motion
from graphcnn.lens.synthesis.seen import code_of, normalisation_words, pieces, seen, shape_of
from graphcnn.lens.synthesis.strip import film
from graphcnn.ops.broadcast import Sum
from graphcnn.ops.elementwise import as_type
from graphcnn.pictures.raster.tiles import number
from graphcnn.training.minimise import Minimisation
from graphcnn.training.session import checked_seed

#: Smaller than any gradient that says something.
_TINY = 1e-12


@dataclass(frozen=True)
class EvenSteps(Optimizer):
    """p ← clip(p - lr · g / mean |g|, 0, 1), with the mean over each item: images change by as
    much, however steep the way is."""

    def update(
        self,
        parameter: Value,
        gradient: Value,
        slots: Slots,
        learning_rate: Value,
        step: Value,
    ) -> tuple[Value, Slots]:
        size = mean(abs(gradient), tuple(range(1, gradient.type.rank)), keepdims=True)
        rate = as_type(learning_rate, parameter.dtype)
        moved = parameter - rate * gradient / maximum(size, _TINY)
        return minimum(maximum(moved, 0.0), 1.0), {}


def dream(
    core: Core,
    x: Any,
    layer: str,
    octaves: int,
    scale: float,
    steps: int,
    rate: float,
    jitter: int | None,
    seed: int,
) -> Finding:
    """See `Lens.dream`."""
    for name, count in (("octaves", octaves), ("steps", steps)):
        check_count(name, count)
    if not is_number(scale) or not 1 < scale <= 4:
        raise LensError(f"scale must be more than 1 and at most 4, found {scale!r}")
    looks, seed = core.images(x)[0], checked_seed(seed)
    most = min(shape_of(core)[1:]) // 14 if jitter is None else jitter
    sizes = [tuple(round(d / scale**i) for d in looks.shape[2:]) for i in range(octaves)][::-1]
    frames, added = [looks], np.zeros((*looks.shape[:2], *sizes[0]), np.float32)
    for size in sizes:
        base = resized(looks, size)
        start = np.clip(base + resized(added, size), 0, 1).astype(np.float32)
        dreamt = _octave(core, layer, start, Motion(most), rate, steps, seed)
        added = dreamt - base
        frames.append(np.clip(looks + resized(added, looks.shape[2:]), 0, 1).astype(np.float32))
    energy = np.stack([_energy(core, layer, frame) for frame in frames])
    found = {"images": frames[-1].copy(), "like": looks, "energy": energy}
    arrays = {**found, "frames": np.stack(frames)}
    between = ", ".join(f"{h}×{w}" for h, w in sizes)
    facts = {
        "layer": f"{layer}, {core.value(layer).type}",
        "energy": f"mean square {number(energy[0].mean())} at first, {number(energy[-1].mean())} "
        "at last",
        "method": f"dream; octaves of {between}, {steps} even steps of {rate:g} in each, "
        f"{Motion(most)}",
        "seed": str(seed),
        "pixels": normalisation_words(core),
        **core.settings(),
    }
    numbers = [i * steps for i in range(octaves + 1)]
    lines = np.vectorize(lambda e: f"energy {number(e)}", otypes=[object])(energy)
    words = [f"image {i}" for i in range(len(looks))]
    title = f"what {layer} dreams into an image"
    return Finding(title, arrays, facts, lambda found: film(found, words, numbers, lines))


def _octave(
    core: Core, layer: str, start: Array, motion: Motion, rate: float, steps: int, seed: int
) -> Array:
    """The images after some steps at their size."""
    found = np.empty_like(start)
    for span in pieces(len(start), start.shape[1:]):
        step = _step(core, layer, start[span].shape, motion, rate)
        found[span] = step.run(steps, seed=seed, start=[start[span]]).values[0]
    return found


def _step(
    core: Core, layer: str, shape: tuple[int, ...], motion: Motion, rate: float
) -> Minimisation:
    def make() -> Minimisation:
        p, value = parameter(shape, "zeros", name="lens.canvas"), core.value(layer)
        try:
            (maps,) = seen(core, motion(p), [value])
        except GraphError as error:
            height, width = shape[2:]
            raise LensError(
                f"{layer!r} cannot be computed of an image of {height}×{width} ({error}); take "
                "fewer octaves, or a layer before the first dense one"
            ) from None
        energy = mean(maps * maps, tuple(range(1, maps.type.rank)))
        loss = Sum((0,))(-energy)
        return Minimisation(loss, [p], EvenSteps(rate), execution=core.execution)

    known = ("dream", layer, shape, motion, rate, core.network.normalisation)
    return core.kept(known, make)


def _energy(core: Core, layer: str, pixels: Array) -> Array:
    code = code_of(core, layer, pixels)
    return np.asarray(np.square(code, dtype=np.float64).reshape(len(code), -1).mean(1))


def resized(images: Array, size: tuple[int, ...]) -> Array:
    """Images (n, C, H, W) at another size: linear between pixels, means where it is smaller."""
    rows, columns = (_weights(a, b) for a, b in zip(images.shape[2:], size, strict=True))
    found: Array = np.einsum("yi,ncij,xj->ncyx", rows, images, columns, optimize=True)
    return found.astype(np.float32)


def _weights(old: int, new: int) -> Array:
    """(new, old): triangles as wide as the coarser of both grids, each row of sum 1."""
    wide = max(1.0, old / new)
    middles = (np.arange(new)[:, None] + 0.5) * old / new - 0.5
    found = np.maximum(0, 1 - np.abs(middles - np.arange(old)) / wide)
    weights: Array = found / found.sum(1, keepdims=True)
    return weights
