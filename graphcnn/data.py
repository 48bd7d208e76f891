"""Data sets, as users reach them: `cnn.data.mnist("path/to/idx")`. See `graphcnn.runtime.data`."""

from graphcnn.runtime.data import (
    Dataset,
    Normalisation,
    arrays,
    cifar10,
    digits,
    image_folder,
    load,
    mnist,
    npz,
    xo,
)

__all__ = [
    "Dataset",
    "Normalisation",
    "arrays",
    "cifar10",
    "digits",
    "image_folder",
    "load",
    "mnist",
    "npz",
    "xo",
]
