"""`fit`: it learns, it repeats itself to the bit, it resumes exactly, it stops with a reason."""

import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
from support.small_training import same_bits, small, stripes, train

import graphcnn as cnn
from graphcnn.training.checkpoint import BEST, LAST


def test_it_learns() -> None:
    model = train(small(), epochs=8, validation=stripes(60, 1))
    assert model.history[-1]["val_accuracy"] >= 0.95
    assert model.history[-1]["loss"] < 0.5 * model.history[0]["loss"]
    assert model.evaluate(stripes(60, 1))["accuracy"] == model.history[-1]["val_accuracy"]


def test_the_same_seed_gives_the_same_bits_and_another_does_not() -> None:
    assert same_bits(train(small()), train(small()))
    assert not same_bits(train(small()), train(small(), seed=4))


def test_the_last_short_batch_counts_by_its_items() -> None:
    model = small().initialize(0)
    data = stripes(37)
    whole = model.evaluate(data, batch_size=37)
    assert model.evaluate(data, batch_size=16) == pytest.approx(whole, rel=1e-6)
    assert model.predict(data.images, batch_size=16) == pytest.approx(
        model.predict(data.images, batch_size=37), abs=1e-6
    )


@pytest.mark.parametrize("stop_at", [1, 8, 11, 17])
def test_a_resumed_run_ends_with_the_bits_of_an_uninterrupted_one(
    tmp_path: Path, stop_at: int
) -> None:
    """Ctrl-C after any batch; 8 batches make an epoch, so 8 and 17 are at and after a border."""
    whole = train(small(), validation=stripes(40, 1))

    class Interrupting(cnn.data.Dataset):
        def batches(self, *args, **kwargs):
            for batch in super().batches(*args, **kwargs):
                counted.append(1)
                if len(counted) == stop_at:
                    os.kill(os.getpid(), signal.SIGINT)
                yield batch

    counted: list[int] = []
    data = stripes()
    broken = small()
    history = broken.fit(
        Interrupting(data.images, data.labels, data.classes, data.normalisation, data.name),
        epochs=4,
        batch_size=16,
        optimizer=cnn.Adam(0.01),
        seed=3,
        progress=False,
        validation=stripes(40, 1),
        checkpoint=tmp_path,
    )
    assert history.ended == "interrupted"
    resumed = train(small(), validation=stripes(40, 1), resume=tmp_path)
    assert same_bits(whole, resumed)
    assert resumed.history.rows == whole.history.rows


def test_a_killed_run_resumes_to_the_same_bits(tmp_path: Path) -> None:
    script = textwrap.dedent(
        f"""
        import os, sys
        sys.path[:0] = {list(map(str, Path(__file__).parents[:2]))!r}
        from support.small_training import small, train
        steps = []
        def kill(epoch, row):
            if epoch == 2: os.kill(os.getpid(), 9)
        train(small(), checkpoint={str(tmp_path)!r}, checkpoint_every=3, callbacks=[kill])
        """
    )
    killed = subprocess.run([sys.executable, "-c", script], check=False)
    assert killed.returncode == -9
    assert same_bits(train(small()), train(small(), resume=tmp_path))


def test_resuming_a_finished_run_changes_nothing_and_more_epochs_go_on(tmp_path: Path) -> None:
    done = train(small(), checkpoint=tmp_path)
    assert same_bits(done, train(small(), resume=tmp_path))
    assert same_bits(train(small(), epochs=6), train(small(), epochs=6, resume=tmp_path))


def test_resume_refuses_other_settings(tmp_path: Path) -> None:
    train(small(), checkpoint=tmp_path)
    with pytest.raises(cnn.WeightsError, match=r"batch_size: the run had 16, this call has 8"):
        train(small(), resume=tmp_path, batch_size=8)


def test_the_best_checkpoint_is_a_model(tmp_path: Path) -> None:
    model = train(small(), checkpoint=tmp_path, validation=stripes(40, 1))
    best = cnn.load(tmp_path / BEST)
    losses = model.history.column("val_loss")
    assert best.evaluate(stripes(40, 1))["loss"] == pytest.approx(min(losses), rel=1e-6)


def test_early_stopping_restores_the_best_epoch() -> None:
    stop = cnn.EarlyStopping(patience=2)
    model = train(
        small(), epochs=60, optimizer=cnn.SGD(1.5), validation=stripes(40, 1), early_stopping=stop
    )
    losses = model.history.column("val_loss")
    assert model.history.ended == "stopped early"
    assert len(losses) == int(np.argmin(losses)) + 1 + 2
    assert model.evaluate(stripes(40, 1))["loss"] == pytest.approx(min(losses), rel=1e-6)


def test_a_loss_that_is_not_a_number_names_the_node_that_made_it() -> None:
    image = cnn.input("image", (1, 8, 8))
    x = cnn.flatten(image)
    x = cnn.log(x - 100.0, name="bad_logarithm")
    model = cnn.Model(image, cnn.dense(x, 2))
    with (
        np.errstate(all="ignore"),
        pytest.raises(cnn.TrainingError, match=r'made by log "bad_logarithm" \(test_training.py:'),
    ):
        train(model)


def test_divergence_leaves_the_weights_before_the_step() -> None:
    model = small().initialize(0)
    session = cnn.Session(model, optimizer=cnn.SGD(1e30))
    data = stripes()
    with np.errstate(all="ignore"), pytest.raises(cnn.TrainingError, match="the loss is"):
        for _ in range(10):
            before = {k: v.copy() for k, v in session.states.items() if "training." not in k}
            session.step(data.images[:16], data.labels[:16])
    assert all(np.array_equal(before[k], session.states[k]) for k in before)


def test_a_full_disk_leaves_the_old_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(small(), checkpoint=tmp_path, epochs=1)
    before = [(tmp_path / name).read_bytes() for name in (LAST, BEST)]

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(cnn.OutputError, match=r"\.safetensors.*no space left on device"):
        train(small(), resume=tmp_path, epochs=2)
    assert [(tmp_path / name).read_bytes() for name in (LAST, BEST)] == before
    assert [p.name for p in tmp_path.iterdir() if "tmp" in p.name] == []


def test_frozen_parameters_stay_and_get_no_backward_nodes() -> None:
    model = small().initialize(1)
    model.freeze("c1.*")
    before = model.parameters["c1.weight"].copy()
    graph = model.training_graph()
    assert not any(n.op.name == "conv2d_weight_grad" for n in graph.nodes)
    train(model)
    assert np.array_equal(model.parameters["c1.weight"], before)
    assert not np.array_equal(
        model.parameters["logits.weight"], small().initialize(1).parameters["logits.weight"]
    )
    with pytest.raises(cnn.GraphError, match=r"no parameter matches 'c9\.\*'"):
        model.freeze("c9.*")


def test_frozen_batch_norm_keeps_its_averages() -> None:
    model = small().initialize(1)
    model.freeze("bn1.*")
    train(model)
    assert np.array_equal(model.states["bn1.mean"], np.zeros(4, np.float32))
    free = train(small())
    assert not np.array_equal(free.states["bn1.mean"], np.zeros(4, np.float32))


def test_shared_weights_are_one_parameter_and_its_gradient_is_the_sum() -> None:
    image = cnn.input("image", (1, 8, 8))
    kernel = cnn.parameter((1, 1, 3, 3), name="shared")
    x = cnn.conv2d(image, 1, 3, weight=kernel, bias=False, padding=1)
    x = cnn.conv2d(x, 1, 3, weight=kernel, bias=False, padding=1)
    model = cnn.Model(image, cnn.dense(cnn.flatten(x), 2))
    assert list(model.parameters) == ["shared", "dense_1.weight", "dense_1.bias"]
    names = [n.op.name for n in model.training_graph().nodes]
    assert names.count("conv2d_weight_grad") == 2
    train(model)


def test_schedules_set_the_learning_rate_of_each_step() -> None:
    seen: list[float] = []
    schedule = cnn.schedules.Cosine(0.1, steps=8)
    session = cnn.Session(small().initialize(0), optimizer=cnn.SGD(schedule))
    data = stripes()
    for _ in range(8):
        session.step(data.images[:8], data.labels[:8])
        seen.append(float(session.states["training.learning_rate"]))
    assert seen == pytest.approx([schedule.at(i) for i in range(1, 9)])
    assert seen[-1] < seen[0]


def test_a_loss_of_ones_own() -> None:
    def margin(prediction: cnn.Value, target: cnn.Value) -> cnn.Value:
        return cnn.mean(cnn.relu(1.0 - prediction * target))

    image = cnn.input("image", (1, 8, 8))
    model = cnn.Model(image, cnn.dense(cnn.flatten(image), 1))
    data = stripes()
    targets = (2.0 * data.labels[:, None] - 1.0).astype(np.float32)
    history = model.fit(
        (data.images, targets), epochs=3, loss=margin, optimizer=cnn.Adam(0.01), progress=False
    )
    assert history[-1]["loss"] < history[0]["loss"]


def test_an_autoencoder_learns_its_own_input() -> None:
    image = cnn.input("image", (1, 8, 8))
    x = cnn.conv2d(image, 4, 3, stride=2, padding=1, activation="relu")
    x = cnn.conv_transpose2d(x, 1, 2, stride=2)
    data = stripes()
    history = cnn.Model(image, x).fit(
        (data.images, data.images), epochs=3, loss="mse", optimizer="adam", progress=False
    )
    assert history[-1]["loss"] < history[0]["loss"]


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        (dict(batch_size=500), cnn.DataError, "batch_size must be from 1 to the 120 images"),
        (dict(batch_size=0), cnn.DataError, "batch_size must be from 1"),
        (dict(epochs=0), cnn.DataError, "epochs must be at least 1"),
        (dict(loss="cross_entropi"), cnn.GraphError, "did you mean 'cross_entropy'"),
        (dict(optimizer="adma"), cnn.GraphError, "did you mean 'adam'"),
        (dict(metrics=("acuracy",)), cnn.GraphError, "did you mean 'accuracy'"),
        (dict(early_stopping=0), cnn.GraphError, "patience must be at least 1"),
        (dict(early_stopping=2.5), cnn.GraphError, "patience must be at least 1"),
        (dict(batch_size=2.0), cnn.DataError, "batch_size must be from 1 .* found 2.0"),
        (dict(epochs="4"), cnn.DataError, "epochs must be at least 1, and whole, found '4'"),
        (dict(seed=None), cnn.DataError, "seed must be an int, found None"),
        (dict(seed=2**70), cnn.DataError, r"seed must be at least -2\^63 and less than 2\^63"),
        (
            dict(loss=lambda p, t: cnn.cross_entropy(cnn.matmul(p, cnn.transpose(p, (1, 0))), t)),
            cnn.GraphError,
            r"found rank 2: f32\[N,N\]; a loss among the items .* is made of log_softmax",
        ),
        (dict(callbacks=[lambda epoch: 0]), cnn.DataError, r"of \(epoch, row\), .* \(epoch\):"),
        (dict(callbacks=[3]), cnn.DataError, r"callbacks must be functions of \(epoch, row\)"),
        (dict(validation=1.5), cnn.DataError, r"fraction = 1.5 of \d+ images must leave both"),
        (dict(validation=float("nan")), cnn.DataError, r"fraction = nan of \d+ images"),
        (dict(validation=np.float32(0)), cnn.DataError, r"fraction = 0.0 of \d+ images"),
        (
            dict(validation=(stripes(), stripes())),
            cnn.DataError,
            "found tuple of 2 data sets: give one",
        ),
        (dict(checkpoint_every=0), cnn.DataError, "checkpoint_every must be at least 1"),
        (dict(loss=3), cnn.GraphError, r"loss must be a name \(cross_entropy, .* found 3"),
        (dict(loss=lambda p, t: None), cnn.GraphError, "must be a float scalar, found NoneType"),
        (dict(loss="mse"), cnn.DataError, r"takes floats \(n, 2\), found integers .*cross_entropy"),
        (dict(metrics=3), cnn.GraphError, "metrics must be names or functions, found 3"),
        (dict(metrics={"a": 3}), cnn.GraphError, r"metric 'a' must be a function of .* found 3"),
        (
            dict(metrics=lambda p: p),
            cnn.GraphError,
            r"function of \(prediction, target\), .* \(p\):",
        ),
        (dict(loss=lambda p: p), cnn.GraphError, r"loss must be a name .* or a function .* \(p\):"),
        (dict(metrics={"loss": cnn.accuracy}), cnn.GraphError, "cannot be called 'loss'"),
        (dict(metrics={"a": lambda p, t: p}), cnn.GraphError, "metric 'a' must be a scalar"),
    ],
)
def test_wrong_settings(options: dict, error: type, match: str) -> None:
    with pytest.raises(error, match=match):
        train(small(), **options)


def test_nothing_to_learn() -> None:
    model = small()
    model.freeze()
    with pytest.raises(cnn.GradientError, match="every parameter is frozen; unfreeze some"):
        train(model)
    with pytest.raises(cnn.GradientError, match="no parameter is used by the loss"):
        small().training_graph(lambda prediction, target: cnn.mean(target))


def test_metrics_are_names_and_functions() -> None:
    def first_logit(logits: cnn.Value, labels: cnn.Value) -> cnn.Value:
        return cnn.mean(cnn.slice(logits, 1, 0, 1))

    for metrics in (
        "accuracy",
        ["accuracy"],
        ("accuracy", first_logit),
        {"accuracy": cnn.accuracy},
    ):
        row = train(small(), metrics=metrics).history[-1]
        assert set(row) <= {"loss", "accuracy", "first_logit"} and "accuracy" in row
    assert "first_logit" in train(small(), metrics=first_logit).history[-1]
    row = train(small(), metrics={"right": "accuracy"}).history[-1]
    assert row["right"] == train(small()).history[-1]["accuracy"]


def test_metrics_of_one_name_are_all_reported() -> None:
    several = [lambda p, t: cnn.mean(p), cnn.accuracy, lambda p, t: cnn.mean(p) + 1.0]
    row = train(small(), metrics=several).history[-1]
    assert set(row) == {"loss", "<lambda>", "accuracy", "<lambda>_2"}
    assert row["<lambda>_2"] == pytest.approx(row["<lambda>"] + 1, rel=1e-5)


def test_wrong_data() -> None:
    data = stripes()
    fit = lambda x, y: small().fit((x, y), progress=False)  # noqa: E731
    with pytest.raises(cnn.DataError, match=r"labels must be integers .* found float"):
        fit(data.images, data.labels.astype(float))
    with pytest.raises(cnn.DataError, match=r"label 2 in row 5 is out of range"):
        fit(data.images, np.where(np.arange(120) == 5, 2, data.labels))
    with pytest.raises(cnn.DataError, match=r"takes images \(C, H, W\) = \(1, 8, 8\)"):
        fit(data.images[:, :, :7], data.labels)
    with pytest.raises(cnn.DataError, match="must be uint8"):
        fit(data.images.astype(np.int64), data.labels)
    with pytest.raises(cnn.DataError, match=r"image 3 holds NaN"):
        fit(np.where(np.arange(120)[:, None, None, None] == 3, np.nan, data.images), data.labels)
    with pytest.raises(cnn.DataError, match="no images"):
        fit(data.images[:0], data.labels[:0])
    with pytest.raises(cnn.DataError, match="a pair"):
        small().fit(data.images)


def test_an_operator_without_gradient_names_the_path() -> None:
    image = cnn.input("image", (1, 8, 8))
    x = cnn.conv2d(image, 2, 3, name="c1")
    picked = cnn.cast(cnn.argmax(cnn.flatten(x), name="choice"), "float32")
    model = cnn.Model(image, cnn.dense(cnn.reshape(picked, (1,)), 2, name="logits"))
    with pytest.raises(cnn.GradientError, match=r"c1\.weight.*argmax.*→"):
        train(model)


def test_history_prints_and_keeps(tmp_path: Path) -> None:
    history = train(small()).history
    assert len(history) == 4 and history.columns == ["loss", "accuracy"]
    assert history["loss"] == history.column("loss") == [row["loss"] for row in history]
    assert list(history.keys()) == history.columns and history[-1] == history.rows[3]
    assert history[1:3] == history.rows[1:3] and dict(history)["accuracy"] == history["accuracy"]
    with pytest.raises(cnn.DataError, match="no column 'los'; it has loss, accuracy"):
        history["los"]
    assert str(history).count("\n") == 4
    assert [line.split()[0] for line in str(history).splitlines()] == ["epoch", *"1234"]
    assert json.loads(history.to_json())["ended"] == "finished"
