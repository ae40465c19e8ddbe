"""The `siyu` command: every process and every operator's act."""

import sys

import typer
from pydantic import ValidationError

from app.cli import data, processes
from app.core.embedded import EngineFailed
from app.core.errors import AppError
from app.migrations.schema import TooOld
from app.processes.stack import ProcessFailed
from app.simulator import SimulatorIncomplete

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
    """Run a command. What the operator can mend is said in one line, without a traceback."""
    try:
        app()
    except ValidationError as error:
        for fault in error.errors():
            typer.echo(f"configuration: {'.'.join(map(str, fault['loc']))} {fault['msg']}".replace("  ", " "), err=True)
        sys.exit(2)
    except (AppError, EngineFailed, ProcessFailed, SimulatorIncomplete, TooOld) as error:
        typer.echo(str(error), err=True)
        sys.exit(1)
