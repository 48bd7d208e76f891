"""A scene as pixels, by resvg: a small package without system libraries (extra "png")."""

from graphcnn.errors import MissingExtraError, OutputError
from graphcnn.pictures.scene import Scene
from graphcnn.pictures.svg import to_svg

#: Pixels of the largest picture, so that a slip does not fill the memory.
MOST_PIXELS = 400_000_000


def to_png(scene: Scene, scale: float = 2.0) -> bytes:
    """The scene as a PNG file of `scale` times its size, on its light ground.

    Text is drawn with the fonts of this machine, so the bytes may differ between machines.

    Raises:
        MissingExtraError: resvg-py is not installed.
        OutputError: the scale is not positive, or the picture would be too large.
    """
    if not scale > 0:
        raise OutputError(f"the scale must be positive, found {scale}")
    pixels = scene.width * scale * scene.height * scale
    if pixels > MOST_PIXELS:
        raise OutputError(
            f"a PNG of {scene.width * scale:,.0f}×{scene.height * scale:,.0f} pixels is too large "
            f"(at most {MOST_PIXELS:,} in all): choose a smaller scale, or SVG"
        )
    try:
        import resvg_py
    except ImportError:
        raise MissingExtraError("a PNG", "resvg-py", "png") from None
    try:
        data = resvg_py.svg_to_bytes(
            svg_string=to_svg(scene), zoom=scale, dpi=96.0, sans_serif_family="DejaVu Sans"
        )
    except ValueError as error:
        raise OutputError(f"the picture cannot be rasterised: {error}") from None
    return bytes(data)
