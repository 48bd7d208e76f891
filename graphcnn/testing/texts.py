"""Operators as text: parse and dump are inverses, for every attribute."""

import numpy as np

from graphcnn.ir.graph import Graph
from graphcnn.testing.samples import Sample, graph_of, require
from graphcnn.testing.structure import structural_difference
from graphcnn.text.parse import parse_graph
from graphcnn.text.write import dump_graph, format_graph


def round_trip(graph: Graph) -> Graph:
    """Parse the dump, and check that both directions are inverses."""
    text = dump_graph(graph)
    parsed = parse_graph(text)
    difference = structural_difference(graph, parsed)
    require(not difference, f"the text reads back as another graph: {difference}")
    require(dump_graph(parsed) == text, "the graph that is read back is written otherwise")
    return parsed


def check_text(sample: Sample) -> None:
    """The sample's graph goes through its text and back, and through the one that people read."""
    graph = graph_of(sample, np.float32)
    round_trip(graph)
    readable = format_graph(graph)
    if "digest" not in readable:
        difference = structural_difference(graph, parse_graph(readable))
        require(not difference, f"the readable text reads back as another graph: {difference}")
