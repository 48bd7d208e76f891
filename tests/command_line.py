"""How tests run `graphcnn` in their own process."""

from click.testing import CliRunner, Result

from graphcnn.tools.cli import cli

#: A small and quick data set: 12×12 pictures of X and O.
XO = "xo:n=120,size=12,seed=0"


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli, [str(a) for a in arguments])


def done(*arguments: object) -> str:
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


def refused(code: int, *arguments: object) -> str:
    """The message on stderr of a command that ends with `code`."""
    result = run(*arguments)
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    assert "Error: " in result.stderr
    return result.stderr
