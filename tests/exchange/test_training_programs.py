"""The programs of a training export, run as people run them, and the folder they come in."""

import os
import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from support.command_line import done, refused
from support.command_line import run as command

import graphcnn as cnn
from graphcnn.base.folders import atomic_folder
from graphcnn.errors import OutputError
from graphcnn.exchange.training_parity import TrainingParity

pytest.importorskip("onnxruntime")


def net():
    image = cnn.input("image", (1, 8, 8))
    x = cnn.relu(cnn.batch_norm(cnn.conv2d(image, 4, 3, bias=False, name="c1"), name="n"))
    x = cnn.flatten(cnn.max_pool2d(x, 2))
    return cnn.Model(image, cnn.dense(x, 2, name="logits"), "stripes")


def stripes(n=200):
    """Horizontal and vertical stripes with noise, as bytes."""
    rng = np.random.default_rng(0)
    labels, phase = rng.integers(0, 2, (2, n))
    line = (np.arange(8) + phase[:, None]) % 2
    images = np.where(labels[:, None, None], line[:, :, None], line[:, None, :])
    noisy = 128 + 80 * (images - 0.5) + rng.normal(0, 10, images.shape)
    return noisy.clip(0, 255).astype(np.uint8)[:, None], labels


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "training"
    net().export_onnx_training(path, optimizer=cnn.SGD(0.05, momentum=0.9), seed=3, verify=False)
    return path


def last(text, word):
    return float(re.findall(rf"{word} ([0-9.]+)", text)[-1])


def check_saved(path, images, labels):
    """The weights are a whole model of graphcnn, which has learned."""
    model = cnn.load(path)
    assert model.evaluate((images, labels))["accuracy"] > 0.95
    assert model.loss == "cross_entropy" and model.name == "stripes"
    assert model.normalisation.mean[0] == pytest.approx(images.mean() / 255, rel=1e-5)
    assert model.normalisation.std[0] == pytest.approx(images.std() / 255, rel=1e-5)
    assert model.states["c1.weight"].dtype == np.float32
    return model


def run(*command, cwd, **options):
    return subprocess.run(
        list(map(str, command)), cwd=cwd, capture_output=True, text=True, timeout=120, **options
    )


def test_python_trains_as_we_do(folder, tmp_path):
    images, labels = stripes()
    np.savez(tmp_path / "data.npz", images=images, labels=labels)
    options = ("--data", "data.npz", "--epochs", 3, "--batch-size", 32, "--threads", 1)
    ran = run(sys.executable, folder / "train.py", *options, cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    assert last(ran.stdout, "accuracy") > 0.9 and "forward.onnx on 32 images: (32, 2)" in ran.stdout
    model = check_saved(tmp_path / "weights.safetensors", images, labels)

    ours = net().initialize(3)  # the same batches, by our own runtime
    ours.normalisation = model.normalisation
    session = cnn.Session(ours, "cross_entropy", cnn.SGD(0.05, momentum=0.9), seed=3)
    rng = np.random.default_rng(3)
    for _ in range(3):
        order = rng.permutation(200)
        losses = [
            session.step(images[some], labels[some])["loss"] * len(some)
            for some in np.split(order, range(32, 200, 32))
        ]
    session.sync()
    assert last(ran.stdout, "loss") == pytest.approx(sum(losses) / 200, abs=2e-5)
    for key, array in ours.states.items():
        np.testing.assert_allclose(model.states[key], array, atol=1e-4 * np.abs(array).max())


def test_python_with_random_images_and_other_settings(folder, tmp_path):
    options = ("--batch-size", 4, "--learning-rate", 0.01, "--seed", 5, "--output", "w.safetensors")
    ran = run(sys.executable, folder / "train.py", *options, cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    assert "written: w.safetensors" in ran.stdout
    assert set(cnn.load(tmp_path / "w.safetensors").states) == set(net().states)


def test_python_where_the_targets_are_images(tmp_path):
    image = cnn.input("image", (1, 6, 6))
    y = cnn.conv2d(cnn.dropout(image, 0.2), 1, 3, padding=1, name="c")
    model = cnn.Model(image, y, "denoise")
    model.export_onnx_training(tmp_path / "out", loss="mse", optimizer="adam", verify=False)
    ran = run(sys.executable, tmp_path / "out" / "train.py", "--batch-size", 4, cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    assert "forward.onnx on 4 images: (4, 1, 6, 6)" in ran.stdout
    assert cnn.load(tmp_path / "weights.safetensors").loss == "mse"


@cache
def packages(name):
    """The folder of npm packages that has `name`: of the project, of NODE_PATH, or the global one.
    Skips the test where there is none."""
    if shutil.which("node") is None:
        pytest.skip("needs Node.js")
    places = [Path(__file__).parents[2] / "node_modules"]
    places += [Path(p) for p in os.environ.get("NODE_PATH", "").split(os.pathsep) if p]
    if shutil.which("npm") is not None:
        found = run("npm", "root", "-g", cwd=".")
        places += [Path(found.stdout.strip())] if found.returncode == 0 else []
    place = next((p for p in places if (p / name).is_dir()), None)
    if place is None:
        pytest.skip(f"needs the npm package {name}, installed globally or in a NODE_PATH")
    return place


def node(folder, package, *options, cwd):
    """Run train.mjs with this package, and with no other."""
    modules = folder / "node_modules"
    modules.mkdir()
    for each in packages(package).iterdir():
        if not each.name.startswith("onnxruntime-") or each.name in (package, "onnxruntime-common"):
            (modules / each.name).symlink_to(each)
    flags = ("--preserve-symlinks", "--preserve-symlinks-main")
    ran = run("node", *flags, folder / "train.mjs", *options, cwd=cwd)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


@pytest.mark.parametrize("package", ["onnxruntime-node", "onnxruntime-web"])
def test_javascript_trains(folder, tmp_path, package):
    packages(package)
    images, labels = stripes()
    np.save(tmp_path / "x.npy", images)
    np.save(tmp_path / "y.npy", labels)
    data = ("--images", "x.npy", "--labels", "y.npy", "--epochs", 3, "--batch-size", 32)
    text = node(folder, package, *data, cwd=tmp_path)
    assert last(text, "accuracy") > 0.9 and "forward.onnx on 32 images: [32,2]" in text
    check_saved(tmp_path / "weights.safetensors", images, labels)


def test_javascript_with_random_images(folder, tmp_path):
    options = ("--batch-size", 4, "--learning-rate", 0.01, "--seed", 5, "--output", "w.safetensors")
    assert "written: w.safetensors" in node(folder, "onnxruntime-node", *options, cwd=tmp_path)
    assert set(cnn.load(tmp_path / "w.safetensors").states) == set(net().states)


def test_programs_say_what_is_missing(folder, tmp_path):
    hidden = "import sys, runpy; sys.modules['onnxruntime'] = None; runpy.run_path(sys.argv[1])"
    ran = run(sys.executable, "-c", hidden, folder / "train.py", cwd=tmp_path)
    assert ran.returncode == 1 and "run  pip install numpy onnxruntime" in ran.stderr
    assert "Traceback" not in ran.stderr
    if shutil.which("node") is None:
        pytest.skip("needs Node.js")
    ran = run("node", folder / "train.mjs", cwd=tmp_path)
    assert ran.returncode == 1
    assert ran.stderr.strip().endswith("run  npm install onnxruntime-node")


# The folder


def test_a_new_folder_appears_whole_or_not_at_all(tmp_path, monkeypatch):
    def fail(path, data):
        raise OutputError("the disk is full")

    with monkeypatch.context() as broken:
        broken.setattr("graphcnn.base.folders.atomic_write", fail)
        with pytest.raises(OutputError, match="the disk is full"):
            atomic_folder(tmp_path / "new", {"a": b"1"})
        assert list(tmp_path.iterdir()) == []
    atomic_folder(tmp_path / "new", {"a": b"1", "b": b"2"})
    assert sorted(f.name for f in (tmp_path / "new").iterdir()) == ["a", "b"]
    assert list(tmp_path.iterdir()) == [tmp_path / "new"]


def test_a_folder_that_exists_keeps_its_other_files(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    (tmp_path / "a").write_text("old")
    atomic_folder(tmp_path, {"a": b"new", "b": b"2"})
    found = {f.name: f.read_text() for f in tmp_path.iterdir()}
    assert found == {"mine.txt": "mine", "a": "new", "b": "2"}


def test_a_file_in_the_way_and_a_missing_parent(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match="it is a file, expected a folder"):
        atomic_folder(tmp_path / "file", {"a": b""})
    with pytest.raises(OutputError, match="none does not exist"):
        atomic_folder(tmp_path / "none" / "new", {"a": b""})
    assert (tmp_path / "file").read_text() == "x"


# The command


def test_the_command(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = done("export", "digits_cnn", "--training", "-o", "out", "--optimizer", "sgd",
                "--steps", 3, "--seed", 4)  # fmt: skip
    assert text.startswith("written: out") and "3 steps of SGD(learning_rate=0.05" in text
    assert "within 1e-06" in text and "train.mjs" in text
    assert {f.name for f in (tmp_path / "out").iterdir()} == {
        "forward.onnx", "train_step.onnx", "grads.onnx", "init.onnx", "train.py", "train.mjs",
        "training.json", "report.json", "report.txt",
    }  # fmt: skip
    text = done("export", "digits_cnn", "--training", "-o", "out", "--no-verify")
    assert "compared" not in text and "errors" not in text


def test_other_weights_are_an_error_and_not_a_success_before(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(TrainingParity, "passed", False)
    wrong = command("export", "digits_cnn", "--training", "-o", "out", "--steps", 1)
    assert wrong.exit_code == 1 and "do not use out" in wrong.stderr
    assert "written:" not in wrong.stdout
    assert (tmp_path / "out" / "report.txt").exists()


def test_wrong_use_of_the_command(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model = ("export", "digits_cnn")
    assert "--seed needs --training" in refused(2, *model, "-o", "x.onnx", "--seed", 1)
    assert "--float16 has no meaning" in refused(2, *model, "--training", "-o", "x", "--float16")
    assert "needs --training" in refused(2, *model, "-o", tmp_path)
    (tmp_path / "file").write_text("")
    text = refused(1, *model, "--training", "-o", "file", "--no-verify")
    assert "it is a file, expected a folder" in text
