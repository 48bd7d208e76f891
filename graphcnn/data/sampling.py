"""Which items an epoch has, and which fold an item is in: pure functions of the seed."""

from collections.abc import Sequence

import numpy as np

from graphcnn.data.normalisation import Array
from graphcnn.ir.philox import permutation, words

#: Streams of the random generator.
_BALANCE, _FOLD, _SPLIT = 0x42414C41, 0x464F4C44, 0x53504C54


def balanced_order(labels: Array, ignored: Sequence[int], seed: int, epoch: int) -> Array:
    """As many indices as there are items, equally many of each class that occurs.

    Each class has n / K places, or one more where that is no whole number, by chance. They are
    filled with its items in random order, again in another order once all have come.
    """
    known = np.flatnonzero(~np.isin(labels, ignored)) if len(ignored) else np.arange(len(labels))
    present, owner = np.unique(labels[known], return_inverse=True)
    k, n = len(present), len(labels)
    counts = np.bincount(owner)
    # Random words in a row: to order the classes, each pass over a class, and the whole.
    places = np.full(k, n // k)
    rounds = -(-(places + 1) // counts)
    drawn = words(seed, epoch, _BALANCE, k + int((rounds * counts).sum()) + n)
    places[np.argsort(drawn[:k], kind="stable")[: n % k]] += 1
    chosen, at = [], k
    for number in range(k):
        items, passes = known[owner == number], int(rounds[number])
        random = drawn[at : at + passes * len(items)].reshape(passes, -1)
        at += random.size
        chosen.append(items[np.argsort(random, axis=1, kind="stable")].ravel()[: places[number]])
    together: Array = np.concatenate(chosen)
    return together[np.argsort(drawn[at : at + n], kind="stable")]


def shared_out(labels: Array | None, n: int, held: int, seed: int) -> tuple[Array, Array]:
    """The indices of the rest, and of `held` of `n` items at random, each class in proportion."""
    order = _by_class(permutation(seed, 0, _SPLIT, n), labels)
    k = np.arange(n)
    chosen = (k + 1) * held // n > k * held // n  # every n/held-th of them
    return np.sort(order[~chosen]), np.sort(order[chosen])


def _by_class(order: Array, labels: Array | None) -> Array:
    """The items of the classes one behind another, in their order."""
    return order if labels is None else order[np.argsort(labels[order], kind="stable")]


def fold_numbers(labels: Array | None, n: int, count: int, seed: int) -> Array:
    """The fold of each of `n` items, from 0; each class goes through the folds in turn."""
    order = _by_class(permutation(seed, 0, _FOLD, n), labels)
    fold = np.empty(n, np.int64)
    fold[order] = np.arange(n) % count
    return fold
