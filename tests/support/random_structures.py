"""Random ONNX models of one node that gathers, scatters, samples, sums, or takes norms or volumes.

Left out are the cases where ONNX Runtime leaves the specification: cubic grid samples over the
border by reflection or with a copied border; and boxes of Resize along axes that keep their size,
where it takes the whole axis.
"""

import numpy as np
from support.random_nodes import ints, node, normal, pool, two

MAKERS = {}


def maker(function):
    MAKERS[function.__name__] = function
    return function


def _seeded(r):
    return np.random.default_rng(r.getrandbits(32))


def _indices(r, size, shape):
    """Indices from either end; fed, or stored in the model."""
    return _seeded(r).integers(-size, size, shape)


def _name(r, name):
    return r.choice((name, "x" + name))


def _shape(r, rank, least=1):
    return [r.randint(least, 5) for _ in range(rank)]


@maker
def gather(r):
    shape = _shape(r, r.randint(1, 4))
    axis, name = r.randrange(-len(shape), len(shape)), _name(r, "i")
    indices = np.array(_indices(r, shape[axis], _shape(r, r.randint(0, 2))))
    return node("Gather", ["x", name], axis=axis), {"x": normal(r, *shape), name: indices}, 13


@maker
def gather_elements(r):
    shape = _shape(r, r.randint(1, 4))
    axis, name = r.randrange(-len(shape), len(shape)), _name(r, "i")
    sizes = [r.randint(1, d) for d in shape]
    sizes[axis] = r.randint(1, 6)
    arrays = {"x": normal(r, *shape), name: _indices(r, shape[axis], sizes)}
    return node("GatherElements", ["x", name], axis=axis), arrays, 13


def _tuples(r, shape, batch, count):
    k = r.randint(1, len(shape) - batch)
    sizes = np.array(shape[batch : batch + k])
    return np.stack([_indices(r, int(d), count) for d in sizes], -1), k


@maker
def gather_nd(r):
    shape, name = _shape(r, r.randint(2, 4)), _name(r, "i")
    batch = r.randrange(len(shape) - 1)
    found, _ = _tuples(r, shape, batch, [*shape[:batch], *_shape(r, r.randint(0, 2))])
    return (
        node("GatherND", ["x", name], batch_dims=batch),
        {"x": normal(r, *shape), name: found},
        13,
    )


def _apart(r, size, count):
    """Different places of an axis, some from its end."""
    found = _seeded(r).permutation(size)[:count]
    return np.where(_seeded(r).random(count) < 0.5, found, found - size)


@maker
def scatter_elements(r):
    shape, how = _shape(r, r.randint(1, 4)), r.choice(("none", "add", "mul", "max", "min"))
    axis, name = r.randrange(len(shape)), _name(r, "i")
    sizes = [r.randint(1, d) for d in shape]
    if how == "none":
        row = _apart(r, shape[axis], sizes[axis])
        row = row.reshape([-1 if a == axis else 1 for a in range(len(shape))])
        indices = np.ascontiguousarray(np.broadcast_to(row, sizes))
    else:
        sizes[axis] = r.randint(1, 6)
        indices = _indices(r, shape[axis], sizes)
    arrays = {"x": normal(r, *shape), name: indices, "xu": normal(r, *sizes)}
    return node("ScatterElements", ["x", name, "xu"], axis=axis, reduction=how), arrays, 18


@maker
def scatter_nd(r):
    shape, how = _shape(r, r.randint(1, 4)), r.choice(("none", "add", "mul", "max", "min"))
    name = _name(r, "i")
    if how == "none":
        count = r.randint(1, shape[0])
        found, k = _apart(r, shape[0], count)[:, None], 1
    else:
        found, k = _tuples(r, shape, 0, _shape(r, r.randint(1, 2)))
    updates = normal(r, *found.shape[:-1], *shape[k:])
    arrays = {"x": normal(r, *shape), name: found, "xu": updates}
    return node("ScatterND", ["x", name, "xu"], reduction=how), arrays, 18


@maker
def top_k(r):
    shape = _shape(r, r.randint(1, 4))
    axis, largest = r.randrange(-len(shape), len(shape)), r.randint(0, 1)
    x = _seeded(r).integers(0, 9, shape).astype(np.float32)
    arrays = {"x": x, "k": ints(r.randint(1, shape[axis]))}
    how = {"axis": axis, "largest": largest, "sorted": 1}
    return node("TopK", ["x", "k"], ["y", "places"], **how), arrays, 11


@maker
def cum_sum(r):
    shape = _shape(r, r.randint(1, 4), 2)
    axis = r.randrange(-len(shape), len(shape))
    how = {"exclusive": r.randint(0, 1), "reverse": r.randint(0, 1)}
    return node("CumSum", ["x", "a"], **how), {"x": normal(r, *shape), "a": np.array(axis)}, 14


@maker
def einsum(r):
    equation = r.choice(
        ("ij,jk->ik", "bij,bjk->bik", "ij->ji", "ij->", "bhid,bhjd->bhij", "i,j->ij", "ii->i",
         "bii->b", "...ij,...jk->...ik", "nchw,co->nohw", "ijk,k", "ab,bc,cd->ad", "...i->...",
         "nct,ncp->ntp", "ij,ij->i", "bhwc,hkc->bhwk", "a,ab,b->")
    )  # fmt: skip
    sizes = {c: r.randint(1, 4) for c in "abcdefghijklmnopqrstuvwxyz"}
    arrays, wide = {}, _shape(r, 2)
    for i, term in enumerate(equation.split("->")[0].split(",")):
        middle = wide if "..." in term else []
        letters = [sizes[c] for c in term.replace(".", "")]
        arrays[f"x{i}"] = normal(r, *middle, *letters)
    return node("Einsum", list(arrays), equation=equation), arrays, 12


@maker
def grid_sample(r):
    mode = r.choice(("bilinear", "nearest", "bicubic"))
    how = {"mode": mode, "align_corners": r.randint(0, 1)}
    how["padding_mode"] = "zeros" if mode == "bicubic" else r.choice(
        ("zeros", "border", "reflection"))  # fmt: skip
    n, grid = r.randint(1, 2), two(r, 1, 4)
    points = 1.7 * normal(r, n, *grid, 2)
    arrays = {"x": normal(r, n, r.randint(1, 3), *two(r, 2, 6)), "xg": points}
    return node("GridSample", ["x", "xg"], **how), arrays, 16


@maker
def roi_align(r):
    mode = r.choice(("half_pixel", "output_half_pixel"))
    how = {"output_height": r.randint(1, 3), "output_width": r.randint(1, 3), "mode": "avg"}
    how |= {"sampling_ratio": r.randint(0, 2), "coordinate_transformation_mode": mode}
    n, count = r.randint(1, 2), r.randint(1, 4)
    low, size = _seeded(r).uniform(-2, 8, (count, 2)), _seeded(r).uniform(0.5, 9, (count, 2))
    boxes = np.concatenate([low, low + size], 1).astype(np.float32)
    name = "xb" if how["sampling_ratio"] else "b"
    arrays = {"x": normal(r, n, 2, 7, 9), name: boxes, "i": _seeded(r).integers(0, n, count)}
    return node("RoiAlign", ["x", name, "i"], spatial_scale=r.choice((0.5, 1.0)), **how), arrays, 16


@maker
def deform_conv(r):
    n, groups, moved = r.randint(1, 2), r.randint(1, 2), r.randint(1, 2)
    c, m, kernel = 2 * groups * moved, 2 * groups, two(r, 1, 3)
    pads, strides, dilations = [r.randint(0, 2) for _ in range(4)], two(r, 1, 2), two(r, 1, 2)
    out = [
        (6 + pads[a] + pads[a + 2] - dilations[a] * (kernel[a] - 1) - 1) // strides[a] + 1
        for a in range(2)
    ]
    taps = moved * kernel[0] * kernel[1]
    arrays = {"x": normal(r, n, c, 6, 6), "w": normal(r, m, c // groups, *kernel)}
    arrays["xo"] = 1.5 * normal(r, n, 2 * taps, *out)
    if r.random() < 0.5:
        arrays |= {"b": normal(r, m), "xm": normal(r, n, taps, *out)}
    how = {"kernel_shape": kernel, "pads": pads, "strides": strides, "dilations": dilations}
    how |= {"group": groups, "offset_group": moved}
    return node("DeformConv", list(arrays), **how), arrays, 19


@maker
def col2im(r):
    block, strides, dilations = two(r, 1, 3), two(r, 1, 2), two(r, 1, 2)
    image, pads = two(r, 4, 7), two(r, 0, 1) * 2
    places = [
        (image[a] + 2 * pads[a] - dilations[a] * (block[a] - 1) - 1) // strides[a] + 1
        for a in range(2)
    ]
    x = normal(r, 2, 3 * block[0] * block[1], places[0] * places[1])
    arrays = {"x": x, "s": ints(*image), "b": ints(*block)}
    how = {"pads": pads, "strides": strides, "dilations": dilations}
    return node("Col2Im", list(arrays), **how), arrays, 18


def _three(r, low, high):
    return [r.randint(low, high) for _ in range(3)]


@maker
def conv_3d(r):
    g = r.choice((1, 1, 2))
    c, o, k = g * r.randint(1, 2), g * r.randint(1, 2), _three(r, 1, 3)
    how = {"strides": _three(r, 1, 2), "dilations": _three(r, 1, 2), "group": g}
    how["pads"] = [r.randint(0, 2) for _ in range(6)]
    arrays = {"x": normal(r, r.randint(1, 2), c, *_three(r, 5, 7)), "w": normal(r, o, c // g, *k)}
    if r.random() < 0.5:
        arrays["b"] = normal(r, o)
    return node("Conv", list(arrays), **how), arrays, 11


@maker
def conv_transpose_3d(r):
    g = r.choice((1, 1, 2))
    c, o, k, s = g * r.randint(1, 2), r.randint(1, 2), _three(r, 1, 3), _three(r, 1, 3)
    how = {"strides": s, "group": g, "dilations": _three(r, 1, 2)}
    how["pads"] = [r.randint(0, 1) for _ in range(6)]
    how["output_padding"] = [r.randint(0, d - 1) for d in s]
    arrays = {"x": normal(r, 2, c, *_three(r, 3, 5)), "w": normal(r, c, o, *k)}
    if r.random() < 0.5:
        arrays["b"] = normal(r, g * o)
    return node("ConvTranspose", list(arrays), **how), arrays, 11


@maker
def lp_pool(r):
    attributes, arrays, opset = pool(r, "LpPool")
    attributes["p"] = r.randint(1, 4)
    if "auto_pad" in attributes:  # where a pixel is left out, ONNX Runtime pads by less than 0
        attributes["strides"] = [1 for _ in attributes["kernel_shape"]]
    if "ceil_mode" not in attributes or opset < 18:
        attributes.pop("ceil_mode", None)
    elif r.random() < 0.4 and "auto_pad" not in attributes:
        attributes["dilations"] = [r.randint(1, 2) for _ in attributes["kernel_shape"]]
    return node("LpPool", arrays, **attributes), arrays, opset


@maker
def pool_3d(r):
    kind, k = r.choice(("MaxPool", "AveragePool", "LpPool")), _three(r, 1, 3)
    how = {"kernel_shape": k, "strides": _three(r, 1, 2)}
    how["pads"] = [r.randint(0, d - 1) for d in k] * 2
    if kind == "AveragePool":
        how["count_include_pad"] = r.randint(0, 1)
    how["ceil_mode"] = r.randint(0, 1)
    return node(kind, ["x"], **how), {"x": normal(r, 2, 3, *_three(r, 5, 6))}, 22


@maker
def crop_and_resize(r):
    corners = _seeded(r).uniform(-0.1, 1.1, (2, 4)).astype(np.float32)
    corners[:, :2] = [[0, 0], [1, 1]]
    arrays = {"x": normal(r, 1, 2, *two(r, 3, 7)), "roi": corners.reshape(-1)}
    wanted = [r.choice([n for n in range(1, 9) if n != d]) for d in arrays["x"].shape[2:]]
    arrays["sizes"] = ints(1, 2, *wanted)
    how = {"mode": r.choice(("nearest", "linear")), "extrapolation_value": 10.0}
    how["coordinate_transformation_mode"] = "tf_crop_and_resize"
    return node("Resize", ["x", "roi", "", "sizes"], **how), arrays, 13
