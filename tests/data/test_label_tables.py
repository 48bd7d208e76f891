"""Labels of pictures from a CSV file, with errors that name the line."""

import numpy as np
import pytest
from support.data_files import picture

from graphcnn.data import image_folder
from graphcnn.errors import DataError

pytest.importorskip("PIL")
FILES = {f"x/{i}.png": picture(10 * i, format="PNG", mode="L") for i in range(4)}


def read(store, table: str, files=FILES, **options):
    path = store(files | {"images.csv": table.encode()})
    return image_folder(path, labels="images.csv", **({"test_fraction": 0.25} | options))


def levels(data) -> list[int]:
    return data.images[:].mean((1, 2, 3)).round().astype(int).tolist()


@pytest.mark.parametrize("lazy", [False, True])
def test_classes(store, lazy):
    table = 'file,label\nx/0.png,dog\n"x/1.png", cat \n./x/3.png,dog\nx\\2.png,cat\n'
    parts = read(store, table, lazy=lazy)
    whole = parts.joined()
    assert parts.train.classes == ("cat", "dog") and len(parts.train) == 3
    found = sorted(zip(levels(whole), whole.labels.tolist(), strict=True))
    assert found == [(0, 1), (10, 0), (20, 0), (30, 1)]


def test_parts_and_classes_that_are_numbers(store):
    table = "label,path,split\n10,x/0.png,test\n9,x/1.png,train\n10,x/2.png,Train\n9,x/3.png,val\n"
    parts = read(store, table)
    assert parts.train.classes == ("9", "10") and parts.train.labels.tolist() == [0, 1]
    assert levels(parts.train) == [10, 20] and levels(parts.test) == [0]
    assert levels(parts.validation) == [30]


def test_several_labels_and_numbers(store):
    names = [f"x/{i}.png" for i in range(4)]

    def targets(*columns: str):
        lines = (f"{name},{value}" for name, value in zip(names, columns[1:], strict=True))
        whole = read(store, "\n".join((f"file,{columns[0]}", *lines))).joined()
        assert whole.labels.dtype == np.float32 and whole.classes == ()
        return whole.labels[np.argsort(levels(whole))].tolist()

    several = [[1, 1, 0], [0, 0, 0], [0, 0, 1], [1, 0, 0]]
    assert targets("tags", "dog;cat", "", "eel", "cat") == several
    assert targets("cat,dog", "1,1", "0,1", "0,0", "1,0") == [[1, 1], [0, 1], [0, 0], [1, 0]]
    assert targets("age", "1.5", "2", "-3", "1e3") == [1.5, 2, -3, 1000]


@pytest.mark.parametrize(
    ("table", "match"),
    [
        ("file,label\nx/0.png,a\nx/9.png,a", r"images.csv, line 3: .* has no picture 'x/9.png'"),
        ("file,label\nx/0.png,a\nx/1.png,b", r"has no line for .*x/2.png, .*x/3.png"),
        ("file,label\nx/0.png,a\nx/0.png,b", r"line 3: 'x/0.png' is in line 2 already"),
        ("file,label\nx/0.png,a,b", r"line 2: 3 columns, but line 1 has 2 \(file, label\)"),
        ("file\nx/0.png", "line 1 has no column for labels"),
        ("file,label\n", "has no line with a picture"),
        ("file,a,b\nx/0.png,1,2\nx/1.png,1,x\nx/2.png,1,1\nx/3.png,1,1",
         r"line 3: the column 'b' must hold finite numbers, found 'x'"),
        ("file,a\nx/0.png,a\nx/1.png,\nx/2.png,a\nx/3.png,a", r"line 3: the column 'a' is empty"),
        ("file,split,a\nx/0.png,train,a\nx/1.png,later,a", r"line 3: the part 'later' is none of"),
        ("file,split,a\nx/0.png,train,a\nx/1.png,test,b\nx/2.png,test,a\nx/3.png,test,a",
         r"line 3: no picture for training has the class 'b'"),
        ('file,label\nx/0.png,"a', r"line 2: unexpected end of data"),
    ],
)  # fmt: skip
def test_tables_that_are_refused(store, table, match):
    with pytest.raises(DataError, match=match):
        read(store, table)
    with pytest.raises(DataError, match=r"cannot read nothing.csv"):
        image_folder(store(FILES), labels="nothing.csv")
