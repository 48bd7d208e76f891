"""Operators of ONNX Runtime's own that are standard ones in another form, and operators on trial of
old files, by everybody."""

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper
from support.agreement import check_agreement
from support.malformed_models import model, node

from graphcnn.errors import ImportModelError
from graphcnn.onnx.importing.importer import import_graph

MS = {"domain": "com.microsoft"}
BOTH = [helper.make_opsetid("", 14), helper.make_opsetid("com.microsoft", 1)]


def own(nodes, shape, stored=(), dtype=TensorProto.FLOAT, fed=(), **options):
    made = model(nodes, ("N", *shape), stored, opset_imports=BOTH, **options)
    made.graph.input[0].type.tensor_type.elem_type = dtype
    made.graph.output[0].type.tensor_type.elem_type = dtype
    for name, sizes in fed:
        info = helper.make_tensor_value_info(name, TensorProto.FLOAT, sizes)
        made.graph.input.append(info)
    return made.SerializeToString()


def array(name, *shape):
    rng = np.random.default_rng(len(name) + sum(shape))
    return numpy_helper.from_array(rng.normal(size=shape).astype(np.float32), name)


def ints(name, *values):
    return numpy_helper.from_array(np.array(values, np.int64), name)


def drawn(*shape, **more):
    def feeds(n):
        rng = np.random.default_rng(n)
        shapes = {"x": (n, *shape), **{k: (n, *s) for k, s in more.items()}}
        return {k: rng.uniform(-1, 1, s).astype(np.float32) for k, s in shapes.items()}

    return feeds


PLAIN = {
    "triangle": (node("Trilu", "x", upper=0, **MS), (4, 4), ()),
    "expand": (node("ExpandDims", "x", "axis", **MS), (3, 4),
               [numpy_helper.from_array(np.array(-2, np.int32), "axis")]),
    "pad": (node("Pad", "x", "pads", mode="reflect", **MS), (2, 4, 5),
            [ints("pads", 0, 0, 1, 2, 0, 0, 0, 1)]),
}  # fmt: skip


@pytest.mark.parametrize("name", PLAIN)
def test_standard_operators_by_another_name(name):
    one, shape, stored = PLAIN[name]
    check_agreement(own([one], shape, stored), drawn(*shape))


def test_points_of_a_grid():
    """As PyTorch wrote them before there was a standard operator."""
    one = node(
        "GridSample", "x", "g", mode="bilinear", padding_mode="border", align_corners=1, **MS
    )
    content = own([one], (2, 5, 6), fed=[("g", ("N", 3, 4, 2))])
    check_agreement(content, drawn(2, 5, 6, g=(3, 4, 2)))


@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_inverses(size):
    """Of matrices that are far from singular; for two leading axes and for none but the batch."""
    eye = numpy_helper.from_array(3 * np.eye(size, dtype=np.float32), "eye")
    nodes = [node("Add", "x", "eye", outputs=("m",)), node("Inverse", "m", **MS)]
    for shape in ((size, size), (2, size, size)):
        check_agreement(own(nodes, shape, [eye]), drawn(*shape))


@pytest.mark.parametrize("dtype", [np.uint8, np.int8])
def test_pools_with_the_channels_last(dtype):
    how = {"kernel_shape": [2, 3], "strides": [2, 1], "pads": [0, 1, 1, 1]}
    code = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    content = own([node("NhwcMaxPool", "x", **how, **MS)], (5, 6, 3), dtype=code)
    info = np.iinfo(dtype)
    check_agreement(
        content,
        lambda n: {"x": np.random.default_rng(n).integers(info.min, info.max, (n, 5, 6, 3), dtype)},
    )


@pytest.mark.parametrize("how", [(1, 0), (1, 1), (0, 1)])
def test_products_whose_batch_lies_inside(how):
    batch, last = how
    shape = (4, 3, 5) if not batch else (3, 4, 5)
    made = own(
        [node("FusedMatMul", "w", "v", transBatchA=batch, transA=last, **MS)], (2,),
        [array("w", *shape), array("v", *((4, 3, 2) if last else (4, 5, 2)))]
        if not batch else [array("w", *shape), array("v", 4, 3 if last else 5, 2)],
    )  # fmt: skip
    check_agreement(made, drawn(2))


def test_attention_of_given_queries():
    one = node("MultiHeadAttention", "x", "k", "v", "bias", num_heads=2, **MS)
    content = own([one], (3, 8), [array("bias", 22)], fed=[("k", ("N", 5, 8)), ("v", ("N", 5, 6))])
    check_agreement(content, drawn(3, 8, k=(5, 8), v=(5, 6)))


def test_chosen_integers():
    """Each branch has its own scale."""
    numbers = [("sa", 0.5), ("sb", 0.25), ("sy", 0.25)]
    stored = [numpy_helper.from_array(np.array(v, np.float32), k) for k, v in numbers]
    stored += [numpy_helper.from_array(np.array(v, np.uint8), k) for k, v in
               (("za", 100), ("zb", 90), ("zy", 80), ("low", 120))]  # fmt: skip
    nodes = [
        node("Greater", "x", "low", outputs=("c",)),
        node("QLinearWhere", "c", "x", "sa", "za", "x", "sb", "zb", "sy", "zy", **MS),
    ]
    content = own(nodes, (4, 5), stored, dtype=TensorProto.UINT8)
    rng = np.random.default_rng(0)
    check_agreement(content, lambda n: {"x": rng.integers(90, 150, (n, 4, 5), np.uint8)})


TRIED = {
    "scaler": node("ImageScaler", "x", scale=0.5, bias=[1.0, -2.0, 0.25]),
    "border": node("Crop", "x", border=[1, 0, 2, 1]),
    "window": node("Crop", "x", border=[1, 2, 0, 0], scale=[2, 3]),
    "affine": node("Affine", "x", alpha=0.5, beta=0.25),
    "tanh": node("ScaledTanh", "x", alpha=1.5, beta=0.5),
    "softplus": node("ParametricSoftplus", "x", alpha=1.5, beta=0.5),
    "scale": node("Scale", "x", scale=3.0),
    "threshold": node("ThresholdedRelu", "x", alpha=0.25),
}


@pytest.mark.parametrize("name", TRIED)
def test_operators_on_trial(name):
    """Until opset 9; what came later knows none of them."""
    content = model([TRIED[name]], ("N", 3, 5, 6), opset=7).SerializeToString()
    check_agreement(content, drawn(3, 5, 6))
    if name != "threshold":
        later = model([TRIED[name]], ("N", 3, 5, 6), opset=10).SerializeToString()
        with pytest.raises(ImportModelError, match="opset 10 has no operator"):
            import_graph(later)


def test_what_is_refused():
    def refused(one, shape, opset=7):
        made = model([one], ("N", *shape), opset=opset)
        if one.domain:
            made.opset_import.append(helper.make_opsetid("com.microsoft", 1))
        with pytest.raises(ImportModelError) as caught:
            import_graph(made.SerializeToString())
        return str(caught.value)

    assert "'bias' has 2 numbers" in refused(node("ImageScaler", "x", bias=[1.0, 2.0]), (3, 5, 6))
    assert "0 rows and 5 columns" in refused(node("Crop", "x", border=[0, 2, 1, 3]), (3, 5, 6))
    assert "'beta' is missing" in refused(node("ScaledTanh", "x", alpha=1.0), (3, 5, 6))
    assert "at most 4 by 4" in refused(node("Inverse", "x", **MS), (5, 5), 13)
