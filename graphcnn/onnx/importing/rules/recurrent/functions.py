"""The activation functions of recurrent nodes, by name, with the numbers that some take."""

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

from graphcnn.errors import ImportModelError
from graphcnn.ir.node import Value, constant_of
from graphcnn.onnx.importing.context import RULES, Call
from graphcnn.onnx.importing.file.names import shown
from graphcnn.ops.elementwise import Maximum, Minimum

Function = Callable[[Value], Value]

#: The functions that the standard lists, with the attributes that each takes. They are ONNX's
#: operators of the same names.
LISTED: Final[dict[str, tuple[str, ...]]] = {
    "Relu": (), "Tanh": (), "Sigmoid": (), "Softsign": (), "Softplus": (),
    "Affine": ("alpha", "beta"), "ScaledTanh": ("alpha", "beta"),
    "HardSigmoid": ("alpha", "beta"), "LeakyRelu": ("alpha",), "ThresholdedRelu": ("alpha",),
    "Elu": ("alpha",),
}  # fmt: skip
#: Those whose numbers have to be given: ONNX has no default for them, or ONNX Runtime another one.
GIVEN: Final = ("Affine", "ScaledTanh", "ThresholdedRelu")
_SPELLED: Final = {name.lower(): name for name in LISTED}


class Chosen(NamedTuple):
    """The functions of one direction; `plain` where they are the default ones and nothing is
    cut."""

    functions: tuple[Function, ...]
    plain: bool


def chosen_functions(call: Call, defaults: Sequence[str], directions: int) -> list[Chosen]:
    """For each direction the functions of the node, `defaults` where it names none.

    Numbers of `activation_alpha` and `activation_beta` go to the functions that take one, in
    order; a function for which there is none left has the default of the operator, or is refused
    where runtimes do not agree on one (`GIVEN`). With `clip` what a function gets is cut to
    [-clip, clip] first, but for that of an LSTM's state, which ONNX Runtime and OpenVINO leave as
    it is. Raises `ImportModelError` for another number of functions, an unknown one, and numbers
    too many.
    """
    names = [_name(n) for n in call.attribute("activations") or [*defaults] * directions]
    if len(names) != len(defaults) * directions:
        raise ImportModelError(
            f"attribute 'activations' must have {len(defaults) * directions} functions, "
            f"{len(defaults)} for each of {directions} directions, found {', '.join(names)}"
        )
    left = {key: list(call.attribute(f"activation_{key}", ())) for key in ("alpha", "beta")}
    found: list[Function] = []
    for name in names:
        numbers = {key: left[key].pop(0) for key in LISTED[name] if left[key]}
        lacking = [key for key in LISTED[name] if key not in numbers]
        if lacking and name in GIVEN:
            raise ImportModelError(
                f"the activation {name} needs a number in 'activation_{lacking[0]}', which has none"
            )
        function = _function(call, name, numbers)
        of_gates = len(found) % len(defaults) < 2
        found.append(_clipped(function, call.attribute("clip")) if of_gates else function)
    for key, rest in left.items():
        if any(rest):
            raise ImportModelError(
                f"attribute 'activation_{key}' has {len(rest)} numbers more than the functions "
                f"{', '.join(names)} take"
            )
    per = len(defaults)
    return [
        Chosen(
            tuple(found[i : i + per]),
            names[i : i + per] == list(defaults) and not call.attribute("clip"),
        )
        for i in range(0, len(found), per)
    ]


def _name(found: Any) -> str:
    """The function of a name, however it is spelled: ONNX Runtime does not look at capitals."""
    text = found.decode(errors="replace") if isinstance(found, bytes) else str(found)
    if text.lower() not in _SPELLED:
        raise ImportModelError(
            f"the activation {shown(text)!r} is unknown, expected one of {', '.join(LISTED)}"
        )
    return _SPELLED[text.lower()]


def _function(call: Call, name: str, numbers: dict[str, float]) -> Function:
    def function(x: Value) -> Value:
        inner = Call(name, "", call.opset, (x,), ("y",), numbers, call.store)
        found = RULES[name](inner)
        assert isinstance(found, Value)
        return found

    return function


def _clipped(function: Function, bound: float | None) -> Function:
    """The function of max(-bound, min(x, bound)); without a bound, or one of 0, of x itself."""
    if not bound:
        return function
    if bound < 0:
        raise ImportModelError(f"attribute 'clip' must be above 0, found {bound}")

    def clipped(x: Value) -> Value:
        most, least = constant_of(bound, x.dtype), constant_of(-bound, x.dtype)
        return function(Maximum()(Minimum()(x, most), least))

    return clipped
