"""The rooms' parts in one list, for the composition roots: who serves, who reads the log, who works, who audits."""

from collections.abc import Awaitable, Callable

from fastapi import APIRouter

from app.attribution import routes as attribution_routes
from app.core import housekeeping
from app.core.db import AsyncSession
from app.core.events import Consumer
from app.core.jobs import Cron, Job
from app.customers import routes as customers_routes
from app.distribution import audit as distribution_audit
from app.distribution import consumers as distribution_consumers
from app.distribution import routes as distribution_routes
from app.insight import routes as insight_routes
from app.ledger import audit as ledger_audit
from app.live import audit as live_audit
from app.live import consumers as live_consumers
from app.live import jobs as live_jobs
from app.live import routes as live_routes
from app.mall import audit as mall_audit
from app.mall import consumers as mall_consumers
from app.mall import jobs as mall_jobs
from app.mall import routes as mall_routes
from app.payments import audit as payments_audit
from app.payments import jobs as payments_jobs
from app.payments import routes as payments_routes
from app.stores import audit as stores_audit
from app.stores import consumers as stores_consumers
from app.stores import routes as stores_routes

Audit = Callable[[AsyncSession], Awaitable[list[str]]]
"""Runs a room's invariants; each string is one breach, said so that a person can find it."""

ROUTERS: list[APIRouter] = [
    *customers_routes.routers,
    *attribution_routes.routers,
    *payments_routes.routers,
    *mall_routes.routers,
    *stores_routes.routers,
    *distribution_routes.routers,
    *live_routes.routers,
    *insight_routes.routers,
]
CONSUMERS: list[Consumer] = [
    *mall_consumers.CONSUMERS,
    *stores_consumers.CONSUMERS,
    *distribution_consumers.CONSUMERS,
    *live_consumers.CONSUMERS,
]
JOBS: list[Job] = [
    *payments_jobs.JOBS,
    *mall_jobs.JOBS,
    *live_jobs.JOBS,
]
CRONS: list[Cron] = [
    *housekeeping.CRONS,
    *payments_jobs.CRONS,
    *mall_jobs.CRONS,
    *live_jobs.CRONS,
]
AUDITS: dict[str, Audit] = {
    "ledger": ledger_audit.audit,
    "payments": payments_audit.audit,
    "mall": mall_audit.audit,
    "stores": stores_audit.audit,
    "distribution": distribution_audit.audit,
    "live": live_audit.audit,
}
