"""Arguments that several commands take."""

import ast
from collections.abc import Callable
from typing import Any, TypeVar

import click

from graphcnn.errors import DataError
from graphcnn.language.arguments import choose
from graphcnn.objective import LOSSES
from graphcnn.optimizers import OPTIMIZERS
from graphcnn.runtime.data.dataset import Dataset
from graphcnn.runtime.data.specs import SPECS, load
from graphcnn.tools.resolve import ModelName, UnknownModelError, find

F = TypeVar("F", bound=Callable[..., Any])


class ModelType(click.ParamType):
    """The name of a model: wrong use where there is none of that name."""

    name = "model"

    def convert(self, value: Any, param: Any, ctx: Any) -> ModelName:
        if isinstance(value, ModelName):
            return value
        try:
            return find(value)
        except UnknownModelError as error:
            self.fail(str(error), param, ctx)


class DataType(click.ParamType):
    """The spelling of a data set. It is read later, by `read_data`."""

    name = "data"

    def convert(self, value: Any, param: Any, ctx: Any) -> str:
        name, colon, rest = str(value).partition(":")
        try:
            form = choose(SPECS, name, "data set").form
        except Exception:
            near = ", ".join(spec.form for spec in SPECS.values())
            self.fail(f"unknown data set {name!r}. Known are {near}.", param, ctx)
        if "[" not in form and bool(rest) != (":" in form):
            self.fail(f"{value!r} must be spelled {form}", param, ctx)
        return str(value)


def read_data(spec: str) -> tuple[Dataset, Dataset]:
    """(train, test)."""
    return load(spec)


def _settings(context: Any, parameter: Any, values: tuple[str, ...]) -> dict[str, Any]:
    found = {}
    for text in values:
        key, equals, value = text.partition("=")
        if not equals or not key.isidentifier():
            raise click.BadParameter(f"{text!r} must be spelled NAME=VALUE, as in classes=100")
        try:
            found[key] = ast.literal_eval(value)
        except (ValueError, SyntaxError):
            found[key] = value
    return found


def model_argument(function: F) -> F:
    """MODEL, and --set for its arguments."""
    function = click.option(
        "--set",
        "settings",
        metavar="NAME=VALUE",
        multiple=True,
        callback=_settings,
        help="An argument of the model's function, as in --set classes=100. May be repeated.",
    )(function)
    return click.argument("model", type=ModelType())(function)


def data_option(help: str) -> Callable[[F], F]:
    return click.option("--data", type=DataType(), required=True, metavar="DATA", help=help)


batch_size_option = click.option(
    "--batch-size", type=click.IntRange(min=1), default=256, show_default=True,
    help="Images at a time. Changes memory and speed, not the result.",
)  # fmt: skip

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")

reconstruct_option = click.option(
    "--reconstruct", is_flag=True,
    help="The target of an image is the image itself, its pixels in [0, 1]: for autoencoders. "
    "The loss is mse unless --loss says another.",
)  # fmt: skip


def loss_option(help: str, default: str | None = "cross_entropy") -> Callable[[F], F]:
    return click.option(
        "--loss", type=click.Choice(list(LOSSES)), default=default,
        show_default=default is not None, help=help,
    )  # fmt: skip


def optimizer_option(help: str) -> Callable[[F], F]:
    return click.option(
        "--optimizer", type=click.Choice(list(OPTIMIZERS)), default="adam", show_default=True,
        help=help,
    )  # fmt: skip


def fitting(data: Dataset) -> dict[str, Any]:
    """Arguments of a model that suit the data."""
    channels, height, width = data.image_shape
    found: dict[str, Any] = {"in_channels": channels}
    if data.classes:
        found["classes"] = len(data.classes)
    if height == width:
        found["size"] = height
    return found


def reconstruction(data: Dataset) -> Dataset:
    """The same images, each with itself as its target."""
    from dataclasses import replace

    import numpy as np

    pixels = data.images
    if pixels.dtype == np.uint8:
        pixels = pixels / np.float32(255)
    return replace(data, labels=pixels, classes=())


def check_classes(data: Dataset, path: str) -> None:
    """Refuse a data set whose labels are no classes where the loss needs some."""
    if data.labels.dtype.kind == "f":
        raise DataError(f"{path} has no classes; give --loss mse or --loss l1")
