"""Damaged ONNX files: read or refused, in little time and memory."""

import time
import tracemalloc
from contextlib import suppress

import numpy as np

from graphcnn.errors import GraphCnnError, ImportModelError
from graphcnn.onnx.importing.importer import import_graph
from graphcnn.runtime.reference import Reference

#: Bytes of all results of an imported mutant that is run too.
SMALL = 1 << 24


def survive(content):
    """Whether a mutant is accepted: read within two seconds and 64 MiB, run without a crash."""
    started, before = time.process_time(), tracemalloc.get_traced_memory()[0]
    tracemalloc.reset_peak()
    try:
        found = import_graph(content)
    except ImportModelError as error:
        found = None
        assert "\n" not in str(error) and "cannot be translated" not in str(error), error
    assert time.process_time() - started < 2
    assert tracemalloc.get_traced_memory()[1] - before < 64 << 20
    if found is None:
        return False
    graph = found.graph.bind(N=1)
    if sum(t.bytes for node in graph.nodes for t in node.types) < SMALL:
        feeds = {v.node.name: np.zeros(v.shape, v.dtype.numpy) for v in graph.inputs}
        with np.errstate(all="ignore"), suppress(GraphCnnError):
            Reference(graph).run(feeds, found.states)
    return True
