"""Ablation: what a network still knows when channels of a layer say nothing."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np

from graphcnn.errors import LensError
from graphcnn.ir.graph import topological_order
from graphcnn.ir.node import Array, Value
from graphcnn.ir.sources import Input
from graphcnn.ir.tensor_type import TensorType, known_size
from graphcnn.lens.core import Core
from graphcnn.lens.finding import Finding
from graphcnn.lens.probe import Probe
from graphcnn.lens.study.layers import finite, looked_at, numbered
from graphcnn.lens.study.stream import class_names, labelled, piece_for, pieces
from graphcnn.lens.target import checked_index
from graphcnn.passes.training.backward import substitute
from graphcnn.pictures.parts.charts import Bar, bar_table
from graphcnn.pictures.picture import Picture
from graphcnn.pictures.raster.page import page_picture
from graphcnn.pictures.raster.tiles import number, percent
from graphcnn.pictures.scene.units import joined

#: Rows of the picture.
_ROWS: Final = 48


def ablate(core: Core, layer: str, channel: Any, data: Any, fill: str) -> Finding:
    """See `Study.ablate`."""
    value = looked_at(core, layer)
    count = value.shape[1]
    assert isinstance(count, int)
    groups = _groups(core, value, channel, layer)
    if fill not in ("zero", "mean"):
        raise LensError(f"fill is 'zero' or 'mean', found {fill!r}")
    scores = core.scores
    sizes = scores.shape[1:]
    if any(size != 1 for size in sizes[1:]):
        raise LensError(f"accuracy needs scores of classes (N, K), found {scores.type}")
    count_of = int(sizes[0])  # type: ignore[arg-type]
    found = labelled(core, data, max(count_of, 2))
    tail, takes_image = _tail(core, layer, value)
    head = core.probe(("layer", layer), lambda: ((core.image,), {"layer": value}))
    size = piece_for(value, core.image)
    images, labels = found.first_items, found.labels
    kept = ~np.isin(labels, found.ignored) if found.ignored else np.ones(len(labels), bool)
    mean = np.zeros(count)
    if fill == "mean":
        for _, fed in pieces(core, images, size):
            mean += head(fed, piece=size)["layer"].astype(np.float64).sum((0, *_places(value)))
        mean /= len(images) * known_size(value.shape[2:])
    masks = np.ones((1 + len(groups), count), np.float32)
    for row, group in zip(masks[1:], groups, strict=True):
        row[group] = 0
    fills = ((1 - masks) * mean).astype(np.float32)
    scored = _Scored(len(masks), count_of)
    for part, fed in pieces(core, images, size):
        held = finite(head(fed, piece=size)["layer"], f"the layer {layer!r}")
        for i, (mask, other) in enumerate(zip(masks, fills, strict=True)):
            each = [_repeated(a, len(fed), value) for a in (mask, other)]
            feeds = (*((fed,) if takes_image else ()), held, *each)
            answer = tail(*feeds, piece=size)["scores"].reshape(len(fed), -1)
            scored.add(i, answer[kept[part]], labels[part][kept[part]])
    accuracy, classes, loss = scored.results()
    arrays = {
        "change": accuracy[1:] - accuracy[0],
        "accuracy": accuracy[1:],
        "classes": classes[1:] - classes[0],
        "loss": loss[1:],
        "baseline": np.array([accuracy[0], loss[0]]),
        "baseline_classes": classes[0],
    }
    names = [", ".join(map(str, group)) for group in groups]
    facts = {
        "layer": f"{layer}, "
        + ("each channel alone" if channel is None else f"channel {names[0]}"),
        "method": f"set to {'0' if fill == 'zero' else 'its mean over the data'}",
        "data": f"{found.name}, {int(kept.sum()):,} images",
        "accuracy before": percent(accuracy[0], 2),
        "loss before": number(loss[0]),
        **core.settings(),
    }
    title = f"{layer} without " + ("each of its channels" if channel is None else names[0])
    classes_called = class_names(core, found, classes.shape[1])
    return Finding(title, arrays, facts, lambda f: _picture(f, names, classes_called))


def _groups(core: Core, value: Value, channel: Any, layer: str) -> list[list[int]]:
    """The channels that are ablated together: one, several, or each alone."""
    count: Any = value.shape[1]
    if channel is None:
        return [[c] for c in range(count)]
    several = isinstance(channel, Sequence | np.ndarray) and not isinstance(channel, str)
    asked = [numbered(core, value, c) for c in (channel if several else [channel])]
    if not asked:
        raise LensError("name at least one channel, or leave it out: each alone")
    return [[checked_index(c, count, f"the {count} channels of {layer!r}") for c in asked]]


def _tail(core: Core, layer: str, value: Value) -> tuple[Probe, bool]:
    """From the layer times a mask plus a filling to the scores: one compilation for all channels.
    And whether other ways from the image to the scores pass the layer by."""
    scores = core.scores
    if value.node not in topological_order([scores.node]):
        raise LensError(f"the scores of {core.model.name} do not depend on {layer!r}")
    each = TensorType((*value.shape[:2], *(1,) * (value.type.rank - 2)), value.dtype)
    held = Input("lens.layer", value.type)(name="lens.layer")
    mask = Input("lens.mask", each)(name="lens.mask")
    fill = Input("lens.fill", each)(name="lens.fill")
    (ablated,) = substitute([scores], {value: held * mask + fill})
    assert ablated is not None
    takes_image = core.image.node in topological_order([ablated.node])
    inputs = (*((core.image,) if takes_image else ()), held, mask, fill)
    return core.probe(("ablate", layer), lambda: (inputs, {"scores": ablated})), takes_image


def _places(value: Value) -> tuple[int, ...]:
    return tuple(range(2, value.type.rank))


def _repeated(channels: Array, count: int, value: Value) -> Array:
    """A number for each channel as an input for so many items."""
    shape = (count, len(channels), *(1,) * (value.type.rank - 2))
    return np.ascontiguousarray(
        np.broadcast_to(channels.reshape(1, -1, *shape[2:]), shape).astype(value.dtype.numpy)
    )


class _Scored:
    """Hits of each class and losses, added up over pieces."""

    def __init__(self, runs: int, classes: int) -> None:
        self.classes = classes
        self.seen = np.zeros(max(classes, 2), np.int64)
        self.hits = np.zeros((runs, max(classes, 2)), np.int64)
        self.loss = np.zeros(runs)

    def add(self, run: int, scores: Array, labels: Array) -> None:
        scores = np.asarray(scores, np.float64)
        if self.classes == 1:  # of one score the sigmoid is the probability of class 1
            scores = np.concatenate([np.zeros_like(scores), scores], 1)
        hit = scores.argmax(1) == labels
        self.hits[run] += np.bincount(labels[hit], minlength=len(self.seen))
        if run == 0:
            self.seen += np.bincount(labels, minlength=len(self.seen))
        top = scores.max(1, keepdims=True)
        logs = np.log(np.exp(scores - top).sum(1)) + top[:, 0]
        self.loss[run] += (logs - scores[np.arange(len(labels)), labels]).sum()

    def results(self) -> tuple[Array, Array, Array]:
        """Accuracies, those of each class (NaN where there is none of it), mean cross-entropies."""
        total = int(self.seen.sum())
        if not total:
            raise LensError("the data has no image with a label to measure with")
        with np.errstate(invalid="ignore"):
            classes = self.hits / self.seen
        return self.hits.sum(1) / total, classes, self.loss / total


def _picture(found: Finding, names: Sequence[str], classes: Sequence[str]) -> Picture:
    change, loss, base = found["change"], found["loss"], found["baseline"]
    order = sorted(range(len(change)), key=lambda i: (change[i], -loss[i], i))
    shown = order[:_ROWS]
    rows = [Bar(names[i], float(100 * change[i]), _signed(100 * change[i])) for i in shown]
    table = np.nan_to_num(100 * found["classes"][shown])

    def draw(left: float, top: float, width: float) -> Any:
        return bar_table(
            rows, table, classes, left, top, width, "change of accuracy",
            heads=("channel, change of accuracy in percentage points", "of each class"),
        )  # fmt: skip

    rest = len(order) - len(shown)
    more = f"{rest} more are not shown" if rest else ""
    worst = f"most is lost without {names[order[0]]}: " if len(names) > 1 else ""
    worst += f"loss {number(base[1])} → "
    subtitle = joined((
        f"accuracy {percent(base[0], 2)} before", worst + number(loss[order[0]]), more,
    ))  # fmt: skip
    return page_picture([draw], found.title, subtitle, [*_legend(classes), found.caption])


def _legend(classes: Sequence[str]) -> Iterator[str]:
    """What the numbers of the classes stand for, where they have names."""
    if any(name != str(k) for k, name in enumerate(classes)) and len(classes) <= 40:
        yield joined(f"{k} {name}" for k, name in enumerate(classes))


def _signed(value: float) -> str:
    return f"{value:+.2f}".replace("-", "−") if round(float(value), 2) else "0"
