"""Commands about speed: bench, cache."""

from pathlib import Path
from typing import Any

import click

from graphcnn.config import RUNTIMES
from graphcnn.files import atomic_write


def _listed(known: tuple[str, ...]) -> Any:
    """A callback that reads "a,b" as names out of `known`."""

    def read(context: Any, parameter: Any, text: str) -> tuple[str, ...]:
        names = tuple(part.strip() for part in text.split(",") if part.strip())
        for name in names or ("",):
            if name not in known:
                raise click.BadParameter(f"unknown {name!r}; known are {', '.join(known)}")
        return names

    return read


NETS = ("lenet5", "mnist_cnn", "vgg_cifar", "resnet18")
WORK = ("train", "infer", "single")


@click.command()
@click.option(
    "--nets", default=",".join(NETS), show_default=True, callback=_listed(NETS), metavar="A,B",
    help="Networks to time.",
)  # fmt: skip
@click.option(
    "--work", default=",".join(WORK), show_default=True, callback=_listed(WORK), metavar="A,B",
    help="Training steps, inference in large batches, inference of single images.",
)  # fmt: skip
@click.option(
    "--peers", is_flag=True,
    help="Also time PyTorch, ONNX Runtime and OpenVINO, as far as they are installed.",
)  # fmt: skip
@click.option(
    "--threads", type=click.IntRange(min=1), multiple=True, default=(1,), show_default=True,
    metavar="N", help="Threads for everybody; may be repeated.",
)  # fmt: skip
@click.option(
    "--rounds", type=click.IntRange(min=1), default=9, show_default=True, metavar="N",
    help="Times that each contender has its turn; medians are told.",
)  # fmt: skip
@click.option("--runtime", type=click.Choice(RUNTIMES), default=RUNTIMES[0], show_default=True,
              help="Ours to time.")  # fmt: skip
@click.option("--json", "target", type=click.Path(dir_okay=False, path_type=Path),
              help="Also write all numbers to this file.")  # fmt: skip
def bench(
    nets: tuple[str, ...],
    work: tuple[str, ...],
    peers: bool,
    threads: tuple[int, ...],
    rounds: int,
    runtime: str,
    target: Path | None,
) -> None:
    """Time training steps and predictions, alone or against others.

    All contenders get the same weights and inputs and take turns in one run, so that the noise of
    the machine meets all alike. The ratio is that of the fastest peer to us, above 1 we are faster.
    A training step is forward, backward and SGD with momentum 0.9 on cross-entropy.

    \b
    Examples:
      graphcnn bench --nets lenet5
      graphcnn bench --peers --threads 1 --threads 2 --json bench.json
    """
    from graphcnn.tools.bench.report import run_apart, table, to_json

    arguments = [",".join(nets), ",".join(work), "peers" if peers else "alone", str(rounds),
                 runtime]  # fmt: skip
    results = [result for n in threads for result in run_apart(arguments, n)]
    click.echo(table(results))
    if target is not None:
        atomic_write(target, to_json(results))


@click.command()
@click.option("--clear", is_flag=True, help="Remove everything from the cache.")
def cache(clear: bool) -> None:
    """Show the cache of compiled code, or clear it.

    Machine code is kept in the user's cache folder (GRAPHCNN_CACHE, else XDG_CACHE_HOME/graphcnn,
    else ~/.cache/graphcnn), readable by the user alone. An entry is used only for the processor,
    the compiler and the version that it was made with, and checked by its content hash first.

    \b
    Examples:
      graphcnn cache
      graphcnn cache --clear
    """
    from graphcnn.runtime.native.cache import cache_info, clear_cache

    if clear:
        clear_cache()
    click.echo(str(cache_info()))
