"""The rooms' parts in one list, for the composition roots: who serves, who reads the log, who works, who audits."""

from collections.abc import Awaitable, Callable

from fastapi import APIRouter

from app.core.db import AsyncSession
from app.core.events import Consumer
from app.core.jobs import Cron, Job
from app.customers import routes as customers_routes

Audit = Callable[[AsyncSession], Awaitable[list[str]]]
"""Runs a room's invariants; each string is one breach, said so that a person can find it."""

ROUTERS: list[APIRouter] = [
    *customers_routes.routers,
]
CONSUMERS: list[Consumer] = []
JOBS: list[Job] = []
CRONS: list[Cron] = []
AUDITS: dict[str, Audit] = {}
