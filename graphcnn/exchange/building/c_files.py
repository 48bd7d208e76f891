"""For C: the header of a network, a program that calls it, and its description for pkg-config."""

import math
from collections.abc import Iterator, Mapping

import numpy as np

from graphcnn.exchange.building.contract import Contract, Tensor
from graphcnn.ir.node import Array
from graphcnn.ir.plan import ALIGN
from graphcnn.ir.tensor_type import DType

#: The type of an element in C; of numbers that are stored only, their bits.
C_TYPES = {
    DType.FLOAT32: "float",
    DType.FLOAT64: "double",
    DType.BOOL: "uint8_t",
    **{d: f"{d.numpy.name}_t" for d in DType if d.numpy.kind in "iu"},
}
#: How a number of such a type is printed.
_FORMATS = {"float": "%g", "double": "%g", "int64_t": "%lld", "uint64_t": "%llu"}
#: How far a float may lie from what it has to be, as a share of the largest: sums in another order,
#: and Winograd's algorithm, differ by less, and a fault by more.
_NEAR = 1e-3


def c_type(dtype: DType) -> str:
    return C_TYPES.get(dtype, f"uint{8 * dtype.bytes}_t")


def signature(of: Contract) -> str:
    """The function as C declares it."""
    arguments = [f"const {c_type(t.dtype)} *{t.name}" for t in of.inputs]
    arguments += [f"{c_type(t.dtype)} *{t.name}" for t in of.outputs]
    arguments += [] if of.inside else ["const void *weights"]
    return f"int {of.name}_run({', '.join([*arguments, 'void *arena'])})"


def header(of: Contract) -> str:
    """`NAME.h`."""
    up = of.name.upper()
    lines = [
        f"/* {of.name}, built by {of.made_by} for {of.machine} ({of.precision} precision).",
        "",
        *_about(of),
        "",
        f"   {of.name}_run computes the outputs of one batch and returns 0. It returns 1, and",
        f"   computes nothing, where the arena{'' if of.inside else ' or the weights'} does not "
        f"begin at a multiple of {up}_ALIGN.",
        "   It calls nothing, allocates nothing and keeps nothing from call to call: threads may",
        "   run it at the same time, each with an arena of its own. */",
        f"#ifndef {up}_H",
        f"#define {up}_H",
        "",
        "#include <stdint.h>",
        "",
        "#ifdef __cplusplus",
        'extern "C" {',
        "#endif",
        "",
        *_sizes(of),
        "",
        f"{signature(of)};",
        "",
        "#ifdef __cplusplus",
        "}",
        "#endif",
        "",
        "#endif",
        "",
    ]
    return "\n".join(lines)


def _about(of: Contract) -> Iterator[str]:
    for kind, tensors in (("in", of.inputs), ("out", of.outputs)):
        for t in tensors:
            shape = "".join(f"[{size}]" for size in t.shape)
            yield f"   {kind:<4} {c_type(t.dtype)} {t.name}{shape}{_meaning(of, t)}"
    if of.normalised:
        yield f"   {of.inputs[0].name} of levels 0 to 255: {of.normalised}"


def _meaning(of: Contract, t: Tensor) -> str:
    if t in of.inputs[:1] and len(t.shape) == 4:
        levels = ", levels 0 to 255" if of.levels else ""
        return f"  batch, channels, rows from the top, columns{levels}"
    if t is of.outputs[0] and of.classes:
        return f"  the scores of {len(of.classes)} classes"
    return ""


def _sizes(of: Contract) -> Iterator[str]:
    up = of.name.upper()
    for t in (*of.inputs, *of.outputs):
        yield f"#define {up}_{t.name.upper()}_COUNT {t.count} /* elements of {t.name} */"
    yield f"#define {up}_ARENA_BYTES {of.arena} /* with anything in it */"
    yield f"#define {up}_ALIGN {ALIGN}"
    yield f"#define {up}_STACK_BYTES {of.stack} /* what a call takes of the stack at most */"
    where = "in the object" if of.inside else f"the file {of.name}.weights"
    yield f"#define {up}_WEIGHTS_BYTES {of.weights} /* {where} */"
    if of.classes:
        yield f"#define {up}_CLASSES {{{', '.join(map(_quoted, of.classes))}}}"
    yield f'#define {up}_HASH "{of.hash}"'


def _quoted(text: str) -> str:
    """A string of C; what is no plain letter by its bytes, each closed off from what follows."""
    plain = "".join(
        chr(b) if 32 <= b < 127 and chr(b) not in '"\\?' else f"\\{b:03o}" for b in text.encode()
    )
    return f'"{plain}"'


#: Reads a file into memory.
_LOAD = (
    "static int load(const char *name, void *to, size_t size) {",
    '  FILE *file = fopen(name, "rb");',
    "  size_t read = file ? fread(to, 1, size, file) : 0;",
    "  if (file) fclose(file);",
    "  if (read != size)",
    '    fprintf(stderr, "%s: %lu of %lu bytes\\n", name, (unsigned long)read,',
    "            (unsigned long)size);",
    "  return read == size;",
    "}",
    "",
)


def example(of: Contract, want: Mapping[str, Array], command: str) -> str:
    """`main.c`: computes the outputs for the numbers of `pattern`, or for those in files, and
    compares the former with what `want` has of them. `command` makes a program of it."""
    up = of.name.upper()
    weights = [] if of.inside else ["weights"]
    read = bool(weights or of.inputs)
    usage = " ".join(name.upper() for name in (*weights, *(t.name for t in of.inputs)))
    lines = [
        f"/* Runs {of.name}: without inputs on made up numbers, whose result is known.",
        f"       {command}",
        f"       ./{of.name} {usage}",
        "   A file holds elements one after the other, as they lie in memory. */",
        "#include <stdio.h>",
        f'#include "{of.name}.h"',
        "",
        *declared(of, want),
        *(
            f"static _Alignas({up}_ALIGN) unsigned char {name}[{up}_WEIGHTS_BYTES];"
            for name in weights
        ),
        "",
        *(_LOAD if read else ()),
        "int main(int argc, char **argv) {",
        *(() if read else ("  (void)argv;",)),
        "  double worst = 0;",
        "  unsigned wrong = 0;",
        "  int given = 1;",
    ]
    if weights:
        lines += [
            "  if (argc < 2 || !load(argv[given++], weights, sizeof weights)) return 1;",
        ]
    lines += [
        "  int known = argc == given;",
        "  fill();",
        *(
            f"  if (argc > given && !load(argv[given++], in_{t.name}, sizeof in_{t.name})) "
            "return 1;"
            for t in of.inputs
        ),
        f"  if ({call(of)}) return 1;",
    ]
    for t in of.outputs:
        kind = c_type(t.dtype)
        cast = {"int64_t": "(long long)", "uint64_t": "(unsigned long long)"}.get(kind, "")
        shape = _FORMATS.get(kind, "%d")
        count = f"{up}_{t.name.upper()}_COUNT"
        lines += [
            f"  for (int i = 0; i < {count} && i < 20; i++)",
            f'    printf("{t.name}[%d] = {shape}\\n", i, {cast}out_{t.name}[i]);',
            compared(t, want[t.name], "double"),
        ]
    lines += [
        "  if (!known) return 0;",
        '  printf("worst difference %g  wrong numbers: %u\\n", worst, wrong);',
        "  return wrong != 0;",
        "}",
        "",
    ]
    return "\n".join(lines)


def compared(t: Tensor, want: Array, kind: str) -> str:
    """Statements that compare numbers of an output, as those of a type of floats, with what they
    have to be: `worst` is the largest difference, `wrong` how many are too large."""
    limit = 0.0
    if t.dtype.is_float:
        finite = want[np.isfinite(want)].astype(np.float64)
        known = t.dtype in C_TYPES  # or its bits are compared, of which the last is rounded
        limit = _NEAR * float(np.abs(finite).max(initial=0)) if known else 1.0
    same = "found == right"  # also where both are infinite, or neither is a number
    same += " || (found != found && right != right)" * t.dtype.is_float
    return "\n".join(
        [
            f"  for (int i = 0; i < {want.size}; i++) {{",
            f"    {kind} found = ({kind})out_{t.name}[i], right = ({kind})want_{t.name}[i];",
            f"    {kind} d = found - right;",
            "    if (d < 0) d = -d;",
            "    if (d > worst) worst = d;",
            f"    wrong += !(d <= ({kind}){limit:.3g} || {same});",
            "  }",
        ]
    )


def declared(of: Contract, want: Mapping[str, Array]) -> Iterator[str]:
    """The memory of an example, what its result has to be, and what fills its inputs."""
    up = of.name.upper()
    for kind, tensors in (("in", of.inputs), ("out", of.outputs)):
        for t in tensors:
            count = f"{up}_{t.name.upper()}_COUNT"
            yield f"static {c_type(t.dtype)} {kind}_{t.name}[{count}];"
    yield f"static _Alignas({up}_ALIGN) unsigned char arena[{up}_ARENA_BYTES];"
    for t in of.outputs:
        values = want[t.name]
        if t.dtype not in C_TYPES:
            values = values.view(f"u{t.dtype.bytes}")
        numbers = ", ".join(_number(x, c_type(t.dtype)) for x in values.tolist())
        yield f"static const {c_type(t.dtype)} want_{t.name}[] = {{{numbers}}};"
    yield ""
    yield "static void fill(void) {"
    for t in of.inputs:
        yield f"  for (uint32_t i = 0; i < {up}_{t.name.upper()}_COUNT; i++)"
        yield f"    in_{t.name}[i] = {_pattern(t.dtype)};"
    yield "}"


def call(of: Contract) -> str:
    """A run on the memory that is `declared`, and on `weights` where they are in a file."""
    arguments = [f"in_{t.name}" for t in of.inputs] + [f"out_{t.name}" for t in of.outputs]
    arguments += [] if of.inside else ["weights"]
    return f"{of.name}_run({', '.join([*arguments, 'arena'])})"


def _pattern(dtype: DType) -> str:
    """What the element i of an input is, as `pattern` has it."""
    made = "((i * 2654435761u) >> {})".format
    if dtype is DType.FLOAT32:
        return f"(float){made(16)} / 65536.0f - 0.5f"
    if dtype is DType.FLOAT64:
        return f"(double){made(16)} / 65536.0 - 0.5"
    if dtype is DType.UINT8:
        return f"(uint8_t){made(24)}"
    zero, one = np.asarray([0, 1]).astype(dtype.numpy).view(f"u{dtype.bytes}")
    return f"i & 1 ? {one} : {zero}" if zero else f"(i & 1) * {one}u"


def pattern(t: Tensor) -> Array:
    """Made up numbers for an input, which every language makes alike: floats in [-0.5, 0.5), bytes
    of all sizes, of other types 0 and 1."""
    i = np.arange(t.count, dtype=np.uint32)
    mixed = i * np.uint32(2654435761)
    found: Array
    if t.dtype in (DType.FLOAT32, DType.FLOAT64):
        found = (mixed >> np.uint32(16)).astype(np.float64) / 65536 - 0.5
    elif t.dtype is DType.UINT8:
        found = mixed >> np.uint32(24)
    else:
        found = i & np.uint32(1)
    return np.asarray(found).astype(t.dtype.numpy).reshape(t.shape)


def _number(x: float | int, kind: str) -> str:
    """A number as C writes it, in an expression that is constant."""
    if kind not in ("float", "double"):
        x = int(x)
        return f"{x}u" if kind.startswith("u") else f"{x + 1} - 1" if x < 0 else str(x)
    end, large = ("f", "1e30f") if kind == "float" else ("", "1e300")
    if math.isfinite(x):
        return f"{x!r}{end}"
    infinite = f"{large} * {large}"
    return f"{infinite} - {infinite}" if math.isnan(x) else infinite if x > 0 else f"-{infinite}"


def package(of: Contract) -> str:
    """`NAME.pc`: for pkg-config, relative to where it lies."""
    return "\n".join(
        [
            "prefix=${pcfiledir}",
            "",
            f"Name: {of.name}",
            f"Description: the network {of.name}, built for {of.machine}",
            f"Version: 0+{of.hash[:12]}",
            "Cflags: -I${prefix}",
            f"Libs: -L${{prefix}} -l{of.name}",
            "",
        ]
    )
