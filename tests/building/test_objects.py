"""Object files and libraries: the bits of this process, no symbol left, headers that compile."""

import re
import struct

import numpy as np
import pytest
from support.built import COMPILER, checked, network, run, values

import graphcnn as cnn
from graphcnn.compile.ahead import ahead
from graphcnn.exchange.building import build as building
from graphcnn.ir.sources import Input
from graphcnn.ir.tensor_type import DType, TensorType
from graphcnn.runtime.native.ahead import module
from graphcnn.runtime.native.ahead.elf import ElfObject
from graphcnn.runtime.native.ahead.symbols import undefined
from graphcnn.runtime.native.ahead.targets import MACHINES
from graphcnn.runtime.native.code.target import can_run

NATIVE = [
    name for name, m in MACHINES.items() if m.loadable and m.format == "elf" and can_run(m.target)
]
OBJECTS = [name for name, machine in MACHINES.items() if machine.format != "wasm"]


@pytest.mark.parametrize("machine", NATIVE)
@pytest.mark.parametrize("name", ["lenet5", "vgg_cifar"])
def test_a_library_has_the_bits_of_this_process(name: str, machine: str) -> None:
    model = network(name)
    graph = model.graph.bind(N=1)
    told = checked(graph, values(model, graph), machine)
    assert told.startswith("run as a library: the bits of this process")


@pytest.mark.parametrize("machine", OBJECTS)
def test_an_object_of_every_machine_needs_nothing(machine: str, tmp_path) -> None:
    made = network("lenet5").build(machine, tmp_path)
    (name,) = (file for file in made.files if file in ("lenet5.o", "lenet5.obj"))
    code = (tmp_path / name).read_bytes()
    assert not undefined(code, MACHINES[machine].format)
    assert made.weights > 240_000 and made.stack < 1000 and made.arena < 60_000
    assert made.files[name] < made.weights + 20_000


def test_undefined_symbols_are_found_in_every_format() -> None:
    """Of a C function that each format would leave to a linker."""
    from graphcnn.runtime.native.code.codegen import parsed
    from graphcnn.runtime.native.code.target import llvm_lock, machine

    for name in OBJECTS:
        target = MACHINES[name].target
        text = f"""
            target triple = "{target.triple}"
            declare float @sinf(float)
            define float @one(float %x) nounwind {{
              %y = call float @sinf(float %x)
              ret float %y
            }}"""
        with llvm_lock:
            code = bytes(machine(target).emit_object(parsed(text)))
        (found,) = undefined(code, MACHINES[name].format)
        assert found.lstrip("_") == "sinf"


@pytest.mark.skipif(COMPILER is None, reason="needs a C compiler")
@pytest.mark.parametrize("weights", ["inside", "file"])
@pytest.mark.parametrize("how", ["object", "archive", "library"])
def test_a_program_in_c_computes_the_same(tmp_path, weights: str, how: str) -> None:
    model = network("lenet5")
    model.build("linux-x86-64-sse2", tmp_path, weights=weights)
    link = {
        "object": ["lenet5.o"],
        "archive": ["-L.", "-l:liblenet5.a"],
        "library": ["-L.", "-l:liblenet5.so", "-Wl,-rpath,."],
    }[how]
    run(COMPILER, "-Wall", "-Werror", "-O1", "main.c", *link, "-o", "lenet5", folder=tmp_path)
    given = ["lenet5.weights"] if weights == "file" else []
    told = run("./lenet5", *given, folder=tmp_path)
    assert float(re.search(r"worst difference (\S+)", told)[1]) < 1e-5
    image = np.random.default_rng(1).normal(size=(1, 1, 28, 28)).astype(np.float32)
    (tmp_path / "image.f32").write_bytes(image.tobytes())
    told = run("./lenet5", *given, "image.f32", folder=tmp_path)
    found = [float(x) for x in re.findall(r"logits\[\d+\] = (\S+)", told)]
    assert np.allclose(found, model.predict(image)[0], rtol=1e-4, atol=1e-5)


@pytest.mark.skipif(COMPILER is None, reason="needs a C compiler")
def test_a_header_is_c_and_c_plus_plus(tmp_path) -> None:
    model = network("digits_cnn")
    model.classes = ['"quoted"', "back\\slash", "größe", "a??/b", *"456789"]
    model.build("linux-x86-64-avx2", tmp_path)
    (tmp_path / "use.c").write_text(
        '#include "digits_cnn.h"\n#include <stdio.h>\n'
        "static const char *const names[] = DIGITS_CNN_CLASSES;\n"
        "int main(void) { for (int i = 0; i < 4; i++) puts(names[i]); return 0; }\n"
    )
    run(COMPILER, "-std=c11", "-Wall", "-Wextra", "-Werror", "use.c", "-o", "use", folder=tmp_path)
    assert run("./use", folder=tmp_path).split("\n")[:4] == list(model.classes[:4])
    run(COMPILER, "-x", "c++", "-fsyntax-only", "digits_cnn.h", folder=tmp_path)


def test_several_inputs_and_outputs_of_all_types() -> None:
    a, b = cnn.input("a", (3,)), cnn.input("b", (3,), "int64")
    x = a + cnn.cast(b, "float32")
    outputs = {"sum": x, "same": a, "whole": cnn.cast(x, "int64"), "truth": cnn.greater(x, 0.0)}
    model = cnn.Model([a, b], outputs)
    for machine in ("wasm", *NATIVE):
        assert checked(model.graph.bind(N=2), {}, machine).startswith("run as")


@pytest.mark.skipif(COMPILER is None, reason="needs a C compiler")
def test_an_example_in_c_compares_numbers_of_all_types(tmp_path) -> None:
    """Also infinite ones, what is no number, and the bits of what C has no type for."""
    types = [d.name.lower() for d in DType]
    inputs = {kind: cnn.input(f"in_{kind}", (4,), kind) for kind in types}
    x = cnn.input("x", (4,))
    outputs = {f"to_{kind}": cnn.cast(x * 3.0, kind) for kind in types}
    outputs |= {f"of_{kind}": cnn.cast(v, "float32") * 3.0 for kind, v in inputs.items()}
    outputs |= {"nan": cnn.sqrt(x), "infinite": cnn.abs(x) / 0.0, "least": -cnn.abs(x) / 0.0,
                "ends": cnn.constant(np.asarray([-(2**63), 2**63 - 1]))}  # fmt: skip
    cnn.Model([x, *inputs.values()], outputs).build("linux-x86-64", tmp_path, name="net")
    options = ("-std=c11", "-Wall", "-Wextra", "-Werror", "-pedantic", "-O1")
    run(COMPILER, *options, "main.c", "net.o", "-o", "net", folder=tmp_path)
    assert "worst difference 0  wrong numbers: 0" in run("./net", folder=tmp_path)


def test_levels_are_normalised_to_the_bit(tmp_path) -> None:
    model = network("lenet5")
    model.normalisation = cnn.Normalisation((0.1307,), (0.3081,))
    from graphcnn.exchange.building.accepting import taking_levels
    from graphcnn.exchange.building.trial import run_library

    graph = taking_levels(model.graph, model.normalisation).bind(N=2)
    states = values(model, graph)
    made = ahead(graph, states, MACHINES[NATIVE[0]], "net", "strict")
    levels = np.random.default_rng(0).integers(0, 256, (2, 1, 28, 28)).astype(np.uint8)
    (found,) = run_library(made, made.shared_library(), {"image": levels}).values()
    other = ahead(model.graph.bind(N=2), states, MACHINES[NATIVE[0]], "net", "strict")
    floats = model.normalisation.numbers(levels)
    (expected,) = run_library(other, other.shared_library(), {"image": floats}).values()
    assert np.array_equal(found, expected)
    told = model.build("linux-x86-64-sse2", tmp_path, accept="uint8")
    assert "const uint8_t *image" in (tmp_path / "lenet5.h").read_text()
    assert told.contract.levels and not told.contract.normalised
    text = cnn.input("x", (3,))
    with pytest.raises(cnn.GraphCnnError, match=r"levels of 0 to 255 are for images"):
        cnn.Model(text, text * 2).build("wasm", tmp_path / "no", accept="uint8")


def test_an_arena_that_does_not_lie_well_is_refused() -> None:
    import ctypes
    import tempfile
    from pathlib import Path

    model = network("digits_cnn")
    graph = model.graph.bind(N=1)
    made = ahead(graph, values(model, graph), MACHINES[NATIVE[0]], "net")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "libnet.so")
        path.write_bytes(made.shared_library())
        function = ctypes.CDLL(str(path)).net_run
        memory = np.zeros(made.places.arena + 128, np.uint8)
        image, out = np.zeros(64, np.float32), np.ones(10, np.float32)
        start = memory.ctypes.data + -memory.ctypes.data % 64
        pointers = [ctypes.c_void_p(p) for p in (image.ctypes.data, out.ctypes.data, start + 4)]
        assert function(*pointers) == 1 and (out == 1).all()


def test_builds_are_equal_to_the_byte(tmp_path) -> None:
    model = network("digits_cnn")
    for machine in ("wasm", "linux-x86-64-avx512", "cortex-m4"):
        found = []
        for i in range(2):
            folder = tmp_path / f"{machine}{i}"
            model.build(machine, folder)
            found.append({p.name: p.read_bytes() for p in folder.iterdir()})
        assert found[0] == found[1]


def test_the_mark_of_the_weights_is_found_once_or_nothing_is_made(monkeypatch) -> None:
    model = network("digits_cnn")
    graph = model.graph.bind(N=1)
    monkeypatch.setattr(module, "mark_of", lambda weights: bytes(module.MARK))
    with pytest.raises(AssertionError, match=r"is found \d\d+ times"):
        ahead(graph, values(model, graph), MACHINES["cortex-m4"], "net")


def test_size_has_smaller_weights_than_speed(tmp_path) -> None:
    model = network("vgg_cifar")
    fast = model.build("wasm", tmp_path / "fast")
    small = model.build("wasm", tmp_path / "small", optimize="size")
    assert small.weights < 0.5 * fast.weights


def test_a_wrong_result_writes_nothing(tmp_path, monkeypatch) -> None:
    model = network("digits_cnn")
    right = building.ahead

    def wrong(graph, states, *args):
        return right(graph, {key: a * 1.001 for key, a in states.items()}, *args)

    monkeypatch.setattr(building, "ahead", wrong)
    with pytest.raises(cnn.GraphCnnError, match="computes other bits of 'logits'"):
        model.build(NATIVE[0], tmp_path / "no")
    assert not (tmp_path / "no").exists()


def test_a_shared_library_asks_for_nothing() -> None:
    """No library, no relocation, no writable memory: what its dynamic section says."""
    model = network("digits_cnn")
    graph = model.graph.bind(N=1)
    for name in ("linux-x86-64-avx2", "linux-aarch64"):
        library = ahead(graph, values(model, graph), MACHINES[name], "net").shared_library()
        dynamic = next(s for s in ElfObject(library).sections if s.kind == 6)
        tags = {tag for tag, _ in struct.iter_unpack("<QQ", dynamic.content)}
        assert tags == {0, 4, 5, 6, 10, 11, 14}  # no NEEDED, no RELA


def test_the_memory_of_an_image_is_used_again() -> None:
    """Inputs lie in the arena until they are read for the last time."""
    model = network("vgg_cifar")
    graph = model.graph.bind(N=1)
    made = ahead(graph, values(model, graph), MACHINES["cortex-m4"], "net", "strict")
    (image,) = made.places.inputs
    offset = made.places.in_arena[image.buffer]
    others = [b for b in made.places.in_arena if b is not image.buffer]
    assert any(made.places.in_arena[b] < offset + image.bytes and
               offset < made.places.in_arena[b] + b.bytes for b in others)  # fmt: skip


def test_where_memory_is_short_scratch_is_small() -> None:
    """Winograd's algorithm works on fewer tiles at a time than where it is not."""
    model = network("digits_cnn")
    graph = model.graph.bind(N=1)
    small, large = (
        ahead(graph, values(model, graph), MACHINES[name], "net").places.arena
        for name in ("riscv32", "riscv64")
    )
    assert small < 0.8 * large


def test_names_are_those_of_c_and_differ(tmp_path) -> None:
    names = ("x", "X", "double", "a b", "a-b", "run", "7th", "errno", "and", "int8_t", "NET_ALIGN",
             "printf", "worst", "i", "größe", "ß")  # fmt: skip
    inputs = [cnn.input(name, (2,)) for name in names]
    total = inputs[0]
    for x in inputs[1:]:
        total = total + x
    made = cnn.Model(inputs, {"main": total}).build("linux-x86-64", tmp_path, name="net")
    found = [t.name for t in made.contract.inputs]
    assert found == ["x", "X_2", "double_2", "a_b", "a_b_2", "run_2", "_7th", "errno_2", "and_2",
                     "int8_t_2", "net_align", "printf", "worst", "i", "gr__e", "x_3"]  # fmt: skip
    if COMPILER is not None:
        run(COMPILER, "-Wall", "-Werror", "main.c", "net.o", "-o", "net", folder=tmp_path)
        assert "wrong numbers: 0" in run("./net", folder=tmp_path)
        (tmp_path / "use.cpp").write_text('#include <cerrno>\n#include "net.h"\n#include "net.h"\n')
        run(COMPILER, "-std=c++20", "-Wall", "-Werror", "-c", "use.cpp", folder=tmp_path)


def test_names_and_sizes_that_cannot_be_are_refused(tmp_path) -> None:
    model = network("digits_cnn")
    for options, words in (
        ({"name": "stdio"}, "a header, a library or a file of others, .* 'stdio_net' is one"),
        ({"name": "m"}, "'m_net' is one"),
        ({"name": "x" * 300}, "up to 64 letters"),
        ({"name": 3}, "found 3"),
        ({"target": None}, "unknown target None"),
        ({"accept": None}, "unknown accept None"),
        ({"version": 1}, "found 1"),
        ({"folder": 3}, "folder must be a path"),
        ({"batch": 10**9}, "A smaller batch"),
        ({"batch": 10**9, "target": "wasm"}, "addresses of wasm reach 4 GiB"),
        ({"name": "json", "wheel": True}, "Python has a 'json' of its own"),
        ({"name": "net", "npm": True, "target": "wasm"}, "Node has a module 'net'"),
    ):
        with pytest.raises(cnn.GraphCnnError, match=words):
            model.build(**{"target": "linux-x86-64", "folder": tmp_path / "no", **options})
    fixed = Input("x", TensorType((4, 2)))(name="x")
    with pytest.raises(cnn.GraphCnnError, match="no open batch; leave batch=2 out"):
        cnn.Model(fixed, fixed * 2).build("linux-x86-64", tmp_path / "no", batch=2)
    half = cnn.input("half", (2,), "bfloat16")
    with pytest.raises(cnn.GraphCnnError, match="bfloat16, which NumPy does not know"):
        cnn.Model(half, half).build("linux-x86-64", tmp_path / "no", wheel=True)
    assert not list(tmp_path.iterdir())
