"""What a diagram shows of a graph: cards, and the links between them. No places yet.

A card stands for one operator, for an operator with the cheap ones behind it (a convolution, its
normalisation and activation), or for a whole block. A link is a value that one card makes and
another reads.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple

from graphcnn.analysis.cost import multiply_adds
from graphcnn.analysis.counts import count_parameters, unread_pixels
from graphcnn.analysis.loop_body import loop_body
from graphcnn.analysis.phases import phases
from graphcnn.analysis.receptive_field import ReceptiveField, receptive_fields
from graphcnn.analysis.words import describe
from graphcnn.ir.geometry import Pair
from graphcnn.ir.graph import Graph, unique_names
from graphcnn.ir.node import Node, Value
from graphcnn.ir.sources import Constant, Input, State
from graphcnn.ir.tensor_type import known_size
from graphcnn.ops.loops import Scan
from graphcnn.pictures.scene.units import dimensions

DETAILS: Final = ("blocks", "layers", "ops", "all")
#: Cards up to which the default detail keeps layers apart.
COMFORTABLE: Final = 60

_LEADS: Final = {"conv", "dense", "norm", "arithmetic", "end"}
#: How weights are called on their tabs, by the name of the operand.
_LETTERS: Final = {
    "weight": "W", "bias": "b", "gamma": "γ", "beta": "β", "mean": "μ", "variance": "σ²",
}  # fmt: skip
_FOLLOWS: Final = {"norm", "activation"}


class Tab(NamedTuple):
    """Weights of a card that have the same shape: their letters, as "W" or "γ β", and where they
    are shared with other cards, by what name."""

    letters: str
    shape: str
    shared: str = ""


@dataclass(frozen=True, eq=False)
class Card:
    """One box of a diagram. `nodes` are the operators that it stands for, in their order."""

    key: str
    name: str
    what: str
    family: str
    nodes: tuple[Node, ...]
    extra: tuple[tuple[str, str], ...] = ()  # family and text of what was drawn in
    output: Value | None = None
    parameters: int = 0
    multiply_adds: int = 0
    bytes: int = 0
    field: ReceptiveField | None = None
    unread: Pair = (0, 0)
    location: str = ""
    shared: tuple[str, ...] = ()
    tabs: tuple[Tab, ...] = ()
    steps: int = 1  # how often the loops around it compute it
    loop: "Loop | None" = None


@dataclass(frozen=True)
class Loop:
    """What is in the card of a loop: its body, as a diagram of its own.

    `entries` and `exits` are the numbers of its cards that stand for inputs and results of the
    body, `back` has those from which and to which something is carried to the next step.
    """

    inside: "Content"
    times: int
    words: str
    entries: tuple[int, ...]
    exits: tuple[int, ...]
    back: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Link:
    """`value` goes from card number `source` to card number `target`."""

    source: int
    target: int
    value: Value


@dataclass
class Frame:
    """A box around cards: a scope, or a block that is repeated `times` times."""

    title: str
    cards: tuple[Card, ...]
    times: int = 1
    notes: tuple[str, ...] = ()  # of all copies, in pairs that stand left and right; some are ""


@dataclass
class Content:
    """Cards in topological order, the links between them, and frames around some."""

    cards: list[Card]
    links: list[Link]
    detail: str
    frames: list[Frame] = field(default_factory=list)

    def every_card(self) -> Iterator[Card]:
        """The cards, and behind each loop those of its body, however deep."""
        for card in self.cards:
            yield card
            if card.loop is not None:
                yield from card.loop.inside.every_card()


def content(graph: Graph, detail: str) -> Content:
    """Cards and links of a graph.

    Args:
        detail: "blocks" (scopes as cards, the deepest that leave at most `COMFORTABLE` cards),
            "layers" (cheap operators drawn into the one before), "ops" (a card each) or "all"
            (parameters and constants too).
    """
    facts = _Facts(graph)
    chains = _groups(graph, "layers" if detail == "blocks" else detail)
    if detail != "blocks":
        return facts.content(chains, detail)
    depths = [_blocks(chains, facts.names, depth) for depth in (3, 2, 1)]
    small = [blocks for blocks in depths if len(blocks) <= min(COMFORTABLE, len(chains) - 1)]
    return facts.content(small[0] if small else min(depths, key=len), "blocks")


def _groups(graph: Graph, detail: str) -> list[list[Node]]:
    """What a card stands for, each: layers, or single operators."""
    if detail == "layers":
        return _chains(graph)
    given = _given(graph)
    return [[n] for n in graph.nodes if detail == "all" or _shown(n) or n in given]


def _shown(node: Node) -> bool:
    return not isinstance(node.op, State | Constant)


def _given(graph: Graph) -> set[Node]:
    """States and constants that are outputs as they are: without a card of their own, a line
    to the output would begin nowhere."""
    return {v.node for v in graph.outputs.values() if not _shown(v.node)}


def _chains(graph: Graph) -> list[list[Node]]:
    """The nodes by layers: a chain begins anywhere and takes in what only it feeds."""
    chains: dict[Node, list[Node]] = {}
    given = _given(graph)
    for node in graph.nodes:
        if not _shown(node) and node not in given:
            continue
        before = node.inputs[0].node if node.inputs else None
        chain = chains.get(before) if before is not None else None
        if chain is not None and before is chain[-1] and _joins(graph, chain, node):
            chain.append(node)
            chains[node] = chain
        else:
            chains[node] = [node]
    return list({id(chain): chain for chain in chains.values()}.values())


def _joins(graph: Graph, chain: list[Node], node: Node) -> bool:
    """Whether `node` is a cheap step that belongs to the layer before it."""
    last = chain[-1]
    follows = node.op.family in _FOLLOWS and node.op.name != "softmax"
    leads = chain[0].op.family in _LEADS and not isinstance(chain[0].op, Input)
    if not (follows and leads) or len(last.outputs) > 1:
        return False
    if any(_shown(v.node) for v in node.inputs[1:]) or last.output in graph.results:
        return False
    return len(graph.users.get(last.output, ())) == 1


def _blocks(chains: list[list[Node]], names: Mapping[Node, str], depth: int) -> list[list[Node]]:
    """Chains gathered by the first `depth` parts of their names, where that leaves no cycle. A loop
    stays by itself: it is a frame with its body in it."""
    groups: dict[tuple[str, ...], list[int]] = {}
    for i, chain in enumerate(chains):
        scope = tuple(names[chain[0]].split(".")[:-1][:depth])
        if scope and not isinstance(chain[0].op, Scan):
            groups.setdefault(scope, []).append(i)
    at = {node: i for i, chain in enumerate(chains) for node in chain}
    group_of = {i: scope for scope, members in groups.items() for i in members}
    # A group is closed when no path leaves it and comes back: then it can be one card.
    for members in groups.values():
        outside: set[int] = set()
        inside = set(members)
        for i in range(members[0], members[-1] + 1):
            before = {at[v.node] for n in chains[i] for v in n.inputs if v.node in at}
            if i in inside and before & outside:
                for m in members:
                    group_of.pop(m, None)
                break
            if i not in inside and before & (inside | outside):
                outside.add(i)
    blocks: dict[object, list[int]] = {}
    for i in range(len(chains)):
        blocks.setdefault(group_of.get(i, i), []).append(i)
    order = _sorted(list(blocks.values()), chains, at)
    return [[n for i in members for n in chains[i]] for members in order]


def _sorted(
    blocks: list[list[int]], chains: list[list[Node]], at: Mapping[Node, int]
) -> list[list[int]]:
    """Blocks after all that they read. One that waits for itself, by way of others, is split."""
    result: list[list[int]] = []
    done: set[int] = set()
    waiting = sorted(blocks)
    while waiting:
        for members in waiting:
            reads = {at[v.node] for i in members for n in chains[i] for v in n.inputs
                     if v.node in at}  # fmt: skip
            if reads.difference(members) <= done:
                break
        else:
            members = next(m for m in waiting if len(m) > 1)
            waiting = sorted([m for m in waiting if m is not members] + [[i] for i in members])
            continue
        waiting.remove(members)
        result.append(members)
        done.update(members)
    return result


class _Facts:
    """Numbers of a graph, computed once."""

    def __init__(self, graph: Graph, prefix: str = "", steps: int = 1, shared: Iterable[Value] = ()
                 ) -> None:  # fmt: skip
        self.graph, self.prefix, self.steps = graph, prefix, steps
        self.names = unique_names(graph)
        self.fields = receptive_fields(graph)
        # The backward pass and the updates read every weight again: that is no sharing.
        phase = phases(graph)
        readers = Counter(
            v
            for n in graph.nodes
            for v in dict.fromkeys(n.inputs)
            if isinstance(v.node.op, State) and phase[n] == "forward"
        )
        self.shared = {v for v, count in readers.items() if count > 1}.union(shared)

    def content(self, groups: list[list[Node]], detail: str) -> Content:
        cards = [self._card(f"{self.prefix}n{i}", group, detail) for i, group in enumerate(groups)]
        if detail == "all":  # weights have cards of their own
            cards = [replace(card, tabs=()) for card in cards]
        at = {node: i for i, group in enumerate(groups) for node in group}
        links: dict[Link, None] = {}
        for i, group in enumerate(groups):
            for node in group:
                for value in node.inputs:
                    if value.node in at and at[value.node] != i:
                        links[Link(at[value.node], i, value)] = None
        for n, (key, value) in enumerate(self.graph.outputs.items()):
            if value.node in at:
                links[Link(at[value.node], len(cards), value)] = None
                cards.append(Card(f"{self.prefix}o{n}", key, "output", "end", (), output=value))
        return Content(cards, list(links), detail)

    def _card(self, key: str, nodes: list[Node], detail: str) -> Card:
        head, last = nodes[0], nodes[-1]
        families = {n.op.family for n in nodes}
        block = len(nodes) > 1 and not all(n.op.family in _FOLLOWS for n in nodes[1:])
        states = [v for n in nodes for v in n.inputs if isinstance(v.node.op, State)]
        name = self.names[head]
        if block:
            name, what = _scope(self.names[n] for n in nodes), _inventory(nodes)
        elif isinstance(head.op, Input):
            what = "input"
        elif isinstance(head.op, State):
            what = str(head.op.role) + ("" if head.op.trainable else ", frozen")
        else:
            what = describe(head)
        own = set(nodes)
        leaving = [
            v for n in nodes for v in n.outputs
            if v in self.graph.results or any(u not in own for u in self.graph.users.get(v, ()))
        ]  # fmt: skip
        output = (leaving or [last.output])[-1]
        rest = [] if block else nodes[1:]
        unread = [unread_pixels(n) for n in nodes]
        loop = self._loop(key, head, detail) if len(nodes) == 1 else None
        return Card(
            key,
            name,
            what,
            ("several" if len(families) > 1 else families.pop()) if block else head.op.family,
            tuple(nodes),
            tuple((n.op.family, describe(n)) for n in rest),
            output,
            0 if isinstance(head.op, State) else count_parameters(states).total,
            sum(map(multiply_adds, nodes)),
            sum(value_bytes(v) for v in dict.fromkeys(leaving or last.outputs)),
            self.fields.get(output) if _shown(head) else None,
            (max(u[0] for u in unread), max(u[1] for u in unread)),
            head.origin.location,
            tuple(dict.fromkeys(self.names[v.node] for v in states if v in self.shared)),
            () if block or loop else self._tabs(nodes),
            self.steps,
            loop,
        )

    def _loop(self, key: str, node: Node, detail: str) -> Loop | None:
        """What is in the card of a loop; None for other operators."""
        found = loop_body(node, self.names, weights=detail != "all")
        if found is None:
            return None
        op, graph = found.op, found.graph
        facts = _Facts(graph, f"{key}.", self.steps * op.length, self.shared)
        inside = facts.content(_groups(graph, "layers" if detail == "blocks" else detail), detail)
        at = {card.nodes[0]: i for i, card in enumerate(inside.cards) if card.nodes}
        entries = tuple(at[entry.inside.node] for entry in found.entries)
        exits = tuple(range(len(inside.cards) - len(graph.outputs), len(inside.cards)))
        words = (*(e.words for e in found.entries), *found.exits)
        for i, what in zip((*entries, *exits), words, strict=True):
            inside.cards[i] = replace(inside.cards[i], what=what)
        back = tuple(zip(exits, entries, strict=False))[: op.carries]
        return Loop(inside, op.length, found.times, entries, exits, back)

    def _tabs(self, nodes: list[Node]) -> tuple[Tab, ...]:
        found: dict[tuple[str, str], list[str]] = {}
        for node in nodes:
            for i, value in enumerate(node.inputs):
                if isinstance(value.node.op, State):
                    operand = node.op.operand_name(i)
                    shared = self.names[value.node] if value in self.shared else ""
                    shape = "×".join(map(str, value.shape)) or "scalar"
                    found.setdefault((shape, shared), []).append(_LETTERS.get(operand, operand))
        return tuple(
            Tab(" ".join(dict.fromkeys(letters)), shape, shared)
            for (shape, shared), letters in found.items()
        )


def value_bytes(value: Value) -> int:
    """Bytes of a value; `N` counts as 1."""
    return known_size(value.shape) * value.dtype.bytes


def _scope(names: Iterable[str]) -> str:
    """The parts that all names begin with."""
    paths = [name.split(".") for name in names]
    common = []
    for parts in zip(*paths, strict=False):
        if len(set(parts)) > 1:
            break
        common.append(parts[0])
    return ".".join(common) or paths[0][0]


def _inventory(nodes: list[Node]) -> str:
    """`2 conv2d, 2 batch_norm, add`: the operators of a block."""
    counts = Counter(n.op.name for n in nodes)
    return ", ".join(name if k == 1 else f"{k} {name}" for name, k in counts.most_common(4)) + (
        ", …" if len(counts) > 4 else ""
    )


def edge_text(value: Value) -> str:
    """What stands on a link: shape, element type and bytes."""
    from graphcnn.pictures.scene.units import in_bytes

    return f"{dimensions(value.type)} {value.dtype} · {in_bytes(value_bytes(value))}"
