"""A network that can be trained: what `Model` does of that."""

import sys
from typing import TYPE_CHECKING, Any

from graphcnn.errors import OutOfMemoryError
from graphcnn.network.network import Network

if TYPE_CHECKING:
    from graphcnn.network.feeding import Data
    from graphcnn.training.history import History
    from graphcnn.training.lr_find import RateSweep


class Trainable(Network):
    """Training, and what is asked before it; see `Model`."""

    def fit(self, train: "Data", targets: Any = None, **options: Any) -> "History":
        """Train; weights, normalisation and names of the classes are then in the model.

            history = model.fit(train, epochs=10, optimizer="adam", validation=0.1)

        Args:
            train: a `Dataset` of `cnn.data`; a pair (inputs, targets), where inputs are an array,
                or a dict or tuple of arrays for a model of several; a generator, a function that
                gives one for each epoch, or a loader, whose batches are taken as they come (see
                `cnn.data.stream`); or a data set of another library, with `__len__` and
                `__getitem__` (see `cnn.data.samples`). Targets are class numbers, one per item or
                one per pixel, or floats of the shape of the prediction; a loss of your own takes
                what the data hold, whole numbers as i64.
            targets: those of `train`, where they do not come with it.
            epochs: passes over the data, counted from the beginning of the run (also when resumed);
                1 by default, with `max_steps` as many as these need.
            batch_size: items of a step, 32 by default, or all where there are fewer.
            loss: by default `model.objective`, that which the model was made for or last trained
                with, or cross entropy where there is none. A name of `cnn.losses.LOSSES`
                ("cross_entropy", "mse", "focal", ...), a loss with its settings,
                `cnn.losses.CrossEntropy(label_smoothing=0.1)`, or a function of
                (prediction, target, *, weights=None) that returns a scalar tensor; `weights` are
                only needed where items have some. Of a model that is proven to end in softmax (or
                sigmoid), losses that apply it are computed of what stands before it. Several
                outputs have a dict from their names to losses, or a list in their order, and
                targets likewise; a tuple of names is the key of a loss that compares several. What
                is reported is `loss`, their sum, and `NAME_loss`, `NAME_accuracy`. A `cnn.Goal`, or
                a dict of such by names of one's own, are losses of all outputs and inputs that
                train parameters of their own each.
            loss_weights: what the losses of several outputs are multiplied by in the sum.
            penalties: what is added to the loss, `{"conv*.weight": cnn.penalties.L2(1e-4)}`, by
                names of parameters or layers, and reported as `penalty`.
            optimizer: "sgd", "adam", "adamw", "rmsprop", "adagrad", "adadelta", "lion", "lamb",
                "muon", or an optimiser with its settings (`cnn.optimizers`); or a dict of such by
                patterns of names of parameters, of which each has one. Its schedules count
                steps, `cnn.schedules.epochs(10)`, or the whole run: `steps=None`. Of one that
                averages (`cnn.EMA`, `cnn.SWA`) the averaged weights are measured and kept as the
                best, and are the model's at the end; after `SWA` its batch normalisations are
                calibrated anew. The checkpoint holds both, for a run that goes on.
            learning_rate: in place of that of the optimiser: a number, or one of `cnn.schedules`.
            validation: measured after every epoch, in inference form: data, or the fraction of
                `train` that is set aside for it, as `train.split(0.1, seed)` does (each class in
                proportion).
            weights: how much each item counts in the loss, (n,) or of the shape of the targets.
            class_weights: "balanced", or a dict from names or numbers of classes to how much their
                items count; both as in `Dataset.weighted`. Validation is measured without either.
            validation_batch_size: items measured at a time; by default the batch size.
            validation_every: measure after every so many epochs only, and after the last.
            validate_at_steps: measure after every so many steps, too; `Watcher.validation` is told,
                and `step_history` has it.
            metrics: names ("accuracy", "top_3_accuracy", "f1", ...), metrics with their settings
                (`cnn.metrics.F1(average=None)`) or functions of (prediction, target), reported
                besides the loss; by default what suits the loss. All are exact over the epoch. What
                ranks all items at once ("auc") is reported of the validation data only, and so is
                what a function gives that is neither a mean nor a sum over the items.
            seed: of the initial weights (unless the model has some), the order, the augmentation
                and the dropout.
            shuffle: take the items in another order every epoch; False takes them as they lie.
            drop_last: leave out a last batch that is short; shuffling leaves out others every
                epoch.
            shards: cut the batch of every step into so many parts, which are computed one after the
                other in the memory of a single one; gradients, batch statistics, loss and metrics
                are those of the whole, up to rounding, but that a batch norm normalises each part
                by its own statistics. The numbers depend on `shards`, which is why a run keeps it.
                A loss that takes the items of a batch together is refused.
            steps_per_epoch: an epoch of the run is so many steps, which go through the data again
                and again, and no longer one pass over them.
            max_steps: end after so many steps of the whole run.
            max_time: end after so much time of this call, before `epochs` are done: seconds, a
                timedelta, or "1h30m".
            early_stopping: an `EarlyStopping`, or its patience in epochs.
            checkpoint: folder for `last.safetensors` after every epoch and `best.safetensors`.
            checkpoint_every: also write `last` after every so many batches.
            resume: folder of a run to go on with, to the same bits as if it had not stopped. A
                folder without a checkpoint begins a run that writes there. A run that was told
                something else (data, network, loss, metrics, optimiser, learning rate, batch size,
                seed: compared by value or by hash) is refused. Not compared are callbacks, early
                stopping, runtime and precision.
            changing: what is other than in that run on purpose: "learning_rate", "optimizer" (its
                slots begin anew), "loss", "metrics", "network" (other layers frozen), "data",
                "validation", "batch_size", "seed", "shuffle", "shards". Where that changes what the
                epoch under way still has to see, the epoch begins anew. Schedules count all steps
                of the run.
            runtime: "native" or "reference"; None is the default one (GRAPHCNN_RUNTIME).
            threads: of the native runtime; the result is the same for any number.
            precision: of the native runtime: "fast", or "strict" without Winograd's algorithm,
                which rounds more than a plain sum; None is GRAPHCNN_PRECISION, else "fast".
            tune: of the native runtime: time the algorithms and layouts on this machine, in place
                of estimates, and remember what is fastest; None is GRAPHCNN_TUNE, else False.
            progress: a bar on a terminal, elsewhere (in a notebook) a line after every epoch; False
                is silence.
            step_history: whether `History.steps` has a row for every step.
            fast_dev_run: rehearse the call: the first batch of the run, or so many, and as many of
                validation, then the end of an epoch, so that what would fail later fails now. All
                else is that of the run (schedules over its whole length, shards, metrics,
                averages). It is done on a copy, and the model is left as it was, to the bit, but
                for its `loss`, which later lines measure by. Nothing is written: `checkpoint` and
                `resume` are passed over, and so are callbacks that write files (those with
                `writes`: CSV, JSONL, TensorBoard, Checkpoints). Other callbacks are told
                everything: those of `cnn.callbacks` as copies, so that the run finds them as new.
            callbacks: those of `cnn.callbacks`, functions, called as f(epoch, row) after every
                epoch, and `Watcher`s of one's own, who are told of the start, every batch, every
                epoch and the end, and may stop the run:

                    class Enough(cnn.Watcher):
                        def epoch(self, run, row):
                            return "accurate enough" if row["val_accuracy"] > 0.95 else None

                    history = model.fit(train, epochs=50, validation=held_out, callbacks=[Enough()])
                    print(history.ended, "after", len(history), "epochs")

        Returns:
            One row per epoch, also of those before a resume.

        Raises:
            DataError: data that do not fit the model, batches larger than the data set, bad labels.
            TrainingError: the loss is not finite; names the first node that made it so.
            WeightsError: a checkpoint of another model or with other settings.
        """
        from graphcnn.training.fit import fit
        from graphcnn.training.foreign import check_known

        check_known(fit, options)
        try:
            history = fit(self, train, targets, **options)
        except MemoryError as error:
            raise OutOfMemoryError.of(f"{self.name} is trained", error) from None
        if history.advice:
            print(history.advice, file=sys.stderr)
        return history

    def lr_find(self, data: "Data", targets: Any = None, **options: Any) -> "RateSweep":
        """Suggest a learning rate, and leave the model as it is. The arguments are those of
        `graphcnn.lr_find`, explained there."""
        from graphcnn.training.foreign import check_known
        from graphcnn.training.lr_find import lr_find

        check_known(lr_find, options)
        return lr_find(self, data, targets, **options)
