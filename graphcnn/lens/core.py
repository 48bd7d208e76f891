"""What the methods of the lens are built of: the model, its tensors, images, targets, probes."""

import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self, TypeVar, cast

import numpy as np

from graphcnn.errors import DataError, LensError
from graphcnn.ir.node import Array, Value
from graphcnn.ir.sources import Constant, State
from graphcnn.ir.state_values import Snapshot
from graphcnn.lens.probe import PIECE, Probe
from graphcnn.lens.target import Target, class_scores, class_target, unit_target
from graphcnn.lens.untrained import UNTRAINED, is_untrained
from graphcnn.network.network import Network
from graphcnn.network.pieces import opened_model
from graphcnn.runtime.execution import Execution

#: What a probe is made of: its inputs and its outputs by name.
Parts = tuple[Sequence[Value], Mapping[str, Value]]
Kept = TypeVar("Kept")


class Core:
    """A model that is looked into; `Lens`, which has the methods, explains the arguments.

    Each method is a function of a `Core`; their doors are classes made of it, one for each folder.
    """

    def __init__(
        self,
        model: Network,
        *,
        runtime: str | None = None,
        threads: int | None = None,
        precision: str = "strict",
    ) -> None:
        self.execution = Execution.of(runtime, threads, precision, False)
        self._states: Mapping[str, Array] | None = None
        self._look_into(model)

    def _look_into(self, model: Network) -> None:
        """Begin with nothing compiled."""
        self.model = model
        self._opened: Network | None = None
        self._of: Any = None
        self._made: dict[Any, Any] = {}
        self._looked: Callable[[], Snapshot | None] = lambda: None
        self._drawn = False

    def __getstate__(self) -> tuple[Network, Execution, Mapping[str, Array] | None]:
        """Copied and pickled without what is compiled: that is made again."""
        return self.model, self.execution, self._states

    def __setstate__(self, state: tuple[Network, Execution, Mapping[str, Array] | None]) -> None:
        model, self.execution, self._states = state
        self._look_into(model)

    def __repr__(self) -> str:
        return f"<lens on {self.model!r}, {self.execution.precision} precision>"

    @property
    def network(self) -> Network:
        """The model, its batch open where that is proven to be the same function of every item."""
        if self._opened is None or self._of is not self.model.graph:
            self._of, self._made = self.model.graph, {}
            try:
                self._opened = opened_model(self.model)
            except DataError:
                self._opened = self.model  # it runs as many items as it is made for
        return self._opened

    @property
    def image(self) -> Value:
        """The input that is looked at, f32[N,C,H,W]. Raises `LensError` where there is none."""
        inputs = self.network.graph.inputs
        if "image" in self._made:
            return cast(Value, self._made["image"])
        if len(inputs) != 1 or inputs[0].type.rank != 4 or not inputs[0].dtype.is_float:
            found = ", ".join(f"{v.node.name} {v.type}" for v in inputs) or "none"
            raise LensError(
                f"the lens looks at models of one image (N, C, H, W); the inputs of "
                f"{self.model.name} are: {found}. Of several, make a model of the "
                "image in which the others are constants"
            )
        return cast(Value, self._made.setdefault("image", inputs[0]))

    @property
    def scores(self) -> Value:
        """The scores of the classes, before softmax."""
        network = self.network
        if "class scores" not in self._made:
            self._made["class scores"] = class_scores(network)
        return cast(Value, self._made["class scores"])

    def value(self, layer: str, activated: bool = True) -> Value:
        """A tensor of the network by name, as `model.value` finds it.

        Raises `LensError` for a parameter or another state, which says nothing of an image.
        """
        found = self.network.value(layer, activated=activated)
        if isinstance(found.node.op, State | Constant):
            raise LensError(
                f"{layer!r} is {found.node.op.name} {found.type}, not made of the image; "
                "name a layer"
            )
        return found

    def probe(self, key: Any, parts: Callable[[], Parts]) -> Probe:
        """The probe called `key`, made of `parts()` when it is first asked for."""

        def made() -> Probe:
            inputs, outputs = parts()
            return Probe(f"{self.model.name}.{_words(key)}", inputs, outputs, self.execution)

        probe = self.kept(key, made)
        return probe if self._states is None else probe.on(self._states)

    def on(self, states: Mapping[str, Array]) -> Self:
        """What looks at the same network with other states, by their keys; those of the model stay
        as they are, and nothing is compiled again."""
        made = object.__new__(type(self))  # `copy` would leave out what is compiled
        made.__dict__.update(self.__dict__, _states=states)
        return made

    def kept(self, key: Any, make: Callable[[], Kept]) -> Kept:
        """What `make()` gives, made when it is first asked for, again when the graph is another."""
        if not self.network.is_initialized:  # the network, which forgets what others were made of
            self.model.initialize_missing(self.model.seed or 0)
        if key not in self._made:
            self._made[key] = make()
        found: Kept = self._made[key]
        return found

    def images(self, x: Any) -> tuple[Array, Array]:
        """Images as they look, f32 (n, C, H, W) in [0, 1], and as the network takes them.

        One image (C, H, W), or (H, W) where it is grey, is a batch of one. Where a model knows no
        normalisation and is fed numbers outside [0, 1], they are shown from the smallest to the
        largest. Raises `DataError` for what `predict` refuses.
        """
        batch = self._batch(x)
        fed = self.network.prepare(batch)
        shown = np.asarray(batch).reshape(fed.shape)
        if shown.dtype == np.uint8:
            return (shown / np.float32(255)).astype(np.float32), fed
        looks = shown.astype(np.float32)
        low, high = float(looks.min()), float(looks.max())
        if low < 0 or high > 1:
            looks = (looks - low) / ((high - low) or 1.0)
        return looks, fed

    def fed(self, x: Any) -> Array:
        """The images as the network takes them, (n, C, H, W); the second that `images` gives."""
        batch, kind = self._batch(x), self.image.type
        plain = batch.ndim == 4 and batch.dtype == kind.dtype.numpy
        if plain and batch.shape[1:] == kind.shape[1:] and self.network.normalisation is None:
            if len(batch) and np.isfinite(batch).all():
                return batch  # as it is, in a tenth of the time
        return self.network.prepare(batch)

    def _batch(self, x: Any) -> Array:
        """One image as a batch of one; anything else as it is."""
        shape = self.image.shape[1:]
        try:
            array = np.asarray(x)
        except ValueError:
            raise DataError(
                f"images must be one array of numbers, found a {type(x).__name__} of "
                "unequal parts; of a pair (images, labels) give the images"
            ) from None
        if array.ndim == 3 and array.shape == shape:
            return array[None]
        grey = array.ndim == 2 and shape[0] == 1 and array.shape == shape[1:]
        return array[None, None] if grey else array

    def black(self) -> tuple[Array, str]:
        """A black image as the network takes it, (1, C, H, W), and what that is in words."""
        shape = cast(tuple[int, ...], self.image.shape[1:])
        black = self.network.prepare(np.zeros((1, *shape), np.float32))
        known = self.network.normalisation is not None
        return black, "black" if known else "0 (the model knows no normalisation)"

    def target(
        self, target: Any, fed: Array, layer: str | None = None, at: Any = None
    ) -> tuple[Value, Target]:
        """What a method looks at: the tensor, and the number of it.

        A class (None: the one predicted for the first of the images `fed`), or with `layer` a
        channel or unit of that layer.
        """
        if layer is not None:
            value = self.value(layer)
            return value, unit_target(layer, value, target, at)
        scores = self.scores
        found = self.predicted(fed)[0] if target is None else None
        return scores, class_target(self.network, target, scores, found)

    def predicted(self, fed: Array, piece: int = PIECE) -> Array:
        """The scores of the classes for the images `fed`, (n, K) or (n, K, H, W)."""
        parts = (self.image,), {"scores": self.scores}
        return self.probe("scores", lambda: parts)(fed, piece=piece)["scores"]

    def settings(self) -> dict[str, str]:
        """The facts that every caption ends with."""
        weights = {"weights": UNTRAINED} if self._untrained() else {}
        return {"precision": self.execution.precision, "model": self.model.name, **weights}

    def _untrained(self) -> bool:
        """Whether the weights are drawn; told anew when they are others."""
        values = self.model.states.snapshot()
        if self._looked() is not values:
            self._looked, self._drawn = weakref.ref(values), is_untrained(self.model)
        return self._drawn


def _words(key: Any) -> str:
    parts = key if isinstance(key, tuple) else (key,)
    return ".".join(str(part) for part in parts)
