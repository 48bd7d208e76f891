"""What a convolutional network sees in an X: run  python -m graphcnn.tools.xo_story

A picture of 9 by 9 pixels holds an X: its pixels are +1, the background is -1. Three small features
are slid over it: a falling stroke, a rising stroke, and the crossing. Under each window the nine
products of feature and picture are averaged. All nine agree: exactly 1. All nine disagree: -1.
The rest of a small network follows: negative answers become 0, and of every 2 by 2 answers the
largest is kept. No number here is learned; training finds features such as these by itself.
"""

from collections.abc import Mapping

import numpy as np

from graphcnn.ir.graph import Graph
from graphcnn.ir.node import Array
from graphcnn.language.activations import relu
from graphcnn.language.conv import conv2d
from graphcnn.language.pool import max_pool2d
from graphcnn.language.sources import constant, input
from graphcnn.runtime.reference import Reference

X = """
    . . . . . . . . .
    . # . . . . . # .
    . . # . . . # . .
    . . . # . # . . .
    . . . . # . . . .
    . . . # . # . . .
    . . # . . . # . .
    . # . . . . . # .
    . . . . . . . . .
"""

FEATURES = {
    "falling stroke": """
        # . .
        . # .
        . . #
    """,
    "rising stroke": """
        . . #
        . # .
        # . .
    """,
    "crossing": """
        # . #
        . # .
        # . #
    """,
}


def pixels(drawing: str) -> Array:
    """A drawing as float32 pixels (H, W): +1 where it has a `#`, -1 where it has a dot."""
    lines = [line.split() for line in drawing.strip().splitlines()]
    return np.array([[1 if mark == "#" else -1 for mark in line] for line in lines], np.float32)


def network() -> Graph:
    """picture f32[1,1,9,9] -> maps [1,3,7,7] -> rectified [1,3,7,7] -> pooled [1,3,4,4]."""
    features = np.stack([pixels(drawing)[None] for drawing in FEATURES.values()])  # (3, 1, 3, 3)
    picture = input("picture", (1, 9, 9))
    products = conv2d(picture, len(features), 3, weight=constant(features), bias=False)
    maps = products / 9  # the sum of nine products becomes their average, exact where it is 1
    rectified = relu(maps)
    pooled = max_pool2d(rectified, 2, ceil_mode=True)  # 7 is odd: the last window is half a one
    outputs = {"maps": maps, "rectified": rectified, "pooled": pooled}
    return Graph.of((picture,), outputs, name="xo_story").bind(N=1)


def look(picture: Array) -> Mapping[str, Array]:
    """What the network makes of one picture (9, 9): arrays (3, H, W) by the name of the step."""
    outputs, _ = Reference(network()).run({"picture": picture[None, None]})
    return {name: array[0] for name, array in outputs.items()}


def table(numbers: Array) -> str:
    """Numbers (H, W) to two decimals, in columns."""
    # Adding 0.0 turns -0.00 into 0.00.
    return "\n".join("  " + " ".join(f"{x + 0.0:5.2f}" for x in row) for row in numbers.round(2))


def drawn(picture: Array) -> str:
    """Pixels (H, W) as marks."""
    return "\n".join("  " + " ".join("#" if x > 0 else "." for x in row) for row in picture)


def story() -> str:
    """The whole story as text."""
    x = pixels(X)
    seen = look(x)
    parts = [f"An X of 9 by 9 pixels, # is +1 and . is -1:\n\n{drawn(x)}"]
    for i, (name, drawing) in enumerate(FEATURES.items()):
        maps = seen["maps"][i]
        matches = ", ".join(f"({row}, {column})" for row, column in np.argwhere(maps == 1))
        parts += [
            f"Feature {i + 1}, the {name}:\n\n{drawn(pixels(drawing))}",
            "The average of the nine products at each of the 7 by 7 places, exactly 1 at "
            f"(row, column) {matches}:\n\n{table(maps)}",
            f"Rectified, relu(x) = max(x, 0):\n\n{table(seen['rectified'][i])}",
            "The largest of each 2 by 2, the last row and column from what is left:\n\n"
            f"{table(seen['pooled'][i])}",
        ]
    lowest = look(-x)["maps"].min(axis=(1, 2))
    parts.append(
        "In the negative of the picture all nine pixels disagree where they agreed before: the "
        "lowest averages are {:.2f}, {:.2f} and {:.2f}.".format(*lowest)
    )
    return "\n\n".join(parts)


if __name__ == "__main__":
    print(story())
