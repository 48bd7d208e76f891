"""Images made larger: padding, zeros between pixels, upsampling, channels as pixels and back."""

from graphcnn.errors import GraphError
from graphcnn.ir.geometry import Sides
from graphcnn.ir.node import Value
from graphcnn.language.arguments import IntOrPair, number, pair, positive, scoped, sides
from graphcnn.language.errors import located
from graphcnn.ops.blocks import DepthToSpace, SpaceToDepth
from graphcnn.ops.padding import Pad2d
from graphcnn.ops.resample import Upsample2d, ZeroInsert2d

Border = int | tuple[int, int] | tuple[int, int, int, int]


def _border(x: Border, what: str) -> Sides:
    """A border as (top, bottom, left, right). No window is known here, so no "same"."""
    if isinstance(x, str):
        raise GraphError(
            f"{what} must be an int, a pair (height, width) or four sides "
            f"(top, bottom, left, right), found {x!r}"
        )
    return sides(x, (1, 1), (1, 1), (1, 1), (1, 1))


@located
def pad2d(
    x: Value, padding: Border, *, mode: str = "constant", value: float = 0.0, name: str = ""
) -> Value:
    """Add rows and columns around an image.

    Args:
        x: image (N, C, H, W).
        padding: an int for every side, (height, width), or (top, bottom, left, right).
        mode: "constant" fills with `value`, "reflect" mirrors without repeating the border pixel,
            "edge" repeats it.

    Returns:
        (N, C, H + top + bottom, W + left + right).

    Raises:
        GraphError: negative padding, or reflected padding that is not smaller than the image.
    """
    op = Pad2d(_border(padding, "padding"), mode, number(value, "value"))
    return op(x, name=scoped(name, op.name))


@located
def zero_insert2d(x: Value, stride: IntOrPair = 2, *, border: Border = 0, name: str = "") -> Value:
    """Spread an image: stride - 1 zeros between neighbouring pixels, and a border of zeros.

    y[n, c, top + s·i, left + s·j] = x[n,c,i,j], zero elsewhere

    Followed by `conv2d` it is one of the two deconvolutions; with a border of kernel - 1 and the
    kernel rotated by 180° it equals the other, `conv_transpose2d`.

    Args:
        x: image (N, C, H, W).
        stride: distance of neighbouring pixels in the result.
        border: zeros around it: an int, (height, width), or (top, bottom, left, right).

    Returns:
        (N, C, OH, OW) with OH = s·(H - 1) + 1 + top + bottom: 3 by 3 becomes 7 by 7 with stride 2
        and border 1.

    Raises:
        GraphError: stride less than 1, or a negative border.
    """
    op = ZeroInsert2d(pair(stride, "stride"), _border(border, "border"))
    return op(x, name=scoped(name, op.name))


@located
def upsample2d(
    x: Value,
    scale: IntOrPair,
    *,
    mode: str = "nearest",
    align_corners: bool = False,
    name: str = "",
) -> Value:
    """Enlarge an image by whole factors.

    nearest: y[i,j] = x[i // scale, j // scale]; bilinear: y mixes the two nearest rows and columns
    of x by their distance from (i + 1/2) / scale - 1/2.

    Args:
        x: image (N, C, H, W).
        scale: an int or (height, width).
        mode: "nearest" or "bilinear".
        align_corners: bilinear only: the corner pixels of both images coincide, and distances are
            measured between centres: i·(H - 1) / (H·scale - 1).

    Returns:
        (N, C, H·scale, W·scale).

    Raises:
        GraphError: scale less than 1, an unknown mode, or align_corners with "nearest".
    """
    op = Upsample2d(pair(scale, "scale"), mode, align_corners)
    return op(x, name=scoped(name, op.name))


@located
def depth_to_space(x: Value, block: int = 2, *, mode: str = "DCR", name: str = "") -> Value:
    """Make blocks of pixels of channels: images that are `block` times as high and wide.

    y[n, k, b·h + i, b·w + j] = x[n, c, h, w] with b = block, K channels of y, and

        c = (i·b + j)·K + k    where mode is "DCR", ONNX's order
        c = k·b² + i·b + j     where mode is "CRD", that of `pixel_shuffle`

    Args:
        x: image (N, C, H, W).
        block: its square divides C.
        mode: the order of the channels.

    Returns:
        (N, C / block², H · block, W · block).

    Raises:
        GraphError: the channels are no multiple of block².
    """
    op = DepthToSpace(positive(block, "block"), mode)
    return op(x, name=scoped(name, op.name))


@located
def space_to_depth(x: Value, block: int = 2, *, mode: str = "DCR", name: str = "") -> Value:
    """Make channels of blocks of pixels: the inverse of `depth_to_space` with the same arguments.

    Args:
        x: image (N, C, H, W).
        block: divides H and W.
        mode: the order of the channels; "CRD" is the pixel unshuffle of PyTorch.

    Returns:
        (N, C · block², H / block, W / block).

    Raises:
        GraphError: height or width is no multiple of block.
    """
    op = SpaceToDepth(positive(block, "block"), mode)
    return op(x, name=scoped(name, op.name))


@located
def pixel_shuffle(x: Value, factor: int = 2, *, name: str = "") -> Value:
    """`depth_to_space` with PyTorch's order of channels, mode "CRD" (arXiv:1609.05158).

    Args:
        x: image (N, C, H, W).
        factor: how many times larger the image becomes; its square divides C.
    """
    return DepthToSpace(positive(factor, "factor"), "CRD")(x, name=scoped(name, "pixel_shuffle"))
