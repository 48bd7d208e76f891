"""Arguments that several commands take."""

import ast
import os
from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from typing import Any, TypeVar

import click

from graphcnn.base.config import PRECISIONS, RUNTIMES
from graphcnn.data.dataset import Dataset
from graphcnn.data.parts import Parts
from graphcnn.data.specs import SPECS, Size, drawn_options, load
from graphcnn.errors import DataError, GraphError
from graphcnn.language.arguments import choose
from graphcnn.learning.losses import LOSSES
from graphcnn.learning.named_goals import GOALS
from graphcnn.learning.optimizers import OPTIMIZERS
from graphcnn.model import Model
from graphcnn.models.resolve import ModelName, UnknownModelError, find
from graphcnn.network.views import TTA
from graphcnn.tools.onnx_inputs import shape_option

F = TypeVar("F", bound=Callable[..., Any])


def _model(context: Any, parameter: Any, text: str) -> ModelName:
    """The model of that name: wrong use where there is none."""
    try:
        return find(text)
    except UnknownModelError as error:
        raise click.BadParameter(str(error)) from None


def _data(context: Any, parameter: Any, text: str | None) -> str | None:
    """The spelling of a data set, checked; it is read later."""
    if text is None:
        return None
    name, _, rest = text.partition(":")
    try:
        form = choose(SPECS, name, "data set").form
    except GraphError as error:
        forms = ", ".join(spec.form for spec in SPECS.values())
        raise click.BadParameter(f"{error}; they are spelled {forms}") from None
    if "[" not in form and bool(rest) != (":" in form):
        raise click.BadParameter(f"{text!r} must be spelled {form}")
    if name in ("xo", "shapes"):
        try:
            drawn_options(rest, name)
        except DataError as error:
            raise click.BadParameter(str(error)) from None
    return text


def _settings(context: Any, parameter: Any, values: tuple[str, ...]) -> dict[str, Any]:
    found = {}
    for text in values:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise click.BadParameter(f"{text!r} must be spelled NAME=VALUE, as in classes=100")
        try:
            found[key] = ast.literal_eval(value)
        except (ValueError, SyntaxError):
            found[key] = value
    return found


def model_argument(function: F) -> F:
    """MODEL, --set for its arguments, and --shape for the inputs of an ONNX file."""

    @wraps(function)
    def command(*, model: ModelName, shapes: dict[str, Any], **options: Any) -> Any:
        return function(model=replace(model, shapes=shapes), **options)

    found: Any = click.option(
        "--set",
        "settings",
        metavar="NAME=VALUE",
        multiple=True,
        callback=_settings,
        help="An argument of the model's function, as in classes=100; or the numbers of an input "
        "of an ONNX file that decides shapes, as in sizes=N,3,448,448 or sizes=FILE.npy. May be "
        "repeated.",
    )(shape_option(command))
    return click.argument("model", callback=_model)(found)  # type: ignore[no-any-return]


def _size(context: Any, parameter: Any, text: str | None) -> int | tuple[int, int] | None:
    """N, or HxW as in 24x32."""
    if text is None:
        return None
    numbers = text.lower().replace("×", "x").split("x")
    if len(numbers) > 2 or not all(n.isdecimal() and 0 < int(n) < 1 << 16 for n in numbers):
        raise click.BadParameter(f"{text!r} must be spelled N or HEIGHTxWIDTH, as in 24x32")
    height, width = int(numbers[0]), int(numbers[-1])
    return height if height == width else (height, width)


#: Where the options that say how pictures are read are kept, and those of the machine.
READING, MACHINE = "graphcnn.reading", "graphcnn.machine"


def _note_reading(context: Any, parameter: Any, value: Any) -> None:
    context.meta.setdefault(READING, {})[parameter.name] = value


_READ_BY: dict[str, dict[str, Any]] = {
    "--background": {
        "metavar": "COLOUR",
        "help": "What is seen behind transparent pixels: white or black. [default: white]",
        "type": click.Choice(["white", "black"]),
    },
    "--on-error": {
        "type": click.Choice(["raise", "skip"]),
        "help": "Whether a picture that cannot be read ends the command, or is left out, with a "
        "warning. [default: raise]",
    },
    "--labels": {
        "metavar": "FILE",
        "help": "A CSV file with the labels of the pictures of images:PATH (file,label), in place "
        "of class folders.",
    },
    "--lazy": {
        "is_flag": True,
        "help": "Decode the pictures of images:PATH while training, and keep none; map the arrays "
        "of npz:FILE. For data larger than memory.",
    },
}


def data_options(help: str, required: bool = True) -> Callable[[F], F]:
    """--data, and what pictures become: --size and --grey, and how they are read."""

    def options(function: F) -> F:
        for name, settings in _READ_BY.items():
            function = click.option(
                name, default=None, expose_value=False, callback=_note_reading, **settings
            )(function)
        function = click.option(
            "--grey/--color", default=None,
            help="Channels of the pictures of images:PATH: one, or three. [default: one if all "
            "are grey]",
        )(function)  # fmt: skip
        function = click.option(
            "--size", metavar="N|HxW", callback=_size,
            help="Scale every picture of images:PATH to this height and width. [default: all must "
            "have one size]",
        )(function)  # fmt: skip
        return click.option(
            "--data", callback=_data, required=required, metavar="DATA", help=help
        )(function)  # fmt: skip

    return options


def read_data(data: str, size: Size | None, grey: bool | None) -> Parts:
    """The parts of DATA. Options that it does not have are wrong use."""
    options = {"size": size, "grey": grey, **click.get_current_context().meta.get(READING, {})}
    known = SPECS[data.partition(":")[0]].options
    if any(value is not None and name not in known for name, value in options.items()):
        wrong = [n for n, value in options.items() if value is not None and n not in known]
        names = {"grey": "--grey and --color"}
        said = ", ".join(names.get(n, f"--{n.replace('_', '-')}") for n in wrong)
        forms = " and ".join(s.form for s in SPECS.values() if {*wrong} <= s.options.keys())
        raise click.UsageError(f"{said}: for {forms}, not for {data}")
    parts = load(data, **options)
    if parts.skipped:
        click.echo(f"note: {len(parts.skipped)} files are left out", err=True)
    return parts


part_option = click.option(
    "--part", type=click.Choice(["test", "train", "validation", "all"]), default="test",
    show_default=True, help="Which part of DATA.",
)  # fmt: skip


def part_of(parts: Parts, part: str, data: str) -> Dataset:
    """The part that --part names."""
    if part == "all":
        return parts.joined()
    chosen = {"train": parts.train, "test": parts.test, "validation": parts.validation}[part]
    if chosen is None:
        raise DataError(f"{data} sets no images aside for validation; its parts are train and test")
    return chosen


def note_untrained(name: ModelName, model: Model) -> bool:
    """Whether the weights are random, which the user is told."""
    untrained = not name.saved and not model.is_initialized
    if untrained:
        click.echo(f"note: {name.text} is not trained; its weights are random", err=True)
    return untrained


batch_size_option = click.option(
    "--batch-size", type=click.IntRange(min=1), metavar="N", default=256, show_default=True,
    help="Images at a time. Changes memory and speed, not the result.",
)  # fmt: skip


def _environment(name: str) -> Callable[[Any, Any, Any], None]:
    """Hand an option on to all that the command runs, as if the environment had said it."""

    def store(context: Any, parameter: Any, value: Any) -> None:
        if value is None:
            return
        context.meta.setdefault(MACHINE, {})[parameter.name] = value
        before = os.environ.get(name)
        os.environ[name] = str(int(value)) if isinstance(value, bool) else str(value)

        def restore() -> None:
            if before is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = before

        context.call_on_close(restore)

    return store


def runtime_options(function: F) -> F:
    """--runtime, --threads, --precision and --tune."""
    function = click.option(
        "--tune", is_flag=True, default=None, expose_value=False,
        callback=_environment("GRAPHCNN_TUNE"),
        help="Time the algorithms and layouts on this machine, in place of estimates, and remember "
        "what is fastest. The first run takes longer.",
    )(function)  # fmt: skip
    function = click.option(
        "--precision", type=click.Choice(PRECISIONS), expose_value=False,
        callback=_environment("GRAPHCNN_PRECISION"),
        help="Of the native runtime: strict does without algorithms that round more than a plain "
        "sum (Winograd). [default: fast]",
    )(function)  # fmt: skip
    return machine_options(function)


def machine_options(function: F) -> F:
    """--runtime and --threads."""
    function = click.option(
        "--threads", type=click.IntRange(min=1), metavar="N", expose_value=False,
        callback=_environment("GRAPHCNN_THREADS"),
        help="Threads of the native runtime; the numbers are the same for any N. [default: cores]",
    )(function)  # fmt: skip
    return click.option(
        "--runtime", type=click.Choice(RUNTIMES), expose_value=False,
        callback=_environment("GRAPHCNN_RUNTIME"),
        help="Machine code, or the NumPy reference that defines the numbers. [default: native]",
    )(function)  # fmt: skip


tta_option = click.option(
    "--tta", type=click.Choice(TTA),
    help="Average the scores over the mirror image, over images moved by a pixel, or both.",
)  # fmt: skip

metric_option = click.option(
    "--metric", "metrics", multiple=True, metavar="NAME",
    help="Measure this besides the loss, in place of what suits it: f1, auc, top_3_accuracy, "
    "mean_iou, r2, ... May be given several times.",
)  # fmt: skip

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")

reconstruct_option = click.option(
    "--reconstruct", is_flag=True,
    help="The target of an image is the image itself, its pixels in [0, 1]: for autoencoders. "
    "The loss is mse unless --loss or the network says another.",
)  # fmt: skip

binarise_option = click.option(
    "--binarise", is_flag=True,
    help="Images in black and white: each number is 1 with the probability of its grey value, "
    "drawn once.",
)  # fmt: skip


def loss_option(help: str) -> Callable[[F], F]:
    names = [*LOSSES, *GOALS]
    return click.option(
        "--loss", type=click.Choice(names), metavar="NAME",
        help=f"{help} Default: that of MODEL, else cross_entropy. One of {', '.join(names)}.",
    )  # fmt: skip


def optimizer_option(help: str, default: str | None = "adam") -> Callable[[F], F]:
    known = f"One of {', '.join(OPTIMIZERS)}."
    return click.option(
        "--optimizer", type=click.Choice(list(OPTIMIZERS)), metavar="NAME", default=default,
        show_default=default is not None,
        help=f"{help} {known}" if default else f"{help} {known} Default: adam.",
    )  # fmt: skip
