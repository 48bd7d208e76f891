"""The command that draws images with a network."""

import io
from pathlib import Path
from typing import Any

import click
import numpy as np

from graphcnn.base.files import atomic_write
from graphcnn.data.dataset import Dataset
from graphcnn.data.normalisation import Normalisation
from graphcnn.errors import DataError
from graphcnn.generative.plane import plane
from graphcnn.ir.node import Array
from graphcnn.models.resolve import ModelName
from graphcnn.pictures.picture import FREE, check_target
from graphcnn.pictures.results.drawn import drawn_picture, sheet_pixels
from graphcnn.pictures.scene.pixels import write_png
from graphcnn.tools.commands.arguments import (
    data_options,
    machine_options,
    model_argument,
    note_untrained,
    part_of,
    part_option,
    read_data,
)

KEPT = ("upper", "lower", "left", "right")
#: Pixels of a sheet in a PNG file: small images are shown larger.
_SIDE = 640


def _kept(context: Any, parameter: Any, text: str | None) -> tuple[str, float] | None:
    """SIDE, or SIDE=SHARE."""
    if text is None:
        return None
    side, equals, share = text.partition("=")
    try:
        found = float(share) if equals else 0.5
    except ValueError:
        found = -1.0
    if side not in KEPT or not 0 < found < 1:
        raise click.BadParameter(
            f"{text!r} must be spelled SIDE or SIDE=SHARE, as in upper=0.4; sides are "
            f"{', '.join(KEPT)}, a share is between 0 and 1"
        )
    return side, found


def _condition(context: Any, parameter: Any, texts: tuple[str, ...]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        try:
            numbers = [float(v) if "." in v or "e" in v else int(v) for v in value.split(",")]
        except ValueError:
            numbers = []
        if not equals or not name or not numbers:
            raise click.BadParameter(
                f"{text!r} must be spelled NAME=NUMBER, as in label=7, or NAME=NUMBER,NUMBER,... "
                "with one for each image"
            )
        found[name] = numbers[0] if len(numbers) == 1 else np.asarray(numbers)
    return found


@click.command()
@model_argument
@click.option(
    "-n", "count", type=click.IntRange(min=1), default=64, show_default=True,
    help="How many images.",
)  # fmt: skip
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), required=True,
    help="Where to: .png is the sheet alone; .npy the numbers, float32 (n, C, H, W) in [0, 1]; "
    f"{', '.join(s for s in FREE if s != '.png')} a picture with the settings below it.",
)  # fmt: skip
@click.option("--seed", type=int, default=0, show_default=True, help="Of what is drawn.")
@click.option(
    "--temperature", type=float, default=1.0, show_default=True,
    help="Below 1 images are more alike and nearer to what is likely.",
)  # fmt: skip
@click.option(
    "--with", "conditions", metavar="NAME=NUMBER", multiple=True, callback=_condition,
    help="Another input of the network, for all images or one number for each: label=7, or "
    "label=0,1,2. May be repeated.",
)  # fmt: skip
@click.option(
    "--keep", metavar="SIDE[=SHARE]", callback=_kept,
    help=f"Complete images of DATA, of which this part stays: {', '.join(KEPT)}, with half of "
    "them or a share such as 0.3. It is shown in blue.",
)  # fmt: skip
@click.option(
    "--plane", "side", type=click.IntRange(min=1), metavar="N",
    help="N times N images of the plane of the codes, of a network whose codes are two numbers, "
    "in place of random ones.",
)  # fmt: skip
@click.option("--columns", type=click.IntRange(min=1), help="Images of a row. [default: a square]")
@data_options("The images that are completed, with --keep; see graphcnn --help.", required=False)
@part_option
@machine_options
def sample(
    model: ModelName,
    settings: dict[str, Any],
    count: int,
    output: Path,
    seed: int,
    temperature: float,
    conditions: dict[str, Any],
    keep: tuple[str, float] | None,
    side: int | None,
    columns: int | None,
    data: str | None,
    size: Any,
    grey: bool | None,
    part: str,
) -> None:
    """Draw images with MODEL, a network that was trained to.

    The same seed draws the same images, whatever number and for any number of threads. Networks
    that draw pixel after pixel, such as pixelcnn, complete images, too. Those that draw from a
    code, such as vae, draw whole ones.

    \b
    Examples:
      graphcnn sample pixelcnn.safetensors -o digits.png
      graphcnn sample pixelcnn.safetensors -n 16 --temperature 0.8 -o digits.html
      graphcnn sample pixelcnn.safetensors --data mnist:DIR --keep upper -o completed.png
      graphcnn sample vae.safetensors --plane 20 -o plane.png
      graphcnn sample vae.safetensors -n 1000 --seed 1 -o images.npy
    """
    if output.suffix not in (".npy", ".png"):
        check_target(output)
    if (keep is None) != (data is None):
        raise click.UsageError("--keep SIDE completes images of --data DATA: give both")
    if side is not None and (keep is not None or conditions):
        raise click.UsageError("--plane N draws of codes alone, without --keep and --with")
    built = model.build(settings)
    note_untrained(model, built)
    torn, source = None, ""
    if data is not None and keep is not None:
        chosen = part_of(read_data(data, size, grey), part, data)
        torn, source = _torn(chosen, count, *keep), chosen.name
    if side is not None:
        images = plane(built, side)
        images, columns = images.reshape(side * side, *images.shape[2:]), side
    else:
        images = built.sample(count, seed=seed, temperature=temperature, given=torn, **conditions)
    known = None if torn is None else ~np.isnan(torn)
    if output.suffix == ".npy":
        _save_numbers(images, output)
    elif output.suffix == ".png":
        sheet = sheet_pixels(images, known, columns)
        times = max(1, _SIDE // max(sheet.shape[:2]))
        large = np.ascontiguousarray(sheet.repeat(times, 0).repeat(times, 1))
        atomic_write(output, write_png(large))
    else:
        facts = [f"seed {seed}, temperature {temperature:g}"]
        facts += [f"{name} {value}" for name, value in conditions.items()]
        if keep is not None:
            facts.append(f"blue: {keep[0]} {keep[1]:.0%} of images of {source}, which were given")
        title, words = built.name, f"{len(images)} images that it draws"
        if side is not None:
            words, facts = "the plane of its codes", ["codes: quantiles of normal numbers"]
        drawn_picture(images, title, words, facts, known=known, columns=columns).save(output)
    click.echo(f"drawn: {output}")


def _torn(data: Dataset, count: int, side: str, share: float) -> Array:
    """The first images, of which one side is left."""
    if len(data) < count or len(data.image_shape) != 3:
        raise DataError(
            f"-n {count} images are to be completed, and {data.name} has {len(data)} items "
            f"{data.image_shape}"
        )
    images = np.asarray(data.batch(np.arange(count))[0])
    numbers = np.array(Normalisation().numbers(images), np.float32)
    axis = 2 if side in ("upper", "lower") else 3
    size = numbers.shape[axis]
    kept = min(max(1, round(share * size)), size - 1)
    drawn = slice(kept, None) if side in ("upper", "left") else slice(0, size - kept)
    numbers[(slice(None),) * axis + (drawn,)] = np.nan
    return numbers


def _save_numbers(images: Array, path: Path) -> None:
    buffer = io.BytesIO()
    np.save(buffer, images)
    atomic_write(path, buffer.getvalue())
