"""Commands about speed: bench, cache."""

from pathlib import Path
from typing import Any

import click

from graphcnn.base.config import PRECISIONS, RUNTIMES
from graphcnn.base.files import atomic_write


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
CASES = (
    "nets", "lens", "augment", "shards", "lstm", "draw", "light", "epoch", "cifar", "web",
    "embedded", "memory", "compile",
)  # fmt: skip


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
    "--case", "cases", default="nets", show_default=True, callback=_listed(CASES), metavar="A,B",
    help=f"What to measure, out of {', '.join(CASES)}; see above.",
)  # fmt: skip
@click.option(
    "--peers", is_flag=True,
    help="Also time PyTorch, captum, ONNX Runtime and OpenVINO, as far as they are installed.",
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
@click.option(
    "--precision", "precisions", type=click.Choice(PRECISIONS), multiple=True, default=("fast",),
    show_default=True,
    help="Of ours: strict does without Winograd's algorithm. May be repeated: a column for each.",
)  # fmt: skip
@click.option("--tune", is_flag=True,
              help="Ours with algorithms and layouts timed instead of estimated.")  # fmt: skip
@click.option("--data", default="", metavar="mnist:DIR",
              help="The images of the case epoch, or cifar10:FILE of the case cifar.")  # fmt: skip
@click.option("--whole", is_flag=True, help="Of the case cifar all epochs, and not one.")
@click.option("--bf16", is_flag=True,
              help="In the case cifar also PyTorch with autocast to bfloat16.")  # fmt: skip
@click.option("--steps", type=click.IntRange(min=1), metavar="N",
              help="In the case cifar N steps of each epoch, for a first look.")  # fmt: skip
@click.option("--curves", type=click.Path(dir_okay=False, path_type=Path),
              help="Draw loss and accuracy of all in the case cifar to this file.")  # fmt: skip
@click.option("--json", "target", type=click.Path(dir_okay=False, path_type=Path),
              help="Also write all numbers to this file.")  # fmt: skip
def bench(
    threads: tuple[int, ...], target: Path | None, curves: Path | None, **options: Any
) -> None:
    """Measure our speed and memory, alone or against others.

    All contenders get the same weights and inputs and take turns in one run, so that the noise of
    the machine meets all alike. Numbers are medians. The ratio is that of the best peer to us:
    above 1 we are better. A training step is forward, backward and SGD with momentum 0.9 on
    cross-entropy.

    \b
    Cases:
      nets     training steps and predictions of the networks in --nets
      lens     attributions of one image, with captum as the peer, and 64 images that are made
      augment  steps with flips, crops and holes, beside steps without; each transform alone
      shards   training steps in four parts, beside steps of the whole batch
      lstm     32 steps of an LSTM, 128 numbers to 256 units, forward and a training step
      draw     a training step of a PixelCNN, and 16 images of 14×14 that it draws, beside PyTorch
               that computes the whole network for every pixel
      light    single images through networks of the onnx package, weights seeded
      epoch    lenet5 over all of MNIST in batches of 64, reading of the files included
      cifar    the recipe cifar10: an epoch, or --whole, and the accuracy on the test images
      web      single images as WebAssembly in Node, beside onnxruntime-web where the current
               folder has it (npm install onnxruntime-web)
      embedded instructions, memory and code of small networks on a Cortex-M4 in QEMU, made by
               arm-none-eabi-gcc, with emx-onnx-cgen as the peer
      memory   the peak of a process that trains resnet18, batch 8
      compile  the training step of each network, with an empty cache and again

    \b
    Examples:
      graphcnn bench --nets lenet5
      graphcnn bench --peers --threads 1 --threads 2 --json bench.json
      graphcnn bench --peers --precision fast --precision strict
      graphcnn bench --peers --case lens --nets lenet5,mnist_cnn,resnet18
      graphcnn bench --case augment --threads 2
      graphcnn bench --peers --case web,embedded
      graphcnn bench --peers --case cifar --data cifar10:FILE --curves cifar.svg
      graphcnn bench --peers --case epoch,memory,compile,light --data mnist:DIR
    """
    from graphcnn.pictures.picture import check_target
    from graphcnn.tools.bench.cases import Options
    from graphcnn.tools.bench.report import curves as drawn
    from graphcnn.tools.bench.report import run_apart, table, to_json

    data = str(options["data"])
    if data and not data.startswith(("mnist:", "cifar10:")):
        raise click.BadParameter(
            f"{data!r} must be spelled mnist:DIR or cifar10:FILE", param_hint="--data"
        )
    if curves is not None:
        check_target(curves)
    chosen = Options(**options)
    results = [result for n in threads for result in run_apart(chosen, n)]
    click.echo(table(results))
    picture = None if curves is None else drawn(results)
    if curves is not None and picture is not None:
        click.echo(f"drawn: {picture.save(curves)}")
    if target is not None:
        atomic_write(target, to_json(results))


@click.command()
@click.option("--clear", is_flag=True, help="Remove everything from the cache.")
def cache(clear: bool) -> None:
    """Show the cache of compiled code, or clear it.

    Machine code, and the times that --tune measured, are kept in the user's cache folder
    (GRAPHCNN_CACHE, else XDG_CACHE_HOME/graphcnn, else ~/.cache/graphcnn), readable by the user
    alone. An entry is used only for the processor, the compiler and the version that it was made
    with, and checked by its content hash first.

    \b
    Examples:
      graphcnn cache
      graphcnn cache --clear
    """
    from graphcnn.runtime.native.code.cache import cache_info, clear_cache

    if clear:
        clear_cache()
    click.echo(str(cache_info()))
