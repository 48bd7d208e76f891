"""The small set of handwritten digits that comes with scikit-learn: real data, no network."""

import numpy as np

from graphcnn.data.dataset import Dataset
from graphcnn.data.normalisation import Normalisation
from graphcnn.errors import MissingExtraError

_NORMALISATION = Normalisation(mean=(0.3053,), std=(0.3760,))


def digits(test_fraction: float = 0.2, seed: int = 0) -> tuple[Dataset, Dataset]:
    """(train, test) of 1,797 handwritten digits: images 1×8×8 of float32 in [0, 1].

    Each class is split in the same proportion; the split depends on the seed alone.

    Raises:
        MissingExtraError: scikit-learn is not installed.
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise MissingExtraError("the digits data set", "scikit-learn", "digits") from None
    bundle = load_digits()
    images = (bundle.images[:, None] / 16).astype(np.float32)  # ink comes in 17 steps, 0..16
    classes = tuple(map(str, bundle.target_names))
    whole = Dataset(images, bundle.target, classes, _NORMALISATION, "digits")
    return whole.split(test_fraction, seed)
