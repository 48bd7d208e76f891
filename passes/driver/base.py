"""What a pass is, how passes are put in a row, and what is recorded while they run.

A pass is a frozen dataclass whose fields are its options. It takes a graph and returns another,
or the same object when it changed nothing; where the other has other states, it says what they
hold, too. A pipeline is a tuple of passes, written and read as
text: "canonicalize, fold_constants{max_bytes=4096}".
"""

import ast
import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from typing import Any, ClassVar

from graphcnn.base.modules import import_all
from graphcnn.errors import GraphError
from graphcnn.ir.graph import Graph
from graphcnn.ir.node import Array, Node, Value
from graphcnn.language.arguments import choose
from graphcnn.learning.schedules import Schedule, epochs

#: Every pass by name: filled as the classes are defined.
PASSES: dict[str, "type[Pass]"] = {}

#: Options of a pass as text, in which there may be groups of an optimiser: {pattern: {...}}.
_OPTIONS = r"(?:[^{}]|\{(?:[^{}]|\{[^{}]*\})*\})*"

#: Values of states by key.
States = Mapping[str, Array]


@dataclass(frozen=True)
class Refusal:
    """Why a rule that almost matched left the graph alone."""

    reason: str
    node: Node
    rule: str = ""

    def __str__(self) -> str:
        label = self.node.name or self.node.op.name
        where = f" ({self.node.origin.location})" if self.node.origin.location else ""
        return f'{self.rule}: {self.node.op.name} "{label}"{where}: {self.reason}'


def no(reason: str, node: Node) -> Refusal:
    """What a rule returns where it refuses."""
    return Refusal(reason, node)


@dataclass
class PassLog:
    """What one run of one pass did: rules fired, near misses with their reasons, remarks.

    `became` maps values of the graph to those that took their place, for passes of rules and of
    types. A value inside of what became one operator may stand for one that the new graph has not.
    """

    fired: Counter[str] = field(default_factory=Counter)
    refused: list[Refusal] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    became: dict[Value, Value] = field(default_factory=dict)

    def replace(self, new: Mapping[Value, Value]) -> None:
        """Record that values became others; they may stand for older ones themselves."""
        for old, stands in self.became.items():
            self.became[old] = new.get(stands, stands)
        for old, value in new.items():
            self.became.setdefault(old, value)

    def refuse(self, refusal: Refusal) -> None:
        """Record a near miss once."""
        if str(refusal) not in map(str, self.refused):
            self.refused.append(refusal)


@dataclass(frozen=True)
class Pass:
    """A graph-to-graph transformation. Subclasses say what they keep and define `run`."""

    #: Name in pipelines, made from the class name: `FusePad` is "fuse_pad".
    name: ClassVar[str] = ""
    #: Largest change of any output, relative to its largest element, that the pass may cause;
    #: 0 means the same bits. None: the pass changes what is computed (backward, training mode).
    tolerance: ClassVar[float | None] = 0.0
    #: Vocabulary that the result must keep to; see `graphcnn.analysis.verify`.
    stage: ClassVar[str] = "definition"

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", cls.__name__).lower()
        PASSES[cls.name] = cls

    def run(self, graph: Graph, log: PassLog) -> Graph:
        raise NotImplementedError

    def apply(self, graph: Graph, states: States, log: PassLog) -> tuple[Graph, States]:
        """The graph of `run`, and the values of its states, for a graph whose states have these.

        A pass that gives a graph other states says here what they hold.
        """
        return self.run(graph, log), states

    @classmethod
    def changes_states(cls) -> bool:
        """Whether the graph of `run` may have other states."""
        return cls.apply is not Pass.apply

    def __call__(self, graph: Graph, log: PassLog | None = None) -> Graph:
        return self.run(graph, log if log is not None else PassLog())

    def __str__(self) -> str:
        options = [
            f"{f.name}={getattr(self, f.name)!r}"
            for f in fields(self)
            if f.repr and getattr(self, f.name) != _default(f)
        ]
        return self.name + (f"{{{', '.join(options)}}}" if options else "")


def _default(option: "Field[Any]") -> Any:
    made = option.default_factory
    return option.default if made is MISSING else made()


@dataclass(frozen=True)
class Applied:
    """One pass as it was applied: the graphs before and after, the log and the time."""

    by: Pass
    before: Graph
    after: Graph
    log: PassLog
    seconds: float

    @property
    def changed(self) -> bool:
        return self.after is not self.before


Observer = Callable[[Applied], None]


@dataclass(frozen=True)
class Pipeline:
    """Passes in a row."""

    passes: tuple[Pass, ...]

    def run(self, graph: Graph, observers: Iterable[Observer] = ()) -> Graph:
        """The graph after all passes; every observer sees every pass."""
        return self._run(graph, None, tuple(observers))[0]

    def apply(
        self, graph: Graph, states: States, observers: Iterable[Observer] = ()
    ) -> tuple[Graph, States]:
        """The graph after all passes, and the values of its states then."""
        after, values = self._run(graph, states, tuple(observers))
        assert values is not None
        return after, values

    def _run(
        self, graph: Graph, states: States | None, observers: tuple[Observer, ...]
    ) -> tuple[Graph, States | None]:
        for each in self.passes:
            log = PassLog()
            start = time.perf_counter()
            if states is None:
                after = each.run(graph, log)
            else:
                after, states = each.apply(graph, states, log)
            applied = Applied(each, graph, after, log, time.perf_counter() - start)
            for observe in observers:
                observe(applied)
            graph = after
        return graph, states

    def __str__(self) -> str:
        return ", ".join(map(str, self.passes))

    @classmethod
    def parse(cls, text: str) -> "Pipeline":
        """The pipeline that `str` wrote. Raises `GraphError` for unknown passes and options."""
        items = re.findall(rf"\s*(\w+)\s*(?:\{{({_OPTIONS})\}})?\s*(?:,|$)", text)
        read = ",".join(f"{name}{{{options}}}" if options else name for name, options in items)
        if re.sub(r"\s*,\s*", ",", read) != re.sub(r"\s*,\s*", ",", text.strip()):
            raise GraphError(f"cannot read the pipeline {text!r}: expected  name, name{{option=1}}")
        return cls(tuple(_parse_pass(name, options) for name, options in items))


def load_passes() -> None:
    """Import every module of the package, so that `PASSES` is complete."""
    import_all("graphcnn.passes")


def _parse_pass(name: str, options: str) -> Pass:
    load_passes()
    made = choose(PASSES, name, "pass")
    known = {f.name for f in fields(made)}
    try:
        call = ast.parse(f"{name}({options})", mode="eval").body
    except SyntaxError:
        raise GraphError(f"options of pass {name}: cannot read {options!r}") from None
    assert isinstance(call, ast.Call)
    arguments: dict[str, Any] = {}
    for option in call.keywords:
        key, text = option.arg, ast.unparse(option.value)
        if key not in known:
            raise GraphError(f"pass {name} has no option {key!r}; it has {sorted(known) or 'none'}")
        try:
            arguments[key] = _value(option.value)
        except (ValueError, TypeError):
            raise GraphError(f"option {key} of pass {name}: cannot read {text!r}") from None
    if call.args:
        raise GraphError(f"options of pass {name}: expected option=value, found {options!r}")
    return made(**arguments)


def _value(text: ast.expr) -> Any:
    """What an expression says: a literal, or an optimiser or schedule of such values."""
    if isinstance(text, ast.Tuple):
        return tuple(map(_value, text.elts))
    if not isinstance(text, ast.Call):
        return ast.literal_eval(text)
    import_all("graphcnn.learning.schedules")
    from graphcnn.learning.optimizers import OPTIMIZERS, WRAPPERS  # loads all of them

    makers: list[Any] = [*OPTIMIZERS.values(), *WRAPPERS.values(), *_subclasses(Schedule), epochs]
    known = {maker.__name__: maker for maker in makers}
    name = text.func.id if isinstance(text.func, ast.Name) else ""
    if name not in known or any(k.arg is None for k in text.keywords):
        raise ValueError(name)
    keywords = {str(k.arg): _value(k.value) for k in text.keywords}
    return known[name](*map(_value, text.args), **keywords)


def _subclasses(kind: type[Any]) -> Iterable[type[Any]]:
    for each in kind.__subclasses__():
        yield each
        yield from _subclasses(each)
