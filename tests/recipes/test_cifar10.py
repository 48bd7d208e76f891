"""The recipe `cifar10`: a few steps of a thin network, and the whole of it on the real pictures."""

from pathlib import Path

import numpy as np
import pytest
from support.data_files import real

import graphcnn as cnn
from graphcnn import recipes
from graphcnn.data.parts import Parts
from graphcnn.recipes.inputs import network_named, network_of
from graphcnn.recipes.optimizing import optimizer_of

THIN = {"network.arguments": {"width": 8}, "run.batch_size": 20, "run.epochs": 2}
RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (60, 3, 32, 32), np.uint8)
DATA = cnn.data.Dataset(IMAGES, RNG.integers(0, 10, 60), normalisation=cnn.Normalisation.of(IMAGES))


def trained(settings: dict[str, object]) -> recipes.Trained:
    quiet = {"output.progress": False, "measuring.tta": "flip"}
    recipe = recipes.load("cifar10").with_({**THIN, **quiet, **settings})
    return recipes.train(recipe, Parts(DATA, DATA[:10]))


def test_same_bits_for_any_threads_and_after_a_kill(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = (trained({"machine.threads": threads}) for threads in (1, 2))
    step = cnn.Session.step_outputs

    def killed(session: cnn.Session, *arguments: object) -> object:
        if session.steps == 4:
            raise MemoryError
        return step(session, *arguments)

    folder = str(tmp_path / "run")
    with monkeypatch.context() as patch:
        patch.setattr(cnn.Session, "step_outputs", killed)
        with pytest.raises(MemoryError):
            trained({"run.checkpoint": folder, "run.checkpoint_every": 2})
    resumed = trained({"run.resume": folder})
    wanted = one.model.states.snapshot()
    for other in (two, resumed):
        assert other.results == one.results
        found = other.model.states.snapshot()
        assert [key for key in wanted if not np.array_equal(wanted[key], found[key])] == []


def test_another_seed_is_another_beginning_behind_the_same_whitening() -> None:
    begun = []
    for seed in (0, 1):
        recipe = recipes.load("cifar10").with_({**THIN, "run.seed": seed})
        begun.append(network_of(recipe, network_named(recipe), DATA).parameters)
    for name in ("whiten.weight", "stage2.conv1.weight"):
        assert np.array_equal(begun[0][name], begun[1][name]) == (name == "whiten.weight")


def test_rates_are_those_of_airbench() -> None:
    """Of the first step, of the last of the third epoch and of the last, for the sum of a batch."""
    optimizer = optimizer_of(recipes.load("cifar10")).over(25, 8)
    parameters = cnn.models.build("cifar_fast").parameters
    rules = optimizer.grouped(parameters)
    for step, falling in ((1, 1.0), (75, 1 - 74 / 200), (200, 1 / 200)):
        assert optimizer.rate(step) == pytest.approx(0.24 * falling)
        rate, bias = optimizer.rate(step) / 2000, "learning_rate[whiten.bias]"
        for name, sums in (("stage2.norm1.beta", 0.053), ("logits.weight", 0.67 / 256**2)):
            assert rate * float(rules[name][1]) == pytest.approx(sums * falling)
            decay = rules[name][0].decay_of(parameters[name].ndim)
            assert decay * sums * 2000 == pytest.approx(2e-6 * 2000)
        part = max(0.0, 1 - (step - 1) / 75)
        assert rate * optimizer.settings[bias].at(step) == pytest.approx(0.053 * falling * part)


@pytest.mark.sweep
def test_what_it_states_is_reached() -> None:
    source = f"cifar10:{real('cifar10/cifar10-full-jpg.zip')}"
    found = recipes.train(recipes.load("cifar10").with_({"data.source": source}))
    print(found.verdicts())
    assert found.reached == {"accuracy": True}
