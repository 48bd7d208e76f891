"""What a model was trained for, as text that is kept with it."""

import json
from collections.abc import Mapping
from typing import Any, Final

from graphcnn.errors import GraphError
from graphcnn.ir.graph import Graph
from graphcnn.learning.aim import Aim, Losses, aim_of, terms_of
from graphcnn.learning.losses.base import Loss
from graphcnn.learning.losses.known import LOSSES
from graphcnn.learning.named_goals import GOALS, NamedGoals
from graphcnn.learning.penalties import L1, L2, Penalty

_PENALTIES: Final[dict[str, type[Penalty]]] = {"L1": L1, "L2": L2}


def is_known(loss: Loss) -> bool:
    """Whether it can be told by a name and its settings."""
    return type(LOSSES.get(loss.name)) is type(loss)


def written_aim(loss: Losses | None, graph: Graph) -> str | None:
    """JSON of losses with settings, of several, or of goals with a name; None where a name alone
    tells all, and where a function or a class of a user's own is among them, which no text can
    tell."""
    if isinstance(loss, str) and loss in GOALS:
        loss = GOALS[loss]
    if isinstance(loss, NamedGoals):
        return json.dumps({"goals": loss.name, "options": loss.changed})
    if loss is None or isinstance(loss, str):
        return None
    terms = terms_of(loss, graph)
    if not all(is_known(term.loss) for term in terms):
        return None
    penalties = loss.penalties if isinstance(loss, Aim) else {}
    kinds = {type(each) for several in penalties.values() for each in several}
    if not kinds <= {*_PENALTIES.values()}:
        return None
    losses = [
        {
            **({"outputs": term.outputs, "weight": term.weight} if term.name else {}),
            "loss": term.loss.name,
            "options": _changed(term.loss),
        }
        for term in terms
    ]
    if not terms[0].name and not losses[0]["options"] and not penalties:
        return None
    kept = {
        key: [[type(each).__name__, each.strength] for each in several]
        for key, several in penalties.items()
    }
    return json.dumps({"losses": losses, "penalties": kept})


def only_name(loss: Losses | None, graph: Graph) -> str | None:
    """The name of a loss that has one and stands alone: what a model is to be trained for that was
    not yet."""
    terms = () if loss is None else terms_of(loss, graph)
    alone = len(terms) == 1 and not terms[0].name and is_known(terms[0].loss)
    return terms[0].loss.name if alone else None


def _changed(loss: Loss) -> dict[str, Any]:
    usual = LOSSES[loss.name].options
    return {key: value for key, value in loss.options.items() if value != usual[key]}


def read_aim(text: str, graph: Graph) -> Losses:
    """The losses of such a text, for a model of this graph.

    Raises `ValueError` where it is no such text, and `GraphError` where it does not fit the model.
    """
    found = json.loads(text)
    try:
        if isinstance(found, dict) and "goals" in found:
            goals = type(GOALS[found["goals"]])(**found["options"])
            terms_of(goals, graph)
            return goals
        losses = [(each, _made(each["loss"], each["options"])) for each in found["losses"]]
        penalties = {
            key: tuple(_PENALTIES[kind](strength) for kind, strength in several)
            for key, several in found["penalties"].items()
        }
        if len(losses) == 1 and "outputs" not in losses[0][0]:
            aim = aim_of(losses[0][1], None, penalties)
        else:
            keyed = {_key(each["outputs"]): loss for each, loss in losses}
            weights = {_key(each["outputs"]): each["weight"] for each, _ in losses}
            aim = aim_of(keyed, {k: w for k, w in weights.items() if w != 1}, penalties)
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        raise ValueError(str(error)) from None
    terms_of(aim, graph)
    return aim


def _key(outputs: Any) -> str | tuple[str, ...]:
    names = tuple(outputs)
    if not names or not all(isinstance(name, str) for name in names):
        raise ValueError(f"no names of outputs: {outputs!r}")
    return names if len(names) > 1 else names[0]


def _made(name: str, options: Mapping[str, Any]) -> Loss:
    usual = LOSSES.get(name)
    if usual is None or not set(options) <= set(usual.options):
        raise GraphError(f"unknown loss {name!r} with {', '.join(options)}")
    return type(usual)(**options)
