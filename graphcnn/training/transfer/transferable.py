"""A network that others' training is the beginning of: what `Model` does of that."""

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from graphcnn.errors import GraphError, OutOfMemoryError
from graphcnn.ir.graph import state_of
from graphcnn.ir.node import Value
from graphcnn.network.network import Network
from graphcnn.runtime.execution import Execution

if TYPE_CHECKING:
    from graphcnn.data.normalisation import Normalisation
    from graphcnn.learning.optimizers import Optimizer
    from graphcnn.training.transfer.tuning import TunedHistory
    from graphcnn.training.transfer.weights import LoadedWeights


class Transferable(Network):
    """Weights from elsewhere, new heads, fine tuning; see `Model`."""

    def load_weights(
        self,
        path: str | Path,
        names: str | Mapping[str, str] | Callable[[str], str] | None = None,
        *,
        skip: str | Sequence[str] = (),
        normalisation: "Normalisation | None" = None,
    ) -> "LoadedWeights":
        """Read the tensors of a safetensors file by their names.

            cnn.models.resnet18().load_weights("resnet18.safetensors", names="torchvision")

        Args:
            names: what the file calls the states of this model: "torchvision" or "timm" for the
                built-in networks that they have, too (resnet18, vgg16, mobilenet_v2, and of
                torchvision squeezenet); "torch" where its modules are called as our layers are, and
                only what is in them (the `weight` of a norm) is not; a dict or a function from our
                names to those of the file;
                None where they are the same, as in files that `save` wrote.
            skip: patterns of our names that are left as they are: "head" is the last layer, of
                another number of classes. What the file has for nothing is then ignored.
            normalisation: of the images that the weights were trained on. By default that of
                ImageNet for torchvision and timm, y = (x - mean) / std of pixels in [0, 1] with
                mean (0.485, 0.456, 0.406) and std (0.229, 0.224, 0.225); else what the file says.

        Returns:
            What was read, left and ignored; `print` tells it.

        Raises:
            WeightsError: a file that is no safetensors file, that of `torch.save` with the line
                that converts it; or all tensors that are missing, extra or of another shape, with
                the nearest names. The model is then as it was.
        """
        from graphcnn.training.transfer.weights import load_weights

        return load_weights(self, path, names, skip=skip, normalisation=normalisation)

    def with_head(
        self,
        layer: str | None = None,
        classes: int | Sequence[str] | None = None,
        *,
        head: Callable[[Value], Value] | None = None,
        freeze: bool = True,
    ) -> Self:
        """A model with another head, on the tensor of a layer.

            new = base.with_head("stage4.block2.relu2", classes=10)
            new = base.with_head("S4", head=lambda x: cnn.dense(cnn.flatten(x), 10))

        The layers below are shared with this model, weights and all, and so is the normalisation;
        `copy.deepcopy(model).with_head(...)` leaves this one as it is when all is trained.

        Args:
            layer: the name of a layer, an operator or an output, as `value` takes it. Without it
                the head of this model is replaced: its last dense layer or convolution, made anew
                for other classes, and the same behind it (softmax, flatten, pools, activations).
            classes: how many, or their names. The head is then a dense layer on the means of the
                maps.
            head: a function of the layer's tensor that makes another head.
            freeze: take what is shared out of training, of the new model; `unfreeze()` puts it
                back. False leaves frozen what is so here.

        Raises:
            GraphError: no such layer; or without one, a prediction of which it is not proven where
                the head is: the node is named.
        """
        from graphcnn.training.transfer import heads

        if (classes is None) == (head is None) or (head is not None and layer is None):
            raise GraphError("with_head takes classes=..., or layer=... and head=FUNCTION")
        names: tuple[str, ...] = ()
        if head is not None:
            prediction = heads.built(self.value(str(layer)), head)
        else:
            count, names = heads.counted(classes)
            prediction = (
                heads.replaced(self.graph, count)
                if layer is None
                else heads.on_layer(self.value(layer), count)
            )
        made = type(self)(self.graph.inputs, prediction, self.name)
        made.normalisation, made.reach = self.normalisation, self.reach
        made.classes = names
        base = {s.cell: s.trainable for s in map(state_of, self.graph.parameters)}
        parts = [s for s in map(state_of, made.graph.parameters) if s.cell in base]
        for trainable in (False, True):
            made.mark(
                [s.key for s in parts if (base[s.cell] and not freeze) is trainable], trainable
            )
        return made

    def fine_tune(
        self,
        data: Any,
        targets: Any = None,
        *,
        epochs: tuple[int, int] = (2, 5),
        head: str | Sequence[str] = (),
        factor: float = 0.1,
        statistics: str = "kept",
        frozen: str | Sequence[str] = (),
        optimizer: "str | Optimizer" = "adam",
        learning_rate: Any = None,
        validation: Any = None,
        seed: int = 0,
        checkpoint: str | Path | None = None,
        resume: str | Path | None = None,
        **options: Any,
    ) -> "TunedHistory":
        """Train the head on frozen layers, then all layers at a smaller rate.

            model = cnn.replace_head(cnn.import_onnx("mobilenet.onnx"), classes=5)
            history = model.fine_tune(train, epochs=(2, 5), validation=held_out)

        Each phase is a `fit`, whose other options these are, too: loss, metrics, batch_size,
        early_stopping, callbacks, ... hold in each. Afterwards all layers but `frozen` ones are in
        training.

        Args:
            epochs: of the first phase, and of the second.
            head: patterns of what the first phase trains. By default that is what is not frozen,
                as `with_head` leaves it, or where nothing is frozen the last layer.
            factor: the rate of the second phase is so many times that of the first.
            statistics: running statistics of batch normalisations in the second phase: "kept" as
                they are, since those of few and small batches would be worse; "moving", as `fit`
                does. The first keeps those of frozen layers.
            frozen: patterns of what is frozen in the second phase, too.
            learning_rate: of the first phase, a number or a schedule, which begins anew with each
                phase; or a pair, one for each, without a factor. By default that of `optimizer`.
            validation: data, or the fraction of `data` that is set aside, the same in both phases.
            seed: of the first phase; that of the second follows from it, so that no two epochs
                shuffle and augment alike.
            checkpoint, resume: a folder in which each phase has its own, `head` and `all`. A run
                that was stopped in either goes on to the same bits as if it had not.

        Returns:
            The history of both, whose `phases` are those of each.

        Raises:
            GraphError: it is not proven which layer is the head; name it by `head`.
            WeightsError: a checkpoint of another run; see `fit`.
        """
        from graphcnn.training.transfer.tuning import fine_tune

        try:
            history = fine_tune(
                self, data, targets, epochs=epochs, head=head, factor=factor,
                statistics=statistics, frozen=frozen, optimizer=optimizer,
                learning_rate=learning_rate, validation=validation, seed=seed,
                checkpoint=checkpoint, resume=resume, **options,
            )  # fmt: skip
        except MemoryError as error:
            raise OutOfMemoryError.of(f"{self.name} is trained", error) from None
        if history.advice:
            print(history.advice, file=sys.stderr)
        return history

    def recalibrate(
        self,
        data: Any,
        layers: str = "*",
        *,
        batch_size: int | None = None,
        runtime: str | None = None,
        threads: int | None = None,
        precision: str | None = None,
        tune: bool | None = None,
    ) -> list[str]:
        """Estimate the running statistics of batch normalisations anew, exactly over a data set.

        Each gets the mean and the unbiased variance of all numbers of a channel that it sees in
        inference, over all items: layer after layer, where those before have theirs already. That
        takes as many passes over the data, each up to its layer, as normalisations stand behind
        each other. After weights were averaged or replaced, the old statistics are those of other
        weights.

        Args:
            data: a `Dataset`, a pair (inputs, targets) or the inputs; targets are not looked at.
            layers: pattern of the names of the normalisations, such as "stage4.*".
            batch_size: items at a time, 64 by default: it changes memory, and the last bits.

        Returns:
            The names of the normalisations, in the order in which they were measured.

        Raises:
            GraphError: no normalisation matches, or one is used more than once.
            DataError: a single number per channel, or such that are not finite.
        """
        from graphcnn.training.transfer.recalibration import recalibrate

        execution = Execution.of(runtime, threads, precision, tune)
        return recalibrate(self, data, layers, batch_size, execution)


def replace_head(
    model: "Transferable", classes: int | Sequence[str], *, freeze: bool = True
) -> Any:
    """The model with a head for other classes, and the layers below it shared and frozen.

        model = cnn.import_onnx("mobilenet.onnx")
        model = cnn.replace_head(model, classes=5)
        model.fine_tune(data, epochs=(2, 5))

    As `model.with_head(classes=..., freeze=...)`, explained there.
    """
    return model.with_head(classes=classes, freeze=freeze)
