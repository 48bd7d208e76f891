"""Numbers as colours.

Signed numbers take a diverging map, blue below 0, white at 0, red above: the two ends are equally
far from 0, so that white always means nothing. Sizes take a sequential map from white to dark. The
ends are those of ColorBrewer's RdBu and YlOrBr (C. Brewer, 2003), which readers with red-green
blindness tell apart.
"""

from typing import Any, Final

import numpy as np

from graphcnn.errors import DataError
from graphcnn.ir.node import Array

_DIVERGING: Final = ("#053061", "#2166ac", "#92c5de", "#ffffff", "#f4a582", "#b2182b", "#67001f")
_SEQUENTIAL: Final = ("#ffffff", "#fee391", "#fe9929", "#cc4c02", "#662506")


def _table(colors: tuple[str, ...]) -> Array:
    """256 colours, linear between those given, uint8 (256, 3)."""
    points = np.array([[int(c[i : i + 2], 16) for i in (1, 3, 5)] for c in colors], np.float64)
    places = np.linspace(0, len(colors) - 1, 256)
    channels = [np.interp(places, np.arange(len(colors)), points[:, i]) for i in range(3)]
    return np.rint(np.stack(channels, 1)).astype(np.uint8)


_MAPS: Final = {"signed": _table(_DIVERGING), "size": _table(_SEQUENTIAL)}


def signed(values: Any, most: float | None = None) -> Array:
    """Numbers (H, W) as colours (H, W, 3): `most` is red, -`most` blue, 0 white.

    `most` is the largest size of a number by default.
    """
    array = _finite(values)
    most = float(np.abs(array).max(initial=0)) if most is None else most
    return _looked_up(_MAPS["signed"], array / (2 * most) + 0.5 if most > 0 else array * 0 + 0.5)


def sizes(values: Any, most: float | None = None, least: float = 0.0) -> Array:
    """Numbers (H, W) from `least`, white, to `most`, dark, as colours (H, W, 3)."""
    array = _finite(values)
    most = float(array.max(initial=0)) if most is None else most
    span = most - least
    return _looked_up(_MAPS["size"], (array - least) / span if span > 0 else array * 0)


def image_pixels(image: Any) -> Array:
    """An image (C, H, W) or (H, W) with numbers in [0, 1] as it looks: grey or in its colours.

    One channel is grey, three are red, green and blue, two or more than three their mean.
    """
    array = np.asarray(image, np.float64)
    if array.ndim == 3:
        array = array.transpose(1, 2, 0) if array.shape[0] == 3 else array.mean(0)
    if array.ndim not in (2, 3):
        raise DataError(f"an image is (C, H, W) or (H, W), found {np.shape(image)}")
    return np.rint(np.clip(np.nan_to_num(array), 0, 1) * 255).astype(np.uint8)


def blended(below: Array, above: Array, share: Array) -> Array:
    """Pixels with others laid over them: `share` (H, W) of `above` in [0, 1], where 0 leaves
    `below`, uint8 grey (H, W) or (H, W, 3)."""
    base = (below if below.ndim == 3 else below[..., None].repeat(3, 2)).astype(np.float64)
    part = np.clip(share, 0, 1)[..., None]
    mixed: Array = np.rint(base * (1 - part) + above * part).astype(np.uint8)
    return mixed


def _finite(values: Any) -> Array:
    array = np.asarray(values, np.float64)
    if array.ndim != 2:
        raise DataError(f"a map has height and width, found an array of shape {array.shape}")
    return np.nan_to_num(array, posinf=0.0, neginf=0.0)


def _looked_up(table: Array, share: Array) -> Array:
    found: Array = table[np.rint(np.clip(share, 0, 1) * 255).astype(np.intp)]
    return found
