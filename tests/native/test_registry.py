"""What kernels register: each once, and found only when something is lowered."""

import subprocess
import sys

import pytest

from graphcnn.runtime.native.code import registry


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
