"""Arguments of `fit` as other libraries spell them, and what they are called here."""

import difflib
import inspect
from collections.abc import Callable, Iterable
from typing import Any

_SPELLED = {
    "class_weight": 'write class_weights={0: 1, 1: 5}, or class_weights="balanced"',
    "sample_weight": "write weights=array",
    "validation_data": "write validation=(images, labels), or a data set",
    "validation_split": "write validation=0.1",
    "validation_freq": "write validation_every=2",
    "val_check_interval": "write validate_at_steps=500",
    "verbose": "write progress=False for silence",
    "lr": "write learning_rate=0.01",
    "max_lr": "that is said by a schedule: learning_rate=cnn.schedules...",
    "num_iter": "write steps=100",
    "num_training": "write steps=100",
    "start_lr": "write low=1e-6",
    "min_lr": "write low=1e-6",
    "end_lr": "write high=10",
    "max_epochs": "write epochs=10",
    "n_epochs": "write epochs=10",
    "nb_epoch": "write epochs=10",
    "initial_epoch": "a run goes on by resume=FOLDER, which knows its epoch",
    "ckpt_path": "a run goes on by resume=FOLDER",
    "resume_from": "a run goes on by resume=FOLDER",
    "criterion": 'write loss="cross_entropy"',
    "bs": "write batch_size=32",
    "random_state": "write seed=0",
    "x": "the images come first: model.fit(images, labels)",
    "y": "write model.fit(images, labels), or targets=labels",
    "labels": "write model.fit(images, labels), or targets=labels",
    "gradient_clip_val": "that is said to the optimizer: cnn.SGD(0.01, clip_norm=1)",
    "workers": "batches are made beside the step anyhow",
    "num_workers": "batches are made beside the step anyhow",
}  # fmt: skip


def check_known(function: Callable[..., Any], given: Iterable[str]) -> None:
    """Raise `TypeError` for arguments that `function` does not have, naming what is meant."""
    known = list(inspect.signature(function).parameters)
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            hint = _SPELLED.get(name) or (f"did you mean {near[0]!r}?" if near else "")
            raise TypeError(
                f"{function.__name__}() has no argument {name!r}" + (f": {hint}" if hint else "")
            )
