"""Picture files (JPEG, PNG, ...) to arrays, by Pillow, with a limit on what is decoded.

Pictures as people have them become 8 bits per channel: turned upright as their EXIF data say,
transparent ones laid on a background (white, where nothing else is asked for, as on a page), of
animations the first frame, CMYK and palettes as red, green and blue. 16 bits are scaled so that the
largest number, 65535, becomes 255, and the nearest number is taken.
"""

import importlib
import io
import warnings
from typing import IO, Any

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
_EIGHT_BIT = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "LAB", "HSV")
#: One channel of 16 bits, also where Pillow keeps it in more.
_SIXTEEN_BIT = ("I;16", "I;16L", "I;16B", "I;16N", "I")
_BACKGROUNDS = {"white": (255, 255, 255), "black": (0, 0, 0)}

Colour = tuple[int, int, int]
WHITE: Colour = (255, 255, 255)


def background_colour(given: Any) -> Colour:
    """The colour that "white", "black", a level or three of them stand for. Raises `DataError`."""
    if isinstance(given, str) and given in _BACKGROUNDS:
        return _BACKGROUNDS[given]
    levels = (given,) * 3 if isinstance(given, int) else given
    if isinstance(levels, tuple | list) and len(levels) == 3:
        if all(isinstance(v, int) and 0 <= v <= 255 for v in levels):
            return (levels[0], levels[1], levels[2])
    raise DataError(
        "background must be 'white', 'black', a level in 0..255 or three of them (red, green, "
        f"blue), found {given!r}"
    )


def is_grey(name: str, file: bytes | IO[bytes]) -> bool:
    """Whether the header of a picture says that it has one channel, beside transparency."""
    return is_grey_picture(_open(name, file))


def is_grey_picture(picture: Any) -> bool:
    """Whether a picture that Pillow has opened has one channel, beside transparency."""
    return picture.mode in ("1", "L", "LA", *_SIXTEEN_BIT)


def decode(
    name: str,
    data: bytes,
    grey: bool,
    size: tuple[int, int] | None,
    background: Colour = WHITE,
) -> Array:
    """The pixels (C, H, W) of uint8 with C = 1 or 3, upright as its EXIF data says.

    Where `size` (H, W) is given, the picture is resized to it (bilinear). What is transparent
    shows the `background`.

    Raises:
        DataError: the file `name` is damaged, no picture, of another format than its name says,
            too large, or of more than 16 bits per channel.
    """
    return pixels(name, _open(name, data), grey, size, background)


def pixels(
    name: str,
    picture: Any,
    grey: bool,
    size: tuple[int, int] | None,
    background: Colour = WHITE,
) -> Array:
    """As `decode`, of a picture that Pillow has opened; it is turned upright itself."""
    try:
        _module("ImageOps").exif_transpose(picture, in_place=True)
        picture = _opaque(_of_eight_bits(picture), background)
        picture = picture.convert("L" if grey else "RGB")
        if size is not None and picture.size != (size[1], size[0]):
            picture = picture.resize((size[1], size[0]), _module("Image").Resampling.BILINEAR)
        found = np.asarray(picture, np.uint8)
    except Exception as error:  # on damaged data, Pillow's decoders raise errors of any kind
        raise DataError(f"{name} is damaged: {error}") from None
    return found[None] if grey else np.moveaxis(found, -1, 0)


def _of_eight_bits(picture: Any) -> Any:
    """Levels of 16 bits as such of 8, to the nearest."""
    if picture.mode not in _SIXTEEN_BIT:
        return picture
    levels = np.asarray(picture).astype(np.int64)
    if levels.size and not (levels.min() >= 0 and levels.max() <= 0xFFFF):
        raise ValueError(f"its levels go from {levels.min()} to {levels.max()}, beyond 16 bits")
    return _module("Image").fromarray(((levels * 255 + 0x7FFF) // 0xFFFF).astype(np.uint8))


def _opaque(picture: Any, background: Colour) -> Any:
    """The picture on a background, where something of it is transparent."""
    if picture.mode not in ("RGBA", "LA", "PA") and "transparency" not in picture.info:
        return picture
    picture = picture.convert("RGBA")
    ground = _module("Image").new("RGBA", picture.size, (*background, 255))
    return _module("Image").alpha_composite(ground, picture).convert("RGB")


def _open(name: str, data: bytes | IO[bytes]) -> Any:
    """The picture with its header read and checked, its pixels not yet decoded."""
    image = _module("Image")
    try:
        with warnings.catch_warnings():  # of many pixels: MAX_PIXELS is stricter, and an error
            warnings.simplefilter("ignore", image.DecompressionBombWarning)
            file = io.BytesIO(data) if isinstance(data, bytes) else data
            picture = image.open(file, formats=tuple(set(FORMATS.values())))
    except Exception as error:  # as above, and more pixels than Pillow opens
        unknown = isinstance(error, image.UnidentifiedImageError)
        why = "its content is of no known picture format" if unknown else error
        raise DataError(f"{name} is no picture that can be read: {why}") from None
    expected = FORMATS.get("." + name.rsplit(".", 1)[-1].lower())  # None for what is no file
    found = "JPEG" if picture.format == "MPO" else picture.format  # a JPEG with more behind it
    if expected is not None and found != expected:
        raise DataError(
            f"{name} is mislabelled: expected {expected} by its name, found {found} by its content"
        )
    w, h = picture.size
    if w * h > MAX_PIXELS:
        raise DataError(f"{name} is too large: {h} × {w} = {h * w} pixels, limit {MAX_PIXELS}")
    if picture.mode not in (*_EIGHT_BIT, *_SIXTEEN_BIT):
        raise DataError(
            f"{name} is not a picture of 8 or 16 bits per channel: its mode is {picture.mode}"
        )
    return picture


def _module(name: str) -> Any:
    try:
        return importlib.import_module(f"PIL.{name}")
    except ImportError:
        raise MissingExtraError("reading picture files", "pillow", "images") from None
