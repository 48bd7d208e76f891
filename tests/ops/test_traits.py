"""What operators say of themselves is true of every sample, and said by all of which it is true."""

import itertools
from collections.abc import Callable, Iterator

import numpy as np
from samples import Sample, all_samples

from graphcnn.errors import GraphError
from graphcnn.ir.node import OPS, Array, Node, Op, build
from graphcnn.ir.sources import Input
from graphcnn.ir.tensor_type import DType, TensorType

SAMPLES = all_samples()
#: Every elementwise operator, with the attributes of each of its samples.
ELEMENTWISE = list(dict.fromkeys(s.op for s in SAMPLES if s.op.elementwise))
#: Besides signs of zero: numbers below the normal ones, infinities, NaN.
SPECIAL = [0.0, -0.0, 1.0, -2.5, 3e-39, 2.0**100, np.inf, -np.inf, np.nan]
FINITE = [-90.0, -7.5, -3.0, -2.0, -1.0, -0.5, 0.5, 1.0, 1.5, 2.0, 3.0, 7.0, 80.0]
#: Is the identity as it is defined, and noise where it is trained: it says nothing of itself.
NOISE = "dropout"
#: Is another of its operands in training: what holds of it here does not hold of it there.
FORMS = "in_training"


def agree(
    trait: str, found: dict[str, bool], said: Callable[[type[Op]], object], but: str = ""
) -> None:
    """The operators of which a trait was found are those that declare it, and some others."""
    true = {name for name, holds in found.items() if holds}
    declared = {name for name in found if said(OPS[name])}
    assert declared <= true, f"{trait} is not true of {declared - true}"
    assert true - declared == set(but.split()), f"{trait} is true of {true - declared}, too"


def node_of(op: Op, arrays: list[Array]) -> Node | None:
    """The node that reads arrays, None where the operator does not take these types."""
    types = [TensorType(a.shape, DType.of(a.dtype)) for a in arrays]
    try:
        return build(op, [Input(f"x{i}", t)() for i, t in enumerate(types)])
    except GraphError:
        return None


def operands(op: Op, values: list[float]) -> Iterator[list[Array]]:
    """Operands of all types that an operator takes, which hold these values in every combination.

    A scale is a positive number.
    """
    floats = np.array(values, np.float32)
    whole = floats[np.isfinite(floats)].clip(-100, 100)
    kinds = [
        floats,
        *(np.unique(whole.astype(t)) for t in ("i4", "i1", "u1")),
        np.array([0, 1]) > 0,
    ]
    for chosen in itertools.product(*[kinds] * len(op.operands)):
        ins = [
            np.unique(abs(x[x != 0])) if name == "scale" else x
            for name, x in zip(op.operands, chosen, strict=True)
        ]
        grid = list(np.meshgrid(*ins, indexing="ij"))
        if node_of(op, grid) is not None:
            yield grid


def made(op: Op, arrays: list[Array]) -> Array:
    with np.errstate(all="ignore"):
        return np.asarray(op.evaluate(*arrays))


def same_bits(one: Array, two: Array) -> bool:
    """Whether types, numbers and the signs of zeros are equal."""
    if one.dtype != two.dtype or one.shape != two.shape:
        return False
    return np.array_equal(one, two, equal_nan=one.dtype.kind == "f") and (
        np.array_equal(np.signbit(one[one == 0]), np.signbit(two[two == 0]))
        if one.dtype.kind == "f"
        else True
    )


def of_all(
    ops: list[Op], values: list[float], holds: Callable[[Op, list[Array]], bool]
) -> dict[str, bool]:
    """By name, whether something holds for all attributes and operands."""
    found: dict[str, bool] = {}
    for op in ops:
        each = [holds(op, arrays) for arrays in operands(op, values)]
        assert each, f"no operands for {op!r}"
        found[op.name] = found.get(op.name, True) and all(each)
    return found


def test_operands_that_may_be_exchanged() -> None:
    def holds(op: Op, arrays: list[Array]) -> bool:
        back = [a.T for a in arrays[::-1]]
        return node_of(op, back) is not None and same_bits(made(op, arrays), made(op, back).T)

    two = [op for op in ELEMENTWISE if len(op.operands) == 2]
    found = of_all(two, SPECIAL, holds)
    # Which of 0 and -0, and which of two NaN, comes out of these is open.
    found |= {"maximum": False, "minimum": False}
    agree("commutative", found, lambda op: op.commutative)


def test_operators_that_change_nothing_again() -> None:
    def again(op: Op, arrays: list[Array]) -> bool:
        if len(arrays) == 2:
            x = arrays[0][:, 0]
            return node_of(op, [x, x]) is None or same_bits(made(op, [x, x]), x)
        y = made(op, arrays)
        return node_of(op, [y]) is not None and same_bits(made(op, [y]), y)

    def back(op: Op, arrays: list[Array]) -> bool:
        y = made(op, arrays)
        return node_of(op, [y]) is not None and same_bits(made(op, [y]), arrays[0])

    one = [op for op in ELEMENTWISE if len(op.operands) == 1]
    two = [op for op in ELEMENTWISE if len(op.operands) == 2]
    agree(
        "idempotent",
        of_all(one + two, SPECIAL, again),
        lambda op: op.idempotent,
        f"{NOISE} {FORMS}",
    )
    agree("involution", of_all(one, SPECIAL, back), lambda op: op.involution, NOISE)


def test_results_that_rise_and_fall() -> None:
    found: dict[str, tuple[int, ...]] = {}
    for op in ELEMENTWISE:
        for arrays in operands(op, sorted([*FINITE, 0.0, *np.linspace(-4, 4, 33)])):
            if "scale" not in op.operands and any(a.dtype in (np.int8, np.uint8) for a in arrays):
                continue  # they wrap around
            y = made(op, arrays).astype(np.float64)
            signs = tuple(_sign(y, axis) for axis in range(y.ndim))
            known = found.get(op.name, signs)
            found[op.name] = tuple(a if a == b else 0 for a, b in zip(known, signs, strict=True))
    declared = {name: OPS[name].monotone or (0,) * len(signs) for name, signs in found.items()}
    other = {name: signs for name, signs in found.items() if signs != declared[name]}
    # For some the attributes say whether they rise, and bits that are shifted are lost.
    known = {"leaky_relu", "elu", "hard_sigmoid", "bit_shift", NOISE, FORMS}
    assert other.keys() == known and not any(OPS[name].monotone for name in known), other


def _sign(y: Array, axis: int) -> int:
    """1 if y never falls along an axis, -1 if it never rises, else 0."""
    before, after = (np.delete(y, at, axis) for at in (-1, 0))
    unknown = np.isnan(before) | np.isnan(after)
    if (unknown | (after >= before)).all():
        return 1
    return -1 if (unknown | (after <= before)).all() else 0


def test_zeros_that_make_zeros() -> None:
    """The smallest sets of operands, but not all of them, nor scales."""
    for op in ELEMENTWISE:
        free = [i for i, name in enumerate(op.operands) if name != "scale"]
        found: list[tuple[int, ...]] = []
        for size in range(1, len(op.operands)):
            for zero in itertools.combinations(free, size):
                if not any(set(each) < set(zero) for each in found):
                    of = [[a * (i not in zero) for i, a in enumerate(arrays)]
                          for arrays in operands(op, FINITE)]  # fmt: skip
                    found += [] if any(made(op, arrays).any() for arrays in of) else [zero]
        found = [] if op.name == FORMS else found
        assert sorted(found) == sorted(op.annihilators), op


def test_results_that_are_not_rounded() -> None:
    """They are the same numbers where float32 is widened to float64 before."""
    found: dict[str, bool] = {}
    for sample in SAMPLES:
        narrow = sample.arrays(np.float32)
        wide = [a.astype(np.float64) if a.dtype == np.float32 else a for a in narrow]
        results = zip(_results(sample, narrow), _results(sample, wide), strict=True)
        floats = [(a, b) for a, b in results if a.dtype.kind == "f"]
        if floats:
            same = all(np.array_equal(a.astype(np.float64), b, equal_nan=True) for a, b in floats)
            found[sample.op.name] = found.get(sample.op.name, True) and same
    # Types say whether a cast rounds, the operator inside whether a placed one does; random numbers
    # are drawn.
    agree("exactness", found, lambda op: not op.rounds, f"{NOISE} random_uniform cast placed")


def test_whole_numbers_that_make_whole_numbers() -> None:
    found: dict[str, bool] = {}
    for sample in SAMPLES:
        arrays = [np.rint(2 * a) if a.dtype.kind == "f" else a for a in sample.arrays()]
        if sample.op.rounds and any(a.dtype.kind == "f" for a in arrays):
            results = [y for y in _results(sample, arrays) if y.dtype.kind == "f"]
            whole = all(np.array_equal(y, np.rint(y)) for y in results)
            if results:
                found[sample.op.name] = found.get(sample.op.name, True) and whole
    agree("wholeness", found, lambda op: op.integral, f"{NOISE} placed")


def _results(sample: Sample, arrays: list[Array]) -> tuple[Array, ...]:
    with np.errstate(all="ignore"):
        y = sample.op.evaluate(*arrays)
    return y if isinstance(y, tuple) else (y,)


def test_windows_that_slide() -> None:
    """The operators that have their attributes slide them, but the gradients do not."""
    fields = {"stride", "padding", "dilation"}
    for op in OPS.values():
        backwards = op.name.endswith(("_grad", "_pick")) or op.name == "conv_transpose2d"
        windowed = fields <= op.__dataclass_fields__.keys() and not backwards
        assert op.has("sliding") is windowed, op.name
    for sample in SAMPLES:
        if sample.op.has("sliding"):
            types = sample.types(np.float32)
            windows = sample.op.sliding(*types)
            assert windows is not None
            sizes = zip(windows, types[0].shape[2:], strict=True)
            found = sample.op.infer(*types)
            y = found[0] if isinstance(found, tuple) else found
            assert y.shape[2:] == tuple(w.output(size) for w, size in sizes)


def test_results_that_are_places() -> None:
    """All that make integers of floats; a cast makes numbers of them."""
    for sample in SAMPLES:
        op, arrays = sample.op, sample.arrays(np.float32)
        if op.elementwise or op.family == "several" or not any(a.dtype.kind == "f" for a in arrays):
            continue
        whole = [i for i, y in enumerate(_results(sample, arrays)) if y.dtype == np.int64]
        places = [] if op.places is None or not op.attributes.get("indices", True) else [op.places]
        assert whole == places, sample
