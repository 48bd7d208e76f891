"""Picture files (JPEG, PNG, ...) to arrays, by Pillow, with a limit on what is decoded."""

import importlib
import io
import warnings
from typing import Any

import numpy as np

from graphcnn.errors import DataError, MissingExtraError
from graphcnn.ir.node import Array

#: Pixels of one picture: larger ones are refused before they are decoded.
MAX_PIXELS = 1 << 26

#: File name endings that are pictures, and the format that such a file must have by its content.
FORMATS = {
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".png": "PNG",
    ".bmp": "BMP",
    ".gif": "GIF",
    ".webp": "WEBP",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".ppm": "PPM",
    ".pgm": "PPM",
}
_EIGHT_BIT = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr")


def is_grey(name: str, data: bytes) -> bool:
    """Whether the header of a picture says that it has one channel, beside transparency."""
    return _open(name, data).mode in ("1", "L", "LA")


def decode(name: str, data: bytes, grey: bool, size: tuple[int, int] | None) -> Array:
    """The pixels (C, H, W) of uint8 with C = 1 or 3, upright as its EXIF data says.

    Transparency is dropped. Where `size` (H, W) is given, the picture is resized to it (bilinear).

    Raises:
        DataError: the file `name` is damaged, no picture, of another format than its name says,
            too large, or has more than 8 bits per channel.
    """
    picture = _open(name, data)
    try:
        _module("ImageOps").exif_transpose(picture, in_place=True)
        picture = picture.convert("L" if grey else "RGB")
        if size is not None and picture.size != (size[1], size[0]):
            picture = picture.resize((size[1], size[0]), _module("Image").Resampling.BILINEAR)
        pixels = np.asarray(picture, np.uint8)
    except Exception as error:  # on damaged data, Pillow's decoders raise errors of any kind
        raise DataError(f"{name} is damaged: {error}") from None
    return pixels[None] if grey else np.moveaxis(pixels, -1, 0)


def _open(name: str, data: bytes) -> Any:
    """The picture with its header read and checked, its pixels not yet decoded."""
    image = _module("Image")
    try:
        with warnings.catch_warnings():  # of many pixels: MAX_PIXELS is stricter, and an error
            warnings.simplefilter("ignore", image.DecompressionBombWarning)
            picture = image.open(io.BytesIO(data), formats=tuple(set(FORMATS.values())))
    except Exception as error:  # as above, and more pixels than Pillow opens
        unknown = isinstance(error, image.UnidentifiedImageError)
        why = "its content is of no known picture format" if unknown else error
        raise DataError(f"{name} is no picture that can be read: {why}") from None
    expected = FORMATS["." + name.rsplit(".", 1)[-1].lower()]
    found = "JPEG" if picture.format == "MPO" else picture.format  # a JPEG with more behind it
    if found != expected:
        raise DataError(
            f"{name} is mislabelled: expected {expected} by its name, found {found} by its content"
        )
    w, h = picture.size
    if w * h > MAX_PIXELS:
        raise DataError(f"{name} is too large: {h} × {w} = {h * w} pixels, limit {MAX_PIXELS}")
    if picture.mode not in _EIGHT_BIT:
        raise DataError(
            f"{name} is not a picture of 8 bits per channel: its mode is {picture.mode}"
        )
    return picture


def _module(name: str) -> Any:
    try:
        return importlib.import_module(f"PIL.{name}")
    except ImportError:
        raise MissingExtraError("reading picture files", "pillow", "images") from None
