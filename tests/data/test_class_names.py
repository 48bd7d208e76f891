"""A class is its name: data are relabelled for the model, or refused with both lists."""

import unicodedata
from dataclasses import replace

import numpy as np
import pytest

import graphcnn as cnn
from graphcnn.data import Dataset, arrays
from graphcnn.data.class_names import MAX_CLASSES
from graphcnn.errors import DataError, WeightsError

FRUIT = ("apple", "banana", "cherry")


def fruit(names: tuple[str, ...], n: int = 12, classes: tuple[str, ...] | None = None) -> Dataset:
    """Pictures of one bright pixel, at the place of its fruit in FRUIT."""
    classes = classes or names
    labels = np.arange(n) % len(names)
    images = np.zeros((n, 1, 1, 3), np.float32)
    images[np.arange(n), 0, 0, [FRUIT.index(names[i]) for i in labels]] = 1
    return Dataset(images, np.array([classes.index(names[i]) for i in labels]), classes, name="f")


def exact(classes: tuple[str, ...] = FRUIT, outputs: int = 3) -> cnn.Model:
    """Says apple, banana or cherry by the pixel that is bright."""
    image = cnn.input("image", (1, 1, 3))
    model = cnn.Model(image, cnn.dense(cnn.flatten(image), outputs, bias=False, name="d"), "fruit")
    (key,) = model.parameters
    weight = np.zeros(model.parameters[key].shape, np.float32)
    np.fill_diagonal(weight, 9)
    model.set_parameters({key: weight})
    model.classes = classes
    return model


@pytest.mark.parametrize(
    "names",
    [FRUIT, ("banana",), ("cherry", "apple"), ("cherry", "banana", "apple"), ("apple", "banana")],
)
def test_some_classes_or_another_order_are_found_by_name(names):
    assert exact().evaluate(fruit(names), loss="cross_entropy")["accuracy"] == 1


def test_fit_finds_the_classes_of_its_data_and_of_its_validation_by_name():
    model = exact()
    rate = cnn.SGD(1e-9)
    history = model.fit(
        fruit(("cherry", "apple")), validation=fruit(("banana",)), optimizer=rate, batch_size=4
    )
    assert history[-1]["accuracy"] == history[-1]["val_accuracy"] == 1
    assert model.classes == FRUIT


def test_the_first_fit_decides_the_numbers_and_validation_follows():
    model = exact(())
    backwards = ("cherry", "banana", "apple")
    history = model.fit(
        fruit(backwards), validation=fruit(FRUIT), optimizer=cnn.SGD(1e-9), batch_size=4
    )
    assert model.classes == backwards
    assert history[-1]["accuracy"] == pytest.approx(1 / 3)
    assert history[-1]["val_accuracy"] == pytest.approx(1 / 3)


def test_a_resumed_run_keeps_the_numbers_of_its_classes(tmp_path):
    options = dict(epochs=1, batch_size=4, optimizer=cnn.SGD(0.1), shuffle=False)
    whole, parts = exact(()), exact(())
    whole.fit(fruit(FRUIT), **options | {"epochs": 2})
    parts.fit(fruit(FRUIT), checkpoint=tmp_path / "run", **options)
    fresh, same = exact(()), fruit(FRUIT, classes=("cherry", "apple", "banana"))
    fresh.fit(same, resume=tmp_path / "run", **options | {"epochs": 2})
    assert fresh.classes == FRUIT
    assert all((fresh.states[k] == whole.states[k]).all() for k in whole.states)
    with pytest.raises((DataError, WeightsError), match="banana"):
        exact(()).fit(
            replace(same, classes=("x", "y", "z")),
            resume=tmp_path / "run",
            **options | {"epochs": 3},
        )


def test_labels_without_names_are_numbers_of_the_model():
    images, labels = fruit(FRUIT).images, fruit(FRUIT).labels
    for classes in (FRUIT, ("2", "1", "0"), ("a", "b", "c", "d")):
        assert exact(classes).evaluate((images, labels), loss="cross_entropy")["accuracy"] == 1
    with pytest.raises(DataError, match="label 3 in row 0 is out of range"):
        exact().evaluate((images[:1], [3]), loss="cross_entropy")


def test_names_that_are_numbers_are_names():
    model = exact(("0", "1", "10"))
    data = fruit(("cherry",), 4)
    named = replace(data, classes=("10",))
    assert model.evaluate(named, loss="cross_entropy")["accuracy"] == 1
    unnamed = arrays(data.images, data.labels + 2)
    assert model.evaluate(unnamed, loss="cross_entropy")["accuracy"] == 1


def test_masks_are_relabelled_too():
    image = cnn.input("image", (3, 2, 2))
    model = cnn.Model(image, cnn.relu(image), "pixels")
    model.classes = FRUIT
    images = np.zeros((2, 3, 2, 2), np.float32)
    images[:, 2] = 50
    masks = Dataset(images, np.zeros((2, 2, 2), int), ("cherry",))
    assert model.evaluate(masks, loss="cross_entropy")["accuracy"] == 1


def test_one_score_for_two_classes():
    image = cnn.input("image", (1, 1, 3))
    model = cnn.Model(image, cnn.dense(cnn.flatten(image), 1, name="d"), "two")
    data = fruit(("apple", "banana"))
    model.fit(data, epochs=40, batch_size=4, optimizer=cnn.SGD(0.5), loss="binary_cross_entropy")
    assert model.classes == ("apple", "banana")
    for other in (data, fruit(("banana", "apple")), fruit(("banana",)), (data.images, data.labels)):
        assert model.evaluate(other)["accuracy"] == 1
    with pytest.raises(DataError, match="'cherry' is not among them"):
        model.evaluate(fruit(("cherry",)))


@pytest.mark.parametrize("given", [True, False])
def test_a_loop_of_ones_own_finds_classes_by_name_too(given):
    model, data = exact(), fruit(("cherry", "banana", "apple"))
    options = {"data": data} if given else {}
    with cnn.Session(model, optimizer=cnn.SGD(1e-9), metrics="accuracy", **options) as session:
        for images, labels in data.batches(4):
            assert session.step(images, labels)["accuracy"] == 1
            assert session.step(images, 2 - labels)["accuracy"] == 1  # numbers of one's own
        odd = replace(data, classes=("cherry", "banana", "Apple"))
        with pytest.raises(DataError, match="is it 'apple'"):
            session.step(*odd.batch([0, 1]))
    assert data[0][1] == 0 and data.batch(0)[1] == 0 and model.classes == FRUIT


def test_unicode_that_is_the_same_text_is_the_same_name():
    model = exact(("apple", "banana", unicodedata.normalize("NFC", "café")))
    data = replace(fruit(("cherry",)), classes=(unicodedata.normalize("NFD", "café"),))
    assert model.evaluate(data, loss="cross_entropy")["accuracy"] == 1


@pytest.mark.parametrize(
    ("classes", "match"),
    [
        (("Banana",), r"'Banana' is not among them \(is it 'banana'\?\)"),
        (("bananna",), r"'bananna' is not among them \(is it 'banana'\?\)"),
        (("apple ",), r"'apple ' is not among them \(is it 'apple'\?\)"),
        (("kiwi", "apple"), r"'kiwi' is not among them\n"),
    ],
)
@pytest.mark.parametrize("use", ["evaluate", "fit", "validation"])
def test_names_that_do_not_fit_are_one_error_with_both_lists(classes, match, use):
    model = exact()
    data = Dataset(np.zeros((2, 1, 1, 3), np.float32), [0, len(classes) - 1], classes, name="f")
    with pytest.raises(DataError, match=match) as caught:
        if use == "evaluate":
            model.evaluate(data)
        elif use == "fit":
            model.fit(data, batch_size=2)
        else:
            model.fit(fruit(FRUIT), validation=data, batch_size=2)
    assert "the model 'fruit': apple, banana, cherry\n" in str(caught.value)
    assert f"the data set 'f': {', '.join(classes)}\n" in str(caught.value)


def test_one_name_of_several_classes():
    data = fruit(("apple", "banana"), classes=("apple", "banana"))
    twice = exact(("apple", "apple", "banana"))
    with pytest.raises(DataError, match="'apple' is the name of several classes"):
        twice.evaluate(data)
    same = replace(fruit(FRUIT), classes=("apple", "apple", "banana"))
    assert twice.evaluate(same, loss="cross_entropy")["accuracy"] == 1


def test_long_lists_and_names_are_shortened():
    names = tuple(f"{i}-{'x' * 5000}" for i in range(1000))
    data = Dataset(np.zeros((1000, 1, 1, 3), np.float32), np.arange(1000), names)
    with pytest.raises(DataError, match=r"(?s)and 980 more.*\(1000 in all\)") as caught:
        exact().evaluate(data)
    assert len(str(caught.value)) < 4000


@pytest.mark.parametrize("label", [MAX_CLASSES, 10**7, 2**32 - 1, 2**63, 2**64 - 1])
@pytest.mark.parametrize("how", ["arrays", "npz", "npz test", "fit"])
def test_a_label_that_is_no_class_number_is_refused_at_once(tmp_path, label, how):
    x, y = np.zeros((3, 1, 1, 3), np.uint8), np.array([0, label, 1], np.uint64)
    with pytest.raises(DataError, match=rf"label {label} in row 1 would make {label + 1} classes"):
        if how == "arrays":
            arrays(x, y)
        elif how == "fit":
            exact().fit((x, y))
        else:
            held = {"x_test": x, "y_test": y} if how == "npz test" else {}
            np.savez(tmp_path / "set.npz", x=x, y=np.zeros(3, int) if held else y, **held)
            cnn.data.npz(tmp_path / "set.npz")


def test_as_many_classes_as_the_budget_allows():
    y = np.array([0, MAX_CLASSES - 1])
    assert len(arrays(np.zeros((2, 1, 1, 3), np.uint8), y).classes) == MAX_CLASSES


@pytest.mark.parametrize("names", [["1", "2"], "12", (1, 2), np.array(["1", "2"]), np.arange(1, 3)])
def test_names_as_they_are_given(names, tmp_path):
    """In any list, of strings or numbers, and a saved model has them as it had."""
    image = cnn.input("image", (1, 4, 4))
    model = cnn.Model(image, cnn.dense(cnn.flatten(image), 2)).initialize()
    model.classes = names
    assert model.classes == ("1", "2")
    assert cnn.load(model.save(tmp_path / "a.safetensors")).classes == ("1", "2")
    data = cnn.data.arrays(np.zeros((2, 1, 4, 4), np.float32), [0, 1], classes=names)
    assert data.classes == ("1", "2")
    model.classes = None
    assert model.classes == () == cnn.load(model.save(tmp_path / "a.safetensors")).classes


@pytest.mark.parametrize("wrong", [2, len])
def test_what_is_no_list_of_names(wrong):
    image = cnn.input("image", (1, 4, 4))
    model = cnn.Model(image, cnn.dense(cnn.flatten(image), 2))
    with pytest.raises(cnn.DataError, match="classes must be a list of names, found"):
        model.classes = wrong
    with pytest.raises(cnn.DataError, match="classes must be a list of names, found"):
        cnn.data.arrays(np.zeros((2, 1, 4, 4), np.float32), [0, 1], classes=wrong)
