"""Trials on copies: the first steps, a sweep of learning rates, one batch learned by heart."""

import math
from collections.abc import Iterator
from statistics import median
from typing import Any, Final

import numpy as np

from graphcnn.doctor.case import Case, norm
from graphcnn.doctor.finding import Finding, fine, listed, look, short, wrong
from graphcnn.doctor.overfit import Overfit, overfit_one_batch
from graphcnn.errors import TrainingError
from graphcnn.ir.node import Array
from graphcnn.training.lr_find import RateSweep, lr_find
from graphcnn.training.session import Session

#: Steps whose updates are looked at.
_STEPS: Final = 30
#: |change of weights| / |weights| of a step: about 1/1000 is usual (A. Karpathy, CS231n notes,
#: "Babysitting the learning process").
_SMALL, _LARGE = 1e-5, 3e-2


def steps(case: Case) -> Iterator[Finding]:
    """Updates beside the weights, and gradients, over the first steps."""
    names = [k for k, a in case.model.parameters.items() if a.ndim > 1]
    updates: dict[str, list[float]] = {name: [] for name in names}
    gradients: dict[str, list[float]] = {name: [] for name in names}
    losses: list[float] = []
    model, found = case.fresh(), dict[str, float]()

    def look_at(arrays: Any) -> None:
        found.update({k: norm(arrays[k]) for k in names if k in arrays})

    failed = ""
    with Session(
        model, case.loss, case.optimizer, (), seed=case.seed, data=case.data, **case.machine
    ) as session:
        for batch in _many(case, min(_STEPS, case.steps)):
            before: dict[str, Array] = {k: model.parameters[k].copy() for k in names}
            found.clear()
            try:
                losses.append(session.step(*batch, ready=look_at)["loss"])
            except TrainingError as error:
                failed = str(error)
                break
            for name in names:
                size, after = norm(before[name]), model.parameters[name]
                change = norm(after.astype(np.float64) - before[name])
                updates[name].append(change / size if size else math.nan)
                gradients[name].append(found.get(name, math.nan))
    case.evidence.updates = {k: v for k, v in updates.items() if v}
    case.evidence.step_gradients = {k: v for k, v in gradients.items() if v}
    case.evidence.losses = losses
    if failed:
        yield wrong(
            "steps",
            f"step {len(losses) + 1} fails at learning rate {short(case.rate)}: {failed}",
            "The run ends here.",
            "A smaller learning rate (see the rate below), or clip_norm=1.0 of the optimiser.",
        )
        return
    yield from _ratios(case)


def _many(case: Case, count: int) -> Iterator[Any]:
    """So many batches, epoch after epoch."""
    epoch = 0
    while count:
        for batch in case.data.epoch(case.seed, epoch, case.batch_size, shuffle=case.shuffle):
            yield batch
            count -= 1
            if not count:
                return
        epoch += 1


def _ratios(case: Case) -> Iterator[Finding]:
    updates = case.evidence.updates
    usual = {
        k: median(x for x in v if math.isfinite(x))
        for k, v in updates.items()
        if any(map(math.isfinite, v))
    }
    moving = {k: x for k, x in usual.items() if x > 0}
    if not moving:
        yield look(
            "steps",
            f"most of {len(case.evidence.losses)} updates are 0",
            "Nothing moves: all is learned already, or no gradient arrives.",
            "Look at the gradients and at the units.",
        )
        return
    least, most = min(moving, key=lambda k: moving[k]), max(moving, key=lambda k: moving[k])
    count = len(case.evidence.losses)
    seen = (
        f"over {count} steps an update is {short(moving[least])} ({least}) to "
        f"{short(moving[most])} ({most}) of the weights"
    )
    if moving[most] > _LARGE:
        large = [k for k, x in moving.items() if x > _LARGE]
        yield (wrong if moving[most] > 10 * _LARGE else look)(
            "steps",
            f"{seen}; about 1e-3 is usual",
            f"Weights of {listed(large)} are thrown about faster than they can settle.",
            f"A smaller learning rate, by this measure {short(case.rate * 1e-3 / moving[most])}, "
            "or a warm-up: learning_rate=cnn.schedules.warmup(rate, epochs(1)).",
        )
    elif moving[most] < _SMALL:
        yield wrong(
            "steps",
            f"{seen}; about 1e-3 is usual",
            "So many steps hardly change anything: the training looks as if it stood still.",
            f"A larger learning rate, {short(case.rate * 1e-3 / moving[most])} by this measure.",
        )
    elif moving[least] < _SMALL:
        slow = [k for k, x in moving.items() if x < _SMALL]
        yield look(
            "steps",
            f"{seen}; about 1e-3 is usual",
            f"{listed(slow)} hardly learn beside the others.",
            "optimizer='adam' gives each weight a rate of its own, and cnn.batch_norm evens them "
            "out.",
        )
    else:
        yield fine("steps", f"{seen}; about 1e-3 is usual")


def rate(case: Case) -> Iterator[Finding]:
    """The learning rate beside the one that a sweep finds."""
    sweep = case.evidence.sweep = lr_find(
        case.fresh(),
        case.data,
        loss=case.loss,
        optimizer=case.optimizer,
        batch_size=None if case.data.known_count is None else case.batch_size,
        steps=max(case.steps, 10),
        seed=case.seed,
        **case.machine,
    )
    best, diverged = sweep.steepest, _diverged(sweep)
    seen = f"the learning rate is {short(case.rate)}"
    if best is None:
        yield look(
            "rate",
            f"no rate from {sweep.rates[0]:g} to {sweep.rates[-1]:g} made the loss smaller",
            "Either there is nothing to learn, or noise hides it.",
            "Look at the other findings, and try larger batches.",
        )
    elif case.rate > 100 * best or (diverged is not None and case.rate > 3 * diverged):
        least = f"was least at {short(diverged)} and " if diverged is not None else ""
        yield wrong(
            "rate",
            f"{seen}; in the sweep the loss {least}fell fastest at {short(best)}",
            "Steps are longer than the valley is wide: the loss rises, or is no number soon.",
            f"learning_rate={short(best)}.",
        )
    elif case.rate > 10 * best or case.rate < best / 100:
        high = case.rate > best
        yield look(
            "rate",
            f"{seen}; in the sweep the loss fell fastest at {short(best)}",
            "Such a rate is near to where it diverges."
            if high
            else f"So it learns {short(best / case.rate)} times slower than it could.",
            f"learning_rate={short(best)}; model.lr_find(data).draw('rates.svg') shows the curve.",
        )
    else:
        yield fine("rate", f"{seen}; in the sweep the loss fell fastest at {short(best)}")


def _diverged(sweep: RateSweep) -> float | None:
    """The rate of the least loss, where the loss rises far above its beginning behind it."""
    smoothed = sweep.smoothed
    least = smoothed.index(min(smoothed))
    rises = max(smoothed[least:]) > 1.5 * smoothed[0] or "not finite" in sweep.ended
    return sweep.rates[least] if rises or "times its least" in sweep.ended else None


def one_batch(case: Case) -> Iterator[Finding]:
    """Whether one batch is learned; where not, whether it is with the rate of the sweep."""
    found = case.evidence.overfit = _tried(case, None)
    if found.success:
        yield fine(
            "one batch",
            f"{found.items} items are learned in {len(found.losses)} steps: the loss falls from "
            f"{short(found.losses[0])} to {short(min(found.losses))}; the best constant prediction "
            f"has {short(found.constants.best)}",
        )
        return
    if len(found.losses) < 1:
        yield wrong(
            "one batch", f"{found}", "There is no first step.", "Look at the findings above."
        )
        return
    sweep = case.evidence.sweep
    best = None if sweep is None else sweep.steepest
    again = None if best is None else _tried(case, best)
    low = min(found.losses)
    left = (low - found.constants.least) / max(found.constants.best - found.constants.least, 1e-30)
    seen = (
        f"one batch of {found.items} items is not learned in {len(found.losses)} steps: the loss "
        f"fell from {short(found.losses[0])} to {short(low)}, {short(found.to)} was expected"
    )
    if again is not None and again.success:
        case.evidence.overfit_again = again
        yield (wrong if left > 0.8 else look)(
            "one batch",
            f"{seen}; with learning rate {short(best or 0)} it took {len(again.losses)} steps",
            "The network can learn it: the learning rate hinders.",
            f"learning_rate={short(best or 0)}.",
        )
        return
    least = min(low, *(again.losses if again else [low]))
    hindered = []
    if found.dropout:
        hindered.append(f"dropout ({listed([*found.dropout])}) keeps the loss up: try without")
    hindered.append(f"more steps (now {case.steps}), or the findings above")
    rest = (least - found.constants.least) / max(
        found.constants.best - found.constants.least, 1e-30
    )
    yield (wrong if rest > 0.5 else look)(
        "one batch",
        seen,
        "What cannot learn one batch by heart learns nothing of many: labels that contradict each "
        "other, layers without gradient, or an output that cannot reach its targets."
        if rest > 0.5
        else "It learns, but slowly.",
        f"model.overfit_one_batch(data, steps={4 * case.steps}) shows how it goes on; "
        + "; ".join(hindered)
        + ".",
    )


def _tried(case: Case, given: float | None) -> Overfit:
    optimizer = case.optimizer if given is None else case.optimizer.at_rate(given)
    return overfit_one_batch(
        case.fresh(),
        case.data,
        loss=case.loss,
        optimizer=optimizer,
        batch_size=None if case.data.known_count is None else min(case.batch_size, 32),
        steps=case.steps,
        seed=case.seed,
        **case.machine,
    )
