"""Any ONNX model against ONNX Runtime: do the outputs agree, and if not, which node is the first
to differ?"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from math import inf
from pathlib import Path
from typing import Any

import numpy as np

from graphcnn.analysis.divisors import divisor_inputs
from graphcnn.base.config import RUNTIMES, check_runtime
from graphcnn.errors import CrashError, ExportError, ImportModelError, VerifyError
from graphcnn.exchange.first_difference import Culprit, Sides, first_difference
from graphcnn.exchange.first_fault import fault_beside_theirs, fault_of_ours
from graphcnn.exchange.trial import Trial, room_for, slack
from graphcnn.ir.item_places import count_items, fed_items
from graphcnn.ir.node import Array
from graphcnn.onnx.comparing import ort
from graphcnn.onnx.comparing.difference import HEAD, Difference, difference, to_json
from graphcnn.onnx.comparing.edges import Edges, read_edges
from graphcnn.onnx.comparing.effort import SECONDS, cost
from graphcnn.onnx.comparing.judge import Side
from graphcnn.onnx.comparing.modes import Modes
from graphcnn.onnx.comparing.parity import JUDGING, NO_ROOM, Modal, bound_for
from graphcnn.onnx.comparing.verdict import Verdict, settled, table
from graphcnn.onnx.importing.file.declared import warn_of
from graphcnn.onnx.importing.file.limits import Limits
from graphcnn.onnx.importing.known.affine import at_batch

#: The batch size that is compared beside 1, where the file and the inputs leave it open: faults in
#: where the items lie show themselves in one of the two.
SECOND = 2

#: What the native runtime may be off without being judged, where that would take long, if it may
#: choose algorithms that round more.
FAST_BOUND = 1e-5


@dataclass(frozen=True)
class Check:
    """A comparison of one model: a row per runtime of ours, output, and mode of ONNX Runtime.

    Attributes:
        verdicts: of every output and runtime: who is right, who is nearer to the exact result.
            Empty where there are bounds.
        bounds: the largest normalised error allowed to each runtime, where it was given, or where
            the exact result takes too long and all errors are small.
        culprits: the first node that differs for every runtime that does: None where keeping
            intermediate values makes the difference go away, an error where ONNX Runtime died in
            the search.
        notes: nodes that ONNX Runtime computes less exactly, and what was left out: outputs that
            depend on random numbers, for one, of which every runtime draws others; in their place
            stand the last values before them that do not.
    """

    name: str
    rows: tuple[tuple[str, Difference], ...]
    bounds: dict[str, float]
    peer: str
    culprits: dict[str, Culprit | CrashError | None]
    verdicts: tuple[Verdict, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def worst(self) -> dict[str, float]:
        """The largest normalised error of each runtime."""
        found: dict[str, float] = {}
        for runtime, row in self.rows:
            found[runtime] = max(found.get(runtime, 0.0), row.normalised)
        return found

    @property
    def passed(self) -> bool:
        return not self.culprits

    def __str__(self) -> str:
        rows = [f"{'runtime':<10} {HEAD}", *(f"{k:<10} {row}" for k, row in self.rows)]
        lines = rows if self.rows else []
        if self.verdicts:
            lines += ["", *table(self.verdicts)]
        found = (f"{k} worst {w:.2e}, {self._said(k)}" for k, w in self.worst.items())
        lines.append(f"{self.peer}: {'; '.join(found) or 'nothing was compared'}")
        lines += [f"note: {note}" for note in self.notes]
        for runtime, culprit in self.culprits.items():
            lines.append(f"\nthe first difference, {runtime}:")
            lines.append(str(culprit or "none, as soon as intermediate values are kept"))
        return "\n".join(lines)

    def _said(self, runtime: str) -> str:
        if runtime in self.bounds:
            side = "ABOVE" if runtime in self.culprits else "within"
            return f"{side} {self.bounds[runtime]:.0e}"
        kinds = {v.arithmetic for v in self.verdicts if v.runtime == runtime}
        what = next(iter(kinds), "float32")
        if runtime not in self.culprits and any(
            v.alike for v in self.verdicts if v.runtime == runtime
        ):
            return "both agree"
        return f"MORE than {what} explains" if runtime in self.culprits else f"within {what}"

    def to_json(self) -> str:
        head = {"name": self.name, "passed": self.passed, "peer": self.peer}
        head |= {"worst": self.worst, "bounds": self.bounds}
        rows = [{"runtime": runtime, **asdict(row)} for runtime, row in self.rows]
        found = {
            k: asdict(culprit) if isinstance(culprit, Culprit) else culprit and str(culprit)
            for k, culprit in self.culprits.items()
        }
        verdicts = [asdict(v) for v in self.verdicts]
        rest = {"verdicts": verdicts, "culprits": found, "notes": self.notes}
        return to_json({**head, "rows": rows, **rest})

    def require(self) -> "Check":
        """This check. Raises `VerifyError` with all of it where something is wrong."""
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
    full: bool = False,
) -> Check:
    """Compare an ONNX model with ONNX Runtime; on a difference, find the first node that differs.

    Where the batch size is open and no input decides it, it is 1 first, and then 2 in one mode of
    ONNX Runtime. Of a model for which that takes more than about a second it is 1 alone; and where
    the exact result takes longer, nobody looks for it as long as all errors are small. A note says
    so.

    Args:
        source: path, or the content of a file.
        inputs: arrays by name. The others are drawn: normal numbers, for integers 0 and 1,
            and for those that are divided by 1 and 2.
        shapes: of inputs that are drawn, where the file leaves sizes open; or arrays, the numbers
            of inputs that decide shapes, as `import_onnx` takes them.
        seed: of what is drawn.
        runtime: of ours: "native", "reference" or "both".
        bound: largest error allowed, relative to the largest number of an output. By default
            there is no such constant: results are judged by their distance from the exact ones, in
            multiples of what rounding makes of this model (`graphcnn.onnx.comparing`).
        limits: budgets for hostile files.
        full: leave out nothing, however long it takes.

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
    names = list(edges.compared)
    modes, theirs = None, dict[bool, dict[str, Array]]()
    if names:
        modes = Modes(edges.with_outputs(names) if edges.random else edges.model, edges.stored)
        wanted_inputs = {i.name for i in modes.one.get_inputs()}
        fed = {name: a for name, a in sides.feeds.items() if name in wanted_inputs}
        found = modes.run(fed, names)
        theirs = {on: dict(zip(names, arrays, strict=True)) for on, arrays in found.items()}
    if names:
        check = _judged(sides, theirs, chosen, bound, full)
    else:
        check = Check(edges.found.graph.name, (), {}, ort.version(), {})
    if modes is not None and check.passed and _is_open(edges, given):
        second = Sides(edges, *_feeds(edges, given, seed, SECOND))
        check = _at_second(check, second, modes, chosen, bound, full)
    notes = [*(modes.notes() if modes is not None else ()), *check.notes]
    if edges.found.empty:
        notes.append(f"without elements: {', '.join(edges.found.empty)}")
    if edges.random:
        notes.append(f"not compared, since random numbers decide: {', '.join(edges.random)}")
    return replace(check, notes=tuple(notes))


def _judged(
    sides: Sides, theirs: Modal, chosen: Sequence[str], bound: float | None, full: bool
) -> Check:
    """By a bound that is given, or by the exact results if they do not take long; else by what
    errors right models have, and by the exact results where one is larger."""
    if bound is not None:
        return _by_bound(sides, theirs, chosen, dict.fromkeys(chosen, bound))
    seconds = JUDGING * _seconds(sides)
    if not full and seconds > SECONDS:
        near = _near(sides, theirs, chosen)
        if near is not None:
            note = "judged by a constant: the exact result takes"
            note = f"{note} about {seconds:.0f} s more; full=True, or --full, finds it"
            return replace(near, notes=(note,))
    if room_for(sides.edges.found.graph, sides.batch, sides.edges.found.states):
        with suppress(MemoryError):
            return _by_exactness(Trial(sides, theirs), chosen)
    found = _by_bound(sides, theirs, chosen, _constants(sides, chosen))
    return replace(found, notes=(NO_ROOM,))


def _constants(sides: Sides, chosen: Sequence[str]) -> dict[str, float]:
    """What each runtime may be off where no exact result is known."""
    least = bound_for(sides.edges.found.graph)
    return {each: max(least, FAST_BOUND) if slack(each) > 1 else least for each in chosen}


def _seconds(sides: Sides) -> float:
    """About the seconds of one run."""
    return cost(sides.edges.found.graph.bind(sides.batch))


def _near(sides: Sides, theirs: Modal, chosen: Sequence[str]) -> Check | None:
    """A check of results that are as near as those of right models; None where they are not."""
    rows, bounds = list[tuple[str, Difference]](), _constants(sides, chosen)
    for each in chosen:
        rows += _rows(sides.batch, each, theirs, sides.ours(each, sides.edges.compared))
        if not all(row.normalised <= bounds[runtime] for runtime, row in rows):
            return None
    return Check(sides.edges.found.graph.name, tuple(rows), bounds, ort.version(), {})


def _by_exactness(trial: Trial, chosen: Sequence[str]) -> Check:
    """Judge by the exact results."""
    rows: list[tuple[str, Difference]] = []
    verdicts: list[Verdict] = []
    culprits: dict[str, Culprit | CrashError | None] = {}
    notes: list[str] = []
    least = bound_for(trial.edges.found.graph)
    for each in chosen:
        side, judged = trial.ours(each)
        here = _rows(trial.sides.batch, each, trial.theirs, side.outputs)
        rows += here
        near = all(row.normalised <= least for _, row in here)
        equal = not any(row.max_abs for _, row in here)
        found = settled(trial.verdicts(judged), near, equal)
        doubtful = any(not v.agreed and (not v.ours_right or any(v.decided)) for v in found)
        if doubtful and not all(v.theirs_right for v in found) and trial.agree(side):
            # whatever is exact
            words = f"both agree within {found[0].arithmetic}"
            found = [replace(v, alike=True, words=words) for v in found]
            verdicts += found
            continue
        verdicts += found
        try:
            right, culprit, more = _fault(trial, side, found)
        except CrashError as error:
            culprits[each] = error
            continue
        notes += [note for note in more if note not in notes]
        if not right:
            culprits[each] = culprit
    name = trial.edges.found.graph.name
    return Check(name, tuple(rows), {}, ort.version(), culprits, tuple(verdicts), tuple(notes))


def _fault(
    trial: Trial, side: Side, verdicts: Sequence[Verdict]
) -> tuple[bool, Culprit | None, list[str]]:
    """Whether a runtime of ours is right, else the node at fault; and what to note."""
    notes: list[str] = []
    if not all(v.theirs_right or v.alike for v in verdicts):
        search = fault_beside_theirs(trial, side.name)
        notes = search.notes
        if search.culprit is not None:
            return False, search.culprit, notes
    wrong = {v.output: v.ours for v in verdicts if not v.ours_right and not v.alike}
    if not wrong:
        return True, None, notes
    return False, fault_of_ours(trial, side.name, wrong), notes


def _by_bound(
    sides: Sides, theirs: Modal, chosen: Sequence[str], bounds: dict[str, float]
) -> Check:
    """Judge by a constant."""
    rows: list[tuple[str, Difference]] = []
    culprits: dict[str, Culprit | CrashError | None] = {}
    for each in chosen:
        ours = sides.ours(each, sides.edges.compared)
        found = _rows(sides.batch, each, theirs, ours)
        rows += found
        bound = bounds[each]
        wrong = [row for _, row in found if not row.normalised <= bound]
        if wrong:
            on = all(row.optimised for row in wrong)
            amounts = {row.output: row.normalised for row in wrong if row.optimised == on}
            try:
                culprits[each] = first_difference(sides, each, bound, on, amounts)
            except CrashError as error:
                culprits[each] = error
    return Check(sides.edges.found.graph.name, tuple(rows), bounds, ort.version(), culprits)


def _at_second(
    check: Check,
    sides: Sides,
    modes: Modes,
    chosen: Sequence[str],
    bound: float | None,
    full: bool,
) -> Check:
    """The check with what another batch size adds to it. Results that are near need no judge."""
    seconds = (1 + len(chosen)) * _seconds(sides)
    if not full and seconds > SECONDS:
        note = f"batch {sides.batch} left out, about {seconds:.0f} s more; full=True, or --full, "
        return replace(check, notes=(*check.notes, f"{note}compares it"))
    names = list(sides.edges.compared)
    wanted = {i.name for i in modes.one.get_inputs()}
    fed = {name: a for name, a in sides.feeds.items() if name in wanted}
    try:
        found = modes.run_in(True, fed, names)
        on = found is not None
        found = modes.run_in(False, fed, names) if found is None else found
    except ExportError as error:  # also where it dies in both modes
        return replace(check, notes=(*check.notes, f"batch {sides.batch} left out: {error}"))
    assert found is not None
    theirs = {on: dict(zip(names, found, strict=True))}
    more = None if full or bound is not None else _near(sides, theirs, chosen)
    if more is None:
        more = _judged(sides, theirs, chosen, bound, full=True)
    return replace(
        more,
        bounds={} if more.verdicts else check.bounds,
        rows=(*check.rows, *more.rows),
        verdicts=(*check.verdicts, *more.verdicts),
        notes=(*check.notes, *more.notes),
    )


def _is_open(edges: Edges, given: Mapping[str, Array]) -> bool:
    """Whether any batch size would do."""
    types = {v.node.name: v.type for v in edges.found.graph.inputs}
    open_ = {name for name, t in types.items() if not t.is_bound}
    return bool(open_) and not open_ & set(given)


def _rows(
    batch: int, runtime: str, theirs: Modal, ours: Mapping[str, Array]
) -> list[tuple[str, Difference]]:
    return [
        (runtime, _row(name, batch, on, arrays[name], array))
        for name, array in ours.items()
        for on, arrays in theirs.items()
    ]


def _row(name: str, batch: int, on: bool, theirs: Array, ours: Array) -> Difference:
    try:
        return difference(name, batch, on, theirs, ours)
    except VerifyError:  # another shape or type
        return Difference(name, batch, on, inf, inf, inf, inf, None)


def _feeds(
    edges: Edges, given: Mapping[str, Array], seed: int, n: int = 1
) -> tuple[int, dict[str, Array]]:
    """The batch size, which is `n` where it is open, and an array for every input of the model."""
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
    batch = next(iter(sizes), n)
    divisors = divisor_inputs(edges.found.graph)
    feeds = {name: at_batch(array, batch) for name, array in edges.fed.items()}
    for position, (name, open_type) in enumerate(types.items()):
        kind = open_type.bind(batch)
        rng = np.random.default_rng((seed, position))
        shape = [d for d in kind.shape if isinstance(d, int)]
        least = int(name in divisors)
        whole = not kind.dtype.is_float
        drawn = rng.integers(least, 2 + least, shape) if whole else rng.normal(size=shape)
        array = given[name] if name in given else np.asarray(drawn).astype(kind.dtype.numpy)
        if array.dtype != kind.dtype.numpy or array.shape != kind.shape:
            found = f"{array.dtype}{list(array.shape)}"
            raise ImportModelError(f"input {name!r} must be {kind}, found {found}")
        feeds[name] = array
    return batch, feeds
