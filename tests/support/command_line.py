"""How tests run `graphcnn` in their own process."""

import inspect
from typing import Any

from click.testing import CliRunner, Result

from graphcnn.tools.cli import cli

#: A small and quick data set: 12×12 pictures of X and O.
XO = "xo:n=120,size=12,seed=0"


def run(*arguments: object, **options: Any) -> Result:
    """What a command did, its standard output and error apart (before click 8.2 on request)."""
    mixes = "mix_stderr" in inspect.signature(CliRunner).parameters
    runner = CliRunner(mix_stderr=False) if mixes else CliRunner()
    return runner.invoke(cli, [str(a) for a in arguments], **options)


def done(*arguments: object) -> str:
    result = run(*arguments)
    assert result.exit_code == 0, result.stdout + result.stderr
    return result.stdout


def refused(code: int, *arguments: object) -> str:
    """The message on stderr of a command that ends with `code`."""
    result = run(*arguments)
    assert result.exit_code == code, result.stdout + result.stderr
    assert "Traceback" not in result.stdout + result.stderr
    assert "Error: " in result.stderr
    return result.stderr
