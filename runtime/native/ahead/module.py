"""Plans as functions in LLVM IR: `int NAME_run(in…, out…, [weights,] arena)`, or of the address of
a table of these, since engines limit the number of arguments (those of JavaScript to 1000).

What the driver does with records and tables in this process is written out here: a buffer is a
distance in the arena or in the weights, a step a direct call of the body of its kernel, as the
only part. Kernels stay functions: those of equal steps are one, of several plans too, and engines
that compile code while it runs (JavaScript's) do it function by function.
"""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from graphcnn.ir.plan import ALIGN, Buffer, Plan
from graphcnn.runtime.native.ahead.places import Places, Port
from graphcnn.runtime.native.code.codegen import entry_of, kernel_text, parsed
from graphcnn.runtime.native.code.kernel import Kernel
from graphcnn.runtime.native.code.llvm import llvm
from graphcnn.runtime.native.code.target import Target, llvm_lock, machine

#: Bytes at the begin of the weights in object code that are put there to be found again.
MARK = 64
#: How the code has its weights: in it; as the symbol `weights`, which a linker places; or their
#: address is an argument, or stands in a table with those of all that is read and written.
Weights = Literal["inside", "symbol", "argument", "table"]

_COPY = """
define internal void @"copy.{name}"(ptr noalias %to, ptr noalias %from, {word} %count)
  {attributes} {{
entry:
  br label %loop
loop:
  %i = phi {word} [ 0, %entry ], [ %next, %loop ]
  %a = getelementptr {element}, ptr %from, {word} %i
  %b = getelementptr {element}, ptr %to, {word} %i
  %v = load {element}, ptr %a, align {align}
  store {element} %v, ptr %b, align {align}
  %next = add {word} %i, 1
  %more = icmp ult {word} %next, %count
  br i1 %more, label %loop, label %end
end:
  ret void
}}
"""


@dataclass(frozen=True)
class Program:
    """What becomes a function: a plan with its kernels, a step each, for a processor."""

    name: str
    plan: Plan
    kernels: Sequence[Kernel]
    places: Places
    target: Target
    weights: Weights

    @property
    def function(self) -> str:
        return f"{self.name}_run"

    @cached_property
    def mark(self) -> bytes:
        """The first bytes of what stands for weights inside, which occur nowhere else."""
        return mark_of(self.places.weights)


def mark_of(weights: memoryview) -> bytes:
    digest = hashlib.sha512(b"the place of weights ")
    digest.update(weights)
    return digest.digest()[:MARK]


@contextmanager
def module_of(*programs: Program) -> Iterator[Any]:
    """The module of these programs, for the length of a block: LLVM's memory is given back at its
    end, and not by the search for garbage, which knows no order.

    They are for one processor. Of several, all are told where their weights are.
    """
    target, exported = programs[0].target, {program.function for program in programs}
    bodies = {entry_of(k): k for program in programs for k in program.kernels}
    with llvm_lock:
        context = llvm.create_context()
        texts = [_Main(program).text() for program in programs]
        texts += [kernel_text(k, target, entry=False) for k in bodies.values()]
        with parsed(texts[0], context) as found:
            for each in texts[1:]:
                found.link_in(parsed(each, context))
            for function in found.functions:
                if not function.is_declaration and function.name not in exported:
                    function.linkage = llvm.Linkage.internal
            _tidy(found, target)
            yield found


def _tidy(module: Any, target: Target) -> None:
    """Without what is never read, such as which part of the work is done. No loop is changed:
    kernels are written as they shall run."""
    options = llvm.create_pipeline_tuning_options(speed_level=1)
    options.loop_vectorization = options.slp_vectorization = options.loop_unrolling = False
    builder = llvm.create_pass_builder(machine(target), options)
    builder.getModulePassManager().run(module, builder)


class _Main:
    """The text around the kernels."""

    def __init__(self, program: Program) -> None:
        self.program, self.places = program, program.places
        self.target = target = program.target
        self.word = f"i{8 * target.pointer_bytes}"
        self.attributes = " ".join(("noinline", *target.attributes))
        self.argued = program.weights in ("argument", "table")
        self.pointers = 0

    def text(self) -> str:
        layout = machine(self.target).target_data
        lines = [
            f'target triple = "{self.target.triple}"',
            f'target datalayout = "{layout}"',
            *self._weights(),
            *self._declared(),
            *self._copiers(),
            *self._run(),
        ]
        return "\n".join(lines)

    def _weights(self) -> Iterator[str]:
        size = len(self.places.weights)
        if size and self.program.weights == "symbol":
            yield f"@weights = external constant [{size} x i8], align {ALIGN}"
        if size and self.program.weights == "inside":
            rest = size - MARK
            kind = f"<{{ [{MARK} x i8], [{rest} x i8] }}>"
            mark = "".join(f"\\{b:02x}" for b in self.program.mark)
            # Nobody may conclude from what stands there now what will stand there.
            yield (
                f"@weights = internal externally_initialized constant {kind} "
                f'<{{ [{MARK} x i8] c"{mark}", [{rest} x i8] zeroinitializer }}>, align {ALIGN}'
            )

    def _declared(self) -> Iterator[str]:
        found = {entry_of(k): k.operands for k in self.program.kernels}
        for entry, operands in found.items():
            kinds = ", ".join([*["ptr"] * operands, self.word, self.word])
            yield f"declare void @{entry}({kinds}) {self.attributes}"

    def _copiers(self) -> Iterator[str]:
        """Of words where both sides have them, and of bytes."""
        for name, element, align in (("words", "i32", 4), ("bytes", "i8", 1)):
            yield _COPY.format(
                name=name, element=element, align=align, word=self.word, attributes=self.attributes
            )

    def _run(self) -> Iterator[str]:
        inputs, outputs = self.places.inputs, self.places.outputs
        names = [f"%in.{i}" for i in range(len(inputs))]
        names += [f"%out.{i}" for i in range(len(outputs))]
        names += ["%weights", "%arena"] if self.argued else ["%arena"]
        attributes = " ".join(self.target.attributes)
        tabled = self.program.weights == "table"
        given = ", ".join(f"ptr {name}" for name in (["%table"] if tabled else names))
        yield f"define i32 @{self.program.function}({given}) {attributes} {{"
        yield "entry:"
        for i, name in enumerate(names if tabled else []):
            yield f"  %slot.{i} = getelementptr ptr, ptr %table, {self.word} {i}"
            yield f"  {name} = load ptr, ptr %slot.{i}"
        yield from self._checked()
        for i, port in enumerate(inputs):
            yield from self._copy(port, f"%in.{i}", into=True)
        for step, kernel in zip(self.program.plan.steps, self.program.kernels, strict=True):
            operands = [*step.reads, *step.writes, *([step.scratch] if step.scratch else [])]
            found = []
            for buffer in operands:
                line, pointer = self._at(buffer)
                yield line
                found.append(f"ptr {pointer}")
            words = f"{self.word} 0, {self.word} 1"
            yield f"  call void @{entry_of(kernel)}({', '.join([*found, words])})"
        for i, port in enumerate(outputs):
            yield from self._copy(port, f"%out.{i}")
        yield "  ret i32 0"
        yield "}"

    def _checked(self) -> Iterator[str]:
        """Ends with 1 where the arena, or the weights, do not lie as kernels want them."""
        yield f"  %arena.at = ptrtoint ptr %arena to {self.word}"
        both = "%arena.at"
        if self.argued:
            yield f"  %weights.at = ptrtoint ptr %weights to {self.word}"
            yield f"  %both = or {self.word} %arena.at, %weights.at"
            both = "%both"
        yield f"  %low = and {self.word} {both}, {ALIGN - 1}"
        yield f"  %off = icmp ne {self.word} %low, 0"
        yield "  br i1 %off, label %refused, label %begin"
        yield "refused:"
        yield "  ret i32 1"
        yield "begin:"

    def _at(self, buffer: Buffer) -> tuple[str, str]:
        """The line that makes the address of a buffer, and the name of that."""
        base, distance = "%arena", self.places.in_arena.get(buffer)
        if distance is None:
            base = "%weights" if self.argued else "@weights"
            distance = self.places.in_weights[buffer]
        self.pointers += 1
        name = f"%p{self.pointers}"
        return f"  {name} = getelementptr i8, ptr {base}, {self.word} {distance}", name

    def _copy(self, port: Port, argument: str, into: bool = False) -> Iterator[str]:
        """A port from the caller's memory to where it lies, or from there to the caller."""
        if not port.bytes:
            return
        line, place = self._at(port.buffer)
        yield line
        to, source = (place, argument) if into else (argument, place)
        words = port.type.dtype.bytes >= 4
        kind, count = ("words", port.bytes // 4) if words else ("bytes", port.bytes)
        yield f'  call void @"copy.{kind}"(ptr {to}, ptr {source}, {self.word} {count})'
