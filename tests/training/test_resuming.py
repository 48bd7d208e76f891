"""Resuming: what was told otherwise is found and named, what is meant to change has a way."""

import json
import os
import subprocess
import sys
import textwrap
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.small_training import same_bits, small, stripes

import graphcnn as cnn
from graphcnn.errors import CheckpointWarning
from graphcnn.learning.schedules import OneCycle
from graphcnn.network.weights import read_tensors, write_tensors
from graphcnn.training.checkpoint import LAST


def smoothed(by: float) -> Callable[[cnn.Value, cnn.Value], cnn.Value]:
    return lambda z, t: cnn.cross_entropy(z, t, label_smoothing=by)


class Halving(cnn.schedules.Schedule):
    """A schedule of a user's own, without a `repr` that tells anything."""

    def __init__(self, rate: float) -> None:
        self.rate = rate

    def at(self, step: int) -> float:
        return self.rate / (1 + step // 10)


def run(folder: Path | None = None, model: cnn.Model | None = None, **options: Any) -> cnn.Model:
    settings: dict[str, Any] = dict(
        epochs=2, batch_size=16, optimizer=cnn.Adam(0.01), seed=3, progress=False,
        validation=stripes(40, 1),
    )  # fmt: skip
    model = model or small()
    data = options.pop("data", stripes())
    model.fit(data, **(settings | options), **({} if folder is None else {"resume": folder}))
    return model


def one_pixel(data: cnn.data.Dataset) -> cnn.data.Dataset:
    images = data.images.copy()
    images[7, 0, 3, 3] += 1e-3
    return replace(data, images=images)


def one_label(data: cnn.data.Dataset) -> cnn.data.Dataset:
    labels = data.labels.copy()
    labels[5] = 1 - labels[5]
    return replace(data, labels=labels)


NORM = cnn.Normalisation((0.5,), (0.5,))
OTHER = [
    (dict(data=one_pixel(stripes())), "data content", "data"),
    (dict(data=one_label(stripes())), "data content", "data"),
    (dict(data=stripes()[::-1]), "data content", "data"),
    (dict(data=replace(stripes(), normalisation=NORM)), "data content", "data"),
    (dict(data=stripes(100)), "data", "data"),
    (dict(validation=one_pixel(stripes(40, 1))), "validation", "validation"),
    (dict(validation=None), "validation", "validation"),
    (dict(loss=smoothed(0.2)), "loss graph", "loss"),
    (dict(loss=lambda z, t: cnn.mean(cnn.cross_entropy(z, t))), "loss graph", "loss"),
    (dict(loss="cross_entropy"), "loss", "loss"),
    (dict(metrics={"hits": cnn.accuracy}), "metrics", "metrics"),
    (dict(optimizer=cnn.Adam(0.02)), "learning_rate", "learning_rate"),
    (dict(optimizer=cnn.Adam(Halving(0.01))), "learning_rate", "learning_rate"),
    (dict(optimizer=cnn.Adam(0.01, beta1=0.8)), "optimizer", "optimizer"),
    (dict(optimizer=cnn.SGD(0.01)), "optimizer", "optimizer"),
    (dict(batch_size=12), "batch_size", "batch_size"),
    (dict(drop_last=True), "drop_last", "batch_size"),
    (dict(seed=4), "seed", "seed"),
    (dict(shuffle=False), "shuffle", "shuffle"),
]  # fmt: skip


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    run(folder, loss=smoothed(0.1))
    return folder


def copy(folder: Path, to: Path) -> Path:
    for path in folder.iterdir():
        (to / path.name).write_bytes(path.read_bytes())
    return to


@pytest.mark.parametrize(
    ("other", "entry", "name"), OTHER, ids=[f"{o[1]}{i}" for i, o in enumerate(OTHER)]
)
def test_what_is_told_otherwise_is_found_and_has_a_way(
    begun: Path, tmp_path: Path, other: dict[str, Any], entry: str, name: str
) -> None:
    folder = copy(begun, tmp_path)
    told = dict(epochs=3, loss=smoothed(0.1)) | other
    with pytest.raises(cnn.WeightsError) as caught:
        run(folder, **told)
    assert f"\n  {entry}: the run had " in str(caught.value)
    assert f"changing=({name!r},)" in str(caught.value)
    assert f"on the command line by --changing {name}" in str(caught.value)
    assert str(caught.value).count("the run had") == 1 + (entry == "loss")
    model = run(folder, changing=(name,), **told)
    # From then on the run is one that was told so.
    again = run(folder, **(told | dict(epochs=4)))
    assert not same_bits(model, again)


def test_weights_of_items_are_of_the_data(tmp_path: Path) -> None:
    """The step takes one input more, and the optimiser keeps its slots."""
    told = dict(loss="cross_entropy", epochs=3)
    run(tmp_path, loss="cross_entropy")
    with pytest.raises(cnn.WeightsError, match="weights: the run had None") as caught:
        run(tmp_path, class_weights={0: 2.0}, **told)
    assert "changing=('data',)" in str(caught.value)
    run(tmp_path, class_weights={0: 2.0}, changing="data", **told)


def test_the_same_again_goes_on_to_the_same_bits(begun: Path, tmp_path: Path) -> None:
    folder = copy(begun, tmp_path)
    resumed = run(folder, epochs=4, loss=smoothed(0.1))
    assert same_bits(resumed, run(epochs=4, loss=smoothed(0.1)))


def test_more_epochs_under_a_schedule(tmp_path: Path) -> None:
    cosine = lambda steps: cnn.AdamW(cnn.schedules.Cosine(1e-2, steps))  # noqa: E731
    run(tmp_path, optimizer=cosine(16))
    with pytest.raises(cnn.WeightsError, match=r"steps=16.*steps=32(.|\n)*changing=\('learning_"):
        run(tmp_path, epochs=4, optimizer=cosine(32))
    longer = run(tmp_path, epochs=4, optimizer=cosine(32), changing="learning_rate")
    assert np.isfinite(longer.parameters["c1.weight"]).all()
    own = run(optimizer=cnn.Adam(Halving(0.01)))
    assert same_bits(own, run(optimizer=cnn.Adam(Halving(0.01))))


def test_averages_and_schedules_of_the_whole_run_go_on(tmp_path: Path) -> None:
    """Stopped within an epoch, where the one cycle of four epochs and the slow weights are under
    way; a run of other length has another schedule."""
    cycle, momentum = OneCycle(0.1), OneCycle(0.85, first=0.95, last=0.95)
    rule = cnn.EMA(cnn.Lookahead(cnn.SGD(cycle, momentum), every=3), 0.9, warmup=True)
    told: dict[str, Any] = dict(epochs=4, optimizer=rule, loss="cross_entropy")

    class Stopping(cnn.Watcher):
        def batch(self, run: Any, items: int, row: Any) -> None:
            if run.position.epoch == 1 and run.position.batch == 4:
                os.kill(os.getpid(), 2)

    run(tmp_path, callbacks=[Stopping()], **told)
    with pytest.raises(
        cnn.WeightsError, match=r"settings:\n  learning_rate: .*; momentum OneCycle"
    ):
        run(tmp_path, **(told | dict(epochs=5)))
    other = cnn.EMA(rule.optimizer, 0.99, warmup=True)
    with pytest.raises(cnn.WeightsError, match=r"optimizer: the run had(.|\n)*decay=0.99"):
        run(tmp_path, **(told | dict(optimizer=other)))
    whole = tmp_path / "whole"
    run(tmp_path, **told)
    run(whole, **told)
    found, wanted = (read_tensors(folder / LAST)[0] for folder in (tmp_path, whole))
    assert found.keys() == wanted.keys() and "c1.weight.average" in found
    assert not [k for k in wanted if not np.array_equal(found[k], wanted[k])]


def test_other_layers_frozen(tmp_path: Path) -> None:
    model = small()
    model.freeze("c1.*")
    run(tmp_path, model)
    with pytest.raises(cnn.WeightsError, match=r"network: the run had(.|\n)*'network',"):
        run(tmp_path, epochs=3)
    frozen = model.parameters["c1.weight"]
    free = run(tmp_path, epochs=3, changing="network")
    assert not np.array_equal(free.parameters["c1.weight"], frozen)


def test_a_change_inside_an_epoch_begins_the_epoch_anew(tmp_path: Path) -> None:
    """The same data in other batches: after the change, epoch 2 is seen whole."""
    seen: list[int] = []

    class Stopping(cnn.data.Dataset):
        def batches(self, *args: Any, **kwargs: Any) -> Any:
            for number, batch in enumerate(super().batches(*args, **kwargs)):
                seen.append(len(batch[1]))
                if stop and number == 3:
                    os.kill(os.getpid(), 2)
                yield batch

    data = stripes()
    stopping = Stopping(data.images, data.labels, data.classes)
    stop = True
    run(tmp_path, data=stopping, epochs=1)
    assert sum(seen) == 4 * 16
    seen.clear()
    stop = False
    run(tmp_path, data=stopping, epochs=1, batch_size=20, changing=("batch_size",))
    assert seen == [20] * 6


def test_another_process_tells_the_same(begun: Path, tmp_path: Path) -> None:
    folder = copy(begun, tmp_path)
    script = textwrap.dedent(
        f"""
        import sys
        sys.path[:0] = {list(map(str, Path(__file__).parents[:2]))!r}
        from test_resuming import Path, run, smoothed
        run(Path({str(folder)!r}), epochs=3, loss=smoothed(0.1))
        """
    )
    subprocess.run([sys.executable, "-c", script], check=True)
    assert json.loads(read_tensors(folder / LAST)[1]["position"])["epoch"] == 3


def test_a_data_set_is_hashed_once_and_to_the_last_bit() -> None:
    data = stripes()
    assert data.digest is data.digest and data.digest == stripes().digest
    others = [
        one_pixel(data), one_label(data), data[:-1], replace(data, classes=("a", "b")),
        replace(data, images=data.images.astype(np.float64)[:, :, :, :]),
        replace(data, images={"a": data.images}), replace(data, images={"b": data.images}),
        replace(data, normalisation=cnn.Normalisation()),
    ]  # fmt: skip
    assert len({each.digest for each in (data, *others)}) == len(others)  # f64 becomes f32
    turned = replace(data, images=data.images.transpose(0, 1, 3, 2))
    assert turned.digest == replace(data, images=turned.images.copy()).digest != data.digest


def test_an_old_checkpoint_goes_on_and_says_what_is_not_compared(tmp_path: Path) -> None:
    whole = run(epochs=4, loss="cross_entropy")
    run(tmp_path, loss="cross_entropy")
    tensors, metadata = read_tensors(tmp_path / LAST)
    position = json.loads(metadata["position"])
    position["config"] = {
        "model": "small", "data": "arrays, 120 items", "batch_size": 16, "loss": "cross_entropy",
        "optimizer": repr(cnn.Adam(0.01)), "seed": 3, "shuffle": True,
    }  # fmt: skip
    write_tensors(tmp_path / LAST, tensors, {"position": json.dumps(position)})
    with pytest.raises(cnn.WeightsError, match="batch_size: the run had 16"):
        with pytest.warns(CheckpointWarning):
            run(tmp_path, epochs=4, batch_size=8)
    with pytest.warns(CheckpointWarning, match="written before checkpoints told their .*content"):
        resumed = run(tmp_path, epochs=4, loss="cross_entropy")
    assert same_bits(whole, resumed)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run(tmp_path, epochs=5, loss="cross_entropy")


#: What `run(folder, loss="cross_entropy")` was told, as version 2 of checkpoints said it.
OF_VERSION_2 = {
    "version": 2, "model": "small", "batch_size": 16, "drop_last": False, "seed": 3,
    "shuffle": True, "classes": ["0", "1"], "loss": "cross_entropy",
    "data": "arrays, 120 items", "data content": "content 1eda7bf57ade189c",
    "validation": "content 38d55c8b891bea38", "network": "f64e183410f23519",
    "loss graph": "b4d1b6a54d8c4d4a", "metrics": "25828ad83a96b1f8",
    "optimizer": "Adam(weight_decay=0.0, clip_norm=None, beta1=0.9, beta2=0.999, epsilon=1e-08)",
    "update": "2c78604aea97fcc5", "learning_rate": "Constant(rate=0.01)",
}  # fmt: skip


class Falling(cnn.Watcher):
    """An error after so many steps."""

    def batch(self, run: Any, items: int, row: Any) -> None:
        if run.session.steps == 14:
            raise RuntimeError("fallen")


def test_a_checkpoint_of_version_2_goes_on_within_an_epoch(tmp_path: Path) -> None:
    """It tells nothing of shards, of watchers, of items; the hashes are those of then."""
    options: dict[str, Any] = dict(loss="cross_entropy", epochs=4)
    data, held_out = stripes(), stripes(40, 1)
    told: dict[str, Any] = dict(batch_size=16, optimizer=cnn.Adam(0.01), seed=3, progress=False)
    told |= dict(validation=held_out, **options)
    whole, again = small(), small()
    history = whole.fit(data, **told)
    with pytest.raises(RuntimeError, match="fallen"):
        run(tmp_path, checkpoint_every=5, callbacks=[Falling()], **options)
    tensors, metadata = read_tensors(tmp_path / LAST)
    now = json.loads(metadata["position"])
    assert (now["epoch"], now["batch"]) == (1, 5)
    known = "epoch batch totals rows rates resumed best best_epoch".split()
    position = {**{key: now[key] for key in known}, "config": OF_VERSION_2}
    write_tensors(tmp_path / LAST, tensors, {"position": json.dumps(position)})
    with pytest.raises(cnn.WeightsError, match="shards: the run had 1, this call has 2"):
        with pytest.warns(CheckpointWarning):
            run(tmp_path, shards=2, **options)
    with pytest.warns(CheckpointWarning, match="tells of its metrics in the way of an earlier"):
        resumed = again.fit(data, resume=tmp_path, **told)
    assert same_bits(whole, again) and list(resumed) == list(history)


def test_wrong_names_of_changes(tmp_path: Path) -> None:
    with pytest.raises(cnn.DataError, match="changing='rate' is unknown; known are learning_rate"):
        run(tmp_path, changing=("rate",))
    with pytest.raises(cnn.DataError, match="give resume=FOLDER"):
        run(changing=("data",))
