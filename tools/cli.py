"""The command `graphcnn`: what every command shares; the commands are in `graphcnn.tools.commands`.

Exit codes: 0 done, 1 the work failed, 2 wrong use, 3 nothing compared, because ONNX Runtime itself
crashed, 4 the doctor found something wrong, 130 interrupted by Ctrl-C.
"""

import errno
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from graphcnn import __version__
from graphcnn.base.words import printable
from graphcnn.errors import CrashError, GraphCnnError, GraphCnnWarning, WrongUseError
from graphcnn.tools.commands.build import build, page
from graphcnn.tools.commands.check import check
from graphcnn.tools.commands.convert import convert
from graphcnn.tools.commands.doctor import doctor
from graphcnn.tools.commands.generative.judge import judge
from graphcnn.tools.commands.generative.sample import sample
from graphcnn.tools.commands.import_ import import_
from graphcnn.tools.commands.lens import lens
from graphcnn.tools.commands.lesson import lesson
from graphcnn.tools.commands.look import models, passes, summary
from graphcnn.tools.commands.ops import ops
from graphcnn.tools.commands.pictures import diff, draw, plan, volume
from graphcnn.tools.commands.profile import profile
from graphcnn.tools.commands.rates import lr_find_command
from graphcnn.tools.commands.runs import runs
from graphcnn.tools.commands.speed import bench, cache
from graphcnn.tools.commands.start import quickstart
from graphcnn.tools.commands.train import train
from graphcnn.tools.commands.use import evaluate, export, predict

CRASHED = 3
INTERRUPTED = 130
_DEBUG = "graphcnn.debug"


def _set_debug(context: click.Context, parameter: click.Parameter, value: bool) -> None:
    if value:
        context.meta[_DEBUG] = True


#: Understood before and after the name of the command.
debug_option = click.option(
    "--debug",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_set_debug,
    help="Show the Python traceback of an error.",
)


class Commands(click.Group):
    """A group whose commands turn errors into one message and an exit code."""

    def add_command(self, command: click.Command, name: str | None = None) -> None:
        super().add_command(debug_option(command), name)

    def list_commands(self, context: click.Context) -> list[str]:
        return list(self.commands)  # in the order of use, not of the alphabet

    def invoke(self, context: click.Context) -> Any:
        try:
            with _notes():
                return super().invoke(context)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except KeyboardInterrupt:
            click.echo("interrupted", err=True)
            context.exit(INTERRUPTED)
        except Exception as error:
            closed = isinstance(error, OSError) and error.errno == errno.EPIPE
            if closed or context.meta.get(_DEBUG):
                raise
            raise _failure(error)(_message(error)) from error


class Crash(click.ClickException):
    exit_code = CRASHED


def _failure(error: Exception) -> type[click.ClickException]:
    if isinstance(error, WrongUseError):
        return click.UsageError
    return Crash if isinstance(error, CrashError) else click.ClickException


@contextmanager
def _notes() -> Iterator[None]:
    """Our warnings as notes: no line of a program of ours is what the user wrote."""
    with warnings.catch_warnings():
        others = warnings.showwarning

        def show(message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> None:
            if issubclass(category, GraphCnnWarning):
                click.echo(f"note: {_printable(str(message))}", err=True)
            else:
                others(message, category, *where, **more)

        warnings.showwarning = show
        yield


def _printable(text: str) -> str:
    """A text that may hold names from files, without control characters."""
    return "\n".join(map(printable, text.split("\n")))


def _message(error: Exception) -> str:
    if isinstance(error, GraphCnnError):
        return _printable(str(error))
    if isinstance(error, MemoryError):
        return f"out of memory: {error or 'a smaller --batch-size may help'}"
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {(error.strerror or str(error)).lower()}"
    return (
        f"internal error, {type(error).__name__}: {error}\n"
        "This should not happen. Run the same command with --debug to see where."
    )


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="graphcnn")
@debug_option
def cli() -> None:
    """Define, train, look at and ship convolutional networks.

    \b
    First steps:
      graphcnn quickstart                 train on real digits, and see all that comes out
      graphcnn models                     networks to start from
      graphcnn summary lenet5             shapes, parameters, costs, receptive fields
      graphcnn train lenet5 --data mnist:DIR
      graphcnn doctor lenet5 --data mnist:DIR       what is wrong where it does not learn
      graphcnn predict lenet5.safetensors picture.png
      graphcnn lens lenet5.safetensors picture.png -o report.html
      graphcnn page lenet5.safetensors -o lenet5.html      play with it in a browser
      graphcnn build lenet5.safetensors --target wasm      run it elsewhere

    \b
    MODEL, where a command takes one, is
      a built-in name                     lenet5
      a function of yours                 my_module:my_function, or path/to/file.py:my_function
      a saved model                       lenet5.safetensors
      an ONNX file                        squeezenet.onnx

    \b
    DATA is
      digits                              1,797 handwritten digits, 1×8×8, from scikit-learn
      mnist:DIR                           the four IDX files of MNIST, gzipped or not
      cifar10:PATH                        CIFAR-10: binary batches, or JPEG pictures (folder, zip)
      images:PATH                         pictures in one folder per class (folder, zip), which may
                                          lie below train, val and test
      npz:FILE                            arrays of your own
      parquet:PATH                        a file or a folder of them, as Hugging Face has them
      xo[:n=1000,size=16,seed=0]          generated pictures of X and O
      shapes[:n=1000,size=32,seed=0]      generated discs, squares and triangles, and of each pixel
                                          what it shows

    Exit codes: 0 done, 1 the work failed, 2 wrong use, 3 nothing compared, because ONNX Runtime
    itself crashed on the model, 4 the doctor found something wrong, 130 interrupted by Ctrl-C.
    """


COMMANDS = (
    quickstart,
    train,
    runs,
    lr_find_command,
    doctor,
    evaluate,
    predict,
    sample,
    judge,
    summary,
    draw,
    volume,
    lens,
    page,
    lesson,
    export,
    build,
    import_,
    convert,
    check,
    passes,
    diff,
    plan,
    profile,
    models,
    ops,
    bench,
    cache,
)
for command in COMMANDS:
    cli.add_command(command)


def main() -> None:
    """Entry point of the command `graphcnn`."""
    # Formulas have × and ² in them; a console of another encoding gets a mark in their place.
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    cli(prog_name="graphcnn")
