"""The X and O story: exact matches, and what is left of them after pooling."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from pictures.checks import check_legible, check_picture, check_texts
from support.command_line import done

import graphcnn as cnn
from graphcnn.compile.runner import Runner
from graphcnn.runtime.execution import Execution
from graphcnn.tools.xo_classifier import train
from graphcnn.tools.xo_story import (
    FEATURES,
    OTHERS,
    RING,
    X,
    agreement,
    look,
    network,
    picture,
    pixels,
    story,
    table,
    votes,
)

# Where each feature matches all nine pixels of the X.
MATCHES = [
    [[1, 1], [2, 2], [4, 4], [5, 5]],
    [[1, 5], [2, 4], [4, 2], [5, 1]],
    [[3, 3]],
]


def test_the_drawing_is_nine_by_nine_and_of_plus_and_minus_one() -> None:
    x = pixels(X)
    assert x.shape == (9, 9) and x.dtype == np.float32
    assert set(x.ravel().tolist()) == {-1, 1}
    assert (x == x.T).all() and (x == x[::-1]).all()


@pytest.mark.parametrize("feature", range(3), ids=list(FEATURES))
def test_a_perfect_match_is_exactly_1_and_its_negative_exactly_minus_1(feature: int) -> None:
    x = pixels(X)
    maps, negative = look(x)["maps"][feature], look(-x)["maps"][feature]
    assert np.argwhere(maps == 1.0).tolist() == MATCHES[feature]
    assert np.argwhere(negative == -1.0).tolist() == MATCHES[feature]
    assert maps.max() == 1.0 and maps.min() > -1.0
    np.testing.assert_array_equal(negative, -maps)


def test_every_average_is_a_count_of_agreements() -> None:
    """(agreements - disagreements) / 9 is an odd number of ninths."""
    ninths = look(pixels(X))["maps"] * 9
    assert set(np.unique(ninths.round(4)).tolist()) <= {-9, -7, -5, -3, -1, 1, 3, 5, 7, 9}
    assert ninths[0, 0].round(4).tolist() == [7, -1, 1, 3, 5, -1, 3]


def test_pooling_keeps_the_matches() -> None:
    seen = look(pixels(X))
    assert {name: a.shape for name, a in seen.items()} == {
        "maps": (3, 7, 7),
        "rectified": (3, 7, 7),
        "pooled": (3, 4, 4),
        "votes": (2,),
    }
    assert (seen["rectified"] == np.maximum(seen["maps"], 0)).all()
    assert seen["pooled"].max(axis=(1, 2)).tolist() == [1, 1, 1]
    assert seen["pooled"][0, 3, 3] == seen["rectified"][0, 6, 6]  # the window of one pixel


def test_the_graph_reads_like_the_story() -> None:
    names = [node.op.name for node in network().operations]
    assert names == ["conv2d", "div", "relu", "max_pool2d", "flatten", "dense"]


def moved(picture: np.ndarray, down: int, right: int) -> np.ndarray:
    framed = np.pad(picture, 1, constant_values=-1)
    return framed[1 - down : 10 - down, 1 - right : 10 - right]


def test_votes_are_means_of_what_a_class_listens_to() -> None:
    weights = votes()
    assert ((weights > 0).sum(1) == [10, 4]).all()
    np.testing.assert_allclose(weights.sum(1), 1, rtol=1e-6)
    for drawing in (X, RING, *OTHERS.values()):
        seen = look(pixels(drawing))
        expected = [seen["pooled"].ravel()[w > 0].mean() for w in weights]
        np.testing.assert_allclose(seen["votes"], expected, rtol=1e-6)


@pytest.mark.parametrize("down", (-1, 0, 1))
@pytest.mark.parametrize("right", (-1, 0, 1))
def test_moved_pictures_get_their_votes(down: int, right: int) -> None:
    x, o = (look(moved(pixels(d), down, right))["votes"] for d in (X, RING))
    assert x[0] > x[1] + 0.1 and o[1] > o[0] + 0.02


def test_an_x_that_is_moved_bent_or_small_is_an_x_by_votes_though_not_by_pixels() -> None:
    for drawing in OTHERS.values():
        seen = look(pixels(drawing))["votes"]
        assert seen[0] > seen[1] + 0.2
        assert agreement(pixels(drawing)) < 0.9
    assert agreement(pixels(X)) == 1
    # An O agrees with the X in more pixels than the small X does: pixels alone would be wrong.
    assert agreement(pixels(RING)) > agreement(pixels(OTHERS["a small X"]))


def test_the_figure_shows_what_the_machine_code_computes() -> None:
    figure = picture()
    check_picture(figure)
    check_texts(figure.scene)
    check_legible(figure.scene)
    facts = json.loads(figure.json())["data"]
    native = Runner(network(), Execution.of("native", precision="strict"))
    drawings = (X, RING, *OTHERS.values())
    for drawing, told in zip(drawings, facts["votes"], strict=True):
        found, _ = native.run({"picture": pixels(drawing)[None, None]}, {})
        np.testing.assert_allclose(found["votes"][0], told["votes"], atol=1e-6)
        for name in ("maps", "rectified", "pooled") if drawing is X else ():
            np.testing.assert_allclose(found[name][0], facts[name], atol=1e-6)
    for window in facts["windows"]:
        row, column = window["place"]
        products = pixels(X)[row : row + 3, column : column + 3] * pixels(
            [*FEATURES.values()][window["feature"]]
        )
        assert window["products"] == products.tolist()
        place = facts["maps"][window["feature"]][row][column]
        assert window["mean"] == pytest.approx(place, abs=1e-6)
        assert window["mean"] == pytest.approx(products.mean(), abs=1e-6)
    text = figure.text()
    assert "X listens to 10: (1 + 1 + 1 + 1 + 1 + 1 + 1 + 1 + .56 + .56) / 10 = .91" in text
    assert "an X bent: votes X .84, O .44, so X" in text


def test_the_figure_is_drawn_from_the_command_line(tmp_path: Path) -> None:
    one, other = tmp_path / "one.svg", tmp_path / "other.svg"
    command = [sys.executable, "-m", "graphcnn.tools.xo_story", "-o", str(one)]
    subprocess.run(command, capture_output=True, check=True)
    done("lesson", "xo", "-o", other)
    assert one.read_bytes() == other.read_bytes() == picture().svg().encode()


def test_it_runs_as_a_program() -> None:
    command = [sys.executable, "-m", "graphcnn.tools.xo_story"]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    assert run.stdout == story() + "\n"
    assert "exactly 1 at (row, column) (1, 1), (2, 2), (4, 4), (5, 5):" in run.stdout
    assert " 0.78 -0.11  0.11  0.33  0.56 -0.11  0.33" in run.stdout
    assert run.stdout.endswith("lowest averages are -1.00, -1.00 and -1.00.\n")


def test_numbers_rounded_to_zero_have_no_sign() -> None:
    assert table(np.array([[-0.001, 0.5]])) == "   0.00  0.50"


def test_a_trained_network_tells_x_from_o_under_shift_scale_and_rotation() -> None:
    model, history = train()
    assert sum(p.size for p in model.parameters.values()) == 8502
    assert history[-1]["val_accuracy"] >= 0.99
    others = cnn.data.xo(400, seed=77, size=16, shift=0.15, scale=0.3, rotation=30, noise=0.1)
    assert model.evaluate(others)["accuracy"] >= 0.99
