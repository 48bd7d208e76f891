"""The loop that draws computes what a forward pass for every number does, each value once."""

from collections.abc import Callable

import numpy as np
import pytest

import graphcnn as cnn
from graphcnn.generative.graphs import all_pixels
from graphcnn.generative.noise import uniforms
from graphcnn.generative.pixels import check_order, fed, in_loops, one_by_one
from graphcnn.ir.node import Array, Value
from graphcnn.ops.loops import Scan
from graphcnn.passes.streaming.lines import CannotStreamError
from graphcnn.passes.streaming.sampler import streamed

H, W = 5, 6


def of(logits: Callable[[Value], Value], channels: int = 1, **options) -> cnn.Model:
    image = cnn.input("image", (channels, H, W))
    model = cnn.Model(image, {"logits": logits(image)}, name="small").initialize(1)
    return stirred(model, **options)


def stirred(model: cnn.Model, sampler: cnn.samplers.Pixels | None = None) -> cnn.Model:
    """With weights of some size, biases among them, so that every number counts."""
    rng = np.random.default_rng(5)
    model.set_parameters(
        {k: (v * 2 + rng.normal(size=v.shape) * 0.3).astype("f4")
         for k, v in model.parameters.items()}
    )  # fmt: skip
    if model.sampler is None:
        model.sampler = sampler or cnn.samplers.Pixels()
    return model


def one_stack(image: Value) -> Value:
    x = cnn.relu(cnn.conv2d(image, 4, 5, padding=2, mask="A", name="first"))
    x = cnn.relu(cnn.conv2d(x, 4, 3, padding=1, mask="B", name="second"))
    return cnn.conv2d(x, 1, 1, name="last")


def far_apart(image: Value) -> Value:
    x = cnn.conv2d(image, 4, 3, padding=2, dilation=2, mask="A", name="first")
    y = cnn.conv2d(
        cnn.tanh(x), 4, (5, 3), padding=(4, 4, 3, 3), dilation=(2, 3), mask="B", name="b"
    )
    return cnn.conv2d(cnn.relu(x + y), 1, 1, name="last")


def places() -> Value:
    """A number for each pixel, which does not depend on the image."""
    return cnn.constant(np.linspace(-1, 1, H * W, dtype=np.float32).reshape(1, 1, H, W))


def shifted(image: Value) -> Value:
    """What is above comes down by rows of zeros that are pushed in, and what is left from there:
    no mask at all."""
    above = cnn.conv2d(image, 3, 3, padding=(2, 0, 1, 1), name="above", bias=True)
    above = cnn.sigmoid(above) * places()
    above = cnn.conv2d(above, 3, 3, padding=1, name="more")[:, :, : H - 1]
    above = cnn.pad2d(above, (2, 0, 0, 0))[:, :, :H]
    left = cnn.pad2d(image, (0, 0, 1, 0))[:, :, :, :W]
    left = cnn.conv2d(left, 3, (1, 2), padding=(0, 0, 1, 0), name="left")
    return cnn.conv2d(cnn.relu(left + above), 1, 1, name="last")


def normed(image: Value) -> Value:
    x = cnn.conv2d(image, 4, 3, padding=1, mask="A", name="first")
    x = cnn.silu(cnn.batch_norm(x, name="bn"))
    a, b = cnn.split(cnn.softmax(x, axis=1), 2)
    return cnn.conv2d(cnn.concat([b, a * places()]), 1, 1, name="last")


def gated(**options) -> cnn.Model:
    small = {"size": H, "features": 6, "layers": 3}
    return stirred(cnn.models.pixelcnn(**{**small, **options}).initialize(0))


NETWORKS: dict[str, Callable[[], cnn.Model]] = {
    "one stack": lambda: of(one_stack),
    "far apart": lambda: of(far_apart),
    "shifted": lambda: of(shifted),
    "normed": lambda: of(normed),
    "gated": gated,
    "labels": lambda: gated(classes=3),
    "levels": lambda: gated(levels=5),
    "colours": lambda: gated(channels=3),
    "levels of colours": lambda: gated(channels=3, levels=4),
    "mixtures of colours": lambda: gated(channels=3, levels=9, components=2),
}


def both(model: cnn.Model, n: int = 6, given: Array | None = None, **execution) -> list[Array]:
    """Drawn in loops, and by a forward pass for every number."""
    shape = tuple(int(d) for d in model.graph.inputs[0].shape[1:])
    known = np.full((n, *shape), np.nan, np.float32) if given is None else given
    others = {v.node.name: np.arange(n) % 3 for v in model.graph.inputs[1:]}
    feeds, states = fed(uniforms(3, 0, n, shape), 0.8, others), model.states.snapshot()
    graphs = streamed(model.graph, model.sampler), all_pixels(model.graph, model.sampler)
    runners = [cnn.Model(g.inputs, g.outputs).runner(**execution) for g in graphs]
    first = {key: a[:1] if np.ndim(a) else a for key, a in feeds.items()}
    check_order(runners[1], states, model.sampler, first, "small")
    return [
        in_loops(runners[0], states, feeds, known),
        one_by_one(runners[1], states, model.sampler, feeds, known),
    ]


@pytest.mark.parametrize("runtime", ["reference", "native"])
@pytest.mark.parametrize("name", NETWORKS)
def test_it_draws_what_a_pass_for_every_number_draws(name, runtime):
    found, expected = both(NETWORKS[name](), runtime=runtime)
    assert 0.05 < expected.mean() < 0.95
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("name", ["shifted", "gated", "colours"])
def test_what_is_given_stays(name):
    model = NETWORKS[name]()
    shape = model.graph.inputs[0].shape[1:]
    rng = np.random.default_rng(0)
    given = np.where(rng.random((6, *shape)) < 0.4, rng.integers(0, 2, (6, *shape)), np.nan)
    found, expected = both(model, given=given.astype(np.float32))
    np.testing.assert_array_equal(found, expected)
    assert np.array_equal(found[~np.isnan(given)], given[~np.isnan(given)])


def test_threads_and_neighbours_change_no_bit():
    model = gated(size=9)
    whole = model.sample(7, seed=2, threads=1)
    assert np.array_equal(model.sample(7, seed=2, threads=2), whole)
    assert np.array_equal(model.sample(3, seed=2), whole[:3])
    assert np.array_equal(model.sample(7, seed=2, batch_size=2), whole)


def test_every_value_is_computed_once_for_a_place():
    """The loops are as long as the image, and keep only rows and pixels that are read again."""
    model = gated(layers=4)
    graph = streamed(model.graph, model.sampler)
    (rows,) = [n for n in graph.nodes if isinstance(n.op, Scan)]
    (columns,) = [n for n in rows.op.body.nodes if isinstance(n.op, Scan)]
    assert (rows.op.length, columns.op.length) == (H, H)
    carried = [c.shape for c in rows.op.parts(rows.op.body.inputs).carries]
    assert all(shape[2] <= 4 for shape in carried)  # of 7 rows of the first kernel, 3 and its own
    within = [c.shape for c in columns.op.parts(columns.op.body.inputs).carries]
    assert all(shape[2] == 1 and shape[3] <= 4 for shape in within)
    # No image is computed inside: what has rows has one, or the few that a kernel reads.
    inside = [v.shape for n in (*rows.op.body.nodes, *columns.op.body.nodes) for v in n.outputs]
    assert not any(len(s) == 4 and s[0] == cnn.N and s[2] == H for s in inside)


# Networks that cannot draw so


def test_a_pixel_that_sees_itself_is_told_by_its_node():
    model = of(lambda image: cnn.conv2d(image, 1, 3, padding=1, mask="B", name="own"))
    with pytest.raises(cnn.GraphError, match=r"conv2d 'own' .* reads the pixel that is to"):
        model.sample(1)


def test_a_row_that_is_not_drawn_yet_is_told_by_its_node():
    model = of(lambda image: cnn.conv2d(image, 1, 3, padding=1, name="around"))
    with pytest.raises(cnn.GraphError, match=r"'around' .* a row .* row t \+ 1 of input 'image'"):
        model.sample(1)
    model = of(lambda image: cnn.conv2d(image, 1, (1, 3), padding=(0, 0, 1, 1), name="beside"))
    with pytest.raises(cnn.GraphError, match=r"'beside' .* reads a column .* t \+ 1"):
        model.sample(1)


def mixed(image: Value, mask: str = "A") -> Value:
    """Transposed and back: the same numbers, of which nobody knows the rows."""
    x = cnn.conv2d(image, 4, 3, padding=1, mask=mask, name="first")
    x = cnn.transpose(cnn.transpose(x, (0, 1, 3, 2)) * 2.0, (0, 1, 3, 2))
    return cnn.conv2d(x, 1, 1, name="last")


def test_what_has_no_rule_is_drawn_by_whole_passes_and_said():
    model = of(mixed)
    with pytest.raises(CannotStreamError, match=r"transpose 'transpose_2' .* row by row"):
        streamed(model.graph, model.sampler)
    with pytest.warns(cnn.GraphCnnWarning, match="each number takes a whole forward pass"):
        drawn = model.sample(4)
    same = of(lambda image: cnn.conv2d(
        cnn.conv2d(image, 4, 3, padding=1, mask="A", name="first") * 2.0, 1, 1, name="last"
    ))  # fmt: skip
    assert np.array_equal(drawn, same.sample(4))


def test_there_the_order_is_proven_by_changing_what_comes_later():
    model = of(lambda image: mixed(image, "B"))
    with (
        pytest.warns(cnn.GraphCnnWarning),
        pytest.raises(cnn.GraphError, match=r"at row 0, column 0 depends on .* at row 0, column 0"),
    ):
        model.sample(1)


def test_the_loops_are_exported_and_draw_the_same_in_onnx_runtime():
    ort = pytest.importorskip("onnxruntime")
    model = gated(classes=3)
    graph = streamed(model.graph, model.sampler)
    sampler = cnn.Model(graph.inputs, graph.outputs, "sampler")
    sampler.set_parameters(dict(model.parameters))
    n, shape = 4, (1, H, H)
    zeros = np.zeros((n, *shape), np.float32)
    feeds = fed(uniforms(3, 0, n, shape), 1.0, {"label": np.arange(n) % 3})
    feeds |= {"given": zeros, "known": zeros}
    from graphcnn.onnx.exporting.export import export_graph

    exported = export_graph(sampler.graph, sampler.states).SerializeToString()
    session = ort.InferenceSession(exported, providers=["CPUExecutionProvider"])
    (found,) = session.run(None, feeds)
    np.testing.assert_array_equal(found, model.sample(n, seed=3, label=np.arange(n) % 3))
