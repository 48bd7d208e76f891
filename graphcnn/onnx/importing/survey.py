"""All that stands in the way of a model, found in one walk.

A file with operators that we lack is read to its end all the same: the results of such a node are
taken to have the declared types, so that everything behind it is tried too.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from shlex import quote

import onnx

from graphcnn.errors import ImportModelError
from graphcnn.ir.node import Value
from graphcnn.ir.sources import Input
from graphcnn.ir.tensor_type import TensorType
from graphcnn.onnx.importing.context import NeedsValueError, UnsupportedError
from graphcnn.onnx.importing.file.arrays import element_type
from graphcnn.onnx.importing.file.given import is_settable
from graphcnn.onnx.importing.file.input_shapes import declared_shape
from graphcnn.onnx.importing.file.names import shown
from graphcnn.onnx.importing.file.validate import function_key, label
from graphcnn.onnx.importing.missing import MissingError, missing
from graphcnn.onnx.importing.translate import Translation

#: Kinds of nodes that one message tells apart.
_SHOWN = 8


@dataclass
class Lack:
    """An operator that we lack, or lack in the form of these nodes, and why."""

    reason: str
    nodes: list[str] = field(default_factory=list)
    #: Inputs of the model whose numbers would help.
    keys: set[str] = field(default_factory=set)


@dataclass
class Survey:
    """What was found in a model.

    Attributes:
        lacks: by operator, in the order of the file.
        rest: whether all else can be read.
        assumed: operators whose results are taken to be of the type of their first input.
        before: values before what is lacking: with these as outputs the model can be read.
    """

    lacks: dict[str, Lack] = field(default_factory=dict)
    rest: bool = True
    assumed: set[str] = field(default_factory=set)
    before: tuple[str, ...] = ()


def survey(run: Translation) -> Survey:
    """Walk the nodes, past those that we lack. Raises `ImportModelError` for one that is wrong."""
    found, lost = Survey(), list[onnx.NodeProto]()
    own = {value.node.name for value in run.inputs}
    for node in filter(run.reads, run.model.graph.node):
        if any(name and name not in run.env for name in node.input):
            found.rest = False  # behind a result whose type is unknown
            continue
        try:
            run.node(node, run.env, run.opsets, 0)
        except (UnsupportedError, NeedsValueError) as error:
            if isinstance(error, NeedsValueError) and not error.keys <= own:
                found.rest = False  # what stands for a result that is lacking has no numbers
                continue
            op_type = error.op_type if isinstance(error, MissingError) else node.op_type
            lack = found.lacks.setdefault(op_type, Lack(_reason(node, error)))
            lack.nodes.append(node.name or next(iter(node.output), ""))
            lack.keys |= error.keys if isinstance(error, NeedsValueError) else set()
            lost.append(node)
            if not _stand_in(run, node) and _is_read(run, node):
                found.assumed.add(node.op_type)
                found.rest = _like_input(run, node) and found.rest
        except ImportModelError:
            if not found.assumed:
                raise
            found.rest = False  # a type that was assumed does not fit
    found.before = _before(run, lost)
    return found


def _reason(node: onnx.NodeProto, error: ImportModelError) -> str:
    return str(error).removeprefix(f"{label(node)}: ")


def start(run: Translation) -> None:
    """`run.sources()`. Where they are at fault and operators are lacking as well, those are told:
    what is said of the inputs would not be the last word."""
    try:
        run.sources()
    except ImportModelError as error:
        found = _by_name(run)
        if found.lacks:
            raise _error(run, found, error) from None
        raise


def refusal(run: Translation, first: ImportModelError) -> ImportModelError:
    """The error `first` of a walk, with all else that stands in the way and what can be done.

    `run` is one of the same model that has not walked yet.
    """
    try:
        run.sources()
        found = survey(run)
    except ImportModelError:
        return first  # the model is wrong further on, too
    return _error(run, found, first) if found.lacks else first


def _by_name(run: Translation) -> Survey:
    """The operators of the graph that are lacking in all their forms."""
    found, lost = Survey(rest=False), list[onnx.NodeProto]()
    for node in filter(run.reads, run.model.graph.node):
        known = function_key(node) in run.functions
        reason = "" if known else missing(node.op_type, node.domain, run.opsets[""])
        if reason:
            lack = found.lacks.setdefault(node.op_type, Lack(reason))
            lack.nodes.append(node.name or next(iter(node.output), ""))
            lost.append(node)
    found.before = _before(run, lost, walked=False)
    return found


def _error(run: Translation, found: Survey, first: ImportModelError) -> ImportModelError:
    kinds = [_told(op_type, lack) for op_type, lack in found.lacks.items()]
    text = str(first)
    if sum(len(lack.nodes) for lack in found.lacks.values()) > 1:
        more = f"; and {len(kinds) - _SHOWN} more operators" if len(kinds) > _SHOWN else ""
        text = f"nodes that are not supported: {'; '.join(kinds[:_SHOWN])}{more}"
    elif not isinstance(first, NeedsValueError | UnsupportedError):
        text = kinds[0]
    keys = frozenset[str]().union(*(lack.keys for lack in found.lacks.values()))
    settable = {value.node.name for value in run.inputs if is_settable(value.type)}
    advice = "" if keys and keys <= settable else _advice(found.before)
    if all(lack.keys for lack in found.lacks.values()):
        return NeedsValueError(text + advice, keys)
    return UnsupportedError(text + advice)


def _told(op_type: str, lack: Lack) -> str:
    more = f" and {len(lack.nodes) - 1} more" if len(lack.nodes) > 1 else ""
    return f'node "{shown(lack.nodes[0])}"{more} ({shown(op_type)}): {lack.reason}'


def _advice(before: Sequence[str]) -> str:
    """How to read the part of the model that stands before."""
    if not before:
        return ""
    values = ", ".join(repr(name) for name in before)
    options = " ".join(f"--until {quote(name)}" for name in before)
    return f"; what stands before can be read by outputs=[{values}], or graphcnn import {options}"


def _stand_in(run: Translation, node: onnx.NodeProto) -> bool:
    """Values of the declared types for the results of a node; False where one is not declared."""
    declared = {v.name: v.type.tensor_type for v in run.model.graph.value_info}
    declared |= {v.name: v.type.tensor_type for v in run.model.graph.output}
    whole = True
    for name in filter(None, node.output):
        tensor = declared.get(name)
        if tensor is None or not tensor.HasField("shape"):
            whole = False
            continue
        try:
            sizes = declared_shape(name, tensor)
            kind = TensorType(sizes, element_type(tensor.elem_type, f"result {name!r}"))
            run.env[name] = Input(f"result of {label(node)} {name}", kind)()
        except ImportModelError:
            whole = False
    return whole


def _is_read(run: Translation, node: onnx.NodeProto) -> bool:
    """Whether other nodes need the results of one."""
    return any(name in node.output for other in run.model.graph.node for name in other.input)


def _like_input(run: Translation, node: onnx.NodeProto) -> bool:
    """Values of the type of its first input for the results of a node; False without one."""
    first = next((run.env[name] for name in node.input if name), None)
    if not isinstance(first, Value):
        return False
    for name in filter(None, node.output):
        if name not in run.env:
            run.env[name] = Input(f"result of {label(node)} {name}", first.type)()
    return True


def _before(
    run: Translation, lost: Sequence[onnx.NodeProto], *, walked: bool = True
) -> tuple[str, ...]:
    """What the unsupported nodes read and the outputs that do not need them, in order."""
    behind = {name for node in lost for name in node.output}
    for node in run.model.graph.node:
        if behind.intersection(node.input):
            behind.update(node.output)
    made = {name for node in run.model.graph.node for name in node.output if name}
    reads = [name for node in lost for name in node.input]
    names = [*(v.name for v in run.model.graph.output), *reads]
    return tuple(
        dict.fromkeys(
            name
            for name in names
            if lost and name in made and name not in behind
            and (not walked or isinstance(run.env.get(name), Value))
        )
    )  # fmt: skip
