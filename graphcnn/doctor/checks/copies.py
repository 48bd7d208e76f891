"""Items that are the same, or nearly: leaks into the test, and labels that contradict them."""

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any, Final

import numpy as np

from graphcnn.data.dataset import Dataset
from graphcnn.data.streams import Stream
from graphcnn.doctor.case import Case, sample_of
from graphcnn.doctor.finding import Finding, fine, look, share, wrong
from graphcnn.ir.node import Array

#: Bytes and items that are compared at most; of larger data a part, evenly spaced.
_BYTES, _ITEMS = 1 << 30, 100_000
#: Items whose nearest neighbours are looked for, and the pixels along a side that they keep.
_NEAREST, _SIDE = 400, 16
#: Of what is copied, from which share on it is no accident.
_MANY: Final = 0.01


def copies(case: Case) -> Iterator[Finding]:
    """Exact copies within the training data, and of test items among them."""
    if isinstance(case.data, Stream):
        return
    items, labels, count = _compared(case.data, case)
    hashes = _hashes(items)
    _, first, numbers = np.unique(hashes, return_index=True, return_inverse=True)
    numbers = numbers.reshape(-1)
    again = count - len(first)
    if again:
        known = _flat(labels)
        against = int((known != known[first[numbers]]).any(1).sum()) if known is not None else 0
        if against:
            yield (wrong if against > _MANY * count else look)(
                "copies",
                f"{share(against, count)} items are copies of others with another label",
                "No network can learn both: the loss stays above 0, and each pulls the other back.",
                "Look whether labels belong to their images, and keep one of each.",
            )
        yield look(
            "copies",
            f"{share(again, count)} items are exact copies of earlier ones",
            "They count several times, and a validation part that is set aside has copies of what "
            "was learned.",
            "Keep the first of each: data[np.unique(data.images, axis=0, return_index=True)[1]].",
        )
    else:
        yield fine("copies", f"none of {count:,} training items is an exact copy of another")
    if case.test is not None and not isinstance(case.test, Stream):
        yield from _leaks(case, hashes)


def _leaks(case: Case, hashes: Array) -> Iterator[Finding]:
    assert case.test is not None
    items, _, count = _compared(case.test, case)
    if _kind(items) != _kind(_compared(case.data, case)[0]):
        return
    leaked = int(np.isin(_hashes(items), hashes).sum())
    if not leaked:
        yield fine("copies", f"none of {count:,} test items is among the training items")
        return
    yield (wrong if leaked > _MANY * count else look)(
        "copies",
        f"{share(leaked, count)} test items are exact copies of training items",
        "What was learned by heart counts as understood: the test is too good.",
        "Take them out of training, and split by subject or source before anything is copied.",
    )


def _kind(items: Any) -> Any:
    arrays = items.values() if isinstance(items, Mapping) else (items,)
    return [(a.dtype, a.shape[1:]) for a in arrays]


def _compared(data: Dataset, case: Case) -> tuple[Any, Any, int]:
    """Items and labels: all, or so many that they fit."""
    each = int(np.prod(data.image_shape)) * 4 or 4
    most = min(_ITEMS, max(_BYTES // each, 1))
    whole = len(data) <= most and isinstance(data.images, np.ndarray)
    if whole:
        return data.images, data.labels, len(data)
    items, labels = sample_of(data, min(most, 1000), case.batch_size)
    return items, labels, min(len(data), most, 1000)


def _hashes(items: Any) -> Array:
    """A hash of each item, of all inputs."""
    arrays = list(items.values()) if isinstance(items, Mapping) else [items]
    count = len(arrays[0])
    rows = [np.ascontiguousarray(a).reshape(count, -1).view(np.uint8) for a in arrays]
    found = [
        hashlib.blake2b(b"".join(r[i].tobytes() for r in rows), digest_size=8).digest()
        for i in range(count)
    ]
    return np.frombuffer(b"".join(found), np.uint64)


def _flat(labels: Any) -> Array | None:
    """A row of labels for each item; of several outputs all of them."""
    arrays = labels.values() if isinstance(labels, Mapping) else (labels,)
    rows = [np.asarray(a).reshape(len(a), -1) for a in arrays]
    return np.concatenate([r.astype(np.float64) for r in rows], 1) if rows else None


def neighbours(case: Case) -> Iterator[Finding]:
    """Whether an image and the one that is most like it have the same label more often than by
    chance; and whether they would if all labels were moved by one."""
    data, images = case.data, case.images
    term = next((t for t in case.terms if t.loss.targeted), None)
    if isinstance(data, Stream) or images.ndim != 4 or term is None or len(data) < 100:
        return
    targets = case.known_targets[term.name]
    if targets.ndim != 1 or targets.dtype.kind not in "iu":
        return
    count = min(_NEAREST, len(data))
    places = np.arange(count) * len(data) // count
    items = data.batch(places)[0]
    if isinstance(items, Mapping):
        items = next(iter(items.values()))
    nearest = _nearest(_small(np.asarray(items)))
    counts = np.unique(targets, return_counts=True)[1] / len(targets)
    if len(counts) == 1:
        return  # the labels say that already
    chance = float((counts**2).sum())
    room = 3 * (chance * (1 - chance) / count) ** 0.5
    agreed = {shift: _agreed(targets, places, nearest, shift) for shift in (0, -1, 1)}
    seen = (
        f"of {count} images and the image most like each, {100 * agreed[0]:.3g} % have one label; "
        f"by chance {100 * chance:.3g} %"
    )
    best = max((-1, 1), key=lambda shift: agreed[shift])
    if agreed[0] > chance + room:
        yield fine("neighbours", seen)
    elif agreed[best] > chance + 2 * room and agreed[best] > agreed[0] + room:
        yield wrong(
            "neighbours",
            f"{seen}, but {100 * agreed[best]:.3g} % if labels are moved by {best:+d}",
            "Images and labels are out of step by one.",
            "Look for a header line, or a first file that one side lacks.",
        )
    else:
        yield look(
            "neighbours",
            seen,
            "Labels seem not to belong to their images (shuffled, or sorted apart from them); or "
            "pixels alone tell nothing here, as in textures.",
            "Look at some with their labels; after a training, validation accuracy near "
            f"{100 * float(counts.max()):.3g} % confirms it.",
        )


def _agreed(targets: Array, places: Array, nearest: Array, shift: int) -> float:
    count = len(targets)
    return float(
        (targets[(places + shift) % count] == targets[(places[nearest] + shift) % count]).mean()
    )


def _small(images: Array) -> Array:
    """Images of few pixels, the means of squares, in whole numbers: sums of them are exact."""
    x = images.astype(np.float64)
    low, high = x.min(), x.max()
    x = np.rint((x - low) / ((high - low) or 1.0) * 4095)
    height, width = (max(1, -(-d // _SIDE)) for d in x.shape[2:])
    x = x[:, :, : x.shape[2] // height * height, : x.shape[3] // width * width]
    shape = (*x.shape[:2], x.shape[2] // height, height, x.shape[3] // width, width)
    small: Array = x.reshape(shape).sum((3, 5)).reshape(len(x), -1).astype(np.int64)
    return small


def _nearest(rows: Array) -> Array:
    """For each row the place of the nearest other by sums of differences; exact copies are passed
    over, of equal ones the first counts."""
    found = np.empty(len(rows), np.int64)
    for i, row in enumerate(rows):
        away = np.abs(rows - row).sum(1)
        away[i] = np.iinfo(np.int64).max
        away[away == 0] = np.iinfo(np.int64).max
        found[i] = int(away.argmin())
    return found
