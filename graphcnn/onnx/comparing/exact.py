"""The exact result of one bound graph for one input, and the spread of rounding around it."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from graphcnn.ir.graph import Graph
from graphcnn.ir.node import Array, Value
from graphcnn.ir.tensor_type import DType
from graphcnn.onnx.comparing.rounding import Rounding
from graphcnn.onnx.comparing.widened import Widened, wide
from graphcnn.onnx.comparing.yardstick import Spread
from graphcnn.passes.lowering.retype import IN_FLOAT64

Given = Mapping[Value, Array]


@dataclass(frozen=True, eq=False)
class Exact:
    """One bound graph and what it is fed.

    Attributes:
        narrowed: a type that what is judged has in place of every float32; None for none.
    """

    graph: Graph
    feeds: Mapping[str, Array]
    states: Mapping[str, Array]
    narrowed: DType | None = None

    @cached_property
    def _wide(self) -> Widened:
        return Widened.of(self.graph)

    @cached_property
    def _kinds(self) -> dict[Value, DType]:
        """The types of the values as they round."""
        new = self.narrowed
        kinds = self._wide.kinds
        return {v: new if new is not None and k is DType.FLOAT32 else k for v, k in kinds.items()}

    @cached_property
    def _arrays(self) -> tuple[dict[str, Array], dict[str, Array]]:
        return wide(self.feeds), wide(self.states)

    @cached_property
    def _integers(self) -> bool:
        """Whether floats are made of integers."""
        return any(n.op.name == "cast" and not n.inputs[0].dtype.is_float for n in self.graph.nodes)

    def measure(
        self,
        keep: Collection[Value],
        given: Given,
        runs: int,
        known: dict[Value, Spread] | None = None,
    ) -> dict[Value, Spread]:
        """The values of `keep`, exactly and in so many runs with noise, of which `known` has some.

        `given` are decisions that are taken as they are.
        """
        wanted = [v for v in keep if v in self._wide.values]
        if known is None:
            exact = self._run(wanted, given, None)
            known = {v: Spread(exact[v], self._kinds[self._wide.values[v]]) for v in wanted}
        first = next(iter(known.values()), None)
        for number in range(first.runs if first is not None else runs, runs):
            noisy = self._run(wanted, given, np.random.default_rng((5, number)))
            for value, spread in known.items():
                spread.add(noisy[value])
        return known

    def _run(
        self, keep: Collection[Value], given: Given, rng: np.random.Generator | None
    ) -> dict[Value, Array]:
        new = self._wide.values
        taken = {new[v]: IN_FLOAT64.array(a) for v, a in given.items() if v in new}
        run = Rounding(
            self._wide.graph, self._kinds, rng, taken, self._integers, self.narrowed is not None
        )
        with np.errstate(all="ignore"):
            found = run.run(*self._arrays, {new[v] for v in keep})
        return {v: found[new[v]] for v in keep}
