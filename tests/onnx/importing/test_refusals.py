"""Models that must be refused with one line, bytes that are no model, and hostile valid ones."""

import os
import random
import re
import time
import tracemalloc
from itertools import pairwise

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from support import malformed_models
from support.malformed_models import model, node, relu
from support.onnx_mutants import survive

from graphcnn.errors import ImportModelError
from graphcnn.model import import_onnx
from graphcnn.models import MODELS
from graphcnn.onnx.exporting.export import export_graph
from graphcnn.onnx.importing.file.limits import Limits
from graphcnn.onnx.importing.importer import import_graph

CASES = list(malformed_models.cases())

#: How a message says what it expected.
EXPECTS = re.compile(r"expected|must|does not fit|cannot reshape|but x|give all sizes|add up to")

#: What is not about one node: names that appear twice, declarations, versions, whole tensors.
WHOLE = re.compile(
    r"(the model|the declared type of|initializer|input|output|graph|node name|metadata key"
    r"|function|the values of)\b"
)


@pytest.mark.parametrize(("name", "broken", "word"), CASES, ids=[c[0] for c in CASES])
def test_is_refused_with_one_line(name, broken, word):
    content = broken.SerializeToString()
    tracemalloc.start()
    started = time.process_time()
    with pytest.raises(ImportModelError) as caught:
        import_graph(content)
    message = str(caught.value)
    assert word in message, message
    assert message.isprintable() and len(message) < 500
    assert "cannot be translated" not in message, message
    assert EXPECTS.search(message), message
    assert re.match(r'node ".*" \(\w+\): ', message) or WHOLE.match(message), message
    assert time.process_time() - started < 2
    assert tracemalloc.get_traced_memory()[1] < 64 << 20
    tracemalloc.stop()


def test_the_corpus_is_whole():
    """All of the published matrix of malformed models, and more."""
    assert len(CASES) + len(BAD) >= 64 + 21
    assert len({name for name, _, _ in CASES}) == len(CASES)


def valid():
    return model([relu()]).SerializeToString()


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"", "no bytes"),
        (valid()[:-3], "not an ONNX model"),
        (valid() + b"\0", "not an ONNX model"),
        (valid() + b"\xfa\x7f\x01a", "unknown fields"),
        (b"\x00\x01random bytes", "not an ONNX model"),
        (b"\x12\x02\xff\xff" + valid(), "not an ONNX model"),
    ],
    ids=["empty", "truncated", "trailing zero", "trailing field", "random", "bad UTF-8"],
)
def test_bytes_that_are_no_model(content, word):
    with pytest.raises(ImportModelError, match=word):
        import_onnx(content)


def test_a_missing_file_a_folder_and_a_large_file(tmp_path):
    with pytest.raises(ImportModelError, match="cannot read"):
        import_onnx(tmp_path / "missing.onnx")
    with pytest.raises(ImportModelError, match="cannot read"):
        import_onnx(tmp_path)
    (tmp_path / "m.onnx").write_bytes(valid())
    with pytest.raises(ImportModelError, match=r"limits\.file_bytes"):
        import_onnx(tmp_path / "m.onnx", limits=Limits(file_bytes=10))


def external(location, **entries):
    """x + w with w in another file."""
    w = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[4])
    w.data_location = TensorProto.EXTERNAL
    for key, value in {"location": location, **entries}.items():
        w.external_data.add(key=key, value=str(value))
    return model([node("Add", "x", "w")], (2, 4), [w])


@pytest.fixture
def folder(tmp_path):
    inner = tmp_path / "inner"
    inner.mkdir()
    weights = np.arange(4, dtype=np.float32).tobytes()
    (tmp_path / "secret.bin").write_bytes(weights)
    (inner / "w.bin").write_bytes(b"\1" * 8 + weights)
    (inner / "link.bin").symlink_to(tmp_path / "secret.bin")
    (inner / "away").symlink_to(tmp_path)
    os.link(tmp_path / "secret.bin", inner / "hard.bin")
    (inner / "sub").mkdir()
    os.mkfifo(inner / "pipe")
    return inner


BAD = [
    ({"location": "../secret.bin"}, "in the folder"),
    ({"location": "sub/../../secret.bin"}, "in the folder"),
    ({"location": "/etc/hostname"}, "in the folder"),
    ({"location": "C:\\secret.bin"}, "in the folder"),
    ({"location": "..\\secret.bin"}, "in the folder"),
    ({"location": ""}, "location is missing"),
    ({"location": "."}, "in the folder"),
    ({"location": "a\0b"}, "in the folder"),
    ({"location": "missing.bin"}, "cannot open"),
    ({"location": "link.bin"}, "without following links"),
    ({"location": "away/secret.bin"}, "without following links"),
    ({"location": "hard.bin"}, "hard link"),
    ({"location": "sub"}, "no regular file"),
    ({"location": "pipe"}, "no regular file"),
    ({"location": "w.bin", "offset": -1}, "offset"),
    ({"location": "w.bin", "offset": 9}, "past the end"),
    ({"location": "w.bin", "offset": 10**17}, "past the end"),
    ({"location": "w.bin", "offset": 10**30}, "offset"),
    ({"location": "w.bin", "length": 10**15}, "expected 16"),
    ({"location": "w.bin", "length": 8}, "expected 16"),
    ({"location": "w.bin", "evil": "x"}, "key"),
]


@pytest.mark.parametrize(("entries", "word"), BAD, ids=[str(b[0]) for b in BAD])
def test_external_data_stays_in_the_folder(folder, entries, word):
    path = folder / "m.onnx"
    path.write_bytes(external(**entries).SerializeToString())
    with pytest.raises(ImportModelError, match=word):
        import_onnx(path)


def test_external_data_is_read_from_the_folder_and_never_for_bytes(folder):
    content = external("w.bin", offset=8, length=16).SerializeToString()
    (folder / "m.onnx").write_bytes(content)
    found = import_onnx(folder / "m.onnx")
    assert found.parameters["w"].tolist() == [0, 1, 2, 3]
    with pytest.raises(ImportModelError, match="no folder"):
        import_onnx(content)


# Valid, however strange


def test_a_chain_of_20000_nodes():
    names = ["x", *(f"r{i}" for i in range(20_000)), "y"]
    chain = model([relu(a, b) for a, b in pairwise(names)], (1, 4))
    assert len(import_graph(chain.SerializeToString()).graph.operations) == 20_001
    with pytest.raises(ImportModelError, match=r"limits\.nodes"):
        import_graph(chain.SerializeToString(), limits=Limits(nodes=1000))


def nested(depth):
    """If in If in If, whose innermost branch gives x."""
    inner = [helper.make_node("Identity", ["x"], [f"o{depth}"])]
    for level in reversed(range(depth)):
        output = helper.make_tensor_value_info(f"o{level + 1}", TensorProto.FLOAT, None)
        branch = helper.make_graph(inner, f"b{level}", [], [output])
        other = helper.make_graph(
            [helper.make_node("Identity", ["x"], [f"e{level}"])], "else", [],
            [helper.make_tensor_value_info(f"e{level}", TensorProto.FLOAT, None)],
        )  # fmt: skip
        inner = [
            helper.make_node("If", ["c"], [f"o{level}"], then_branch=branch, else_branch=other)
        ]
    condition = numpy_helper.from_array(np.array(True), "c")
    return model([*inner, relu("o0")], (1, 4), [condition])


def test_ifs_in_ifs():
    assert len(import_graph(nested(20).SerializeToString()).graph.operations) == 1
    with pytest.raises(ImportModelError, match=r"limits\.nesting"):
        import_graph(nested(20).SerializeToString(), limits=Limits(nesting=5))


def test_a_long_doc_string_and_names_that_are_markup():
    strange = '<script>alert("1")</script>'
    hostile = model([relu(name=strange)], (1, 4))
    hostile.doc_string = "x" * (64 << 20)
    found = import_onnx(hostile.SerializeToString())
    assert found.graph.operations[0].name == strange


def test_budgets_can_be_changed():
    small = model([relu(to="a"), relu("a")], (1, 4, 8, 8)).SerializeToString()
    for limits, word in (
        (Limits(elements=255), "elements"),
        (Limits(edge_bytes=2047), "edge_bytes"),
        (Limits(rank=3), "rank"),
    ):
        with pytest.raises(ImportModelError, match=word):
            import_graph(small, limits=limits)
    import_graph(small, limits=Limits(elements=256, edge_bytes=2048, rank=4))
    filled = model([node("ConstantOfShape", "s")], stored=[malformed_models.integers("s", 4, 4)])
    with pytest.raises(ImportModelError, match="folded_bytes"):
        import_graph(filled.SerializeToString(), limits=Limits(folded_bytes=63))
    import_graph(filled.SerializeToString(), limits=Limits(folded_bytes=64))


# Mutations


def mutations(seed, count):
    """Exported networks with bytes or fields changed at random."""
    rng = random.Random(seed)
    m = MODELS["digits_cnn"]()
    base = export_graph(m.graph, m.states)
    content = base.SerializeToString()
    for i in range(count):
        if i % 2:
            broken = bytearray(content)
            for _ in range(rng.randint(1, 8)):
                if rng.random() < 0.5:
                    broken[rng.randrange(min(len(broken), 3000))] = rng.randrange(256)
                else:
                    broken[-rng.randrange(1, 3000)] = rng.randrange(256)
            yield bytes(broken)
            continue
        changed = onnx.ModelProto()
        changed.CopyFrom(base)
        for _ in range(rng.randint(1, 3)):
            change(rng, changed)
        yield changed.SerializeToString()


def change(rng, m):
    """One field of one node, tensor or type."""
    numbers = (-1, 0, 1, 2, 3, 7, 255, 1 << 20, (1 << 31) - 1, 1 << 31, 1 << 40, -(1 << 63))
    g = m.graph
    n = rng.choice(g.node)
    kind = rng.randrange(8)
    if kind == 0 and n.attribute:
        a = rng.choice(n.attribute)
        if a.ints:
            a.ints[rng.randrange(len(a.ints))] = rng.choice(numbers)
        else:
            a.i = rng.choice(numbers)
    elif kind == 1 and n.input:
        names = [x for k in g.node for x in (*k.input, *k.output)]
        n.input[rng.randrange(len(n.input))] = rng.choice([*names, "", "nothing"])
    elif kind == 2:
        n.op_type = rng.choice([k.op_type for k in g.node] + ["Pad", "Resize", "Loop", "LSTM"])
    elif kind == 3:
        t = rng.choice(g.initializer)
        if t.dims:
            t.dims[rng.randrange(len(t.dims))] = rng.choice(numbers)
    elif kind == 4:
        rng.choice(g.initializer).data_type = rng.randrange(30)
    elif kind == 5:
        d = rng.choice(rng.choice([*g.input, *g.output]).type.tensor_type.shape.dim)
        d.dim_value = rng.choice(numbers)
    elif kind == 6 and len(g.node) > 1:
        del g.node[rng.randrange(len(g.node))]
    else:
        g.node.add().CopyFrom(n)


def survivors(seed, count):
    tracemalloc.start()
    accepted = sum(survive(content) for content in mutations(seed, count))
    tracemalloc.stop()
    return accepted


def test_mutations_raise_our_error_or_nothing():
    assert 50 < survivors(0, 500) < 450


@pytest.mark.sweep
def test_many_mutations():
    print(f"{survivors(1, 20_000):,} of 20,000 mutants accepted, the others refused")
