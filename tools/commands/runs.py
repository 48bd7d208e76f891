"""The command that compares runs."""

import json
from pathlib import Path

import click

from graphcnn.pictures.picture import FREE, check_target
from graphcnn.recipes.runs import check_column, curves, runs_in, sorted_by, table, to_dict, where
from graphcnn.tools.commands.arguments import json_option


def _conditions(context: object, parameter: object, texts: tuple[str, ...]) -> dict[str, str]:
    found = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not name or not equals:
            raise click.BadParameter(f"{text!r} must be spelled NAME=VALUE, as in state=finished")
        found[name] = value
    return found


@click.command()
@click.argument("folders", nargs=-1, metavar="[DIR]...", type=click.Path(path_type=Path))
@click.option(
    "--sort", metavar="NAME", default="run", show_default=True,
    help="A column of the table, or a key of the recipes; -NAME has the largest first.",
)  # fmt: skip
@click.option(
    "--where", "conditions", metavar="NAME=VALUE", multiple=True, callback=_conditions,
    help="Those runs alone, as in network=lenet5 or optimizer.name=sgd. May be repeated.",
)  # fmt: skip
@click.option(
    "--column", "columns", metavar="NAME", multiple=True,
    help="One more column, a key of the recipes, as in optimizer.learning_rate. May be repeated.",
)  # fmt: skip
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path),
    help="Draw the curves of these runs in one picture, in the format of the suffix: "
    f"{', '.join(FREE)}.",
)  # fmt: skip
@click.option(
    "--measure", "measures", metavar="NAME", multiple=True,
    help="What --output draws, as in val_accuracy. Default: losses and accuracies. May be "
    "repeated.",
)  # fmt: skip
@json_option
def runs(
    folders: tuple[Path, ...],
    sort: str,
    conditions: dict[str, str],
    columns: tuple[str, ...],
    output: Path | None,
    measures: tuple[str, ...],
    as_json: bool,
) -> None:
    """List the runs in DIR and below it: what they were, and what came out of them.

    A run is a folder that graphcnn train wrote with --run. Without DIR it is the current folder.

    \b
    Examples:
      graphcnn runs
      graphcnn runs experiments --sort -accuracy --column optimizer.learning_rate
      graphcnn runs experiments --where network=lenet5 -o curves.svg --measure val_accuracy
    """
    if output is not None:
        check_target(output)
    found = runs_in(folders or (Path(),))
    for name in columns:
        check_column(found, name)
    found = sorted_by(where(found, conditions), sort)
    if as_json:
        click.echo(json.dumps([to_dict(run) for run in found], indent=1, ensure_ascii=False))
    else:
        click.echo(table(found, columns) if found else "no run is such")
    if output is not None:
        curves(found, measures).save(output)
