"""Whether a network has learned anything: a picture of random weights has to say so."""

import math
from itertools import islice
from typing import Final

from graphcnn.ir.graph import state_of
from graphcnn.network.network import Network

#: What captions say.
UNTRAINED: Final = "untrained, drawn at random"
#: Weights that are compared, the smallest first. Where only a head was trained, it is among them.
_COMPARED: Final = 3


def is_untrained(model: Network) -> bool:
    """Whether the weights are those that were drawn at first.

    Told by drawing the smallest of them again: what is not drawn (biases of zeros, factors of
    ones) says nothing. A network from elsewhere, whose weights were never drawn, is trained.
    """
    if not model.is_initialized:
        return True
    if model.seed is None:
        return False
    weights = [p for p in model.graph.parameters if p.type.rank > 1]
    weights.sort(key=lambda p: (math.prod(p.shape), state_of(p).key))
    values = model.states
    return bool(weights) and all(
        (state.initial(p.type, model.seed, state.key) == values[state.key]).all()
        for p in islice(weights, _COMPARED)
        for state in (state_of(p),)
    )
