"""Images drawn as black and white: for networks that learn what images are like."""

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from graphcnn.data.rows import in_memory
from graphcnn.errors import DataError
from graphcnn.ir.philox import uniform

if TYPE_CHECKING:
    from graphcnn.data.dataset import Dataset

#: Stream of the random generator, apart from those that the nodes of a graph count up from 0.
_STREAM = 0x42494E41
#: Images that are drawn at a time.
_AT_ONCE = 1024


def binarised(data: "Dataset", seed: int = 0) -> "Dataset":
    """The same images in black and white: a number is 1 with the probability of its grey value x,
    else 0, drawn once.

    This is how the handwritten digits are made on which networks that draw are compared
    (R. Salakhutdinov, I. Murray, "On the quantitative analysis of deep belief networks", 2008).
    The draw depends on seed, index of the image and place alone, so it is the same everywhere.

    Args:
        data: images of uint8 (n, C, H, W), or of floats in [0, 1]. They lose their normalisation:
            0 and 1 are what is learned.

    Raises:
        DataError: images that are not in memory, or floats that are no grey values.
    """
    images = data.images
    if not in_memory(images) or not isinstance(images, np.ndarray):
        raise DataError(f"{data.name!r}: images are binarised in memory, without lazy=True")
    if images.dtype != np.uint8 and not (images.min() >= 0 and images.max() <= 1):
        raise DataError(
            f"{data.name!r}: grey values of floats are in [0, 1], found {images.min():g} to "
            f"{images.max():g}"
        )
    white = 255 if images.dtype == np.uint8 else 1
    drawn = np.empty_like(images)
    size = images[0].size
    for start in range(0, len(images), _AT_ONCE):
        part = images[start : start + _AT_ONCE]
        u = uniform(seed, 0, _STREAM, part.size, start * size).reshape(part.shape)
        drawn[start : start + _AT_ONCE] = np.where(u * white < part, white, 0)
    return replace(data, images=drawn, normalisation=None, name=f"{data.name} in black and white")
