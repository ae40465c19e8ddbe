"""What a module gives to the processes that are composed of all modules."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fastapi import APIRouter
from sqlmodel import SQLModel

from app.core.db import Session
from app.core.errors import AppError
from app.core.events import Consumer
from app.core.jobs import Cron, Job
from app.core.settings import ModuleSettings

Audit = Callable[[Session], Awaitable[list[str]]]
"""Checks a module's invariants; each string is one breach, said so that a person can find it."""


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """The parts of one module. Whoever needs all modules' parts asks `app.modules`."""

    routers: Sequence[APIRouter] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    """What each group of operations is about, by the tag of its routers; modules that share a tag describe it once."""
    refusals: Mapping[str, Sequence[type[AppError]]] = field(default_factory=dict)
    """Errors that are answered by something else than an operation of the API, by what answers them."""
    consumers: Sequence[Consumer] = ()
    jobs: Sequence[Job] = ()
    timers: Sequence[Cron] = ()
    audits: Sequence[Audit] = ()
    tables: Sequence[type[SQLModel]] = ()
    settings: Sequence[type[ModuleSettings]] = ()
    collectors: Sequence[Any] = ()
    """How its subjects are paid (`payments.Collector`)."""
