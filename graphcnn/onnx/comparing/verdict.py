"""What is said of one output: who is right, and who is nearer to the exact result."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from graphcnn.base.words import printable
from graphcnn.ir.graph import Graph
from graphcnn.ir.tensor_type import DType
from graphcnn.onnx.comparing.judge import Judged

#: Columns of the table, and the line of one `Verdict` in it.
HEAD = (
    f"{'output':<20} {'batch':>5} {'runtime':<9} {'ours':>9} {'theirs':>9} {'plain':>9} "
    f"{'rounding':>9}  verdict"
)


@dataclass(frozen=True)
class Verdict:
    """One output of one runtime of ours. Distances are the largest ones from the exact result,
    divided by its largest number.

    Attributes:
        ours, theirs, plain: of ours, of ONNX Runtime, of ONNX Runtime without optimisations.
        rounding: the largest that arithmetic of these types makes likely.
        arithmetic: which types they are: "float32".
        ours_right, theirs_right: whether rounding explains the distance; theirs in either mode.
        decided: decisions (rounded numbers, places, comparisons) that fell otherwise than
            exactly, on our side and theirs, each explained by rounding unless it is not right.
        words: all this in a sentence.
        excused: it is known that ONNX Runtime computes a node less exactly.
        alike: both compute the same, whatever is exact.
    """

    output: str
    batch: int
    runtime: str
    arithmetic: str
    ours: float
    theirs: float
    plain: float
    rounding: float
    ours_right: bool
    theirs_right: bool
    theirs_steady: bool
    decided: tuple[int, int]
    words: str
    excused: bool = False
    alike: bool = False

    @property
    def agreed(self) -> bool:
        """Whether there is no fault of ours."""
        return self.alike or (self.ours_right and (self.theirs_right or self.excused))

    def __str__(self) -> str:
        return (
            f"{printable(self.output):<20} {self.batch:>5} {self.runtime:<9} {self.ours:>9.1e} "
            f"{self.theirs:>9.1e} {self.plain:>9.1e} {self.rounding:>9.1e}  {self.words}"
        )


def verdict(ours: Judged, modes: Mapping[bool, Judged], batch: int, arithmetic: str) -> Verdict:
    """The verdict on an output from the judgements of our side and of ONNX Runtime with its
    optimisations and without, of which one may be missing."""
    theirs, plain = (modes.get(on, modes.get(not on, ours)) for on in (True, False))
    return Verdict(
        ours.output,
        batch,
        ours.side,
        arithmetic,
        ours.error,
        theirs.error,
        plain.error,
        max(ours.spread, plain.spread),
        ours.right,
        theirs.right or plain.right,
        theirs.right == plain.right,
        (ours.decided, plain.decided),
        _words(ours, theirs, plain, arithmetic),
    )


def settled(found: Sequence[Verdict], near: bool, equal: bool) -> list[Verdict]:
    """Verdicts on outputs that are all near each other in both runtimes, or equal to the bit: then
    no fault is ours alone. One of ONNX Runtime's may hide where the numbers are merely near."""
    return [
        replace(v, alike=True, words=f"both agree; {v.words}")
        if not v.agreed and (equal or (near and not v.ours_right))
        else v
        for v in found
    ]


def _words(ours: Judged, theirs: Judged, plain: Judged, arithmetic: str) -> str:
    exact = "the exact result"
    if not ours.right and not (theirs.right or plain.right):
        return f"neither is within {arithmetic} of {exact}"
    if not ours.right:
        return f"graphcnn is further from {exact} than {arithmetic} explains{_why(ours)}"
    if not (theirs.right or plain.right):
        return f"ONNX Runtime is further from {exact} than {arithmetic} explains{_why(plain)}"
    steps = ""
    if ours.decided or plain.decided:
        counts = f"{ours.decided} of ours, {plain.decided} of theirs"
        steps = f"; decisions at the edge of rounding fell otherwise: {counts}"
    if theirs.right != plain.right:
        apart = f"{theirs.error:.1e} and {plain.error:.1e}"
        return (
            f"graphcnn is within {arithmetic} of {exact}; ONNX Runtime differs from itself with "
            f"its optimisations and without, {apart} beside it{steps}"
        )
    return f"both within {arithmetic} of {exact}; {_nearer(ours, theirs)}{steps}"


def _nearer(ours: Judged, theirs: Judged) -> str:
    low, high = sorted((ours.error, theirs.error))
    if high <= 1.1 * low:
        return "equally near"
    return "graphcnn is nearer" if ours.error < theirs.error else "ONNX Runtime is nearer"


def _why(found: Judged) -> str:
    if found.wrong > 0:
        return f": {found.wrong} decisions that no rounding of their inputs makes"
    if found.wrong < 0:
        return ": numbers at ties are rounded by another rule"
    return f", {found.far:.3g} times in an element, {found.shifted:.3g} times in half of them"


def table(verdicts: Sequence[Verdict]) -> list[str]:
    """The lines of a report."""
    return [HEAD, *map(str, verdicts)]


def arithmetic(graph: Graph) -> str:
    """The coarsest type that a graph computes in."""
    kinds = {t.dtype for node in graph.nodes for t in node.types}
    for kind in (DType.BFLOAT16, DType.FLOAT16, DType.FLOAT32, DType.FLOAT64):
        if kind in kinds:
            return kind.name.lower()
    return "float32"
