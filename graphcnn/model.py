"""A network with all that users do with it: look, train, predict, measure, export."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from graphcnn.analysis.summary import Summary, summarize
from graphcnn.compile.pipelines import training_graph
from graphcnn.errors import GraphCnnError, ImportModelError, OutOfMemoryError
from graphcnn.exchange.exportable import Exportable
from graphcnn.generative.sampling import Sampling
from graphcnn.ir.graph import Graph, state_of
from graphcnn.ir.node import Array, Op
from graphcnn.ir.tensor_type import TensorType
from graphcnn.learning.aim import Aim, Losses, aim_of, readables
from graphcnn.learning.losses import LOSSES, Loss
from graphcnn.learning.metrics import Metrics
from graphcnn.learning.optimizers import Optimizer
from graphcnn.learning.optimizers import optimizer as make_optimizer
from graphcnn.learning.probabilities import is_probability
from graphcnn.learning.targets import given_types
from graphcnn.network.metadata import read, read_graph
from graphcnn.network.usual_loss import usual_loss
from graphcnn.network.weights import check_states, read_tensors
from graphcnn.onnx.importing.file.limits import Limits
from graphcnn.runtime.execution import Execution
from graphcnn.training.trainable import Trainable
from graphcnn.training.transfer.transferable import Transferable

if TYPE_CHECKING:
    from graphcnn.doctor.diagnosis import Diagnosis
    from graphcnn.doctor.overfit import Overfit
    from graphcnn.lens.lens import Lens
    from graphcnn.network.feeding import Data
    from graphcnn.onnx.importing.file.given import Inputs
    from graphcnn.page.page import Page


class Model(Trainable, Transferable, Exportable, Sampling):
    """A network: its graph (in inference form) and the values of its states.

    Args:
        inputs: the tensor, or the tensors, that are fed.
        outputs: a tensor, several, or a dict from name to tensor. The first is the prediction.
        name: used for files and titles.

    Attributes:
        graph: the definition, immutable, with a unique name on every node.
        normalisation: how images become the input; set by `fit` from the data, saved along.
        classes: names of the classes; set by `fit` from the data, saved along.
        loss: name of the loss of the last `fit`.
        objective: the loss of the last `fit` with its settings, or those of several outputs; saved
            where it holds no function of your own.
        sampler: how `sample` draws, for networks that draw; saved along.
        seed: of the last `fit`, else of the initial weights; None for weights from elsewhere.
    """

    # Looking

    def summary(self, *, dense: bool = False) -> Summary:
        """A table of the layers: shapes, parameters, multiply-adds, receptive fields.

        `dense` adds, for every convolution, the dense layer that it is: how many weights that
        would have, how many of them are removed, and how many shared.
        """
        if not dense:
            return summarize(self.graph)
        from graphcnn.passes.simplify.conv_to_dense import dense_equivalent

        convolutions = [n for n in self.graph.nodes if n.op.name == "conv2d"]
        return summarize(
            self.graph, tuple(f"{n.name}: {dense_equivalent(n)}" for n in convolutions)
        )

    def draw(self, path: str | Path, *, backward: bool = False, **options: Any) -> Path:
        """Draw the graph in the format of the file's suffix. Options are those of
        `graphcnn.pictures.graph_picture`; `backward` draws a whole training step instead."""
        from graphcnn.pictures import graph_picture, training_picture

        if backward:
            return training_picture(self.training_graph(), **options).save(path)
        return graph_picture(self.graph, **options).save(path)

    def draw_volume(self, path: str | Path, image: Any = None, **options: Any) -> Path:
        """Draw the tensors as volumes; with an image, its real feature maps are painted on them."""
        from graphcnn.pictures import volume_picture

        paint = self.activations(image) if image is not None else None
        return volume_picture(self.graph, paint=paint, **options).save(path)

    def activations(
        self,
        image: Any,
        *,
        batch_size: int | None = None,
        runtime: str | None = None,
        threads: int | None = None,
    ) -> dict[str, Array]:
        """The result of every input and operator by name, each with its items: (n, ...).

        Results of the graph as it was written, also of what `predict` merges: a convolution, the
        normalisation and the activation behind it, each by itself. Of an operator of several
        results the first.

        Args:
            image: one image (C, H, W), which comes as a batch of one, or a batch of any items as
                `predict` takes it.
            batch_size: items that run at a time, by default 32 where they may be cut apart. Memory
                is what is returned and the results of so many items once more.
            runtime: "native" computes in strict precision, "reference" by the definition; they
                differ by rounding. By default one image runs on the reference, since nothing is
                compiled for it, and a batch natively.
            threads: of the native runtime; any number gives the same bits.
        """
        from graphcnn.network.evaluation import activations

        first = next(iter(self.graph.inputs), None)
        single = first is not None and first.type.rank == 4 and np.ndim(image) == 3
        if single:
            image, runtime = np.asarray(image)[None], runtime or "reference"
        return activations(self, image, batch_size, Execution.of(runtime, threads, "strict"))

    def lens(self, **options: Any) -> "Lens":
        """A `Lens` on this network: feature maps, attributions, images that excite a unit.

            lens = model.lens()
            lens.integrated(image, target=7).save("why.svg")

        `help(lens)` has all methods. The options (runtime, threads, precision) are those of
        `graphcnn.lens.lens.Lens`; it computes in strict precision by default.
        """
        from graphcnn.lens.lens import Lens

        return Lens(self, **options)

    def page(self, path: str | Path, **options: Any) -> "Page":
        """Write one HTML file that runs this network in any browser, offline: draw, and see every
        map, what each number is made of, gradients, what excites a unit.

            model.page("page.html", samples=images, labels=labels)

        The options (samples, labels, most, title, float16, drawing, language) are those of
        `graphcnn.page.page.page`, explained there.
        """
        from graphcnn.page.page import page

        return page(self, path, **options)

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        """What a notebook shows: the graph."""
        from graphcnn.pictures import graph_picture

        return graph_picture(self.graph)._repr_mimebundle_()

    def training_graph(
        self,
        loss: Losses | None = None,
        optimizer: str | Optimizer | Mapping[str, str | Optimizer] = "sgd",
        metrics: Metrics = None,
        target: TensorType | Mapping[Any, TensorType] | None = None,
        *,
        loss_weights: Mapping[Any, float] | Sequence[float] | None = None,
        penalties: Mapping[str, Any] | None = None,
    ) -> Graph:
        """One graph for a whole training step: forward, loss, generated backward, updates.

        `loss` is by default that of the model, `objective`, or cross entropy where it has none.
        `target` is the type of the targets where the loss does not tell, which is a function: like
        the prediction by default, `TensorType((N,), DType.INT64)` for class numbers.
        """
        aim = aim_of(usual_loss(self, loss), loss_weights, penalties)
        types = given_types(aim, self.graph, target)
        return training_graph(self.graph, aim, make_optimizer(optimizer), metrics, types)

    # Using

    def predict(
        self,
        images: Any = None,
        *,
        batch_size: int | None = None,
        raw: bool = False,
        tta: str | None = None,
        runtime: str | None = None,
        threads: int | None = None,
        precision: str | None = None,
        tune: bool | None = None,
    ) -> Any:
        """The outputs for images (n, C, H, W) of uint8 or float.

        A model of several inputs takes a dict from their names to arrays, one without inputs takes
        nothing. Inputs whose type has no batch axis N are given whole, as the type says; outputs
        without N come once, the others with the items where N stands in their type.

        The items run in pieces of `batch_size`, by default of 256: it changes memory and speed,
        and of the result the last bits at most; what was asked before changes nothing. Where an
        output depends on all items together (a mean over the batch) they run at once, and a
        smaller `batch_size` is a `DataError` that names the node.

        A model whose batch size is a number b, as a file may say, takes any number of items too:
        they run b at a time, whatever `batch_size`, and each piece has the bits that it has alone.
        Items that influence each other are a `DataError` that names the node. An input that is
        given exactly what its type says, such as (1, 4), is the same for all pieces.

        After training with cross-entropy these are probabilities (softmax of the logits), after
        binary cross-entropy likewise (sigmoid); `raw` gives the outputs of the graph themselves,
        and so do a model that was never trained and one that ends in softmax, or sigmoid, itself.
        Several outputs come as a dict. The last four are explained at `fit`.

        `tta` averages over views of each image: "flip" over it and its mirror image, "shift" over
        it and two moved by a pixel, "flip+shift" over all six; `graphcnn.network.views` has the
        weights. The scores before softmax are averaged, and scores of pixels mirrored back. A
        `DataError` refuses it where the outputs are neither.
        """
        from graphcnn.network.evaluation import predict

        try:
            if tta is None:
                runner = self.runner(runtime, threads, precision, tune)
            else:
                from graphcnn.network.views import viewed

                execution = Execution.of(runtime, threads, precision, tune)
                made = partial(viewed, self.graph, tta, self.loss)
                runner = self.runner_of(f"{tta} {self.loss}", made, execution)
            outputs = predict(self, images, batch_size, runner)
        except MemoryError as error:
            raise OutOfMemoryError.of(f"{self.name} predicts", error) from None
        if not raw:
            for name, readable in self._readables().items():
                if not is_probability(self.graph.outputs[name], readable):
                    outputs[name] = readable.evaluate(outputs[name])
        return outputs if len(outputs) > 1 else next(iter(outputs.values()))

    def _readables(self) -> dict[str, Op]:
        """What makes outputs readable, by their names: of the prediction `loss` tells, of others
        what they were trained with."""
        several = isinstance(self.objective, Aim | Loss)
        found = readables(self.objective, self.graph) if several else {}
        known = LOSSES.get(self.loss or "")
        if known is not None and known.readable is not None:
            found[next(iter(self.graph.outputs))] = known.readable
        return found

    def evaluate(
        self,
        data: "Data",
        targets: Any = None,
        *,
        loss: Losses | None = None,
        loss_weights: Mapping[Any, float] | Sequence[float] | None = None,
        penalties: Mapping[str, Any] | None = None,
        batch_size: int = 256,
        metrics: Metrics = None,
        tta: str | None = None,
        report: bool = False,
        runtime: str | None = None,
        threads: int | None = None,
        precision: str | None = None,
        tune: bool | None = None,
    ) -> Any:
        """Loss and metrics over all items of a data set, a dict, whatever the batch size.

        `data` is a `Dataset`, a pair (inputs, targets), or the inputs with `targets` behind them.
        Means over the items are exact, and so is what is no mean, such as a recall: it is computed
        once, of the whole. A model whose batch size is a number is measured item by item, too.
        `loss` defaults to that of the last `fit`, else to cross-entropy. `metrics` are as in `fit`;
        `tta`: see `predict`.

        With `report` a `Report` comes back instead: the same numbers, and a table of precision,
        recall and F1 of each class with the worst confusions in words, or of the errors of each
        number. It prints and draws: `report.draw("report.svg")`, `report.draw_curves("roc.svg")`,
        and `report.to_json()` has all.
        """
        from graphcnn.network.evaluation import evaluate
        from graphcnn.network.report.measuring import reported

        chosen = loss or self.objective or self.loss
        if loss_weights is not None or penalties is not None:
            chosen = aim_of(usual_loss(self, loss), loss_weights, penalties)
        execution = Execution.of(runtime, threads, precision, tune)
        measured = reported if report else evaluate
        try:
            return measured(self, data, chosen, batch_size, metrics, execution, targets, tta)
        except MemoryError as error:
            raise OutOfMemoryError.of(f"{self.name} is evaluated", error) from None

    # Finding out what is wrong

    def diagnose(self, data: "Data", targets: Any = None, **options: Any) -> "Diagnosis":
        """What keeps this network from learning these data: checks of pixels, labels, the network,
        its first steps and its learning rate, on copies; the model is left as it is.

            print(model.diagnose(train, test=test, optimizer=cnn.SGD(0.1)))

        The arguments are those of `graphcnn.doctor.diagnose.diagnose`, explained there."""
        from graphcnn.doctor.diagnose import diagnose
        from graphcnn.training.foreign import check_known

        check_known(diagnose, options)
        return diagnose(self, data, targets, **options)

    def overfit_one_batch(self, data: "Data", targets: Any = None, **options: Any) -> "Overfit":
        """Whether one batch can be learned by heart, on a copy: the first thing to try where a
        training does not work. The arguments are those of
        `graphcnn.doctor.overfit.overfit_one_batch`, explained there."""
        from graphcnn.doctor.overfit import overfit_one_batch
        from graphcnn.training.foreign import check_known

        check_known(overfit_one_batch, options)
        return overfit_one_batch(self, data, targets, **options)


def load(path: str | Path) -> Model:
    """The model in a file that `Model.save` wrote: graph, weights, normalisation, classes."""
    tensors, metadata = read_tensors(path)
    graph = read_graph(metadata, path)
    model = Model(graph.inputs, graph.outputs, graph.name)
    check_states(tensors, model.graph.states, path)
    learned = read(metadata, model.graph, path)
    model.replace_states(tensors)
    model._take(learned)
    return model


def import_onnx(
    source: str | Path | bytes,
    inputs: "Inputs | None" = None,
    limits: Limits | None = None,
    outputs: Sequence[str] | None = None,
) -> Model:
    """The model in an ONNX file (or its bytes): float initializers are its parameters.

    Args:
        source: path, or the content of a file. External data is read for paths only, and only
            from the folder of the file.
        inputs: shapes by name where the file leaves sizes open, or to change them:
            `{"x": (1, 3, 224, 224)}`. The batch axis N stays open as `None`, `"N"` or `N`, or is
            opened where the file fixes it, if every item is proven to be computed apart. `"4*N"`
            says that a batch has four rows for each of N items, such as the frames of videos.
            What is no tuple or list is a value, an array or a number:
            `{"sizes": np.array([1, 3, 448, 448])}`. Such an input becomes a constant of the model
            and is no input any more, which is how the numbers of an input can decide shapes. A
            value may also be given for an initializer, in place of that of the file.
        limits: budgets for hostile files.
        outputs: names of values that are the outputs instead of those of the file: what comes
            behind them is left out, such as the selection of boxes at the end of a detector.

    Sizes that the file declares of results and outputs decide nothing; an `ImportModelWarning`
    tells where they are not so.

    Raises:
        ImportModelError: one line with the node, the attribute, and what was expected.
    """
    from graphcnn.onnx.importing.file.declared import warn_of  # these load the onnx package
    from graphcnn.onnx.importing.file.load import one_line
    from graphcnn.onnx.importing.file.messages import faults
    from graphcnn.onnx.importing.importer import import_graph

    found = import_graph(source, inputs, limits, outputs)
    graph = found.graph
    warn_of(graph.name, found.doubts)
    for name, array in found.empty.items():
        raise ImportModelError(
            f"output {name!r} has the shape {array.shape}, expected sizes of at least 1"
        )
    with faults("the model"):
        model = Model(graph.inputs, graph.outputs, graph.name)
    keys = [state_of(s).key for s in model.graph.states]
    model.replace_states({key: found.states[key] for key in keys})
    if found.model.producer_name == "graphcnn":
        try:
            model._take(read(found.metadata, model.graph, "the model"))
        except GraphCnnError as error:
            raise ImportModelError(one_line(error)) from None
    return model
