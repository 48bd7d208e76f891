"""The weight gradient of a 3×3 convolution of stride 1 by Winograd's minimal filtering.

The forward form is Y = Aᵀ [(G g Gᵀ) ⊙ (Bᵀ d B)] A for a tile of 4 × 4 outputs. It is linear in g:
the gradient with respect to g is its transpose, summed over all tiles of all images:

    dg = Gᵀ [ sum over tiles of (A dy Aᵀ) ⊙ (Bᵀ d B) ] G        36 products instead of 144

Between the transforms that is 36 matrix products, channels × tiles by tiles × filters. Their sums
stay in scratch while blocks of tiles go by; Gᵀ … G is taken once, at the end.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product

import llvmlite.ir as ir

from graphcnn.ir.geometry import Pair
from graphcnn.runtime.native.code.emit import I1, Emitter, Int
from graphcnn.runtime.native.code.target import Target
from graphcnn.runtime.native.kernels.conv.geometry import ConvGeometry
from graphcnn.runtime.native.kernels.conv.packing import scratch_bytes
from graphcnn.runtime.native.kernels.conv.weight_grad import Follow
from graphcnn.runtime.native.kernels.conv.winograd import AHEAD, input_transform, tap_grid
from graphcnn.runtime.native.kernels.conv.winograd_schedule import tile_count
from graphcnn.runtime.native.kernels.parts.blocked import Blocked
from graphcnn.runtime.native.kernels.parts.math import constant
from graphcnn.runtime.native.kernels.parts.numbers import Numbers
from graphcnn.runtime.native.kernels.parts.tiles import add_to, minimum, multiply_step, zero

Vectors = list[ir.Value]
Transform = Callable[[Emitter, Sequence[ir.Value]], Vectors]

M = 4  # outputs of a tile along an axis
EDGE = M + 2
POINTS = EDGE**2

#: Vector operations that transforms of one tile and one block take, for the choice of a schedule.
_OF_X, _OF_DY = 200, 130
#: Time of a multiply-add of a product against one of the direct form's.
_PRODUCT = 1.25


def spread(e: Emitter, y: Sequence[ir.Value]) -> Vectors:
    """A y along one axis: 6 values of 4."""
    two, four, eight = (constant(y[0].type, x) for x in (2, 4, 8))
    s, d = e.add(y[0], y[2]), e.add(y[1], y[3])
    s2, d2 = e.fma(four, y[2], y[0]), e.fma(eight, y[3], e.mul(two, y[1]))
    return [y[0], e.add(s, d), e.sub(s, d), e.add(s2, d2), e.sub(s2, d2), y[3]]


def gather(e: Emitter, m: Sequence[ir.Value]) -> Vectors:
    """Gᵀ m along one axis: 3 values of 6."""
    quarter, sixth, twelfth, small = (constant(m[0].type, 1 / x) for x in (4, 6, 12, 24))
    s, d = e.mul(sixth, e.add(m[1], m[2])), e.mul(sixth, e.sub(m[2], m[1]))
    s2, d2 = e.add(m[3], m[4]), e.sub(m[3], m[4])
    return [
        e.fma(quarter, m[0], e.sub(e.mul(small, s2), s)),
        e.fma(twelfth, d2, d),
        e.add(e.sub(e.mul(sixth, s2), s), m[5]),
    ]


@dataclass(frozen=True)
class TiledWeightGrad:
    """The code of a geometry, of panels of `vectors` vectors of filters.

    A unit has `inputs` blocks of channels of x and `panels` panels of filters. `block` tiles are
    transformed at a time; the register tile of the products is `rows` × `vectors`.
    """

    g: ConvGeometry
    numbers: Numbers
    vectors: int
    inputs: int
    panels: int
    block: int
    rows: int

    def __str__(self) -> str:
        return f"F{M} {self.block} tiles {self.rows}×{self.vectors}"

    @property
    def lanes(self) -> int:
        return self.g.x.lanes

    @property
    def units(self) -> int:
        all_panels = self.g.y.blocks // self.vectors
        return self.g.x.blocks // self.inputs * (all_panels // self.panels)

    @property
    def steps(self) -> float:
        """Vector steps, as direct products have them: of products, transforms and sums."""
        products = POINTS * self.inputs * self.lanes * self.panels * self.vectors * _PRODUCT
        turned = _OF_X * self.inputs + _OF_DY * self.panels * self.vectors
        sums = POINTS * self.inputs * self.panels * self.square // self.lanes
        tiles = tile_count(self.g, M)
        return self.units * (tiles * (products + turned) + -(-tiles // self.block) * sums)

    @property
    def depth(self) -> int:
        """Elements from tile to tile of the transformed x; one line more than it has."""
        return (self.inputs + 1) * self.lanes

    @property
    def width(self) -> int:
        """Elements from tile to tile of the transformed dy."""
        return (self.panels * self.vectors + 1) * self.lanes

    @property
    def square(self) -> int:
        """Elements of one block of channels by one panel."""
        return self.lanes * self.lanes * self.vectors

    @property
    def scratch(self) -> int:
        sums = self.inputs * self.panels * self.square
        elements = POINTS * (self.block * (self.depth + self.width) + sums)
        return scratch_bytes(elements * self.numbers.sums.bytes)

    def emit(
        self,
        e: Emitter,
        x: ir.Value,
        dy: ir.Value,
        dw: ir.Value,
        scratch: ir.Value,
        follow: Follow | None = None,
    ) -> None:
        """The loops over this part's share of the units; `scratch` is the part's own."""
        g, lanes, dtype = self.g, self.lanes, self.numbers.sums
        sums = POINTS * self.inputs * self.panels * self.square
        xs = e.at(scratch, dtype, (sums, 1))
        dys = e.at(xs, dtype, (POINTS * self.block * self.depth, 1))
        count = tile_count(g, M)
        (top, left), _ = tap_grid(g)

        def unit(u: Int) -> None:
            outer, inner = e.divmod(u, g.x.blocks // self.inputs)
            panel, c = e.imul(outer, self.panels), e.imul(inner, self.inputs)
            nothing = zero(dtype, lanes)
            e.loop(0, sums, lambda i: e.store(nothing, e.at(scratch, dtype, (i, 1))), step=lanes)

            def some(first: Int) -> None:
                number = minimum(e, self.block, e.b.sub(e.int(count), e.int(first)))
                origin = (top, left)
                self._transform(
                    e, x, g.x, origin, (c, self.inputs), xs, self.depth, (first, number)
                )
                of_dy = e.imul(panel, self.vectors), self.panels * self.vectors
                self._transform(e, dy, g.y, None, of_dy, dys, self.width, (first, number))
                self._multiply(e, xs, dys, scratch, number)

            e.loop(0, count, some, step=self.block)
            self._finish(e, scratch, dw, c, panel, follow)

        e.loop(*e.share(self.units), unit)

    def _transform(
        self,
        e: Emitter,
        images: ir.Value,
        lying: Blocked,
        origin: Pair | None,
        blocks: tuple[Int, int],
        to: ir.Value,
        stride: int,
        tiles: tuple[Int, Int],
    ) -> None:
        """Bᵀ d B of some tiles of x from `origin`, or A dy Aᵀ where that is None:
        [point][tile][channel]. What lies outside of dy is zero; x is cut to its buffer, what is
        read in place of pixels outside meets these zeros."""
        edge, transform = (M, spread) if origin is None else (EDGE, input_transform)
        numbers = self.numbers if origin is None else self.numbers.turned
        dtype, sums = numbers.weight, numbers.sums
        (start, number), lanes, (b, count) = tiles, lying.lanes, blocks
        rows, columns = (-(-size // M) for size in self.g.y.sizes)
        ahead = -(-AHEAD // count)

        def pixels(index: Int) -> tuple[Vectors, list[Int], list[list[ir.Value | None]]]:
            n, rest = e.divmod(index, rows * columns)
            at = [e.imul(i, M) for i in e.divmod(rest, columns)]
            lines, ok = zip(
                *(self._positions(e, lying, origin, axis, at[axis], edge) for axis in (0, 1)),
                strict=True,
            )
            image = e.at(images, dtype, (n, lying.image), (b, lying.plane))
            return [e.at(image, dtype, (r, lying.row)) for r in lines[0]], lines[1], list(ok)

        def tile(t: Int) -> None:
            starts, places, ok = pixels(e.iadd(start, t))
            last = self.g.batch * rows * columns - 1
            later = pixels(minimum(e, e.iadd(start, e.iadd(t, ahead)), last))

            def block(c: Int) -> None:
                for line in later[0]:
                    for q in later[1][edge - M :]:
                        e.prefetch(e.at(line, dtype, (c, lying.plane), (q, lanes)))
                half = []
                for i, line in enumerate(starts):
                    moved = e.at(line, dtype, (c, lying.plane))
                    read = [
                        numbers.vector(e, e.at(moved, dtype, (q, lanes)), lanes) for q in places
                    ]
                    for j, value in enumerate(read):
                        for inside in (ok[0][i], ok[1][j]):
                            if inside is not None:
                                value = e.b.select(inside, value, zero(sums, lanes))
                        read[j] = value
                    half.append(transform(e, read))
                target = e.at(to, sums, (t, stride), (c, lanes))
                for q in range(EDGE):
                    done = transform(e, [half[r][q] for r in range(edge)])
                    for r, value in enumerate(done):
                        point = (r * EDGE + q) * self.block * stride
                        e.store(value, e.at(target, sums, (point, 1)))

            e.loop(0, count, block)

        e.loop(0, number, tile)

    def _positions(
        self, e: Emitter, lying: Blocked, origin: Pair | None, axis: int, start: Int, edge: int
    ) -> tuple[list[Int], list[ir.Value | None]]:
        """Positions along an axis of the buffer, and whether each is inside (None: surely)."""
        halo, size = lying.halo[2 * axis], lying.sizes[axis]
        tiles = -(-self.g.y.sizes[axis] // M)
        shift = halo if origin is None else halo + origin[axis]
        limit = halo + size if origin is None else lying.grid[axis]
        found: list[Int] = []
        inside: list[ir.Value | None] = []
        for k in range(edge):
            at = e.iadd(start, shift + k)
            over = (tiles - 1) * M + shift + k >= limit
            check = over and origin is None
            inside.append(e.b.icmp_signed("<", e.int(at), e.int(limit)) if check else None)
            found.append(minimum(e, at, limit - 1) if over else at)
        return found, inside

    def _multiply(
        self, e: Emitter, xs: ir.Value, dys: ir.Value, sums: ir.Value, number: Int
    ) -> None:
        """[point][tile][channel] by [point][tile][filter], added to [point][block][panel]."""
        lanes, wide, dtype = self.lanes, self.lanes * self.vectors, self.numbers.sums
        numbers = Numbers.alike(dtype)

        def rows(point: Int, c: Int, panel: Int, first: Int) -> None:
            a = e.at(xs, dtype, (point, self.block * self.depth), (c, lanes), (first, 1))
            b = e.at(dys, dtype, (point, self.block * self.width), (panel, wide))

            def step(t: Int, *carried: ir.Value) -> Vectors:
                left, right = e.at(a, dtype, (t, self.depth)), e.at(b, dtype, (t, self.width))
                rows = [e.at(left, dtype, (r, 1)) for r in range(self.rows)]
                vectors = [e.at(right, dtype, (v * lanes, 1)) for v in range(self.vectors)]
                return multiply_step(e, numbers, carried, rows, vectors)

            start = [zero(dtype, lanes)] * (self.rows * self.vectors)
            done = e.loop(0, number, step, carry=start)
            to = e.at(
                sums, dtype, (point, self.inputs * self.panels * self.square),
                (c, self.panels * self.square), (panel, self.square), (first, wide),
            )  # fmt: skip
            add_to(e, dtype, [e.at(to, dtype, (i * lanes, 1)) for i in range(len(done))], done)

        def point(p: Int) -> None:
            def panel(q: Int) -> None:
                def channels(c: Int) -> None:
                    e.loop(0, lanes, lambda first: rows(p, c, q, first), step=self.rows)

                e.loop(0, self.inputs, channels)

            e.loop(0, self.panels, panel)

        e.loop(0, POINTS, point)

    def _finish(
        self, e: Emitter, sums: ir.Value, dw: ir.Value, c: Int, panel: Int, follow: Follow | None
    ) -> None:
        """Gᵀ M G into the kernel's layout [panel][block][tap][channel][filter]."""
        g, lanes, vectors = self.g, self.lanes, self.vectors
        dtype, written = self.numbers.sums, self.numbers.written
        _, taps = tap_grid(g)
        x_used, y_used = g.x.channels, g.y.channels

        def vector(q: Int, i: Int, r: Int, v: int) -> None:
            read = e.at(
                sums, dtype, (i, self.panels * self.square), (q, self.square),
                (r, lanes * vectors), (v * lanes, 1),
            )  # fmt: skip
            point = self.inputs * self.panels * self.square
            half = [
                gather(
                    e,
                    [
                        e.load(e.at(read, dtype, ((a * EDGE + b) * point, 1)), dtype, lanes)
                        for b in range(EDGE)
                    ],
                )
                for a in range(EDGE)
            ]
            block, filters = e.iadd(c, i), e.iadd(panel, q)
            base = e.imul(filters, g.x.blocks * 9 * self.square)
            base = e.iadd(base, e.imul(block, 9 * self.square))
            base = e.iadd(e.iadd(base, e.imul(r, lanes * vectors)), v * lanes)
            keep = self._used(e, (block, r), e.iadd(e.imul(filters, vectors), v), x_used, y_used)
            for b in range(3):
                done = gather(e, [half[a][b] for a in range(EDGE)])
                for a, value in enumerate(done):
                    at = e.iadd(base, taps[a][b] * self.square)
                    if keep is not None:
                        value = e.b.select(keep, value, zero(dtype, lanes))
                    if follow is not None:
                        value = follow(e, value, at)
                    self.numbers.write(e, value, e.at(dw, written, (at, 1)))

        def channel(q: Int, i: Int) -> None:
            def row(r: Int) -> None:
                for v in range(vectors):
                    vector(q, i, r, v)

            e.loop(0, lanes, row)

        e.loop(0, self.panels, lambda q: e.loop(0, self.inputs, lambda i: channel(q, i)))

    def _used(
        self, e: Emitter, row: tuple[Int, Int], filters: Int, channels: int, outputs: int
    ) -> ir.Value | None:
        """Which numbers of a vector are the kernel's own; others fill up blocks and are zero."""
        lanes, kind = self.lanes, ir.VectorType(I1, self.lanes)
        keep: ir.Value | None = None
        if channels % lanes:
            c = e.iadd(e.imul(row[0], lanes), row[1])
            keep = e.broadcast(e.b.icmp_signed("<", e.int(c), e.int(channels)), lanes)
        if outputs % lanes or -(-outputs // lanes) % self.vectors:
            first = e.int(e.imul(filters, lanes))
            found = kind(ir.Undefined)
            for lane in range(lanes):
                inside = e.b.icmp_signed("<", e.b.add(first, e.int(lane)), e.int(outputs))
                found = e.b.insert_element(found, inside, ir.IntType(32)(lane))
            keep = found if keep is None else e.b.and_(keep, found)
        return keep


def tiled_weight_gradient(
    g: ConvGeometry, numbers: Numbers, vectors: int, target: Target
) -> TiledWeightGrad | None:
    """A schedule for a processor; None where the direct form is about as fast."""
    lanes, tiles, size = g.x.lanes, tile_count(g, M), numbers.sums.bytes
    all_panels = g.y.blocks // vectors
    rows = lanes
    while rows > 1 and (rows + 1) * vectors > target.accumulators:
        rows //= 2

    def sums(inputs: int, panels: int) -> int:
        return POINTS * inputs * panels * lanes * lanes * vectors * size

    def time(inputs: int, panels: int) -> float:
        """On one thread and on two."""
        units = g.x.blocks // inputs * (all_panels // panels)
        products = POINTS * inputs * lanes * panels * vectors * _PRODUCT
        one = products + _OF_X * inputs + _OF_DY * panels * vectors
        return one * sum(-(-units // threads) for threads in (1, 2))

    fitting = [
        (i, p)
        for i, p in product(range(1, g.x.blocks + 1), range(1, all_panels + 1))
        if g.x.blocks % i == 0 and all_panels % p == 0
        and (sums(i, p) <= target.l2 * 0.4 or (i, p) == (1, 1))
    ]  # fmt: skip
    inputs, panels = min(fitting, key=lambda each: time(*each))
    per_tile = POINTS * size * lanes * (inputs + panels * vectors + 2)
    room = target.l2 * 0.5 - sums(inputs, panels)
    block = min(tiles, max(12, int(room / per_tile)))
    block = -(-tiles // -(-tiles // block))
    done = TiledWeightGrad(g, numbers, vectors, inputs, panels, block, rows)
    pixels = g.batch * g.y.sizes[0] * g.y.sizes[1]
    direct = 9 * pixels * g.x.blocks * lanes * g.y.blocks * 1.1
    return done if done.steps < 0.8 * direct else None
