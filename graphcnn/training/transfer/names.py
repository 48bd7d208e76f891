"""What torchvision and timm call the tensors of the networks that are built in here, too, and
PyTorch those of any network whose layers have the names of its modules.

Facts of torchvision 0.28 and timm 1.0, whose models have the same layers in the same order. A table
or rule takes the name of a layer of ours to that of theirs; what a layer holds has one name for
all. The network is recognised by its layers, so another head or size changes nothing.
"""

import re
from collections.abc import Callable
from typing import Final

from graphcnn.data.normalisation import Normalisation
from graphcnn.errors import WeightsError
from graphcnn.ir.graph import Graph, state_of

#: What torchvision's and timm's weights were trained on: images in [0, 1], then by channel these.
IMAGENET: Final = Normalisation((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))

#: What `names` may be as a word.
SOURCES: Final = ("torchvision", "timm", "torch")
#: The one whose layers are called as ours are: it tells nothing of what its weights take.
TORCH: Final = SOURCES[-1]

_OPERANDS = {
    "gamma": "weight",
    "beta": "bias",
    "slope": "weight",
    "mean": "running_mean",
    "variance": "running_var",
}

#: From a layer of ours to theirs; None where there is none.
Rule = Callable[[str], str | None]


def foreign_names(graph: Graph, source: str) -> dict[str, str]:
    """What `source` calls each state of a network; one that it has no name for keeps its own.

    Raises:
        WeightsError: an unknown source, or a network that it has none like.
    """
    if source not in SOURCES:
        raise WeightsError(f"names must be one of {', '.join(SOURCES)}, found {source!r}")
    rule = str if source == TORCH else _rule(graph, timm=source == "timm")
    found: dict[str, str] = {}
    for key in (state_of(s).key for s in graph.states):
        layer, _, operand = key.rpartition(".")
        theirs = rule(layer)
        found[key] = key if theirs is None else f"{theirs}.{_OPERANDS.get(operand, operand)}"
    return found


def _rule(graph: Graph, timm: bool) -> Rule:
    """The rule for a network with these layers."""
    sizes = {state_of(s).key: s.shape for s in graph.states}
    if "stem.conv.weight" in sizes and "stage1.block1.conv1.weight" in sizes:
        return _resnet
    if "stage5.conv3.weight" in sizes and "dense2.weight" in sizes:
        return _vgg16("stage1.norm1.gamma" in sizes, timm).get
    if "stage7.block1.depthwise.conv.weight" in sizes:
        return _mobilenet_of_timm if timm else _mobilenet
    if "fire9.squeeze.weight" in sizes and not timm:  # which has none
        return _squeezenet(sizes.get("conv1.weight", ())[2:] == (7, 7))
    known = "resnet18, vgg16, mobilenet_v2" + ("" if timm else ", squeezenet")
    raise WeightsError(
        f"the names of {'timm' if timm else 'torchvision'} are known for {known}, and "
        f"{graph.name!r} has other layers; names={{...}} tells what the file calls each of them"
    )


def _resnet(layer: str) -> str | None:
    """Both packages have the same names."""
    known = {"stem.conv": "conv1", "stem.norm": "bn1", "logits": "fc"}
    inner = {"shortcut": "downsample.0", "shortcut_norm": "downsample.1"}
    found = re.fullmatch(r"stage(\d+)\.block(\d+)\.(\w+)", layer)
    if found is None:
        return known.get(layer)
    stage, block, name = found.groups()
    theirs = inner.get(name, re.sub(r"^norm", "bn", name))
    return f"layer{stage}.{int(block) - 1}.{theirs}"


def _squeezenet(first: bool) -> Rule:
    """Modules are counted with the ReLU and the pools between them, of which the first version has
    them elsewhere."""
    places = (3, 4, 5, 7, 8, 9, 10, 12) if first else (3, 4, 6, 7, 9, 10, 11, 12)

    def rule(layer: str) -> str | None:
        found = re.fullmatch(r"fire(\d+)\.(\w+)", layer)
        if found is None:
            return {"conv1": "features.0", "conv10": "classifier.1"}.get(layer)
        return f"features.{places[int(found[1]) - 2]}.{found[2]}"

    return rule


def _vgg16(batch_norm: bool, timm: bool) -> dict[str, str]:
    """Layers without weights are counted, too. timm writes the dense layers as convolutions."""
    found, place = {}, 0
    for stage, depth in enumerate((2, 2, 3, 3, 3), start=1):
        for i in range(1, depth + 1):
            found[f"stage{stage}.conv{i}"] = f"features.{place}"
            found[f"stage{stage}.norm{i}"] = f"features.{place + 1}"
            place += 3 if batch_norm else 2  # with the ReLU
        place += 1
    theirs = ("pre_logits.fc1", "pre_logits.fc2", "head.fc") if timm else (
        "classifier.0", "classifier.3", "classifier.6"
    )  # fmt: skip
    return found | dict(zip(("dense1", "dense2", "logits"), theirs, strict=True))


#: Blocks of each stage of MobileNetV2.
_BLOCKS = (1, 2, 3, 4, 3, 3, 1)


def _mobilenet(layer: str) -> str | None:
    """Blocks are counted through, and what is inside them by place: the first has no expansion."""
    outside = {"stem": "features.0", "last": "features.18"}
    if layer == "logits":
        return "classifier.1"
    place, _, kind = layer.rpartition(".")
    number = {"conv": 0, "norm": 1}.get(kind)
    found = re.fullmatch(r"stage(\d+)\.block(\d+)\.(\w+)", place)
    if number is None or (found is None and place not in outside):
        return None
    if found is None:
        return f"{outside[place]}.{number}"
    stage, block, name = int(found[1]), int(found[2]), found[3]
    parts = ("depthwise", "project") if stage == 1 else ("expand", "depthwise", "project")
    features = f"features.{sum(_BLOCKS[: stage - 1]) + block}.conv"
    if name == "project":  # not in a group of its own, having no activation
        return f"{features}.{len(parts) - 1 + number}"
    return f"{features}.{parts.index(name)}.{number}"


def _mobilenet_of_timm(layer: str) -> str | None:
    known = {
        "stem.conv": "conv_stem", "stem.norm": "bn1", "last.conv": "conv_head", "last.norm": "bn2",
        "logits": "classifier",
    }  # fmt: skip
    found = re.fullmatch(r"stage(\d+)\.block(\d+)\.(\w+)\.(conv|norm)", layer)
    if found is None:
        return known.get(layer)
    stage, block, name, kind = found.groups()
    parts = {"depthwise": "conv_dw", "project": "conv_pw"} if stage == "1" else {
        "expand": "conv_pw", "depthwise": "conv_dw", "project": "conv_pwl"
    }  # fmt: skip
    theirs = parts[name] if kind == "conv" else f"bn{[*parts].index(name) + 1}"
    return f"blocks.{int(stage) - 1}.{int(block) - 1}.{theirs}"
