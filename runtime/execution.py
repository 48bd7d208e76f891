"""How a graph is run: the choices that travel from the user's call to the machine code, as one."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from graphcnn.base import config
from graphcnn.runtime.native.memory.limits import available_processors

if TYPE_CHECKING:
    from graphcnn.runtime.native.code.target import Target


@dataclass(frozen=True)
class Execution:
    """How a graph is run. All but the runtime is about the native one.

    `Execution.of` makes it where a user's call comes in, and reads the environment there; nothing
    below does. Raises `GraphCnnError` for a value that is none.

    Attributes:
        runtime: "native" or "reference".
        threads: into how many parts a run is divided, as was asked for; None leaves it to the
            processors, of which a small graph then takes one.
        precision: "fast", or "strict" without algorithms that round more than a plain sum.
        tune: time the algorithms and layouts on this machine, in place of estimates.
        target: the processor that code is made for; None is the one this process runs on.
        processors: how many of them may be used; None are those at hand.
    """

    runtime: str = config.RUNTIMES[0]
    threads: int | None = None
    precision: str = config.PRECISIONS[0]
    tune: bool = False
    target: "Target | None" = None
    processors: int | None = None

    def __post_init__(self) -> None:
        config.check_runtime(self.runtime)
        config.check_precision(self.precision)
        config.check_threads(self.threads, "threads")
        config.check_threads(self.processors, "processors")

    @classmethod
    def of(
        cls,
        runtime: str | None = None,
        threads: int | None = None,
        precision: str | None = None,
        tune: bool | None = None,
        target: "Target | None" = None,
    ) -> Self:
        """What a user asks for; None is what the environment says, else the default.

        The environment is GRAPHCNN_RUNTIME, GRAPHCNN_THREADS, GRAPHCNN_PRECISION, GRAPHCNN_TUNE.
        """
        return cls(
            runtime or config.default_runtime(),
            threads,
            precision or config.default_precision(),
            config.default_tune() if tune is None else tune,
            target,
            config.default_processors() if threads is None else None,
        )

    @property
    def parts(self) -> int:
        """Into how many parts a run is divided, unless it is too small for that."""
        if self.threads is not None:
            return self.threads
        return self.processors or min(available_processors(), config.MOST_THREADS)

    @property
    def machine(self) -> "Target":
        """The target, which is this machine where none is given: all below is handed it."""
        from graphcnn.runtime.native.code.target import host

        return self.target or host()


#: The defaults, whatever the environment says.
NATIVE, REFERENCE = Execution("native"), Execution("reference")
