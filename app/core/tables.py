"""The base of every table, and the few column shapes that all modules share.

A column is there for a statement that reads it. Only who did something and when (`…_by`, `…_at`) stays as a trail for a
person who looks, whether or not a statement reads it.
"""

from typing import Any

from sqlalchemy import BigInteger, DateTime, Identity, Text, func
from sqlmodel import Field, SQLModel

SQLModel.metadata.naming_convention = {
    "pk": "%(table_name)s_pkey",
    "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
    "uq": "%(table_name)s_%(column_0_N_name)s_key",
    "ix": "%(table_name)s_%(column_0_N_name)s_idx",
    "ck": "%(table_name)s_%(constraint_name)s_check",
}


class Table(SQLModel):
    """A table of one module: its name begins with the module's, its constraints are named by one rule.

    A table class does not validate; bodies do, and CHECK constraints forbid what no function may write.
    """


def text(**options: Any) -> Any:
    """A text column."""
    return Field(sa_type=Text, **options)


def fen(default: int | None = None, **options: Any) -> Any:
    """An amount of money: whole fen in a BIGINT."""
    if default is not None:
        options |= {"default": default, "sa_column_kwargs": {"server_default": str(default)}}
    return Field(sa_type=BigInteger, **options)


def numbered() -> Any:
    """A key that the database counts up: it says in which order rows were written."""
    return Field(
        default=None,
        primary_key=True,
        sa_type=BigInteger,
        nullable=False,
        sa_column_args=[Identity(always=True)],
    )


def moment(**options: Any) -> Any:
    """A point in time, with zone."""
    return Field(sa_type=DateTime(timezone=True), **options)


def created_at() -> Any:
    """When the row was written, by the database's clock."""
    return Field(
        default=None,
        sa_type=DateTime(timezone=True),
        nullable=False,
        sa_column_kwargs={"server_default": func.clock_timestamp()},
    )
