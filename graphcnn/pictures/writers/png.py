"""A scene as pixels, by resvg: a small package without system libraries (extra "png").

Text is drawn in DejaVu Sans, whose widths `graphcnn.pictures.scene.fonts` measures by. Its files
come with Matplotlib, so the same scene gives the same bytes whatever fonts a machine has. Only
texts with letters that DejaVu Sans may lack, as Chinese, ask for the fonts of the machine too; a
letter that no font has appears as a box.
"""

import importlib.util
from pathlib import Path

from graphcnn.errors import MissingExtraError, OutputError
from graphcnn.pictures.scene.fonts import is_measured
from graphcnn.pictures.scene.scene import Scene, Text, shapes
from graphcnn.pictures.writers.svg import to_svg

#: The family that text is drawn in.
FAMILY = "DejaVu Sans"
#: Pixels of the largest picture, so that a slip does not fill the memory.
MOST_PIXELS = 400_000_000


def to_png(scene: Scene, scale: float = 2.0) -> bytes:
    """The scene as a PNG file of `scale` times its size, on its light ground.

    Raises:
        MissingExtraError: resvg-py or Matplotlib, which has the font, is not installed.
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
    check_png()
    import resvg_py

    files = _font_files()
    lines = [s.text for s in shapes(scene.items) if isinstance(s, Text)]
    try:
        data = resvg_py.svg_to_bytes(
            svg_string=to_svg(scene, fonts=FAMILY),
            zoom=scale,
            dpi=96.0,
            skip_system_fonts=bool(files) and all(map(is_measured, lines)),
            font_files=files,
            font_family=FAMILY,
            sans_serif_family=FAMILY,
        )
    except ValueError as error:
        raise OutputError(f"the picture cannot be rasterised: {error}") from None
    return bytes(data)


def check_png() -> None:
    """Raise `MissingExtraError` where what a PNG needs is not installed."""
    try:
        import resvg_py  # noqa: F401
    except ImportError:
        raise MissingExtraError("a PNG", "resvg-py", "png") from None
    _font_files()


def _font_files() -> list[str]:
    """Regular and bold. Matplotlib is looked up, not imported: that takes long.

    Some distributions of Linux keep the fonts elsewhere, among those of the machine: then none.
    """
    found = importlib.util.find_spec("matplotlib")
    if found is None or found.origin is None:
        raise MissingExtraError("the text of a PNG", "matplotlib", "png")
    folder = Path(found.origin).parent / "mpl-data" / "fonts" / "ttf"
    files = [folder / name for name in ("DejaVuSans.ttf", "DejaVuSans-Bold.ttf")]
    return [str(file) for file in files] if all(file.is_file() for file in files) else []
