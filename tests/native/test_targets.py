"""Code for a machine is made from the fields of its target, whatever machine it is."""

import re
from pathlib import Path

import llvmlite.binding as llvm
from native.test_processors import kernels_of_samples, kernels_of_step

import graphcnn as cnn
import graphcnn.runtime.native as native
from graphcnn.compile.native import native_pipeline
from graphcnn.compile.pipelines import inference_graph
from graphcnn.ir.plan import is_step
from graphcnn.ir.tensor_type import DType
from graphcnn.models import build
from graphcnn.runtime.execution import Execution
from graphcnn.runtime.native.code import jit
from graphcnn.runtime.native.code.codegen import kernel_text, parsed
from graphcnn.runtime.native.code.registry import lower
from graphcnn.runtime.native.code.target import Target
from graphcnn.runtime.native.driver import driver_text

#: 32-bit addresses, four lanes, no fused multiply-add, no system, no C library.
SMALL = Target(
    "small", "wasm32-unknown-unknown", "generic", "+simd128", 16, 16, l1=16 << 10, l2=64 << 10,
    pointer_bytes=4, relocation="static", attributes=("nounwind", '"no-builtins"'),
)  # fmt: skip


def test_a_small_machine_is_a_target_like_any_other():
    assert (SMALL.lanes(DType.FLOAT32), SMALL.fused, SMALL.sleeps) == (4, False, False)
    kernels = kernels_of_step("vgg_cifar", SMALL)
    assert {"first", "winograd", "panels"} <= {k.algorithm.split()[0] for k in kernels}
    for kernel in kernels:
        text = kernel_text(kernel, SMALL)
        llvm.parse_assembly(text).verify()
        assert "p:32:32" in text and '"no-builtins"' in text and "llvm.fma" not in text
        assert not re.search("x86|avx", text), kernel.key
    assert jit.compile_object(kernels[0], SMALL).startswith(b"\0asm")
    text = driver_text(SMALL)
    llvm.parse_assembly(text).verify()
    assert not re.search("x86|syscall|usleep|sched_yield", text)


def test_indices_are_as_wide_as_addresses():
    """Of every operator: where there are 32 bits, wider ones are of numbers that are stored so."""
    for kernel in kernels_of_samples(SMALL):
        parsed(kernel_text(kernel, SMALL))  # LLVM's verifier takes no mixture
    graph = inference_graph(build("vgg_cifar").graph).bind(N=1)
    nodes = filter(is_step, native_pipeline(Execution(target=SMALL)).run(graph).nodes)
    for kernel in (lower(node, SMALL) for node in nodes):
        body = kernel_text(kernel, SMALL).partition("define internal void")[2]
        assert "i32" in body and "i64" not in body.partition("\n}")[0], kernel.key


def test_this_machine_is_asked_for_in_one_place():
    package = Path(str(cnn.__file__)).parent
    rooms = [package, *(package / name for name in ("runtime", "passes", "tools"))]
    asking = {
        path.relative_to(package).as_posix()
        for room in rooms for path in room.rglob("*.py")
        if re.search(r"(?<!def )\bhost\(\)", path.read_text(encoding="utf-8"))
    }  # fmt: skip
    assert asking == {"runtime/execution.py"}


def test_only_the_target_knows_processors_by_name():
    names = re.compile(r"x86|aarch64|arm64|avx|neon|sse2|sys\.platform|platform\.machine", re.I)
    for path in Path(native.__path__[0]).rglob("*.py"):
        # Formats of files are named after the machines that have them.
        if path.name != "target.py" and path.parent.name != "ahead":
            for line in path.read_text(encoding="utf-8").splitlines():
                assert not names.search(line), f"{path}: {line}"
