"""Folders for training, validation and testing, however they are spelled."""

import copy
import os
import pickle
import socket
from pathlib import Path

import pytest
from support.data_files import picture

from graphcnn.data import cifar10, image_folder, load
from graphcnn.data.parts import part_named
from graphcnn.errors import DataError, DataWarning

pytest.importorskip("PIL")

CLASSES = ("cat", "dog")


def part(folder: str, level: int, n: int = 1, classes: tuple[str, ...] = CLASSES) -> dict:
    """n pictures of every class, all of one level, which tells the parts apart."""
    return {
        f"{folder}/{c}/{i}.png": picture(level, format="PNG") for c in classes for i in range(n)
    }


def level(dataset) -> float:
    assert dataset.images.min() == dataset.images.max()
    return int(dataset.images.min())


def refuses(path: Path, match: str, **options) -> None:
    with pytest.raises(DataError, match=match):
        image_folder(path, **options)


TRAIN = "train Train TRAIN training Training train_set TrainSet training-data train2017 seg_train"
TEST = "test Test TEST testing Testing test_set test-images TestImages eval Evaluation seg_test"
VALIDATION = "val Val valid validation Validation VALIDATION dev val2017 validation_set"


@pytest.mark.parametrize("as_zip", [False, True])
@pytest.mark.parametrize(
    ("train", "test"),
    [*((name, "test") for name in TRAIN.split()), *(("Train", name) for name in TEST.split())],
)
def test_spellings(store, as_zip, train, test):
    path = store(part(train, 10) | part(test, 20), as_zip)
    found = image_folder(path)
    assert found.train.classes == found.test.classes == CLASSES
    assert (level(found.train), level(found.test), found.validation) == (10, 20, None)


@pytest.mark.parametrize("as_zip", [False, True])
@pytest.mark.parametrize("validation", VALIDATION.split())
def test_validation_beside_a_part_for_testing(store, as_zip, validation):
    files = part("Train", 10) | part("Test", 20) | part(validation, 30)
    path = store(files, as_zip)
    for found in (image_folder(path), load(f"images:{path}")):
        train, test = found
        assert (level(train), level(test), level(found.validation)) == (10, 20, 30)
        assert train.normalisation == test.normalisation == found.validation.normalisation


@pytest.mark.parametrize(
    ("names", "test", "validation"),
    [
        (("val",), "val", ""),
        (("eval",), "eval", ""),
        (("val", "eval"), "eval", "val"),
        (("test", "eval"), "test", "eval"),
    ],
)
def test_what_each_part_is_for(store, names, test, validation):
    levels = dict(zip(names, (20, 30), strict=False))
    files = part("train", 10)
    for name, grey in levels.items():
        files |= part(name, grey)
    found = image_folder(store(files))
    assert level(found.test) == levels[test]
    assert (found.validation and level(found.validation)) == levels.get(validation)


@pytest.mark.parametrize("only", ["train", "Training", "test", "VAL"])
def test_a_single_part_is_the_whole_set(store, only):
    train, test = image_folder(store(part(only, 10, n=5)), test_fraction=0.2)
    assert (len(train), len(test), train.classes) == (8, 2, CLASSES)


def test_a_part_that_archives_hold_twice(store):
    found = image_folder(store(part("seg_train/seg_train", 10) | part("seg_test/seg_test", 20)))
    assert (level(found.train), level(found.test), found.train.classes) == (10, 20, CLASSES)


@pytest.mark.parametrize("names", [("train", "test"), ("train", "bus"), ("Test", "val", "tube")])
def test_classes_that_are_called_like_parts(store, names, recwarn):
    files = {f"{c}/{i}.png": picture(9, format="PNG") for c in names for i in range(5)}
    train, test = image_folder(store(files))
    hardly_meant = [str(w.message) for w in recwarn if w.category is DataWarning]
    assert len(hardly_meant) == (names == ("train", "test"))
    assert all("test, train hold pictures, so they are taken" in w for w in hardly_meant)
    assert train.classes == test.classes == tuple(sorted(names))
    assert len(train) + len(test) == 5 * len(names)


def test_parts_can_be_copied(store):
    found = image_folder(store(part("train", 1) | part("test", 2) | part("val", 3)))
    for other in (copy.copy(found), pickle.loads(pickle.dumps(found))):
        assert [level(p) for p in (*other, other.validation)] == [1, 2, 3]


def test_words_that_name_no_part():
    assert not any(map(part_named, ("trainer", "contest", "latest", "valley", "trainval", "x")))
    assert part_named("train_val") == part_named("test-train") == ""


def test_a_part_may_lack_classes_and_keeps_their_numbers(store):
    found = image_folder(store(part("train", 1) | part("test", 2, classes=("dog",))))
    assert found.test.classes == CLASSES and found.test.labels.tolist() == [1]


@pytest.mark.parametrize("name", ["test", "val"])
def test_a_class_that_training_lacks_is_one_error_with_both_lists(store, name):
    files = part("train", 1) | part("test", 2) | part(name, 3, classes=("Dog", "cat"))
    kind = {"val": "validation"}.get(name, name)
    refuses(
        store(files),
        rf"{name}/Dog/0.png: no picture for training has the class 'Dog' \(is it 'dog'\?\); "
        rf"those for training have cat, dog; those for {kind} have Dog, cat",
    )


def test_two_folders_for_one_part(store):
    files = part("train", 1) | part("val", 2) | part("Validation", 3) | part("test", 4)
    refuses(store(files), "several folders for validation: Validation, val; expected one of each")


def test_parts_without_one_for_training(store):
    files = part("val", 2) | part("test", 4)
    refuses(store(files), r"no pictures for training, but for test \(test\) and validation \(val\)")


def test_folders_beside_the_parts_are_not_lost_silently(store):
    files = part("train", 1) | part("test", 2)
    refuses(store(files | part("tesst", 3)), "'tesst' is neither train nor val nor test")
    of_a_class = {"dog/1.png": picture(1, format="PNG")}
    refuses(store(files | of_a_class, True), "dog/1.png belongs to no part: beside test, train")
    loose = {"1.png": picture(1, format="PNG")}
    refuses(store(part("Train", 1) | loose, as_zip=True), "1.png lies in no class folder")


@pytest.mark.parametrize("as_zip", [False, True])
@pytest.mark.parametrize(
    ("folder", "train", "test"),
    [
        ("seg_pred/seg_pred", "seg_train/seg_train", "seg_test/seg_test"),
        ("pred", "train", "val"),
        ("unlabelled", "train", "test"),
        ("val", "Train", "test"),
        ("test", "train", "val"),
        ("test/test", "train", "val"),
    ],
)
def test_pictures_without_a_class_are_left_out_with_a_warning(store, folder, train, test, as_zip):
    files = part(train, 10) | part(test, 20)
    files |= {f"{folder}/{i}.png": picture(9, format="PNG") for i in range(3)}
    with pytest.warns(DataWarning, match=f"{folder.split('/')[0]} is left out: its 3 pic") as said:
        found = image_folder(store(files, as_zip))
    assert [Path(w.filename).name for w in said] == ["test_data_parts.py"]
    assert found.train.classes == CLASSES and len(found.train) == len(found.test) == 2
    assert (level(found.train), level(found.test), found.validation) == (10, 20, None)


def test_a_contest_without_labels_for_testing(store):
    files = part("train", 10, n=5) | {"test1/1.png": picture(9, format="PNG")}
    with pytest.warns(DataWarning, match="test1 is left out: its 1 pictures"):
        train, test = image_folder(store(files))
    assert (len(train), len(test), level(test)) == (8, 2, 10)


def test_archives_in_archives_are_named(store):
    refuses(store({"deep/flowers.zip": b""}), "it holds deep/flowers.zip, which can be named")
    refuses(store({"a/b.zip": b""}, True), "it holds a/b.zip, which has to be unpacked first")


def test_parts_of_unknown_names_are_not_taken_for_classes(store):
    files = part("lernen", 1) | part("pruefen", 2)
    refuses(store(files), r"folders lernen, pruefen hold no .* \(cat, dog\). Are they parts .* or")
    files = {f"{c}/{name}": data for c in CLASSES for name, data in part("x", 1).items()}
    refuses(store(files, as_zip=True), "Are they parts of the data or classes")


def test_classes_in_folders_of_their_own(store):
    train, test = image_folder(
        store(part("cat", 1, 3, ("tom", "tiger")) | part("dog", 1, 3, ("rex",)))
    )
    assert train.classes == CLASSES and len(train) + len(test) == 9


def test_what_systems_leave_behind_is_passed_over(store):
    junk = dict.fromkeys(
        ("Train/Thumbs.db", "Train/cat/.DS_Store", "__MACOSX/Train/cat/._0.png", "Train/.x/1.png",
         "Train/cat/@eaDir/0.png/thumb.jpg", "Train/cat/desktop.ini", "._Train/cat/0.png"), b"x"
    )  # fmt: skip
    upper = {name.replace(".png", ".PNG"): data for name, data in part("Train", 1).items()}
    for as_zip in (False, True):
        found = image_folder(store(upper | part("Test", 2) | junk, as_zip))
        assert (len(found.train), len(found.test)) == (2, 2)


def test_cifar10_pictures(store):
    classes = "airplane automobile bird cat deer dog frog horse ship truck".split()
    files = {
        f"{name}/{c}/0.png": picture(grey, (32, 32), "PNG")
        for name, grey in (("TRAIN", 10), ("Testing", 20), ("valid", 30))
        for c in classes
    }
    for as_zip in (False, True):
        found = cifar10(store(files, as_zip))
        assert [level(p) for p in (*found, found.validation)] == [10, 20, 30]
        assert found.validation.normalisation.mean[0] == 0.4914


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes")
@pytest.mark.parametrize("kind", ["pipe", "socket", "nothing"])
def test_what_is_no_file_is_refused_and_not_waited_for(store, kind, monkeypatch):
    root = store(part("train", 1) | part("test", 2))
    bad = root / "train" / "cat" / "x.png"
    if kind == "pipe":
        os.mkfifo(bad)
    elif kind == "socket":
        monkeypatch.chdir(bad.parent)  # the path of a socket is short
        socket.socket(socket.AF_UNIX).bind(bad.name)
    else:
        bad.symlink_to("nowhere.png")
    words = "no such file" if kind == "nothing" else f"it is a {kind}, expected a regular file"
    refuses(root, f"(?i)cannot read .*x.png: {words}")


def test_folders_may_be_links_but_not_circles(store, tmp_path):
    root = store(part("train", 1) | part("elsewhere", 2))
    (root / "elsewhere").rename(tmp_path / "elsewhere")
    (root / "test").symlink_to(tmp_path / "elsewhere")
    (root / "train" / "cat" / "again").symlink_to(root)
    found = image_folder(root)
    assert (len(found.train), level(found.test)) == (2, 2)


def test_folders_called_like_pictures_are_folders(store):
    files = {f"{c}.png/{i}.png": picture(1, format="PNG") for c in CLASSES for i in range(3)}
    assert image_folder(store(files))[0].classes == ("cat.png", "dog.png")
