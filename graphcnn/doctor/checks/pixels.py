"""Pixels: what the first layer is fed, and whether there is anything in it."""

from collections.abc import Iterator

import numpy as np

from graphcnn.doctor.case import LOOKED_AT, Case, norm, sample_of
from graphcnn.doctor.finding import Finding, fine, look, share, short, wrong
from graphcnn.ir.node import Array, Node, Value
from graphcnn.ir.sources import Constant
from graphcnn.ops.norm import BatchNorm, GroupNorm

#: The root of the mean square of what a first layer is fed lies between these where weights are
#: drawn for numbers around 1; in what is far off, the first steps are those of scaling.
_SMALL, _LARGE, _FAR = 0.02, 5.0, 25.0
#: A normalisation with a mean of at least this is one of pixels in [0, 1].
_OF_PIXELS = 0.05


def pixels(case: Case) -> Iterator[Finding]:
    """Ranges as they were read and as they are fed, channels and images without any content."""
    images = case.images
    if images.ndim != 4 or not np.issubdtype(images.dtype, np.number):
        yield from _fed(case, images)
        return
    yield from _empty(images)
    twice = _twice(case, images)
    if twice is not None:
        yield twice
    else:
        yield from _fed(case, images)


def _empty(images: Array) -> Iterator[Finding]:
    """Channels, or whole images, of one number."""
    flat = images.reshape(*images.shape[:2], -1)
    low, high = flat.min((0, 2)), flat.max((0, 2))
    dead = [int(i) for i in np.flatnonzero(low == high)]
    if dead:
        all_of_them = len(dead) == images.shape[1]
        grade = wrong if all_of_them else look
        which = "all pixels" if all_of_them else f"channel {', '.join(map(str, dead))}"
        yield grade(
            "pixels",
            f"{which} of {len(images):,} images have the one value {short(float(low[dead[0]]))}",
            "What never changes tells nothing of an item."
            if all_of_them
            else "The network gets less than was meant, and a std of 0 cannot be divided by.",
            "Look at some of data.images and at how they were read.",
        )
    if dead and len(dead) == images.shape[1]:
        return
    blank = int((flat.max((1, 2)) == flat.min((1, 2))).sum())
    if blank:
        grade = wrong if blank > 0.2 * len(images) else look
        yield grade(
            "pixels",
            f"{share(blank, len(images))} images are of one colour",
            "An empty image has a label all the same, which teaches nothing.",
            "Look for failed readings or masks and leave them out: data[keep].",
        )


def _twice(case: Case, images: Array) -> Finding | None:
    """Images that are normalised already, for a normalisation of pixels in [0, 1]."""
    known = case.model.normalisation
    if known is None or images.dtype.kind != "f" or max(known.mean) < _OF_PIXELS:
        return None
    low, high = float(images.min()), float(images.max())
    if low >= -0.01 or high > 60:
        return None
    return wrong(
        "pixels",
        f"the images go from {short(low)} to {short(high)}, and the normalisation (mean "
        f"{short(known.mean[0])}, std {short(known.std[0])}) is for pixels from 0 to 1",
        "They are normalised twice: once before, once by the model.",
        "Give the images as they were read, uint8 or floats in [0, 1]; or set "
        "model.normalisation = None.",
    )


def _fed(case: Case, images: Array) -> Iterator[Finding]:
    """The numbers in front of the first layer with weights."""
    value, layer = _first_layer(case)
    if value is None or layer is None:
        return
    fed = case.run(case.runner({"fed": value}), case.batch[0])["fed"]
    size = norm(fed) / max(fed.size, 1) ** 0.5
    mean, std = float(fed.mean(dtype=np.float64)), float(fed.std(dtype=np.float64))
    low, high = float(fed.min()), float(fed.max())
    found = f"numbers from {short(low)} to {short(high)}, mean {short(mean)}, std {short(std)}"
    where = f"{layer.op.name} {layer.name!r}"
    read = f"{images.dtype} from {short(float(images.min()))} to {short(float(images.max()))}"
    if isinstance(layer.op, BatchNorm | GroupNorm) or _SMALL <= size <= _LARGE:
        yield fine("pixels", f"{where} is fed {found} ({read} as read)")
    elif size > _LARGE:
        grade = wrong if size > _FAR else look
        yield grade(
            "pixels",
            f"{where} is fed {found}; about -3 to 3 is expected ({read} as read)",
            "Weights are drawn for numbers around 1: activations and gradients are as many times "
            "too large, and units die in the first steps.",
            "Give uint8 images, which are divided by 255, or "
            "cnn.data.arrays(x, y, normalisation=cnn.Normalisation.of(x)).",
        )
    else:
        yield wrong(
            "pixels",
            f"{where} is fed {found}; a std of about 1 is expected ({read} as read)",
            "The network sees next to nothing but its biases: perhaps pixels were divided by 255 "
            "twice.",
            "Give the images as they were read (uint8, or floats in [0, 1]), or "
            "cnn.data.arrays(x, y, normalisation=cnn.Normalisation.of(x)).",
        )


def _first_layer(case: Case) -> tuple[Value | None, Node | None]:
    """The first layer with weights behind the first input, and what it is fed."""
    reached: set[Value] = {case.model.graph.inputs[0]}
    for node in case.model.graph.nodes:
        own = [v for v in node.inputs if v in reached]
        if not own:
            continue
        if node.op.anchor or isinstance(node.op, BatchNorm | GroupNorm):
            return own[0], node
        others = [v for v in node.inputs if v not in reached]
        if all(isinstance(v.node.op, Constant) for v in others):
            reached.update(node.outputs)
    return None, None


def test_images(case: Case) -> Iterator[Finding]:
    """Whether the images of the test look as those of training: the same range and mean."""
    if case.test is None or case.images.ndim != 4:
        return
    items = sample_of(case.test, LOOKED_AT, case.batch_size)[0]
    if isinstance(items, dict):
        return
    test = np.asarray(items)
    if test.shape[1:] != case.images.shape[1:]:
        return
    a, b = (x.astype(np.float64) for x in (case.images, test))
    spread = float(a.std()) or 1.0
    off = abs(float(a.mean() - b.mean())) / spread
    ratio = (float(b.std()) or 1e-12) / spread
    if off > 1 or not 1 / 3 < ratio < 3 or test.dtype != case.images.dtype:
        yield wrong(
            "pixels",
            f"training images are {case.images.dtype} of mean {short(float(a.mean()))} and std "
            f"{short(spread)}, test images {test.dtype} of mean {short(float(b.mean()))} and std "
            f"{short(float(b.std()))}",
            "What is measured on the test images says nothing of what was learned.",
            "Read both in the same way, and normalise neither or both.",
        )
    else:
        yield fine("pixels", "mean and std of the test images are those of training")
