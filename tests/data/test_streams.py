"""Generators, loaders and data sets of other libraries, without any of them being imported."""

import os
import threading

import numpy as np
import pytest
from support.small_training import same_bits, small, stripes

import graphcnn as cnn
from graphcnn.data import samples, stream

DATA = stripes()


def batches(epoch: int = 0, size: int = 16):
    order = DATA.shuffled_order(3, epoch)
    for at in range(0, len(DATA), size):
        rows = order[at : at + size]
        yield DATA.images[rows], DATA.labels[rows]


def trained(data, epochs: int = 3, **options):
    model = small()
    options = dict(optimizer=cnn.Adam(0.01), seed=3, progress=False) | options
    model.history = model.fit(data, epochs=epochs, **options)
    assert not [t for t in threading.enumerate() if t.name == "graphcnn-batches"]
    return model


def test_a_function_of_the_epoch_trains_as_the_arrays_do_and_resumes_exactly(tmp_path):
    whole = trained(DATA, batch_size=16)
    data = stream(batches)
    assert repr(data) == "<Stream 'stream': batches of 1×8×8 float32>"
    made = trained(data)
    assert same_bits(whole, made) and made.history.rows == whole.history.rows
    assert same_bits(whole, trained(batches))

    class Stop(cnn.Watcher):
        def batch(self, run, items, row):
            assert run.done == run.session.steps
            if run.done == 11:
                os.kill(os.getpid(), 2)

    assert trained(data, checkpoint=tmp_path, callbacks=[Stop()]).history.ended == "interrupted"
    assert same_bits(whole, trained(stream(batches), resume=tmp_path))
    assert trained(data, validation=stream(batches)).history[-1]["val_loss"] > 0
    measured = whole.evaluate(batches)
    assert measured == pytest.approx(whole.evaluate(DATA), rel=1e-6)


def test_a_generator_trains_for_one_epoch():
    drawn = []

    def once():
        for batch in batches():
            drawn.append(1)
            yield batch

    model = trained(once(), 1)
    assert len(drawn) == 8 and same_bits(model, trained(DATA, 1, batch_size=16))
    with pytest.raises(cnn.DataError, match=r"'once' is a generator, which gives its batches once"):
        trained(once(), 2)


def test_an_endless_stream_is_cut_where_it_is_told():
    def endless():
        while True:
            yield from batches()

    data = stream(endless, batches=5, name="tap")
    model = trained(data, 2, learning_rate=cnn.schedules.Cosine(0.1))
    assert len(model.history) == 2 and data.steps(1, False) == 5
    with pytest.raises(cnn.GraphError, match="which fit knows"):
        trained(stream(batches), learning_rate=cnn.schedules.Cosine(0.1))
    for options, match in (
        ({"batch_size": 16}, "'tap' is a stream, whose batches have sizes of their own"),
        ({"steps_per_epoch": 3}, r"said by cnn.data.stream\(..., batches="),
        ({"validation": 0.1}, "'tap' is a stream: validation takes data of its own"),
        ({"class_weights": "balanced"}, "weights are the third of each batch"),
    ):
        with pytest.raises(cnn.DataError, match=match):
            trained(data, **options)


@pytest.mark.parametrize(
    ("source", "match"),
    [
        (lambda: [], "'stream' gives no batch"),
        (lambda: 3, "the function must give an iterable of batches, found int"),
        (lambda: [np.zeros((2, 1, 8, 8))], r"must give pairs \(items, targets\), .* found ndarray"),
        (lambda: [{"pixels": [1], "label": [2]}], "no column of images .*; its columns are pixels"),
        (lambda: [(["a"], [0])], "'stream' must give numbers, found str"),
    ],
)
def test_streams_that_are_refused(source, match):
    with pytest.raises(cnn.DataError, match=match):
        stream(source)


class Tensor:
    """What other libraries' arrays have in common."""

    def __init__(self, array):
        self.array = array

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self.array, dtype)


class Foreign:
    """A data set as PyTorch's are: a length, and pairs by number."""

    classes = ("across", "down")

    def __init__(self, broken: int | None = None):
        self.asked, self.broken = [], broken

    def __len__(self):
        return len(DATA)

    def __getitem__(self, number):
        self.asked.append(number)
        if number == self.broken:
            raise ValueError("no such file")
        return Tensor(DATA.images[number]), int(DATA.labels[number])


def test_data_sets_of_other_libraries_train_as_the_arrays_do():
    foreign = Foreign()
    whole, made = trained(DATA, batch_size=16), trained(foreign, batch_size=16)
    assert same_bits(whole, made) and made.classes == ("across", "down")
    assert len(foreign.asked) == 3 * 120 + 1  # the first is looked at before
    data = samples(foreign)
    assert repr(data) == "<Samples 'Foreign': 120 items of 1×8×8 float32>" and len(data) == 120
    assert data[7][1] == DATA[7][1] and (data[7][0] == DATA[7][0]).all()
    rest, held = data.split(0.25)
    assert (len(rest), len(held)) == (90, 30) and rest.digest != held.digest
    assert trained(data, validation=0.25, batch_size=16).history[-1]["val_accuracy"] > 0.4
    assert made.evaluate(foreign) == pytest.approx(whole.evaluate(DATA), rel=1e-6)
    with pytest.raises(cnn.DataError, match="item 5 of 'Foreign': ValueError: no such file"):
        trained(Foreign(broken=5), batch_size=16)


def test_a_stream_tells_whether_its_batches_have_weights():
    def weighted():
        yield from ((x, y, np.ones(len(x))) for x, y in batches())

    data = stream(weighted)
    assert data.weights.shape == (0,) and stream(batches).weights is None
    for images, _, weights in data.epoch(0, 0, 1):
        assert weights.dtype == np.float32 and weights.shape == (len(images),)


def test_items_that_are_dicts_with_pictures():
    image = pytest.importorskip("PIL.Image")

    class Rows:
        class features(dict):
            pass

        def __len__(self):
            return 6

        def __getitem__(self, number):
            picture = image.fromarray(np.full((8, 8), 20 * number, np.uint8))
            return {"id": str(number), "img": picture, "fine_label": number % 2}

    data = samples(Rows(), classes=("even", "odd"))
    assert data.image_shape == (1, 8, 8) and data.first_items.dtype == np.uint8
    ((images, labels),) = data.epoch(None, 0, 6)
    assert images[:, 0, 0, 0].tolist() == [0, 20, 40, 60, 80, 100]
    assert labels.tolist() == [0, 1, 0, 1, 0, 1] and data.classes == ("even", "odd")
    with pytest.raises(cnn.DataError, match=r"no column of labels \(kind\)"):
        samples(Rows(), label="kind")
