"""Commands that work an operator step by step: one for each figure, in the group `lesson`."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click

from graphcnn.pictures import SUFFIXES
from graphcnn.pictures.lessons.conv_steps import takes
from graphcnn.pictures.lessons.examples import EXAMPLES, Example
from graphcnn.pictures.picture import writer
from graphcnn.tools.commands.pictures import finish


def _numbers(word: str = "", sides: bool = False) -> Callable[[Any, Any, str | None], Any]:
    """Reads N, or HxW as in 2x3; for some options also a word, or four numbers."""

    def read(context: Any, parameter: Any, text: str | None) -> Any:
        if text is None or (word and text == word):
            return text
        four = sides and text.count(",") == 3
        numbers = text.split(",") if four else text.lower().replace("×", "x").split("x")
        if len(numbers) > (4 if four else 2) or not all(n.strip().isdecimal() for n in numbers):
            more = f", {word}" * bool(word) + " or TOP,BOTTOM,LEFT,RIGHT" * sides
            raise click.BadParameter(f"{text!r} must be spelled N or HEIGHTxWIDTH, as in 2x3{more}")
        found = tuple(map(int, numbers))
        return found[0] if len(found) == 1 else found

    return read


def _count(name: str, help: str, least: int = 1) -> click.Option:
    return click.Option([f"--{name}"], type=click.IntRange(min=least), metavar="N", help=help)


def _sizes(name: str, help: str, metavar: str = "N|HxW", **more: Any) -> click.Option:
    return click.Option([f"--{name}"], metavar=metavar, callback=_numbers(**more), help=help)


def _changes(kind: str) -> Iterator[click.Option]:
    """Options for the arguments of `conv_steps` that matter for an operator."""
    cuts = kind == "conv_transpose2d"
    padding = "Rows and columns that are cut off." if cuts else "Border of the input."
    same = {"word": "same"} if kind not in ("conv_transpose2d", "pad2d") else {}
    spelled = "N|HxW|T,B,L,R" + "|same" * bool(same)
    options = (
        _sizes("size", "Height and width of the input."),
        _count("channels", "Channels of the input."),
        _count("filters", "Maps of the output."),
        _sizes("kernel", "Size of the window."),
        _sizes("stride", "Pixels from one window to the next."),
        _sizes("padding", padding, spelled, sides=True, **same),
        _sizes("dilation", "Pixels from one weight of the kernel to the next."),
        _count("groups", "Groups of channels that filters keep to."),
        _sizes("output-padding", "Rows and columns added at the end."),
        _sizes("scale", "How many times larger the output is."),
        _count("seed", "Of the numbers of input and kernel.", 0),
    )
    known = takes(kind)
    return (option for option in options if option.name in known)


def _file(context: Any, parameter: Any, output: Path | None) -> Path | None:
    """Refuses a file of unknown type before any work is done."""
    if output is not None and str(output) != "-":
        writer(output)
    return output


_HELP = """{about}.

Each step shows the window, the numbers under it, what becomes of them and where it goes, and below
stands the formula of the output's size. The numbers are those that the operator itself computes.
SVG and HTML move, and stand still for readers who asked for less motion; PDF, PNG and LaTeX have
some steps side by side. Without -o the steps are printed as text.

\b
Examples:
  graphcnn lesson {name}
  graphcnn lesson {name} -o {name}.svg --open
  graphcnn lesson {name} --size {size} -o {name}.pdf
"""


def figure(name: str, example: Example) -> click.Command:
    """The command that draws one figure."""

    def draw(
        output: Path | None, strip: bool, frame: int | None, show: bool, **options: Any
    ) -> None:
        if strip and frame is not None:
            raise click.UsageError("--strip and --frame exclude each other")
        if show and output is None:
            raise click.UsageError("--open needs a file: give -o")
        picture = example.draw(**{key: v for key, v in options.items() if v is not None})
        if strip:
            picture = picture.strip()
        elif frame is not None:
            count = len(picture.scene.film.seconds) if picture.scene.film else 1
            if not 1 <= frame <= count:
                raise click.UsageError(f"the film has the frames 1 to {count}, not {frame}")
            picture = picture.frame(frame - 1)
        if output is None:
            click.echo(picture.text(), nl=False)
        else:
            finish(picture, output, show)

    suffixes = ", ".join(s for s in SUFFIXES if s not in (".dot", ".gv"))
    params: list[click.Parameter] = [
        click.Option(
            ["-o", "--output"], type=click.Path(dir_okay=False, allow_dash=True, path_type=Path),
            callback=_file, help=f"The film, in the format of its suffix: {suffixes}; - writes SVG "
            "to the standard output.",
        ),
        click.Option(["--strip"], is_flag=True, help="Some steps side by side, as SVG too."),
        click.Option(["--frame"], type=int, metavar="N", help="One step, counted from 1."),
        *_changes(example.kind),
        click.Option(["--open", "show"], is_flag=True, help="Show it in the browser too."),
    ]  # fmt: skip
    about = example.about[0].upper() + example.about[1:]
    text = _HELP.format(about=about, name=name, size=3 if "transposed" in name else 6)
    return click.Command(name, callback=draw, params=params, help=text, short_help=f"{about}.")


@click.command("all")
@click.option(
    "-o", "--output", "folder", required=True, metavar="FOLDER",
    type=click.Path(file_okay=False, path_type=Path), help="Where the files are put.",
)  # fmt: skip
@click.option("--strip", is_flag=True, help="Strips for paper instead of films.")
def all_figures(folder: Path, strip: bool) -> None:
    """All figures that go step by step, as SVG.

    \b
    Examples:
      graphcnn lesson all -o figures
      graphcnn lesson all -o strips --strip
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, example in EXAMPLES.items():
        picture = example.draw()
        finish(picture.strip() if strip else picture, folder / f"{name}.svg", False)


#: In the order of the help.
STEPS = (*(figure(name, example) for name, example in EXAMPLES.items()), all_figures)
