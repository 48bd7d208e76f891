"""Parameters of an estimator that takes more than its signature names.

`epochs` and its like stand in the signature; further arguments of `Model.fit` and, with `model__`
before them, arguments of the network's function are parameters once they are given.
"""

import difflib
import inspect
from typing import Any, Final, Self

from sklearn.base import BaseEstimator

from graphcnn.training.fit import fit

#: How the names of the network's own arguments begin.
MODEL: Final = "model__"
#: Arguments of `fit` that an estimator has by other means.
_ELSEWHERE: Final = {
    "seed": "write random_state=0",
    "validation": "write validation_fraction=0.1",
    "weights": "write fit(X, y, sample_weight=...)",
    "loss_weights": "an estimator has one loss",
    "fast_dev_run": "that is for Model.fit",
    "resume": "a fold would go on with the run of another; that is for Model.fit",
    "changing": "that is for Model.fit",
}
_FURTHER: Final = {*inspect.signature(fit).parameters} - {*_ELSEWHERE, "model", "train", "targets"}


class Parameters(BaseEstimator):  # type: ignore[misc]
    """`get_params` and `set_params` with the further parameters that were given."""

    def _take_further(self, given: dict[str, Any]) -> None:
        """What `__init__` does with `**fit`. Raises `TypeError` for what nobody takes."""
        names = {*inspect.signature(type(self).__init__).parameters} - {"self", "fit"}
        for name in given:
            if not _is_further(name):
                near = difflib.get_close_matches(name, names | _FURTHER, 1)
                hint = _ELSEWHERE.get(name) or (f"did you mean {near[0]!r}?" if near else "")
                raise TypeError(
                    f"{type(self).__name__}() has no argument {name!r}" + (f": {hint}" * bool(hint))
                )
        self._further = tuple(sorted(given))
        for name, value in given.items():
            setattr(self, name, value)

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The parameters by name."""
        names = sorted({*self._get_param_names(), *self._further})
        return {name: getattr(self, name) for name in names}

    def set_params(self, **params: Any) -> Self:
        """Set parameters, also further ones that had not been given. Raises `ValueError`."""
        names = {*self._get_param_names(), *self._further}
        for name in params:
            if name not in names and not _is_further(name):
                raise ValueError(
                    f"Invalid parameter {name!r} for estimator {self}. "
                    f"Valid parameters are: {sorted(names | _FURTHER)!r}, and arguments of the "
                    f"network as {MODEL}..."
                )
        self._further = tuple(sorted({*self._further, *params} - {*self._get_param_names()}))
        for name, value in params.items():
            setattr(self, name, value)
        return self

    def _for_model(self) -> dict[str, Any]:
        """Arguments of the network's function."""
        found = [name for name in self._further if name.startswith(MODEL)]
        return {name.removeprefix(MODEL): getattr(self, name) for name in found}

    def _for_fit(self) -> dict[str, Any]:
        """Further arguments of `Model.fit`; nothing is shown of a run unless it is asked for."""
        found = [name for name in self._further if not name.startswith(MODEL)]
        return {"progress": False, **{name: getattr(self, name) for name in found}}


def _is_further(name: str) -> bool:
    return name in _FURTHER or (name.startswith(MODEL) and name != MODEL)
