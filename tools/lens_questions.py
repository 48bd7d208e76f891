"""The questions of `graphcnn lens`: each an option, what it needs, and what answers it."""

import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, cast

from graphcnn.data.dataset import Dataset
from graphcnn.errors import GraphError, WrongUseError
from graphcnn.ir.node import Array
from graphcnn.language.arguments import choose
from graphcnn.lens.finding import Finding
from graphcnn.lens.lens import Lens
from graphcnn.lens.study.layers import layers
from graphcnn.model import Model
from graphcnn.models.resolve import find
from graphcnn.tools.predict_inputs import read_inputs

Needs = Literal["image", "network", "data"]


#: A method of attribution: the lens, the image, and where it looks.
Method = Callable[[Lens, Any, dict[str, Any]], Finding]


@dataclass(frozen=True, eq=False)
class Asked:
    """A question as it was put.

    Attributes:
        what: the value of its option, such as a layer.
        image: the image, for questions about one.
        data: the data set, for questions about one.
        more: options that were given, by name, of those that the question takes.
    """

    lens: Lens
    what: str
    image: Array | None = None
    data: Dataset | None = None
    more: Mapping[str, Any] = field(default_factory=dict)

    @property
    def layer(self) -> str:
        return layer_named(self.lens, self.what)

    @property
    def unit(self) -> tuple[str, int | str | None]:
        return unit_named(self.lens, self.what)


@dataclass(frozen=True, eq=False)
class Question:
    """An option of the command.

    Attributes:
        option: its name, without dashes.
        metavar: what it takes; "" where it is a flag.
        needs: an image, data, or nothing but the network.
        help: a sentence.
        answer: the method.
        takes: the other options that it knows.
    """

    option: str
    metavar: str
    needs: Needs
    help: str
    answer: Callable[[Asked], Finding]
    takes: tuple[str, ...] = ()


def layer_named(lens: Lens, text: str) -> str:
    """The name of a layer. Raises `WrongUseError` with the nearest known ones."""
    try:
        lens.value(text)
    except GraphError:
        known = list(layers(lens))
        near = [name for name in known if name.lower() == text.lower()]
        near = near or difflib.get_close_matches(text, known, 1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise WrongUseError(
            f"{lens.model.name} has no layer {text!r}; {hint}it has {', '.join(known)}"
        ) from None
    return text


def unit_named(lens: Lens, text: str) -> tuple[str, int | str | None]:
    """LAYER, or LAYER:UNIT with the number of a channel or unit, or the name of a class.

    A layer whose own name has a colon in it, as ONNX files have them, is found first.
    """
    try:
        lens.value(text)
        return text, None
    except GraphError:
        layer, colon, unit = text.rpartition(":")
    if not colon:
        return layer_named(lens, text), None
    return layer_named(lens, layer), int(unit) if unit.isdecimal() else unit


def numbered(lens: Lens, text: str, option: str) -> tuple[str, int]:
    """LAYER:UNIT, both of them."""
    layer, unit = unit_named(lens, text)
    if not isinstance(unit, int):
        raise WrongUseError(f"--{option} takes LAYER:UNIT with a number, as in {layer}:0")
    return layer, unit


def target_named(lens: Lens, text: str | None) -> dict[str, Any]:
    """A class by number or name, or LAYER:UNIT, as arguments of a method of attribution."""
    if text is None:
        return {"target": None}
    if text.isdecimal():
        return {"target": int(text)}
    if text in lens.model.classes or ":" not in text:
        return {"target": text}
    layer, unit = numbered(lens, text, "target")
    return {"target": unit, "layer": layer}


def _rule(name: str) -> Method:
    return lambda lens, x, where: lens.gradient(x, rule=name, **_without(where, "seed"))


def _cam(kind: str) -> Method:
    return lambda lens, x, where: lens.grad_cam(x, kind=kind, **_without(where, "seed"))


def _without(where: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """Arguments that a method takes: what is drawn nowhere needs no seed."""
    return {key: value for key, value in where.items() if key not in names}


#: Class activation maps, and their kinds.
CAMS: Final = {
    "grad_cam": "plain",
    "grad_cam++": "++",
    "layer_cam": "layer",
    "score_cam": "score",
    "ablation_cam": "ablation",
}
#: The methods of --why.
METHODS: Final[Mapping[str, Method]] = {
    "all": lambda lens, x, where: lens.attribute(x, **where),
    "gradient": _rule("plain"),
    "guided": _rule("guided"),
    "deconv": _rule("deconv"),
    "redirected": _rule("redirected"),
    "lrp": _rule("lrp"),
    "deeplift": _rule("deeplift"),
    "integrated": lambda lens, x, where: lens.integrated(x, **_without(where, "seed")),
    "smooth": lambda lens, x, where: lens.smooth(x, **where),
    "occlude": lambda lens, x, where: lens.occlude(x, **_without(where, "seed")),
    "rise": lambda lens, x, where: lens.rise(x, **where),
    **{name: _cam(kind) for name, kind in CAMS.items()},
}


def _filters(asked: Asked) -> Finding:
    return asked.lens.filters(asked.layer)


def _dense(asked: Asked) -> Finding:
    return asked.lens.dense_form(asked.layer)


def _confusion(asked: Asked) -> Finding:
    return asked.lens.confusion(asked.data)


def _errors(asked: Asked) -> Finding:
    return asked.lens.errors(asked.data)


def _maps(asked: Asked) -> Finding:
    return asked.lens.maps(asked.image, None if asked.what == "all" else asked.layer)


def _steps(asked: Asked) -> Finding:
    layer, channel = asked.unit
    return asked.lens.steps(layer, asked.image, channel=channel, **asked.more)  # type: ignore[arg-type]


def _field(asked: Asked) -> Finding:
    return asked.lens.field(asked.layer, **asked.more)


def _maximise(asked: Asked) -> Finding:
    layer, unit = asked.unit
    return asked.lens.maximise(layer, unit=unit, **asked.more)


def _why(asked: Asked) -> Finding:
    name = method_named(METHODS, asked.what)
    where = target_named(asked.lens, asked.more.get("target"))
    more = {k: v for k, v in asked.more.items() if k not in ("target", "layer")}
    if "at" in more and "layer" not in where:
        raise WrongUseError("--at is a place in the maps of a layer: give --target LAYER:UNIT")
    if name == "all" and "at" in more:
        raise WrongUseError("--at does not apply to all methods: name one")
    if name in CAMS and "layer" in where:
        raise WrongUseError(f"{name} is about a class, found {asked.more['target']} for --target")
    if "layer" in asked.more:
        if name not in CAMS:
            raise WrongUseError(
                f"--layer says where {', '.join(CAMS)} look; {name} takes --target LAYER:UNIT"
            )
        where["layer"] = layer_named(asked.lens, asked.more["layer"])
    return METHODS[name](asked.lens, asked.image, where | more)


def _codes(asked: Asked) -> Finding:
    return asked.lens.codes(asked.data, asked.layer)


def _similarity(asked: Asked) -> Finding:
    other = None if asked.what == "itself" else find(asked.what).build()
    return asked.lens.similarity(other, data=asked.data)


def _unit(asked: Asked) -> Finding:
    layer, channel = numbered(asked.lens, asked.what, "unit")
    return asked.lens.unit(layer, channel, data=asked.data, **asked.more)


def _style(asked: Asked) -> Finding:
    others, _ = read_inputs(cast(Model, asked.lens.model), (asked.what,), resize=True)
    return asked.lens.style(asked.image, others[0])


def _ablate(asked: Asked) -> Finding:
    layer, channel = asked.unit
    return asked.lens.ablate(layer, channel, data=asked.data)


def _invert(asked: Asked) -> Finding:
    return asked.lens.invert(asked.layer, asked.image, **asked.more)


def _reconstruct(asked: Asked) -> Finding:
    return asked.lens.reconstruct(asked.image, **asked.more)


def _adversarial(asked: Asked) -> Finding:
    return asked.lens.adversarial(asked.image, **asked.more)


def _dream(asked: Asked) -> Finding:
    return asked.lens.dream(asked.image, asked.layer, **asked.more)


#: In the order of the help.
QUESTIONS: Final = (
    Question(
        "why", "METHOD", "image",
        f"Which pixels the score hangs on, by one of {', '.join(METHODS)}. all: eight of them side "
        "by side, with numbers that say what each is worth.", _why,
        ("target", "layer", "at", "seed"),
    ),
    Question(
        "maps", "LAYER|all", "image",
        "Feature maps, those with the most energy first, dead ones crossed.", _maps,
    ),
    Question(
        "invert", "LAYER", "image", "The image back from what a layer makes of it.",
        _invert, ("seed",),
    ),
    Question(
        "reconstruct", "", "image",
        "The image back from each layer, with what is lost on the way.",
        _reconstruct, ("seed",),
    ),
    Question(
        "dream", "LAYER", "image", "The image with more of what a layer sees in it.",
        _dream, ("seed",),
    ),
    Question(
        "style", "FILE", "image",
        "The image in the style of another one, a picture of any size or an array.", _style,
    ),
    Question(
        "adversarial", "", "image",
        "The image changed by the least step of the gradient that makes it another class.",
        _adversarial, ("seed",),
    ),
    Question(
        "steps", "LAYER[:CHANNEL]", "image",
        "A layer at work, as a film: its weights slid over what it reads, number by number.",
        _steps, ("at",),
    ),
    Question("filters", "LAYER", "network", "The weights of a layer as pictures.", _filters),
    Question(
        "field", "LAYER", "network",
        "What an element of a layer sees of the image, and how much it makes of each pixel.",
        _field, ("at", "seed"),
    ),
    Question(
        "dense", "LAYER", "network",
        "A convolution as a dense layer: weights removed, the others shared.", _dense,
    ),
    Question("confusion", "", "data", "What each class is taken for.", _confusion),
    Question("errors", "", "data", "The mistakes that MODEL is surest of.", _errors),
    Question(
        "maximise", "LAYER[:UNIT]", "network",
        "The image that a channel, a unit or a class answers most, or those of a whole layer.",
        _maximise, ("at", "seed"),
    ),
    Question(
        "unit", "LAYER:UNIT", "data",
        "All about one channel or unit: what it answers most in DATA and how often, its classes, "
        "its weights, the images made for it.", _unit, ("seed",),
    ),
    Question(
        "ablate", "LAYER[:UNIT]", "data",
        "The accuracy that is lost when a channel says nothing, or each channel of a layer alone.",
        _ablate,
    ),
    Question(
        "codes", "LAYER", "data",
        "The images where a layer puts them: those that it takes for alike lie near.", _codes,
    ),
    Question(
        "similarity", "MODEL|itself", "data",
        "How alike the layers of MODEL and another one are, from 0 to 1 (linear CKA).",
        _similarity,
    ),
)  # fmt: skip


def chosen(given: Iterable[tuple[str, Any]]) -> tuple[Question, str] | None:
    """The one question that was asked, and its value. Raises `WrongUseError` for two."""
    by_name = {question.option: question for question in QUESTIONS}
    found = [
        (by_name[key], "" if value is True else str(value))
        for key, value in given
        if key in by_name and value not in (None, False)
    ]
    if len(found) > 1:
        names = " and ".join(f"--{question.option}" for question, _ in found)
        raise WrongUseError(f"ask one question at a time, found {names}")
    return found[0] if found else None


def method_named(methods: Mapping[str, Any], text: str) -> str:
    """A method of attribution. Raises `WrongUseError` with the nearest known one."""
    try:
        choose(dict(methods), text, "method")
    except GraphError as error:
        raise WrongUseError(str(error)) from None
    return text
