"""The command that says what drawn images are worth."""

import json
from pathlib import Path
from typing import Any

import click

from graphcnn.generative.judging import judge as judged
from graphcnn.models.resolve import ModelName, find
from graphcnn.pictures.picture import FREE, check_target
from graphcnn.tools.commands.arguments import (
    data_options,
    json_option,
    machine_options,
    model_argument,
    note_untrained,
    read_data,
)


@click.command()
@model_argument
@click.option(
    "--by", "classifier", metavar="CLASSIFIER", required=True,
    help="A saved network that tells the classes of DATA apart.",
)  # fmt: skip
@data_options("What MODEL was trained on; see graphcnn --help.")
@click.option(
    "-n", "count", type=click.IntRange(min=5), default=2000, show_default=True,
    help="Images that are drawn, and of the test part with which they are compared.",
)  # fmt: skip
@click.option("--seed", type=int, default=0, show_default=True, help="Of what is drawn.")
@click.option(
    "--features", metavar="NAME",
    help="The tensor of CLASSIFIER in which images lie near each other; by default what its last "
    "layer reads.",
)  # fmt: skip
@click.option(
    "--nearest", type=click.Path(dir_okay=False, path_type=Path),
    help="Draw the first images, each with the nearest training image beside it, to this file, in "
    f"the format of its suffix: {', '.join(FREE)}.",
)  # fmt: skip
@json_option
@machine_options
def judge(
    model: ModelName,
    settings: dict[str, Any],
    classifier: str,
    data: str,
    size: Any,
    grey: bool | None,
    count: int,
    seed: int,
    features: str | None,
    nearest: Path | None,
    as_json: bool,
) -> None:
    """Say what images are worth that MODEL draws, beside those of DATA that it was not trained on.

    CLASSIFIER tells how often each class is drawn. Precision is the share of drawn images that lie
    among real ones, in its features, recall that of real images among drawn ones (T. Kynkäänniemi
    et al., arXiv:1904.06991). The distance to the nearest training image, beside that of other real
    images, shows whether training images are drawn again. Such numbers are compared for one
    CLASSIFIER only.

    \b
    Examples:
      graphcnn judge dcgan.safetensors --by mnist_fast.safetensors --data mnist:DIR
      graphcnn judge vae.safetensors --by mnist_fast.safetensors --data mnist:DIR --json
      graphcnn judge wgan_gp.safetensors --by mnist_fast.safetensors --data mnist:DIR \\
          --nearest nearest.html
    """
    if nearest is not None:
        check_target(nearest)
    parts = read_data(data, size, grey)
    built = model.build(settings)
    note_untrained(model, built)
    by = find(classifier)
    judging = by.build()
    note_untrained(by, judging)
    found = judged(built, parts.test, parts.train, judging, n=count, seed=seed, features=features)
    if as_json:
        shares = {"classes": found.shares.tolist(), "real_classes": found.real_shares.tolist()}
        row = {"model": built.name, "by": judging.name, "data": data, "images": len(found.drawn)}
        click.echo(json.dumps({**row, **found.numbers(), **shares}, indent=2))
    else:
        click.echo(str(found))
    if nearest is not None:
        click.echo(f"drawn: {found.draw(nearest)}", err=as_json)
