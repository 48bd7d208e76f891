"""What is known of each operator, asked of the classes, the registries and the rules themselves."""

import inspect
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import MISSING, asdict, dataclass, fields
from enum import Enum
from functools import cache
from types import CodeType, FunctionType, ModuleType
from typing import Any

import onnx

import graphcnn as cnn
from graphcnn.base.modules import import_all
from graphcnn.ir.node import OPS, Op
from graphcnn.onnx.exporting.registry import EXCUSED, EXPORTERS, written_out
from graphcnn.onnx.exporting.writer import NodeWriter
from graphcnn.onnx.importing.context import RULES
from graphcnn.ops.loops import Scan
from graphcnn.ops.own.operator import OwnGradient
from graphcnn.pictures.scene.colors import FAMILIES
from graphcnn.runtime.native.code.registry import LOWERINGS, load_lowerings

#: What the writer of ONNX nodes makes of a tensor x: steps that exporters share.
_STEPS = {
    name: method
    for name, method in vars(NodeWriter).items()
    if isinstance(method, FunctionType) and "x" in method.__code__.co_varnames
}
#: What stands for ONNX's operators where the smaller ones are written.
EXPANSION = "its expansion"
#: What an operator can say of itself by a flag of its class, with the words for it.
FLAGS = {
    "elementwise": "each element of the result depends on one place of the operands",
    "view": "the same bytes under another shape",
    "anchor": "elementwise operators are fused to it",
    "commutative": "its operands may be exchanged",
    "idempotent": "done again it changes nothing",
    "involution": "done twice it is the identity",
    "monotone": "it never falls, or never rises, with one of its operands",
    "annihilators": "zeros in some operands alone make it 0",
    "integral": "whole numbers make whole numbers",
    "piecewise_constant": "its derivative is zero wherever it exists",
}


@dataclass(frozen=True)
class Operator:
    """One row: everything as it is shown, so that table, page and JSON cannot differ."""

    name: str
    family: str
    definition: str
    gradient: str
    native: str
    onnx_written: tuple[str, ...]
    onnx_read: tuple[str, ...]
    onnx_note: str
    functions: tuple[str, ...]
    operands: tuple[str, ...]
    results: tuple[str, ...]
    attributes: dict[str, str]
    properties: tuple[str, ...]
    doc: str
    file: str

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@cache
def operators() -> tuple[Operator, ...]:
    """All operators of the library, by file and in the order of their definition there."""
    load_lowerings()
    import_all("graphcnn.onnx.exporting.rules")
    import_all("graphcnn.onnx.importing.rules")
    read = _readers()
    ours = [op for op in OPS.values() if op.__module__.startswith("graphcnn.")]
    return tuple(_described(op, read) for op in sorted(ours, key=lambda op: op.__module__))


def _described(op: type[Op], read: dict[str, tuple[str, ...]]) -> Operator:
    doc = inspect.getdoc(op) or ""
    return Operator(
        name=op.name,
        family=FAMILIES[op.family].title,
        definition=first_sentence(doc),
        gradient=_gradient(op),
        native=_native(op),
        onnx_written=_written(op.name),
        onnx_read=read[op.name],
        onnx_note=EXCUSED.get(op.name, ""),
        functions=_functions(op),
        operands=tuple(op.operands),
        results=tuple(op.results),
        attributes=_attributes(op),
        properties=tuple(words for flag, words in FLAGS.items() if getattr(op, flag)),
        doc=doc,
        file=op.__module__.replace(".", "/") + ".py",
    )


def first_sentence(doc: str) -> str:
    """The first sentence on one line; where it ends in a colon, with the formulas behind it."""
    head, *more = doc.split("\n\n")
    sentence, _, _ = " ".join(head.split()).partition(". ")
    if sentence.endswith(":") and more:
        return f"{sentence} {'; '.join(line.strip() for line in more[0].splitlines())}"
    return sentence.removesuffix(".")


def _gradient(op: type[Op]) -> str:
    """How `graphcnn.passes.training.backward` differentiates it."""
    if not op.operands:
        return "a source"
    if op.piecewise_constant:
        return "zero"
    if op.has("gradient"):
        return "yes"
    return "by expansion" if op.has("expand") else "none"


def _native(op: type[Op]) -> str:
    if op.name in LOWERINGS:
        return "kernel"
    if op is Scan:
        return "loop"
    if op.has("expand"):
        return "by expansion"
    if op is OwnGradient:
        return "Python"
    return "none" if op.operands else "memory"


def _attributes(op: type[Op]) -> dict[str, str]:
    """Name to "type = default" of each attribute."""
    found = {}
    for f in fields(op):
        if f.compare:
            kind = f.type if isinstance(f.type, str) else inspect.formatannotation(f.type)
            default = "" if f.default is MISSING else f" = {_plain(f.default)}"
            found[f.name] = re.sub(r"\b(?:\w+\.)+(\w+)", r"\1", kind) + default
    return found


def _plain(value: Any) -> str:
    return f"{type(value).__name__}.{value.name}" if isinstance(value, Enum) else repr(value)


@cache
def _language() -> dict[str, frozenset[type]]:
    """The functions of the language by their public names, and the operators that each names."""
    return {
        name: frozenset(_classes(mentioned(thing, "graphcnn.language")))
        for name, thing in vars(cnn).items()
        if isinstance(thing, FunctionType) and thing.__module__.startswith("graphcnn.language")
    }


def _functions(op: type[Op]) -> tuple[str, ...]:
    """The function of the operator's name that makes it, else all that make nothing else, or with
    it only what other families have."""
    found = _language()
    if op in found.get(op.name, ()):
        return (op.name,)
    alone = tuple(name for name, classes in found.items() if classes == {op})
    return alone or tuple(
        name
        for name, classes in found.items()
        if {each for each in classes if getattr(each, "family", "") == op.family} == {op}
    )


def _classes(words: Iterable[Any]) -> Iterator[type[Op]]:
    for word in words:
        if isinstance(word, Op):
            yield type(word)
        elif isinstance(word, type) and issubclass(word, Op):
            yield word


@cache
def _onnx_names() -> frozenset[str]:
    return frozenset(schema.name for schema in onnx.defs.get_all_schemas_with_history())


def _written(name: str) -> tuple[str, ...]:
    """ONNX's operators in the code of its exporter, namesakes first."""
    if name not in EXPORTERS:
        return () if name in EXCUSED else (EXPANSION,)
    words = list(mentioned(EXPORTERS[name], "graphcnn.onnx.exporting"))
    found = {x for x in words if isinstance(x, str) and x in _onnx_names()}
    ordered = sorted(found, key=lambda x: (not _namesakes(name, x), x))
    return (*ordered, *[EXPANSION] * any(x is written_out for x in words))


def _namesakes(name: str, onnx_name: str) -> bool:
    """Whether one name is part of the other: `max_pool2d` and MaxPool, `sum` and ReduceSum."""
    ours, theirs = name.replace("_", ""), onnx_name.lower()
    return theirs in ours or ours in theirs


def _readers() -> dict[str, tuple[str, ...]]:
    """For each operator those of ONNX whose rules name it: namesakes first, then the simplest."""
    found = defaultdict(list)
    for onnx_name, rule in RULES.items():
        classes = set(_classes(mentioned(rule, "graphcnn.onnx.importing")))
        for op in classes:
            found[op.name].append((not _namesakes(op.name, onnx_name), len(classes), onnx_name))
    return {name: tuple(onnx_name for *_, onnx_name in sorted(found[name])) for name in OPS}


def mentioned(function: Any, inside: str) -> Iterator[Any]:
    """The strings, classes, operators and functions in the code of a function.

    Helper functions from modules that begin with `inside` are followed, and what a function has
    closed over.
    """
    yield from _of_thing(function, inside, set())


def _of_thing(thing: Any, inside: str, seen: set[int]) -> Iterator[Any]:
    if isinstance(thing, str | type | Op):
        yield thing
    elif isinstance(thing, tuple | list | frozenset):
        for item in thing:
            yield from _of_thing(item, inside, seen)
    elif isinstance(thing, dict) and thing is not EXPORTERS and thing is not RULES:
        for item in thing.values():
            yield from _of_thing(item, inside, seen)
    elif isinstance(thing, FunctionType) and id(thing) not in seen:
        seen.add(id(thing))
        yield thing
        if thing is not written_out and thing.__module__.startswith(inside):
            for cell in thing.__closure__ or ():
                yield from _of_thing(cell.cell_contents, inside, seen)
            yield from _of_code(thing.__code__, thing.__globals__, inside, seen)


def _of_code(code: CodeType, scope: dict[str, Any], inside: str, seen: set[int]) -> Iterator[Any]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _of_code(constant, scope, inside, seen)
        else:
            yield from _of_thing(constant, inside, seen)
    modules = [scope[n] for n in code.co_names if isinstance(scope.get(n), ModuleType)]
    for name in code.co_names:
        if name in scope:
            yield from _of_thing(scope[name], inside, seen)
        for module in modules:
            if module.__name__.startswith("graphcnn."):
                yield from _of_thing(getattr(module, name, None), inside, seen)
        if name in _STEPS:
            yield from _of_thing(_STEPS[name], inside, seen)
