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

PEER = "onnxruntime-web"
#: Networks with the arguments that make them.
NETS: dict[str, dict[str, int]] = {
    "lenet5": {}, "digits_cnn": {}, "mnist_cnn": {}, "vgg_cifar": {}, "resnet18": {},
    "squeezenet": {},
}  # fmt: skip
_SCRIPT = Path(__file__).with_name("web.mjs")


def contests(options: Options) -> Iterator[tuple[str, dict[str, Timing], str]]:
    """Of every network: its name, the times of both, and what a page has to fetch for it.

    Raises `Unavailable` where there is no Node.
    """
    node = shutil.which("node")
    if node is None:
        raise Unavailable("needs node")
    for name, arguments in NETS.items():
        with tempfile.TemporaryDirectory() as folder:
            model = build(name, **arguments).initialize(0)
            weights = model.build("wasm", folder, name=name).weights
            model.export_onnx(Path(folder, f"{name}.onnx"), verify=False)
            command = [node, str(_SCRIPT), folder, name, str(options.rounds)]
            done = subprocess.run(command, check=False, capture_output=True, text=True)
        if done.returncode:
            raise GraphCnnError(f"{name} in Node: {done.stderr.strip()[-500:]}")
        found = json.loads(done.stdout.splitlines()[-1])
        taken = {who: Timing(tuple(times)) for who, times in found["taken"].items()}
        yield name, taken, _told(name, weights, found["sizes"])


def _told(name: str, weights: int, sizes: dict[str, int]) -> str:
    code = sizes[OURS] - weights
    beside = f", {PEER} {sizes[PEER]:,}: {code / sizes[PEER]:.2%}" if PEER in sizes else ""
    return f"{name}: weights {weights:,} bytes, code {code:,}{beside}"
