"""What an ONNX file asks for and what becomes of it, for people: `graphcnn import model.onnx`."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from shlex import quote
from typing import Any

import onnx

from graphcnn.analysis.cost import total_multiply_adds
from graphcnn.analysis.randomness import random_outputs
from graphcnn.base.words import printable
from graphcnn.errors import readable
from graphcnn.ir.node import Array
from graphcnn.ir.tensor_type import format_shape
from graphcnn.onnx.importing.context import RULES
from graphcnn.onnx.importing.file.cut import cut_model
from graphcnn.onnx.importing.file.given import Inputs, given_inputs, is_settable
from graphcnn.onnx.importing.file.limits import Limits
from graphcnn.onnx.importing.file.load import read_model
from graphcnn.onnx.importing.file.messages import faults
from graphcnn.onnx.importing.file.names import near
from graphcnn.onnx.importing.file.validate import validate
from graphcnn.onnx.importing.file.written import as_written
from graphcnn.onnx.importing.importer import import_proto
from graphcnn.onnx.importing.opening import opening
from graphcnn.onnx.importing.survey import Survey, start, survey
from graphcnn.onnx.importing.translate import Imported, Translation

#: What stands for an operator that we lack, where names do not tell.
SIMILAR = {
    "Loop": "the body repeated", "Scan": "the body repeated", "NonZero": "Where",
    "Compress": "Where", "NonMaxSuppression": "TopK", "Unique": "none",
}  # fmt: skip


@dataclass(frozen=True)
class Unsupported:
    """An operator that we lack: the nodes, why, and what comes near it. Where the numbers of
    inputs would help, their names."""

    op_type: str
    nodes: tuple[str, ...]
    reason: str
    nearest: str
    inputs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Report:
    """What was understood of a file. `runs`: nothing is missing."""

    name: str
    producer: str
    ir_version: int
    opset: int
    inputs: dict[str, str]
    outputs: dict[str, str]
    operators: dict[str, int]
    parameters: int
    multiply_adds: int
    folded: dict[str, int]
    lowered: dict[str, int]
    #: Nodes whose bodies are read once and computed at every turn.
    looped: dict[str, int]
    unsupported: tuple[Unsupported, ...]
    rest_runs: bool
    #: Operators whose results are taken to be of the type of their first input.
    assumed: tuple[str, ...] = ()
    #: Values before what is unsupported: with these as outputs, the model can be read.
    before: tuple[str, ...] = ()
    #: Inputs whose numbers are given, and the numbers.
    given: dict[str, str] = field(default_factory=dict)
    #: Where declared shapes of results and outputs are not so.
    doubts: tuple[str, ...] = ()
    #: Outputs that depend on random numbers.
    random: tuple[str, ...] = ()

    @property
    def runs(self) -> bool:
        return not self.unsupported

    @property
    def needs(self) -> str:
        """What is missing, in one line."""
        lacking = [u.op_type for u in self.unsupported if not u.inputs]
        inputs = sorted({name for u in self.unsupported for name in u.inputs})
        found = [f"operators that are not supported: {', '.join(lacking)}"] if lacking else []
        if inputs:
            options = " ".join(f"--set {quote(name)}=..." for name in inputs)
            found.append(f"the numbers of inputs that decide shapes: {options}")
        return ", and ".join(found)

    def to_json(self) -> str:
        return json.dumps({**asdict(self), "runs": self.runs}, indent=2)

    def __str__(self) -> str:
        total = sum(self.operators.values())
        rows = [
            ("model", f"{self.name}, by {self.producer or 'an unknown producer'}"),
            ("version", f"opset {self.opset}, IR {self.ir_version}"),
            *(("input", f"{k}  {v}") for k, v in self.inputs.items()),
            *(("given", f"{k}  {v}") for k, v in self.given.items()),
            *(("output", f"{k}  {v}") for k, v in self.outputs.items()),
            ("operators", f"{total}: {_counts(self.operators)}"),
        ]
        if self.runs:
            rows.append(("parameters", f"{self.parameters:,}"))
            per = "item" if any("N" in shape for shape in self.inputs.values()) else "batch"
            rows.append(("multiply-adds", f"{self.multiply_adds:,} per {per}"))
        if self.folded:
            rows.append(("computed now", _counts(self.folded)))
        if self.lowered:
            rows.append(("written out", _counts(self.lowered)))
        if self.looped:
            rows.append(("loops", _counts(self.looped)))
        if self.random:
            rows.append(
                (
                    "random",
                    f"{', '.join(self.random)}: numbers of our own, the same in "
                    "every run; other runtimes draw others",
                )
            )
        rows += [("declared wrong", text) for text in self.doubts]
        lines = [f"{key:<14} {printable(text)}" for key, text in rows]
        for u in self.unsupported:
            more = f" and {len(u.nodes) - 3} more" if len(u.nodes) > 3 else ""
            near = f"; nearest supported: {u.nearest}" if u.nearest else ""
            what = printable(f"{u.op_type}: {', '.join(u.nodes[:3])}")
            lines.append(f"{'unsupported':<14} {what}{more}\n{'':14} {printable(u.reason)}{near}")
        if self.unsupported:
            lines += [f"{'':14} {printable(text)}" for text in self._rest()]
        return readable("\n".join(lines))

    def _rest(self) -> list[str]:
        word = "runs" if self.rest_runs else "could not be tried to its end"
        if self.rest_runs and self.assumed:
            word += f", if results of {', '.join(self.assumed)} are shaped like their first input"
        lines = [f"the rest of the model {word}"]
        if self.before:
            values = ", ".join(repr(name) for name in self.before)
            options = " ".join(f"--until {quote(name)}" for name in self.before)
            lines.append(f"the part before can be read: outputs=[{values}], or {options}")
        return lines


def _counts(counts: dict[str, int]) -> str:
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{op} {n}" if n > 1 else op for op, n in ordered)


def report(
    source: str | Path | bytes,
    inputs: Inputs | None = None,
    limits: Limits | None = None,
    outputs: Sequence[str] | None = None,
) -> Report:
    """Read a file and tell what is in it. Raises `ImportModelError` where it breaks a rule."""
    limits = limits or Limits()
    model, folder = read_model(source, limits)
    if outputs is not None:
        model = cut_model(model, outputs)
    with faults("the model"):
        validate(model, limits)
        shapes, known = given_inputs(model, inputs)
        fixed = opening(model, shapes)
        run = Translation(model, fixed.shapes if fixed else shapes, limits, folder, known)
        start(run)
        written = None if inputs else as_written(model, limits, folder)
    seen = Survey() if written else survey(run)
    found = written or (None if seen.lacks else run.finish())
    if found and fixed:
        found = import_proto(model, shapes, limits, folder, known=known)
    return _made(source, model, run, found, seen)


def _made(
    source: Any,
    model: onnx.ModelProto,
    run: Translation,
    found: Imported | None,
    seen: Survey,
) -> Report:
    settable = {v.node.name for v in run.inputs if is_settable(v.type)}
    operators = Counter(n.op_type for n in model.graph.node)
    graph = found.graph if found else None
    is_bytes = isinstance(source, bytes | bytearray | memoryview)
    inputs = graph.inputs if graph else run.inputs
    outputs = {v.name: "" for v in model.graph.output}
    if graph is not None:
        outputs = {key: str(v.type) for key, v in graph.outputs.items()}
    return Report(
        name=model.graph.name or ("model" if is_bytes else Path(source).stem),
        producer=" ".join(filter(None, (model.producer_name, model.producer_version))),
        ir_version=model.ir_version,
        opset=run.opsets[""],
        inputs={v.node.name: f"{v.dtype} {format_shape(v.shape)}" for v in inputs},
        outputs=outputs,
        operators=dict(operators),
        parameters=sum(p.type.size for p in graph.parameters) if graph else 0,
        multiply_adds=total_multiply_adds(graph) if graph else 0,
        folded=dict(run.folded),
        lowered=dict(run.lowered),
        looped=dict(run.looped),
        unsupported=tuple(
            Unsupported(
                op, tuple(lack.nodes), lack.reason, nearest(op), tuple(sorted(lack.keys & settable))
            )
            for op, lack in seen.lacks.items()
        ),
        rest_runs=seen.rest,
        assumed=tuple(sorted(seen.assumed)),
        before=seen.before,
        given={name: _numbers(array) for name, array in run.given.items()},
        doubts=found.doubts if found else (),
        random=random_outputs(graph) if graph else (),
    )


def nearest(op_type: str) -> str:
    """Supported operators that come near one; none where some of its forms are supported."""
    if op_type in RULES:
        return ""
    if op_type in SIMILAR:
        return SIMILAR[op_type]
    return ", ".join(near(op_type, RULES)) or "none"


def _numbers(array: Array) -> str:
    """The first numbers of a value that was given."""
    numbers = [str(x) for x in array.ravel().tolist()]
    return ", ".join(numbers[:8] + ["..."] * (len(numbers) > 8)) or "no numbers"
