"""Where the sizes that a file declares of its results and outputs are not so.

They decide nothing, since every size follows from the inputs: wrong ones are told of, as ONNX
Runtime does, and otherwise ignored.
"""

from collections.abc import Mapping
from typing import Any

from onnx import ModelProto, ValueInfoProto

from graphcnn.base.words import printable
from graphcnn.errors import ImportModelWarning, shortened
from graphcnn.ir.node import Value
from graphcnn.ir.origin import warn
from graphcnn.ir.tensor_type import Shape, format_shape
from graphcnn.onnx.importing.context import Known, Operand
from graphcnn.onnx.importing.file.arrays import sizes_of

#: So many results are named; outputs all are.
_NAMED = 3


def contradictions(model: ModelProto, env: Mapping[str, Operand]) -> tuple[str, ...]:
    """What is declared otherwise than found: a line for every output, and one for the results."""
    outputs = {v.name for v in model.graph.output}
    lines = [f"output {wrong}" for v in model.graph.output if (wrong := _wrong(v, env))]
    results = [v for v in model.graph.value_info if v.name not in outputs]
    others = [wrong for v in results if (wrong := _wrong(v, env))]
    if others:
        more = f", and {len(others) - _NAMED} more" if len(others) > _NAMED else ""
        lines.append(f"result {', '.join(others[:_NAMED])}{more}")
    return tuple(lines)


def _wrong(info: ValueInfoProto, env: Mapping[str, Operand]) -> str:
    """What is declared and what was found, nothing where they agree or one says nothing."""
    tensor, found = info.type.tensor_type, _shape_of(env.get(info.name))
    if found is None or not tensor.HasField("shape"):
        return ""
    declared = sizes_of(tensor)
    fits = len(declared) == len(found) and all(
        size is None or size == d or not isinstance(d, int)
        for size, d in zip(declared, found, strict=True)
    )
    dims = tensor.shape.dim
    said = [str(size or d.dim_param or "?") for size, d in zip(declared, dims, strict=True)]
    name, text = (shortened(printable(each), 60) for each in (info.name, ", ".join(said)))
    return "" if fits else f"{name!r} is declared ({text}), found {format_shape(found)}"


def _shape_of(operand: Any) -> Shape | None:
    if isinstance(operand, Value):
        return operand.shape
    return operand.array.shape if isinstance(operand, Known) and operand.is_tensor else None


def warn_of(name: str, lines: tuple[str, ...]) -> None:
    """Warn once of all contradictions of a file; of none where there are none."""
    if lines:
        found = "; ".join(lines)
        warn(f"{name} says of its shapes what is not so, which is ignored: {found}",
             ImportModelWarning)  # fmt: skip
