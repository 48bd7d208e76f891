"""Random networks with branches, skips and shared weights: every picture passes every check."""

import random

import pytest
from pictures.checks import check_lines, check_picture
from support.cases import each

import graphcnn as cnn
from graphcnn.errors import GraphCnnError, GraphError
from graphcnn.ir.node import Value
from graphcnn.pictures import graph_picture, training_picture, volume_picture
from graphcnn.pictures.volume.volume import STYLES

OPTIONS: list[dict[str, object]] = [
    {},
    {"direction": "LR", "detail": "ops"},
    {"fold": False, "detail": "ops"},
    {"detail": "blocks"},
]
#: 14, 25, 63, 86: lines past bodies on other rails. 209, 347: copies beside low bodies.
SEEDS = [14, 25, 63, 86, 209, 347]


def network(seed: int) -> cnn.Model:
    r = random.Random(seed)
    image = cnn.input("image", (r.choice([1, 3, 8]), 16, 16))
    kernel = cnn.parameter((8, 8, 3, 3), name="shared")
    made: list[Value] = [image]
    for i in range(r.randint(1, 14)):
        x, kind = r.choice(made[-4:]), r.randint(0, 6)
        name = f"{r.choice(['a', 'b', 'blk.x', 'blk.y', 'deep.er.z'])}{i}"
        try:
            made.append(_step(r, x, kind, name, kernel, made))
        except GraphCnnError:
            continue  # it does not fit
    x = cnn.flatten(cnn.global_avg_pool2d(made[-1]))
    return cnn.Model(image, cnn.dense(x, 3, name="logits"), name=f"random {seed}")


def _step(
    r: random.Random, x: Value, kind: int, name: str, kernel: Value, made: list[Value]
) -> Value:
    if kind <= 1:
        return cnn.conv2d(x, 8, 3, padding=1, name=name, activation=r.choice([None, "relu"]))
    if kind == 2:
        return cnn.conv2d(x, 8, 3, padding=1, weight=kernel, bias=False, name=name)
    if kind == 3:
        return cnn.relu(cnn.batch_norm(x, name=name))
    if kind == 4:
        return cnn.max_pool2d(x, 2, name=name)
    if kind == 5:
        return cnn.add(x, r.choice([y for y in made if y.shape == x.shape]), name=name)
    alike = [y for y in made if y.shape[2:] == x.shape[2:]]
    return cnn.concat(r.sample(alike, min(len(alike), r.randint(2, 3))), axis=1, name=name)


@pytest.mark.sweep
@each(range(400, 500), of=lambda seed: f"{seed // 10}x")
def test_many_networks(seed: int) -> None:
    test_diagrams_and_training_steps(seed)
    for style in STYLES:
        test_volumes(seed, style)


@pytest.mark.parametrize("seed", SEEDS)
def test_diagrams_and_training_steps(seed: int) -> None:
    model = network(seed)
    for options in OPTIONS:
        picture = graph_picture(model.graph, **options)  # type: ignore[arg-type]
        check_picture(picture)
        check_lines(picture.scene)
    check_picture(training_picture(model.training_graph()))


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("seed", SEEDS)
def test_volumes(seed: int, style: str) -> None:
    try:
        picture = volume_picture(network(seed).graph, style=style)
    except GraphError as error:
        assert style == "unet" and "of another size" in str(error)
        return
    check_picture(picture)
    check_lines(picture.scene)
