"""The `siyu` command: every process and every operator's act."""

import typer

from app.cli import data, processes

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
    app()
