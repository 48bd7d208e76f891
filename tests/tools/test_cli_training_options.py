"""`graphcnn train` with augmentation, averages, weights, logs: it is `fit` with them."""

import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from support.command_line import XO, done, refused, run

import graphcnn as cnn
from graphcnn.recipes.transforms import TRANSFORMS, transforms
from graphcnn.tools.commands.train import SECTIONS, train

ALL = (
    "--augment", "flip, crop(2, mode='edge'), cutout(4)", "--ema", 0.9, "--label-smoothing", 0.1,
    "--class-weights", "X=2", "--clip-norm", 5, "--batch-size", 16,
)  # fmt: skip


def test_the_command_trains_as_fit_does(here: Path) -> None:
    """To the bit, with one thread and two."""
    for threads in (1, 2):
        done("train", "nets:tiny", "--data", XO, "--epochs", 2, "--threads", threads, *ALL)
        if threads == 1:
            one = Path("tiny.safetensors").read_bytes()
    assert one == Path("tiny.safetensors").read_bytes()
    import nets  # type: ignore[import-not-found]

    model, (data, _) = nets.tiny(), cnn.data.load(XO)
    model.fit(
        data.augmented(cnn.augment.flip(), cnn.augment.crop(2, "edge"), cnn.augment.cutout(4)),
        epochs=2,
        batch_size=16,
        loss=cnn.losses.CrossEntropy(label_smoothing=0.1),
        class_weights={"X": 2},
        optimizer=cnn.EMA(cnn.Adam(0.002, clip_norm=5), 0.9, warmup=True),
        progress=False,
    )
    model.save("fit.safetensors")
    assert one == Path("fit.safetensors").read_bytes()


def test_a_run_with_all_of_it_is_resumed_and_compared(here: Path) -> None:
    logs = ("--log", "run.csv", "--log", "run.jsonl", "--log", "tensorboard:board")
    common = ("train", "nets:tiny", "--data", XO, "--no-progress", *ALL, *logs)
    done(*common, "--epochs", 3, "-o", "whole.safetensors")
    whole = [Path(name).read_bytes() for name in ("whole.safetensors", "run.csv", "run.jsonl")]
    done(*common, "--epochs", 1, "--checkpoint", "run")
    done(*common, "--epochs", 3, "--resume", "run", "-o", "whole.safetensors")
    assert whole == [
        Path(name).read_bytes() for name in ("whole.safetensors", "run.csv", "run.jsonl")
    ]
    assert len(Path("run.csv").read_text().splitlines()) == 4
    assert json.loads(Path("run.jsonl").read_text().splitlines()[-1])["epoch"] == 3
    assert [*Path("board").iterdir()]
    changed = ("--augment", "flip", "--ema", 0.8, "--label-smoothing", 0.2)
    text = refused(1, *common, *changed, "--epochs", 4, "--resume", "run")
    assert all(word in text for word in ("data", "optimizer", "loss"))


def test_a_saved_model_goes_on_with_the_settings_of_its_loss(here: Path) -> None:
    common = ("--data", XO, "--no-progress")
    done("train", "nets:tiny", *common, "--label-smoothing", 0.2, "-o", "a.safetensors")
    done("train", "a.safetensors", *common, "-o", "b.safetensors")
    assert cnn.load("b.safetensors").objective == cnn.losses.CrossEntropy(label_smoothing=0.2)


def test_early_stopping_watches_a_metric_and_views_are_averaged(here: Path) -> None:
    text = done(
        "train", "nets:tiny", "--data", XO, "--epochs", 50, "--validation-fraction", 0.2,
        "--early-stopping", 1, "--monitor", "val_accuracy", "--tta", "flip", "--class-weights",
        "balanced", "--log", "run.csv", "--no-progress",
    )  # fmt: skip
    rows = np.genfromtxt("run.csv", delimiter=",", names=True)
    found = re.search(r"stopped early after epoch (\d+)", text)
    assert found is not None and int(found[1]) == len(rows) < 50
    assert rows["val_accuracy"].argmax() == len(rows) - 2
    (_, test), model = cnn.data.load(XO), cnn.load("tiny.safetensors")
    assert f"loss {model.evaluate(test, tta='flip')['loss']:.4f}" in text


def test_images_that_are_targets_move_along(here: Path) -> None:
    done(
        "train", "autoencoder", "--data", XO, "--reconstruct", "--augment", "flip, noise(0.1)",
        "--no-progress",
    )  # fmt: skip


def test_transforms_are_read_and_never_run() -> None:
    a = cnn.augment
    assert transforms("flip, crop(4), cutout(8)") == (a.flip(), a.crop(4), a.cutout(8))
    assert transforms(" crop( 4, mode='reflect' ),") == (a.crop(4, "reflect"),)
    assert transforms("random_resized_crop((0.2, 1))") == (a.random_resized_crop((0.2, 1)),)
    assert {"flip", "mixup", "hue"} < set(TRANSFORMS) and "normalise" not in TRANSFORMS


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("flp, crop(4)", "unknown transform 'flp'; did you mean 'flip'?"),
        ("crop", "missing a required argument: 'pixels'"),
        ("crop", "crop(pixels, mode='zero')"),
        ("crop(four=4)", "of padding, on every side"),
        ("crop('4')", "pixels must be an int of at least 1, found '4'"),
        ("crop(4, reflect)", "a word is in quotes, 'reflect'"),
        ("crop(__import__('os').getpid())", "is no number and no text"),
        ("__import__('os').getpid()", "is no transform"),
        ("crop(**{'pixels': 4})", "** has no meaning"),
        ("crop(*[4])", "is no number"),
        ("flip crop", "transforms are separated by commas"),
        ("preview(1)", "unknown transform 'preview'"),
        ("mixup(alpha=0)", "λ is drawn from"),
        ("", "cannot be read"),
        ("(" * 3000, "cannot be read"),
    ],
)
def test_what_is_no_transform(here: Path, text: str, message: str) -> None:
    assert message in refused(2, "train", "nets:tiny", "--data", XO, "--augment", text)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--loss", "focal", "--label-smoothing", 0.1), "has no meaning for focal"),
        (("--reconstruct", "--label-smoothing", 0.1), "has no meaning for mse"),
        (("--class-weights", "blanced"), "must be spelled balanced, or CLASS=WEIGHT"),
        (("--class-weights", "X=1,X=2"), "must be spelled"),
        (("--log", "run.txt"), "must be spelled FILE.csv, FILE.jsonl or tensorboard:DIR"),
        (("--log", "tensorboard:"), "must be spelled"),
        (("--log", "a.csv", "--log", "a.csv"), "given twice"),
        (("--monitor", "val_accuracy"), "give both"),
        (("--early-stopping", 2, "--monitor", "val_gap"), "say val_gap:min or val_gap:max"),
        (
            ("--early-stopping", 2, "--validation-fraction", 0.2, "--monitor", "val_f1"),
            "this run has loss, accuracy, val_loss, val_accuracy, and --metric measures more",
        ),
        (("--ema", 1), "0<x<1"),
    ],
)
def test_wrong_use_of_the_options(here: Path, arguments: tuple[object, ...], message: str) -> None:
    assert message in refused(2, "train", "nets:tiny", "--data", XO, *arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--augment", "hue(0.1)"), "hue is of colours"),
        (("--augment", "mixup", "--loss", "focal"), "as mixup makes them, are for cross_entropy"),
        (("--class-weights", "cross=2"), "no class 'cross'"),
        (("--loss", "mse", "--tta", "flip"), "--tta flip: tta averages scores of classes"),
    ],
)
def test_what_the_data_do_not_allow_is_found_before_training(
    here: Path, arguments: tuple[object, ...], message: str
) -> None:
    result = run("train", "nets:tiny", "--data", XO, *arguments)
    assert result.exit_code == 1 and message in result.stderr
    assert "epoch" not in result.stdout + result.stderr


def test_the_help_has_every_option_under_a_heading_in_80_columns() -> None:
    text = run("train", "--help", terminal_width=80).stdout
    assert max(map(len, text.splitlines())) <= 80
    named = [name for names in SECTIONS.values() for name in names]
    known = [p.name for p in train.params if p.param_type_name == "option"]
    assert sorted([*named, "debug"]) == sorted(filter(None, known))
    last = text.partition("\nHelp:\n")[2]
    assert re.findall(r"^ +(?:-h, )?(--\w+)", last, re.MULTILINE) == ["--debug", "--help"]


def test_the_examples_of_the_help_work(here: Path) -> None:
    """Those whose data are at hand, for one epoch; of the others the options are read."""
    text = run("train", "--help", terminal_width=80).stdout.replace("\\\n", " ")
    commands = re.findall(r"^ +graphcnn (train .*)$", text, re.MULTILINE)
    assert len(commands) == 10
    for command in commands:
        arguments = shlex.split(command)
        if "digits" in arguments:
            pytest.importorskip("sklearn")
            done(*arguments, "--no-progress", "--epochs", 1)  # the last one counts
        else:
            assert "nothing.safetensors" in refused(
                2, "train", "nothing.safetensors", *arguments[2:]
            )
