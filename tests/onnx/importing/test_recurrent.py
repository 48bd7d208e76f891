"""RNN, GRU and LSTM of ONNX files: loops with the numbers of ONNX Runtime, or a clear refusal."""

import numpy as np
import pytest
from onnx import helper, numpy_helper
from support.recurrent_models import feeds, open_shapes, recurrent_model

import graphcnn as cnn
from graphcnn.errors import ImportModelError
from graphcnn.model import import_onnx
from graphcnn.ops.loops import Scan

runtime = pytest.importorskip("onnxruntime")

FORMS = {
    "plain": {},
    "no bias": {"bias": False},
    "start": {"start": True},
    "lengths": {"lengths": True, "start": True},
}
WAYS = ["forward", "reverse", "bidirectional"]
OPS = {
    "RNN": [{}, {"activations": ["Relu"]}, {"clip": 0.3}],
    "GRU": [
        {},
        {"linear_before_reset": 1},
        {"linear_before_reset": 1, "activations": ["HardSigmoid", "Softsign"]},
        {"clip": 0.3},
    ],
    "LSTM": [
        {},
        {"peepholes": True},
        {"input_forget": 1},
        {"clip": 0.3, "peepholes": True},
        {"activations": ["HardSigmoid", "Elu", "Softplus"], "activation_alpha": [0.3, 0.5],
         "activation_beta": [0.4]},
    ],
}  # fmt: skip
CASES = [(op, more) for op, all_of_them in OPS.items() for more in all_of_them]


def read(made):
    return import_onnx(made.SerializeToString(), inputs=open_shapes(made))


def by_onnxruntime(model, given):
    session = runtime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return dict(zip((o.name for o in session.get_outputs()), session.run(None, given), strict=True))


def same(found, expected):
    assert found.keys() == expected.keys()
    for key, array in expected.items():
        assert found[key].shape == array.shape
        np.testing.assert_allclose(found[key], array, rtol=2e-5, atol=3e-6, err_msg=key)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("op", "more"), CASES)
def test_numbers_are_those_of_onnxruntime(op, more, form, way):
    more = dict(more)
    if way == "bidirectional":
        for key in ("activations", "activation_alpha", "activation_beta"):
            more |= {key: more[key] * 2} if key in more else {}
    made = recurrent_model(op, way, **FORMS[form], **more)
    model, given = read(made), feeds(made, 3)
    loops = [n for n in model.graph.nodes if isinstance(n.op, Scan)]
    assert len(loops) == 1 + (way == "bidirectional")
    same(model.predict(given, runtime="reference"), by_onnxruntime(made, given))


def by_definition(made, given):
    """An LSTM forward, as the standard writes it: one item, one step after the other."""
    arrays = {t.name: numpy_helper.to_array(t)[0].astype(float) for t in made.graph.initializer}
    named = {a.name: helper.get_attribute_value(a) for a in made.graph.node[0].attribute}
    batch_first, bound = named.get("layout", 0), named.get("clip", np.inf)
    x = given["X"] if batch_first else given["X"].swapaxes(0, 1)
    w, r, bias = arrays["W"], arrays["R"], arrays["B"]
    p = arrays.get("P", np.zeros(3 * named["hidden_size"])).reshape(3, -1)

    def sigmoid(z):
        return 1 / (1 + np.exp(-z.clip(-bound, bound)))

    ys, lasts = [], []
    for rows in x:
        h, c, shown = np.zeros(p.shape[1]), np.zeros(p.shape[1]), []
        for row in rows:
            i, o, f, g = (w @ row + r @ h + sum(np.split(bias, 2))).reshape(4, -1)
            i, f = sigmoid(i + p[0] * c), sigmoid(f + p[2] * c)
            c = f * c + i * np.tanh(g.clip(-bound, bound))
            h = sigmoid(o + p[1] * c) * np.tanh(c)
            shown.append(h)
        ys.append(shown)
        lasts.append((h, c))
    y, (h, c) = np.array(ys)[:, :, None], np.array(lasts).swapaxes(0, 1)
    if batch_first:
        return {"Y": y, "Y_h": h[:, None], "Y_c": c[:, None]}
    return {"Y": y.transpose(1, 2, 0, 3), "Y_h": h[None], "Y_c": c[None]}


@pytest.mark.parametrize("more", [{}, {"layout": 1}, {"clip": 0.3, "peepholes": True}])
def test_numbers_are_those_of_the_standard(more):
    made = recurrent_model("LSTM", **more)
    given = feeds(made, 3)
    same(read(made).predict(given, runtime="reference"), by_definition(made, given))


@pytest.mark.parametrize("op", ["RNN", "GRU", "LSTM"])
@pytest.mark.parametrize("way", WAYS)
def test_items_may_come_first(op, way):
    """The same node with its items first has the same numbers, moved."""
    last, first = (recurrent_model(op, way, layout=k, start=True) for k in (0, 1))
    given = feeds(last, 3)
    expected = read(last).predict(given)
    found = read(first).predict({key: array.swapaxes(0, 1) for key, array in given.items()})
    moved = {key: array.swapaxes(0, 1) for key, array in expected.items()}
    same(found, moved | {"Y": expected["Y"].transpose(2, 0, 1, 3)})


def test_each_direction_is_a_layer_of_ours_with_parameters_of_its_own():
    model = read(recurrent_model("GRU", "bidirectional", linear_before_reset=1))
    parts = [("input.weight", (12, 3)), ("input.bias", (12,))]
    parts += [("recurrent.weight", (12, 4)), ("recurrent.bias", (12,))]
    assert {key: a.shape for key, a in model.states.items()} == {
        f"cell.{way}.{part}": shape for way in ("forward", "backward") for part, shape in parts
    }
    x = cnn.input("x", (5, 3))
    cnn_loop, imported = (
        [n.op for n in graph.nodes if isinstance(n.op, Scan)]
        for graph in (cnn.Model(x, cnn.gru(x, 4, bidirectional=True)[0]).graph, model.graph)
    )
    assert imported == cnn_loop


def test_a_layer_is_trained():
    made = recurrent_model("LSTM", layout=1, bias=False)
    model = read(made)
    out = cnn.dense(cnn.flatten(model.graph.outputs["Y_h"]), 2, name="out")
    classifier = cnn.Model(list(model.graph.inputs), out)
    assert classifier.states.keys() > model.states.keys()
    x = np.random.default_rng(0).normal(size=(64, 5, 3)).astype("f")
    labels = (x[:, 0, 0] > 0).astype(int)
    history = classifier.fit((x, labels), epochs=30, batch_size=16, seed=0,
                             optimizer=cnn.Adam(0.02), progress=False)  # fmt: skip
    assert history[-1]["accuracy"] > 0.9


def test_two_nodes_share_what_they_read_alike():
    made = recurrent_model("LSTM", layout=1)
    again = made.graph.node.add()
    again.CopyFrom(made.graph.node[0])
    again.name, again.output[:] = "other", ["Z", "Z_h", "Z_c"]
    made.graph.output[0].name = "Z"
    model = read(made)
    assert sorted(model.states) == ["cell.input.bias", "cell.input.weight", "cell.recurrent.weight"]


def test_a_stored_state_of_zeros_is_none():
    zeros = np.zeros((1, 2, 4), np.float32)
    made = recurrent_model("RNN", start=True, given={"h": zeros})
    del made.graph.input[1]
    model = import_onnx(made.SerializeToString(), inputs={"X": (5, 2, 3)})
    assert not any(key.endswith(".h") for key in model.states)
    ones = recurrent_model("RNN", start=True, given={"h": zeros + 1})
    del ones.graph.input[1]
    model = import_onnx(ones.SerializeToString(), inputs={"X": (5, 2, 3)})
    assert (model.states["cell.h"] == 1).all()


REFUSED = {
    "W of another size": (
        {"op": "LSTM", "given": {"W": np.ones((1, 12, 3), "f")}},
        "W must be f32[1,16,3] (directions, 4 gates × hidden_size 4, features of X), found "
        "f32[1,12,3]",
    ),
    "W of one direction": (
        {"op": "GRU", "direction": "bidirectional", "given": {"W": np.ones((1, 12, 3), "f")}},
        "W must be f32[2,12,3] (directions, 3 gates × hidden_size 4, features of X), found",
    ),
    "R of another size": (
        {"op": "RNN", "given": {"R": np.ones((1, 4, 5), "f")}},
        "R must be f32[1,4,4] (directions, hidden_size 4, hidden_size), found f32[1,4,5]",
    ),
    "half of B": (
        {"op": "LSTM", "given": {"B": np.ones((1, 16), "f")}},
        "B must be f32[1,32] (directions, 2 × 4 gates × hidden_size 4: one half of W, one of R), "
        "found f32[1,16]",
    ),
    "P of another size": (
        {"op": "LSTM", "peepholes": True, "given": {"P": np.ones((1, 4), "f")}},
        "P must be f32[1,12] (directions, 3 gates × hidden_size 4), found f32[1,4]",
    ),
    "B of another type": (
        {"op": "RNN", "given": {"B": np.ones((1, 8))}},
        "B must be f32[1,8] (directions, 2 × hidden_size 4: one half of W, one of R), found "
        "f64[1,8]",
    ),
    "no W": ({"op": "RNN", "drop": ("W",)}, "input 1 is missing"),
    "unknown function": (
        {"op": "LSTM", "activations": ["Sigmoid", "Gelu", "Tanh"]},
        "the activation 'Gelu' is unknown, expected one of Relu, Tanh, Sigmoid,",
    ),
    "functions of one direction": (
        {"op": "GRU", "direction": "bidirectional", "activations": ["Sigmoid", "Tanh"]},
        "attribute 'activations' must have 4 functions, 2 for each of 2 directions, found Sigmoid",
    ),
    "numbers too many": (
        {"op": "RNN", "activations": ["Tanh"], "activation_alpha": [0.5]},
        "attribute 'activation_alpha' has 1 numbers more than the functions Tanh take",
    ),
    "numbers that runtimes choose differently": (
        {"op": "RNN", "activations": ["Affine"]},
        "the activation Affine needs a number in 'activation_alpha', which has none",
    ),
    "an unknown direction": (
        {"op": "RNN", "direction": "sideways"},
        "attribute 'direction' must be forward, reverse, bidirectional, found 'sideways'",
    ),
    "a bound below 0": ({"op": "LSTM", "clip": -1.0}, "attribute 'clip' must be above 0"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_does_not_fit_is_told_with_the_node(what):
    options, words = REFUSED[what]
    options = dict(options)
    made = recurrent_model(options.pop("op"), **options)
    with pytest.raises(ImportModelError) as caught:
        read(made)
    message = str(caught.value)
    assert message.startswith(f'node "cell" ({made.graph.node[0].op_type}): {words}')
    assert "\n" not in message


def test_lengths_and_sizes_that_do_not_fit_are_told():
    made = recurrent_model("GRU", lengths=True, given={"lengths": np.array([5, 9], np.int32)})
    del made.graph.input[1]
    with pytest.raises(ImportModelError, match="sequence_lens must be from 0 to the number of"):
        import_onnx(made.SerializeToString(), inputs={"X": (5, 2, 3)})
    with pytest.raises(ImportModelError, match=r"sequence_lens must be i32\[3\], one number for"):
        import_onnx(made.SerializeToString(), inputs={"X": (5, 3, 3)})
    made = recurrent_model("GRU", layout=1)
    made.graph.input[0].type.tensor_type.shape.dim[1].dim_param = "time"
    with pytest.raises(ImportModelError, match="leaves axis 1 open"):
        import_onnx(made.SerializeToString())
    made = recurrent_model("GRU")
    dims = made.graph.input[0].type.tensor_type.shape.dim
    dims[0].dim_param, dims[1].dim_value = "time", 2
    with pytest.raises(ImportModelError, match=r"must be known, found X .*: axis 0 counts the"):
        import_onnx(made.SerializeToString())
