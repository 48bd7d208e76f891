"""The numbers below and behind a diagram: totals of the graph, its digest, the facts of cards."""

import hashlib
from typing import Any

from graphcnn.analysis.cost import total_multiply_adds
from graphcnn.analysis.counts import activation_bytes, graph_parameters
from graphcnn.ir.graph import Graph, unique_names
from graphcnn.pictures.content.content import Card, Content, value_bytes
from graphcnn.pictures.scene.colors import FAMILIES
from graphcnn.pictures.scene.units import counted, in_bytes, joined, short


def subtitle(graph: Graph) -> str:
    parameters = graph_parameters(graph).total
    work = total_multiply_adds(graph)
    return joined(
        (
            counted(parameters, "parameter") if parameters else "",
            f"{short(work)} multiply-adds" if work else "",
            counted(len(graph.operations), "operator"),
        )
    )


def footer(graph: Graph, shown: Content) -> list[str]:
    batch = "per item (N = 1)" if not graph.is_bound else "for the whole batch"
    operators, cards = len(graph.operations), len(list(shown.every_card()))
    repeats = [f for f in shown.frames if f.times > 1]
    return [
        joined(
            (
                f"{counted(operators, 'operator')} on {cards} cards",
                counted(graph_parameters(graph).total, "parameter"),
                f"{total_multiply_adds(graph):,} multiply-adds",
                f"activations {in_bytes(activation_bytes(graph))}",
                batch,
                f"detail: {shown.detail}",
                f"{counted(len(repeats), 'repeated block')} folded" if repeats else "",
                f"graph {digest(graph)}",
            )
        )
    ]


def data(graph: Graph, shown: Content) -> dict[str, Any]:
    """What a program reads of a diagram."""
    return {
        "graph": graph.name,
        "digest": digest(graph),
        "detail": shown.detail,
        "cards": [_facts(card) for card in shown.every_card()],
        "edges": _edges(shown),
        "repeats": [
            {"title": f.title, "times": f.times, "cards": [c.key for c in f.cards]}
            for f in shown.frames
            if f.times > 1
        ],
    }


def _edges(shown: Content) -> list[dict[str, Any]]:
    """The links, and those in loops; what goes back to the next step says so."""
    edges = [
        {
            "from": shown.cards[k.source].key,
            "to": shown.cards[k.target].key,
            "type": str(k.value.type),
            "bytes": value_bytes(k.value),
        }
        for k in shown.links
    ]
    for loop in (card.loop for card in shown.cards if card.loop is not None):
        cards = loop.inside.cards
        edges += _edges(loop.inside)
        edges += [{"from": cards[a].key, "to": cards[b].key, "carried": True} for a, b in loop.back]
    return edges


def _facts(card: Card) -> dict[str, Any]:
    return {
        "key": card.key,
        "name": card.name,
        "what": card.what,
        "family": FAMILIES[card.family].title,
        "with": [text for _, text in card.extra],
        "operators": [n.op.name for n in card.nodes],
        "output": str(card.output.type) if card.output is not None else None,
        "parameters": card.parameters,
        "weights": [
            {"letters": t.letters, "shape": t.shape, "shared": t.shared} for t in card.tabs
        ],
        "multiply_adds": card.multiply_adds,
        "bytes": card.bytes,
        "receptive_field": list(card.field.size) if card.field else None,
        "jump": [float(j) for j in card.field.jump] if card.field else None,
        "unread": list(card.unread),
        "source": card.location,
        **({"steps": card.loop.times} if card.loop is not None else {}),
    }


def digest(graph: Graph) -> str:
    """Eight hex digits that tell graphs apart: of its text form without the users' lines."""
    names = unique_names(graph)
    hash_ = hashlib.sha256()
    for node in graph.nodes:
        inputs = ",".join(f"{names[v.node]}:{v.index}" for v in node.inputs)
        attributes = getattr(node.op, "digest", None) or repr(node.op)
        types = " ".join(map(str, node.types))
        hash_.update(f"{names[node]}={attributes}({inputs}){types}\n".encode("utf-8", "replace"))
    return hash_.hexdigest()[:8]
