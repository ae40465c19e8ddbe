"""The one list of modules, by layer from the top. Whatever is composed of all modules is derived from it.

A module imports only modules of lower layers, and only through their public interface; modules that share a layer do not
import each other. Adding one is a folder with a `manifest.py` and its name here.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from importlib import import_module
from typing import TypeVar

from fastapi import APIRouter
from sqlmodel import SQLModel

from app.core import housekeeping, models
from app.core.errors import AppError
from app.core.events import Consumer
from app.core.jobs import Cron, Job
from app.core.log_audit import log_audit
from app.core.manifest import Audit, Manifest
from app.core.settings import ModuleSettings
from app.payments import Collector

LAYERS: tuple[tuple[str, ...], ...] = (
    ("insight",),
    ("live",),
    ("distribution", "stores"),
    ("mall.aftersales",),
    ("mall.orders",),
    ("mall.promotions",),
    ("mall.catalog",),
    ("payees",),
    ("payments",),
    ("attribution",),
    ("ledger", "customers"),
    ("wechat",),
    ("core",),
)
"""The business, highest layer first."""

ROOTS: tuple[tuple[str, ...], ...] = (
    ("cli",),
    ("demo",),
    ("main",),
    ("processes",),
    ("migrations",),
    ("modules",),
    ("simulator",),
)
"""What stands above the business: commands, the demonstration, processes, the schema, this list, WeChat's stand-in."""

CORE_LAYERS: tuple[tuple[str, ...], ...] = (
    ("housekeeping", "log_audit", "manifest", "embedded", "models"),
    ("audits",),
    ("http",),
    ("auth", "failed_jobs", "idempotency", "sweeps"),
    ("events", "jobs", "versions"),
    ("paging", "runtime", "tables"),
    ("db", "redis"),
    ("faults", "network", "sealed", "telemetry"),
    ("settings", "schemas"),
    ("wording",),
    ("clock", "errors", "ids", "money", "operator_errors", "texts"),
)

T = TypeVar("T")

NAMES: tuple[str, ...] = tuple(name for layer in reversed(LAYERS) for name in layer if name != "core")
"""Every module but core, which all stand on, lowest layer first."""


@cache
def manifests() -> dict[str, Manifest]:
    """The manifests by module, lowest layer first."""
    found = {name: f"app.{name}.manifest" for name in NAMES}
    return {name: import_module(module).MANIFEST for name, module in found.items()}


def _each(parts: Callable[[Manifest], Sequence[T]]) -> Iterator[T]:
    for manifest in manifests().values():
        yield from parts(manifest)


@cache
def routers() -> list[APIRouter]:
    return list(_each(lambda manifest: manifest.routers))


@cache
def tags() -> dict[str, str]:
    """What each group of operations is about."""
    return dict(_each(lambda manifest: list(manifest.tags.items())))


@cache
def refusals() -> dict[str, Sequence[type[AppError]]]:
    """Errors that no operation of the API answers, by what does."""
    return dict(_each(lambda manifest: list(manifest.refusals.items())))


@cache
def consumers() -> list[Consumer]:
    return list(_each(lambda manifest: manifest.consumers))


@cache
def jobs() -> list[Job]:
    return list(_each(lambda manifest: manifest.jobs))


@cache
def timers() -> list[Cron]:
    return [*housekeeping.TIMERS, *_each(lambda manifest: manifest.timers)]


@cache
def tables() -> list[type[SQLModel]]:
    return [*models.TABLES, *_each(lambda manifest: manifest.tables)]


@cache
def collectors() -> list[Collector]:
    return list(_each(lambda manifest: manifest.collectors))


@cache
def settings() -> list[type[ModuleSettings]]:
    return list(_each(lambda manifest: manifest.settings))


@cache
def transfers() -> dict[str, frozenset[str]]:
    """The accounts that each kind of transfer may move."""
    return dict(_each(lambda manifest: list(manifest.transfers.items())))


@cache
def audits() -> dict[str, Sequence[Audit]]:
    """The audits of core and of each module that has some."""
    found: dict[str, Sequence[Audit]] = {"core": [log_audit([consumer.name for consumer in consumers()])]}
    for name, manifest in manifests().items():
        if audits := [*manifest.audits, *(audit(transfers()) for audit in manifest.transfer_audits)]:
            found[name] = audits
    return found
