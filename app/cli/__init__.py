"""The `siyu` command: every process and every operator's act."""

import sys

import typer

from app.cli import data, processes
from app.core.errors import AppError
from app.core.operator_errors import OperatorError

app = typer.Typer(
    name="siyu",
    help="Siyu: a headless social-commerce backend for brands that sell through WeChat.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
processes.add_to(app)
data.add_to(app)


def main() -> None:
    """Run a command. What the operator can mend is said without a traceback."""
    try:
        app()
    except OperatorError as error:
        typer.echo(str(error), err=True)
        sys.exit(error.exit_code)
    except AppError as error:
        typer.echo(str(error), err=True)
        sys.exit(1)
