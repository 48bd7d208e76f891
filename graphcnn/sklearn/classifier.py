"""A network as a classifier of scikit-learn."""

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils import check_array, column_or_1d
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets, type_of_target

from graphcnn.ir.node import Array
from graphcnn.learning.losses import LOSSES, Loss
from graphcnn.sklearn.estimator import Estimator

_SEVERAL = "multilabel-indicator"


def _gives_probabilities(classifier: "Classifier") -> bool:
    loss = classifier._chosen_loss()
    known = loss if isinstance(loss, Loss) else LOSSES.get(loss) if isinstance(loss, str) else None
    return known is not None and known.readable is not None


class Classifier(ClassifierMixin, Estimator):  # type: ignore[misc]
    """A network that tells classes apart, trained by `Model.fit`.

        model = Classifier("digits_cnn", epochs=10, random_state=0)
        model.fit(images, labels).score(test_images, test_labels)

    The same data, parameters and `random_state` give the same bits, whatever `n_jobs` and
    `threads`; `random_state=3` is the `seed=3` of `Model.fit`.

    Args:
        model_fn: a function that makes the `Model`, or the name of a built-in network. It is told
            `classes`, their number, and `shape`, that of an item, where it has such arguments; the
            parameters `model__...` are its others: `Classifier(net, model__width=16)`.
        shape: of an item, such as (1, 8, 8), where X is rows (n, 64) and the network does not tell.
        epochs, batch_size, optimizer, learning_rate: as in `Model.fit`, but that Adam is the usual
            optimiser.
        loss: cross-entropy by default, for several labels at a time binary cross-entropy.
        early_stopping: epochs without an improvement after which training stops, True for 10, or
            an `EarlyStopping`.
        validation_fraction: how much of the data is held out, of each class in proportion; with
            `early_stopping` a tenth by default, else none.
        random_state: of the first weights, the order of the items, dropout.
        warm_start: whether `fit` goes on with the network of the last call.
        **fit: further arguments of `Model.fit`, such as `class_weights="balanced"`, whose keys as a
            dict are labels, `threads` or `callbacks`.

    Attributes:
        model_: the trained `Model`, with the names of the classes; `model_.save` writes it.
        history_: the `History` of the last `fit`.
        classes_: the labels, sorted; for several labels at a time 0, 1, ... .
        n_iter_: epochs of the last `fit`; with `partial_fit` of all calls.
        n_features_in_: numbers of an item.
        shape_: the shape in which the network takes an item.
    """

    _what = "classes"

    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Self:
        """Train one epoch on these items, with the optimiser as the last call left it.

        `classes` are all labels that will come, wanted in the first call where `y` has not all of
        them. Raises `ValueError` for labels that are none of them.
        """
        if not hasattr(self, "model_"):
            self._announced = classes
        elif classes is not None and not np.array_equal(self.classes_, np.unique(classes)):
            raise ValueError(
                f"`classes={classes!r}` is not the same as on last call to partial_fit, was: "
                f"{self.classes_!r}"
            )
        try:
            return self._partial_fit(X, y, sample_weight)
        finally:
            self.__dict__.pop("_announced", None)

    def decision_function(self, X: Any) -> Array:
        """The scores before softmax, (n, classes); of two classes how much that of the second is
        above that of the first, (n,)."""
        scores = self._predicted(X, raw=True)
        two = not self._several and scores.shape[1] == 2
        return scores[:, 1] - scores[:, 0] if two else scores

    @available_if(_gives_probabilities)  # type: ignore[untyped-decorator]
    def predict_proba(self, X: Any) -> Array:
        """The probability of each class, (n, classes)."""
        return self._predicted(X)

    def predict(self, X: Any) -> Array:
        """The most probable label of each item; for several labels at a time 0 or 1 for each."""
        scores = self._predicted(X, raw=not self._is_several())
        found: Array = (
            (scores > 0.5).astype(int) if self._several else self.classes_[scores.argmax(1)]
        )
        return found

    def _is_several(self) -> bool:
        return bool(self.__dict__.get("_several"))

    def _targets(self, y: Any, *, first: bool) -> Array:
        check_array(y, ensure_2d=False, dtype=None, input_name="y", estimator=self, allow_nd=True)
        check_classification_targets(y)
        several = type_of_target(y) == _SEVERAL
        labels = np.asarray(y) if several else column_or_1d(y, warn=True)
        if first:
            announced = self.__dict__.get("_announced")
            self._several = several
            found = (
                range(labels.shape[1]) if several else labels if announced is None else announced
            )
            self.classes_ = np.unique(found)
            if len(self.classes_) < 2 and not several:
                raise ValueError(
                    f"{type(self).__name__} tells at least two classes apart, but y has one class: "
                    f"{self.classes_.tolist()[0]!r}"
                )
        if several != self._several or (several and labels.shape[1] != len(self.classes_)):
            raise ValueError("y is of another kind than that of the first fit")
        if several:
            return labels.astype(np.float32)
        unknown = np.setdiff1d(labels, self.classes_)
        if len(unknown):
            raise ValueError(f"y has labels that are none of the classes: {unknown[:10].tolist()}")
        return np.searchsorted(self.classes_, labels)

    def _count(self) -> int:
        return len(self.classes_)

    def _names(self) -> tuple[str, ...]:
        return () if self._several else tuple(map(str, self.classes_))

    def _chosen_loss(self) -> Any:
        usual = "binary_cross_entropy" if self._is_several() else "cross_entropy"
        return usual if self.loss is None else self.loss

    def _for_fit(self) -> dict[str, Any]:
        told = super()._for_fit()
        weights = told.get("class_weights")
        if isinstance(weights, Mapping):
            told["class_weights"] = {str(label): weight for label, weight in weights.items()}
        return told

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
