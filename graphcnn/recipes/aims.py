"""What a recipe trains for: its loss, weights of classes, and what is watched and logged."""

from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

from graphcnn.data.weights import BALANCED
from graphcnn.errors import DataError, GraphCnnError, GraphError
from graphcnn.learning.aim import Losses
from graphcnn.learning.losses import LOSSES, Loss
from graphcnn.learning.named_goals import GOALS, NamedGoals
from graphcnn.learning.samplers import Codes
from graphcnn.model import Model
from graphcnn.recipes.kinds import CLASS_WEIGHTS as WEIGHTS
from graphcnn.recipes.kinds import as_texts, check_truths, nearest
from graphcnn.recipes.recipe import Recipe
from graphcnn.training.callbacks import CSV, JSONL, Drawn, EarlyStopping, TensorBoard
from graphcnn.training.callbacks.log_file import LogFile
from graphcnn.training.monitor import MODES, Monitor
from graphcnn.training.stopping import seconds_of

CLASS_WEIGHTS = "class_weights"
TENSORBOARD = "tensorboard:"
#: In the folder of a run.
DRAWN = "drawn.svg"
LOG_FORMS = f"FILE.csv, FILE.jsonl or {TENSORBOARD}DIR"


def loss_of(recipe: Recipe, model: Model | None = None) -> Losses:
    """The loss that the table describes; without a name that of a model that was trained before,
    or what suits the data. Raises `RecipeError`."""
    table = {key: value for key, value in recipe.loss.items() if key != CLASS_WEIGHTS}
    name, places = table.pop("name", None), recipe.places
    every: dict[str, Any] = {**LOSSES, **GOALS}
    if name is not None and (not isinstance(name, str) or name not in every):
        close = nearest(name, every) if isinstance(name, str) else ""
        places.refuse("loss.name", f"expected one of {', '.join(every)}, found {name!r}{close}")
    former = None if model is None else model.objective or model.loss
    known = name or former or ("mse" if recipe.data.reconstruct else "cross_entropy")
    if not table:
        return known
    loss: Any = every[known] if isinstance(known, str) else known
    if not (isinstance(loss, Loss | NamedGoals) and is_dataclass(loss)):
        places.refuse("loss", "settings of a loss are for one, and the model has several")
    settings = [f.name for f in fields(loss) if f.init]
    for key in table:
        if key not in settings:
            having = [name for name, each in every.items() if key in each.options]
            close = f"; it is for {' and '.join(having)}" if having else nearest(key, settings)
            what = "has no meaning for" if having else "is not known of"
            places.refuse_name(f"loss.{key}", f"{what} {loss.name}{close}")
    check_truths(type(loss), table, ("loss",), places)
    try:
        found: Losses = replace(loss, **table)
    except (GraphCnnError, TypeError, ValueError) as error:
        places.refuse("loss", error)
    return found


def class_weights_of(recipe: Recipe) -> str | dict[str, float] | None:
    """`balanced`, or numbers by class: a table, or a text "cat=2, dog=0.5"."""
    given = recipe.loss.get(CLASS_WEIGHTS)
    if given is not None and not WEIGHTS.fits(given):
        recipe.places.refuse("loss.class_weights", f"expected {WEIGHTS.expected}, found {given!r}")
    if not isinstance(given, str) or given == BALANCED:
        return None if given is None else given if isinstance(given, str) else dict(given)
    found: dict[str, float] = {}
    for part in given.split(","):
        name, equals, weight = (word.strip() for word in part.rpartition("="))
        try:
            number = float(weight)
        except ValueError:
            equals = ""
        if not equals or not name or name in found:
            recipe.places.refuse(
                "loss.class_weights",
                f'{given!r} must be spelled {BALANCED}, or CLASS=WEIGHT, as in "cat=2, dog=0.5"',
            )
        found[name] = number
    return found


def monitor_of(recipe: Recipe) -> Monitor | None:
    """NAME, or NAME:min and NAME:max where the name does not tell which is better."""
    text = recipe.run.monitor
    if text is None:
        return None
    name, _, mode = text.partition(":")
    if mode not in ("", *MODES[1:]):
        recipe.places.refuse("run.monitor", f"{text!r} must be spelled NAME, NAME:min or NAME:max")
    try:
        return Monitor(name, mode or "auto")
    except GraphError:
        recipe.places.refuse(
            "run.monitor",
            f"whether more or less of {name} is better is not known: say {name}:min or {name}:max",
        )


def stopping_of(recipe: Recipe) -> EarlyStopping | None:
    if recipe.run.early_stopping is None:
        return None
    watched = monitor_of(recipe) or Monitor()
    return EarlyStopping(recipe.run.early_stopping, monitor=watched.what, mode=watched.mode)


def time_of(recipe: Recipe) -> float | None:
    """The most seconds."""
    given = recipe.run.max_time
    try:
        return None if given is None else seconds_of(given)
    except DataError as error:
        recipe.places.refuse("run.max_time", error)


def logs_of(recipe: Recipe) -> tuple[LogFile, ...]:
    """The logs that are written after every epoch."""
    found: dict[Path, LogFile] = {}
    for text in as_texts(recipe.output.logs):
        log = _log(text, recipe)
        if log.path in found:
            recipe.places.refuse("output.logs", f"{text!r} is given twice")
        found[log.path] = log
    return tuple(found.values())


def drawn_of(recipe: Recipe, model: Model) -> tuple[Drawn, ...]:
    """What draws after every epoch: to the file that the recipe names, or into the folder of the
    run, where the network draws."""
    said = recipe.output
    if said.drawn is not None:
        if model.sampler is None:
            recipe.places.refuse("output.drawn", f"{model.name} does not draw: it has no sampler")
        return (Drawn(said.drawn),)
    draws = said.run is not None and isinstance(model.sampler, Codes)
    return (Drawn(Path(said.run) / DRAWN),) if draws and said.run is not None else ()


def _log(text: str, recipe: Recipe) -> LogFile:
    folder = text.removeprefix(TENSORBOARD)
    if folder != text and folder:
        return TensorBoard(folder)
    kinds: dict[str, type[LogFile]] = {".csv": CSV, ".jsonl": JSONL}
    kind: Any = kinds.get(Path(text).suffix.lower())
    if kind is None or folder != text:
        recipe.places.refuse("output.logs", f"{text!r} must be spelled {LOG_FORMS}")
    found: LogFile = kind(text)
    return found
