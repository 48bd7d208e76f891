"""From pictures to what a network is fed, and the checks of images and labels on that way.

The constants of a normalisation belong to the trained model: they are saved with its weights and
exported with its graph, so that a picture means the same everywhere.
"""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np

from graphcnn.errors import DataError
from graphcnn.ir.stored_types import WIDER
from graphcnn.ir.tensor_type import Shape, TensorType, format_shape, is_open, open_axes, times_n

Array = np.ndarray[Any, np.dtype[Any]]

#: Images whose levels are counted at a time.
_PIECE = 1024
#: How many batches of floats are compared with what was learned, and how many images of each.
LOOKS, LOOKED_AT = 16, 64


class Items(np.ndarray[Any, np.dtype[Any]]):
    """A batch that knows where it is from.

    Attributes:
        source: the `Dataset`, from which a session takes over what belongs to it.
        normalised: these numbers are normalised already, and are not to be so once more.
        kept: places of those asked for that could be read; None where all could.
    """

    source: Any = None
    normalised: bool = False
    kept: Any = None

    def __array_finalize__(self, other: Any) -> None:
        self.source = getattr(other, "source", None)
        self.normalised = getattr(other, "normalised", False)

    def __array_wrap__(self, *arguments: Any, **options: Any) -> Any:
        """What is computed from them may be anything again."""
        result = super().__array_wrap__(*arguments, **options)
        if isinstance(result, Items):
            result.normalised = False
        return result


def refuse_normalised(images: Any, who: str) -> None:
    """Raise `DataError` for images that `who` would normalise once more."""
    if type(images) is not np.ndarray and getattr(images, "normalised", False):
        raise DataError(
            f"these images are normalised already, and {who} would normalise them once more: give "
            "them as they were read (np.asarray(images) takes them for such)"
        )


@dataclass(frozen=True)
class Normalisation:
    """y = (scale · x - mean) / std per channel for uint8 x; (x - mean) / std for float x.

    Float images are taken as they are: their pixels lie in [0, 1], where `scale` puts those of
    uint8 images. `mean` and `std` have one number per channel, or one for all channels.
    """

    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    scale: float = 1 / 255

    def __post_init__(self) -> None:
        object.__setattr__(self, "mean", tuple(float(m) for m in self.mean))
        object.__setattr__(self, "std", tuple(float(s) for s in self.std))
        object.__setattr__(self, "scale", float(self.scale))
        if not self.mean or len(self.mean) != len(self.std):
            raise DataError(
                "a normalisation needs one mean and one std per channel, found "
                f"{len(self.mean)} means and {len(self.std)} stds"
            )
        if not all(map(math.isfinite, (*self.mean, *self.std, self.scale))) or min(self.std) <= 0:
            raise DataError(f"means must be finite and stds greater than 0, found {self}")

    @classmethod
    def of(cls, images: Array) -> Self:
        """The mean and standard deviation of each channel of images (n, C, H, W), or (n, H, W).
        A channel that never changes gets std = 1.
        """
        images = check_images(images)
        if images.dtype == np.uint8:
            return cls.of_pieces(images[at : at + _PIECE] for at in range(0, len(images), _PIECE))
        planes = np.moveaxis(images, 1, 0)
        means = tuple(float(plane.mean(dtype=np.float64)) for plane in planes)
        return cls(means, tuple(float(p.std(dtype=np.float64)) or 1.0 for p in planes))

    @classmethod
    def of_pieces(cls, pieces: Iterable[Array]) -> Self:
        """As `of`, of uint8 images (k, C, H, W) piece by piece: only their levels are counted."""
        planes = (np.moveaxis(piece, 1, 0) for piece in pieces)
        each = (np.array([np.bincount(p.ravel(), minlength=256) for p in x]) for x in planes)
        counts = sum(each, np.int64(0))
        shares, values = counts / counts.sum(1, keepdims=True), np.arange(256) / 255
        means = [float(share @ values) for share in shares]
        variances = (float(s @ (values - m) ** 2) for s, m in zip(shares, means, strict=True))
        return cls(tuple(means), tuple(math.sqrt(v) or 1.0 for v in variances))

    def apply(self, images: Any) -> Array:
        """Images (n, C, H, W) of uint8 or any float to normalised float32.

        The result remembers it: a model, or a data set with a normalisation of its own, refuses it
        in place of normalising it once more.

        Raises:
            DataError: as `numbers`.
        """
        refuse_normalised(images, "this normalisation")
        y = self.numbers(images).view(Items)
        y.normalised = True
        return y

    def numbers(self, images: Any) -> Array:
        """As `apply`, as a plain array.

        Raises:
            DataError: another element type, NaN or infinity (names the first such image), or
                another number of channels.
        """
        pixels = as_pixels(images)
        if len(self.mean) > 1 and (pixels.ndim < 3 or pixels.shape[-3] != len(self.mean)):
            raise DataError(
                f"the normalisation has {len(self.mean)} channels, found images of shape "
                f"{pixels.shape}; expected (n, {len(self.mean)}, height, width)"
            )
        factor = self.scale if pixels.dtype == np.uint8 else 1.0
        y: Array = pixels * np.float32(factor)
        if any(self.mean):
            y -= np.asarray(self.mean, np.float32)[:, None, None]
        if any(each != 1 for each in self.std):
            y /= np.asarray(self.std, np.float32)[:, None, None]
        return y

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        try:
            return cls(**json.loads(text))
        except (TypeError, ValueError) as error:
            raise DataError(f"not a normalisation: {text[:200]!r}: {error}") from None


def reach_of(images: Array) -> float:
    """The largest size of a number among some of the images; that of uint8 is 1, scaled."""
    if images.dtype == np.uint8:
        return 1.0
    return float(np.abs(images[:: max(1, len(images) // LOOKED_AT)]).max())


def batch_shape(item: Sequence[Any]) -> str:
    """The shape of a batch of items, for messages: (n, 1, 28, 28)."""
    return "({})".format(", ".join(map(str, ("n", *item))) if item else "n,")


def as_array(x: Any, what: str) -> Array:
    """`x` as an array, of a type that NumPy knows: numbers that are stored only become wider ones.

    Raises:
        DataError: lists of different sizes, or masked numbers.
    """
    if isinstance(x, np.ma.MaskedArray) and np.ma.is_masked(x):
        raise DataError(
            f"{what} hold {np.asarray(x.mask).sum()} masked numbers; .filled(x) puts a number in "
            "their place"
        )
    try:
        array = np.asarray(x)
        known = array.dtype.kind != "V"
        return array if known else array.astype(WIDER.get(array.dtype, array.dtype))
    except ValueError:  # NumPy's word for a ragged nest of lists
        shapes = [str(each.shape) for each in x if isinstance(each, np.ndarray)]
        found = f"arrays of {' and '.join(shapes[:2])}" if shapes else "lists of different sizes"
        raise DataError(f"{what} must have one common shape, found {found}") from None


def as_pixels(images: Any) -> Array:
    """`images` as an array of uint8, or of finite float32; other types are refused."""
    array = as_array(images, "images")
    if array.dtype == np.uint8:
        return array
    if array.dtype.kind != "f":
        kind = {"i": "uint8", "u": "uint8", "b": "float32"}.get(array.dtype.kind)
        hint = f"; images.astype(np.{kind}) makes them so" if kind else ""
        found = array.dtype.name
        if array.dtype.kind == "U" and not array.ndim:
            found, hint = f"the text {str(array)!r}", "; read the file first"
        raise DataError(f"images must be uint8 (0..255) or float (0..1), found {found}{hint}")
    return _finite(array, "image")


def check_images(images: Any, shape: tuple[int, int, int] | None = None) -> Array:
    """Images as an array (n, C, H, W) of uint8 or float32, where `shape` is the (C, H, W) expected.
    Grey images may come without their channel axis: (n, H, W) becomes (n, 1, H, W).

    Raises:
        DataError: another size, element type or number of axes, no image at all, or NaN and
            infinity (names the first such image).
    """
    array = as_pixels(images)
    found = array.shape
    if array.ndim == 3 and (shape is None or (shape[0] == 1 and found[1:] == shape[1:])):
        array = array[:, None]
    wanted = "(n, {}, {}, {})".format(*shape or ("channels", "height", "width"))
    if array.ndim != 4 or (shape is not None and array.shape[1:] != shape):
        raise DataError(f"images must be {wanted}, found {found}{_hint(found, shape)}")
    if 0 in found:
        raise DataError(f"no images: expected {wanted} with n of at least 1, found {found}")
    return array


def check_inputs(x: Any, images: bool) -> Array:
    """Items (n, ...) of a data set, of any rank: numbers as they are, and none of them not finite.

    `images`: four axes are images, of uint8 or float32.

    Raises:
        DataError: no item at all, no numbers, or NaN and infinity (names the first such item).
    """
    array = as_array(x, "images" if images else "items")
    if images and array.ndim == 4:
        return check_images(array)
    if images and array.ndim == 3:
        as_pixels(array[:0])  # grey images or series: their type, and finite numbers below
    if array.dtype.kind not in "fiub":
        raise DataError(f"items must be numbers, found {array.dtype.name} of shape {array.shape}")
    if not array.ndim or not array.size:
        what = "images" if array.ndim == 3 else "items"
        raise DataError(f"no {what}: expected (n, ...) with n of at least 1, found {array.shape}")
    return _finite(array, "item", array.dtype) if array.dtype.kind == "f" else array


def check_items(items: Any, t: TensorType) -> Array:
    """Items for an input of type `t` that takes no images: (n, ...), or n where `t` has N.

    Where it has none, the size of the first axis is left to the runtime, which has advice for a
    file that fixes it.

    Raises:
        DataError: another shape, no item at all, or numbers that the type cannot hold.
    """
    array = as_array(items, "items")
    wanted = format_shape(t.shape).replace("N", "n")
    if array.ndim != t.rank or not array.size or not _fits(array.shape, t.shape):
        several = " with n of at least 1" if 0 in array.shape and is_open(t.shape) else ""
        raise DataError(f"the input takes {t.dtype} {wanted}{several}, found {array.shape}")
    if array.dtype.kind not in ("fiub" if t.dtype.is_float else "iub"):
        whole = array.dtype.kind == "f" and np.array_equal(array, np.trunc(array))
        hint = f"; .astype(np.{t.dtype.numpy.name}) makes them so" if whole else ""
        raise DataError(f"the input takes {t.dtype} {wanted}, found {array.dtype.name}{hint}")
    if t.dtype.is_float:
        return _finite(array, "item", t.dtype.numpy)
    found = array.astype(t.dtype.numpy, copy=False)
    if not np.array_equal(found, array):
        raise DataError(f"the input takes {t.dtype} {wanted}, which cannot hold all of the items")
    return found


def _fits(found: tuple[int, ...], shape: Shape) -> bool:
    """Whether sizes are those of `shape`: at N any, at k·N multiples of k. Where it has no N, any
    size will do for the first axis."""
    free = (open_axes(shape) or (0,))[0]
    each = times_n(shape[free]) if is_open(shape) else 1
    return all(d == shape[a] or (a == free and d % each == 0) for a, d in enumerate(found))


def as_numbers(targets: Any) -> Any:
    """Targets as an array, or a dict of arrays; truth values are the numbers 0 and 1."""
    if isinstance(targets, Mapping):
        return {str(key): as_numbers(each) for key, each in targets.items()}
    array = as_array(targets, "targets")
    return array.astype(np.int64) if array.dtype.kind == "b" else array


def check_labels(
    labels: Any,
    classes: int | None,
    item: tuple[int, ...] | None = None,
    ignored: Sequence[int] = (),
) -> Array:
    """Class numbers as an array of int64, each in 0..classes - 1.

    `classes`: None for any whole numbers. `item`: sizes of the labels of one item, () for one label
    per image, (height, width) for one per pixel; None for either. `ignored`: labels that are
    allowed besides, and stand for no class.

    Raises:
        DataError: labels of float type, of another shape, or out of range (names the first row).
    """
    try:
        array = np.asarray(labels)
    except ValueError:
        array = np.empty(0, object)
    if array.dtype.kind not in "iu":
        known = "" if classes is None else f" (class numbers 0..{classes - 1})"
        hint = _hint_for_floats(array) if array.dtype.kind == "f" else ""
        raise DataError(f"labels must be integers{known}, found {array.dtype.name}{hint}")
    if array.ndim not in (1, 3) if item is None else array.shape[1:] != item or not array.ndim:
        one_hot = array.ndim == 2 and (array.shape[1] == classes or is_one_hot(array))
        hint = "; one-hot rows become class numbers by labels.argmax(axis=1)" if one_hot else ""
        if item is not None and array.ndim and not one_hot:
            hint = same_numbers(array.shape[1:], item)
        wanted = "(n,) or (n, height, width)" if item is None else batch_shape(item)
        raise DataError(f"labels must have shape {wanted}, found {array.shape}{hint}")
    if classes is not None:
        wrong = (array < 0) | (array >= classes)
        for label in ignored:
            wrong &= array != label
        refuse_labels(array, wrong, classes, ignored)
    return array.astype(np.int64, copy=False)


def refuse_labels(
    array: Array, wrong: Array, classes: int, ignored: Sequence[int] = (), taken: str = ""
) -> None:
    """Raise `DataError` naming the first label where `wrong` holds, if there is one."""
    if wrong.any():
        row, *place = (int(i) for i in np.argwhere(wrong)[0])
        at = f" at {tuple(place)}" if place else ""
        raise DataError(
            f"label {array[(row, *place)]} in row {row}{at} is out of range: {classes} classes "
            f"have the labels {taken or f'0..{classes - 1}'}"
            + (f", and {', '.join(map(str, ignored))} is ignored" if ignored else "")
            + ("; one output for two classes takes binary_cross_entropy" if classes == 1 else "")
        )


def _hint_for_floats(labels: Array) -> str:
    """How floats become class numbers."""
    if labels.ndim > 1:
        for axis in (1, labels.ndim - 1):
            if labels.shape[axis] > 1 and is_one_hot(np.moveaxis(labels, axis, -1)):
                return f"; one-hot vectors become class numbers by labels.argmax(axis={axis})"
    if np.array_equal(labels, np.trunc(labels)):
        return "; labels.astype(np.int64) makes them so"
    if labels.ndim > 1:
        return "; shares of classes (n, K), as mixup makes them, are for cross_entropy"
    return ""


def same_numbers(found: Sequence[int], item: Sequence[int]) -> str:
    """How targets of the right numbers get the right axes; nothing where they are others."""
    if squeezed(found) == squeezed(item):
        return f"; .reshape({', '.join(map(str, ('-1', *item)))}) makes it so"
    return ""


def squeezed(shape: Sequence[int]) -> tuple[int, ...]:
    """The sizes other than 1."""
    return tuple(d for d in shape if d != 1)


def is_one_hot(labels: Array) -> bool:
    """Whether every row of labels (..., K) has a single 1 among zeros."""
    return bool(((labels == 0) | (labels == 1)).all() and (labels.sum(axis=-1) == 1).all())


def check_targets(targets: Any) -> Array:
    """Numbers to predict, of any shape (n, ...), as finite float32."""
    array = np.asarray(targets)
    if array.dtype.kind != "f" or array.ndim == 0:
        names = "; names, numbers = np.unique(labels, return_inverse=True) numbers the classes"
        raise DataError(
            "targets must be class numbers (n,) of integers or numbers (n, ...) of floats, found "
            f"{array.dtype.name} of shape {array.shape}{names if array.dtype.kind in 'US' else ''}"
        )
    return _finite(array, "target")


def _finite(array: Array, what: str, dtype: "np.dtype[Any] | type" = np.float32) -> Array:
    with np.errstate(over="ignore"):
        array = array.astype(dtype, copy=False)
    finite = np.isfinite(array)
    if not finite.all():
        at = tuple(int(i) for i in np.argwhere(~finite)[0])
        value = "NaN" if np.isnan(array[at]) else "an infinite number"
        where = f" at {at[1:]}" if at[1:] else ""
        raise DataError(f"{what} {at[0] if at else 0} holds {value}{where}; mend or remove it")
    return array


def _hint(found: tuple[int, ...], shape: tuple[int, int, int] | None) -> str:
    """What probably happened to images of the wrong shape."""
    if (found in (shape, shape[1:])) if shape is not None else len(found) == 2:
        return "; a single image is passed as image[None]"
    last = len(found) == 4 and found[3] in (1, 3, 4)
    if last and (shape is None or (found[3], *found[1:3]) == shape):
        return "; images with the channels last become images.transpose(0, 3, 1, 2)"
    return ""
