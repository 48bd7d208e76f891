"""A scene as LaTeX: a document of its own that draws it with TikZ."""

from typing import Final

from graphcnn.pictures.scene.colors import PAINTS
from graphcnn.pictures.scene.fonts import printable
from graphcnn.pictures.scene.pixels import compressed
from graphcnn.pictures.scene.scene import Box, Image, Path, Rect, Scene, Text, shapes

_SPECIAL: Final = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#",
    "%": r"\%", "_": r"\_", "^": r"\textasciicircum{}", "~": r"\textasciitilde{}",
    "×": r"$\times$", "·": r"$\cdot$", "→": r"$\rightarrow$", "←": r"$\leftarrow$",
    "…": r"\dots{}", "−": r"$-$", "≤": r"$\le$", "≥": r"$\ge$", "²": r"$^2$", "√": r"$\surd$",
    "↻": r"$\circlearrowright$", "∂": r"$\partial$", "⊂": r"$\subset$", "µ": r"$\mu$",
    **{letter: rf"$\{name}$" for letter, name in zip("αβγδεθλμπρστφω", (
        "alpha", "beta", "gamma", "delta", "epsilon", "theta", "lambda", "mu", "pi", "rho",
        "sigma", "tau", "phi", "omega"), strict=True)},
    "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", '"': r"\textquotedbl{}",
}  # fmt: skip
#: Defined where there are images: place, outline, matrix, entries of its dictionary, digits.
_IMAGES: Final = (
    r"\ifdefined\pdfextension\protected\def\pdfliteral{\pdfextension literal }\fi",
    r"\newcommand{\graphcnnimage}[5]{\ifdefined\pdfliteral",
    r"  \node[anchor=base west] at #1 {\pdfliteral{q #3 cm BI #4 ID #5 EI Q}};",
    r"  \else\path[draw] #2;\fi}",
)
_COLUMNS: Final = 96
_ANCHORS: Final = {"start": "base west", "middle": "base", "end": "base east"}


def to_tikz(scene: Scene) -> str:
    """A LaTeX document, images within it, for pdfLaTeX and LuaLaTeX.

    XeLaTeX shows images as empty frames. Other scripts than Latin need LuaLaTeX or XeLaTeX and
    their fonts.
    """
    used = sorted({s.paint for s in shapes(scene.items) if not isinstance(s, Image)})
    lines = [
        rf"% {printable(scene.title)}",
        r"\documentclass[tikz,border=2pt]{standalone}",
        r"\usepackage[T1]{fontenc}",
        r"\usepackage[scaled]{helvet}",
        r"\usepackage{amssymb}",
        r"\renewcommand{\familydefault}{\sfdefault}",
    ]
    for name in used:
        for part, color in (("fill", PAINTS[name].fill), ("stroke", PAINTS[name].stroke)):
            if color:
                lines.append(
                    rf"\definecolor{{{_color(name, part)}}}{{HTML}}{{{color[1:].upper()}}}"
                )
    if any(isinstance(s, Image) for s in shapes(scene.items)):
        lines += _IMAGES
    lines += [r"\begin{document}", r"\begin{tikzpicture}[x=1bp,y=-1bp,inner sep=0pt]"]
    for shape in shapes(scene.items):
        if isinstance(shape, Rect):
            lines.append(_rect(shape))
        elif isinstance(shape, Path):
            lines.append(_path(shape))
        elif isinstance(shape, Text):
            lines.append(_text(shape))
        else:
            lines += _image(shape)
    return "\n".join([*lines, r"\end{tikzpicture}", r"\end{document}"]) + "\n"


def tex(text: str) -> str:
    """Plain text in LaTeX's spelling."""
    return "".join(_SPECIAL.get(c, c) for c in printable(text))


def _color(name: str, part: str) -> str:
    return f"{name.replace('_', '-')}-{part}"


def _options(name: str, width: float | None = None) -> list[str]:
    paint = PAINTS[name]
    options = [f"fill={_color(name, 'fill')}"] if paint.fill else []
    if paint.stroke:
        thick = paint.width if width is None else width
        options += [f"draw={_color(name, 'stroke')}", f"line width={thick:g}bp"]
        if paint.dash:
            on, off = paint.dash.split()
            options.append(f"dash pattern=on {on}bp off {off}bp")
    return options


def _point(x: float, y: float) -> str:
    return f"({x:.2f},{y:.2f})"


def _rect(rect: Rect) -> str:
    rounded = [f"rounded corners={rect.radius:g}bp"] if rect.radius else []
    options = ",".join([*_options(rect.paint), *rounded])
    box: Box = rect.box
    corners = f"{_point(box.left, box.top)} rectangle {_point(box.right, box.bottom)}"
    return rf"\path[{options}] {corners};"


def _path(path: Path) -> str:
    parts = []
    for step in path.steps:
        numbers = step[1:]
        points = [_point(*numbers[i : i + 2]) for i in range(0, len(numbers), 2)]
        if step[0] == "M":
            parts.append(points[0])
        elif step[0] == "L":
            parts.append(f"-- {points[0]}")
        elif step[0] == "C":
            parts.append(f".. controls {points[0]} and {points[1]} .. {points[2]}")
        else:
            parts.append("-- cycle")
    return rf"\path[{','.join(_options(path.paint, path.width))}] {' '.join(parts)};"


def _text(line: Text) -> str:
    bold = r"\bfseries " if line.bold else ""
    size = rf"\fontsize{{{line.size:g}bp}}{{{line.size:g}bp}}\selectfont {bold}"
    options = f"anchor={_ANCHORS[line.anchor]},text={_color(line.paint, 'fill')}"
    return rf"\node[{options}] at {_point(line.x, line.y)} {{{size}{tex(line.text)}}};"


def _image(image: Image) -> list[str]:
    """An image of PDF within the text, its data in hexadecimal digits; else a frame."""
    (x, y), (a, b), (c, d) = image.corner, image.across, image.down
    colors, data = compressed(image.png)
    space = "/RGB" if colors == 3 else "/G"
    entries = (
        f"/W {image.columns} /H {image.rows} /CS {space} /BPC 8 /F [/AHx /Fl] /DP [null <<"
        f" /Predictor 15 /Colors {colors} /BitsPerComponent 8 /Columns {image.columns} >>]"
    )
    matrix = " ".join(f"{v + 0.0:.4f}" for v in (a, -b, -c, d, c, -d))
    corners = ((x, y), (x + a, y + b), (x + a + c, y + b + d), (x + c, y + d))
    frame = f"{' -- '.join(_point(*p) for p in corners)} -- cycle"
    digits = data.hex()
    rows = [digits[i : i + _COLUMNS] for i in range(0, len(digits), _COLUMNS)]
    return [
        rf"\graphcnnimage{{{_point(x, y)}}}{{{frame}}}{{{matrix}}}{{{entries}}}{{%",
        *rows[:-1],
        f"{rows[-1]}>}}",
    ]
