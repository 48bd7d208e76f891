"""The recipes that come with the library reach what they state, on one thread and on two."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

import graphcnn as cnn
from graphcnn import recipes
from graphcnn.recipes.training import Trained

MNIST = Path(__file__).parents[3] / "shared" / "data" / "mnist"
SMALL = ("digits", "segmentation", "autoencoder")


def trained(name: str, settings: Mapping[str, object]) -> Trained:
    return recipes.train(recipes.load(name).with_({"output.progress": False, **settings}))


@pytest.mark.parametrize("name", SMALL)
def test_a_small_recipe_reaches_what_it_states(name: str) -> None:
    pytest.importorskip("sklearn")
    made = trained(name, {})
    assert made.reached and all(made.reached.values()), made.verdicts()


@pytest.mark.parametrize("name", SMALL)
def test_a_recipe_gives_the_same_bits_on_any_number_of_threads(name: str) -> None:
    pytest.importorskip("sklearn")
    one, two = (trained(name, {"run.max_steps": 6, "machine.threads": n}) for n in (1, 2))
    assert one.results == two.results
    assert all(np.array_equal(a, two.model.states[key]) for key, a in one.model.states.items())


@pytest.mark.sweep
@pytest.mark.parametrize("seed", range(3))
def test_mnist_is_read_as_stated(seed: int) -> None:
    if not MNIST.is_dir():
        pytest.skip(f"no MNIST in {MNIST}")
    made = trained("mnist", {"data.source": f"mnist:{MNIST}", "run.seed": seed})
    assert made.reached == {"accuracy": True}, made.results


def test_a_recipe_whose_place_is_open_asks_for_it() -> None:
    with pytest.raises(cnn.GraphCnnError, match=r"data.source is mnist: say where, --data"):
        trained("mnist", {})
