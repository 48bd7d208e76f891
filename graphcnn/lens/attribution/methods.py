"""The methods that are compared with each other, and how much work each is given."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from graphcnn.analysis.cost import total_multiply_adds
from graphcnn.errors import LensError
from graphcnn.ir.graph import Graph
from graphcnn.lens.attribution.cams import grad_cam
from graphcnn.lens.attribution.gradient import gradient
from graphcnn.lens.attribution.integrated import integrated
from graphcnn.lens.attribution.occlusion import occlude
from graphcnn.lens.attribution.rise import rise
from graphcnn.lens.attribution.smooth import smooth
from graphcnn.lens.core import Core
from graphcnn.lens.finding import Finding

#: Multiply-adds of an image from which a network is a large one.
_LARGE = 5 * 10**7


@dataclass(frozen=True)
class Effort:
    """Samples of SmoothGrad, steps of integration, places of a patch along a side, masks, steps of
    deletion and insertion, stages of shuffled weights."""

    samples: int
    steps: int
    places: int
    masks: int
    cuts: int
    stages: int


#: What the maps of a small network are made with, those of a large one, and, of that, the maps
#: whose only use is to be compared with those of shuffled weights.
SMALL = Effort(50, 50, 24, 2000, 28, 6)
LARGE = Effort(12, 24, 10, 300, 10, 2)
CHECKS = Effort(6, 6, 5, 60, 10, 2)


def efforts(lens: Core) -> tuple[Effort, Effort]:
    """For the maps, and for their checks: by the cost of the network, not by the clock."""
    graph = lens.network.graph
    work = total_multiply_adds(Graph.of(graph.inputs, graph.outputs, name=graph.name))
    return (SMALL, SMALL) if work < _LARGE else (LARGE, CHECKS)


@dataclass(frozen=True)
class Asked:
    """One image and its target, as the methods take them."""

    x: Any
    target: Any
    layer: str | None
    seed: int
    effort: Effort


@dataclass(frozen=True)
class Method:
    """A method of attribution beside others.

    Attributes:
        title: what stands above its map.
        make: the map.
        signed: whether its largest numbers speak for the score; else its sizes are what matters.
        edges: whether it is known to draw edges whatever the weights are.
    """

    title: str
    make: Callable[[Core, Asked], Finding]
    signed: bool = True
    edges: bool = False


def _ruled(rule: str, times_input: bool = False) -> Callable[[Core, Asked], Finding]:
    def make(lens: Core, asked: Asked) -> Finding:
        how = (rule, times_input, "black", asked.layer, None)
        return gradient(lens, asked.x, asked.target, *how)

    return make


def _smooth(lens: Core, asked: Asked) -> Finding:
    how = (asked.effort.samples, 0.15, asked.seed, "plain", False, asked.layer, None)
    return smooth(lens, asked.x, asked.target, *how)


def _integrated(lens: Core, asked: Asked) -> Finding:
    tolerance = None if asked.effort is CHECKS else 0.01
    how = ("black", asked.effort.steps, "gauss-legendre", tolerance, asked.layer, None)
    return integrated(lens, asked.x, asked.target, *how)


def _occlude(lens: Core, asked: Asked) -> Finding:
    sizes = lens.fed(asked.x).shape[2:]
    patch = max(1, round(min(sizes) * 5 / 28))
    stride = tuple(max(1, -(-(size - patch) // (asked.effort.places - 1))) for size in sizes)
    return occlude(lens, asked.x, asked.target, patch, stride, "black", asked.layer, None)


def _rise(lens: Core, asked: Asked) -> Finding:
    how = (asked.effort.masks, 7, 0.5, asked.seed, "black", asked.layer, None)
    return rise(lens, asked.x, asked.target, *how)


def _cam(kind: str) -> Callable[[Core, Asked], Finding]:
    def make(lens: Core, asked: Asked) -> Finding:
        if asked.layer is not None:
            raise LensError("class activation maps are of classes, not of units of a layer")
        return grad_cam(lens, asked.x, asked.target, None, kind)

    return make


METHODS: Mapping[str, Method] = {
    "gradient": Method("gradient", _ruled("plain"), signed=False),
    "times_input": Method("gradient · input", _ruled("plain", True)),
    "smooth": Method("SmoothGrad", _smooth, signed=False),
    "integrated": Method("integrated gradients", _integrated),
    "guided": Method("guided backpropagation", _ruled("guided"), signed=False, edges=True),
    "deconv": Method("deconvolution", _ruled("deconv"), signed=False, edges=True),
    "grad_cam": Method("Grad-CAM", _cam("plain")),
    "occlude": Method("occlusion", _occlude),
    "lrp": Method("LRP-ε", _ruled("lrp")),
    "deeplift": Method("DeepLIFT", _ruled("deeplift")),
    "rise": Method("RISE", _rise),
    "grad_cam++": Method("Grad-CAM++", _cam("++")),
    "layer_cam": Method("LayerCAM", _cam("layer")),
    "score_cam": Method("Score-CAM", _cam("score")),
    "ablation_cam": Method("Ablation-CAM", _cam("ablation")),
}
#: What is compared unless somebody says otherwise.
USUAL = (
    "gradient", "times_input", "smooth", "integrated", "guided", "deconv", "grad_cam", "occlude",
)  # fmt: skip
