"""The command to begin with."""

from pathlib import Path

import click

from graphcnn.tools.commands.arguments import runtime_options


@click.command()
@click.option(
    "--folder", type=click.Path(file_okay=False, path_type=Path), default="graphcnn-quickstart",
    show_default=True, help="Where everything is left; files of an earlier run are replaced.",
)  # fmt: skip
@click.option(
    "--seed", type=click.IntRange(min=0), metavar="N", default=0, show_default=True,
    help="Of the first weights and the order of the images.",
)  # fmt: skip
@runtime_options
@click.option("--no-progress", is_flag=True, help="No bar, and no line per epoch.")
def quickstart(folder: Path, seed: int, no_progress: bool) -> None:
    """Train a small network on real handwritten digits, in seconds.

    Needs the extra "demo" and no network connection. Leaves in the folder: the weights, an ONNX
    file that was compared with ONNX Runtime on all held-out digits, the architecture and the
    training curves as SVG, and NEXT-STEPS.txt with commands to go on with.

    \b
    Example:
      graphcnn quickstart
    """
    from graphcnn.tools.quickstart import quickstart as run

    found = run(folder, seed=seed, progress=not no_progress, say=click.echo)
    click.echo(
        f"""
held-out accuracy   {100 * found.accuracy:.2f} % of {found.held_out} digits
ONNX Runtime        largest difference {found.difference:.2e}, \
same digit in {100 * found.agreement:.0f} % of {found.held_out}
weights             {folder / "digits.safetensors"}
ONNX                {folder / "digits.onnx"}
architecture        {folder / "architecture.svg"}
training curves     {folder / "curves.svg"}
what to do next     {folder / "NEXT-STEPS.txt"}"""
    )
