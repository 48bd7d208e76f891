"""Data sets: real pictures from files, generated ones, and the user's own arrays.

    train, test = cnn.data.mnist("path/to/idx")

Users see this package as `graphcnn.data`.
"""

from graphcnn.normalisation import Normalisation
from graphcnn.runtime.data.bundled import digits
from graphcnn.runtime.data.cifar import cifar10
from graphcnn.runtime.data.dataset import Dataset
from graphcnn.runtime.data.folders import image_folder
from graphcnn.runtime.data.idx import mnist
from graphcnn.runtime.data.numpy_files import arrays, npz
from graphcnn.runtime.data.specs import SPECS, load
from graphcnn.runtime.data.strokes import xo, xo_pair

__all__ = [
    "SPECS",
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
    "xo_pair",
]
