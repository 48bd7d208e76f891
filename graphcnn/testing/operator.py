"""Whether an operator of one's own is what it says."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

import numpy as np

from graphcnn.errors import GraphCnnError
from graphcnn.ir.evaluate import as_tuple
from graphcnn.ir.node import OPS, Op
from graphcnn.language.own_operators import Operator
from graphcnn.ops.own.operator import OwnGradient
from graphcnn.testing.batches import Case, cases, check_items
from graphcnn.testing.gradients import check_gradient, check_second_derivative, is_differentiable
from graphcnn.testing.kept import check_file, check_onnx, check_picture
from graphcnn.testing.runs import check_determinism, check_runtimes
from graphcnn.testing.samples import ErrorSample, Sample
from graphcnn.testing.texts import check_text
from graphcnn.testing.types import check_refused, check_types

Check = tuple[str, Callable[[], None]]

#: More inputs than these are not tried with several elements for each item.
_FEW = 2


def check_operator(operator: type[Operator], samples: Iterable[Sample | ErrorSample]) -> None:
    """Prove what an operator of one's own claims, on samples of it.

        check_operator(Swish, [
            Sample(Swish(), (3, 5)),                    drawn from [-2, 2)
            Sample(Swish(2.0), Draw((2, 3, 4, 4), -5, 5)),
            ErrorSample(Swish(), TensorType((3,), DType.INT64), match="float"),
        ])

    The functions are those that prove the operators of the library:

        types           in float64, float32 and float16 results are what `shape` promises, and no
                        input is written to; those of `backward` are the inputs'
        determinism     the same numbers give the same bits, whatever was computed in between
        gradient        `backward` or `differentiate` against central differences in float64; of
                        the latter the second derivative, too
        items           where `acts_on` claims that items or elements are apart, results and
                        gradients of a batch follow from those of its items; weights' gradients
                        are sums over them
        runtimes        the reference and the native runtime, on one thread and on two
        text, file      the graph, and a saved model, read back as what they were
        onnx            `onnx`, if it is given, is the definition and can be exported
        picture         it is drawn
        refusals        each `ErrorSample` is refused by a `GraphError` that matches

    Samples of operators in steps or with kinks draw with `distinct`, which keeps differences off
    them.

    Raises:
        AssertionError: with all that is not so, each with its sample, what was expected and found.
    """
    given = [*samples]
    if not isinstance(operator, type) or OPS.get(getattr(operator, "name", "")) is not operator:
        raise AssertionError(f"{operator!r} is no operator that @cnn.operator entered")
    if not any(isinstance(s, Sample) for s in given):
        raise AssertionError(f"{operator.name}: there is no sample to check it on")
    failed, count = [], 0
    for sample in given:
        if type(sample.op) is not operator:
            raise AssertionError(f"{sample!r} is no sample of {operator.name}")
        for what, check in _checks(sample):
            count += 1
            try:
                check()
            except (AssertionError, GraphCnnError) as error:
                failed.append(f"{what} of {sample!r}: {str(error).strip()}")
    if failed:
        lines = "\n".join(f"  {each}".replace("\n", "\n    ") for each in failed)
        raise AssertionError(f"{operator.name}: {len(failed)} of {count} checks fail\n{lines}")


def _checks(sample: Sample | ErrorSample) -> Iterator[Check]:
    if isinstance(sample, ErrorSample):
        yield "refusal", partial(check_refused, sample)
        return
    op = sample.op
    assert isinstance(op, Operator)
    for dtype in (np.float64, np.float32, np.float16):
        yield f"types in {np.dtype(dtype)}", partial(check_types, sample, dtype)
    yield "determinism", partial(check_determinism, sample)
    if is_differentiable(sample) or op.piecewise_constant:
        yield "gradient", partial(check_gradient, sample)
    if is_differentiable(sample) and op.gives("differentiate"):
        yield "second derivative", partial(check_second_derivative, sample)
    if op.acts_on != "batch":
        yield "items", lambda: check_items(_cases(sample))
    if op.gives("backward"):
        yield "types of backward", lambda: check_types(_backward(sample), np.float32)
        yield "determinism of backward", lambda: check_determinism(_backward(sample))
        if op.acts_on != "batch":
            yield "items of backward", lambda: check_items(_backward_cases(sample))
    for dtype in (np.float64, np.float32):
        yield "runtimes", partial(check_runtimes, sample, dtype)
    yield "text", partial(check_text, sample)
    yield "file", partial(check_file, sample)
    if op.gives("onnx"):
        yield "onnx", partial(check_onnx, sample)
    yield "picture", partial(check_picture, sample)


def _cases(sample: Sample) -> Iterator[Case]:
    return cases(sample, merged=len(sample.inputs) <= _FEW)


def _backward(sample: Sample) -> Sample:
    """A sample of what calls `backward`: random gradients of results, the inputs, the results."""
    arrays = sample.arrays()
    results = [np.asarray(y) for y in as_tuple(sample.op.evaluate(*arrays))]
    return Sample(_gradient(sample.op, len(arrays)), *_random(results), *arrays, *results)


def _backward_cases(sample: Sample) -> Iterator[Case]:
    """The same for every place where the items of a batch may be."""
    for case in _cases(sample):
        kinds, types = case.kinds()
        if all(kind.is_items for kind in kinds):
            results = case.run(list(range(case.count)))
            yield Case(
                _gradient(case.op, len(case.arrays)),
                (*types, *case.types, *types),
                (*_random(results), *case.arrays, *results),
                (*kinds, *case.places, *kinds),
                case.count,
            )


def _gradient(op: Op, count: int) -> OwnGradient:
    return OwnGradient(op, count)


def _random(results: Iterable[Any]) -> list[Any]:
    rng = np.random.default_rng(4)
    return [rng.uniform(-1, 1, y.shape).astype(y.dtype) for y in results]
