"""Event files as TensorBoard reads them, written without it and without TensorFlow.

A file is a row of records (TFRecord): length (u64), its checksum, the bytes, their checksum. The
bytes are a message `Event` of protocol buffers, of which a few fields are needed; the checksum is
CRC-32C, turned and shifted. Source: tensorflow/core/util/event.proto and lib/io/record_writer.cc.
"""

import math
import os
import struct
import time
from functools import cache
from pathlib import Path

from graphcnn.training.callbacks.log_file import LogFile, Row
from graphcnn.training.run import Run


class TensorBoard(LogFile):
    """Writes loss, metrics and learning rate to a folder for `tensorboard --logdir FOLDER`.

        model.fit(train, epochs=20, callbacks=[cnn.callbacks.TensorBoard("runs/first")])

    Over the steps of the run: after every epoch "train/loss", "validation/loss" and so on, and
    "learning_rate"; after every so many steps "step/loss". Nothing has to be installed to write it.
    A run that goes on adds to its file, nothing twice.
    """

    def __init__(self, folder: str | os.PathLike[str], every_steps: int | None = None) -> None:
        super().__init__(Path(folder) / "events.out.tfevents.0.graphcnn", every_steps)

    def head(self, run: Run) -> bytes:
        return _record(_double(1, time.time()) + _bytes(3, b"brain.Event:2"))

    def of_epoch(self, number: int, rate: float, row: Row, run: Run) -> bytes:
        values = {_tag(key): value for key, value in row.items()} | {"learning_rate": rate}
        return _event(number * run.batches, values)

    def of_step(self, step: int, rate: float, row: Row) -> bytes:
        return _event(step, {f"step/{key}": value for key, value in row.items()})


def _tag(key: str) -> str:
    held_out = key.startswith("val_")
    return f"validation/{key.removeprefix('val_')}" if held_out else f"train/{key}"


def _event(step: int, values: Row) -> bytes:
    """An `Event` with a `Summary` of numbers, in a record."""
    summary = b"".join(
        _bytes(1, _bytes(1, tag.encode()) + b"\x15" + struct.pack("<f", _single(value)))
        for tag, value in values.items()
    )
    return _record(_double(1, time.time()) + b"\x10" + _varint(step) + _bytes(5, summary))


def _single(value: float) -> float:
    """A number as f32 holds it: infinite beyond its range."""
    return math.copysign(math.inf, value) if abs(value) > 3.4028234e38 else value


def _double(field: int, value: float) -> bytes:
    return bytes([field << 3 | 1]) + struct.pack("<d", value)


def _bytes(field: int, value: bytes) -> bytes:
    return bytes([field << 3 | 2]) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    found = bytearray()
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    return bytes([*found, value])


def _record(data: bytes) -> bytes:
    length = struct.pack("<Q", len(data))
    return length + _checksum(length) + data + _checksum(data)


def _checksum(data: bytes) -> bytes:
    table, crc = _table(), 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ table[(crc ^ byte) & 255]
    crc ^= 0xFFFFFFFF
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


@cache
def _table() -> tuple[int, ...]:
    """CRC-32C (Castagnoli) of each byte, bits reflected."""
    found = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        found.append(byte)
    return tuple(found)
