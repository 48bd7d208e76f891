"""What kernels register: each once, and found only when something is lowered."""

import re
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from native.run_kernel import node_of, run_kernel
from samples import Sample

from graphcnn.ops.activation import Relu
from graphcnn.runtime.native.code import registry
from graphcnn.runtime.native.code.emit import Emitter
from graphcnn.runtime.native.code.kernel import node_key
from graphcnn.runtime.native.code.target import host


@pytest.mark.parametrize(
    ("register", "op", "message"),
    [
        (registry.lowers, "softmax", "two lowerings for 'softmax'"),
        (registry.anchored, "conv2d", "two lowerings for groups around 'conv2d'"),
        (registry.places, "concat", "two lowerings for placed 'concat'"),
        (registry.offers, "conv2d", "two offers of layouts for 'conv2d'"),
        (registry.passes, "concat", "two conditions of passing on for 'concat'"),
        (registry.expresses, "relu", "two expressions for 'relu'"),
    ],
)
def test_nothing_is_registered_twice(register, op, message):
    registry.load_lowerings()
    with pytest.raises(TypeError, match=message):
        register("an operator of no name", op)(print)
    del register.__self__["an operator of no name"]


def test_the_example_of_the_contract_works():
    text = re.search(r"    @lowers\(.*?units=count\)\n", registry.__doc__, re.S)
    x = np.arange(7, dtype=np.float32)
    node, _ = node_of(Sample(Relu(), x))
    found = dict(vars(registry), Emitter=Emitter, node_key=node_key)
    exec(textwrap.dedent(text.group()), found)
    kernel = registry.LOWERINGS.pop("twice")(node, host())
    (y,) = run_kernel(kernel, node, (x,), host(), 3)
    np.testing.assert_array_equal(y, x + x)


def test_kernels_are_loaded_only_where_something_is_lowered():
    code = """if True:
        import sys, graphcnn
        from graphcnn.compile import native
        from graphcnn.runtime.native.code import registry
        loaded = lambda: any("native.kernels." in name for name in sys.modules)
        print(loaded(), end=" ")
        registry.load_lowerings()
        print(loaded())
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]
