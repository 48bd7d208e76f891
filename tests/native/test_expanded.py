"""Operators without a kernel of their own: native code runs what they are made of."""

import numpy as np
import pytest
from native.run_kernel import check_results, has_kernel, node_of
from samples import Sample, all_samples

from graphcnn.compile.native import Prepared
from graphcnn.ir.graph import Graph
from graphcnn.runtime.execution import Execution

BY_NAME: dict[str, list[Sample]] = {}
for _sample in all_samples():
    if _sample.op.has("expand") and not has_kernel(_sample):
        BY_NAME.setdefault(_sample.op.name, []).append(_sample)


@pytest.mark.parametrize("name", BY_NAME)
def test_samples(name: str) -> None:
    """They are the definition's, as far as rounding allows, and the same for one part and two."""
    for sample in BY_NAME[name]:
        node, arrays = node_of(sample, np.float32)
        graph = Graph.of(node.inputs, {f"y{i}": y for i, y in enumerate(node.outputs)})
        feeds = {f"x{i}": array for i, array in enumerate(arrays)}
        found = []
        for threads in (1, 2):
            prepared = Prepared(graph, Execution("native", threads))
            prepared.bind_states({})
            outputs = prepared.run(feeds)[0]
            found.append(tuple(outputs[y] for y in graph.outputs))
        with np.errstate(all="ignore"):
            check_results(node, found[0], node.op.evaluate(*arrays))
        for one, two in zip(*found, strict=True):
            assert one.tobytes() == two.tobytes(), sample
