"""Seed, epoch, index of the image and the transform decide what becomes of it, and nothing else."""

import hashlib
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from support.small_training import same_bits, small, stripes

import graphcnn as cnn
from graphcnn.data.augment.draw import Draw, repeats
from graphcnn.ir.node import Array

A = cnn.augment


def speckled(image: Array, rng: np.random.Generator) -> Array:
    return image + rng.normal(0, 20, image.shape)


#: Every transform, those of the plane next to each other and apart, and both that mix.
ALL = (
    A.flip(), A.flip_vertical(), A.alternating_flip(), A.crop(3, "reflect"), A.rotation(20),
    A.scale(0.2), A.shift(2), A.shear(10, "edge"), A.random_resized_crop(), A.cutout(4),
    A.colour_jitter(0.2, 0.2, 0.2, 0.1), A.noise(0.05), A.mixup(), speckled, A.cutmix(),
    A.random_erasing(fill="noise"),
)  # fmt: skip


@pytest.fixture(scope="module")
def data() -> cnn.data.Dataset:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (40, 3, 12, 10), dtype=np.uint8)
    return cnn.data.Dataset(images, rng.integers(0, 4, 40), tuple("abcd"))


def by_index(data: cnn.data.Dataset, seed: int, epoch: int, size: int, **options: Any) -> Any:
    """The images and targets of an epoch, in the order of the data set."""
    batches = [*data.epoch(seed, epoch, size, **options)]
    order = data.shuffled_order(seed, epoch)[-sum(len(y) for _, y in batches) :]
    x, y = (np.concatenate([np.asarray(b[i]) for b in batches]) for i in (0, 1))
    back = np.argsort(order)
    return x[back], y[back]


@pytest.mark.parametrize(
    "transform", [*ALL, ALL], ids=lambda t: getattr(t, "__name__", repr(t)[:20])
)
def test_batches_threads_and_resuming_change_nothing(
    data: cnn.data.Dataset, transform: Any
) -> None:
    chain = transform if isinstance(transform, tuple) else (transform,)
    train = data.augmented(*chain)
    x, y = by_index(train, 5, 1, 40)
    for size in (1, 7):
        again, labels = by_index(train, 5, 1, size)
        assert np.array_equal(again, x) and np.array_equal(labels, y), size
    tail = [*train.epoch(5, 1, 10, start=2)]
    assert all(map(np.array_equal, [b[0] for b in tail], [b[0] for b in train.epoch(5, 1, 10)][2:]))
    assert x.dtype == np.uint8 and not np.array_equal(x, data.images)
    assert y.dtype == train.target_sample.dtype and y.shape[1:] == train.target_sample.shape[1:]


def test_no_two_epochs_seeds_images_or_places_are_alike(data: cnn.data.Dataset) -> None:
    same = data[np.zeros(30, int)].augmented(A.shift(3), A.noise(0.1), speckled)  # one image
    seen = [
        x for seed in (0, 1, 1 << 32, 1 << 63) for e in range(4) for x, _ in same.epoch(seed, e, 30)
    ]
    images = np.concatenate(seen)
    assert len({image.tobytes() for image in images}) == len(images) == 480
    twice = data.augmented(A.noise(0.1)), data.augmented(A.crop(1, "edge"), A.noise(0.1))
    grain = [by_index(each, 0, 0, 40)[0].astype(int) - data.images for each in twice]
    assert np.corrcoef(grain[0].ravel(), grain[1].ravel())[0, 1] < 0.9


def test_a_part_counts_from_zero_and_a_sampler_may_repeat(data: cnn.data.Dataset) -> None:
    train = data.augmented(A.crop(4))
    part = train[10:20]
    assert np.array_equal(
        by_index(part, 3, 0, 4)[0], by_index(data[10:20].augmented(A.crop(4)), 3, 0, 4)[0]
    )
    assert repeats(np.array([3, 1, 3, 3, 1, 0])).tolist() == [0, 0, 1, 2, 1, 0]
    draw = Draw(0, 0, np.array([3, 3]), np.array([0, 1]))
    assert len(set(draw.uniform(1)[0])) == 2  # the same image twice in an epoch is not the same


def test_epochs_alternate_sides(data: cnn.data.Dataset) -> None:
    train = data.augmented(A.alternating_flip())
    sides = np.array(
        [(by_index(train, 0, e, 8)[0] == data.images).all((1, 2, 3)) for e in range(4)]
    )
    assert (sides[0] != sides[1]).all() and (sides[0] == sides[2]).all() and 5 < sides[0].sum() < 35


def test_measuring_sees_images_as_they_are(data: cnn.data.Dataset) -> None:
    train = data.augmented(*ALL)
    assert np.array_equal(np.concatenate([x for x, _ in train.epoch(None, 0, 9)]), data.images)
    assert np.array_equal(np.concatenate([x for x, _ in train.batches(9)]), data.images)
    assert np.array_equal(train.batch([1, 2])[0], data.images[1:3])


def test_the_digest_is_of_the_transforms_too(data: cnn.data.Dataset) -> None:
    chains = (
        (),
        (A.flip(),),
        (A.flip(0.4),),
        (A.flip(), A.crop(2)),
        (A.crop(2), A.flip()),
        (speckled,),
    )

    def times(k: Any) -> Any:
        return lambda x, r: x * k

    own = [(lambda x, r, k=k: x * k,) for k in (1, 2)] + [(times(k),) for k in (1, 2, [3])]
    found = [data.augmented(*chain).digest if chain else data.digest for chain in (*chains, *own)]
    assert len(set(found)) == len(found)
    assert data.augmented(A.flip()).augmented(A.crop(2)).digest == found[3]


def test_another_process_draws_the_same() -> None:
    program = (
        "import numpy as np, hashlib, graphcnn as cnn; A = cnn.augment\n"
        "x = (np.arange(5 * 3 * 8 * 8) % 251).astype(np.uint8).reshape(5, 3, 8, 8)\n"
        "def own(image, rng): return image + rng.integers(0, 9)\n"
        "d = cnn.data.Dataset(x, np.arange(5) % 2, ('a', 'b'))\n"
        "d = d.augmented(A.crop(2), own, A.noise(.1))\n"
        "print(d.digest, hashlib.sha256(next(d.epoch(3, 7, 5))[0].tobytes()).hexdigest())"
    )
    runs = {
        subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True
        ).stdout
        for _ in range(2)
    }
    assert len(runs) == 1 and len(runs.pop().split()) == 2


def test_values_are_pinned() -> None:
    """Numbers that a later version must draw again, or old runs do not resume to the same bits."""
    draw = Draw((7 << 32) | 5, 3, np.array([0, 9]), np.array([0, 0]), place=2)
    assert draw.words(2).tolist() == [[3215652570, 1648239152], [18341779, 1206369822]]
    images = (np.arange(4 * 3 * 36) % 256).astype(np.uint8).reshape(4, 3, 6, 6)
    data = cnn.data.Dataset(images, [0, 1, 0, 1], ("a", "b"))
    chain = A.flip(), A.crop(2, "reflect"), A.cutout(3), A.cutmix()
    ((x, y),) = data.augmented(*chain).epoch(1, 2, 4)
    assert hashlib.sha256(x.tobytes() + y.tobytes()).hexdigest()[:16] == "bf228b4ec86336e0"


def test_mixed_labels_are_trained_on():
    data = stripes()
    train = data.augmented(A.mixup(1.0))
    image = cnn.input("image", (1, 8, 8))
    model = cnn.Model(image, cnn.dense(cnn.flatten(image), 2)).initialize(0)
    ((x, soft),) = train.epoch(0, 0, len(data))
    scores = model.predict(np.asarray(x)).astype(np.float64)
    logs = scores - np.log(np.exp(scores).sum(1, keepdims=True))
    found = cnn.Session(model, loss="cross_entropy").step(x, soft)
    assert found["loss"] == pytest.approx(-(soft * logs).sum(1).mean(), rel=1e-5)


def trained(data: cnn.data.Dataset, epochs: int = 3, **options: Any) -> cnn.Model:
    model = small()
    model.fit(data, epochs=epochs, batch_size=16, seed=4, progress=False, **options)
    return model


def test_training_gives_the_same_bits_for_any_threads_and_when_resumed(tmp_path: Any) -> None:
    train = stripes().augmented(A.flip(), A.crop(2), A.cutout(3), A.noise(0.02), A.mixup())
    whole = trained(train, threads=1)
    assert same_bits(whole, trained(train, threads=2))
    assert not same_bits(whole, trained(stripes()))
    trained(train, 1, resume=tmp_path / "run")
    assert same_bits(whole, trained(train, resume=tmp_path / "run"))
    with pytest.raises(cnn.WeightsError, match="data content"):
        trained(stripes(), 4, resume=tmp_path / "run")
