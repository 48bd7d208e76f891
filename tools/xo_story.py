"""What a convolutional network sees in an X: run  python -m graphcnn.tools.xo_story [-o xo.svg]

A picture of 9 by 9 pixels holds an X: its pixels are +1, the background is -1. Three small features
are slid over it: a falling stroke, a rising stroke, and the crossing. Under each window the nine
products of feature and picture are averaged. All nine agree: exactly 1. All nine disagree: -1.
The rest of a small network follows: negative answers become 0, and of every 2 by 2 answers the
largest is kept. These vote in a dense layer: each of X and O listens to the answers that its own
picture makes larger by more than 0.3, and averages them. An X that is moved, bent or small wins by
votes, though pixel by pixel it is not the X. No number here is learned; training finds features and
votes such as these by itself.
"""

import argparse
from collections.abc import Mapping
from functools import cache

import numpy as np

from graphcnn.ir.graph import Graph
from graphcnn.ir.node import Array, Value
from graphcnn.language.activations import relu
from graphcnn.language.conv import conv2d
from graphcnn.language.dense import dense
from graphcnn.language.pool import max_pool2d
from graphcnn.language.reduce import mean
from graphcnn.language.shape import flatten
from graphcnn.language.sources import constant, input
from graphcnn.pictures.lessons.xo import Look, Story, Window, xo_picture
from graphcnn.pictures.picture import Picture
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

RING = """
    . . . . . . . . .
    . . . # # # . . .
    . . # . . . # . .
    . # . . . . . # .
    . # . . . . . # .
    . # . . . . . # .
    . . # . . . # . .
    . . . # # # . . .
    . . . . . . . . .
"""

#: Pictures that are an X to us, and to the votes.
OTHERS = {
    "an X moved": """
        . . . . . . . . .
        . . . . . . . . .
        . . # . . . . . #
        . . . # . . . # .
        . . . . # . # . .
        . . . . . # . . .
        . . . . # . # . .
        . . . # . . . # .
        . . # . . . . . #
    """,
    "an X bent": """
        . . . . . . . . .
        . # . . . . . . .
        . . # . . . # . .
        . . . # . # . . .
        . . . . # . . . .
        . . . # . # . . .
        . . # . . # . . .
        . # . . . . # . .
        . . . . . . . . .
    """,
    "a small X": """
        . . . . . . . . .
        . . . . . . . . .
        . . . # . . . # .
        . . . . # . # . .
        . . . . . # . . .
        . . . . # . # . .
        . . . # . . . # .
        . . . . . . . . .
        . . . . . . . . .
    """,
}

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


#: A class listens to an answer that its own picture makes larger than the other one by this.
LISTENS = 0.3
#: Of each feature (row, column) of a window where it matches and of one where it does not.
WINDOWS = (((1, 1), (0, 1)), ((1, 5), (3, 3)), ((3, 3), (3, 0)))


def _features(picture: Value) -> dict[str, Value]:
    """f32[N,1,9,9] -> maps [N,3,7,7] -> rectified [N,3,7,7] -> pooled [N,3,4,4]."""
    features = np.stack([pixels(drawing)[None] for drawing in FEATURES.values()])  # (3, 1, 3, 3)
    products = conv2d(picture, len(features), 3, weight=constant(features), bias=False)
    maps = products / 9  # the sum of nine products becomes their average, exact where it is 1
    rectified = relu(maps)
    pooled = max_pool2d(rectified, 2, ceil_mode=True)  # 7 is odd: the last window is half a one
    return {"maps": maps, "rectified": rectified, "pooled": pooled}


@cache
def votes() -> Array:
    """Weights (2, 48) of the dense layer: each class averages the answers that it listens to."""
    picture = input("picture", (1, 9, 9))
    graph = Graph.of((picture,), _features(picture), name="xo_features").bind(N=2)
    both = np.stack([pixels(X), pixels(RING)])[:, None]
    x, o = (pooled.ravel() for pooled in Reference(graph).run({"picture": both})[0]["pooled"])
    listens = np.stack([x - o > LISTENS, o - x > LISTENS]).astype(np.float32)
    weights: Array = listens / listens.sum(1, keepdims=True)
    return weights


def network() -> Graph:
    """picture f32[1,1,9,9] -> maps, rectified and pooled answers -> votes f32[1,2] for X and O."""
    picture = input("picture", (1, 9, 9))
    outputs = _features(picture)
    voters = flatten(outputs["pooled"])
    outputs["votes"] = dense(voters, 2, weight=constant(votes()), bias=False)
    return Graph.of((picture,), outputs, name="xo_story").bind(N=1)


def look(picture: Array) -> Mapping[str, Array]:
    """What the network makes of one picture (9, 9): arrays (3, H, W) by the name of the step, and
    the votes (2,)."""
    outputs, _ = Reference(network()).run({"picture": picture[None, None]})
    return {name: array[0] for name, array in outputs.items()}


def windows(picture: Array) -> tuple[Window, ...]:
    """The pixels under the chosen windows, their products with the feature, the mean of them."""
    image = input("picture", (1, 9, 9))
    outputs: dict[str, Value] = {}
    for i, (drawing, places) in enumerate(zip(FEATURES.values(), WINDOWS, strict=True)):
        for j, (row, column) in enumerate(places):
            patch = image[:, :, row : row + 3, column : column + 3]
            product = patch * constant(pixels(drawing)[None, None])
            outputs |= {f"patch{i}{j}": patch, f"product{i}{j}": product}
            outputs[f"mean{i}{j}"] = mean(product, (1, 2, 3))
    graph = Graph.of((image,), outputs, name="xo_windows").bind(N=1)
    found, _ = Reference(graph).run({"picture": picture[None, None]})
    return tuple(
        Window(i, place, found[f"patch{i}{j}"][0, 0], found[f"product{i}{j}"][0, 0],
               float(found[f"mean{i}{j}"][0]))
        for i, places in enumerate(WINDOWS)
        for j, place in enumerate(places)
    )  # fmt: skip


def agreement(picture: Array) -> float:
    """The mean of the products with the pixels of the plain X, place by place."""
    image = input("picture", (1, 9, 9))
    same = mean(image * constant(pixels(X)[None, None]), (1, 2, 3))
    graph = Graph.of((image,), {"same": same}, name="xo_agreement").bind(N=1)
    return float(Reference(graph).run({"picture": picture[None, None]})[0]["same"][0])


def picture() -> Picture:
    """The whole story as one figure; every number in it is what the graphs gave."""
    drawings = {"an X": X, "an O": RING, **OTHERS}
    looks = [
        Look(name, pixels(d), **look(pixels(d)), agreement=agreement(pixels(d)))
        for name, d in drawings.items()
    ]
    features = {name: pixels(drawing) for name, drawing in FEATURES.items()}
    weights = votes().reshape(2, 3, 4, 4)
    return xo_picture(Story(features, windows(pixels(X)), weights, tuple(looks), ("X", "O")))


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
    for name, drawing in {"this X": X, "an O": RING, **OTHERS}.items():
        for_x, for_o = look(pixels(drawing))["votes"]
        parts.append(
            f"Votes for {name}: X {for_x:.2f}, O {for_o:.2f}; pixel by pixel it agrees with the X "
            f"to {agreement(pixels(drawing)):.2f}."
        )
    lowest = look(-x)["maps"].min(axis=(1, 2))
    parts.append(
        "In the negative of the picture all nine pixels disagree where they agreed before: the "
        "lowest averages are {:.2f}, {:.2f} and {:.2f}.".format(*lowest)
    )
    return "\n\n".join(parts)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="What a convolutional network sees in an X.")
    parser.add_argument("-o", "--output", help="write the story as a picture, in place of the text")
    output = parser.parse_args().output
    print(story() if output is None else f"drawn: {picture().save(output)}")
