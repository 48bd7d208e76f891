"""A scene as a PDF of one page, written here: lines, text in Helvetica, images. No time stamps.

Text stays text, searchable. The fonts that every reader of PDF has know Latin and Greek letters and
some signs; letters of other scripts appear as "?", which SVG and PNG show.
"""

import itertools
import zlib
from typing import Any, Final

from graphcnn.pictures.scene.colors import PAINTS
from graphcnn.pictures.scene.fonts import printable
from graphcnn.pictures.scene.pixels import compressed
from graphcnn.pictures.scene.scene import Image, Path, Rect, Scene, Text, shapes

_HELVETICA: Final = """
278 278 355 556 556 889 667 191 333 333 389 584 278 333 278 278 556 556 556 556 556 556 556
556 556 556 278 278 584 584 584 556 1015 667 667 722 722 667 611 778 722 278 500 667 556 833
722 778 667 778 722 667 611 722 667 944 667 667 611 278 278 278 469 556 333 556 556 500 556
556 278 556 556 222 222 500 222 833 556 556 556 556 333 500 278 556 500 722 500 500 500 334
260 334 584
"""
_HELVETICA_BOLD: Final = """
278 333 474 556 556 889 722 238 333 333 389 584 278 333 278 278 556 556 556 556 556 556 556
556 556 556 333 333 584 584 584 611 975 722 722 722 722 667 611 778 722 278 556 722 611 833
722 778 667 778 722 667 611 722 667 944 667 667 611 333 278 333 584 556 333 556 611 556 611
556 333 611 611 278 278 556 278 889 611 611 611 611 389 556 333 611 556 778 556 556 500 389
280 389 584
"""
_WIDTHS: Final = tuple([*map(int, table.split())] for table in (_HELVETICA, _HELVETICA_BOLD))
_COMMON: Final = {0xD7: 584, 0xB7: 278, 0x85: 1000, 0xB2: 333}
_SPELLED: Final = str.maketrans({"↻": "+="})
#: Letters of the font Symbol, their codes in its encoding, and their widths.
_SYMBOLS: Final = "αβχδεφγηικλμνοπθρστυωξψζΑΒΧΔΕΦΓΗΙΚΛΜΝΟΠΘΡΣΤΥΩΞΨΖ→←↑↓−≤≥√∂⊂∅∞≈"
_CODES: Final = b"abcdefghiklmnopqrstuwxyzABCDEFGHIKLMNOPQRSTUWXYZ" + bytes.fromhex(
    "ae ac ad af 2d a3 b3 d6 b6 cc c6 a5 bb"
)
_SYMBOL_WIDTHS: Final = """
631 549 549 494 439 521 411 603 329 549 549 576 521 549 549 521 549 603 439 576 686 493 686 494
722 667 722 612 611 763 603 722 333 722 686 889 722 722 768 741 556 592 611 690 768 645 795 611
987 987 603 603 549 549 549 549 494 713 823 713 549
"""
_SYMBOL: Final = {
    letter: (code, int(width))
    for letter, code, width in zip(_SYMBOLS, _CODES, _SYMBOL_WIDTHS.split(), strict=True)
}
#: How far a quarter of a circle pulls its curve.
_ROUND: Final = 0.5523


def to_pdf(scene: Scene) -> bytes:
    """The scene on a page of its size, one pixel a point. The same scene gives the same bytes."""
    images: list[Image] = []
    parts = [f"1 0 0 -1 0 {_n(scene.height)} cm"]
    for shape in shapes(scene.items):
        if isinstance(shape, Text):
            parts.append(_text(shape))
        elif isinstance(shape, Image):
            images.append(shape)
            (x, y), (a, b), (c, d) = shape.corner, shape.across, shape.down
            matrix = " ".join(map(_n, (a, b, -c, -d, x + c, y + d)))
            parts.append(f"q {matrix} cm /I{len(images) - 1} Do Q")
        else:
            parts.append(_drawn(shape))
    return _file(scene, "\n".join(parts).encode("latin-1"), images)


def encoded(text: str) -> bytes:
    """Text in the encoding of the built-in fonts for Latin letters."""
    return printable(text).translate(_SPELLED).encode("cp1252", errors="replace")


def _runs(text: str, bold: bool) -> list[tuple[int, bytes, int]]:
    """The text in pieces of one font: its number, the encoded letters, their width."""
    runs = []
    for symbols, letters in itertools.groupby(printable(text), _SYMBOL.__contains__):
        if symbols:
            pairs = [_SYMBOL[letter] for letter in letters]
            runs.append((2, bytes(code for code, _ in pairs), sum(width for _, width in pairs)))
        else:
            data = encoded("".join(letters))
            runs.append((int(bold), data, _width(data, bold)))
    return runs


def _n(x: float) -> str:
    short = f"{x:.3f}".rstrip("0").rstrip(".")
    return "0" if short == "-0" else short


def _color(color: str, operator: str) -> str:
    parts = (int(color[i : i + 2], 16) / 255 for i in (1, 3, 5))
    return f"{' '.join(map(_n, parts))} {operator}"


def _width(line: bytes, bold: bool) -> int:
    table = _WIDTHS[bold]
    return sum(table[c - 32] if 32 <= c < 127 else _COMMON.get(c, 556) for c in line)


def _text(line: Text) -> str:
    runs = _runs(line.text, line.bold)
    shift = {"start": 0.0, "middle": 0.5, "end": 1.0}[line.anchor]
    x = line.x - shift * sum(width for _, _, width in runs) * line.size / 1000
    color = _color(PAINTS[line.paint].fill or "#000000", "rg")
    parts = [f"/F{font} {_n(line.size)} Tf <{data.hex()}> Tj" for font, data, _ in runs]
    return f"BT {color} 1 0 0 -1 {_n(x)} {_n(line.y)} Tm {' '.join(parts)} ET"


def _drawn(shape: Rect | Path) -> str:
    paint = PAINTS[shape.paint]
    parts = []
    if paint.fill:
        parts.append(_color(paint.fill, "rg"))
    if paint.stroke:
        thick = shape.width if isinstance(shape, Path) and shape.width is not None else paint.width
        parts += [_color(paint.stroke, "RG"), f"{_n(thick)} w [{paint.dash}] 0 d"]
    steps = _outline(shape) if isinstance(shape, Rect) else shape.steps
    for step in steps:
        operator = {"M": "m", "L": "l", "C": "c", "Z": "h"}[step[0]]
        parts.append(" ".join([*map(_n, step[1:]), operator]))
    both = bool(paint.fill) + 2 * bool(paint.stroke)
    return " ".join([*parts, ("n", "f", "S", "B")[both]])


def _outline(rect: Rect) -> tuple[tuple[Any, ...], ...]:
    left, top, right, bottom = rect.box
    r = min(rect.radius, rect.box.width / 2, rect.box.height / 2)
    if not r:
        return (
            ("M", left, top), ("L", right, top), ("L", right, bottom), ("L", left, bottom), ("Z",),
        )  # fmt: skip
    k = r * (1 - _ROUND)
    return (
        ("M", left + r, top), ("L", right - r, top),
        ("C", right - k, top, right, top + k, right, top + r), ("L", right, bottom - r),
        ("C", right, bottom - k, right - k, bottom, right - r, bottom), ("L", left + r, bottom),
        ("C", left + k, bottom, left, bottom - k, left, bottom - r), ("L", left, top + r),
        ("C", left, top + k, left + k, top, left + r, top), ("Z",),
    )  # fmt: skip


def _file(scene: Scene, content: bytes, images: list[Image]) -> bytes:
    names = " ".join(f"/I{i} {8 + i} 0 R" for i in range(len(images)))
    font = "<< /Type /Font /Subtype /Type1 /BaseFont /{} /Encoding /WinAnsiEncoding >>"
    resources = f"<< /Font << /F0 4 0 R /F1 5 0 R /F2 6 0 R >> /XObject << {names} >> >>"
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R /Lang (en) >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 {_n(scene.width)} {_n(scene.height)}] "
        f"/Contents 7 0 R /Resources {resources} >>".encode(),
        font.format("Helvetica").encode(),
        font.format("Helvetica-Bold").encode(),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Symbol >>",
        _stream("", content),
        *map(_image, images),
        b"<< /Title <" + encoded(scene.title).hex().encode() + b"> >>",
    ]
    out, places = b"%PDF-1.4\n%\xc7\xd2\xe1\xf3\n", []
    for i, each in enumerate(objects, start=1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (i, each)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    count = len(objects) + 1
    trailer = f"<< /Size {count} /Root 1 0 R /Info {count - 1} 0 R >>".encode()
    return out + (
        b"xref\n0 %d\n0000000000 65535 f \n%strailer\n%s\nstartxref\n%d\n%%%%EOF\n"
        % (count, table, trailer, len(out))
    )


def _stream(entries: str, data: bytes, packed: bool = False) -> bytes:
    data = data if packed else zlib.compress(data, 9)
    head = f"<< {entries} /Filter /FlateDecode /Length {len(data)} >>".encode()
    return b"%s\nstream\n%s\nendstream" % (head, data)


def _image(image: Image) -> bytes:
    colors, data = compressed(image.png)
    space = "/DeviceRGB" if colors == 3 else "/DeviceGray"
    predictor = f"/Predictor 15 /Colors {colors} /BitsPerComponent 8 /Columns {image.columns}"
    entries = (
        f"/Type /XObject /Subtype /Image /Width {image.columns} /Height {image.rows} "
        f"/ColorSpace {space} /BitsPerComponent 8 /DecodeParms << {predictor} >>"
    )
    return _stream(entries, data, packed=True)
