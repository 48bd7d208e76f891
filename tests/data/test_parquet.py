"""Parquet files: pictures as Hugging Face writes them, and tables of numbers."""

import json
import sys

import numpy as np
import pytest
from support.data_files import picture

import graphcnn as cnn
from graphcnn.data import parquet

pa = pytest.importorskip("pyarrow")
pytest.importorskip("PIL")


def write(path, columns, names=None):
    import pyarrow.parquet as writer

    table = pa.table(columns)
    if names:
        about = {"info": {"features": {"label": {"names": names, "_type": "ClassLabel"}}}}
        table = table.replace_schema_metadata({"huggingface": json.dumps(about)})
    writer.write_table(table, path)


def encoded(levels, bad=()):
    return [
        {"bytes": b"no" if k in bad else picture(v, format="PNG", mode="L"), "path": f"{k}.png"}
        for k, v in enumerate(levels)
    ]


def test_pictures_as_hugging_face_writes_them(tmp_path):
    names = ["cat", "dog"]
    write(tmp_path / "train-00000-of-00002.parquet",
          {"image": encoded([0, 10, 20]), "label": [0, 1, 0]}, names)  # fmt: skip
    write(tmp_path / "train-00001-of-00002.parquet",
          {"image": encoded([30]), "label": [1]}, names)  # fmt: skip
    write(tmp_path / "test-00000-of-00001.parquet",
          {"image": encoded([50, 60]), "label": [1, 0]}, names)  # fmt: skip
    train, test = parquet(tmp_path)
    assert train.classes == ("cat", "dog") and train.labels.tolist() == [0, 1, 0, 1]
    assert train.images[:][:, 0, 0, 0].tolist() == [0, 10, 20, 30] and train.costly
    assert test.images[:][:, 0, 0, 0].tolist() == [50, 60] and train.image_shape == (1, 6, 5)
    assert train.normalisation.mean[0] == pytest.approx(15 / 255)
    assert cnn.data.load(f"parquet:{tmp_path}", size=4).train.image_shape == (1, 4, 4)
    write(tmp_path / "test-00000-of-00001.parquet",
          {"image": encoded([50, 60], bad=[0]), "label": [1, 0]}, names)  # fmt: skip
    with pytest.raises(cnn.DataError, match=r"test, row 0 is no picture that can be read"):
        parquet(tmp_path)
    with pytest.warns(cnn.DataWarning, match=r"1 file is left out: .*test, row 0"):
        parts = parquet(tmp_path, on_error="skip")
    assert [len(x) for x in parts.test.batch([0, 1])] == [1, 1]
    assert len(parts.skipped) == 1


def test_tables_of_numbers(tmp_path):
    path = tmp_path / "t.parquet"
    columns = {"a": [1, 2, 3, 4], "b": [[0.5, 1.5]] * 4, "y": ["no", "yes", "no", "yes"]}
    write(path, columns)
    train, test = parquet(path, test_fraction=0.5)
    whole = cnn.data.parts.Parts(train, test).joined()
    assert whole.images.shape == (4, 3) and sorted(whole.images[:, 0]) == [1, 2, 3, 4]
    assert train.classes == ("no", "yes")
    write(path, columns | {"y": [0.5, 1, 2, 3]})
    assert parquet(path, test_fraction=0.5).train.labels.dtype == np.float32
    for options, match in (
        ({"label": "z"}, r"no column of labels \(z\); its columns are a, b, y"),
        ({"image": "pic"}, r"no column of images \(pic\)"),
    ):
        with pytest.raises(cnn.DataError, match=match):
            parquet(path, **options)
    path.write_bytes(b"PAR1")
    with pytest.raises(cnn.DataError, match=r"cannot read .*t.parquet"):
        parquet(path)


def test_without_pyarrow(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    (tmp_path / "t.parquet").write_bytes(b"")
    with pytest.raises(cnn.MissingExtraError, match=r"'pyarrow'.*graphcnn\[data\]"):
        parquet(tmp_path / "t.parquet")
