"""A network that is written for others to run: what `Model` does of that."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from graphcnn.network.network import Network

if TYPE_CHECKING:
    from graphcnn.exchange.building.build import Built
    from graphcnn.exchange.training_parity import TrainingParity
    from graphcnn.onnx.comparing.parity import Parity


class Exportable(Network):
    """Files that run without this process; see `Model`."""

    def export_onnx(self, path: str | Path, **options: Any) -> "Parity | None":
        """Write an ONNX file, checked, and compared with ONNX Runtime where it is installed.

        The options (opset, target, float16, fold_batch_norm, external_data, verify) are those of
        `graphcnn.exchange.export.export_onnx`, explained there. Returns the comparison, if there
        was one.
        """
        from graphcnn.exchange.export import export_onnx

        return export_onnx(self, path, **options)

    def export_onnx_training(self, folder: str | Path, **options: Any) -> "TrainingParity | None":
        """Write a folder with which ONNX Runtime trains this model, from Python or JavaScript.

        The options (loss, optimizer, seed, verify, ...) are those of
        `graphcnn.exchange.export_training.export_onnx_training`, explained there. Returns the
        comparison of some training steps with ours, if there was one.
        """
        from graphcnn.exchange.export_training import export_onnx_training

        return export_onnx_training(self, folder, **options)

    def build(self, target: str, folder: str | Path | None = None, **options: Any) -> "Built":
        """Write files with which this model, with the weights that it has now, runs elsewhere:
        `model.build("wasm", "web")`, a WebAssembly module, a library, an object file.

        The options (name, batch, accept, optimize, weights, npm, wheel, version) are those of
        `graphcnn.exchange.building.build.build`, explained there.
        """
        from graphcnn.exchange.building.build import build

        return build(self, target, folder, **options)
