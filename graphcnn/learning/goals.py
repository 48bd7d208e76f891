"""Several losses in one step, each of which trains parameters of its own.

model.fit(
    data,
    loss={
        "d": cnn.Goal(of_critic, trains="D.*"),
        "g": cnn.Goal(of_generator, trains="G.*", after="d", every=5),
    },
    optimizer={"D.*": cnn.Adam(1e-4, beta1=0.5), "G.*": cnn.Adam(2e-4, beta1=0.5)},
)
"""

import inspect
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar

from graphcnn.errors import GraphError, TrainingError
from graphcnn.ir.graph import Graph, rebuilt, state_of, topological_order
from graphcnn.ir.node import Value
from graphcnn.ir.sources import Input, State
from graphcnn.language.arguments import choose, is_int
from graphcnn.learning.losses.base import Loss, Parts, accepts
from graphcnn.learning.patterns import shared_out
from graphcnn.learning.target_rule import TARGET, WEIGHTS


@dataclass(frozen=True)
class Goal:
    """One of several losses of a model, and the parameters that it trains.

    Args:
        loss: a function of outputs and inputs of the model, which it takes by their names, and of
            `target`, what the data hold besides the inputs; or a float scalar of the graph that
            the model is made of. A function returns a float scalar, or a pair of it and a dict of
            numbers that are reported beside it: `return bound, {"divergence": divergence}`.
        trains: which parameters: a pattern of their names, like those of files, or several. No
            gradient of others is computed.
        after: another goal, whose update of the same step this loss sees. Without it a loss sees
            the values from before the step.
        every: of every so many steps the last has this loss; in the others it is not computed.

    Raises:
        GraphError: what is given is no loss, no pattern, no name, or no number of steps.
    """

    loss: Callable[..., Any] | Value
    _: KW_ONLY
    trains: str | Sequence[str] = "*"
    after: str | None = None
    every: int = 1

    def __post_init__(self) -> None:
        if not isinstance(self.loss, Value) and not callable(self.loss):
            raise GraphError(
                "a Goal takes a function of outputs of the model, or a float scalar of its graph, "
                f"found {self.loss!r}"
            )
        if isinstance(self.loss, Value):
            _check_scalar(self.loss, "the loss of a Goal")
        if not self.patterns or not all(isinstance(p, str) and p for p in self.patterns):
            raise GraphError(
                f"trains= takes patterns of names of parameters, such as 'D.*', found "
                f"{self.trains!r}"
            )
        if self.after is not None and not isinstance(self.after, str):
            raise GraphError(f"after= takes the name of another goal, found {self.after!r}")
        if not is_int(self.every) or self.every < 1:
            raise GraphError(f"every= takes a number of steps, at least 1, found {self.every!r}")

    @property
    def patterns(self) -> tuple[str, ...]:
        return (self.trains,) if isinstance(self.trains, str) else tuple(self.trains)

    def __str__(self) -> str:
        made = "a value" if isinstance(self.loss, Value) else getattr(self.loss, "__name__", "own")
        after = f" after {self.after}" if self.after else ""
        every = f" every {self.every} steps" if self.every > 1 else ""
        return f"{made} trains {', '.join(self.patterns)}{after}{every}"

    def is_due(self, step: int) -> bool:
        """Whether a step, counted from 1, has this loss."""
        return step % self.every == 0

    @property
    def arguments(self) -> tuple[str, ...]:
        """What a function is called with, by name, but the weights of the items."""
        if isinstance(self.loss, Value):
            return ()
        try:
            parameters = inspect.signature(self.loss).parameters.values()
        except (TypeError, ValueError):
            raise GraphError(f"nobody can tell what {self} takes: give a function of Python") from (
                None
            )
        unnamed = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
        wanted = [p for p in parameters if p.kind not in unnamed and p.name != WEIGHTS]
        return tuple(p.name for p in wanted)


@dataclass(frozen=True)
class Goals(Mapping[str, Goal]):
    """All goals by name, in their order.

    Raises `GraphError` for names that no number can have, and where goals come after each other in
    a circle.
    """

    goals: tuple[tuple[str, Goal], ...]

    def __post_init__(self) -> None:
        names = [name for name, _ in self.goals]
        for name, goal in self.goals:
            alone = name == "" and len(names) == 1
            if not alone and (not isinstance(name, str) or not name.isidentifier()):
                raise GraphError(
                    f"the name of a goal stands before those of its numbers, as in d_loss: it must "
                    f"be a word, found {name!r}"
                )
            if goal.after is not None:
                choose(dict.fromkeys(names), goal.after, f"goal, in after= of {name!r},")
        for name in names:
            if name in self.before(name):
                circle = " → ".join((*self.before(name), name))
                raise GraphError(f"each of these goals is to come after the one before: {circle}")

    def __getitem__(self, name: str) -> Goal:
        return dict(self.goals)[name]

    def __iter__(self) -> Iterator[str]:
        return iter(name for name, _ in self.goals)

    def __len__(self) -> int:
        return len(self.goals)

    def __str__(self) -> str:
        return "; ".join(f"{name}: {goal}" if name else str(goal) for name, goal in self.goals)

    @property
    def losses(self) -> tuple[str, ...]:
        """What their losses are called."""
        return tuple(f"{name}_loss" if name else "loss" for name in self)

    def before(self, name: str) -> tuple[str, ...]:
        """The goals whose updates one sees, the last first."""
        found: list[str] = []
        after = self[name].after
        while after is not None and after not in found:
            found.append(after)
            after = self[after].after
        return tuple(found)

    @property
    def in_order(self) -> tuple[str, ...]:
        """The names, each behind those that it comes after."""
        return tuple(sorted(self, key=lambda name: len(self.before(name))))

    @property
    def in_turn(self) -> str | None:
        """The first goal that sees an update of the step, if there is one."""
        return next((name for name in self if self[name].after is not None), None)

    def left(self, step: int) -> frozenset[str]:
        """Those that a step, counted from 1, does not have."""
        return frozenset(name for name, goal in self.items() if not goal.is_due(step))

    def counted_apart(self, graph: Graph) -> dict[str, str]:
        """What stands before the names of counters of parameters that are not updated at every
        step."""
        return {
            key: f"{name}."
            for name, keys in self.trained(graph).items()
            for key in keys
            if self[name].every > 1
        }

    def refuse_in_turn(self, what: str) -> None:
        """Raise `TrainingError` where a step updates some parameters before it has the gradients
        of others."""
        if self.in_turn is not None:
            raise TrainingError(
                f"{what} all at once, and goal {self.in_turn!r} comes after an update of the same "
                "step: no moment has all gradients and none of the updates"
            )

    def refuse_parts(self) -> None:
        """Raise `TrainingError` where not every step updates all, and at once."""
        self.refuse_in_turn("gradients are applied")
        some = next((name for name in self if self[name].every > 1), None)
        if some is not None:
            raise TrainingError(
                f"gradients are applied all at once, and goal {some!r} is due every "
                f"{self[some].every} steps only"
            )

    def owner(self, key: str) -> str | None:
        """The goal that a number belongs to, by its name: of "d_loss" "d"."""
        owners = [name for name in self if not name or key.startswith(f"{name}_")]
        return max(owners, key=len, default=None)

    def partial(self, keys: Iterable[str]) -> frozenset[str]:
        """The numbers that only some steps have."""
        owners = {key: self.owner(key) for key in keys}
        return frozenset(k for k, name in owners.items() if name and self[name].every > 1)

    def trained(self, graph: Graph) -> dict[str, tuple[str, ...]]:
        """The parameters in training that each goal trains, by its name.

        Raises:
            GraphError: a pattern fits no parameter (names the nearest), a goal trains only frozen
                ones, two train the same one, or one that is in training belongs to none.
        """
        keys = {state_of(p).key: state_of(p).trainable for p in graph.parameters}
        owned = shared_out(
            {name: goal.patterns for name, goal in self.items()},
            keys,
            lambda name, pattern: f"goal {name!r}: trains={pattern!r}",
            lambda key, one, other: (
                f"{key} is to be trained by the goals {one!r} and {other!r}: each parameter has "
                "one; add the losses up to one, or give each goal patterns of its own (trains=)"
            ),
        )
        owner = {key: name for name, own in owned.items() for key in own}
        free = [key for key, trainable in keys.items() if trainable and key not in owner]
        if free:
            raise GraphError(
                f"no goal trains {', '.join(free[:6])}{', ...' * (len(free) > 6)}: name "
                f"{'them' if len(free) > 1 else 'it'} in trains=, or model.freeze({free[0]!r})"
            )
        found = {name: tuple(key for key in own if keys[key]) for name, own in owned.items()}
        for name, trained in found.items():
            if not trained:
                raise GraphError(
                    f"every parameter that goal {name!r} trains is frozen "
                    f"({', '.join(self[name].patterns)}): unfreeze some, or leave it out"
                )
        return found


@dataclass(frozen=True)
class OfGoal(Loss):
    """The loss of a goal, of values in the order of its arguments.

    Attributes:
        named: the names of the arguments.
        graph: of the model, on which a value of the user's is built again.
    """

    goal: Goal
    named: tuple[str, ...]
    graph: Graph
    predictions: ClassVar[int | None] = None
    targeted: ClassVar[bool] = False

    def __call__(self, *values: Value, weights: Any = None) -> Value:
        return self.parts(*values, weights=weights)[0]

    def parts(self, *values: Value, weights: Any = None) -> Parts:
        """The loss, and what is reported beside it."""
        made = self.goal.loss
        if isinstance(made, Value):
            return _on_graph([made], self.graph)[0], {}
        given: dict[str, Any] = dict(zip(self.named, values, strict=True))
        if weights is not None:
            given[WEIGHTS] = weights
        found = made(**given)
        parts: Mapping[str, Value] = {}
        if isinstance(found, tuple) and len(found) == 2 and isinstance(found[1], Mapping):
            found, parts = found
        _check_scalar(found, f"what {getattr(made, '__name__', 'a loss')} returns")
        for name, value in parts.items():
            if not isinstance(name, str) or not isinstance(value, Value):
                raise GraphError(f"numbers beside a loss are values by name, found {name!r}")
        found, *others = _on_graph([found, *parts.values()], self.graph, (*values, weights))
        return found, dict(zip(parts, others, strict=True))

    @property
    def spec(self) -> Any:
        return self.goal

    @property
    def takes_weights(self) -> bool:
        return not isinstance(self.goal.loss, Value) and accepts(self.goal.loss, WEIGHTS)


@dataclass(frozen=True)
class OfGoalAndTarget(OfGoal):
    """One that takes the targets too, as the last value."""

    targeted: ClassVar[bool] = True


def loss_of(goal: Goal, name: str, graph: Graph) -> tuple[OfGoal, tuple[str, ...], tuple[str, ...]]:
    """The loss of a goal for a model, and the outputs and inputs that it takes, in its order.

    Raises `GraphError` for an argument that is neither; it names the nearest.
    """
    inputs = [v.node.name for v in graph.inputs]
    known = dict.fromkeys((*graph.outputs, *inputs))
    wanted = [n for n in goal.arguments if n != TARGET or n in known]
    for argument in wanted:
        choose(
            {**known, TARGET: None}, argument,
            f"output or input of {graph.name}, an argument of goal {name!r},",
        )  # fmt: skip
    own = tuple(n for n in wanted if n in graph.outputs)
    fed = tuple(n for n in wanted if n not in graph.outputs)
    if TARGET in goal.arguments and TARGET not in known:
        return OfGoalAndTarget(goal, (*own, *fed, TARGET), graph), own, fed
    return OfGoal(goal, (*own, *fed), graph), own, fed


def goals_of(losses: Mapping[Any, Any]) -> Goals | None:
    """The goals where a dict of losses holds such; None where it holds none.

    Raises `GraphError` where some are goals and others not.
    """
    found = [name for name, each in losses.items() if isinstance(each, Goal)]
    if not found:
        return None
    others: Collection[Any] = [name for name in losses if name not in found]
    if others:
        raise GraphError(
            f"losses are either goals or losses of outputs: {found[0]!r} is a cnn.Goal, "
            f"{next(iter(others))!r} is not"
        )
    return Goals(tuple(losses.items()))


def _check_scalar(value: Any, what: str) -> None:
    if not isinstance(value, Value) or value.shape != () or not value.dtype.is_float:
        found = value.type if isinstance(value, Value) else type(value).__name__
        raise GraphError(f"{what} must be a float scalar, found {found}; take its mean")


def _on_graph(values: Sequence[Value], graph: Graph, known: Collection[Any] = ()) -> list[Value]:
    """Values of a user's on the states and inputs of a model: another model that was called in a
    loss has nodes of its own for the states that both have.

    Raises `GraphError` for what depends on others than those and what is `known`.
    """
    states = {state_of(s).cell: s for s in graph.states}
    inputs = {v.node.name: v for v in graph.inputs}
    given: dict[Value, Value] = {}
    for node in topological_order([v.node for v in values]):
        value = node.outputs[0]
        if not isinstance(node.op, State | Input) or value in known:
            continue
        of_state = isinstance(node.op, State)
        found = states.get(node.op.cell) if of_state else inputs.get(node.name)  # type: ignore[union-attr]
        if found is None or found.type != value.type:
            what = "parameter or state" if of_state else "input"
            raise GraphError(
                f"a loss depends on the {what} {node.name!r} ({value.type}), which {graph.name} "
                "does not have: give the model an output that depends on it"
            )
        if found is not value:
            given[value] = found
    return rebuilt(values, given) if given else [*values]
