"""What belongs to an image goes with it: labels of pixels, points, weights, other inputs."""

import numpy as np
import pytest

import graphcnn as cnn
from graphcnn.data import Dataset

A = cnn.augment
MOVES = A.flip(), A.flip_vertical(), A.crop(3), A.rotation(30), A.scale(0.2), A.shift(1.5)


def only(data, epoch=0):
    (batch,) = data.epoch(0, epoch, len(data), shuffle=False)
    return [np.asarray(each) if isinstance(each, np.ndarray) else each for each in batch]


def blocks(n=12, size=16):
    """Images of large squares whose grey is their class number, and these numbers."""
    numbers = np.random.default_rng(0).integers(1, 5, (n, 2, 2))
    masks = numbers.repeat(size // 2, 1).repeat(size // 2, 2)
    return (masks * 50).astype(np.uint8)[:, None], masks


def test_masks_go_with_their_pixels():
    x, masks = blocks()
    data = Dataset(x, masks, tuple("abcde"), ignored=(255,)).augmented(*MOVES)
    found, labels = only(data)
    assert labels.dtype == np.int64 and set(np.unique(labels)) == {1, 2, 3, 4, 255}
    inside = labels != 255
    assert 0.5 < inside.mean() < 0.95 and data.target_sample.shape == (0, 16, 16)
    # where the image is no mixture, it has the colour of its label; nothing comes from outside
    plain = inside & np.isin(found[:, 0], [50, 100, 150, 200])
    assert plain.mean() > 0.5
    assert (labels == found[:, 0] // 50)[plain].mean() > 0.99
    assert (found[:, 0][~inside] <= 100).all()  # at most half of a pixel is at the edge


def test_masks_need_a_label_for_what_is_outside():
    x, masks = blocks()
    data = Dataset(x, masks, tuple("abcde"))
    with pytest.raises(cnn.DataError, match=r"crop\(pixels=2, mode='zero'\): .*have no label"):
        data.augmented(A.crop(2))
    found, labels = only(data.augmented(A.flip(), A.crop(2, "reflect")))
    assert np.array_equal(labels * 50, found[:, 0])
    found, labels = only(data.augmented(A.cutmix()))  # parts of two, in both
    assert np.array_equal(labels * 50, found[:, 0]) and not np.array_equal(labels, masks)


@pytest.mark.parametrize("transform", MOVES, ids=lambda t: type(t).__name__)
def test_points_lie_on_what_they_lay_on(transform):
    y, x = np.mgrid[:24, :30]
    points = np.random.default_rng(0).integers(9, 15, (20, 3, 2)).astype(np.float32)
    spot = np.exp(
        -((x - points[..., 0, None, None]) ** 2 + (y - points[..., 1, None, None]) ** 2) / 4
    )
    data = Dataset(spot.astype(np.float32), points)
    found, moved = only(data.augmented(transform, targets="points"))
    assert moved.dtype == np.float32 and not np.array_equal(moved, points)
    total = found.sum((2, 3))
    at = np.stack([(found * x).sum((2, 3)) / total, (found * y).sum((2, 3)) / total], -1)
    np.testing.assert_allclose(at, moved, atol=0.1)
    assert np.array_equal(only(data.augmented(transform, targets="label"))[1], points)


def test_points_that_are_mirror_images_change_places():
    x = np.zeros((50, 1, 8, 8), np.float32)
    points = np.tile(np.array([[1, 3], [6, 3], [4, 5]], np.float32), (50, 1, 1))
    _, moved = only(Dataset(x, points).augmented(A.flip(0.5, ((0, 1),)), targets="points"))
    assert np.array_equal(moved[:, :2], points[:, :2])  # symmetric: left stays left
    assert set(moved[:, 2, 0]) == {3, 4}


def test_numbers_of_pixels_and_weights_move_when_it_is_said():
    x, masks = blocks()
    depth = (masks * 0.25).astype(np.float32)
    data = Dataset(x, depth)
    with pytest.raises(cnn.DataError, match='targets="image" if they move'):
        data.augmented(A.flip())
    data.augmented(A.noise(0.1))  # nothing moves
    found, moved = only(data.augmented(A.flip(), A.crop(2), A.rotation(10), targets="image"))
    np.testing.assert_allclose(moved * 200, found[:, 0], atol=1.6)
    weights = (masks == 2).astype(np.float32)
    classes = Dataset(x, masks, tuple("abcde"), ignored=(255,), weights=weights)
    _, labels, moved = only(classes.augmented(*MOVES))
    assert np.array_equal(moved == 1, labels == 2)


def test_targets_by_name_and_inputs_that_change_alike():
    x, masks = blocks()
    images = {"left": x, "right": (255 - x), "speed": np.arange(12.0)}
    labels = {"turn": np.arange(12) % 2, "road": masks, "angle": np.ones((12, 2), np.float32)}
    data = Dataset(images, labels, ("l", "r"))
    both = data.augmented(A.flip(), inputs=("left", "right"), targets={"angle": "points"})
    inputs, targets = only(both)
    assert np.array_equal(inputs["right"], 255 - inputs["left"])
    assert np.array_equal(inputs["speed"], images["speed"])
    flipped = (np.asarray(inputs["left"]) != x).any((1, 2, 3))
    assert np.array_equal(np.asarray(targets["road"]) * 50, inputs["left"][:, 0]) and flipped.any()
    assert np.array_equal(targets["angle"][:, 0], np.where(flipped, 14, 1))
    assert np.array_equal(targets["turn"], labels["turn"])
    one, _ = only(data.augmented(A.flip()))
    assert np.array_equal(one["right"], images["right"]) and not np.array_equal(one["left"], x)


def test_grey_images_need_no_axis_of_channels():
    x, _ = blocks()
    grey, with_axis = (Dataset(each, np.zeros(12, int), ("a",)) for each in (x[:, 0], x))
    for chain in (MOVES, (A.noise(0.1), A.cutout(3), A.mixup(), A.brightness(0.2))):
        found, wanted = only(grey.augmented(*chain))[0], only(with_axis.augmented(*chain))[0]
        assert found.shape == (12, 16, 16) and np.array_equal(found, wanted[:, 0])


def test_mixed_labels_are_in_the_shares_of_the_pixels():
    x = (
        np.repeat(np.arange(4, dtype=np.float32), 50)[:, None, None, None]
        .repeat(10, 2)
        .repeat(10, 3)
    )
    labels = np.repeat(np.arange(4), 50)
    data = Dataset(x, labels, tuple("abcd"), weights=np.arange(200, dtype=np.float32))
    for chain in ((A.mixup(1.0),), (A.cutmix(),), (A.mixup(1.0), A.flip(), A.cutmix())):
        train = data.augmented(*chain)
        found, soft, weights = only(train)
        assert soft.dtype == np.float32 and soft.shape == (200, 4) == (
            200,
            *train.target_sample.shape[1:],
        )
        np.testing.assert_allclose(soft.sum(1), 1, atol=1e-6)
        np.testing.assert_allclose(soft @ np.arange(4), found.mean((1, 2, 3)), atol=1e-5)
        assert ((soft > 0) & (soft < 1)).any(1).mean() > 0.5 and not np.array_equal(
            weights, data.weights
        )
    found, soft, _ = only(data.augmented(A.mixup(1.0, probability=0.5)))
    alone = soft.max(1) == 1
    assert np.array_equal(found[alone], x[alone]) and 90 < alone.sum() < 160
    assert set(np.unique(only(data.augmented(A.cutmix()))[0])) <= {0, 1, 2, 3}
    numbers = Dataset(x, labels.astype(np.float32)[:, None]).augmented(A.mixup(1.0))
    found, targets = only(numbers)
    np.testing.assert_allclose(targets[:, 0], found.mean((1, 2, 3)), atol=1e-5)


def test_partners_are_as_they_are_in_the_same_epoch():
    rng = np.random.default_rng(0)
    x = rng.random((30, 1, 6, 6), np.float32)
    data = Dataset(x, np.arange(30), tuple(map(str, range(30))))
    before = A.crop(2, "reflect"), A.noise(0.1)
    seen = only(data.augmented(*before), 3)[0].reshape(30, -1)
    mixed, soft = only(data.augmented(*before, A.mixup(1.0)), 3)
    np.testing.assert_allclose(mixed.reshape(30, -1), soft @ seen, atol=1e-5)


def test_streams_and_data_sets_of_others_are_augmented_by_their_numbers():
    x = np.random.default_rng(0).integers(0, 256, (30, 1, 6, 6), dtype=np.uint8)
    labels, names = np.arange(30) % 3, tuple("abc")
    chain = A.crop(2), A.noise(0.1)
    plain = Dataset(x, labels, names).augmented(*chain)
    wanted, _ = only(plain, 2)
    parts = (0, 7), (7, 16), (16, 30)
    stream = cnn.data.stream(lambda: ((x[a:b], labels[a:b]) for a, b in parts), classes=names)
    train = stream.augmented(*chain)
    found = [*train.epoch(0, 2, 1)]
    assert np.array_equal(np.concatenate([b[0] for b in found]), wanted)
    assert np.array_equal(next(train.epoch(0, 2, 1, start=2))[0], wanted[16:])
    assert np.array_equal(next(train.epoch(None, 2, 1))[0], x[:7])
    assert train.digest != stream.digest
    with pytest.raises(cnn.DataError, match="a stream: it has no other image to mix"):
        stream.augmented(A.mixup())

    class Others:
        classes = names

        def __len__(self):
            return 30

        def __getitem__(self, i):
            return x[i], int(labels[i])

    others = cnn.data.samples(Others())
    for chain in ((A.crop(2), A.noise(0.1)), (A.crop(2), A.cutmix())):
        both = others.augmented(*chain), Dataset(x, labels, names).augmented(*chain)
        for a, b in zip(*(data.epoch(1, 3, 8) for data in both), strict=True):
            assert np.array_equal(a[0], b[0]) and np.array_equal(a[1], b[1])
    assert others.augmented(A.flip()).digest != others.digest
    assert np.array_equal(others.augmented(A.flip()).batch([3, 1])[0], x[[3, 1]])


REFUSED = [
    (
        A.cutout(9),
        r"data set 'data': cutout\(size=9.*9×9 pixels is larger than the images, which have 8×9",
    ),
    (A.crop(8, "reflect"), "the mirror image of 8×9 pixels has 7 to every side, found pixels=8"),
    (A.hue(0.1), "hue is of colours .* these images are grey"),
    (A.saturation(0.1), "saturation is of colours"),
    (A.cutout(3, fill=(0, 0, 0)), "fill has 3 numbers for 1 channels"),
    (A.cutout(3, fill=2), "fill is from 0 to 1 for images of uint8"),
    (A.flip(pairs=((0, 1),)), "pairs are of points"),
    (A.flip, r"a transform .* expected, found <class .*flip'>; flip\(...\) makes one"),
    (3, "a transform of cnn.augment or a function"),
    ([A.flip()], "several are given one after another"),
]


@pytest.mark.parametrize(("transform", "match"), REFUSED)
def test_refused_for_these_images(transform, match):
    data = Dataset(np.zeros((4, 1, 8, 9), np.uint8), [0, 1, 0, 1], ("a", "b"))
    with pytest.raises(cnn.DataError, match=match):
        data.augmented(A.flip(), transform)


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: A.flip(1.5), "probability must be a number from 0 to 1, found 1.5"),
        (lambda: A.crop(0), "pixels must be an int of at least 1, found 0"),
        (lambda: A.crop(2.5), "pixels must be an int"),
        (lambda: A.crop(2, "wrap"), "mode must be zero, reflect or edge, found 'wrap'"),
        (lambda: A.rotation(0), "degrees must be a number more than 0 and at most 180, found 0"),
        (lambda: A.rotation(float("nan")), "degrees must be a number"),
        (lambda: A.hue(0.6), "hue must be a number from 0 to 0.5, found 0.6"),
        (lambda: A.colour_jitter(), "nothing is to be changed"),
        (lambda: A.noise(-1), "std must be a number more than 0, found -1"),
        (lambda: A.random_erasing(area=(0.5, 0.1)), r"area must be \(smallest, largest\)"),
        (lambda: A.random_erasing(fill="grey"), 'fill must be a number.*or "noise", found .grey.'),
        (lambda: A.mixup(0), "alpha must be a number more than 0, found 0"),
        (lambda: A.normalise(mean=(0.5,)), "both mean and std"),
        (lambda: A.normalise((0.5,), (0.0,)), "stds greater than 0"),
    ],
)
def test_refused_when_made(make, match):
    with pytest.raises(cnn.DataError, match=match):
        make()


def test_refused_for_these_targets():
    x = np.zeros((4, 3, 8, 8), np.float32)
    masks, points = np.zeros((4, 8, 8), int), np.zeros((4, 2, 2), np.float32)
    for data, chain, options, match in (
        (Dataset(x, masks, ("a",)), [A.mixup()], {}, "labels of pixels are classes and have"),
        (Dataset(x, points), [A.cutmix()], {"targets": "points"}, "points of two images cannot"),
        (Dataset(x, points), [A.flip()], {"targets": "keypoints"}, "found 'keypoints'"),
        (Dataset(x, points), [A.flip()], {"targets": {"eyes": "points"}}, "targets names 'eyes'"),
        (Dataset(x, points), [A.flip()], {"targets": "mask"}, "mask must be class numbers"),
        (Dataset(x, masks[:, :4], ("a",)), [A.flip()], {}, "neither one for each image nor"),
        (Dataset(x, points), [A.flip()], {"inputs": "left"}, "one input without a name"),
        (Dataset(x, np.arange(4)), [A.mixup()], {}, "the labels cannot be mixed: class numbers"),
        (Dataset(x, points), [lambda i, r: i], {"targets": "points"}, "what becomes of points"),
        (Dataset(x[..., 0, 0], np.arange(4)), [A.flip()], {}, r"found items of shape \(4, 3\)"),
    ):  # fmt: skip
        with pytest.raises(cnn.DataError, match=match):
            data.augmented(*chain, **options)


def test_functions_of_ones_own_are_checked():
    data = Dataset(np.full((3, 1, 2, 2), 9, np.uint8), [0, 0, 0], ("a",))
    found, _ = only(data.augmented(lambda image, rng: image * 30.5))
    assert found.dtype == np.uint8 and (found == 255).all()
    with pytest.raises(
        cnn.DataError, match=r"must give an image \(1, 2, 2\).*\(2, 2\) for image 0"
    ):
        only(data.augmented(lambda image, rng: image[0]))
    with pytest.raises(cnn.DataError, match="gives NaN or infinity for image 0"):
        only(data.augmented(lambda image, rng: image * np.nan))
    with pytest.raises(ZeroDivisionError) as raised:
        only(data.augmented(lambda image, rng: 1 // 0), 5)
    assert "of image 0 in epoch 5" in raised.value.__notes__[0]


def test_normalise_is_the_normalisation_of_the_data_set():
    x = np.random.default_rng(0).integers(0, 256, (9, 3, 4, 4), dtype=np.uint8)
    data = Dataset(x, np.zeros(9, int), ("a",))
    numbers = (0.5, 0.4, 0.3), (0.2, 0.2, 0.25)
    train = data.augmented(A.flip(), A.normalise(*numbers))
    assert train.normalisation == cnn.Normalisation(*numbers)
    assert only(train)[0].dtype == np.uint8  # the network does it
    assert data.augmented(A.normalise()).normalisation == cnn.Normalisation.of(x)
    assert train.augmented(A.normalise(*numbers)).normalisation == train.normalisation
    with pytest.raises(cnn.DataError, match="normalise twice"):
        train.augmented(A.normalise((0.5,) * 3, (0.5,) * 3))
    with pytest.raises(cnn.DataError, match="must come last"):
        data.augmented(A.normalise(*numbers), A.flip())


def test_shares_of_classes_find_those_of_the_model():
    """Of a data set that numbers them otherwise, or knows fewer of them."""
    from graphcnn.network.feeding import own_labels

    image = cnn.input("image", (1, 2, 2))
    model = cnn.Model(image, cnn.dense(cnn.flatten(image), 3))
    model.classes = ("eel", "cat", "dog")
    x = np.zeros((8, 1, 2, 2), np.uint8)
    data = Dataset(x, np.arange(8) % 2, ("dog", "eel")).augmented(A.mixup(1.0))
    ((_, soft),) = data.epoch(0, 0, 8)
    found = own_labels(soft, model)
    assert np.array_equal(found[:, [2, 0]], soft) and not found[:, 1].any()
