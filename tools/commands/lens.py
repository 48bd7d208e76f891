"""The command that looks into a network: lens."""

import sys
import webbrowser
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click
import numpy as np

from graphcnn.data.dataset import Dataset
from graphcnn.data.specs import Size
from graphcnn.errors import DataError, OutputError
from graphcnn.ir.node import Array
from graphcnn.lens.finding import Finding
from graphcnn.lens.report.page import checked
from graphcnn.model import Model
from graphcnn.models.resolve import ModelName, fitting
from graphcnn.pictures.picture import SUFFIXES, writer
from graphcnn.pictures.writers.png import check_png
from graphcnn.tools.commands.arguments import (
    data_options,
    machine_options,
    model_argument,
    note_untrained,
    part_of,
    part_option,
    read_data,
)
from graphcnn.tools.lens_questions import QUESTIONS, Asked, Question, chosen
from graphcnn.tools.predict_inputs import read_inputs

F = TypeVar("F", bound=Callable[..., Any])

#: Headings of the help, by what a question needs.
HEADINGS = {
    "image": "Questions about an image",
    "network": "Questions about the network alone",
    "data": "Questions about a data set",
}
#: Suffixes of pictures: all but those of a language for graphs.
FORMATS = tuple(suffix for suffix in SUFFIXES if suffix not in (".dot", ".gv"))
#: Options that only some questions know, by the names of their parameters.
SOME = ("target", "layer", "at", "seed")


class Sections(click.Command):
    """A command whose questions stand under headings of their own."""

    def format_options(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        needs = {question.option: question.needs for question in QUESTIONS}
        rows: dict[str, list[tuple[str, str]]] = {heading: [] for heading in HEADINGS.values()}
        rows["Options"] = []
        for parameter in self.get_params(context):
            record = parameter.get_help_record(context)
            if record is not None and isinstance(parameter, click.Option):
                heading = HEADINGS[needs[name]] if (name := parameter.name) in needs else "Options"
                rows[heading].append(record)
        for heading, records in rows.items():
            if records:
                with formatter.section(heading):
                    formatter.write_dl(records)


def question_options(function: F) -> F:
    """An option for each question."""
    for question in reversed(QUESTIONS):
        flag = {"metavar": question.metavar} if question.metavar else {"is_flag": True}
        function = click.option(f"--{question.option}", help=question.help, **flag)(function)
    return function


def _place(context: Any, parameter: Any, text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    numbers = text.split(",")
    if len(numbers) != 2 or not all(n.strip().isdecimal() for n in numbers):
        raise click.BadParameter(f"{text!r} must be spelled ROW,COLUMN, as in 4,4")
    return int(numbers[0]), int(numbers[1])


@click.command(cls=Sections)
@model_argument
@click.argument("image", required=False)
@question_options
@click.option(
    "-o", "--output", required=True,
    type=click.Path(dir_okay=False, allow_dash=True, path_type=Path),
    help=f"The picture, in the format of its suffix: {', '.join(FORMATS)}; .npz writes the "
    "arrays; - writes SVG to the standard output. The report is .html.",
)  # fmt: skip
@click.option(
    "--target", metavar="CLASS|LAYER:UNIT",
    help="What is explained: a class by number or name, or a channel or unit of a layer. "
    "[default: the predicted class]",
)  # fmt: skip
@click.option(
    "--layer", metavar="LAYER",
    help="Where a class activation map looks. [default: the last with maps]",
)  # fmt: skip
@click.option(
    "--at", metavar="ROW,COLUMN", callback=_place,
    help="One place in the maps of a layer. [default: the mean of the map; for --field its middle]",
)  # fmt: skip
@click.option(
    "--seed", type=click.IntRange(min=0), metavar="N",
    help="Of what is drawn at random: noise, masks, starts. [default: 0]",
)  # fmt: skip
@click.option("--resize", is_flag=True, help="Scale a picture of another size to the model's.")
@data_options("A data set: what a question is about, or where --item is from.", required=False)
@part_option
@click.option(
    "--item", type=click.IntRange(min=0), metavar="N",
    help="An image by its number: of DATA in place of IMAGE, or of a .npy file of several.",
)  # fmt: skip
@click.option(
    "--verbose",
    is_flag=True,
    help="Say how long each section of the report took. [default: on a terminal]",
)
@click.option("--open", "show", is_flag=True, help="Show the result in the browser too.")
@machine_options
def lens(
    model: ModelName,
    settings: dict[str, Any],
    image: str | None,
    output: Path,
    resize: bool,
    data: str | None,
    size: Size | None,
    grey: bool | None,
    part: str,
    item: int | None,
    verbose: bool,
    show: bool,
    **asked: Any,
) -> None:
    """Look into MODEL: what it sees, and why it decides.

    With an IMAGE and no question: the report, one page with everything about this image, which
    opens in any browser without a connection. With a question: one picture, which says below how
    it came about.

    An IMAGE is what `graphcnn predict` takes: a picture file, made grey or colour as MODEL takes
    it, or a .npy array; --data DATA --item N takes an image of a data set. LAYER is a name that
    `graphcnn summary MODEL` prints, UNIT the number of a channel or unit, counted from 0. Scores
    are those before softmax, and numbers are computed in strict precision: the same command gives
    the same bytes.

    \b
    Examples:
      graphcnn lens lenet5.safetensors seven.png -o report.html
      graphcnn lens lenet5.safetensors --data mnist:DIR --item 12 -o report.html --open
      graphcnn lens lenet5.safetensors seven.png --why all -o why.svg
      graphcnn lens lenet5.safetensors seven.png --why grad_cam --layer C3 --target 2 -o why.svg
      graphcnn lens lenet5.safetensors seven.png --maps C3 -o maps.svg
      graphcnn lens lenet5.safetensors --maximise logits:7 -o seven.png
      graphcnn lens lenet5.safetensors --unit C3:4 --data mnist:DIR -o unit.svg
      graphcnn lens squeezenet.onnx photo.jpg --resize --why grad_cam -o cam.svg
    """
    found = chosen(asked.items())
    question, what = found if found else (None, "")
    _check_output(output, question)
    given = {key: asked[key] for key in SOME if asked[key] is not None}
    _check_options(question, image, data, item, given)
    part_chosen = part_of(read_data(data, size, grey), part, data) if data is not None else None
    built = model.build(settings, fitting(part_chosen) if part_chosen is not None else None)
    note_untrained(model, built)
    x, label = None, ""
    if question is None or question.needs == "image":
        x, label = _image(built, image, part_chosen, item, resize)
    looking = built.lens()
    if question is None:
        source = Path(image).name if image is not None else f"item {item or 0} of {data}"
        page = looking.report(
            x,
            given.get("target"),
            seed=given.get("seed", 0),
            label=label,
            source=source,
            repeat=_repeat(model, settings, image, data, part, item, resize),
            say=_say if verbose or sys.stderr.isatty() else None,
        )
        _finish(page.html, page.save, output, show)
        return
    if sys.stderr.isatty():
        click.echo("looking; what is new is compiled first, which takes seconds ...", err=True)
    answer = question.answer(Asked(looking, what, x, part_chosen, given))
    if str(output) != "-":
        click.echo(_told(answer))
    _finish(answer.svg, answer.save, output, show)


def _check_output(output: Path, question: Question | None) -> None:
    """Refuses a file that could not be written, before any work is done."""
    if str(output) == "-":
        return
    if not output.parent.is_dir():
        raise OutputError(f"cannot write {output}: the folder {output.parent} does not exist")
    if question is None:
        checked(output)
    elif output.suffix.lower() in SUFFIXES and output.suffix.lower() not in FORMATS:
        raise OutputError(f"cannot draw to {output}: DOT is a language for graphs")
    elif output.suffix.lower() != ".npz":
        writer(output)
        if output.suffix.lower() == ".png":
            check_png()


def _check_options(
    question: Question | None, image: str | None, data: str | None, item: int | None, given: Any
) -> None:
    """Refuses what does not go together, and what a question would not listen to."""
    name = f"--{question.option}" if question else "the report"
    takes = question.takes if question else ("target", "seed")
    for key in given:
        if key not in takes:
            raise click.UsageError(f"--{key} does not apply to {name}")
    needs = question.needs if question else "image"
    if needs == "image":
        if image is None and data is None:
            raise click.UsageError(
                f"{name} is about an image: name a file, or give --data DATA --item N"
            )
        if image is not None and data is not None:
            raise click.UsageError("give IMAGE or --data with --item, not both")
        return
    if image is not None:
        raise click.UsageError(f"{name} is about no image, found {image}")
    if item is not None:
        raise click.UsageError(f"--item does not apply to {name}")
    if needs == "data" and data is None:
        raise click.UsageError(f"{name} is about a data set: give --data DATA")


def _image(
    model: Model, image: str | None, data: Dataset | None, item: int | None, resize: bool
) -> tuple[Array, str]:
    """One image (C, H, W), and its label where that is known."""
    if image is None:
        assert data is not None
        number = item or 0
        if number >= len(data):
            raise DataError(f"there are {len(data)} images, counted from 0, found --item {number}")
        found, label = np.asarray(data.images[number]), data.labels[number]
        known = data.classes and np.ndim(label) == 0
        return found[None] if found.ndim == 2 else found, data.classes[label] if known else ""
    arrays, names = read_inputs(model, (image,), resize)
    if not isinstance(arrays, np.ndarray) or arrays.ndim != 4:
        raise DataError(f"{model.name} takes no images: the lens looks at models of one image")
    if item is None and len(names) > 1:
        raise DataError(f"{image} holds {len(names)} images: choose one with --item N")
    if (item or 0) >= len(names):
        raise DataError(f"{image} holds {len(names)} images, counted from 0, found --item {item}")
    return arrays[item or 0], ""


def _repeat(
    model: ModelName,
    settings: Mapping[str, Any],
    image: str | None,
    data: str | None,
    part: str,
    item: int | None,
    resize: bool,
) -> list[str]:
    """Python lines that make the model and the image again."""
    if model.onnx:
        made = f"cnn.import_onnx({model.text!r})"
    elif model.saved:
        made = f"cnn.load({model.text!r})"
    else:
        arguments = "".join(f", {k}={v!r}" for k, v in settings.items())
        made = f"cnn.models.build({model.text!r}{arguments})"
    lines = [f"model = {made}"]
    if data is not None:
        which = "test" if part == "all" else part
        lines.append(f"x = cnn.data.load({data!r}).{which}.images[{item or 0}]")
    else:
        lines += [
            "from pathlib import Path",
            "from graphcnn.tools.pictures import read_picture",
            "shape = model.graph.inputs[0].shape",
            f"x = read_picture(Path({image!r}), shape, resize={resize})[{item or 0}]",
        ]
    return lines


def _say(title: str, seconds: float) -> None:
    click.echo(f"{seconds:7.2f} s  {title}", err=True)


def _told(finding: Finding) -> str:
    """What was found out, in lines."""
    width = max(map(len, finding.facts), default=0)
    return "\n".join([finding.title, *(f"  {k:<{width}}  {v}" for k, v in finding.facts.items())])


def _finish(
    text: Callable[[], str], save: Callable[[Path], Path], output: Path, show: bool
) -> None:
    if str(output) == "-":
        click.echo(text(), nl=False)
        return
    path = save(output)
    click.echo(f"drawn: {path}")
    if show:
        webbrowser.open(path.resolve().as_uri())
