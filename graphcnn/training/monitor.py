"""Which number of a row is watched, and whether more of it or less is better."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from graphcnn.errors import DataError, GraphError
from graphcnn.language.arguments import choose

Row = Mapping[str, float]
#: The name of a number, a function that makes one of a row, or None for the loss.
Monitored = str | Callable[[Row], float] | None

MODES = ("auto", "min", "max")
#: Words in the names of numbers of which less is better, and of which more.
_LESS = {"loss", "error", "mse", "mae", "rmse", "mape", "l1", "rate", "norm", "brier", "penalty",
         "distance", "bits", "nats", "divergence", "reconstruction"}  # fmt: skip
_MORE = {"accuracy", "precision", "recall", "f1", "f2", "auc", "ap", "iou", "miou", "dice",
         "jaccard", "r2", "specificity", "sensitivity", "kappa", "psnr", "ssim", "top", "match",
         "correlation", "variance"}  # fmt: skip


@dataclass(frozen=True)
class Monitor:
    """A number of the rows: the loss by default, that of validation where there is one.

    Args:
        what: its name, such as "val_accuracy", or a function of the row, such as
            `lambda row: row["val_f1"] - row["val_loss"]`.
        mode: "min" or "max" is better; "auto" knows it by the name.
    """

    what: Monitored = None
    mode: str = "auto"

    def __post_init__(self) -> None:
        choose(dict.fromkeys(MODES), self.mode, "mode")
        if self.what is not None and not isinstance(self.what, str) and not callable(self.what):
            raise GraphError(f"monitor must be a name or a function of a row, found {self.what!r}")
        _ = self.more  # known now, not after the first epoch

    @property
    def name(self) -> str:
        if self.what is None:
            return "loss"
        return self.what if isinstance(self.what, str) else getattr(self.what, "__name__", "custom")

    @property
    def more(self) -> bool:
        """Whether more is better. Raises `GraphError` where "auto" does not know."""
        if self.mode != "auto":
            return self.mode == "max"
        words = self.name.lower().removeprefix("val_").split("_")
        for known, more in ((_LESS, False), (_MORE, True)):
            if words[-1] in known or words[0] in known:
                return more
        raise GraphError(
            f'whether more or less of {self.name!r} is better is not known: say mode="min" or '
            'mode="max"'
        )

    def of(self, row: Row, measured: bool = False) -> float | None:
        """Its value; None in an epoch after which the validation data were not measured.

        `measured` says whether the run has validation data. Raises `DataError` for a name that no
        row can have.
        """
        skipped = measured and not any(key.startswith("val_") for key in row)
        if self.what is None:
            return None if skipped else row.get("val_loss", row["loss"])
        if not isinstance(self.what, str):
            return None if skipped else float(self.what(row))
        if self.what in row:
            return row[self.what]
        if skipped and self.what.startswith("val_"):
            return None
        raise DataError(
            f"there is no {self.what!r} to monitor; the rows of this run have {', '.join(row)}"
        )

    def better(self, value: float, best: float | None, by: float = 0.0) -> bool:
        """Whether a value is better than the best so far, by more than so much; NaN never is."""
        if math.isnan(value):
            return False
        if best is None:
            return True
        return value > best + by if self.more else value < best - by

    def order(self, values: Iterable[float]) -> list[int]:
        """Their places, the best first; the earlier first where they are equal."""
        sign = -1.0 if self.more else 1.0
        keys = [math.inf if math.isnan(v) else sign * v for v in values]
        return sorted(range(len(keys)), key=keys.__getitem__)
