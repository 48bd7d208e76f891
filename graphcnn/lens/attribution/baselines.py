"""Where a method starts from: an image that stands for nothing."""

from typing import Any

import numpy as np

from graphcnn.errors import LensError
from graphcnn.ir.node import Array
from graphcnn.lens.attribution.subject import Subject
from graphcnn.lens.core import Core


def baseline_of(lens: Core, subject: Subject, baseline: Any) -> tuple[Array, str]:
    """The baseline of each image as the network takes them, (n, C, H, W), and what it is.

    Args:
        baseline: "black"; "mean", the mean colour of the images of the training where the model
            knows it, else of each image itself; or an image, or one for each.

    Raises:
        LensError: another word, or another number of images.
        DataError: images that the model does not take.
    """
    fed = subject.fed
    if isinstance(baseline, str):
        if baseline == "black":
            start, words = lens.black()
        elif baseline == "mean" and lens.network.normalisation is not None:
            start, words = np.zeros_like(fed[:1]), "mean of the images of the training"
        elif baseline == "mean":
            mean = fed.mean((2, 3), keepdims=True, dtype=np.float64).astype(fed.dtype)
            start, words = np.broadcast_to(mean, fed.shape), "mean colour of the image"
        else:
            raise LensError(f"a baseline is 'black', 'mean' or an image, found {baseline!r}")
    else:
        start, words = lens.fed(baseline), "an image that was given"
    if len(start) not in (1, len(fed)):
        raise LensError(f"{len(start)} baselines for {len(fed)} images")
    return np.broadcast_to(start, fed.shape), words
