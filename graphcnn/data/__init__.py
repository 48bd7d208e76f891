"""Data sets: real pictures from files, generated ones, and the user's own arrays.

train, test = cnn.data.mnist("path/to/idx")
"""

from graphcnn.data.augment.binarise import binarised
from graphcnn.data.bundled import digits
from graphcnn.data.cifar import cifar10
from graphcnn.data.dataset import Dataset
from graphcnn.data.folders.image_folders import image_folder
from graphcnn.data.folders.parquet import parquet
from graphcnn.data.idx import mnist
from graphcnn.data.normalisation import Normalisation
from graphcnn.data.numpy_files import arrays, npz
from graphcnn.data.samples import samples
from graphcnn.data.shapes import shapes
from graphcnn.data.specs import load
from graphcnn.data.streams import stream
from graphcnn.data.strokes import xo

__all__ = [
    "Dataset",
    "Normalisation",
    "arrays",
    "binarised",
    "cifar10",
    "digits",
    "image_folder",
    "load",
    "mnist",
    "npz",
    "parquet",
    "samples",
    "shapes",
    "stream",
    "xo",
]
