"""From the definition of a network to something that runs: the pipelines, in one place.

    import      a file of another framework to a definition
    inference   a definition to the graph that predicts
    training    a definition with a loss to one training step
    export      a definition to the form that is stored
    onnx        what is stored to what ONNX has words for

What turns a graph of inference or training into machine code is `graphcnn.compile.native`; these
two are the only modules that see both the passes and the runtimes.
"""

from collections.abc import Callable, Collection, Iterable, Mapping

from graphcnn.base.config import verify_level
from graphcnn.base.garbage import kept
from graphcnn.errors import GraphError
from graphcnn.ir.graph import Graph, state_of
from graphcnn.ir.node import Array
from graphcnn.ir.plan import GRADIENT
from graphcnn.ir.sources import Input, Role
from graphcnn.ir.tensor_type import TensorType
from graphcnn.learning.aim import Aim, Losses, aim_of
from graphcnn.learning.goals import Goals
from graphcnn.learning.metrics import Metrics
from graphcnn.learning.objective import with_loss
from graphcnn.learning.optimizers import Optimizer
from graphcnn.learning.targets import Fed
from graphcnn.passes.driver.base import Applied, Observer, Pipeline
from graphcnn.passes.driver.observers import Differential, Verify
from graphcnn.passes.exchange.fold_norms import FoldNorms
from graphcnn.passes.exchange.predicting import Predicting
from graphcnn.passes.exchange.recognise import Recognise
from graphcnn.passes.exchange.turn_kernels import TurnKernels
from graphcnn.passes.lowering.retype import IN_FLOAT16
from graphcnn.passes.simplify.canonicalize import Canonicalize
from graphcnn.passes.simplify.eliminate import Eliminate
from graphcnn.passes.simplify.fold_batch_norm import FoldBatchNorm
from graphcnn.passes.simplify.fold_constants import FoldConstants
from graphcnn.passes.simplify.fold_states import FoldStates
from graphcnn.passes.simplify.fuse_pad import FusePad
from graphcnn.passes.simplify.merge_loops import MergeLoops
from graphcnn.passes.training.apply_optimizer import ApplyOptimizer, with_states_of
from graphcnn.passes.training.backward import Backward, Rules
from graphcnn.passes.training.distribute import ShareBatch, ShareGradients
from graphcnn.passes.training.train_goals import TrainGoals, loss_key, refuse_derived_norms
from graphcnn.passes.training.training_mode import STEP, TrainingMode, counter
from graphcnn.runtime.reference import Reference


def import_pipeline() -> Pipeline:
    """What a file of another framework says to a definition as ours are."""
    return Pipeline((Recognise(),))


def inference_pipeline(states: Mapping[str, Array] | None = None) -> Pipeline:
    """Definition to inference form. Given the values of the states, they become constants."""
    freeze = (FoldStates(states),) if states is not None else ()
    return Pipeline(
        (
            Canonicalize(),
            Eliminate(),
            FoldBatchNorm(),
            *freeze,
            FoldConstants(),
            FusePad(),
            Eliminate(),
            MergeLoops(),
        )
    )


def training_pipeline(
    optimizer: Optimizer | None,
    keep_gradients: bool = False,
    rules: Rules = "plain",
    shards: int = 1,
    resting: frozenset[str] = frozenset(),
) -> Pipeline:
    """Definition with a loss to one training step: forward, backward, update.

    Without an optimiser the gradients are left as outputs, with `keep_gradients` they are, too.
    Parameters that are `resting` have none, and no update.
    `rules` are those of `gradients`. With several `shards` it is the step of one part of the batch.
    """
    cut = shards > 1
    return Pipeline(
        (
            *((ShareBatch(shards),) if cut else ()),
            TrainingMode(shards),
            Canonicalize(),
            FusePad(),
            Backward(
                rules=rules
            ),  # before elimination, so that it sees every operator the user wrote
            MergeLoops(),
            *((ShareGradients(shards),) if cut else ()),
            *(() if optimizer is None else (ApplyOptimizer(optimizer, keep_gradients, resting),)),
            Eliminate(),
            FoldConstants(),
        )
    )


def goals_pipeline(training: TrainGoals, due: Collection[str]) -> Pipeline:
    """Definition with the losses of goals to one training step: forward, and for each goal that is
    due backward and update, in their order."""
    shards = training.shards
    losses = tuple(loss_key(name) for name in due)
    return Pipeline(
        (
            *((ShareBatch(shards, losses),) if shards > 1 else ()),
            TrainingMode(shards),
            Canonicalize(),
            FusePad(),
            training,
            MergeLoops(),
            Eliminate(),
            FoldConstants(),
        )
    )


def export_pipeline(float16: bool = False, fold_batch_norm: bool = False) -> Pipeline:
    """Definition to the form that is stored. Apply it with the values of the states."""
    norms = (FoldNorms(),) if fold_batch_norm else ()
    types = (IN_FLOAT16,) if float16 else ()
    return Pipeline((*norms, *types))


def onnx_pipeline() -> Pipeline:
    """What is stored to what ONNX has words for. Apply it with the values of the states."""
    return Pipeline((Predicting(), TurnKernels()))


def run_reference(
    graph: Graph, feeds: Mapping[str, Array], states: Mapping[str, Array]
) -> dict[str, Array]:
    """Outputs and updates of one run of the reference, in one dict."""
    outputs, updates = Reference(graph).run(feeds, states)
    return {**outputs, **{f"update {key}": value for key, value in updates.items()}}


def observers(trace: Callable[[Applied], None] | None = None) -> Iterable[Observer]:
    """What watches every pass: the verifier, the differential check, a trace."""
    level = verify_level()
    if level != "off":
        yield Verify()
    if level == "numbers":
        yield Differential(run_reference)
    if trace is not None:
        yield trace


@kept()
def inference_graph(
    graph: Graph,
    states: Mapping[str, Array] | None = None,
    trace: Callable[[Applied], None] | None = None,
) -> Graph:
    """The graph that predicts, after all passes."""
    return inference_pipeline(states).run(graph, observers(trace))


@kept()
def training_graph(
    graph: Graph,
    loss: Losses,
    optimizer: Optimizer | None,
    metrics: Metrics = None,
    target: TensorType | Fed | None = None,
    trace: Callable[[Applied], None] | None = None,
    keep_gradients: bool = False,
    shards: int = 1,
    resting: frozenset[str] = frozenset(),
    left: frozenset[str] = frozenset(),
) -> Graph:
    """One graph for a whole training step: loss and metrics out, every state updated.

    Without an optimiser, the gradients are outputs in place of the updates of parameters; with
    `keep_gradients` beside them, for steps that somebody is to see between. With several `shards`
    the graph is run on each part of a batch, and `all_reduce` in it adds up what they find. The
    parameters `resting` stay as they are, with their slots, and no gradient of them is computed.
    Of several goals those that are `left` out have no losses, gradients and updates.
    """
    joint = with_loss(graph, loss, metrics, target)
    goals = loss if isinstance(loss, Aim) else aim_of(loss)
    if isinstance(goals, Goals):
        options = (optimizer, keep_gradients, resting, shards)
        return _goals_graph(joint, goals, goals.trained(graph), options, left, trace)
    pipeline = training_pipeline(optimizer, keep_gradients, shards=shards, resting=resting)
    return pipeline.run(joint, observers(trace))


def _goals_graph(
    joint: Graph,
    goals: Goals,
    trained: Mapping[str, tuple[str, ...]],
    options: tuple[Optimizer | None, bool, frozenset[str], int],
    left: frozenset[str],
    trace: Callable[[Applied], None] | None,
) -> Graph:
    """The step of several goals. One that leaves some out has all states of the whole one."""
    if options[-1] > 1 and goals.in_turn is not None:
        raise GraphError(
            f"goal {goals.in_turn!r} comes after {goals[goals.in_turn].after!r} in a step, whose "
            "update takes the gradients of the whole batch, so that the batch cannot be cut into "
            f"{options[-1]} shards: train with shards=1, or without after="
        )
    refuse_derived_norms(joint, [loss_key(name) for name in goals])
    training = TrainGoals(goals, trained, *options)

    def step(due: Collection[str]) -> Graph:
        own = {k: v for k, v in joint.outputs.items() if goals.owner(k) in due}
        return goals_pipeline(training, due).run(joint.with_outputs(own), observers(trace))

    whole = step(goals)
    if not left:
        return whole
    return with_states_of(whole, step([name for name in goals if name not in left]))


@kept()
def minimising_graph(graph: Graph, optimizer: Optimizer, rules: Rules = "plain") -> Graph:
    """One graph for a step that makes the output `loss` smaller: every trainable state updated."""
    return training_pipeline(optimizer, rules=rules).run(graph, observers())


def update_graph(definition: Graph, optimizer: Optimizer, trained: Collection[str]) -> Graph:
    """What a step does once it has its gradients: they are inputs, for the parameters `trained`.

    The parameters, the states of the optimiser and the number of steps are updated.
    """
    parameters = [s for s in definition.states if state_of(s).role is Role.PARAMETER]
    gradients = {
        GRADIENT + state_of(p).key: Input(GRADIENT + state_of(p).key, p.type)(
            name=GRADIENT + state_of(p).key
        )
        for p in parameters
        if state_of(p).key in trained
    }
    step = counter(STEP, Role.COUNTER)
    # The others are there for the groups of the optimiser, whose patterns may name them alone.
    updates = {step: step + 1, **{p: p for p in parameters}}
    graph = Graph.of(gradients.values(), gradients, updates, definition.name)
    passes = Pipeline((ApplyOptimizer(optimizer), Eliminate(), FoldConstants()))
    graph = passes.run(graph, observers())
    return graph.with_outputs(
        graph.outputs, {state: new for state, new in graph.updates.items() if new is not state}
    )
