"""Pictures that are decoded while training: same bits, read once an epoch, errors with names."""

import os
import shutil
import threading
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

import graphcnn as cnn
from graphcnn.data import Dataset, image_folder, prefetching
from graphcnn.data.folders import image_folders, pictures

image = pytest.importorskip("PIL.Image")


def write(folder: Path, per_class: int = 20, classes: tuple[str, ...] = ("a", "b", "c")) -> Path:
    rng = np.random.default_rng(0)
    for k, name in enumerate(classes):
        (folder / name).mkdir(parents=True)
        for i in range(per_class):
            pixels = rng.integers(0, 256, (8, 8), np.uint8) // (k + 1)
            image.fromarray(pixels).save(folder / name / f"{i:03}.png")
    return folder


def broken(path: Path) -> Path:
    path.write_bytes(path.read_bytes()[:-50])
    return path


def small() -> cnn.Model:
    x = cnn.input("image", (1, 8, 8))
    y = cnn.relu(cnn.batch_norm(cnn.conv2d(x, 4, 3, bias=False)))
    return cnn.Model(x, cnn.dense(cnn.dropout(cnn.flatten(y), 0.2), 3), name="small")


def trained(data, threads: int = 1, **options):
    model = small()
    history = model.fit(
        data, epochs=2, batch_size=16, seed=1, threads=threads, progress=False, **options
    )
    return model, history


def same(first, second) -> bool:
    return all(np.array_equal(a, second.states[key]) for key, a in first.states.items())


def nobody_is_left() -> bool:
    return not [
        t
        for t in threading.enumerate()
        if t.name.startswith(("graphcnn-reader", "graphcnn-batches"))
    ]


@pytest.mark.parametrize("as_zip", [False, True])
def test_lazy_pictures_train_to_the_bits_of_eager_ones(tmp_path, as_zip, monkeypatch):
    path = write(tmp_path / "set")
    if as_zip:
        path = Path(shutil.make_archive(str(tmp_path / "set"), "zip", path))
    eager, lazy = image_folder(path), image_folder(path, lazy=True)
    assert lazy.train.normalisation == eager.train.normalisation
    assert lazy.train.image_shape == (1, 8, 8) and not isinstance(lazy.train.images, np.ndarray)
    (one, rows), (two, other) = (trained(p.train, validation=p.test) for p in (eager, lazy))
    assert same(one, two) and rows.rows == other.rows
    monkeypatch.setenv("GRAPHCNN_THREADS", "1")
    assert same(one, trained(lazy.train, 2, validation=lazy.test)[0]) and nobody_is_left()


def test_each_picture_is_decoded_once_an_epoch(tmp_path, monkeypatch):
    parts = image_folder(write(tmp_path / "set", 110), lazy=True, normalisation=cnn.Normalisation())
    counted: Counter[str] = Counter()
    decode = pictures.decode

    def noted(name, *args):
        counted[name] += 1
        return decode(name, *args)

    monkeypatch.setattr(pictures, "decode", noted)
    trained(parts.train)
    assert len(counted) == len(parts.train) == 264 and {*counted.values()} == {2}


def test_only_some_pictures_are_measured(tmp_path, monkeypatch):
    path = write(tmp_path / "set")
    monkeypatch.setattr(image_folders, "MEASURED", 10)
    first, second = (image_folder(path, lazy=True, seed=0) for _ in range(2))
    assert first.train.normalisation == second.train.normalisation
    assert first.train.normalisation != image_folder(path).train.normalisation


def test_a_broken_picture_is_refused_by_its_name_where_it_is_read(tmp_path):
    path = write(tmp_path / "set")
    lazy = image_folder(path, lazy=True, test_fraction=0.5)
    bad = broken(path / "b" / "003.png")
    with pytest.raises(cnn.DataError, match=r"b/003.png is damaged"):
        trained(lazy.train, validation=lazy.test)
    assert nobody_is_left()
    with pytest.raises(cnn.DataError, match=r"b/003.png is damaged"):
        image_folder(path)
    bad.unlink()
    with pytest.raises(cnn.DataError, match=r"cannot read .*b/003.png: No such file"):
        trained(lazy.train, validation=lazy.test)


def test_a_broken_picture_is_left_out_and_counted(tmp_path):
    path = write(tmp_path / "set")
    broken(path / "b" / "003.png")
    (path / "c" / "004.png").write_bytes(b"<html>")
    with pytest.warns(
        cnn.DataWarning, match=r"2 files are left out: .*b/003.png: is damaged.*c/004"
    ):
        eager = image_folder(path, on_error="skip", test_fraction=0.5)
    assert [len(part) for part in eager] == [29, 29] and len(eager.skipped) == 2
    lazy = image_folder(
        path, on_error="skip", lazy=True, test_fraction=0.5, normalisation=cnn.Normalisation()
    )
    seen = []
    with pytest.warns(cnn.DataWarning, match=r"files? (is|are) left out"):
        for part in lazy:
            for x, t in part.epoch(0, 0, 16):
                assert len(x) == len(t)
                seen += x.reshape(len(x), -1).tolist()
    assert len(seen) == 58 and sorted(lazy.skipped) == sorted(eager.skipped)
    whole = eager.train.images[:].tolist() + eager.test.images[:].tolist()
    assert sorted(seen) == sorted(np.reshape(whole, (58, -1)).tolist())
    with pytest.warns(cnn.DataWarning, match="left out"):  # of a fit: told once
        lazy = image_folder(path, on_error="skip", lazy=True)
        _, history = trained(lazy.train, validation=lazy.test)
    assert np.isfinite(history[-1]["loss"]) and len(lazy.skipped) == 2


def test_what_is_left_out_changes_no_other_picture_of_an_augmented_batch(tmp_path):
    from graphcnn.data.augment import flip, mixup, noise

    path = write(tmp_path / "set")
    options = dict(lazy=True, on_error="skip", normalisation=cnn.Normalisation())
    steps = (flip(), noise(0.1))
    ((whole, targets),) = image_folder(path, **options).train.augmented(*steps).epoch(0, 0, 48)
    parts = image_folder(path, **options)
    place = int(parts.train.shuffled_order(0, 0)[5])
    label = parts.train.images.rows._source.labels[parts.train.images.index[place]]
    broken(Path(label))
    with pytest.warns(cnn.DataWarning, match="1 file is left out"):
        ((rest, others),) = parts.train.augmented(*steps).epoch(0, 0, 48)
    kept = [k for k in range(48) if k != 5]
    assert np.array_equal(rest, whole[kept]) and np.array_equal(others, targets[kept])
    with pytest.raises(cnn.DataError, match="that another is mixed with cannot be read"):
        for epoch in range(5):
            list(parts.train.augmented(mixup(1.0)).epoch(0, epoch, 8))


class Hanging:
    """Items of which one comes from a pipe that nobody writes to."""

    shape, dtype = (16, 1, 8, 8), np.dtype(np.uint8)

    def __init__(self, pipe: Path):
        self.pipe = pipe

    def __len__(self):
        return 16

    def __getitem__(self, index):
        with prefetching.reading(str(self.pipe)):
            with self.pipe.open("rb") as file:
                file.read()
        return np.zeros((len(np.arange(16)[index]), 1, 8, 8), np.uint8)


def test_a_reader_that_hangs_is_named_and_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr(prefetching, "WARN_AFTER", 0.1)
    monkeypatch.setattr(prefetching, "GIVE_UP_AFTER", 0.5)
    monkeypatch.setattr(prefetching, "_FAREWELL", 0.1)
    pipe = tmp_path / "picture.png"
    os.mkfifo(pipe)
    data = Dataset(Hanging(pipe), np.arange(16) % 2, ("x", "y", "z"))
    with (
        pytest.warns(cnn.DataWarning, match="no batch for .*: .*picture.png is being read"),
        pytest.raises(cnn.DataError, match=r"reading .*picture.png has not ended"),
    ):
        trained(data)
    until = time.monotonic() + 30
    while not nobody_is_left() and time.monotonic() < until:
        with suppress(OSError):  # so that a reader ends, where there is one
            os.close(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))
        time.sleep(0.01)
    assert nobody_is_left()


def test_batches_wait_in_a_queue_that_is_bounded():
    """However slow the steps, the thread is only so many batches ahead; and it ends at once."""
    given = []

    def source():
        for k in range(100):
            given.append(k)
            yield k

    with prefetching.drawn(source(), True) as batches:
        taken = []
        for k in batches:
            taken.append(k)
            time.sleep(0.01)
            assert len(given) <= len(taken) + prefetching.AHEAD + 1
            if k == 20:
                break
    assert taken == list(range(21)) and nobody_is_left()


def test_the_first_error_in_order_is_the_one_that_is_told():
    def fail(k):
        time.sleep(0.002 * (9 - k))
        raise ValueError(f"item {k}")

    with prefetching.reading_threads():
        for _ in range(5):
            with pytest.raises(ValueError, match="item 0"):
                prefetching.each(fail, list(range(9)))
        assert prefetching.each(lambda k: k * k, list(range(9))) == [k * k for k in range(9)]
    assert nobody_is_left()


def test_quick_items_stay_on_their_thread_and_slow_ones_are_shared_out(monkeypatch):
    def where(k):
        if k >= 40:
            time.sleep(0.01)
        return threading.get_ident()

    monkeypatch.setattr(prefetching, "QUICK", 0.001)
    with prefetching.reading_threads():
        found = prefetching.each(where, list(range(80)))
    own = [thread == threading.get_ident() for thread in found]
    assert all(own[:40]) and not own[-1]
    assert own == sorted(own, reverse=True)  # once shared out, always


def test_an_interrupted_fit_resumes_to_the_same_bits_and_leaves_no_thread(tmp_path):
    lazy = image_folder(write(tmp_path / "set"), lazy=True)
    whole, _ = trained(lazy.train)

    class Stop(cnn.Watcher):
        def batch(self, run, items, row):
            if run.done == 4:
                os.kill(os.getpid(), 2)

    folder = tmp_path / "run"
    _, history = trained(lazy.train, checkpoint=folder, callbacks=[Stop()])
    assert history.ended == "interrupted" and nobody_is_left()
    resumed, _ = trained(lazy.train, resume=folder)
    assert same(whole, resumed)
