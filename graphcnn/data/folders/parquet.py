"""Data sets from Parquet files, as Hugging Face keeps them or as tables of numbers, by pyarrow."""

import hashlib
import importlib
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from graphcnn.base.regular_files import is_folder
from graphcnn.data.class_names import check_count, given_names, listed, nearest
from graphcnn.data.dataset import Dataset
from graphcnn.data.folders.image_files import background_colour, is_grey
from graphcnn.data.folders.image_folders import measured, sample_of
from graphcnn.data.folders.pictures import LeftOut, Pictures, Source
from graphcnn.data.normalisation import Normalisation
from graphcnn.data.parts import Parts, part_named
from graphcnn.data.prefetching import reading_threads
from graphcnn.data.streams import IMAGES, LABELS
from graphcnn.errors import DataError, MissingExtraError
from graphcnn.ir.node import Array
from graphcnn.language.arguments import IntOrPair, pair


def parquet(
    path: str | Path,
    *,
    image: str | None = None,
    label: str | None = None,
    size: IntOrPair | None = None,
    grey: bool | None = None,
    on_error: str = "raise",
    background: Any = "white",
    normalisation: Normalisation | None = None,
    test_fraction: float = 0.2,
    seed: int = 0,
) -> Parts:
    """(train, test) from one Parquet file, or from those in a folder.

    Files are parts by their names (train-00000-of-00002.parquet, test.parquet, ...); what is of no
    part is for training. A column of encoded pictures (`bytes`, or {bytes, path} as Hugging Face
    writes it) is kept as it is, and each picture is decoded when its batch is drawn, as in
    `image_folder(..., lazy=True)`. Without one, all columns of numbers besides the label are the
    items (n, D). Labels are class numbers, named as Hugging Face's metadata do, texts, which are
    the names of classes, or floats to predict.

    Args:
        image, label: the columns, found where they are called "image", "img", "label" or alike.
        size, grey, on_error, background, normalisation, test_fraction, seed: as in `image_folder`.

    Raises:
        DataError: no such file or column, or what cannot be read; names the file.
        MissingExtraError: pyarrow is not installed.
    """
    path = Path(path).expanduser()
    tables = _tables(path)
    sets = {kind: _Columns(path, kind, table, image, label) for kind, table in tables.items()}
    train = sets["train"]
    names = train.classes()
    found: dict[str, Dataset] = {}
    left_out = LeftOut() if on_error == "skip" else None
    hw, colour = None if size is None else pair(size, "size"), background_colour(background)
    for kind, columns in sets.items():
        labels, classes = columns.labels(names)
        if train.image is None:
            items: Any = columns.numbers()
        else:
            source = columns.source()
            if grey is None:
                grey = _all_grey(source, seed, left_out)
            items = Pictures(source, grey, hw, colour, left_out)
        found[kind] = Dataset(items, labels, classes, name=f"{path.name} {kind}")
    if "test" not in found:
        rest, held = found["train"].split(test_fraction, seed)
        parts = Parts(rest, replace(held, name=f"{path.name} test"))
    else:
        parts = Parts(found["train"], found["test"], found.get("validation"))
    if train.image is not None:
        with reading_threads():
            normalisation = normalisation or measured(parts.train, seed)
    parts = parts.map(lambda part, _: replace(part, normalisation=normalisation))
    if left_out is not None:
        parts.skipped = left_out.reasons
    return parts


def _all_grey(source: Source, seed: int, left_out: LeftOut | None) -> bool:
    """Whether the headers of some pictures, or of all where there are few, say grey."""
    for i in map(int, sample_of(len(source.labels), seed)):
        try:
            if not is_grey(source.labels[i], source.read(i)):
                return False
        except DataError:  # of one that is left out when it is decoded
            if left_out is None:
                raise
    return True


def _tables(path: Path) -> dict[str, Any]:
    """The table of each part: of several files, one behind another."""
    files = sorted(path.rglob("*.parquet")) if is_folder(path) else [path]
    if not files:
        raise DataError(f"{path} holds no .parquet file")
    reader, arrow = _module("pyarrow.parquet"), _module("pyarrow")
    read: dict[str, list[Any]] = {}
    for file in files:
        try:
            table = reader.read_table(file)
        except Exception as error:  # arrow's own, of any kind, and those of the system
            raise DataError(f"cannot read {file}: {error}") from None
        kind = part_named(file.stem.split("-")[0]) if len(files) > 1 else "train"
        read.setdefault("test" if kind == "evaluation" else kind or "train", []).append(table)
    if "train" not in read:
        raise DataError(f"{path} has no file for training, but for {listed(sorted(read))}")
    if "validation" in read and "test" not in read:
        read["test"] = read.pop("validation")
    order = [kind for kind in ("train", "test", "validation") if kind in read]
    return {kind: arrow.concat_tables(read[kind]) for kind in order}


class _Columns:
    """The columns of one part."""

    def __init__(
        self, path: Path, kind: str, table: Any, image: str | None, label: str | None
    ) -> None:
        self.path, self.kind, self.table = path, kind, table
        self.label = self._name(LABELS if label is None else (label,), "labels")
        encoded = [n for n in table.column_names if self._is_encoded(n)]
        self.image = (
            self._name((image,), "images")
            if image
            else next((name for name in (*IMAGES, *encoded) if name in encoded), None)
        )

    def _name(self, wanted: Sequence[str], what: str) -> str:
        known = self.table.column_names
        for name in wanted:
            if name in known:
                return name
        near = nearest(wanted[0], known) if len(wanted) == 1 else ""
        raise DataError(
            f"{self.path} has no column of {what} ({', '.join(wanted)}){near}; its columns are "
            f"{listed(known)}"
        )

    def _is_encoded(self, name: str) -> bool:
        kind = str(self.table.schema.field(name).type)
        return kind in ("binary", "large_binary") or (
            kind.startswith("struct<") and "bytes:" in kind
        )

    def source(self) -> Source:
        """The encoded pictures, by their rows."""
        column = self.table.column(self.image)

        def read(number: int) -> bytes:
            found = column[number].as_py()
            data = found.get("bytes") if isinstance(found, dict) else found
            if not data:
                raise DataError(f"{names[number]} holds no picture")
            return bytes(data)

        names = [f"{self.path.name} {self.kind}, row {k}" for k in range(len(column))]
        about = f"{column.nbytes} {len(column)} {self.table.schema}"
        return Source(names, read, hashlib.sha256(about.encode()).hexdigest())

    def numbers(self) -> Array:
        """All columns of numbers but the label, side by side."""
        names = [n for n in self.table.column_names if n != self.label]
        arrays = [np.array(self.table.column(name).to_pylist()) for name in names]
        strange = [n for n, a in zip(names, arrays, strict=True) if a.dtype.kind not in "fiub"]
        if strange or not names:
            raise DataError(
                f"{self.path}: the columns {listed(strange)} hold no numbers, nor pictures"
                if strange
                else f"{self.path} has no column besides {self.label!r}"
            )
        return np.concatenate([a.reshape(len(a), -1) for a in arrays], 1).astype(np.float32)

    def classes(self) -> tuple[str, ...]:
        """The names that the file itself has for class numbers, or those that its texts are."""
        about = json.loads((self.table.schema.metadata or {}).get(b"huggingface", b"{}"))
        names = about.get("info", {}).get("features", {}).get(self.label, {}).get("names")
        if names:
            return given_names(names)
        values = self.table.column(self.label).to_pylist()
        texts = sorted({value for value in values if isinstance(value, str)})
        check_count(len(texts), str(self.path))
        return tuple(texts)

    def labels(self, classes: tuple[str, ...]) -> tuple[Array, tuple[str, ...]]:
        """The targets, and their classes where they are class numbers with names."""
        values = self.table.column(self.label).to_pylist()
        missing = [row for row, value in enumerate(values) if value is None]
        if missing:
            raise DataError(f"{self.path} {self.kind}, row {missing[0]}: no {self.label!r}")
        if isinstance(values[0], str):
            number = {name: k for k, name in enumerate(classes)}
            for row, value in enumerate(values):
                if value not in number:
                    raise DataError(
                        f"{self.path} {self.kind}, row {row}: no picture for training has the "
                        f"class {value!r}{nearest(value, classes)}"
                    )
            return np.array([number[value] for value in values], np.int64), classes
        array = np.array(values)
        if array.dtype.kind in "iu" and array.ndim == 1:
            names = classes or tuple(map(str, range(int(array.max()) + 1)))
            return array.astype(np.int64), names
        return array.astype(np.float32), ()


def _module(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        raise MissingExtraError("reading Parquet files", "pyarrow", "data") from None
