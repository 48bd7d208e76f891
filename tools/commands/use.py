"""Commands that use a trained model: evaluate, predict, export."""

import io
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import numpy as np

from graphcnn.base.files import atomic_write
from graphcnn.base.words import printable
from graphcnn.data.augment.binarise import binarised
from graphcnn.data.dataset import Dataset
from graphcnn.data.specs import Size
from graphcnn.errors import DataError, shortened
from graphcnn.exchange.export import ParityError
from graphcnn.generative.bounds import importance_bound
from graphcnn.ir.node import Array
from graphcnn.ir.tensor_type import N, is_open
from graphcnn.learning.losses import LOSSES
from graphcnn.learning.probabilities import is_probability
from graphcnn.learning.samplers import Pixels
from graphcnn.model import Model
from graphcnn.models.resolve import ModelName, fitting
from graphcnn.pictures.picture import FREE, check_target
from graphcnn.recipes.inputs import reconstruction
from graphcnn.tools.commands.arguments import (
    batch_size_option,
    binarise_option,
    data_options,
    json_option,
    loss_option,
    metric_option,
    model_argument,
    note_untrained,
    part_of,
    part_option,
    read_data,
    reconstruct_option,
    runtime_options,
    tta_option,
)
from graphcnn.tools.commands.export_options import file_options
from graphcnn.tools.commands.export_training import Training, export_training, training_options
from graphcnn.tools.commands.train import measured
from graphcnn.tools.predict_inputs import read_inputs


@click.command()
@model_argument
@data_options("What to measure on; see graphcnn --help.")
@part_option
@loss_option("What is measured.")
@reconstruct_option
@binarise_option
@metric_option
@batch_size_option
@tta_option
@runtime_options
@json_option
@click.option(
    "--report",
    is_flag=True,
    help="Print a table: precision, recall and F1 of each class and the worst confusions, or the "
    "errors of each number.",
)
@click.option(
    "--codes", type=click.IntRange(min=1), metavar="N",
    help="Also measure the bound of N codes on - ln p(x) of a variational autoencoder, to which it "
    "falls with N; 500 are usual.",
)  # fmt: skip
@click.option(
    "--table",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Draw the table of --report to this file.",
)
@click.option(
    "--roc",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Draw the ROC and the precision-recall curves of the classes to this file.",
)
@click.option(
    "--confusion", type=click.Path(dir_okay=False, path_type=Path),
    help="Draw what each class is taken for to this file, in the format of its suffix: "
    f"{', '.join(FREE)}.",
)  # fmt: skip
@click.option(
    "--errors", type=click.Path(dir_okay=False, path_type=Path),
    help="Draw the mistakes that MODEL is surest of, with their images.",
)  # fmt: skip
def evaluate(
    model: ModelName,
    settings: dict[str, Any],
    data: str,
    size: Size | None,
    grey: bool | None,
    part: str,
    loss: str | None,
    reconstruct: bool,
    binarise: bool,
    batch_size: int,
    tta: str | None,
    as_json: bool,
    metrics: tuple[str, ...],
    report: bool,
    codes: int | None,
    table: Path | None,
    roc: Path | None,
    confusion: Path | None,
    errors: Path | None,
) -> None:
    """Measure the loss and accuracy of MODEL on DATA, and show what it takes for what.

    \b
    Examples:
      graphcnn evaluate lenet5.safetensors --data mnist:DIR
      graphcnn evaluate lenet5.safetensors --data mnist:DIR --part train --json
      graphcnn evaluate lenet5.safetensors --data mnist:DIR --report --metric auc
      graphcnn evaluate lenet5.safetensors --data mnist:DIR --confusion confusion.svg
      graphcnn evaluate lenet5.safetensors --data mnist:DIR --errors errors.html
      graphcnn evaluate vae.safetensors --data mnist:DIR --binarise --codes 500
    """
    for target in filter(None, (table, roc, confusion, errors)):
        check_target(target)
    if tta is not None and (confusion or errors):
        raise click.UsageError(
            "--confusion and --errors draw what MODEL says of each image alone: leave out --tta"
        )
    chosen = part_of(read_data(data, size, grey), part, data)
    built = model.build(settings, fitting(chosen))
    note_untrained(model, built)
    chosen = _measured_on(chosen, built, reconstruct, binarise)
    if reconstruct and not (built.objective or built.loss):
        loss = loss or "mse"
    wanted = report or table is not None or roc is not None
    row = built.evaluate(
        chosen, loss=loss, batch_size=batch_size, metrics=metrics or None, report=wanted, tta=tta
    )
    if codes is not None:
        if wanted:
            raise click.UsageError("--codes measures a bound, --report classes: give one of them")
        bound = importance_bound(built, chosen, codes).mean()
        row = {**row, f"bound_of_{codes}_codes": float(bound)}
    if as_json:
        numbers = {key: value if math.isfinite(value) else None for key, value in row.items()}
        found = {"model": built.name, "data": data, "part": part, "images": len(chosen), **numbers}
        if report:
            found["report"] = json.loads(row.to_json())["outputs"]
        click.echo(json.dumps(found, indent=2))
    elif report:
        click.echo(str(row))
    else:
        click.echo(measured(row, len(chosen), part))
    if table is not None:
        click.echo(f"drawn: {row.draw(table)}", err=as_json)
    if roc is not None:
        click.echo(f"drawn: {row.draw_curves(roc)}", err=as_json)
    for line in _mistakes(built, chosen, confusion, errors):
        click.echo(line, err=as_json)


def _measured_on(data: Dataset, model: Model, reconstruct: bool, binarise: bool) -> Dataset:
    """The images as the network takes them. One that gives pixels their distribution is measured
    on images themselves, and where that has two levels on black and white ones."""
    pixels = model.sampler if isinstance(model.sampler, Pixels) else None
    if binarise or (pixels is not None and pixels.distribution.levels == 2):
        data = binarised(data)
    if not (reconstruct or model.sampler):
        return data
    others = [v.node.name for v in model.graph.inputs]
    if pixels is not None:
        others.remove(pixels.image)
        return reconstruction(data, others[0] if others else None)
    return reconstruction(data)


def _mistakes(
    model: Model, data: Dataset, confusion: Path | None, errors: Path | None
) -> Iterator[str]:
    """Draws what is asked for, and tells of each."""
    if confusion is None and errors is None:
        return
    lens = model.lens()
    found = lens.confusion(data)
    if confusion is not None:
        yield f"drawn: {found.save(confusion)}"
    if errors is not None and np.array_equal(found["true"], found["predicted"]):
        yield f"no mistake: {errors} is not drawn"
    elif errors is not None:
        yield f"drawn: {lens.errors(data).save(errors)}"


@click.command()
@model_argument
@click.argument("images", nargs=-1, metavar="IMAGE...")
@click.option("--resize", is_flag=True, help="Scale pictures of another size to the model's.")
@click.option(
    "--top", type=click.IntRange(min=1), metavar="N", default=3, show_default=True,
    help="Classes to print for each image, the most probable first.",
)  # fmt: skip
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path),
    help="Write all outputs to this .npy file: an array (images, ...).",
)  # fmt: skip
@click.option(
    "--batch-size", type=click.IntRange(min=1), metavar="N",
    help="Images at a time: changes memory and speed, not the result. Default: 256, or all where "
    "outputs depend on all images together.",
)  # fmt: skip
@tta_option
@runtime_options
@json_option
def predict(
    model: ModelName,
    settings: dict[str, Any],
    images: tuple[str, ...],
    resize: bool,
    top: int,
    output: Path | None,
    batch_size: int | None,
    tta: str | None,
    as_json: bool,
) -> None:
    """Print what MODEL sees in each IMAGE.

    An IMAGE is a picture file (JPEG, PNG, ...), made grey or colour as MODEL takes it, or a .npy
    array of one image (C, H, W) or several (n, C, H, W): uint8, or floats in [0, 1]. Pictures must
    have the size that MODEL takes, unless --resize. For a MODEL that takes no images it is a .npy
    array of its input's shape, for one of several inputs NAME=FILE.npy for each.

    \b
    Examples:
      graphcnn predict lenet5.safetensors seven.png
      graphcnn predict resnet.safetensors photos/*.jpg --resize --top 5 --json
    """
    built = model.build(settings)
    note_untrained(model, built)
    given, names = read_inputs(built, images, resize)
    if _is_for_one(built):
        first = np.stack(
            [_first(built.predict(given[i : i + 1], tta=tta)) for i in range(len(names))]
        )
    else:
        first = _first(built.predict(given, batch_size=batch_size, tta=tta))
    if output is not None:
        _write_array(output, first)
    per_item = _is_per_item(built, first, len(names))
    if first.ndim != 2 or not per_item:
        if output is None:
            found = f"{list(first.shape[1:])} numbers per image" if per_item else first.shape
            raise DataError(
                f"{built.name} gives {found}, which are not classes: write them with --output "
                "outputs.npy"
            )
        click.echo(f"written: {output} {list(first.shape)}")
        return
    report: list[dict[str, Any]] = [
        {"image": name, "classes": ranking(row, built, top)}
        for name, row in zip(names, first, strict=True)
    ]
    if as_json:
        click.echo(json.dumps(report, indent=2))
        return
    width = max(map(len, names))
    for name, row in zip(names, report, strict=True):
        likely = "   ".join(_class_text(each, built) for each in row["classes"])
        click.echo(f"{name:<{width}}  {likely}")


def _first(outputs: Array | dict[str, Array]) -> Array:
    return next(iter(outputs.values())) if isinstance(outputs, dict) else outputs


def _is_for_one(model: Model) -> bool:
    """Whether the model takes one image and gives a row of numbers for it, without a batch axis."""
    inputs, output = model.graph.inputs, next(iter(model.graph.outputs.values()))
    one = len(inputs) == 1 and inputs[0].type.rank == 4 and inputs[0].shape[0] == 1
    return one and model.graph.is_bound and output.type.rank == 1 and output.shape != (1,)


def _is_per_item(model: Model, first: Array, count: int) -> bool:
    """Whether the first output has one row for each of the `count` items."""
    if any(is_open(v.shape) for v in model.graph.inputs):
        return next(iter(model.graph.outputs.values())).shape[:1] == (N,)
    return bool(first.shape[:1] == (count,))


def ranking(row: Array, model: Model, top: int) -> list[dict[str, Any]]:
    """The `top` classes with the largest outputs."""
    order = np.argsort(-row, kind="stable")[:top]
    known = len(model.classes) == len(row)
    return [{"class": model.classes[i] if known else str(i), "value": float(row[i])} for i in order]


def _class_text(each: dict[str, Any], model: Model) -> str:
    readable = {name: loss.readable for name, loss in LOSSES.items() if loss.readable is not None}
    prediction = next(iter(model.graph.outputs.values()))
    probability = model.loss in readable or any(
        is_probability(prediction, each) for each in readable.values()
    )
    value = f"{100 * each['value']:5.1f} %" if probability else f"{each['value']:9.4g}"
    return f"{shortened(printable(each['class']), 60)} {value}"


def _write_array(path: Path, array: Array) -> None:
    buffer = io.BytesIO()
    np.save(buffer, array)
    atomic_write(path, buffer.getvalue())


@click.command()
@model_argument
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), required=True,
    help="The ONNX file; with --training the folder.",
)  # fmt: skip
@file_options
@training_options
@click.option(
    "--verify/--no-verify", "verify", default=None,
    help="Compare with ONNX Runtime at three batch sizes in both of its modes, or do not compare. "
    "[default: as much of it as takes about a second]",
)  # fmt: skip
@click.option(
    "--sampler", is_flag=True,
    help="Write what draws with MODEL, its random numbers being inputs: see graphcnn sample.",
)  # fmt: skip
def export(
    model: ModelName,
    settings: dict[str, Any],
    output: Path,
    report: Path | None,
    training: Training,
    verify: bool | None,
    sampler: bool,
    **form: Any,
) -> None:
    """Write MODEL as an ONNX file, or with --training as a folder that trains.

    The file is checked, with full shape inference, and ONNX Runtime runs it at three batch sizes
    with its optimisations on and off. The differences from our own results are printed, and how far
    both are from the exact ones, a run in float64. Only then the file is written: not where a
    result is further off than rounding explains. Of a large model only as much is compared as takes
    about a second, and what is left out is printed; --verify compares all. The batch size stays
    open.

    With --training, the folder holds the whole training step as standard ONNX operators, gradients
    and first weights too, and a short program each for Python (train.py) and Node.js (train.mjs).
    Thirty steps of ONNX Runtime are compared with ours. A folder that exists keeps its other files.

    \b
    Examples:
      graphcnn export lenet5.safetensors -o lenet5.onnx
      graphcnn export resnet18 -o resnet18.onnx --target "onnxruntime>=1.16" --float16
      graphcnn export lenet5 --training -o lenet5-training --optimizer sgd
      graphcnn export pixelcnn.safetensors --sampler -o sampler.onnx
    """
    built = model.build(settings)
    if training.wanted and sampler:
        raise click.UsageError("--sampler writes what draws, --training what learns: give one")
    if training.wanted:
        export_training(built, output, training, form["opset"], verify)
        return
    note_untrained(model, built)
    if sampler:
        built = built.as_sampler()
    try:
        parity = built.export_onnx(output, verify=verify, **form)
    except ParityError as error:
        if report is not None:
            atomic_write(report, error.parity.to_json() + "\n")
        raise
    if parity is not None:
        if report is not None:
            atomic_write(report, parity.to_json() + "\n")
        click.echo(str(parity))
    elif verify is None:
        click.echo(
            "note: not compared, because ONNX Runtime is not installed: run  "
            'pip install "graphcnn[verify]"',
            err=True,
        )
    click.echo(f"written: {output}")
