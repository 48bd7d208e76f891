"""Connectionist temporal classification: labels of a sequence without their places.

A. Graves et al., "Connectionist temporal classification" (ICML 2006). Between the labels l[1..L]
stands a blank, and a path says one of them at each step. The probability of all paths that read l
is a recursion over the steps, in logarithms; a[j] is of paths that end in label j, b[j] of those
that end in the blank behind label j:

    b'[j] = log(e^b[j] + e^a[j])                                      + log p[t](blank)
    a'[j] = log(e^a[j] + e^b[j-1] + (e^a[j-1] if l[j] ≠ l[j-1]))      + log p[t](l[j])

It is a `scan`, so native code runs it as a loop, and its gradient, the loop back, is the recursion
of Graves' β: nothing here needs an operator of its own, and it can be differentiated again.
"""

from typing import Any

import numpy as np

from graphcnn.errors import GraphError
from graphcnn.ir.node import Value, constant_of
from graphcnn.ir.tensor_type import DType
from graphcnn.language.activations import log_softmax
from graphcnn.language.arguments import is_int, scoped
from graphcnn.language.errors import located
from graphcnn.language.loops.scan import scan
from graphcnn.language.loss import refuse_squashed
from graphcnn.language.weighting import mean_loss
from graphcnn.ops.broadcast import Sum
from graphcnn.ops.comparison import Equal, Less, NotEqual, Where
from graphcnn.ops.dense import MatMul
from graphcnn.ops.elementwise import Cast, Exp, Log, Maximum, Neg
from graphcnn.ops.gather import filled
from graphcnn.ops.parts.checks import check_float
from graphcnn.ops.shape import Concat, OneHot, Reshape, StopGradient, Transpose


@located
def ctc_loss(
    logits: Value,
    labels: Value,
    lengths: Value | None = None,
    *,
    blank: int = -1,
    padding: int = -1,
    zero_infinity: bool = False,
    weights: Any = None,
    name: str = "",
) -> Value:
    """The mean of - log p(labels), p being that of all paths that read them.

    A path says a label or the blank at each step; equal labels behind each other are one, unless a
    blank is between them, and blanks are left out: "aa-ab" reads "aab", "aaab" reads "ab".

    As in PyTorch, whose mean divides each item by the number of its labels besides. Where no path
    reads the labels, as they are too many for the steps, the loss is infinite, and the item has no
    gradient.

    Args:
        logits: (N, T, K), before softmax over the K classes, of which one is the blank.
        labels: i64 (N, L), filled up behind the labels of each item.
        lengths: i64 (N,): of item n only the first `lengths[n]` steps count.
        blank: the class that stands for no label, counted from the end where it is negative:
            the last by default.
        padding: what labels are filled up with. It must be no class of a label.
        zero_infinity: items without a path count 0.
        weights: of the items, (N,).

    Raises:
        GraphError: logits come out of softmax, are no such sequences, labels or lengths are of
            another shape or type, blank is no class, padding is a class other than the blank.
    """
    refuse_squashed(logits, "ctc_loss takes logits and applies softmax itself")
    classes = _checked(logits, labels, lengths)
    blank = _blank(blank, classes)
    if not is_int(padding) or (0 <= padding < classes and padding != blank):
        raise GraphError(
            f"padding must be an integer and no class of a label (0 to {classes - 1}, but for the "
            f"blank {blank}), found {padding!r}"
        )
    dtype, (items, steps, _), count = logits.dtype, logits.shape, int(labels.shape[1])  # type: ignore[arg-type]
    least = float(np.finfo(dtype.numpy).min) / 8  # for log(0): sums with it stay finite
    nothing, never = constant_of(0.0, dtype), constant_of(least, dtype)
    fill = constant_of(np.int64(padding))
    real = NotEqual()(labels, fill)
    known = Where()(real, labels, constant_of(np.int64(blank)))

    log_p = log_softmax(logits, 2)
    places = Where()(real, _among_labels(labels, blank, classes), constant_of(np.int64(0)))
    of_labels = MatMul(transpose_b=True)(
        _without(log_p, blank, classes), OneHot(classes - 1, dtype)(places)
    )
    of_blank = log_p[:, :, blank : blank + 1]
    column = filled((items, 1), least, dtype)
    skips = column
    if count > 1:
        other = NotEqual()(known[:, 1:], known[:, :-1])
        skips = Concat(1)(column, Where()(other, nothing, never))

    def step(carry: tuple[Value, Value], at: tuple[Value, ...]) -> tuple[Any, Any]:
        blanks, ends = carry
        before = Concat(1)(column, ends)  # behind nothing no label ends
        new: tuple[Value, ...] = (
            _log_sum(blanks, before) + at[1],
            _log_sum(ends, blanks[:, :-1], before[:, :-1] + skips) + at[0],
        )
        if len(at) > 2:
            new = tuple(Where()(at[2], n, old) for n, old in zip(new, carry, strict=True))
        return new, ()

    start = Concat(1)(filled((items, 1), 0.0, dtype), filled((items, count), least, dtype))
    xs = [Transpose((1, 0, 2))(x) for x in (of_labels, of_blank)]
    if lengths is not None:
        places = constant_of(np.arange(int(steps), dtype=np.int64)[:, None])  # type: ignore[arg-type]
        on = Less()(places, lengths)
        xs.append(Reshape((*on.shape, 1))(on))
    (blanks, ends), _ = scan(
        step, (start, filled((items, count), least, dtype)), tuple(xs), axis=0, name="paths"
    )
    last = OneHot(count + 1, dtype)(Sum((1,))(Cast(DType.INT64)(real)))
    found = _log_sum(Sum((1,))(blanks * last), Sum((1,))(Concat(1)(column, ends) * last))
    instead = constant_of(0.0 if zero_infinity else np.inf, dtype)
    each = Where()(Less()(found, constant_of(least / 2, dtype)), instead, Neg()(found))
    return mean_loss(each, weights, name=scoped(name, "ctc_loss"))


def _log_sum(*terms: Value) -> Value:
    """log of the sum of e^x, the largest taken out; its derivatives are the shares of the sum."""
    largest = terms[0]
    for term in terms[1:]:
        largest = Maximum()(largest, term)
    largest = StopGradient()(largest)
    total = Exp()(terms[0] - largest)
    for term in terms[1:]:
        total = total + Exp()(term - largest)
    return largest + Log()(total)


def _without(x: Value, blank: int, classes: int) -> Value:
    """(N, T, K) without the column of the blank."""
    if blank in (0, classes - 1):
        return x[:, :, 1:] if blank == 0 else x[:, :, :-1]
    return Concat(2)(x[:, :, :blank], x[:, :, blank + 1 :])


def _among_labels(labels: Value, blank: int, classes: int) -> Value:
    """The number of each label among the classes without the blank. That of the blank, which is no
    label, is behind all of them, so that a look-up refuses it."""
    own, none = constant_of(np.int64(blank)), constant_of(np.int64(classes - 1))
    behind = labels - Cast(DType.INT64)(Less()(own, labels))
    return Where()(Equal()(labels, own), none, behind)


def _blank(blank: Any, classes: int) -> int:
    if not is_int(blank) or not -classes <= blank < classes:
        raise GraphError(f"blank must be one of {classes} classes, found {blank!r}")
    return int(blank) % classes


def _checked(logits: Value, labels: Value, lengths: Value | None) -> int:
    """The number of classes. Raises `GraphError` for other shapes and types."""
    check_float(logits=logits.type)
    if logits.type.rank != 3 or not all(isinstance(d, int) for d in logits.shape[1:]):
        raise GraphError(f"logits must be (N, steps, classes), found {logits.type}")
    if logits.shape[2] == 1:
        raise GraphError(f"a class besides the blank is needed, found logits {logits.type}")
    wanted = f"i64[{logits.shape[0]}"
    if not (
        labels.dtype is DType.INT64
        and labels.type.rank == 2
        and labels.shape[0] == logits.shape[0]
        and isinstance(labels.shape[1], int)
    ):
        raise GraphError(f"labels must be {wanted}, labels], filled up, found {labels.type}")
    if lengths is not None and (lengths.dtype, lengths.shape) != (DType.INT64, logits.shape[:1]):
        raise GraphError(
            f"lengths must be {wanted}], one number of steps for each item, found {lengths.type}"
        )
    return int(logits.shape[2])  # type: ignore[arg-type]
