"""Options that become the optimiser of a run."""

from collections.abc import Callable
from dataclasses import fields, replace
from functools import wraps
from typing import Any, TypeVar

import click

from graphcnn.learning.optimizers import EMA, OPTIMIZERS, Optimizer
from graphcnn.learning.schedules import SCHEDULES, Constant, epochs, warmup
from graphcnn.tools.commands.arguments import optimizer_option

F = TypeVar("F", bound=Callable[..., Any])


def defaults(setting: str, but: float | None = None) -> str:
    """`0.05 for sgd, 0.001 for rmsprop`: what `make_optimizer` takes where nobody says, without
    those that take `but`."""
    made = {name: make_optimizer(name) for name in OPTIMIZERS}
    having = {name: getattr(rule, setting) for name, rule in made.items() if hasattr(rule, setting)}
    return ", ".join(f"{value:g} for {name}" for name, value in having.items() if value != but)


def make_optimizer(
    name: str,
    learning_rate: float | None = None,
    momentum: float | None = None,
    weight_decay: float | None = None,
    clip_norm: float | None = None,
    schedule: str = "constant",
    warmed: float = 0.0,
    ema: float | None = None,
) -> Optimizer:
    """The optimiser of that name; None stands for what its class suggests for small networks.

    The rate follows the schedule of that name over the whole run, after `warmed` epochs of rise.
    With `ema` it averages the weights, too.
    """
    rule = OPTIMIZERS[name]
    arguments: dict[str, Any] = {
        "learning_rate": learning_rate,
        "momentum": momentum,
        "weight_decay": weight_decay,
        "clip_norm": clip_norm,
    }
    if momentum is not None and "momentum" not in {field.name for field in fields(rule)}:
        raise click.UsageError(f"--momentum has no meaning for {name}, which has its own")
    made = rule.suggested(**{key: x for key, x in arguments.items() if x is not None})
    rates = SCHEDULES[schedule](made.learning_rate)  # type: ignore[call-arg]
    rates = warmup(rates, epochs(warmed)) if warmed else rates
    made = made if isinstance(rates, Constant) else replace(made, learning_rate=rates)
    return made if ema is None else EMA(made, ema, warmup=True)


def optimizer_options(function: F) -> F:
    """The options of `make_optimizer`, as one argument `optimizer`."""
    options = (
        optimizer_option("Rule of the updates."),
        click.option(
            "--learning-rate", type=click.FloatRange(min=0, min_open=True), metavar="X",
            help=f"Default: {defaults('learning_rate')}.",
        ),
        click.option(
            "--schedule", type=click.Choice(list(SCHEDULES)), default="constant",
            show_default=True, metavar="NAME",
            help="How the learning rate goes over the epochs, from or to the one above. One of "
            f"{', '.join(SCHEDULES)}.",
        ),
        click.option(
            "--warmup", "warmed", type=click.FloatRange(min=0), metavar="EPOCHS", default=0.0,
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

    @wraps(function)
    def gathered(**arguments: Any) -> Any:
        settings = ("learning_rate", "momentum", "weight_decay", "clip_norm", "schedule", "warmed")
        how = {name: arguments.pop(name) for name in (*settings, "ema")}
        return function(**{**arguments, "optimizer": make_optimizer(arguments["optimizer"], **how)})

    result: Any = gathered
    for option in reversed(options):
        result = option(result)
    return result  # type: ignore[no-any-return]
