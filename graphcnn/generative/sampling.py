"""`Model.sample`: images that a network draws."""

import math
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, Self

import numpy as np

from graphcnn.data.normalisation import Normalisation
from graphcnn.errors import DataError, GraphCnnWarning, GraphError, OutOfMemoryError
from graphcnn.generative.graphs import LOGITS, all_pixels, decoder
from graphcnn.generative.noise import normals, uniforms
from graphcnn.generative.pixels import check_order, fed, in_loops, one_by_one
from graphcnn.ir.graph import Graph
from graphcnn.ir.node import Array, Value
from graphcnn.ir.origin import warn
from graphcnn.ir.tensor_type import N, is_open
from graphcnn.language.arguments import is_int, number
from graphcnn.learning.samplers import Codes, Pixels, Sampler
from graphcnn.network.feeding import at_least_one
from graphcnn.network.network import Network
from graphcnn.passes.driver.base import PassLog
from graphcnn.passes.exchange.predicting import Predicting
from graphcnn.passes.streaming.lines import CannotStreamError
from graphcnn.passes.streaming.sampler import IMAGE, streamed
from graphcnn.runtime.execution import Execution

#: Images that are drawn at a time.
PIECE = 64


class Sampling(Network):
    """Drawing; see `Model`."""

    @property
    def sampler(self) -> Sampler | None:
        """How `sample` draws, see `cnn.samplers`; saved along. None where nobody said it.

        A model that is told so takes images as they are, in [0, 1], unless it has a normalisation.
        Raises `GraphError` for a sampler that does not fit the graph.
        """
        return self._sampler

    @sampler.setter
    def sampler(self, sampler: Sampler | None) -> None:
        if sampler is not None:
            if not isinstance(sampler, Sampler):
                raise GraphError(f"a sampler is one of cnn.samplers, found {sampler!r}")
            sampler.check(self.graph)
            if self.normalisation is None and self.graph.inputs:
                self.normalisation = Normalisation()
        self._sampler = sampler

    def sample(
        self,
        n: int = 16,
        *,
        seed: int = 0,
        temperature: float = 1.0,
        given: Any = None,
        batch_size: int | None = None,
        runtime: str | None = None,
        threads: int | None = None,
        precision: str | None = None,
        **conditions: Any,
    ) -> Array:
        """`n` images that this network draws, float32 (n, C, H, W) with numbers in [0, 1].

            images = model.sample(64, seed=1)
            sevens = model.sample(10, label=7)               # of a network that has such an input
            whole = model.sample(given=torn)                 # NaN where it is to draw

        How it draws is told by `sampler`: number after number, each from the distribution that
        the network gives it (`cnn.samplers.Pixels`), or from a code of normal numbers
        (`cnn.samplers.Codes`). Image i is the same for any `n`, `batch_size` and `threads`.

        Args:
            seed: the same one draws the same images.
            temperature: logits are divided by it, and codes multiplied: below 1 images are more
                alike and nearer to what is likely, at 1 they are drawn as the network says.
            given: images (n, C, H, W), or one (C, H, W) for all, whose numbers stay where they
                are not NaN; each is taken for the nearest level that the distribution has. For
                networks that draw number after number.
            batch_size: how many are drawn at a time, 64 by default.
            conditions: the other inputs of the network by name, each one item for all images or
                an array of n.

        Raises:
            GraphError: the network has no sampler, or is not as its sampler says.
            DataError: a number, an image or a condition that does not fit.
        """
        sampler, count, size = _sampler_of(self), at_least_one(n, "n"), batch_size or PIECE
        size = at_least_one(size, "batch_size")
        if not is_int(seed):
            raise DataError(f"seed must be an int, found {seed!r}")
        heat = number(temperature, "temperature")
        if not (math.isfinite(heat) and heat > 0):
            raise DataError(f"temperature must be finite and above 0, found {temperature!r}")
        execution = Execution.of(runtime, threads, precision)
        try:
            if isinstance(sampler, Codes):
                _refuse(given, conditions, self.name)
                drawn = _from_codes(self, sampler, count, size, seed, heat, execution)
            else:
                drawn = _pixels(
                    self, sampler, count, size, seed, heat, given, conditions, execution
                )
        except MemoryError as error:
            raise OutOfMemoryError.of(f"{self.name} draws", error) from None
        return drawn

    def as_sampler(self) -> Self:
        """The network that draws, with the weights of this one: to draw, profile, export it.

            model.as_sampler().export_onnx("sampler.onnx")

        Of a network that draws number after number it has the inputs `uniform` (N, C, H, W) in
        [0, 1), `temperature` (), `given` and `known` (N, C, H, W) (where `known` is 1 the numbers
        of `given` stay, where it is 0 they are drawn) and the other inputs of the network; its
        loops are two `scan`s. Of one that draws from codes the input is the code. The output is
        `image`.

        Raises `GraphError` where the network has no sampler, is not as that says, or has an
        operator of which it is not known how it goes along rows and columns.
        """
        sampler = _sampler_of(self)
        if isinstance(sampler, Codes):
            graph = decoder(self.graph, sampler)
        else:
            graph = _streamed(self.graph, sampler)
        return type(self)(graph.inputs, graph.outputs, f"{self.name}_sampler")


def _sampler_of(model: Sampling) -> Sampler:
    if model.sampler is None:
        raise GraphError(
            f"{model.name} does not say how it draws: model.sampler = cnn.samplers.Pixels(...) "
            "tells it of a network that gives each pixel a distribution, cnn.samplers.Codes(...) "
            "of one that makes an image of normal numbers; `graphcnn sample --help` names built-in "
            "ones"
        )
    model.sampler.check(model.graph)
    return model.sampler


def _refuse(given: Any, conditions: Mapping[str, Any], name: str) -> None:
    if given is not None:
        raise DataError(
            f"{name} draws whole images from codes: given= is for networks that draw pixel after "
            "pixel"
        )
    if conditions:
        raise DataError(f"{name} draws from its code alone, found {', '.join(conditions)}")


def _cuts(count: int, size: int) -> Iterator[tuple[int, int]]:
    """First item and number of each piece."""
    for first in range(0, count, size):
        yield first, min(size, count - first)


def _from_codes(
    model: Network,
    sampler: Codes,
    count: int,
    size: int,
    seed: int,
    heat: float,
    execution: Execution,
) -> Array:
    runner = model.runner_of(f"{sampler}", partial(decoder, model.graph, sampler), execution)
    code = runner.graph.inputs[0]
    shape = _item_shape(code)
    states, found = model.states.snapshot(), []
    for first, many in _cuts(count, size):
        noise = (normals(seed, first, many, shape) * np.float32(heat)).astype(code.dtype.numpy)
        found.append(runner.run({sampler.code: noise}, states)[0][IMAGE])
    return np.concatenate(found).astype(np.float32, copy=False)


def _pixels(
    model: Network,
    sampler: Pixels,
    count: int,
    size: int,
    seed: int,
    heat: float,
    given: Any,
    conditions: Mapping[str, Any],
    execution: Execution,
) -> Array:
    inputs = {v.node.name: v for v in model.graph.inputs}
    shape = _item_shape(inputs.pop(sampler.image))
    known = _known(given, count, shape, sampler)
    others = _conditions(conditions, inputs, count, model.name)
    states, found = model.states.snapshot(), []
    try:
        made = partial(_streamed, model.graph, sampler)
        runner = model.runner_of(f"{sampler} in loops", made, execution)
    except CannotStreamError as error:
        warn(f"{error}: so each number takes a whole forward pass", GraphCnnWarning)
        made = partial(all_pixels, model.graph, sampler)
        runner = model.runner_of(f"{sampler}", made, execution)
        looked = {key: a[:1] for key, a in others.items()}
        check_order(
            runner, states, sampler, fed(uniforms(seed, 0, 1, shape), heat, looked), model.name
        )
    loops = LOGITS not in runner.graph.outputs
    for first, many in _cuts(count, size):
        part = slice(first, first + many)
        feeds = fed(
            uniforms(seed, first, many, shape), heat, {k: a[part] for k, a in others.items()}
        )
        if loops:
            found.append(in_loops(runner, states, feeds, known[part]))
        else:
            found.append(one_by_one(runner, states, sampler, feeds, known[part]))
    return np.concatenate(found)


def _streamed(graph: Graph, sampler: Pixels) -> Graph:
    return streamed(Predicting().run(graph, PassLog()), sampler)


def _item_shape(value: Value) -> tuple[int, ...]:
    """The shape of one item. Raises `GraphError` where it is open."""
    shape = value.shape
    if not shape or shape[0] != N or is_open(shape[1:]):
        raise GraphError(
            f"{value.node.name!r} must have items of one size, (N, ...), to be drawn, found "
            f"{value.type}"
        )
    return tuple(int(s) for s in shape[1:])  # type: ignore[arg-type]


def _known(given: Any, count: int, shape: tuple[int, ...], sampler: Pixels) -> Array:
    """(n, C, H, W) with NaN where to draw, else the nearest level."""
    if given is None:
        return np.full((count, *shape), np.nan, np.float32)
    try:
        array = np.asarray(given, np.float32)
        array = np.array(np.broadcast_to(array, (count, *shape)))
    except (TypeError, ValueError):
        found = getattr(given, "shape", type(given).__name__)
        raise DataError(
            f"given must be {count} images (n, C, H, W) = {(count, *shape)}, or one {shape}, with "
            f"NaN where to draw, found {found}"
        ) from None
    numbers = array[~np.isnan(array)]
    if numbers.size and not (numbers.min() >= 0 and numbers.max() <= 1):
        raise DataError(
            f"given must have numbers in [0, 1], and NaN where to draw, found "
            f"{numbers.min():g} to {numbers.max():g}"
        )
    top = np.float32(sampler.distribution.levels - 1)
    levels: Array = np.rint(array * top) / top
    return levels


def _conditions(
    conditions: Mapping[str, Any], inputs: Mapping[str, Value], count: int, name: str
) -> dict[str, Array]:
    """The other inputs, an item for each image."""
    for key in conditions:
        if key not in inputs:
            has = f"it has {', '.join(inputs)}" if inputs else "it has none besides the image"
            raise DataError(f"{name} has no input {key!r}: {has}")
    found = {}
    for key, value in inputs.items():
        shape = _item_shape(value)
        if key not in conditions:
            raise DataError(
                f"{name} draws for a given {key!r} {value.type}: say it, sample({key}=...)"
            )
        array = np.asarray(conditions[key])
        if value.dtype.is_float != (array.dtype.kind == "f") and array.dtype.kind not in "iub":
            raise DataError(f"{key} must be of {value.dtype}, found {array.dtype}")
        if array.shape not in (shape, (count, *shape)):
            raise DataError(
                f"{key} must be one item {shape} for all images, or {(count, *shape)}, found "
                f"{array.shape}"
            )
        found[key] = np.broadcast_to(array, (count, *shape)).astype(value.dtype.numpy)
    return found
