"""A network as a regressor of scikit-learn."""

from typing import Any, Self

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.utils import check_array, column_or_1d

from graphcnn.ir.node import Array
from graphcnn.sklearn.estimator import Estimator


class Regressor(RegressorMixin, Estimator):  # type: ignore[misc]
    """A network that tells one number, or several, of each item, trained by `Model.fit`.

        model = Regressor(network, epochs=20, random_state=0)
        model.fit(images, angles).score(test_images, test_angles)  # R²

    Numbers that are far from 1 are learned slowly:
    `TransformedTargetRegressor(Regressor(...), transformer=StandardScaler())` scales them.

    Args:
        model_fn: as for `Classifier`, but that the function is told `outputs`, how many numbers
            y has for an item; one that has no such argument takes them as `classes`.
        loss: the mean squared error by default.

    The other arguments and attributes are those of `Classifier`.
    """

    _what = "outputs"
    _usual_loss = "mse"

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train one epoch on these items, with the optimiser as the last call left it."""
        return self._partial_fit(X, y, sample_weight)

    def predict(self, X: Any) -> Array:
        """The numbers of each item, (n,) or (n, outputs), as y was."""
        found = self._predicted(X).reshape(-1, self.n_outputs_)
        return found[:, 0] if self._flat else found

    def _targets(self, y: Any, *, first: bool) -> Array:
        found: Array = check_array(
            y, ensure_2d=False, dtype="numeric", input_name="y", estimator=self
        ).astype(np.float32)
        if found.ndim == 2 and found.shape[1] == 1:
            found = column_or_1d(found, warn=True)
        if first:
            self._flat = found.ndim == 1
            self.n_outputs_ = 1 if self._flat else found.shape[1]
        found = found.reshape(len(found), -1)
        if found.shape[1] != self.n_outputs_:
            raise ValueError(
                f"y has {found.shape[1]} numbers for an item, expected {self.n_outputs_}"
            )
        return found

    def _count(self) -> int:
        return self.n_outputs_

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
