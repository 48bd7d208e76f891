"""Optimisers: rules that build the update of one parameter as graph nodes.

The formulas are those of PyTorch, or of the paper that each names. Throughout, p is the parameter,
g its gradient, lr the learning rate, t the step counting from 1, wd the weight decay. All slots
start at zero.

Weight decay pulls kernels and matrices towards 0. Biases and the gamma and beta of batch
normalisation are left alone: they are not many, and shrinking them does not simplify a network.

    cnn.SGD(OneCycle(0.4), 0.9, groups={"head.*": {"learning_rate": 10}}, clip_norm=1.0)
    cnn.EMA(cnn.Lookahead(cnn.Adam(0.01)), decay=0.99)
"""

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from graphcnn.errors import GraphError
from graphcnn.language.arguments import choose
from graphcnn.learning.optimizers.base import Optimizer, Slots
from graphcnn.learning.optimizers.groups import Groups, layer_decay
from graphcnn.learning.optimizers.sgd import SGD

if TYPE_CHECKING:
    from graphcnn.learning.optimizers.adagrad import Adadelta, Adagrad
    from graphcnn.learning.optimizers.adam import Adam, AdamW
    from graphcnn.learning.optimizers.averaging import EMA, SWA
    from graphcnn.learning.optimizers.lamb import LAMB
    from graphcnn.learning.optimizers.lion import Lion
    from graphcnn.learning.optimizers.lookahead import Lookahead
    from graphcnn.learning.optimizers.muon import Muon
    from graphcnn.learning.optimizers.names import OPTIMIZERS, WRAPPERS
    from graphcnn.learning.optimizers.rmsprop import RMSProp
    from graphcnn.learning.optimizers.several import Optimizers
    from graphcnn.learning.optimizers.wrapper import Wrapper

__all__ = [
    "EMA",
    "LAMB",
    "OPTIMIZERS",
    "SGD",
    "SWA",
    "WRAPPERS",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Groups",
    "Lion",
    "Lookahead",
    "Muon",
    "Optimizer",
    "Optimizers",
    "RMSProp",
    "Slots",
    "Wrapper",
    "layer_decay",
    "optimizer",
]

#: Where each of the others is: it is loaded when it is first asked for.
_HOMES: Final = {
    "Adadelta": "adagrad", "Adagrad": "adagrad", "Adam": "adam", "AdamW": "adam",
    "EMA": "averaging", "SWA": "averaging", "LAMB": "lamb", "Lion": "lion",
    "Lookahead": "lookahead", "Muon": "muon", "OPTIMIZERS": "names", "WRAPPERS": "names",
    "Optimizers": "several", "RMSProp": "rmsprop", "Wrapper": "wrapper",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    """With what is loaded later: for those who press Tab."""
    return sorted({*globals(), *__all__})


def optimizer(spec: Any) -> Optimizer:
    """An optimiser from itself, one with default settings from its name, or `Optimizers` from a
    dict of such by patterns.

    Raises:
        GraphError: the name is unknown; the message holds the nearest known one.
    """
    if isinstance(spec, Optimizer):
        return spec
    from graphcnn.learning.optimizers.names import OPTIMIZERS  # loads all of them

    if isinstance(spec, str):
        return choose(OPTIMIZERS, spec.lower(), "optimizer")()  # type: ignore[call-arg]
    if isinstance(spec, Mapping):
        from graphcnn.learning.optimizers.several import Optimizers

        return Optimizers({pattern: optimizer(each) for pattern, each in spec.items()})
    if isinstance(spec, type) and issubclass(spec, Optimizer):
        raise GraphError(f"optimizer must be an object, not its class: write {spec.__name__}(...)")
    raise GraphError(
        f"optimizer must be a name ({', '.join(OPTIMIZERS)}), an Optimizer such as "
        f"SGD(0.05, momentum=0.9), or several by patterns of names, found {spec!r}"
    )
