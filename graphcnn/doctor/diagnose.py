"""`diagnose`: all checks, one after the other, on copies of the model."""

import copy
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from graphcnn.doctor.case import Case, Evidence
from graphcnn.doctor.checks.copies import copies, neighbours
from graphcnn.doctor.checks.labels import labels
from graphcnn.doctor.checks.network import ends, norms, trained
from graphcnn.doctor.checks.pixels import pixels, test_images
from graphcnn.doctor.checks.signals import gradients, signals
from graphcnn.doctor.checks.start import start
from graphcnn.doctor.checks.trials import one_batch, rate, steps
from graphcnn.doctor.diagnosis import Diagnosis
from graphcnn.doctor.finding import GRADES, Finding, wrong
from graphcnn.errors import DataError, GraphCnnError, GraphCnnWarning, GraphError
from graphcnn.learning.aim import Losses, aim_of, loss_name
from graphcnn.learning.goals import Goals
from graphcnn.learning.optimizers import Optimizer
from graphcnn.learning.optimizers import optimizer as make_optimizer
from graphcnn.learning.schedules import Schedule
from graphcnn.lens.untrained import is_untrained
from graphcnn.network.feeding import Data, as_dataset, at_least_one
from graphcnn.network.network import Network
from graphcnn.network.usual_loss import usual_loss
from graphcnn.runtime.execution import Execution
from graphcnn.training.fit import chosen_batch_size
from graphcnn.training.session import Session, checked_seed

Check = Callable[[Case], Iterator[Finding]]
#: In this order: later ones use what earlier ones measured.
CHECKS: Final[tuple[tuple[str, Check], ...]] = (
    ("pixels", pixels),
    ("pixels", test_images),
    ("labels", labels),
    ("copies", copies),
    ("neighbours", neighbours),
    ("output", ends),
    ("batch norm", norms),
    ("start", start),
    ("units", signals),
    ("gradients", gradients),
    ("layers", trained),
    ("steps", steps),
    ("rate", rate),
    ("one batch", one_batch),
)


def diagnose(
    model: Network,
    data: Data,
    targets: Any = None,
    *,
    test: Data | None = None,
    loss: Losses | None = None,
    loss_weights: Mapping[Any, float] | Sequence[float] | None = None,
    penalties: Mapping[str, Any] | None = None,
    optimizer: str | Optimizer = "sgd",
    learning_rate: float | Schedule | None = None,
    batch_size: int | None = None,
    shuffle: bool = True,
    steps: int = 100,
    seed: int = 0,
    runtime: str | None = None,
    threads: int | None = None,
    precision: str | None = None,
    tune: bool | None = None,
) -> Diagnosis:
    """Look for what keeps a network from learning: give it what you would give `fit`.

        found = cnn.diagnose(model, train, test=test, optimizer=cnn.SGD(0.1))
        print(found)
        found.save("doctor.html")

    Each check tells what it saw with the numbers, what that means, and what to do. They are: the
    pixels as they are fed; classes, their order and balance; exact copies within the data, and of
    test items among them; whether images that are alike have one label; what the network ends in
    and whether the targets are in its reach; batch norms of few items; the loss before the first
    step against log K, or the best constant prediction; units that are always 0 and activations at
    their ends; gradients that vanish, explode or are missing; layers that are frozen or that no
    loss depends on; updates beside the weights over the first steps; the learning rate beside the
    one that `lr_find` finds; and one batch, which has to be learned by heart.

    The model is left as it is, to the bit: weights, running statistics, normalisation, classes. The
    same seed gives the same findings for any number of threads.

    Args:
        data, targets, loss_weights, penalties, optimizer, learning_rate, batch_size, shuffle, seed,
            runtime, threads, precision, tune: as in `fit`.
        test: data of the test or the validation, which none of the training data should be in.
        loss: as in `fit`; by default that of the last `fit`, else cross-entropy.
        steps: of each trial; the rates are swept in so many, and one batch is to be learned.

    Raises:
        DataError: what cannot be trained on at all is a finding; options that are none are not.
    """
    model.refuse_in_training("diagnose cannot begin")
    execution = Execution.of(runtime, threads, precision, tune)
    steps, seed = at_least_one(steps, "steps"), checked_seed(seed)
    aim = aim_of(usual_loss(model, loss), loss_weights, penalties)
    if isinstance(aim, Goals):
        raise GraphError(
            "diagnose asks what a loss of predictions and targets can reach, which nobody knows of "
            f"goals ({aim}): give loss=, or look at session.gradients"
        )
    rule = make_optimizer(optimizer)
    rule = rule if learning_rate is None else rule.at_rate(learning_rate)
    found: list[Finding] = []
    skipped: list[tuple[str, str]] = []
    evidence, told = Evidence(), getattr(data, "name", "arrays")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", GraphCnnWarning)  # the findings tell it
        try:
            case = _case(
                model, data, targets, test, aim, rule, batch_size, shuffle, steps, seed, execution
            )
        except (DataError, GraphError) as error:
            found.append(
                wrong(
                    "set-up",
                    str(error),
                    "fit refuses it: nothing can be trained so.",
                    "Mend what the message names; the other checks follow then.",
                )
            )
            size = batch_size
        else:
            evidence, told, size = case.evidence, case.data.about, case.batch_size
            for name, check in CHECKS:
                try:
                    found += check(case)
                except GraphCnnError as error:
                    skipped.append((name, str(error)))
    found.sort(key=lambda f: -GRADES.index(f.grade))
    settings = (
        ("loss", loss_name(aim)),
        ("optimizer", str(rule)),
        ("batch size", str(size)),
        ("steps of a trial", str(steps)),
        ("seed", str(seed)),
    )
    return Diagnosis(model.name, told, tuple(found), tuple(skipped), evidence, settings)


def _case(
    model: Network,
    data: Data,
    targets: Any,
    test: Data | None,
    loss: Losses,
    optimizer: Optimizer,
    batch_size: int | None,
    shuffle: bool,
    steps: int,
    seed: int,
    execution: Execution,
) -> Case:
    """A copy of the model in front of its data. Raises what `fit` raises."""
    trained = not is_untrained(model)
    own = copy.deepcopy(model)
    dataset = as_dataset(data, own, model.classes, loss=loss, targets=targets)
    held_out = None
    if test is not None:
        held_out = as_dataset(test, own, model.classes or dataset.classes, loss=loss)
    size = chosen_batch_size(batch_size, dataset)
    optimizer = optimizer.over(dataset.steps(size, False), 1)
    session = Session(
        own,
        loss,
        optimizer,
        (),
        seed=seed,
        data=dataset,
        runtime=execution.runtime,
        threads=execution.threads,
        precision=execution.precision,
        tune=execution.tune,
    )
    return Case(
        own,
        dataset,
        held_out,
        loss,
        optimizer,
        size,
        seed,
        shuffle,
        steps,
        execution,
        trained,
        session,
    )
