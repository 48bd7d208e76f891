"""Operators that are lacking: told by name, all at once, with what can be done."""

import numpy as np
import pytest
from onnx import TensorProto, helper
from support.malformed_models import array, integers, model, node, relu

from graphcnn.errors import ImportModelError
from graphcnn.model import import_onnx
from graphcnn.onnx.importing.importer import import_graph
from graphcnn.onnx.importing.report import report

OWN = {"opset_imports": [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)]}


def refused(made, **options):
    with pytest.raises(ImportModelError) as caught:
        import_graph(made.SerializeToString(), **options)
    return str(caught.value)


def lacking(shape=(5, 2, 4), **attributes):
    """Relu, an operator that we lack, Relu."""
    one = node("Unique", "a", outputs=("h",), name="one", **attributes)
    return model([relu(to="a"), one, relu("h")], shape)


def test_an_operator_is_told_before_attributes_are_read():
    assert refused(lacking(axis=7)) == (
        "node \"one\" (Unique): the operator 'Unique' is not supported; what stands before can be "
        "read by outputs=['a'], or graphcnn import --until a"
    )


def test_what_is_advised_helps():
    content = lacking().SerializeToString()
    x = np.array([-1, 2], np.float32).repeat(20).reshape(5, 2, 4)
    read = import_onnx(content, outputs=["a"])
    np.testing.assert_array_equal(read.predict(x), np.maximum(x, 0))


def test_an_operator_is_told_where_sizes_are_open_too():
    message = refused(lacking(shape=(None, "time", 4)))
    assert "'Unique' is not supported" in message and "outputs=['a']" in message
    with pytest.raises(ImportModelError, match="is not supported"):
        report(lacking(shape=(None, "time", 4)).SerializeToString())
    assert "axis 1" in refused(model([relu()], (None, "time", 4)))


def test_all_that_is_lacking_is_told_at_once():
    nodes = [
        relu(to="a"),
        node("Unique", "a", outputs=("h",), name="l1"),
        helper.make_node("Frobnicate", ["a"], ["f"], "f1", domain="own"),
        node("MaxRoiPool", "f", "a", outputs=("g",), name="g1", pooled_shape=[1, 1]),
        node("Unique", "a", outputs=("i",), name="l2"),
        node("Neg", "a", outputs=("y",)),
    ]
    message = refused(model(nodes, (5, 2, 4), (), ("y", "g", "h", "i"), **OWN))
    assert message.startswith("nodes that are not supported: ")
    assert "node \"l1\" and 1 more (Unique): the operator 'Unique' is not supported; " in message
    assert "node \"f1\" (Frobnicate): the operator 'Frobnicate' of the domain 'own'" in message
    assert "node \"g1\" (MaxRoiPool): the operator 'MaxRoiPool' is not supported" in message
    assert message.endswith("outputs=['y', 'a'], or graphcnn import --until y --until a")


def test_a_form_that_is_lacking_is_told_with_the_rest():
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    form = helper.make_node(
        "FusedConv", ["x", "k"], ["a"], "c1", domain="com.microsoft", activation="Softsign"
    )
    nodes = [form, node("Unique", "b", outputs=("y",), name="g1")]
    nodes.insert(1, node("Reshape", "a", "s", outputs=("b",)))
    stored = [array("k", 4, 4, 1, 1), integers("s", 64, 1, 4)]
    assert refused(model(nodes, (1, 4, 8, 8), stored, opset_imports=opsets)) == (
        "nodes that are not supported: "
        "node \"c1\" (FusedConv): attribute 'activation' = 'Softsign' with 0 numbers; "
        "node \"g1\" (Unique): the operator 'Unique' is not supported"
    )


def test_what_needs_a_result_that_is_lacking_is_not_lacking_itself():
    nodes = [
        helper.make_node("Frobnicate", ["x"], ["s"], "f1", domain="own"),
        node("Reshape", "x", "s", name="r1"),
    ]
    made = model(nodes, (2, 3), **OWN)
    made.graph.value_info.append(helper.make_tensor_value_info("s", TensorProto.INT64, [2]))
    message = refused(made)
    assert message.startswith('node "f1" (Frobnicate): ') and "r1" not in message
    found = report(made.SerializeToString())
    assert [u.op_type for u in found.unsupported] == ["Frobnicate"] and not found.rest_runs


def test_what_is_lacking_inside_of_a_branch_is_named():
    def branch(op, name):
        out = helper.make_tensor_value_info(name, TensorProto.FLOAT, None)
        made = helper.make_node(op, ["x"], [name], name)
        return helper.make_graph([made], name, [], [out])

    yes, no = branch("Unique", "a"), branch("Relu", "b")
    choice = node("If", "c", name="if1", then_branch=yes, else_branch=no)
    for condition in (True, False):
        stored = [array("c", dtype=np.bool_)]
        stored[0].raw_data = bytes([condition])
        made = model([choice], (5, 2, 4), stored)
        if condition:
            assert refused(made) == (
                'node "if1" (If): node "a" (Unique): the operator \'Unique\' is not supported'
            )
            assert [u.op_type for u in report(made.SerializeToString()).unsupported] == ["Unique"]
        else:
            import_graph(made.SerializeToString())


@pytest.mark.parametrize(
    ("op", "opset", "words"),
    [
        ("Gelu", 17, "opset 17 has no operator 'Gelu', expected one it has: that came with opset"),
        ("conv", 17, "did you mean Conv or "),
        ("Softmaks", 17, "did you mean Softmax or LogSoftmax?"),
        ("GroupNorm", 17, "did you mean GroupNormalization (of opset 18)?"),
        ("Xyzzyqwv", 17, "has no operator 'Xyzzyqwv', expected one it has"),
    ],
)
def test_an_unknown_name_says_what_is_near(op, opset, words):
    message = refused(model([node(op, "x")], opset=opset))
    assert words in message
    assert ("did you mean" in message) == ("did you mean" in words)


def test_unknown_names_are_told_at_once():
    nodes = [relu(to="a"), node("Mish", "a", outputs=("b",)), node("Conv2D", "b")]
    message = refused(model(nodes))
    assert message.startswith('nodes that are not supported: node "b" (Mish): opset 17 has no')
    assert "node \"y\" (Conv2D): opset 17 has no operator 'Conv2D'" in message
    assert message.endswith("outputs=['a'], or graphcnn import --until a")


@pytest.mark.parametrize(
    ("op", "domain", "words"),
    [
        ("ZipMap", "ai.onnx.ml", "zipmap=False"),
        ("Conv", "com.microsoft.nchwc", "save the model without its optimisations"),
        ("DecodeImage", "ai.onnx.contrib", "one of ONNX Runtime's extensions (ai.onnx.contrib)"),
        (
            "DecodeImage",
            "com.microsoft.extensions",
            "(com.microsoft.extensions) and not supported: give the network without what they do",
        ),
        ("EfficientNMS_TRT", "TRT", "export the model for ONNX Runtime"),
        ("ATen", "org.pytorch.aten", "PyTorch's own"),
        ("Relu", "mine", "expected standard operators (of which 'Relu' is one) or functions"),
        ("Grid", "mine", "of the domain 'mine' is unknown, expected standard operators or"),
    ],
)
def test_an_unknown_domain_says_what_helps(op, domain, words):
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid(domain, 1)]
    foreign = helper.make_node(op, ["x"], ["y"], "f", domain=domain)
    assert words in refused(model([foreign], opset_imports=opsets))


def test_texts_are_an_attribute_like_others():
    message = refused(model([node("Constant", outputs=("y",), value_strings=[b"a", b"b"])]))
    assert "a constant given as 'value_strings'" in message
