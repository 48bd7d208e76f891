"""Worked figures: their numbers are those of the runtime, their sums are true, all is legible."""

import re
from typing import Any

import numpy as np
import pytest
from pictures.checks import check_contrast, check_files, check_places, check_texts

import graphcnn as cnn
from graphcnn.errors import GraphError, OutputError
from graphcnn.models import build
from graphcnn.pictures import Picture, conv_steps, layer_steps
from graphcnn.pictures.lessons.conv_steps import KINDS
from graphcnn.pictures.scene.fonts import is_measured
from graphcnn.pictures.scene.scene import Group, Path, Scene, Text, shapes

CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "plain": ("conv2d", {}),
    "channels": ("conv2d", {"channels": 3, "filters": 2, "size": 4}),
    "many channels": ("conv2d", {"channels": 6, "size": (3, 4)}),
    "same": ("conv2d", {"padding": "same", "stride": 2, "size": 6}),
    "rest": ("conv2d", {"stride": 2, "size": (6, 5)}),
    "dilated": ("conv2d", {"dilation": 2, "size": 6}),
    "grouped": ("conv2d", {"channels": 4, "filters": 2, "groups": 2, "size": 4}),
    "depthwise": ("conv2d", {"channels": 3, "filters": 3, "groups": 3, "size": 4}),
    "rectangular": ("conv2d", {"kernel": (2, 3), "stride": (1, 2), "size": (3, 7)}),
    "one by one": ("conv2d", {"kernel": 1, "channels": 3, "filters": 2, "size": 2}),
    "rotated": ("conv2d", {"flip_kernel": True, "size": 4}),
    "max": ("max_pool2d", {"size": 5}),
    "max of padded": ("max_pool2d", {"size": 4, "kernel": 3, "stride": 2, "padding": 1}),
    "max with partial windows": ("max_pool2d", {"size": 5, "ceil_mode": True, "channels": 2}),
    "average": ("avg_pool2d", {"size": 4, "kernel": 3, "stride": 2, "padding": 1}),
    "average with padding": (
        "avg_pool2d", {"size": 4, "kernel": 3, "padding": 1, "count_include_pad": True}
    ),
    "switches": ("max_unpool2d", {"size": 5, "kernel": 3, "stride": 2}),
    "nearest": ("upsample2d", {"size": (2, 3), "scale": (3, 2), "channels": 2}),
    "stamps": ("conv_transpose2d", {"size": 3}),
    "stamps cut off": ("conv_transpose2d", {"size": 3, "padding": 1, "output_padding": 1}),
    "stamps of groups": (
        "conv_transpose2d", {"size": 2, "channels": 2, "filters": 4, "groups": 2, "dilation": 2}
    ),
    "zeros": ("conv_transpose2d", {"size": 3, "padding": 1, "method": "zeros"}),
    "zeros of groups": (
        "conv_transpose2d",
        {"size": 1, "channels": 4, "filters": 4, "groups": 2, "kernel": 2, "stride": 1,
         "method": "zeros"},
    ),
    "zeros at the end": (
        "conv_transpose2d", {"size": 2, "kernel": 2, "method": "zeros", "output_padding": 1}
    ),
    "padding": ("pad2d", {"size": 3, "padding": (1, 0, 2, 1)}),
    "mirrored": ("pad2d", {"size": 4, "padding": 2, "mode": "reflect"}),
}  # fmt: skip


def shown(picture: Picture, title: str) -> list[Any]:
    """The numbers in the panels of that title and those after it, as the last frame has them."""
    found: list[Any] = []
    for group in picture.frame(-1).scene.groups("frame"):
        heading, _, rows = group.label.rpartition(": ")
        if rows and (title in heading or found):
            numbers = rows.replace("−", "-").replace("·", "nan")
            found.append([[float(x) for x in row.split()] for row in numbers.split(" / ")])
    return found


def by_the_runtime(kind: str, options: dict[str, Any], data: dict[str, Any]) -> Any:
    """The same operator as a model, run as machine code on the numbers of the picture."""
    x = np.array(data["x"], np.float32)
    image = cnn.input("image", x.shape)
    made = ("size", "channels", "filters", "kernel", "method", "scale")
    settings = {name: value for name, value in options.items() if name not in made}
    kernel = options.get("kernel", 2 if "pool" in kind else 3)
    if kind in ("conv2d", "conv_transpose2d"):
        if kind == "conv_transpose2d":
            settings.setdefault("stride", 2)
        weight = cnn.constant(np.array(data["weight"], np.float32))
        y = getattr(cnn, kind)(
            image, options.get("filters", 1), kernel, weight=weight, bias=False, **settings
        )
        if "bias" in data:
            y = y + np.array(data["bias"], np.float32).reshape(1, -1, 1, 1)
    elif kind == "max_unpool2d":
        pooled, at = cnn.max_pool2d(image, kernel, return_indices=True, **settings)
        y = cnn.max_unpool2d(pooled, at, x.shape[1:])
    elif kind == "upsample2d":
        y = cnn.upsample2d(image, options["scale"])
    elif kind == "pad2d":
        y = cnn.pad2d(image, **settings)
    else:
        y = getattr(cnn, kind)(image, kernel, **settings)
    return cnn.Model(image, y).predict(x[None])[0]


def check_sums(text: str) -> int:
    """Both sides of every equation are equal, as far as the digits go. How many there are."""
    plain = str.maketrans({"·": "*", "−": "-", "×": "*"})
    count = 0
    for left, sign, right in re.findall(r"(max\([^)]*\)|[−\d(][^=≈;:]*) ([=≈]) (−?[\d.]+)", text):
        terms = re.sub(r" \((?:[a-z]|\d+ other)[^)]*\)", "", left).translate(plain)
        terms = re.sub(r"(.*) ceil\(/(\d)\)", r"-(-\1 // \2)", terms)
        found, said = eval(terms, {"max": lambda *x: max(x)}), float(right.translate(plain))
        assert abs(found - said) < (1e-9 if sign == "=" else 0.05), f"{left} {sign} {right}"
        count += 1
    return count


def check_looks(scene: Scene) -> None:
    check_places(scene)
    check_contrast(scene)
    texts = [shape for shape in shapes(scene.items) if isinstance(shape, Text)]
    assert min(t.size * min(1, 830 / scene.width) for t in texts) >= 9
    assert all(is_measured(t.text) and "?" not in t.text for t in texts), "a PDF lacks a letter"
    check_texts(scene)


@pytest.mark.parametrize("name", CASES)
def test_numbers_sums_and_places(name: str) -> None:
    kind, options = CASES[name]
    picture = conv_steps(kind, **options)
    film = picture.scene.film
    assert film is not None
    expected = by_the_runtime(kind, options, dict(picture.scene.data))
    assert np.array_equal(picture.scene.data["y"], expected)
    panels = shown(picture, "unpooled" if kind == "max_unpool2d" else "output")
    assert len(panels) == len(expected)
    for panel, numbers in zip(panels, expected, strict=True):
        cut = (
            options.get("padding", 0)
            if options.get("method") != "zeros" and kind == "conv_transpose2d"
            else 0
        )
        inner = np.array(panel)[cut:, cut:][: numbers.shape[0], : numbers.shape[1]]
        assert np.allclose(inner, numbers, atol=0.0051), "the picture shows other numbers"
    steps = [g.label for g in picture.scene.groups("step")]
    assert len(steps) == len(film.seconds)
    counts = [check_sums(label) for label in (*steps, *picture.scene.footer)]
    if kind not in ("conv_transpose2d", "upsample2d", "pad2d"):
        assert all(counts[: len(steps) // (2 if kind == "max_unpool2d" else 1)])
    assert any(counts[len(steps) :]), "the formula of the size has its numbers"
    for frame in film.printed:
        check_looks(picture.frame(frame).scene)
    check_places(picture.strip().scene)
    assert picture.svg() == conv_steps(kind, **options).svg()
    if name == next(n for n, (k, _) in CASES.items() if k == kind):
        check_files(picture)


def test_every_kind_is_here() -> None:
    assert {kind for kind, _ in CASES.values()} == set(KINDS)


def test_what_no_window_reads_is_struck_through() -> None:
    """Where the pixels under the strokes are others, the output is the same."""
    picture = conv_steps(size=(6, 5), stride=2)
    assert "the last pixel is read by no window" in picture.scene.footer[0]
    assert "read by no window" not in picture.scene.footer[1]
    (stage,) = picture.frame(0).scene.groups("stage")
    (panel,) = (g for g in stage.items if isinstance(g, Group) and "input" in g.label)
    strokes = [s for s in panel.items if isinstance(s, Path) and s.paint == "leader"]
    assert len(strokes) == 5
    x = np.array(picture.scene.data["x"])
    x[:, 5] += 1
    weight, bias = (np.array(picture.scene.data[name]) for name in ("weight", "bias"))
    other = conv_steps("conv2d", x, weight, bias, stride=2)
    assert other.scene.data["y"] == picture.scene.data["y"]


def test_the_two_drawings_of_a_transposed_convolution_agree() -> None:
    both = [
        conv_steps("conv_transpose2d", size=3, padding=1, output_padding=1, method=method)
        for method in ("stamps", "zeros")
    ]
    assert both[0].scene.data["y"] == both[1].scene.data["y"]
    assert np.shape(both[1].scene.data["zeros"]) == (1, 8, 8)


def test_layers_of_models_are_drawn_with_their_weights() -> None:
    model = build("lenet5").initialize(0)
    image = np.random.default_rng(0).random((1, 28, 28), np.float32)
    found = model.activations(image)
    for layer, at in (("C1", (0, 26)), ("S2", (3, 4)), ("C3", (9, 8))):
        value = model[layer]
        read = found[model.value(layer, activated=False).node.inputs[0].node.name]
        picture = layer_steps(value, read, model.states, channel=2, at=at, shown=(1, 2))
        expected = found[layer][0, 2, at[0] : at[0] + 1, at[1] : at[1] + 2]
        assert np.allclose(picture.scene.data["y"], expected, atol=1e-5)
        assert picture.scene.title.startswith(f"{layer}, ")
        assert len(picture.scene.film.seconds) == 2  # type: ignore[union-attr]
        for label in (g.label for g in picture.scene.groups("step")):
            check_sums(label)
        check_looks(picture.frame(0).scene)
    assert "2 other channels" in picture.text()  # of 6, four are drawn


def test_refusals() -> None:
    with pytest.raises(GraphError, match=r"did you mean 'max_pool2d'"):
        conv_steps("maxpool2d")
    with pytest.raises(GraphError, match="does not fit"):
        conv_steps(size=2)
    with pytest.raises(OutputError, match="144 steps, and a film has at most 100"):
        conv_steps(size=14)
    with pytest.raises(GraphError, match="NaN"):
        conv_steps("conv2d", [[np.nan]], kernel=1)
    with pytest.raises(GraphError, match="weight holds NaN or inf"):
        conv_steps(weight=np.full((1, 1, 3, 3), np.inf))
    with pytest.raises(OutputError, match="draw it as stamps"):
        conv_steps("conv_transpose2d", size=4, kernel=1, padding=1, method="zeros")
    with pytest.raises(OutputError, match="bilinear"):
        conv_steps("upsample2d", mode="bilinear")
    model = build("lenet5").initialize(0)
    image = np.zeros((1, 28, 28), np.float32)
    with pytest.raises(GraphError, match="slides no window; operators that do: conv2d"):
        layer_steps(model["C5"], image, model.states)
    value = model.value("C1", activated=False)
    with pytest.raises(OutputError, match="28×28 has no 3×3 places from row 26, column 0 on"):
        layer_steps(value, image, model.states, at=(26, 0))
    with pytest.raises(GraphError, match="channels 0 to 5, not 6"):
        layer_steps(value, image, model.states, channel=6)
    broken = {**model.states, "C1.weight": np.full((6, 1, 5, 5), np.nan, np.float32)}
    with pytest.raises(GraphError, match=r"the C1\.weight holds NaN"):
        layer_steps(value, image, broken)
    with pytest.raises(GraphError, match="no parameter with an array"):
        layer_steps(value, image)
