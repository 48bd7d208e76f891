"""Networks as WebAssembly in Node, beside ONNX Runtime's for the web (`web.mjs`)."""

import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from graphcnn.errors import GraphCnnError
from graphcnn.models import build
from graphcnn.tools.bench.cases import Options, Unavailable
from graphcnn.tools.bench.ours import OURS
from graphcnn.tools.bench.timing import Timing

#: Networks with the arguments that make them.
NETS: dict[str, dict[str, int]] = {
    "lenet5": {}, "digits_cnn": {}, "mnist_cnn": {}, "vgg_cifar": {}, "resnet18": {},
    "squeezenet": {},
}  # fmt: skip
_SCRIPT = Path(__file__).with_name("web.mjs")


def contests(options: Options) -> Iterator[tuple[str, dict[str, Timing], dict[str, int]]]:
    """Of every network: its name, the times of both, and the bytes of both modules.

    Raises `Unavailable` where there is no Node.
    """
    node = shutil.which("node")
    if node is None:
        raise Unavailable("needs node")
    for name, arguments in NETS.items():
        with tempfile.TemporaryDirectory() as folder:
            model = build(name, **arguments).initialize(0)
            model.build("wasm", folder, name=name)
            model.export_onnx(Path(folder, f"{name}.onnx"), verify=False)
            command = [node, str(_SCRIPT), folder, name, str(options.rounds)]
            done = subprocess.run(command, check=False, capture_output=True, text=True)
        if done.returncode:
            raise GraphCnnError(f"{name} in Node: {done.stderr.strip()[-500:]}")
        found = json.loads(done.stdout.splitlines()[-1])
        taken = {_known(who): Timing(tuple(times)) for who, times in found["taken"].items()}
        yield name, taken, found["sizes"]


def _known(who: str) -> str:
    return OURS if who == "graphcnn" else who
