"""Train the network of this folder with ONNX Runtime: pip install numpy onnxruntime

    python train.py                                  random images, to see it run
    python train.py --data digits.npz --epochs 5     arrays `images` (n, C, H, W) and `labels` (n)

Images are uint8, or floats in [0, 1]. The trained weights go to weights.safetensors, a model of
graphcnn: load it, predict with it, export it as one ONNX file.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

try:
    import numpy as np
    import onnxruntime as ort
except ImportError as error:
    raise SystemExit(f"{error}: run  pip install numpy onnxruntime") from None

HERE = Path(__file__).parent
Arrays = dict[str, Any]


def session(name: str, threads: int) -> Any:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    return ort.InferenceSession(HERE / name, options, providers=["CPUExecutionProvider"])


def dataset(about: Arrays, path: str | None, items: int) -> tuple[Any, Any]:
    """Images and targets: those of the file, or random ones."""
    image, target = about["inputs"][0], about["target"]
    if path is None:
        rng = np.random.default_rng(0)
        images = rng.normal(size=[items, *image["shape"][1:]])
        if target["type"] == "int64":
            return images, rng.integers(0, target["classes"], [items, *target["shape"][1:]])
        return images, rng.random([items, *target["shape"][1:]])
    with np.load(path) as file:
        images, labels = file["images"], file["labels"]
    if images.ndim == 4:
        images = normalised(about, images)
    return images, labels


def normalised(about: Arrays, images: Any) -> Any:
    """(x - mean) / std per channel, with the numbers of the model, or else of these images."""
    scale = np.float32(1 / 255 if images.dtype == np.uint8 else 1)
    known = about["normalisation"]
    if known is None:
        axes = (0, 2, 3)
        mean, std = images.mean(axes) * scale, images.std(axes) * scale
        known = {"mean": mean.tolist(), "std": np.where(std > 0, std, 1).tolist()}
        about["metadata"]["normalisation"] = json.dumps(known)
    mean, std = (np.asarray(known[k], np.float32)[:, None, None] for k in ("mean", "std"))
    return (images * scale - mean) / std


def save(path: str, arrays: Arrays, metadata: dict[str, str]) -> None:
    """Write a safetensors file: the size of a header, the header as JSON, the arrays."""
    header: Arrays = {"__metadata__": metadata}
    end = 0
    for name, a in arrays.items():
        start, end = end, end + a.nbytes
        kind = f"{'F' if a.dtype.kind == 'f' else 'I'}{8 * a.itemsize}"
        header[name] = {"dtype": kind, "shape": list(a.shape), "data_offsets": [start, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    content = b"".join(np.ascontiguousarray(a).tobytes() for a in arrays.values())
    Path(path).write_bytes(len(text).to_bytes(8, "little") + text + content)


def main() -> None:
    about = json.loads((HERE / "training.json").read_text(encoding="utf-8"))
    parser = argparse.ArgumentParser(description=f"Train {about['model']} with ONNX Runtime.")
    parser.add_argument("--data", help=".npz with the arrays images and labels")
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--learning-rate", type=float, help="default: that of the export")
    parser.add_argument("--seed", type=int, default=about["seed"])
    parser.add_argument("--threads", type=int, default=0, help="default: all cores")
    parser.add_argument("--output", default="weights.safetensors")
    options = parser.parse_args()

    init, step = session("init.onnx", options.threads), session("train_step.onnx", options.threads)
    first = dict(zip([o.name for o in init.get_outputs()], init.run(None, {}), strict=True))
    if options.learning_rate is not None:
        first["training.learning_rate"] = np.float32(options.learning_rate)
    if "training.seed" in first:
        first["training.seed"] = np.int64(options.seed)
    fed = {i.name for i in step.get_inputs()}
    wrap = ort.OrtValue.ortvalue_from_numpy
    states = {k: wrap(np.asarray(v)) for k, v in first.items() if k in fed}
    results = [o.name for o in step.get_outputs()]

    images, targets = dataset(about, options.data, 10 * options.batch_size)
    image, target = about["inputs"][0], about["target"]
    rng = np.random.default_rng(options.seed)
    began, trained = time.perf_counter(), 0
    for epoch in range(options.epochs):
        order, totals = rng.permutation(len(images)), dict.fromkeys(about["metrics"], 0.0)
        for at in range(0, len(order), options.batch_size):
            some = order[at : at + options.batch_size]
            x = np.ascontiguousarray(images[some], image["type"])
            t = np.ascontiguousarray(targets[some], target["type"])
            feeds = {**states, image["name"]: wrap(x), target["name"]: wrap(t)}
            found = dict(zip(results, step.run_with_ort_values(results, feeds), strict=True))
            states.update({k: found[f"{k}.new"] for k in states if f"{k}.new" in found})
            for name in totals:
                totals[name] += float(found[name].numpy()) * len(some)
            trained += len(some)
        means = "  ".join(f"{k} {v / len(images):.6f}" for k, v in totals.items())
        speed = trained / (time.perf_counter() - began)
        print(f"epoch {epoch + 1}: {means}  ({speed:,.0f} images/s)")

    arrays = {k: states[k].numpy() if k in states else first[k] for k in about["weights"]}
    save(options.output, arrays, about["metadata"])
    print(f"written: {options.output}")
    x = np.ascontiguousarray(images[: options.batch_size], image["type"])
    outputs = session("forward.onnx", options.threads).run(None, {**arrays, image["name"]: x})
    print(f"forward.onnx on {len(x)} images: {outputs[0].shape}")


if __name__ == "__main__":
    main()
