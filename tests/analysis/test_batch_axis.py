"""What the operators say about the items of a batch, against what they compute."""

from collections.abc import Mapping

import pytest
from samples import Sample, all_samples
from support.cases import each

from graphcnn.ir.batch import Kind, source_batch
from graphcnn.ir.batch_walk import follow_op
from graphcnn.ir.node import OPS
from graphcnn.ir.tensor_type import N, TensorType
from graphcnn.ops.dense import MatMul
from graphcnn.testing.batches import cases, check_items, check_totals, totals

SAMPLES = all_samples()
#: What is proven of the operators, over all samples and all places where N can stand.
PROVEN = {
    "items": (
        "abs and atan avg_pool2d avg_pool2d_grad batch_norm bit_or bit_xor broadcast_to cast ceil "
        "clip concat conv2d conv_integer conv_transpose2d cos dense depth_to_space dequantize "
        "dropout elu erf exp flatten floor gelu global_avg_pool2d group_norm group_norm_grad "
        "hard_sigmoid hard_swish in_training layer_norm leaky_relu log max_pool2d max_pool2d_grad "
        "max_pool2d_pick max_unpool2d mish neg not one_hot or pad2d pad2d_grad placed prelu "
        "probabilities quantize quotient relayout relu remainder round sigmoid sign silu sin "
        "softplus space_to_depth sqrt stop_gradient tanh top_k transpose upsample2d "
        "upsample2d_grad where zero_insert2d"
    ),
    "items mixed": (
        "add argmax bit_and bit_shift div embed equal gather greater greater_equal less less_equal "
        "log_softmax max max_unpool2d_grad maximum minimum mul not_equal pow prod reshape scatter "
        "slice softmax sub"
    ),
    "mixed sum": "batch_norm_grad",
    "mean mixed": "batch_norm_train",
    "mean": "binary_cross_entropy cross_entropy mean_absolute_error mean_squared_error",
    "sum": "conv2d_weight_grad",
    "count": "element_count",
    "items mixed sum": "fused matmul matmul_integer own_gradient",
    "fixed items mixed": "scan",
    "items mean": "mean",
    "mixed": "all_reduce positions random_uniform",
    "items sum": "sum",
}
#: Kinds of totals (and of what is fixed) that operators read, and the total that they give.
TOTALS = {
    (
        "count, count -> count; fixed, mean -> mean; mean, fixed -> mean; mean, mean -> mean; "
        "sum, sum -> sum"
    ): "add sub",
    "count -> count; mean -> mean; sum -> sum": (
        "broadcast_to cast embed flatten mean neg relayout reshape slice sum transpose"
    ),
    "count, fixed -> count; mean, fixed -> mean; sum, count -> mean; sum, fixed -> sum": "div",
    "count, fixed -> count; mean, fixed -> mean; sum, fixed -> sum": "gather",
    (
        "count, fixed, fixed, fixed -> count; mean, fixed, fixed, fixed -> mean; "
        "sum, fixed, fixed, fixed -> sum"
    ): "own_gradient",
    (
        "count, fixed -> count; fixed, count -> count; fixed, mean -> mean; fixed, sum -> sum; "
        "mean, fixed -> mean; sum, fixed -> sum"
    ): "mul",
}


@each(SAMPLES)
def test_what_is_proven_is_true(sample: Sample) -> None:
    check_items(cases(sample))


def test_what_is_proven() -> None:
    found: dict[str, set[str]] = {}
    for sample in SAMPLES:
        for case in cases(sample, merged=False):
            found.setdefault(sample.op.name, set()).update(str(k.kind) for k in case.kinds()[0])
    assert grouped({name: " ".join(sorted(kinds)) for name, kinds in found.items()}) == PROVEN


def test_what_is_proven_where_items_have_several_elements() -> None:
    beside: set[str] = set()
    apart: set[str] = set()
    for sample in SAMPLES:
        for case in cases(sample):
            found = {(k.outer, k.inner) for k in case.kinds()[0] if k.is_items}
            beside |= {sample.op.name} if any(i > o for o, i in found) else set()
            apart |= {sample.op.name} if any(o > i for o, i in found) else set()
    expected = {n for kinds, all_ in PROVEN.items() if "items" in kinds for n in all_.split()}
    assert {n for n in expected if OPS[n].has("follow_batch")} <= beside & apart


def grouped(found: Mapping[str, str]) -> dict[str, str]:
    """The names that share a text, by that text."""
    groups: dict[str, list[str]] = {}
    for name in sorted(found):
        groups.setdefault(found[name], []).append(name)
    return {text: " ".join(names) for text, names in groups.items()}


@each(SAMPLES)
def test_what_is_proven_of_totals_is_true(sample: Sample) -> None:
    check_totals(sample)


def test_what_is_proven_of_totals() -> None:
    found: dict[str, set[str]] = {}
    for sample in SAMPLES:
        for case in totals(sample) if sample.op.name not in ("concat", "fused", "scan") else ():
            for result in case.follow():
                if not result.is_mixed:
                    said = f"{', '.join(k.kind for k in case.kinds)} -> {result.kind}"
                    found.setdefault(sample.op.name, set()).add(said)
    assert grouped({name: "; ".join(sorted(said)) for name, said in found.items()}) == TOTALS


def test_every_operator_has_a_rule() -> None:
    own = {name: op for name, op in OPS.items() if op.__module__.startswith("graphcnn")}
    assert not [n for n, op in own.items() if not op.elementwise and not op.has("follow_batch")]


@pytest.mark.parametrize(
    ("a", "b", "axis"),
    [
        ((N, 4), (4, 5), 0),
        ((3, 4), (4, N), 1),
        ((2, N, 4), (4, 5), 1),
        ((3, 4), (2, 4, N), 2),
        ((N, 3, 4), (4, 5), 0),
        ((N, 3, 4), (1, 4, 5), 0),
        ((3, 4), (N, 4, 5), 0),
        ((N, 3, 4), (N, 4, 5), 0),
        ((2, N, 3, 4), (N, 4, 5), 1),
    ],
)
def test_where_a_matrix_product_has_its_items(
    a: tuple[int, ...], b: tuple[int, ...], axis: int
) -> None:
    """That these are refused would be true to the numbers, and a loss."""
    types = TensorType(a), TensorType(b)
    op = MatMul()
    (found,) = follow_op(op, tuple(map(source_batch, types)), types, (op.infer(*types),))
    assert (found.kind, found.axis) == (Kind.ITEMS, axis)
