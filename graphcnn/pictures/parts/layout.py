"""Places for boxes joined by lines: rows from top to bottom, few crossings, straight lines.

The method of K. Sugiyama, S. Tagawa and M. Toda ("Methods for visual understanding of hierarchical
system structures", IEEE SMC 11(2), 1981) with four steps:

    rows        the longest path to a box says in which row it stands
    lanes       a line that passes rows gets a place of its own in each of them
    order       boxes move to the mean place of their neighbours, sweep after sweep
    columns     places minimise weighted squared distances to the neighbours, keeping order and
                distances: isotonic regression (pool adjacent violators)
"""

import itertools
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

#: Sweeps of ordering and of placing.
SWEEPS: Final = 8
#: A lane with boxes on both sides: it stays where it is.
_BETWEEN: Final = 2
#: How much lines want to be straight: along the longest path, within a lane, elsewhere.
_MAIN, _LANE, _PLAIN, _TO_LANE = 8.0, 0.02, 1.0, 0.001


@dataclass(frozen=True, slots=True)
class Size:
    """What a box takes to the left and right of its line, and its height."""

    left: float
    right: float
    height: float


@dataclass(frozen=True, slots=True)
class Edge:
    """A line from box `source` to box `target`; lines of one `bundle` share their lanes."""

    source: int
    target: int
    bundle: int


class Ends(NamedTuple):
    """Boxes without inputs that stand in the first row, and some without readers in the last."""

    first: Collection[int] = ()
    last: Collection[int] = ()


ANYWHERE: Final = Ends()


@dataclass
class Layout:
    """Where boxes stand. Indices past the boxes are lanes.

    Attributes:
        row: row of every box and lane.
        order: indices in every row, from left to right.
        x: the vertical line through every box and lane.
        ways: for every edge the indices that it passes: source, lanes, target.
        boxes: how many indices are boxes.
    """

    row: list[int]
    order: list[list[int]]
    x: list[float] = field(default_factory=list)
    ways: list[list[int]] = field(default_factory=list)
    boxes: int = 0

    def crossings(self) -> int:
        """How many pairs of lines cross between neighbouring rows."""
        steps: dict[tuple[int, int], None] = {}
        for way in self.ways:
            steps.update(dict.fromkeys(itertools.pairwise(way)))
        place = {b: i for row in self.order for i, b in enumerate(row)}
        by_row: list[list[tuple[int, int]]] = [[] for _ in self.order]
        for a, b in steps:
            by_row[self.row[a]].append((place[a], place[b]))
        return sum(map(_inversions, by_row))


def arrange(
    sizes: Sequence[Size], edges: Sequence[Edge], gap: float, lane: float, ends: Ends = ANYWHERE
) -> Layout:
    """A layout for boxes in topological order (every edge leads to a higher number).

    Args:
        gap: pixels between neighbours.
        lane: width of a lane.
        ends: boxes of the first and of the last row.
    """
    rows = rows_of(len(sizes), edges, ends)
    layout = Layout(rows, [], boxes=len(sizes))
    add_lanes(layout, edges)
    count = len(layout.row)
    up: list[list[int]] = [[] for _ in range(count)]
    down: list[list[int]] = [[] for _ in range(count)]
    seen: set[tuple[int, int]] = set()
    for way in layout.ways:
        for step in itertools.pairwise(way):
            if step not in seen:
                seen.add(step)
                down[step[0]].append(step[1])
                up[step[1]].append(step[0])
    _order(layout, up, down, len(sizes))
    widths = [(s.left, s.right) for s in sizes] + [(lane / 2, lane / 2)] * (count - len(sizes))
    _place(layout, up, down, widths, gap, main_path(len(sizes), edges))
    return layout


def rows_of(count: int, edges: Sequence[Edge], ends: Ends = ANYWHERE) -> list[int]:
    """The row of each box: that of its last input, plus one; sources stand right above a reader,
    those of `ends` in the first row, or in the last one, below all others."""
    rows = [0] * count
    first = [count] * count
    fed = [False] * count
    for edge in sorted(edges, key=lambda e: e.target):
        rows[edge.target] = max(rows[edge.target], rows[edge.source] + 1)
        fed[edge.target] = True
    for edge in edges:
        first[edge.source] = min(first[edge.source], rows[edge.target])
    sources = {i for i in range(count) if not fed[i] and first[i] < count and i not in ends.first}
    rows = [first[i] - 1 if i in sources else row for i, row in enumerate(rows)]
    others = [row for i, row in enumerate(rows) if i not in ends.last]
    last = max([*rows, *(row + 1 for row in others)], default=0)
    return [last if i in ends.last else row for i, row in enumerate(rows)]


def add_lanes(layout: Layout, edges: Sequence[Edge]) -> None:
    """Fill the rows: the boxes in their order, then a lane for every row that a line passes."""
    layout.order = [[] for _ in range(max(layout.row, default=-1) + 1)]
    for i, row in enumerate(layout.row):
        layout.order[row].append(i)
    lanes: dict[tuple[int, int, int], int] = {}
    for edge in edges:
        way = [edge.source]
        for row in range(layout.row[edge.source] + 1, layout.row[edge.target]):
            key = (edge.source, edge.bundle, row)
            if key not in lanes:
                lanes[key] = len(layout.row)
                layout.row.append(row)
                layout.order[row].append(lanes[key])
            way.append(lanes[key])
        layout.ways.append([*way, edge.target])


def _order(layout: Layout, up: list[list[int]], down: list[list[int]], boxes: int) -> None:
    """Barycentre sweeps, down and up; the order with the fewest crossings stays."""
    if all(len(row) == 1 for row in layout.order):
        return
    best, least = [row[:] for row in layout.order], None
    for sweep in range(SWEEPS):
        downwards = sweep % 2 == 0
        near = up if downwards else down
        rows = layout.order if downwards else layout.order[::-1]
        place = {b: float(i) for row in layout.order for i, b in enumerate(row)}
        for row in rows:
            keys = {
                b: (sum(place[n] for n in near[b]) / len(near[b]) if near[b] else place[b])
                for b in row
            }
            row.sort(key=lambda b: (keys[b], b >= boxes))
            place.update((b, float(i)) for i, b in enumerate(row))
        found = layout.crossings()
        if least is None or found < least:
            best, least = [row[:] for row in layout.order], found
        if not least:
            break
    layout.order = best


def _inversions(pairs: list[tuple[int, int]]) -> int:
    """Pairs of lines that cross: inversions of the lower ends, counted by a Fenwick tree."""
    if len(pairs) < 2:
        return 0
    size = max(b for _, b in pairs) + 1
    tree = [0] * (size + 1)
    total = 0
    pairs.sort()
    for count, (_, b) in enumerate(pairs):
        at, not_greater = b + 1, 0
        while at:
            not_greater += tree[at]
            at &= at - 1
        total += count - not_greater
        at = b + 1
        while at <= size:
            tree[at] += 1
            at += at & -at
    return total


def main_path(count: int, edges: Sequence[Edge]) -> set[tuple[int, int]]:
    """The steps of a longest path: they are drawn straight."""
    length, before = [0] * count, [-1] * count
    for edge in sorted(edges, key=lambda e: (e.target, e.source)):
        if length[edge.source] + 1 > length[edge.target]:
            length[edge.target] = length[edge.source] + 1
            before[edge.target] = edge.source
    at = max(range(count), key=length.__getitem__) if count else -1
    path = set()
    while at >= 0 and before[at] >= 0:
        path.add((before[at], at))
        at = before[at]
    return path


def _place(
    layout: Layout,
    up: list[list[int]],
    down: list[list[int]],
    widths: list[tuple[float, float]],
    gap: float,
    main: set[tuple[int, int]],
) -> None:
    boxes = layout.boxes
    x = [0.0] * len(widths)
    offsets: list[list[float]] = []
    for row in layout.order:
        at, offset = 0.0, []
        for i, b in enumerate(row):
            at += (widths[row[i - 1]][1] + gap + widths[b][0]) if i else 0.0
            offset.append(at)
        offsets.append(offset)
        for b, place in zip(row, offset, strict=True):
            x[b] = place - at / 2

    def pull(a: int, b: int) -> float:
        if (a, b) in main:
            return _MAIN
        if a < boxes and not up[a] and len(down[a]) == 1:
            return _TO_LANE  # weights stand where there is room
        if a >= boxes and b >= boxes:
            return _LANE
        return _PLAIN if a < boxes and b < boxes else _TO_LANE

    pulls = [
        ([(n, pull(n, b)) for n in up[b]], [(n, pull(b, n)) for n in down[b]])
        for b in range(len(widths))
    ]
    many = range(len(layout.order))
    for sweep in range(SWEEPS):
        last = sweep >= SWEEPS - 2  # both neighbours count in the end
        sides = (0, 1) if last else (sweep % 2,)
        for i in many if sweep % 2 == 0 else reversed(many):
            row = layout.order[i]
            targets, weights = [], []
            for b in row:
                near = [pair for side in sides for pair in pulls[b][side]]
                total = sum(w for _, w in near)
                targets.append(sum(x[n] * w for n, w in near) / total if total else x[b])
                weights.append(total or _TO_LANE)
            for b, place in zip(row, _isotonic(targets, weights, offsets[i]), strict=True):
                x[b] = place
    _straighten(layout, x, widths, gap)
    layout.x = [round(2 * place) / 2 for place in x]


def _straighten(
    layout: Layout, x: list[float], widths: list[tuple[float, float]], gap: float
) -> None:
    """Make every lane one straight line where its neighbours leave the room.

    Lanes to the right of all boxes are taken from the inside out, each as near as it can be; lanes
    to the left likewise.
    """
    place = {b: (row, i) for row in layout.order for i, b in enumerate(row)}
    chains = list({tuple(way[1:-1]): None for way in layout.ways if len(way) > 2})
    chains = [c for c in chains if not any(set(c) < set(d) for d in chains if c[0] == d[0])]

    def side(b: int) -> int:
        row, i = place[b]
        boxes = [k for k, other in enumerate(row) if other < layout.boxes]
        if not boxes:
            return 0
        return 1 if i > boxes[-1] else -1 if i < boxes[0] else _BETWEEN

    sides = {c: {side(b) for b in c} for c in chains}

    def bounds(chain: tuple[int, ...], towards: int) -> float:
        """The place nearest to the boxes that all rows of the chain allow."""
        found = []
        for b in chain:
            row, i = place[b]
            if 0 <= i - towards < len(row):
                other = row[i - towards]
                near = widths[other][towards > 0] + gap + widths[b][towards < 0]
                found.append(x[other] + towards * near)
        return towards * max((towards * f for f in found), default=towards * x[chain[0]])

    for towards in (1, -1):
        own = [c for c in chains if sides[c] <= {towards, 0} and towards in sides[c]]
        own.sort(key=lambda c: (min(towards * place[b][1] for b in c), len(c)))
        for _ in range(2):
            for chain in own:
                goal = bounds(chain, towards)
                for b in chain:
                    x[b] = goal


def _isotonic(targets: list[float], weights: list[float], offsets: list[float]) -> list[float]:
    """Places nearest to the targets (weighted squares) at the given distances or more."""
    if len(targets) == 1:
        return targets
    blocks: list[list[float]] = []  # mean, weight, members
    for target, weight, offset in zip(targets, weights, offsets, strict=True):
        blocks.append([target - offset, weight, 1])
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            mean, weight, members = blocks.pop()
            last = blocks[-1]
            total = last[1] + weight
            last[0] = (last[0] * last[1] + mean * weight) / total
            last[1], last[2] = total, last[2] + members
    places, at = [], 0
    for mean, _, members in blocks:
        for _ in range(int(members)):
            places.append(mean + offsets[at])
            at += 1
    return places
