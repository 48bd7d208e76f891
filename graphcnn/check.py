"""Any ONNX model against ONNX Runtime: do the outputs agree, and if not, which node is the first
to differ?"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import inf
from pathlib import Path
from typing import Any

import numpy as np

from graphcnn.config import RUNTIMES, check_precision, check_runtime
from graphcnn.errors import CrashError, ImportModelError, VerifyError
from graphcnn.first_difference import Culprit, Sides, first_difference
from graphcnn.ir import Array
from graphcnn.item_places import count_items, fed_items
from graphcnn.onnx.comparing import ort
from graphcnn.onnx.comparing.difference import HEAD, Difference, difference, to_json
from graphcnn.onnx.comparing.edges import Edges, at_batch, read_edges
from graphcnn.onnx.comparing.modes import Modes
from graphcnn.onnx.comparing.parity import bound_for
from graphcnn.onnx.importing.declared import warn_of
from graphcnn.onnx.importing.limits import Limits

#: Largest normalised error of the native runtime where it may choose algorithms that round more.
FAST_BOUND = 1e-5


@dataclass(frozen=True)
class Check:
    """A comparison of one model: a row per runtime of ours, output, and mode of ONNX Runtime.

    `bounds` has the largest normalised error allowed to each runtime; `culprits` the first node
    that differs for every runtime that does: None where keeping intermediate values makes the
    difference go away, an error where ONNX Runtime died in the search. `notes` say what was left
    out: outputs that depend on random numbers, for one, of which every runtime draws others; in
    their place stand the last values before them that do not.
    """

    name: str
    rows: tuple[tuple[str, Difference], ...]
    bounds: dict[str, float]
    peer: str
    culprits: dict[str, Culprit | CrashError | None]
    notes: tuple[str, ...] = ()

    @property
    def worst(self) -> dict[str, float]:
        """The largest normalised error of each runtime."""
        return {
            each: max((row.normalised for runtime, row in self.rows if runtime == each), default=0)
            for each in self.bounds
        }

    @property
    def passed(self) -> bool:
        return not self.culprits

    def __str__(self) -> str:
        lines = [f"{'runtime':<10} {HEAD}"]
        lines += [f"{runtime:<10} {row}" for runtime, row in self.rows]
        found = (
            f"{runtime} worst {worst:.2e}, "
            f"{'ABOVE' if runtime in self.culprits else 'within'} {self.bounds[runtime]:.0e}"
            for runtime, worst in self.worst.items()
        )
        lines.append(f"{self.peer}: {'; '.join(found)}")
        lines += [f"note: {note}" for note in self.notes]
        for runtime, culprit in self.culprits.items():
            lines.append(f"\nthe first difference, {runtime}:")
            lines.append(str(culprit or "none, as soon as intermediate values are kept"))
        return "\n".join(lines)

    def to_json(self) -> str:
        head = {"name": self.name, "passed": self.passed, "peer": self.peer}
        head |= {"worst": self.worst, "bounds": self.bounds}
        rows = [{"runtime": runtime, **asdict(row)} for runtime, row in self.rows]
        found = {
            k: asdict(culprit) if isinstance(culprit, Culprit) else culprit and str(culprit)
            for k, culprit in self.culprits.items()
        }
        return to_json({**head, "rows": rows, "culprits": found, "notes": self.notes})

    def require(self) -> "Check":
        """This check. Raises `VerifyError` with all of it where the bound is exceeded."""
        if not self.passed:
            raise VerifyError(f"{self.name}: ONNX Runtime computes something else\n{self}")
        return self


@ort.kept()
def check_onnx(
    source: str | Path | bytes,
    inputs: Mapping[str, Any] | None = None,
    *,
    shapes: Mapping[str, Any] | None = None,
    seed: int = 0,
    runtime: str = "both",
    bound: float | None = None,
    limits: Limits | None = None,
) -> Check:
    """Compare an ONNX model with ONNX Runtime; on a difference, find the first node that differs.

    Args:
        source: path, or the content of a file.
        inputs: arrays by name. The others are drawn: normal numbers, for integers 0 and 1.
        shapes: of inputs that are drawn, where the file leaves sizes open; or arrays, the numbers
            of inputs that decide shapes, as `import_onnx` takes them.
        seed: of what is drawn.
        runtime: of ours: "native", "reference" or "both".
        bound: largest error allowed, relative to the largest number of an output; by default
            2e-6, more for models with float16, and 1e-5 for the native runtime unless its
            precision is "strict": it may compute convolutions by Winograd's algorithm.
        limits: budgets for hostile files.

    Raises:
        MissingExtraError: ONNX Runtime is not installed.
        ImportModelError, ExportError: we, or ONNX Runtime, cannot read or run the model.
        CrashError: ONNX Runtime itself died of it, with its optimisations on and off.
    """
    ort.onnxruntime()
    chosen = RUNTIMES if runtime == "both" else (check_runtime(runtime),)
    given = {name: np.asarray(array) for name, array in (inputs or {}).items()}
    wanted = {**(shapes or {}), **{name: array.shape for name, array in given.items()}}
    edges = read_edges(source, wanted, given, limits)
    warn_of(edges.found.graph.name, edges.found.doubts)
    sides = Sides(edges, *_feeds(edges, given, seed))
    bounds = {each: _bound(edges, each) if bound is None else bound for each in chosen}
    values = edges.compared
    names, model = list(values), edges.with_outputs(list(values)) if edges.random else edges.model
    modes = Modes(model, edges.stored) if names else None
    theirs: dict[bool, list[Array]] = {}
    if modes is not None:
        wanted_inputs = {i.name for i in modes.one.get_inputs()}
        fed = {name: a for name, a in sides.feeds.items() if name in wanted_inputs}
        theirs = modes.run(fed, names)
    rows: list[tuple[str, Difference]] = []
    culprits: dict[str, Culprit | CrashError | None] = {}
    for each in chosen:
        ours = sides.ours(each, values)
        found = [
            _row(name, sides.batch, on, arrays[place], ours[name])
            for place, name in enumerate(names)
            for on, arrays in theirs.items()
        ]
        rows += [(each, row) for row in found]
        wrong = [row for row in found if not row.normalised <= bounds[each]]
        if wrong:
            on = all(row.optimised for row in wrong)
            amounts = {row.output: row.normalised for row in wrong if row.optimised == on}
            try:
                culprits[each] = first_difference(sides, each, bounds[each], on, amounts)
            except CrashError as error:
                culprits[each] = error
    name, notes = edges.found.graph.name, list(modes.notes()) if modes is not None else []
    if edges.random:
        notes.append(f"not compared, since random numbers decide: {', '.join(edges.random)}")
    return Check(name, tuple(rows), bounds, ort.version(), culprits, tuple(notes))


def _bound(edges: Edges, runtime: str) -> float:
    least = bound_for(edges.found.graph)
    fast = runtime == "native" and check_precision(None) == "fast"
    return max(least, FAST_BOUND) if fast else least


def _row(name: str, batch: int, on: bool, theirs: Array, ours: Array) -> Difference:
    try:
        return difference(name, batch, on, theirs, ours)
    except VerifyError:  # another shape or type
        return Difference(name, batch, on, inf, inf, inf, inf, None)


def _feeds(edges: Edges, given: Mapping[str, Array], seed: int) -> tuple[int, dict[str, Array]]:
    """The batch size, and an array for every input of the model."""
    types = {v.node.name: v.type for v in edges.found.graph.inputs}
    unknown = sorted(set(given) - set(types) - edges.fed.keys())
    if unknown:
        known = ", ".join((*edges.fed, *types)) or "none"
        raise ImportModelError(f"the model has no input {unknown[0]!r}; it has {known}")
    sizes = [
        count_items(given[k].shape, place)
        for k, t in types.items()
        if k in given and (place := fed_items(t)) is not None and given[k].ndim > place.axis
    ]
    sizes += [int(t.shape[0]) for t in types.values() if t.is_bound and t.shape]  # type: ignore[arg-type]
    batch = next(iter(sizes), 1)
    feeds = {name: at_batch(array, batch) for name, array in edges.fed.items()}
    for position, (name, open_type) in enumerate(types.items()):
        kind = open_type.bind(batch)
        rng = np.random.default_rng((seed, position))
        shape = [d for d in kind.shape if isinstance(d, int)]
        drawn = rng.normal(size=shape) if kind.dtype.is_float else rng.integers(0, 2, shape)
        array = given[name] if name in given else np.asarray(drawn).astype(kind.dtype.numpy)
        if array.dtype != kind.dtype.numpy or array.shape != kind.shape:
            found = f"{array.dtype}{list(array.shape)}"
            raise ImportModelError(f"input {name!r} must be {kind}, found {found}")
        feeds[name] = array
    return batch, feeds
