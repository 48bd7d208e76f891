"""The command that makes a model of weights from elsewhere."""

from pathlib import Path
from typing import Any

import click

from graphcnn.models.resolve import ModelName
from graphcnn.network.weights import check_suffix
from graphcnn.tools.commands.arguments import model_argument
from graphcnn.training.transfer.names import SOURCES


@click.command()
@model_argument
@click.argument("weights", type=click.Path(path_type=Path))
@click.option(
    "--names", type=click.Choice(SOURCES),
    help="Whose names the tensors have, and whose normalisation the images; torch: its modules are "
    "called as the layers of MODEL are. [default: those of MODEL]",
)  # fmt: skip
@click.option(
    "--skip", metavar="PATTERN", multiple=True,
    help="States of MODEL that are left as they are, such as logits.*; head is the last layer, of "
    "another number of classes. May be repeated.",
)  # fmt: skip
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path),
    help="The model. Default: NAME.safetensors in the current folder.",
)  # fmt: skip
def convert(
    model: ModelName,
    settings: dict[str, Any],
    weights: Path,
    names: str | None,
    skip: tuple[str, ...],
    output: Path | None,
) -> None:
    """Save MODEL with the WEIGHTS that another package trained, a .safetensors file.

    resnet18, vgg16 and mobilenet_v2 are those of torchvision and timm, squeezenet is that of
    torchvision. The model that is saved can be trained further, measured, drawn and exported.

    \b
    Examples:
      graphcnn convert resnet18 resnet18-f37072fd.safetensors --names torchvision
      graphcnn convert resnet18 resnet18-f37072fd.safetensors --names torchvision \\
          --set classes=5 --skip head -o flowers.safetensors
    """
    built = model.build(settings)
    target = output or Path(f"{built.name}.safetensors")
    check_suffix(target)
    if target.resolve() == weights.resolve():
        raise click.UsageError(f"{target} would take the place of WEIGHTS: give another --output")
    click.echo(str(built.load_weights(weights, names, skip=skip)))
    click.echo(f"saved: {built.save(target)}")
