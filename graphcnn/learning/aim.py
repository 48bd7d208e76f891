"""What a model is trained for: a loss for each of its outputs, what each counts, and penalties."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from graphcnn.errors import GraphError
from graphcnn.ir.graph import Graph
from graphcnn.ir.node import Op
from graphcnn.language.arguments import choose, number
from graphcnn.learning.goals import Goal, Goals, goals_of, loss_of
from graphcnn.learning.losses.base import Loss, WithoutTarget
from graphcnn.learning.losses.known import known_loss
from graphcnn.learning.metrics.base import Measure, Objective
from graphcnn.learning.metrics.choosing import Metrics, chosen_metrics
from graphcnn.learning.named_goals import GOALS
from graphcnn.learning.penalties import Penalty, check_penalties
from graphcnn.learning.target_rule import TARGET

#: Of one output, or of several together.
Key = str | tuple[str, ...]


@dataclass(frozen=True)
class Aim:
    """All that a model is trained for.

    Attributes:
        loss: one, for the first output; or by the names of outputs, or in their order, None for
            those that have none. The key of a loss that compares several is a tuple of names.
        weights: what losses are multiplied by before they are added up, by the names of their
            terms; 1 where none is given.
        penalties: what is added, by patterns of names of parameters, or names of layers.
    """

    loss: Any
    weights: Mapping[str, float] = field(default_factory=dict)
    penalties: Mapping[str, tuple[Penalty, ...]] = field(default_factory=dict)

    def __str__(self) -> str:
        loss = self.loss
        if isinstance(loss, Mapping):
            text = ", ".join(f"{term_name(key)}: {loss_name(each)}" for key, each in loss.items())
        elif isinstance(loss, list | tuple):
            text = ", ".join("none" if each is None else loss_name(each) for each in loss)
        else:
            text = loss_name(loss)
        if self.weights:
            text += f"; weights {', '.join(f'{k} {w:g}' for k, w in self.weights.items())}"
        if self.penalties:
            text += f"; penalties {', '.join(f'{k} {p}' for k, p in self.penalties.items())}"
        return text


#: What `loss=` takes: a name, a function, a loss with its settings, several by outputs, or goals.
Losses = str | Objective | Loss | Aim | Goal | Goals | Mapping[Any, Any] | Sequence[Any]


@dataclass(frozen=True)
class Term:
    """One loss, of one output or of several that it compares.

    Attributes:
        name: before the names of its results, "" for the loss of a model that has one alone.
        inputs: of the model that it takes, too, behind the outputs.
        shared: whether its targets are those of all terms.
    """

    name: str
    outputs: tuple[str, ...]
    loss: Loss
    weight: float = 1.0
    inputs: tuple[str, ...] = ()
    shared: bool = False

    @property
    def target_name(self) -> str:
        """What its targets are called among those of the data, "" where there are no others."""
        return "" if self.shared else self.name

    @property
    def target(self) -> str:
        """The name of the input for its targets."""
        return f"{TARGET}.{self.target_name}" if self.target_name else TARGET

    def result(self, name: str) -> str:
        """What a number of this term is called among the results."""
        return f"{self.name}_{name}" if self.name else name


def aim_of(
    loss: Losses,
    loss_weights: Mapping[Any, Any] | Sequence[Any] | None = None,
    penalties: Mapping[str, Any] | None = None,
) -> Losses:
    """The loss as a user would say it; an `Aim` where more is said than a single loss.

    Raises `GraphError` for what is no loss, no weight or no penalty.
    """
    if isinstance(loss, Goal):
        loss = Goals((("", loss),))
    elif isinstance(loss, str) and loss in GOALS:
        loss = GOALS[loss]
    elif isinstance(loss, Mapping) and not isinstance(loss, Goals):
        loss = goals_of(loss) or loss
    if isinstance(loss, Goals):
        if loss_weights or penalties:
            raise GraphError(
                "goals are whole losses: what is to be weighted or added stands in their functions"
            )
        return loss
    if isinstance(loss, Aim):
        if loss_weights is None and penalties is None:
            return loss
        loss_weights = loss.weights if loss_weights is None else loss_weights
        penalties = loss.penalties if penalties is None else penalties
        loss = loss.loss
    found: Any
    if isinstance(loss, Mapping):
        if not loss:
            raise GraphError("loss must name an output at least, found {}")
        found = {key: known_loss(each, _count(key)).spec for key, each in loss.items()}
        several = True
    elif isinstance(loss, list | tuple):
        found = [None if each is None else known_loss(each).spec for each in loss]
        several = True
    else:
        found, several = known_loss(loss, others=GOALS).spec, False
    if not several and loss_weights:
        raise GraphError(
            "loss_weights are for the losses of several outputs: loss={name: ...}, found one loss"
        )
    if not several and not penalties:
        return found  # type: ignore[no-any-return]
    weights = _weights(loss_weights, found)
    return Aim(found, weights, check_penalties(penalties or {}))


def _weights(given: Any, losses: Any) -> dict[str, float]:
    """Weights by the names of terms, or in the order of a list of losses."""
    if given is None:
        return {}
    if isinstance(losses, list):
        if isinstance(given, Mapping):
            return {term_name(key): _weight(w, key) for key, w in given.items()}
        if not isinstance(given, list | tuple) or len(given) != len(losses):
            raise GraphError(f"loss_weights must be {len(losses)} numbers, found {given!r}")
        return {str(i): _weight(w, i) for i, w in enumerate(given) if losses[i] is not None}
    if not isinstance(given, Mapping):
        raise GraphError(f"loss_weights must be a dict by outputs, found {given!r}")
    names = {term_name(key): key for key in losses}
    for key in given:
        choose(names, term_name(key), "output with a loss, in loss_weights,")
    return {term_name(key): _weight(w, key) for key, w in given.items()}


def _weight(given: Any, key: Any) -> float:
    weight = number(given, f"the weight of the loss of {key!r}")
    if not (math.isfinite(weight) and weight >= 0):
        raise GraphError(
            f"the weight of the loss of {key!r} must be finite and at least 0, found {weight}"
        )
    return weight


def _count(key: Any) -> int:
    return len(key) if isinstance(key, tuple) else 1


def term_name(key: Any) -> str:
    """How the loss of an output, or of several together, is called."""
    return "_".join(map(str, key)) if isinstance(key, tuple) else str(key)


def terms_of(loss: Losses, graph: Graph) -> tuple[Term, ...]:
    """The losses of a model's graph, in their order.

    Raises:
        GraphError: an output that it does not have (names the nearest), two terms of one name, or
            another number of predictions than a loss compares.
    """
    aim = loss if isinstance(loss, Aim) else aim_of(loss)
    if isinstance(aim, Goals):
        return tuple(_of_goal(name, goal, graph) for name, goal in aim.items())
    weights = aim.weights if isinstance(aim, Aim) else {}
    losses = aim.loss if isinstance(aim, Aim) else aim
    outputs = tuple(graph.outputs)
    if isinstance(losses, list | tuple):
        if len(losses) > len(outputs):
            raise GraphError(
                f"{graph.name} has {len(outputs)} outputs ({', '.join(outputs)}), found "
                f"{len(losses)} losses"
            )
        weights = {outputs[int(k)] if k.isdecimal() else k: w for k, w in weights.items()}
        pairs = zip(outputs, losses, strict=False)
        losses = {name: each for name, each in pairs if each is not None}
        for name in weights:
            choose(losses, name, "output with a loss, in loss_weights,")
        if not losses:
            raise GraphError("none of the outputs has a loss")
    if not isinstance(losses, Mapping):
        return (_only(known_loss(losses), graph),)
    terms: dict[str, Term] = {}
    for key, each in losses.items():
        names = key if isinstance(key, tuple) else (key,)
        for name in names:
            if not isinstance(name, str):
                raise GraphError(f"losses are given by names of outputs, found {key!r}")
            choose(graph.outputs, name, f"output of {graph.name}, in loss,")
        known = known_loss(each, len(names))
        term = Term(term_name(key), names, known, weights.get(term_name(key), 1.0))
        _check_number(term, graph)
        if term.name in terms:
            raise GraphError(f"two losses are called {term.name!r}")
        terms[term.name] = term
    return tuple(terms.values())


def _of_goal(name: str, goal: Goal, graph: Graph) -> Term:
    loss, outputs, inputs = loss_of(goal, name, graph)
    return Term(name, outputs, loss, inputs=inputs, shared=True)


def _only(loss: Loss, graph: Graph) -> Term:
    """A loss that is given alone: of the first output, or of as many as it compares, by the names
    of its arguments or in their order."""
    outputs = tuple(graph.outputs)
    if isinstance(loss, WithoutTarget):
        return Term("", outputs, loss)
    count = loss.predictions or 1
    if count > 1 and graph.outputs.keys() >= {*loss.arguments}:
        return Term("", loss.arguments, loss)
    if count > 1 and count != len(outputs):
        which = f"say which, loss={{({', '.join(['...'] * count)}): ...}}"
        raise GraphError(
            f"{loss.name} compares {count} predictions, and the outputs of {graph.name} are "
            f"{', '.join(outputs)}: "
            + (which if len(outputs) > count else f"give the model {count} outputs")
            + f", or name them {', '.join(loss.arguments)}"
        )
    return Term("", outputs[:count], loss)


def _check_number(term: Term, graph: Graph) -> None:
    count = term.loss.predictions
    if count is not None and count != len(term.outputs):
        raise GraphError(
            f"{term.loss.name} compares {count} prediction{'s' * (count > 1)}, found the key "
            f"{term.outputs if len(term.outputs) > 1 else term.outputs[0]!r}"
        )


def metrics_of(metrics: Metrics, terms: Sequence[Term]) -> dict[str, Mapping[str, Measure]]:
    """The metrics of each term by the names of their results. Raises `GraphError`."""
    if [term.name for term in terms] == [""]:
        return {"": chosen_metrics(metrics, terms[0].loss.metrics)}
    if metrics is None:
        return {term.name: term.loss.metrics for term in terms}
    if isinstance(metrics, list | tuple) and not metrics:  # none of any
        metrics = {}
    if not isinstance(metrics, Mapping):
        names = ", ".join(f"{term.name!r}: ..." for term in terms)
        raise GraphError(f"metrics of several outputs are given by output, {{{names}}}")
    by_name = {term.name: term for term in terms}
    given: dict[str, Any] = {term_name(key): each for key, each in metrics.items()}
    for name in given:
        choose(by_name, name, "output with a loss, in metrics,")
    return {name: chosen_metrics(given.get(name, {}), {}) for name in by_name}


def readables(loss: Losses | None, graph: Graph) -> dict[str, Op]:
    """What makes the outputs readable, by their names: those that a loss of their own compares."""
    found: dict[str, Op] = {}
    for term in () if loss is None else terms_of(loss, graph):
        if len(term.outputs) == 1 and term.loss.readable is not None:
            found.setdefault(term.outputs[0], term.loss.readable)
    return found


def loss_name(loss: Any) -> str:
    """A loss as it is told: its name, that of a function, or how it is written."""
    if isinstance(loss, str):
        return loss
    if isinstance(loss, Aim | Goals):
        return str(loss)
    if isinstance(loss, Loss):
        return repr(loss)
    return getattr(loss, "__name__", "custom")
