"""What classifiers and regressors have in common: parameters, training, and what is kept of it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, Self

import numpy as np
from sklearn.utils import check_random_state
from sklearn.utils.validation import _check_sample_weight, check_is_fitted

from graphcnn.data.dataset import Dataset
from graphcnn.data.numpy_files import arrays
from graphcnn.ir.node import Array
from graphcnn.learning.optimizers import optimizer as make_optimizer
from graphcnn.network.feeding import at_least_one
from graphcnn.sklearn.items import as_taken, checked_items, told_shape
from graphcnn.sklearn.networks import made
from graphcnn.sklearn.parameters import Parameters
from graphcnn.training.fit import BATCH_SIZE
from graphcnn.training.history import History
from graphcnn.training.session import Session

#: Arguments of `fit` that say how a network is run, which predicting takes, too.
_RUNNING: Final = ("runtime", "threads", "precision", "tune")
#: Arguments of `fit` that a session takes.
_STEPPING: Final = (*_RUNNING, "metrics", "penalties", "shards")


class Estimator(Parameters):
    """See `Classifier` and `Regressor`."""

    _what: str
    _usual_loss: str

    def __init__(
        self,
        model_fn: Any,
        *,
        shape: Any = None,
        epochs: int = 10,
        batch_size: int | None = None,
        optimizer: Any = "adam",
        learning_rate: Any = None,
        loss: Any = None,
        early_stopping: Any = None,
        validation_fraction: float | None = None,
        random_state: Any = None,
        warm_start: bool = False,
        **fit: Any,
    ) -> None:
        self.model_fn = model_fn
        self.shape = shape
        self.epochs = epochs
        self.batch_size = batch_size
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.loss = loss
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.random_state = random_state
        self.warm_start = warm_start
        self._take_further(fit)

    # What the kinds of estimators tell

    def _targets(self, y: Any, *, first: bool) -> Array:
        """The targets of the network, and what is remembered of them where they are the `first`."""
        raise NotImplementedError

    def _count(self) -> int:
        """How many numbers the network gives for an item."""
        raise NotImplementedError

    def _chosen_loss(self) -> Any:
        return self._usual_loss if self.loss is None else self.loss

    def _names(self) -> tuple[str, ...]:
        """The names of the classes, where the targets are their numbers."""
        return ()

    # Training

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train a new network on images (n, C, H, W), (n, H, W) or rows (n, D).

        With `warm_start` the network of the last call goes on instead. Raises `ValueError` for
        data that do not fit together, the network, or what was fitted before; the estimator then
        is as it was.
        """
        with self._unchanged_by_errors():
            self._fit(X, y, sample_weight)
        return self

    def _fit(self, X: Any, y: Any, sample_weight: Any) -> None:
        began = bool(self.warm_start) and hasattr(self, "model_")
        data = self._data(X, y, sample_weight, first=not began)
        held = self.validation_fraction
        if self.early_stopping and held is None:
            held = 0.1
        stop = 10 if self.early_stopping is True else self.early_stopping or None
        self._forget_session()
        self.history_ = self.model_.fit(
            data,
            epochs=self.epochs,
            batch_size=self._batch_size(data),
            loss=self._chosen_loss(),
            optimizer=self.optimizer,
            learning_rate=self.learning_rate,
            validation=held,
            early_stopping=stop,
            seed=self._seed,
            **self._for_fit(),
        )
        self.n_iter_ = len(self.history_)

    @contextmanager
    def _unchanged_by_errors(self) -> Iterator[None]:
        """Take back what was remembered of data of which no network came."""
        before = dict(self.__dict__)
        try:
            yield
        except Exception:
            self.__dict__.clear()
            self.__dict__.update(before)
            raise

    def _partial_fit(self, X: Any, y: Any, sample_weight: Any) -> Self:
        """One epoch over these items, with the optimiser as the last call left it."""
        with self._unchanged_by_errors():
            self._one_epoch(X, y, sample_weight)
        return self

    def _one_epoch(self, X: Any, y: Any, sample_weight: Any) -> None:
        first = not hasattr(self, "model_")
        data = self._data(X, y, sample_weight, first=first)
        balance = self._for_fit().get("class_weights")
        if isinstance(balance, str):
            raise ValueError(f"class_weights={balance!r} needs all items: partial_fit has some")
        if balance is not None:
            data = data.weighted(balance)
        if first:
            self.n_iter_, self.history_ = 0, History()
        size = self._batch_size(data)
        with self._session_for(data, size) as session:
            losses = []
            for images, targets, *weights in data.epoch(self._seed, self.n_iter_, size):
                losses.append(session.step(images, targets, *weights)["loss"] * len(targets))
        self.n_iter_ += 1
        self.history_.rows.append({"loss": sum(losses) / len(data)})
        self.history_.rates.append(session.last_rate or float("nan"))

    def _session_for(self, data: Dataset, size: int) -> Session:
        """The session of the calls so far, or one that goes on with its states."""
        session: Session | None = self.__dict__.get("_session")
        if session is None:
            optimizer = make_optimizer(self.optimizer)
            if self.learning_rate is not None:
                optimizer = optimizer.at_rate(self.learning_rate)
            optimizer = optimizer.over(data.steps(size, False), self.epochs)
            told = self._for_fit()
            session = Session(
                self.model_,
                self._chosen_loss(),
                optimizer,
                seed=self._seed,
                data=data,
                **{name: told[name] for name in _STEPPING if name in told},
            )
            session.load(self.__dict__.get("_slots", {}))
            self._session = session
        return session

    def _batch_size(self, data: Dataset) -> int:
        """That of the parameters, or all items where there are fewer, as in a small fold."""
        size = BATCH_SIZE if self.batch_size is None else self.batch_size
        return min(at_least_one(size, "batch_size"), len(data))

    def _forget_session(self) -> None:
        self.__dict__.pop("_session", None)
        self.__dict__.pop("_slots", None)

    def __getstate__(self) -> dict[str, Any]:
        """As plain data: the states of the optimiser, which `partial_fit` goes on with, in place
        of the session that holds them."""
        state: dict[str, Any] = super().__getstate__().copy()
        session = state.pop("_session", None)
        if session is not None:
            own = self.model_.states
            state["_slots"] = {k: v for k, v in session.states.items() if k not in own}
        return state

    def _data(self, X: Any, y: Any, sample_weight: Any, *, first: bool) -> Dataset:
        """The items and their targets; for the first ones a network is made."""
        if y is None:
            raise ValueError(
                f"This {type(self).__name__} estimator requires y to be passed, but the target y "
                "is None."
            )
        items = checked_items(self, X, first=first)
        targets = self._targets(y, first=first)
        if len(items) != len(targets):
            raise ValueError(f"X has {len(items)} items, but y has {len(targets)}")
        if first:
            state = self.random_state
            whole = isinstance(state, int | np.integer) and not isinstance(state, bool)
            self._seed = int(state if whole else check_random_state(state).randint(2**31 - 1))
            shape = told_shape(items, self.shape)
            self._forget_session()
            self.model_ = made(self.model_fn, self._what, self._count(), shape, self._for_model())
            self.model_.classes = self._names()
            self.shape_ = self._taken()
        items = as_taken(items, self.shape_, self.model_.name)
        if len(self._output()) == 1:
            targets = targets.reshape(-1)
        data = arrays(items, targets, classes=self._names() or None)
        if sample_weight is None:
            return data
        weights = _check_sample_weight(sample_weight, items, ensure_non_negative=True)
        # Of mean 1, so that an item of weight 2 is one that is there twice.
        return data.weighted(weights * (len(weights) / (weights.sum() or 1.0)))

    def _taken(self) -> tuple[int, ...]:
        return tuple(int(str(size)) for size in self.model_.graph.inputs[0].type.shape[1:])

    def _output(self) -> tuple[Any, ...]:
        (output,) = self.model_.graph.outputs.values()
        return tuple(output.type.shape)

    # Predicting

    def _predicted(self, X: Any, *, raw: bool = False) -> Array:
        check_is_fitted(self, "model_")
        items = as_taken(checked_items(self, X, first=False), self.shape_, self.model_.name)
        told = self._for_fit()
        how = {name: told[name] for name in _RUNNING if name in told}
        found: Array = self.model_.predict(items, raw=raw, **how)
        return found
