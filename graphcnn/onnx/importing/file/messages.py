"""Small parts of ONNX messages as plain values, and errors of hostile ones as ours."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from shlex import quote
from typing import Any

import onnx
from onnx import AttributeProto, FunctionProto, NodeProto

from graphcnn.errors import GraphCnnError, ImportModelError
from graphcnn.ir.node import Value
from graphcnn.ir.origin import UNKNOWN, Origin
from graphcnn.ir.tensor_type import BatchSize
from graphcnn.onnx.exporting.writer import ELEMENT_TYPES
from graphcnn.onnx.importing.context import Known, Operand
from graphcnn.onnx.importing.file.arrays import sizes_of
from graphcnn.onnx.importing.file.load import one_line
from graphcnn.onnx.importing.file.names import find_schema, shown
from graphcnn.onnx.importing.file.validate import FIRST_OPSET, STANDARD
from graphcnn.onnx.importing.known.affine import symbolic_type
from graphcnn.onnx.importing.rules.sequences import SequenceItems

#: What can go wrong in a rule when a file is hostile; all of it is the file's fault.
_FAULTS = (
    ValueError, TypeError, LookupError, ArithmeticError, AttributeError, MemoryError,
    RecursionError,
)  # fmt: skip


@contextmanager
def faults(where: str) -> Iterator[None]:
    """Whatever goes wrong inside as an `ImportModelError` of one line that begins with `where`."""
    try:
        yield
    except ImportModelError:
        raise
    except GraphCnnError as error:
        raise ImportModelError(f"{where}: {first_line(error)}") from None
    except _FAULTS as error:
        raise ImportModelError(
            f"{where}: cannot be translated: {type(error).__name__}: {one_line(error)}"
        ) from None


def first_line(error: Exception) -> str:
    return str(error).split("\n")[0]


def plain_name(node: NodeProto) -> str:
    """The name of our node: that of the ONNX node or, without one, of its first result."""
    return node.name or next(iter(node.output), "")


_ORIGIN = re.compile(r"(?P<file>[^\s,:]+):(?P<line>\d+)(?P<passes>(, \w+)*)")


def origin_of(doc: str) -> Origin:
    """The origin that our exporter wrote: `lenet.py:12, fuse_pad`."""
    match = _ORIGIN.fullmatch(doc)
    if match is None:
        return UNKNOWN
    passes = tuple(match["passes"].split(", ")[1:])
    return Origin(match["file"], int(match["line"]), passes)


def open_axis(name: str, axis: int, tensor: Any) -> str:
    """What to do about an input whose size is open, with an example."""
    dims = tensor.shape.dim
    known = sizes_of(tensor)
    words = [shown(str(size or d.dim_param or "?")) for size, d in zip(known, dims, strict=True)]
    batch = axis if known[0] else 0
    example = ["N" if a == batch else str(size or 224) for a, size in enumerate(known)]
    return (
        f"input {name!r} leaves axis {axis} open ({shown(dims[axis].dim_param) or '?'}); only the "
        f"batch axis may be: give all sizes of ({', '.join(words)}), for example "
        f"inputs={{{name!r}: ({', '.join(example).replace('N', repr('N'), 1)})}}, or "
        f"--shape {quote(name)}={','.join(example)} on the command line"
    )


#: How rules that know no inputs write that one is to be given another batch.
_BATCH = re.compile(r'inputs=\{"?name"?: \(([^,()]+), \.\.\.\)\}')


def concrete(text: str, inputs: Sequence[Value]) -> str:
    """The message with the inputs that have the axis N, and their shapes, in place of "name"."""
    varying = [v for v in inputs if not v.type.is_bound]
    found = _BATCH.search(text)
    if not varying or found is None:
        return text
    shapes, options = [], []
    for v in varying:
        sizes = [_given(d, found[1]) if isinstance(d, BatchSize) else str(d) for d in v.shape]
        shape = f"({sizes[0]},)" if len(sizes) == 1 else f"({', '.join(sizes)})"
        shapes.append(f"{v.node.name!r}: {shape}")
        written = ",".join(sizes).replace('"', "")
        options.append(f"--shape {quote(v.node.name)}={written}")
    written = f"inputs={{{', '.join(shapes)}}} ({' '.join(options)})"
    return text[: found.start()] + written + text[found.end() :]


def _given(size: BatchSize, batch: str) -> str:
    """The size of an axis k·N where N is `batch`, which is a number or a name."""
    return str(size.times * int(batch)) if batch.isdigit() else batch


def without_shape(name: str) -> str:
    """What to do about an input of which not even the rank is declared."""
    return (
        f"input {name!r} has no shape; give it, for example inputs={{{name!r}: ('N', 3, 224, 224)}}"
        f", or --shape {quote(name)}=N,3,224,224 on the command line"
    )


def type_proto(operand: Operand | None) -> bytes:
    found = _type_proto(operand)
    return b"" if found is None else found.SerializeToString()


def _type_proto(operand: Operand | None) -> Any:
    if operand is None:
        return None
    if isinstance(operand, SequenceItems):
        element = _type_proto(operand.items[0]) if operand.items else onnx.TypeProto()
        return onnx.helper.make_sequence_type_proto(element)
    if isinstance(operand, Known):
        code: int = onnx.helper.np_dtype_to_tensor_dtype(symbolic_type(operand.array))
        shape: list[Any] = list(operand.array.shape)
    else:
        code = ELEMENT_TYPES[operand.dtype]
        shape = [d if isinstance(d, int) else str(d) for d in operand.shape]
    return onnx.helper.make_tensor_type_proto(code, shape)


def schema_function(
    node: NodeProto,
    opset: int,
    given: Mapping[str, AttributeProto],
    inputs: Sequence[Operand | None],
) -> tuple[FunctionProto, dict[str, AttributeProto]] | None:
    """ONNX's own definition of an operator by smaller ones, with the defaults of its attributes;
    None where it has none."""
    schema = find_schema(node.op_type, opset)
    if schema is None:
        return None
    function = FunctionProto()
    plain = [v for v in schema.function_opset_versions if v <= opset]
    typed = [v for v in schema.context_dependent_function_opset_versions if v <= opset]
    copy = NodeProto()
    copy.CopyFrom(node)
    del copy.attribute[:]
    copy.attribute.extend(given.values())
    if typed:
        types = [type_proto(o) for o in inputs]
        content = schema.get_context_dependent_function_with_opset_version(
            max(typed), copy.SerializeToString(), types
        )
    elif plain:
        content = schema.get_function_with_opset_version(max(plain))
    else:
        return None
    if not content:
        return None
    function.ParseFromString(content)
    if not function.node or any(n.op_type == node.op_type for n in function.node):
        return None
    version = max(typed or plain)
    if not any(o.domain in STANDARD for o in function.opset_import):
        function.opset_import.append(onnx.helper.make_opsetid("", max(version, FIRST_OPSET)))
    defaults = {
        name: a.default_value
        for name, a in schema.attributes.items()
        if a.default_value.type != AttributeProto.UNDEFINED
    }
    return function, defaults
