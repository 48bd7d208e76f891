"""`graphcnn train`: the same bits, resuming, Ctrl-C, wrong use, real data."""

import gzip
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from support.command_line import XO, done, refused, run

import graphcnn as cnn
from graphcnn.training.checkpoint import load_checkpoint

MNIST = Path(__file__).parents[3] / "shared" / "data" / "mnist"


def test_training_repeats_itself_to_the_bit(here: Path) -> None:
    for name in ("a", "b"):
        text = done("train", "nets:tiny", "--data", XO, "--seed", 5, "-o", f"{name}.safetensors")
    assert "epoch 1/1" in text or "test accuracy" in text
    assert "test accuracy" in text and "saved: b.safetensors" in text
    assert Path("a.safetensors").read_bytes() == Path("b.safetensors").read_bytes()
    done("train", "nets:tiny", "--data", XO, "--seed", 6, "-o", "c.safetensors")
    assert Path("a.safetensors").read_bytes() != Path("c.safetensors").read_bytes()


def test_the_weights_have_a_place_by_default(here: Path) -> None:
    assert "saved: tiny.safetensors" in done("train", "nets:tiny", "--data", XO, "--no-progress")
    assert len(cnn.load("tiny.safetensors").classes) == 2


@pytest.mark.parametrize(
    ("optimizer", "spelled_out"),
    [
        (None, ("--optimizer", "adam", "--learning-rate", 0.002)),
        ("adam", ("--learning-rate", 0.002)),
        ("adamw", ("--learning-rate", 0.002)),
        ("rmsprop", ("--learning-rate", 0.001, "--momentum", 0)),
        ("sgd", ("--learning-rate", 0.05, "--momentum", 0.9)),
    ],
)
def test_what_is_not_said_is_what_suits_small_networks(
    here: Path, optimizer: str | None, spelled_out: tuple[object, ...]
) -> None:
    """To the byte the weights of the command that says it."""
    command = ("train", "nets:tiny", "--data", XO, "--epochs", 1, "--seed", 1)
    named = ("--optimizer", optimizer) if optimizer else ()
    done(*command, *named, "-o", "short.safetensors")
    done(*command, *named, *spelled_out, "-o", "long.safetensors")
    assert Path("short.safetensors").read_bytes() == Path("long.safetensors").read_bytes()


def test_every_option_of_training(here: Path) -> None:
    done(
        "train", "nets:tiny", "--data", XO, "--epochs", 2, "--batch-size", 16, "--shards", 2,
        "--optimizer", "sgd", "--learning-rate", 0.02, "--momentum", 0.8, "--weight-decay", 1e-4,
        "--clip-norm", 1.0, "--class-weights", "balanced",
        "--loss", "cross_entropy", "--validation-fraction", 0.2, "--early-stopping", 3,
        "--checkpoint", "run", "--checkpoint-every", 2, "--curves", "curves.svg",
    )  # fmt: skip
    assert Path("run/last.safetensors").exists() and Path("run/best.safetensors").exists()
    assert Path("curves.svg").read_bytes().startswith(b"<svg")
    for optimizer in ("rmsprop", "adamw"):
        done("train", "nets:tiny", "--data", XO, "--optimizer", optimizer, "--no-progress")


def test_a_resumed_run_ends_with_the_same_bits(here: Path) -> None:
    common = ("train", "nets:tiny", "--data", XO, "--no-progress")
    done(*common, "--epochs", 3, "-o", "whole.safetensors")
    done(*common, "--epochs", 1, "--checkpoint", "run")
    done(*common, "--epochs", 3, "--resume", "run", "-o", "resumed.safetensors")
    assert Path("whole.safetensors").read_bytes() == Path("resumed.safetensors").read_bytes()
    text = refused(1, *common, "--epochs", 4, "--resume", "run", "--seed", 9)
    assert "seed: the run had 0, this call has 9" in text
    done(*common, "--epochs", 4, "--resume", "run", "--seed", 9, "--changing", "seed")
    assert "--resume" in refused(2, *common, "--changing", "seed")


def test_validation_is_a_part_of_the_training_images(here: Path) -> None:
    common = ("train", "nets:tiny", "--data", XO, "--checkpoint", "run")
    done(*common, "--validation-fraction", 0.25)
    _, position = load_checkpoint("run")
    train, _ = cnn.data.load(XO)
    assert {"loss", "val_loss", "val_accuracy"} <= set(position.rows[0])
    assert position.config["data"] == f"xo, {round(0.75 * len(train))} items"


def test_a_built_in_model_suits_the_data(here: Path) -> None:
    done("train", "unet", "--data", XO, "--reconstruct", "--epochs", 1, "--no-progress")
    assert cnn.load("unet.safetensors").graph.inputs[0].shape[1:] == (1, 12, 12)
    done("train", "autoencoder", "--data", XO, "--reconstruct", "--epochs", 1, "--no-progress")
    np.savez("five.npz", x=np.zeros((40, 1, 28, 28), np.uint8), y=np.arange(40) % 5)
    few = ("--batch-size", 8, "--epochs", 1, "--no-progress")
    done("train", "lenet5", "--data", "npz:five.npz", *few)
    (logits,) = cnn.load("lenet5.safetensors").graph.outputs.values()
    assert logits.shape[1:] == (5,)


def test_a_place_that_cannot_be_written_is_found_before_training(here: Path) -> None:
    result = run("train", "nets:tiny", "--data", XO, "-o", "none/x.safetensors")
    assert result.exit_code == 1 and "epoch" not in result.stdout + result.stderr


@pytest.mark.skipif(os.name == "nt", reason="sends SIGINT")
@pytest.mark.parametrize("checkpoint", [True, False])
def test_ctrl_c_leaves_the_work_and_says_how_to_go_on(here: Path, checkpoint: bool) -> None:
    command = [sys.executable, "-m", "graphcnn", "train", "nets:tiny", "--data", XO]
    command += ["--epochs", "100000", *(("--checkpoint", "run") if checkpoint else ())]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    while not process.stderr.readline().startswith("epoch"):
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "Traceback" not in errors
    if checkpoint:
        assert "--resume run" in errors and Path("run/last.safetensors").exists()
    else:
        assert "tiny-interrupted.safetensors" in errors
        cnn.load("tiny-interrupted.safetensors")
    assert not Path("tiny.safetensors").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--data", "minst:x"), "did you mean 'mnist'?"),
        (("--data", "mnist"), "must be spelled mnist:DIR"),
        (("--data", "xo:m=3"), "must be one of n, size, seed"),
        (("--data", XO, "--epochs", 0), "--epochs"),
        (("--data", XO, "--optimizer", "sgdd"), "sgdd"),
        (("--data", XO, "--momentum", 0.9), "no meaning for adam"),
        (("--data", XO, "--early-stopping", 3), "needs --validation-fraction"),
        (("--data", XO, "--checkpoint-every", 3), "needs --checkpoint"),
        (("--data", XO, "--checkpoint", "a", "--resume", "b"), "leave out --checkpoint"),
        ((), "--data"),
    ],
)
def test_wrong_use_of_train(here: Path, arguments: tuple[object, ...], message: str) -> None:
    assert message in refused(2, "train", "nets:tiny", *arguments)
    assert [p.name for p in here.iterdir() if p.name != "__pycache__"] == ["nets.py"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--data", "mnist:none"), "none is not a folder"),
        (("--data", "xo:size=16"), "(1, 12, 12)"),
        (("--data", XO, "--batch-size", 10_000), "batch_size must be from 1 to"),
        (("--data", XO, "-o", "none/x.safetensors"), "the folder none does not exist"),
        (("--data", XO, "--optimizer", "sgd", "--learning-rate", 1e30), "not finite"),
        (("--data", XO, "--curves", "curves.bmp"), "unknown file type '.bmp'"),
        (("--data", XO, "--curves", "curves.dot"), ".dot files hold a graph"),
        (("--data", XO, "--curves", "none/curves.svg"), "the folder none does not exist"),
    ],
)
def test_failed_training(here: Path, arguments: tuple[object, ...], message: str) -> None:
    assert message in refused(1, "train", "nets:tiny", "--no-progress", *arguments)
    assert [p.name for p in here.iterdir() if p.name != "__pycache__"] == ["nets.py"]


def test_a_command_has_no_line_of_the_user(here: Path) -> None:
    text = refused(1, "train", "nets:rows", "--data", XO, "--no-progress")
    assert text.startswith("Error: cross_entropy: cross_entropy takes logits")
    assert "(nets.py:" in text and "core.py" not in text


# Real data


def first(name: str, header: int, size: int, count: int, folder: Path) -> None:
    """The first `count` records of an IDX file of MNIST."""
    data = gzip.decompress((MNIST / f"{name}.gz").read_bytes())
    cut = data[:4] + count.to_bytes(4, "big") + data[8 : header + count * size]
    (folder / name).write_bytes(cut)


@pytest.mark.skipif(not MNIST.is_dir(), reason="the four files of MNIST are not at hand")
def test_mnist_at_a_tenth_of_its_size(here: Path) -> None:
    for part, count in (("train", 6000), ("t10k", 1000)):
        first(f"{part}-images-idx3-ubyte", 16, 784, count, here)
        first(f"{part}-labels-idx1-ubyte", 8, 1, count, here)
    text = done("train", "lenet5", "--data", "mnist:.", "--no-progress")
    assert float(text.split()[2]) >= 88


@pytest.mark.sweep
@pytest.mark.skipif(not MNIST.is_dir(), reason="the four files of MNIST are not at hand")
def test_mnist_in_one_epoch(here: Path) -> None:
    for name in ("a", "b"):
        text = done(
            "train", "lenet5", "--data", f"mnist:{MNIST}", "--epochs", 1, "--seed", 0,
            "-o", f"{name}.safetensors", "--no-progress",
        )  # fmt: skip
    assert float(text.split()[2]) >= 97.5
    assert Path("a.safetensors").read_bytes() == Path("b.safetensors").read_bytes()
