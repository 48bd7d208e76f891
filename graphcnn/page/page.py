"""A network to the file that runs it."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from graphcnn.analysis.cost import total_multiply_adds
from graphcnn.analysis.counts import count_parameters
from graphcnn.base.files import atomic_write
from graphcnn.base.words import printable
from graphcnn.compile.together import together
from graphcnn.errors import GraphCnnError, OutputError
from graphcnn.ir.graph import Graph, state_of
from graphcnn.ir.node import Array
from graphcnn.network.network import Network
from graphcnn.page.assemble import assembled
from graphcnn.page.constants import with_constants_as_weights
from graphcnn.page.description import described
from graphcnn.page.drawing import drawn
from graphcnn.page.golden import golden
from graphcnn.page.learning import learning
from graphcnn.page.memory import deflated, planes_of, programs_of
from graphcnn.page.programs import FACTOR, SEED, forward_graph, gradient_graph
from graphcnn.page.reading import class_names, drawing_of, readable
from graphcnn.page.samples import samples_of
from graphcnn.page.shown import Shown, page_graph, shown_maps
from graphcnn.passes.simplify.fold_states import freeze_states
from graphcnn.runtime.native.ahead.targets import MACHINES

#: Multiply-adds up to which a network runs while somebody draws.
LIVE = 150_000_000
#: Multiply-adds up to which it runs when a button is pressed: 4 billion take half a second.
MOST = 10_000_000_000
#: Bytes of a file from which on it is told that it is large.
LARGE = 10_000_000
#: Letters of a block that every browser reads: V8, of Chromium, has no longer strings.
LONGEST = (1 << 29) - 24


@dataclass(frozen=True)
class Page:
    """A page that was written.

    Attributes:
        size: bytes of the file.
        code, weights: of these, the module and the weights as they stand in it.
    """

    path: Path
    size: int
    code: int
    weights: int
    layers: int
    samples: int
    live: bool

    def __str__(self) -> str:
        runs = "runs while you draw" if self.live else "runs when you press its button"
        lines = [
            f"{self.path}: {self.size:,} bytes, {self.layers} layers, {self.samples} samples; "
            f"it {runs}",
            f"  weights {self.weights:,} bytes, code {self.code:,}",
        ]
        if self.size > LARGE:
            lines.append(
                f"  note: more than {LARGE / 1e6:.0f} MB take a while to open; float16 weights "
                "are half of these"
            )
        return "\n".join(lines)


def page(
    model: Network,
    path: str | Path,
    *,
    samples: Any = None,
    labels: Any = None,
    most: int = 12,
    title: str | None = None,
    float16: bool = False,
    drawing: str | None = None,
    language: str | None = None,
) -> Page:
    """Write one HTML file that runs the model, with the weights that it has now, in any browser.

    The file opens from disk and makes no request. It shows every map while one draws, what each
    number is made of, gradients, and images that excite a unit; all of it is computed by the
    network itself, as WebAssembly. It holds numbers of the reference and compares itself with
    them when it opens: where they differ by more than 1e-4 it says so in red and stops. The same
    model and samples give the same bytes.

    Args:
        path: ends in .html.
        samples: images to choose from, as `predict` takes them: an array (n, C, H, W) of uint8 or
            of floats in [0, 1], a data set, or a pair (images, labels).
        labels: what the samples are, one text or class number each.
        most: of the images of a data set so many are taken: the first of each class, the second.
        title: of the page; by default the model's name.
        float16: store the weights in half of the bytes; the page computes with their rounded
            values in float32, and is compared with the reference for these.
        drawing: what becomes of strokes: "digits" are fitted into the box of the training set and
            centred by their mass, as those of MNIST; "plain" are taken as they are drawn. By
            default they are digits where the ten classes are named "0" to "9" and the image is
            grey, 8×8, 28×28 or 32×32.
        language: "en" or "zh", in which the page opens; by default that of the reader's browser
            where it is one of these, else English.

    Raises:
        GraphCnnError: the model is no network of one image that runs alone, or an operator has no
            code for WebAssembly, and the message names it and its line; or a weight or a map holds
            NaN or infinity, or a weight is too large for float16; or it takes more than 10 billion
            multiply-adds, 2 GiB of memory, or 537 million letters of weights.
        DataError: the samples do not fit the model.
        OutputError: the file is no .html, or cannot be written.
    """
    target = _checked(Path(path))
    if language not in (None, "en", "zh"):
        raise GraphCnnError(f"language is 'en' or 'zh', found {language!r}")
    graph = page_graph(model)
    cost = _affordable(graph, model.name)
    states = {state_of(s).key: np.asarray(model.states[state_of(s).key]) for s in graph.states}
    graph, constants = with_constants_as_weights(graph)
    states |= constants
    states = {key: _stored(key, array, float16, model.name) for key, array in states.items()}
    fixed = {k: a for k, a in states.items() if a.dtype != np.float32}
    graph = freeze_states(graph, fixed) if fixed else graph
    states = {state_of(s).key: states[state_of(s).key] for s in graph.states}
    maps = shown_maps(graph)
    found = samples_of(model, maps[0].shape, samples, labels, most)
    forward = forward_graph(graph, maps)
    backward, rectifies = gradient_graph(graph, maps)
    machine = MACHINES["wasm"]
    made = together({"run": forward, "gradient": backward}, machine)
    sizes = {key: array.nbytes for key, array in states.items()}
    programs = programs_of(made, sizes, _named, model.name)
    numbers = np.concatenate([*(a.ravel() for a in states.values()), np.empty(0, np.float32)])
    weights = planes_of(numbers.astype(np.float16 if float16 else np.float32))
    live = cost <= LIVE
    name = title if title is not None and title.strip() else model.name
    about = {
        "name": printable(name),
        "language": language,
        "madeBy": f"graphcnn {version('graphcnn')}",
        "hash": hashlib.sha256(programs.code + weights + programs.content).hexdigest(),
        "parameters": count_parameters(graph.parameters).total,
        "multiplyAdds": cost,
        "input": _input(model, maps[0], drawing),
        "classes": class_names(model, maps[-1]),
        "layers": described(graph, maps),
        "scores": maps[-1].name,
        "readable": readable(model, maps[-1]),
        "states": [{"key": k, "shape": list(a.shape)} for k, a in states.items()],
        "weightsAs": "float16" if float16 else "float32",
        "programs": programs.told,
        "rules": ["plain", "guided", "deconv"] if rectifies else ["plain"],
        "golden": golden(graph, backward, maps, states, found, live),
        "samples": found.told(),
        "live": live,
        "learning": learning(),
    }
    blocks = {
        "code": programs.text, "weights": deflated(weights), "constants": programs.constants
    }  # fmt: skip
    _check_readable(blocks, model.name, float16)
    text = assembled(name, language or "en", about, blocks, drawn(model.graph, maps))
    content = text.encode()
    atomic_write(target, content)
    return Page(
        target, len(content), len(blocks["code"]), len(blocks["weights"]), len(maps),
        len(found.levels), live,
    )  # fmt: skip


def _checked(path: Path) -> Path:
    if path.suffix.lower() not in (".html", ".htm"):
        kind = f"file type {path.suffix!r}" if path.suffix else "no file type"
        raise OutputError(f"cannot write the page to {path}: {kind}; a page is .html")
    return path


def _affordable(graph: Graph, who: str) -> int:
    """The multiply-adds of one image. Raises `GraphCnnError` where nobody would wait for them."""
    cost = total_multiply_adds(graph)
    if cost > MOST:
        raise GraphCnnError(
            f"{who} takes {cost / 1e9:.1f} billion multiply-adds for {graph.inputs[0].type}, and a "
            f"page runs at most {MOST / 1e9:.0f} billion, in a second or two: give it a smaller "
            "image, or build a program of it (graphcnn build)"
        )
    return cost


def _check_readable(blocks: Mapping[str, str], who: str, float16: bool) -> None:
    for name, text in blocks.items():
        if len(text) > LONGEST:
            instead = "" if float16 else "; float16 weights are half of these"
            raise GraphCnnError(
                f"the {name} of {who} take {len(text):,} letters in a page, and browsers read "
                f"{LONGEST:,} at once{instead}"
            )


def _stored(key: str, array: Array, float16: bool, who: str) -> Array:
    """As the page has it. Raises `GraphCnnError` for what is no number, or none of float16."""
    if array.dtype != np.float32:
        return array
    if not np.isfinite(array).all():
        found = "NaN" if np.isnan(array).any() else "inf"
        raise GraphCnnError(f"a page shows numbers, and {key} of {who} holds {found}")
    if not float16:
        return array
    limit, most = np.finfo(np.float16).max, np.abs(array).max(initial=0)
    if most > limit:
        raise GraphCnnError(
            f"{key} of {who} reaches {most:g}, and float16 ends at {limit:g}: store float32"
        )
    return array.astype(np.float16).astype(np.float32)


def _named(function: str, key: str, is_input: bool) -> str:
    """What a port is called in the page: one name is one place."""
    if is_input:
        plain = not key.startswith((FACTOR, SEED)) and key not in ("floor", "open")
        return "image" if plain else key
    return f"gradient {key}" if function == "gradient" else f"map {key}"


def _input(model: Network, image: Shown, drawing: str | None) -> dict[str, Any]:
    by = model.normalisation
    known = None if by is None else {"mean": by.mean, "std": by.std, "scale": by.scale}
    fitted = drawing_of(model, image, drawing)
    return {"shape": list(image.shape), "normalisation": known, "drawing": fitted}
