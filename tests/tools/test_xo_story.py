"""The X and O story: exact matches, and what is left of them after pooling."""

import subprocess
import sys

import numpy as np
import pytest

import graphcnn as cnn
from graphcnn.tools.xo_classifier import train
from graphcnn.tools.xo_story import FEATURES, X, look, network, pixels, story, table

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
    }
    assert (seen["rectified"] == np.maximum(seen["maps"], 0)).all()
    assert seen["pooled"].max(axis=(1, 2)).tolist() == [1, 1, 1]
    assert seen["pooled"][0, 3, 3] == seen["rectified"][0, 6, 6]  # the window of one pixel


def test_the_graph_reads_like_the_story() -> None:
    names = [node.op.name for node in network().operations]
    assert names == ["conv2d", "div", "relu", "max_pool2d"]


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
