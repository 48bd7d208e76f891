"""Files that were changed at random: each is read, or refused in words; what is read also runs.

The default run tries some hundreds. In the full run they are 24,000 ONNX files, of which those that
can be imported run natively, too, and 8,000 saved models.
"""

import json
from functools import cache
from pathlib import Path
from random import Random

import numpy as np
import onnx
from support.exported_networks import NETWORKS
from support.malformed_models import cases
from support.random_nodes import MAKERS, model_of

import graphcnn as cnn
from graphcnn.compile.runner import Runner
from graphcnn.errors import GraphCnnError
from graphcnn.models import MODELS
from graphcnn.onnx.importing.file.limits import Limits
from graphcnn.onnx.importing.importer import import_graph
from graphcnn.runtime.execution import Execution

#: What a machine of any size has room for.
LIMITS = Limits(nodes=2000, elements=1 << 20, edge_bytes=1 << 24, folded_bytes=1 << 22, window=64)
#: Numbers where programs break.
NUMBERS = (-(1 << 63), -(1 << 31), -2, -1, 0, 1, 2, 3, 7, 64, 255, 1 << 16, (1 << 31) - 1, 1 << 40)


@cache
def seeds():
    """Models to begin with: single operators, whole networks, malformed ones."""
    random = Random(0)
    nodes = [model_of(*make(random))[0] for make in MAKERS.values() for _ in range(3)]
    networks = [make().model() for make in NETWORKS.values()]
    malformed = [made for _, made, _ in cases()]
    return [[m for m in kind if m.ByteSize() < 200_000] for kind in (nodes, networks, malformed)]


def bytes_changed(content, random):
    """Some bytes replaced, removed, repeated or cut off."""
    data = bytearray(content)
    for _ in range(random.choice((1, 1, 2, 8))):
        at = random.randrange(len(data) + 1)
        many = random.choice((1, 1, 4, 30))
        match random.randrange(5):
            case 0:
                data[at : at + 1] = bytes([random.randrange(256)])
            case 1:
                del data[at : at + many]
            case 2:
                data[at:at] = data[at : at + many]
            case 3:
                data[at:at] = random.randbytes(many)
            case 4 if random.random() < 0.2:
                del data[at:]
    return bytes(data)


def fields(message):
    """Every (message, field) that is set, those inside others too."""
    for field, value in message.ListFields():
        yield message, field
        for inner in value if hasattr(value, "__len__") and not isinstance(value, str) else [value]:
            if hasattr(inner, "ListFields"):
                yield from fields(inner)


def model_changed(model, random):
    """Numbers, names and types of some fields replaced; parts removed, doubled or moved."""
    model = onnx.ModelProto.FromString(model.SerializeToString())
    names = [n for node in model.graph.node for n in (*node.input, *node.output)] or ["x"]
    for _ in range(random.choice((1, 1, 1, 2, 5))):
        found = list(fields(model))
        inner = [f for f in found if isinstance(f[0], onnx.AttributeProto | onnx.TensorProto)]
        message, field = random.choice(inner if inner and random.random() < 0.7 else found)
        value = getattr(message, field.name)
        if hasattr(value, "append") or hasattr(value, "add"):
            if len(value) and random.random() < 0.5:
                del value[random.randrange(len(value))]
            elif len(value):
                value.extend([random.choice(list(value))])
            if len(value) and isinstance(value[0], int | str):
                new = random.choice(NUMBERS if isinstance(value[0], int) else names)
                assign(value, random.randrange(len(value)), new)
        elif isinstance(value, bool | int | str | float):
            kind = type(value)
            choices = {int: NUMBERS, str: names, float: (0.0, -1.0, 1e38, float("nan"))}
            assign(message, field.name, random.choice(choices.get(kind, (True, False))))
        elif random.random() < 0.3:
            message.ClearField(field.name)
    return model.SerializeToString()


def assign(where, key, value):
    """Unless the field cannot hold it."""
    try:
        if isinstance(key, str):
            setattr(where, key, value)
        else:
            where[key] = value
    except (ValueError, TypeError):
        pass


def run_both(content):
    """By the reference and natively, for inputs of a fixed seed: the same types of results."""
    rng = np.random.default_rng(0)
    found = import_graph(content, limits=LIMITS)
    feeds = {
        value.node.name: rng.normal(size=value.type.bind(2).shape).astype(value.dtype.numpy)
        for value in found.graph.inputs
    }
    with np.errstate(all="ignore"):
        ours, native = (
            Runner(found.graph, Execution(runtime)).run(feeds, found.states)[0]
            for runtime in ("reference", "native")
        )
    assert {k: (a.shape, a.dtype) for k, a in ours.items()} == {
        k: (a.shape, a.dtype) for k, a in native.items()
    }


def test_changed_onnx_files_are_read_or_refused(full):
    random = Random(1)
    ran = 0
    for number in range(24_000 if full else 300):
        model = random.choice(random.choices(seeds(), (8, 1, 1))[0])
        change = random.random()
        content = (
            bytes_changed(model.SerializeToString(), random)
            if change < 0.15
            else model_changed(model, random)
        )
        try:
            run_both(content)
            ran += 1
        except GraphCnnError as error:
            assert str(error), number
        except Exception as error:
            raise AssertionError(f"file {number}: {error!r}") from error
    assert ran > (6000 if full else 40), ran


@cache
def saved(folder):
    paths = []
    for name in ("lenet5", "digits_cnn", "autoencoder"):
        model = MODELS[name]().initialize(0)
        model.classes = tuple("abcdefghij")
        paths.append(model.save(folder / f"{name}.safetensors"))
    return [Path(p).read_bytes() for p in paths]


def header_changed(content, random):
    """A saved model with a word of its header replaced: a name, a shape, the graph, the classes."""
    size = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + size])
    part = random.choice([header, header["__metadata__"], header["__metadata__"]])
    key = random.choice(sorted(part))
    value = part[key]
    strange = ["", "{}", "[]", "null", "[1e999]", "[[[", "\x00", "-1", "9" * 400, '"a"', "[" * 2000]
    match random.randrange(4):
        case 0:
            del part[key]
        case 1:
            part[key + "x"] = part.pop(key)
        case 2 if isinstance(value, str):
            part[key] = random.choice(strange)
        case _ if isinstance(value, str):
            part[key] = bytes_changed(value.encode(), random).decode(errors="replace")
        case _:
            inner = random.choice(sorted(value))
            value[inner] = random.choice(["F32", "F64", "I8", [], [0], [1 << 40], [0, 4], None])
    new = json.dumps(header).encode()
    return len(new).to_bytes(8, "little") + new + content[8 + size :]


def test_changed_saved_models_are_read_or_refused(full, tmp_path):
    random = Random(2)
    path = tmp_path / "changed.safetensors"
    read = 0
    for number in range(8000 if full else 300):
        change = header_changed if random.random() < 0.6 else bytes_changed
        path.write_bytes(change(random.choice(saved(tmp_path)), random))
        try:
            cnn.load(path)
            read += 1
        except GraphCnnError as error:
            assert str(error), number
        except Exception as error:
            raise AssertionError(f"file {number}: {error!r}") from error
    assert read > 0
