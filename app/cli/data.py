"""Commands that do one thing to the data and end: migrate, seed, audit, the first login, the demonstration."""

import asyncio
import json as json_format
from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar

import typer
from pydantic import SecretStr, ValidationError
from rich.console import Console

from app import stores
from app.core.db import Database
from app.core.faults import is_transient
from app.core.operator_errors import OperatorError
from app.core.settings import Settings
from app.core.wording import wording
from app.demo import brand, play
from app.migrations import schema
from app.processes.auditor import run_audit
from app.processes.dev import configuration, prepared

console = Console(stderr=True)
out = Console()
T = TypeVar("T")

staff = typer.Typer(help="Staff logins.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Register the commands of this file."""
    for command in (migrate, seed, audit, demo):
        app.command()(command)
    staff.command(name="create")(create_staff)
    app.add_typer(staff, name="staff")


def _with_database(act: Callable[[Settings, Database], Awaitable[T]]) -> T:
    async def run(settings: Settings) -> T:
        database = Database(settings, connections=2, name="siyu-cli")
        try:
            return await act(settings, database)
        except Exception as error:
            if not is_transient(error):
                raise
            raise OperatorError(f"the database could not serve this: {error}") from error
        finally:
            await database.close()

    with prepared(configuration()) as settings:
        return asyncio.run(run(unhurried(settings)))


def unhurried(settings: Settings) -> Settings:
    """What an operator asks for takes as long as it takes, and two who migrate at once wait for each other."""
    return settings.model_copy(update={"statement_timeout_ms": 0, "lock_timeout_ms": 0})


def migrate(
    check: Annotated[bool, typer.Option("--check", help="Change nothing: compare the tables with the models.")] = False,
) -> None:
    """Bring the database's schema up to date."""

    async def act(_: Settings, database: Database) -> None:
        if check:
            await _require_schema(database)
            differences = await schema.drift(database)
            for difference in differences:
                console.print(difference)
            if differences:
                raise typer.Exit(1)
        else:
            await schema.upgrade(database)
        console.print(f"schema at {await schema.current(database)}")

    _with_database(act)


def development_only(settings: Settings) -> Settings:
    """Refuses what would put example logins and a pretended WeChat into production."""
    if settings.environment == "production":
        raise typer.BadParameter("this is for development; SIYU_ENVIRONMENT says production")
    return settings


def seed() -> None:
    """A small brand to develop on: two regions, stores, guides, products, stock. Does nothing when there is one."""

    async def act(settings: Settings, database: Database) -> dict[str, str]:
        development_only(settings)
        await schema.upgrade(database)
        return await ensure_seeded(settings)

    for login, password in _with_database(act).items():
        out.print(f"{login} / {password}")


async def ensure_seeded(settings: Settings) -> dict[str, str]:
    """Seed an empty database; the staff logins and passwords that it has either way."""
    return await brand.seed(settings)


async def _require_schema(database: Database) -> None:
    revision = await schema.current(database)
    if not schema.serves(revision):
        typer.echo(f"the database's schema is at {revision}, not at {schema.head()}: run siyu migrate", err=True)
        raise typer.Exit(2)


def create_staff(
    login: Annotated[str, typer.Option(prompt=True, help="What to log in with: 2 to 64 of a-z 0-9 . _ @ -")],
    password: Annotated[
        str, typer.Option(prompt=True, hide_input=True, confirmation_prompt=True, help="10 to 128 characters.")
    ],
    name: Annotated[str, typer.Option(help="Shown to colleagues.")] = "总部",
) -> None:
    """A headquarters login: the first, or another when nobody can log in any more. Others are made through the API."""
    try:
        body = stores.HeadquartersCreate(login=login, password=SecretStr(password), name=name)
    except ValidationError as error:
        faults = "; ".join(f"{fault['loc'][0]}: {wording(fault)}" for fault in error.errors(include_input=False))
        raise typer.BadParameter(faults) from None

    async def act(_: Settings, database: Database) -> None:
        await _require_schema(database)
        await stores.create_headquarters(database, body)

    _with_database(act)
    console.print(f"headquarters login {login} is ready")


def audit(json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False) -> None:
    """Check that everything balances; exits 1 when something does not."""

    async def act(_: Settings, database: Database) -> dict[str, list[str]]:
        await _require_schema(database)
        return await run_audit(database)

    breaches = _with_database(act)
    if json:
        typer.echo(json_format.dumps(breaches, ensure_ascii=False, indent=2))
    else:
        width = max(map(len, breaches)) + 2
        for module, found in breaches.items():
            out.print(f"{module:{width}}{'balanced' if not found else ''}")
            for breach in found:
                out.print(f"  [red]{breach}[/red]")
    if any(breaches.values()):
        raise typer.Exit(1)


def demo(
    json: Annotated[bool, typer.Option("--json", help="Print the receipt as one JSON object.")] = False,
    viewers: Annotated[int, typer.Option(min=1, max=5_000)] = 200,
    buyers: Annotated[int, typer.Option(min=1, max=1_000)] = 60,
    tips: Annotated[int, typer.Option(min=0, max=1_000)] = 20,
) -> None:
    """Play the first sale on a fresh brand with real processes and clients; exits 1 when anything does not add up."""
    receipt = play.run(viewers=viewers, buyers=buyers, tips=tips, quiet=json)
    if json:
        typer.echo(json_format.dumps(receipt.as_json(), ensure_ascii=False, indent=2))
    else:
        receipt.print(out)
    if not receipt.adds_up:
        raise typer.Exit(1)
