import io
import sys
import tracemalloc
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from support.data_files import picture

from graphcnn.data import image_folder
from graphcnn.data.folders import image_files as pictures
from graphcnn.data.folders import image_folders as folders
from graphcnn.data.folders import members
from graphcnn.errors import DataError, MissingExtraError

pytest.importorskip("PIL")

PLAIN = {
    f"{c}/{i}.jpg": picture(40 * i + 100 * (c == "dog")) for c in ("cat", "dog") for i in (0, 1)
}
PARTED = {f"{part}/{name}": data for part in ("train", "test") for name, data in PLAIN.items()}


def refuses(path: Path, match: str, **options) -> None:
    with pytest.raises(DataError, match=match):
        image_folder(path, **options)


def levels(dataset) -> list[int]:
    return dataset.images.mean((1, 2, 3)).round().astype(int).tolist()


@pytest.mark.parametrize("as_zip", [False, True])
@pytest.mark.parametrize("around", ["", "photos/", "a/b/"])
@pytest.mark.parametrize("held", ["test", "val", "valid", "validation"])
def test_folders_for_training_and_testing(store, as_zip, around, held):
    files = {around + name.replace("test/", f"{held}/"): data for name, data in PARTED.items()}
    train, test = image_folder(store(files, as_zip))
    assert train.classes == test.classes == ("cat", "dog")
    assert train.images.shape == (4, 3, 6, 5) and train.images.dtype == np.uint8
    assert levels(train) == levels(test) == [0, 40, 100, 140]
    assert test.labels.tolist() == [0, 0, 1, 1]
    assert train.normalisation == test.normalisation
    np.testing.assert_allclose(train.normalisation.mean, 70 / 255, atol=1e-3)


@pytest.mark.parametrize("around", ["", "photos/"])
@pytest.mark.parametrize("part", ["", "train/"])
def test_without_a_folder_for_testing_some_are_held_out(store, around, part):
    path = store({around + part + name: data for name, data in PLAIN.items()})
    train, test = image_folder(path, test_fraction=0.5)
    assert sorted(levels(train) + levels(test)) == [0, 40, 100, 140]
    assert test.labels.tolist() == [0, 1]


def test_other_files_and_hidden_ones_are_passed_over(store):
    files = PARTED | {"train/notes.txt": b"", "train/cat/.1.jpg": b"", "__MACOSX/1.jpg": b""}
    assert len(image_folder(store(files))[0]) == 4
    assert len(image_folder(store(files, as_zip=True))[0]) == 4


def test_grey_pictures_have_one_channel_unless_one_is_not_grey(store):
    grey = {name: picture(90, mode="L") for name in PARTED}
    path = store(grey)
    assert image_folder(path)[0].image_shape == (1, 6, 5)
    assert image_folder(path, grey=False)[0].image_shape == (3, 6, 5)
    path = store({"test/cat/0.jpg": picture(90)})
    assert image_folder(path)[0].image_shape == (3, 6, 5)
    assert image_folder(path, grey=True)[0].image_shape == (1, 6, 5)


def test_colours_are_red_green_blue(store):
    image = pytest.importorskip("PIL.Image")
    file = io.BytesIO()
    image.new("RGB", (2, 3), (250, 100, 10)).save(file, "PNG")
    train, _ = image_folder(
        store({"a/0.png": file.getvalue(), "b/0.png": file.getvalue()}, True), test_fraction=0.5
    )
    assert train.images[0, :, 0, 0].tolist() == [250, 100, 10]


@pytest.mark.parametrize(
    ("suffix", "format", "mode"),
    [
        ("PNG", "PNG", "RGBA"),
        ("png", "PNG", "P"),
        ("bmp", "BMP", "RGB"),
        ("gif", "GIF", "L"),
        ("webp", "WEBP", "RGB"),
        ("tif", "TIFF", "RGB"),
        ("ppm", "PPM", "RGB"),
        ("jpeg", "JPEG", "CMYK"),
    ],
)
def test_formats(store, suffix, format, mode):
    data = picture(0, format=format, mode=mode)
    path = store({f"{c}/0.{suffix}": data for c in "ab"})
    assert image_folder(path, test_fraction=0.5)[0].images.shape[2:] == (6, 5)


def test_pictures_stand_upright(store):
    image = pytest.importorskip("PIL.Image")
    file, exif = io.BytesIO(), image.Exif()
    exif[0x0112] = 6  # orientation: turned by a quarter
    image.new("RGB", (5, 6)).save(file, "JPEG", exif=exif)
    path = store({f"{c}/0.jpg": file.getvalue() for c in "ab"})
    assert image_folder(path, test_fraction=0.5)[0].image_shape == (3, 5, 6)


def test_another_size_names_both_files_unless_resized(store):
    path = store(PARTED | {"train/dog/2.jpg": picture(9, (8, 5))})
    refuses(path, r"train/dog/2.jpg is 8×5, but .*train/cat/0.jpg is 6×5; size=")
    assert image_folder(path, size=(4, 7))[0].images.shape == (5, 3, 4, 7)
    assert image_folder(path, size=3)[0].image_shape == (3, 3, 3)
    refuses(path, "size must be", size=(0, 3))


@pytest.mark.parametrize("as_zip", [False, True])
@pytest.mark.parametrize(
    ("data", "match"),
    [
        (PLAIN["cat/0.jpg"][:-1], "is damaged: .*truncated"),
        (PLAIN["cat/0.jpg"][:300], "is no picture .*: Truncated"),
        (b"<html>no picture</html>", "no known picture format"),
        (b"", "no known picture format"),
        (picture(0, format="PNG"), "mislabelled: expected JPEG by its name, found PNG"),
    ],
)
def test_a_bad_file_is_named(store, as_zip, data, match):
    refuses(store(PARTED | {"test/dog/0.jpg": data}, as_zip), f"test/dog/0.jpg .*({match})")


def bytes_of(image, format: str = "PNG", **options) -> bytes:
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def one(name: str, data: bytes, grey: bool = False, background=(255, 255, 255)) -> list[int]:
    """The first pixel of a picture file."""
    return pictures.decode(name, data, grey, None, background)[:, 0, 0].tolist()


def test_pictures_as_people_have_them():
    """Each mode and format becomes the 8 bits that it shows."""
    image = pytest.importorskip("PIL.Image")
    for level, want in ((0, 0), (128, 0), (129, 1), (999, 4), (32896, 128), (65535, 255)):
        for data in (
            image.fromarray(np.full((2, 2), level, np.uint16)),
            image.fromarray(np.full((2, 2), level, np.int32)),
        ):
            assert one("a.tif", bytes_of(data, "TIFF"), True) == [want]
    deep = bytes_of(image.fromarray(np.full((2, 2), 65536, np.int32)), "TIFF")
    with pytest.raises(DataError, match=r"a.tif is damaged: its levels go from 65536 to 65536"):
        one("a.tif", deep)
    with pytest.raises(DataError, match="not a picture of 8 or 16 bits per channel: its mode is F"):
        one("a.tif", bytes_of(image.new("F", (2, 2)), "TIFF"))
    cyan = image.new("CMYK", (2, 2), (255, 0, 0, 0))
    assert one("a.tif", bytes_of(cyan, "TIFF")) == [0, 255, 255]
    assert np.allclose(one("a.jpg", bytes_of(cyan, "JPEG")), [0, 255, 255], atol=3)
    assert one("a.png", bytes_of(image.new("1", (2, 2), 1)), True) == [255]
    assert one("a.webp", bytes_of(image.new("RGB", (2, 2), (9, 9, 9)), "WEBP", lossless=True)) == [
        9,
        9,
        9,
    ]
    frames = [image.new("L", (2, 2), level) for level in (50, 200)]
    moving = bytes_of(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert one("A.GIF", moving, True) == [50]


def test_what_is_transparent_shows_the_background():
    image = pytest.importorskip("PIL.Image")
    half = bytes_of(image.new("RGBA", (2, 2), (200, 0, 0, 0)))
    assert one("a.png", half) == [255, 255, 255] and one("a.png", half, False, (1, 2, 3)) == [
        1,
        2,
        3,
    ]
    assert one("a.png", bytes_of(image.new("RGBA", (2, 2), (200, 9, 0, 255)))) == [200, 9, 0]
    grey = bytes_of(image.new("LA", (2, 2), (100, 128)))
    assert one("a.png", grey, True, (0, 0, 0)) == [50] and one("a.png", grey, True) == [177]
    palette = image.new("P", (2, 2), 1)
    palette.putpalette([10, 20, 30, 40, 50, 60])
    assert one("a.png", bytes_of(palette)) == [40, 50, 60]
    assert one("a.png", bytes_of(palette, transparency=1)) == [255, 255, 255]
    assert one("a.gif", bytes_of(palette, "GIF", transparency=1)) == [255, 255, 255]
    for given, want in (("black", (0, 0, 0)), (7, (7, 7, 7)), ((1, 2, 3), (1, 2, 3))):
        assert pictures.background_colour(given) == want
    for wrong in ("green", 256, (1, 2), 0.5, True and None):
        with pytest.raises(DataError, match="background must be 'white', 'black', a level"):
            pictures.background_colour(wrong)


def test_damaged_png(store):
    data = bytearray(picture(77, (40, 40), "PNG"))
    data[45] ^= 0xFF
    refuses(store({"a/0.png": bytes(data)}), "a/0.png is (damaged|no picture)")


def test_nothing_to_read(store, tmp_path):
    refuses(tmp_path / "nowhere", "nowhere does not exist; expected a folder or a zip file")
    refuses(store({"a/readme.txt": b""}), r"holds no picture \(.jpg, .jpeg, .png")
    refuses(store({"a/readme.txt": b""}, as_zip=True), "holds no picture")
    refuses(store({"pictures.zip": b""}), r"; it holds pictures.zip, which can be named itself$")
    refuses(store({"x.jpg": b""}) / "x.jpg", "neither a folder nor a whole zip file")


def test_pictures_outside_a_class_folder(store):
    refuses(
        store(PLAIN | {"5.jpg": b""}), "set/5.jpg lies in no class folder; expected CLASS/5.jpg"
    )
    refuses(store(PARTED | {"test/5.jpg": b""}, True), "zip:test/5.jpg lies in no class folder")


def test_a_class_only_for_testing(store):
    refuses(store(PARTED | {"test/emu/0.jpg": b""}), "test/emu/0.jpg: .*class 'emu'; .* cat, dog")


def test_truncated_zip(store):
    path = store(PARTED, as_zip=True)
    path.write_bytes(path.read_bytes()[:-30])
    refuses(path, "set.zip is neither a folder nor a whole zip file")


def test_damaged_member_of_a_zip(store):
    path = store(PARTED, as_zip=True)
    path.write_bytes(path.read_bytes().replace(PLAIN["dog/1.jpg"], bytes(len(PLAIN["dog/1.jpg"]))))
    refuses(path, "cannot read .*train/dog/1.jpg: .*CRC")


@pytest.mark.parametrize("name", ["../a/0.jpg", "/a/0.jpg", "a/../../0.jpg", "a\\0.jpg"])
def test_unsafe_names_in_a_zip(store, tmp_path, name):
    path = store({name: PLAIN["cat/0.jpg"]}, as_zip=True)
    refuses(path, "unsafe name")
    assert sorted(tmp_path.iterdir()) == [path]


def test_limits(store, monkeypatch):
    path = store(PARTED, as_zip=True)
    with monkeypatch.context() as patch:
        patch.setattr(members, "MAX_FILE", 100)
        refuses(path, r"train/cat/0.jpg is too large: \d+ bytes, limit 100")
    with monkeypatch.context() as patch:
        patch.setattr(pictures, "MAX_PIXELS", 29)
        refuses(path, "train/cat/0.jpg is too large: 6 × 5 = 30 pixels, limit 29")
    with monkeypatch.context() as patch:
        patch.setattr(folders, "MAX_DECODED", 700)
        refuses(path, r"8 pictures × 90 bytes = 720 bytes, limit 700; a smaller size=")


def test_a_bomb_is_refused_by_its_header(store):
    """A PNG of 40,000 × 40,000 pixels in a few bytes: its header is enough to refuse it."""
    data = bytearray(picture(0, format="PNG"))
    data[16:24] = (40_000).to_bytes(4, "big") * 2
    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
    refuses(store({"a/0.png": bytes(data)}, True), "a/0.png .*(too large|decompression bomb)")


def _with_sizes(format: str, n: int) -> bytes:
    """A small picture whose header says n × n."""
    data = bytearray(picture(0, format=format))
    if format == "JPEG":
        at = data.index(b"\xff\xc0") + 5
        data[at : at + 4] = n.to_bytes(2, "big") * 2
    elif format == "BMP":
        data[18:26] = n.to_bytes(4, "little") * 2
    elif format == "GIF":
        data[6:10] = n.to_bytes(2, "little") * 2
    else:
        data[: data.index(b"\n255\n")] = f"P6\n{n} {n}".encode()
    return bytes(data)


@pytest.mark.parametrize("n", [9_000, 12_000, 65_000])
@pytest.mark.parametrize(
    ("format", "suffix"), [("JPEG", "jpg"), ("BMP", "bmp"), ("GIF", "gif"), ("PPM", "ppm")]
)
@pytest.mark.filterwarnings("error")
def test_bombs_of_other_formats(store, format, suffix, n):
    path = store({f"a/0.{suffix}": _with_sizes(format, n)})
    tracemalloc.start()
    try:
        refuses(path, rf"a/0.{suffix} .*(too large|decompression bomb)")
        assert tracemalloc.get_traced_memory()[1] < n * n / 8
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("size", [None, (7, 9)])
def test_every_orientation(store, orientation, size):
    image, ops = pytest.importorskip("PIL.Image"), pytest.importorskip("PIL.ImageOps")
    pixels = np.zeros((16, 24, 3), np.uint8)
    pixels[:8], pixels[:, :8, 1] = 200, 100
    file, exif = io.BytesIO(), image.Exif()
    exif[0x0112] = orientation
    image.fromarray(pixels).save(file, "PNG", exif=exif)
    want = ops.exif_transpose(image.open(file)).convert("RGB")
    want = want if size is None else want.resize(size[::-1], image.Resampling.BILINEAR)
    found = pictures.decode("0.png", file.getvalue(), False, size)
    assert (found == np.moveaxis(np.asarray(want), -1, 0)).all()


def test_a_member_larger_than_it_says(store, tmp_path):
    """zipfile stops at the size that the directory states, so the limit on it holds."""
    path = tmp_path / "set.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/0.jpg", bytes(100_000))
    data = path.read_bytes().replace((100_000).to_bytes(4, "little"), (50).to_bytes(4, "little"))
    path.write_bytes(data)
    refuses(path, "a/0.jpg")


def test_without_pillow(store, monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL.Image", None)
    with pytest.raises(MissingExtraError, match=r"'pillow'.*graphcnn\[images\]"):
        image_folder(store(PARTED))
