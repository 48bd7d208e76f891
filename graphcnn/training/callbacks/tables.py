"""The history as a file that grows with it, for spreadsheets and other programs."""

import csv
import io
import json
import math
from typing import Any

from graphcnn.training.callbacks.log_file import LogFile, Row
from graphcnn.training.run import Run


class CSV(LogFile):
    """A line for each epoch: `epoch`, `learning_rate` and the numbers of its row.

        model.fit(train, epochs=20, callbacks=[cnn.callbacks.CSV("run.csv")])

    Numbers are written so that reading gives the same bits. Where an epoch brings a number of a new
    name, the file is written anew with one column more; one that an epoch lacks is left empty. A
    run that goes on has no line twice and none left out.
    """

    def __init__(self, path: Any) -> None:
        super().__init__(path)
        self._columns: list[str] = []

    def head(self, run: Run) -> bytes:
        return _line(self._columns)

    def _make_anew(self, run: Run) -> None:
        self._columns = _columns(run.position.rows)
        super()._make_anew(run)

    def of_epoch(self, number: int, rate: float, row: Row, run: Run) -> bytes:
        known = {"learning_rate": rate, **row}
        numbers = [repr(float(known[key])) if key in known else "" for key in self._columns[1:]]
        return _line([str(number), *numbers])

    def epoch(self, run: Run, row: Row) -> None:
        if not set(row) <= set(self._columns):
            self._make_anew(run)
        super().epoch(run, row)


class JSONL(LogFile):
    """A line of JSON for each epoch, and for every so many steps.

        cnn.callbacks.JSONL("run.jsonl", every_steps=100)

    An epoch is {"epoch": 1, "step": 469, "learning_rate": ..., "loss": ..., ...}; a step has no
    "epoch". What is no finite number is null. A run that goes on has no line twice and none left
    out.
    """

    def of_epoch(self, number: int, rate: float, row: Row, run: Run) -> bytes:
        step = number * run.batches
        return _json({"epoch": number, "step": step, "learning_rate": rate, **row})

    def of_step(self, step: int, rate: float, row: Row) -> bytes:
        return _json({"step": step, "learning_rate": rate, **row})


def _columns(rows: list[dict[str, float]]) -> list[str]:
    names = dict.fromkeys(key for row in rows for key in row)
    return ["epoch", "learning_rate", *names]


def _line(cells: list[str]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue().encode()


def _json(record: dict[str, Any]) -> bytes:
    finite = {k: x if math.isfinite(x) else None for k, x in record.items()}  # as JSON has them
    return (json.dumps(finite) + "\n").encode()
