"""The quickstart: real digits in, and everything that graphcnn makes of a network out."""

import importlib.util
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from graphcnn.base.files import atomic_write
from graphcnn.data.bundled import digits
from graphcnn.data.dataset import Dataset
from graphcnn.errors import MissingExtraError
from graphcnn.ir.node import Array
from graphcnn.learning.optimizers import Adam
from graphcnn.model import Model
from graphcnn.models import build
from graphcnn.training.checkpoint import make_folder

EPOCHS, BATCH_SIZE = 15, 32

#: What the quickstart needs beside graphcnn itself: (module, package, extra).
NEEDED = (
    ("sklearn", "scikit-learn", "digits"),
    ("PIL", "pillow", "images"),
    ("onnxruntime", "onnxruntime", "verify"),
)

NEXT_STEPS = """\
What to do next
===============

This folder holds a network that reads handwritten digits, trained on {train} real ones:

  digits.safetensors   graph, weights, normalisation and class names in one file
  digits.onnx          the same for other runtimes; its largest difference from ours on the
                       {test} held-out digits was {difference:.1e}
  architecture.svg     the network as a picture: open it in a browser
  curves.svg           loss, accuracy and learning rate, epoch by epoch
  digit-0.png ...      a held-out digit of each kind, 8 pixels high, named by what it is

Try these, in this folder:

  graphcnn predict digits.safetensors digit-3.png digit-7.png digit-8.png
  graphcnn evaluate digits.safetensors --data digits
  graphcnn summary digits.safetensors
  graphcnn passes digits.safetensors
  graphcnn draw digits.safetensors -o training-step.svg --backward
  graphcnn volume digits.safetensors -o volume.svg --style lenet --paint digit-7.png
  graphcnn lens digits.safetensors digit-3.png -o report.html
  graphcnn train digits.safetensors --data digits --epochs 2 -o digits-longer.safetensors
  graphcnn train digits_cnn --data digits --optimizer sgd --epochs 5 --checkpoint run
  graphcnn models

The same in Python:

  import graphcnn as cnn

  train, test = cnn.data.digits()
  model = cnn.load("digits.safetensors")
  print(model.graph)
  print(model.predict(test.images[:3]).round(2))

Larger data: graphcnn --help lists the data sets that are understood. With the four files of MNIST
in a folder:

  graphcnn train lenet5 --data mnist:FOLDER
"""


@dataclass(frozen=True)
class Outcome:
    """What the quickstart reached. `difference` is the largest of any logit, from ONNX Runtime."""

    folder: Path
    accuracy: float
    held_out: int
    seconds: float
    difference: float
    agreement: float


def check_extras() -> None:
    """Raise `MissingExtraError` naming all missing packages, before anything is trained."""
    missing = [package for module, package, _ in NEEDED if not _installed(module)]
    if missing:
        raise MissingExtraError("the quickstart", missing, "demo")


def _installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ValueError:  # a module that was put in its place by hand
        return False


def quickstart(
    folder: Path,
    *,
    seed: int = 0,
    epochs: int = EPOCHS,
    progress: bool = True,
    say: Callable[[str], None] = print,
) -> Outcome:
    """Train on the digits of scikit-learn, and fill `folder`.

    Raises:
        MissingExtraError: a package of the extra "demo" is missing.
        OutputError: the folder cannot be written.
        KeyboardInterrupt: interrupted during training.
    """
    check_extras()
    make_folder(folder)
    train, test = digits()
    say(f"Data: {len(train):,} handwritten digits to train on, {len(test)} held out.")
    model = build("digits_cnn")
    say(f"{model.summary()}\n")
    start = time.perf_counter()
    history = model.fit(
        train,
        epochs=epochs,
        batch_size=BATCH_SIZE,
        optimizer=Adam.suggested(),
        validation=test,
        seed=seed,
        progress=progress,
    )
    seconds = time.perf_counter() - start
    if history.ended == "interrupted":
        raise KeyboardInterrupt
    accuracy = model.evaluate(test)["accuracy"]
    say(f"Trained in {seconds:.1f} s: {100 * accuracy:.2f} % of the held-out digits are right.")
    model.save(folder / "digits.safetensors")
    say("Writing and checking the ONNX file, the pictures and the next steps ...")
    difference, agreement = compare_onnx(model, test, folder / "digits.onnx")
    model.draw(folder / "architecture.svg")
    history.draw(folder / "curves.svg", "digits_cnn on handwritten digits")
    write_samples(test, folder)
    text = NEXT_STEPS.format(train=f"{len(train):,}", test=len(test), difference=difference)
    atomic_write(folder / "NEXT-STEPS.txt", text)
    return Outcome(folder, accuracy, len(test), seconds, difference, agreement)


def compare_onnx(model: Model, test: Dataset, path: Path) -> tuple[float, float]:
    """Export, and run all of `test` through ONNX Runtime: (largest difference, same class).

    Raises `VerifyError` where the outputs differ by more than rounding.
    """
    from graphcnn.onnx.comparing.parity import compare

    model.export_onnx(path, verify=False)  # checked by onnx.checker, fully, before it is written
    images = {model.graph.inputs[0].node.name: model.prepare(test.images)}

    def run(feeds: Mapping[str, Array]) -> dict[str, Array]:
        return model.runner("reference").run(feeds, model.states)[0]  # it defines the numbers

    parity = compare(path, run, feed=lambda n: images, batches=(len(test),)).require()
    same = min(d.argmax_agreement or 0.0 for d in parity.differences)
    return max(d.max_abs for d in parity.differences), same


def write_samples(test: Dataset, folder: Path) -> None:
    """The first held-out digit of each kind as a grey PNG file."""
    import io

    from PIL import Image

    for digit in range(10):
        image = test.images[np.flatnonzero(test.labels == digit)[0]]
        pixels = np.rint(255 * image[0]).astype(np.uint8)
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "PNG")
        atomic_write(folder / f"digit-{digit}.png", buffer.getvalue())
