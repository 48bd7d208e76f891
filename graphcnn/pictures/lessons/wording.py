"""Numbers and sums in the spelling of a worked figure."""

from collections.abc import Sequence

import numpy as np

from graphcnn.ir.node import Array
from graphcnn.pictures.scene.fonts import text_width


class Numbers:
    """Writes the numbers of one figure: whole ones as such, others to `digits` decimals."""

    def __init__(self, digits: int = 2) -> None:
        self.digits = digits

    def __call__(self, x: float) -> str:
        """A number, with the sign of minus."""
        if not np.isfinite(x):
            return str(float(x))
        text = f"{x:.{self.digits}f}"
        text = text.rstrip("0").rstrip(".") if float(text) == x else text
        return text.replace("-", "−") if float(text) else "0"

    def all(self, array: Array) -> Array:
        """Every number of an array as text."""
        return np.array([self(float(x)) for x in array.flat], object).reshape(array.shape)

    def equals(self, *numbers: float) -> str:
        """The sign between a sum and its result: ≈ where one of them is rounded as it is shown."""
        exact = all(abs(float(self(x).replace("−", "-")) - x) < 1e-9 for x in numbers)
        return "=" if exact else "≈"

    def factor(self, x: float) -> str:
        """A number after a sign of operation: in brackets where it has a sign of its own."""
        text = self(x)
        return f"({text})" if text.startswith("−") else text

    def sum(self, *terms: tuple[float, str]) -> str:
        """Terms with the signs between them, each with its name in brackets if it has one."""
        text = ""
        for term, name in terms:
            written = self(term)
            if text:
                minus = written.startswith("−")
                text += " − " if minus else " + "
                written = written[minus:]
            text += written + f" ({name})" * bool(name)
        return text


def size(shape: Sequence[object]) -> str:
    """Height and width, 3×5."""
    return "×".join(map(str, shape))


def pair(both: tuple[int, int]) -> str:
    """A number for both axes, or 1×2."""
    return str(both[0]) if both[0] == both[1] else size(both)


def sides(padding: tuple[int, int, int, int]) -> str:
    """Padding in words: one number, or which sides have how much."""
    if len(set(padding)) == 1:
        return str(padding[0])
    top, bottom, left, right = padding
    if top == bottom and left == right:
        return f"{top}×{left}"
    names = zip(padding, ("above", "below", "left", "right"), strict=True)
    return ", ".join(f"{pixels} {side}" for pixels, side in names if pixels)


def wrapped(text: str, size: float, width: float, bold: bool = False) -> list[str]:
    """The text in lines of at most `width` pixels, broken at spaces."""
    lines: list[str] = []
    for word in text.split(" "):
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and text_width(longer, size, bold) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines
