"""Options that say how the optimiser works."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from graphcnn.learning.optimizers import OPTIMIZERS, Optimizer
from graphcnn.learning.schedules import SCHEDULES
from graphcnn.tools.commands.arguments import optimizer_option

F = TypeVar("F", bound=Callable[..., Any])


def defaults(setting: str, but: float | None = None) -> str:
    """`0.05 for sgd, 0.001 for rmsprop`: what `make_optimizer` takes where nobody says, without
    those that take `but`."""
    made = {name: make_optimizer(name) for name in OPTIMIZERS}
    having = {name: getattr(rule, setting) for name, rule in made.items() if hasattr(rule, setting)}
    return ", ".join(f"{value:g} for {name}" for name, value in having.items() if value != but)


def make_optimizer(name: str, learning_rate: float | None = None) -> Optimizer:
    """The optimiser of that name, with what its class suggests for small networks."""
    settings = {} if learning_rate is None else {"learning_rate": learning_rate}
    return OPTIMIZERS[name].suggested(**settings)


def optimizer_options(function: F) -> F:
    """Those of the optimiser, its schedule and averages, as keys of a recipe."""
    options = (
        optimizer_option("Rule of the updates.", default=None),
        click.option(
            "--learning-rate", type=click.FloatRange(min=0, min_open=True), metavar="X",
            help=f"Default: {defaults('learning_rate')}.",
        ),
        click.option(
            "--schedule", type=click.Choice(list(SCHEDULES)), metavar="NAME",
            help="How the learning rate goes over the epochs, from or to the one above. One of "
            f"{', '.join(SCHEDULES)}. Default: constant.",
        ),
        click.option(
            "--warmup", type=click.FloatRange(min=0), metavar="EPOCHS",
            help="Epochs in which the learning rate rises to where its schedule begins. Default: "
            "none.",
        ),
        click.option(
            "--momentum", type=click.FloatRange(0, 1, max_open=True), metavar="X",
            help=f"Default: {defaults('momentum')}; others have none.",
        ),
        click.option(
            "--weight-decay", type=click.FloatRange(min=0), metavar="X",
            help="Pull of kernels and matrices towards 0. "
            f"Default: {defaults('weight_decay', but=0)}, else 0.",
        ),
        click.option(
            "--clip-norm", type=click.FloatRange(min=0, min_open=True), metavar="X",
            help="Scale the gradients down to this common norm. Default: never.",
        ),
        click.option(
            "--ema", type=click.FloatRange(0, 1, min_open=True, max_open=True), metavar="DECAY",
            help="Keep a running mean of the weights, which forgets by this factor in every step "
            "(0.99 remembers some 100 steps, 0.999 some 1,000; fewer at first). The mean is what "
            "is validated and saved. Default: none.",
        ),
    )  # fmt: skip

    result: Any = function
    for option in reversed(options):
        result = option(result)
    return result  # type: ignore[no-any-return]
