"""Image files for a model to look at."""

from pathlib import Path

import numpy as np

from graphcnn.base.regular_files import is_folder, open_regular, read_regular
from graphcnn.data.folders.image_files import FORMATS, decode
from graphcnn.data.folders.members import MAX_FILE
from graphcnn.errors import DataError
from graphcnn.ir.node import Array
from graphcnn.ir.tensor_type import Shape


def read_picture(path: Path, shape: Shape, resize: bool = False) -> Array:
    """The images (n, C, H, W) of a file, for a model whose input is `shape` = (N, C, H, W).

    Raises:
        DataError: no such file, one that is damaged or of an unknown kind, or a picture of
            another size, unless `resize`.
        MissingExtraError: a picture, and Pillow is not installed.
    """
    if len(shape) != 4:
        raise DataError(f"the model takes no images: its input is {shape}")
    _, channels, height, width = shape
    if path.suffix.lower() == ".npy":
        return _array(path, shape)
    if path.suffix.lower() not in FORMATS:
        if is_folder(path):
            raise DataError(f"{path} is a folder; name the pictures in it, as {path}/*.png does")
        raise DataError(f"{path}: unknown kind of file; known are .npy, {', '.join(FORMATS)}")
    if channels not in (1, 3):
        raise DataError(
            f"the model takes images of {channels} channels; pictures have 1 or 3: use .npy"
        )
    size = (int(height), int(width))  # type: ignore[arg-type]
    pixels = decode(str(path), _bytes(path), channels == 1, size if resize else None)
    if pixels.shape[1:] != size:
        raise DataError(
            f"{path} is {pixels.shape[1]}×{pixels.shape[2]} (height × width), but the model takes "
            f"{size[0]}×{size[1]}: give --resize to scale it"
        )
    return pixels[None]


def _bytes(path: Path) -> bytes:
    try:
        return read_regular(path, MAX_FILE)
    except OSError as error:
        raise DataError(f"cannot read {path}: {(error.strerror or str(error)).lower()}") from None


def read_array(path: Path) -> Array:
    """The array in a .npy file. Raises `DataError` where there is none."""
    try:
        with open_regular(path) as file:
            array: Array = np.load(file, allow_pickle=False)
    except OSError as error:
        raise DataError(f"cannot read {path}: {(error.strerror or str(error)).lower()}") from None
    except (ValueError, EOFError) as error:
        raise DataError(f"{path} is no .npy array of numbers: {error}") from None
    if not isinstance(array, np.ndarray):
        raise DataError(f"{path} is no .npy array of numbers: it holds several arrays (.npz)")
    return array


def _array(path: Path, shape: Shape) -> Array:
    """One image (C, H, W) or (H, W) if grey, or several with n in front."""
    array = read_array(path)
    image = tuple(shape[1:])
    single = array.shape == image or (image[0] == 1 and array.shape == image[1:])
    array = array.reshape((1, *image)) if single else array
    several = array.ndim == 3 and image[0] == 1 and array.shape[1:] == image[1:]
    array = array[:, None] if several else array
    if array.shape[1:] != image:
        raise DataError(
            f"{path} holds an array of shape {array.shape}; the model takes (n, "
            f"{', '.join(map(str, image))})"
        )
    return array
