"""Built-in networks as they are, but for what would only take time: half a gigabyte of weights of
VGG-16, and more steps of a loop."""

from typing import Any, Final

from graphcnn.models import MODELS
from graphcnn.network.network import Network

#: Arguments that leave a network's shape: each of its nodes is there.
THIN: Final[dict[str, dict[str, Any]]] = {
    "vgg16": {"channels": (4, 8, 8, 16, 16), "hidden": 16},
    "row_lstm": {"size": 12},
    "diagonal_lstm": {"size": 8},
}


def thin(name: str, full: bool = False, **options: Any) -> Network:
    """A built-in network: with `full` of the size that it has, else with few features."""
    return MODELS[name](**{**({} if full else THIN.get(name, {})), **options})
