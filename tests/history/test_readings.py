"""Every list and report over years of business: on one connection, ten times, for everybody who may ask.

What is bounded is what PostgreSQL touches, which no busy machine changes; the clock's bounds are the promise itself.
"""

import json
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from app.core.db import Database
from app.core.ids import wire
from tests.architecture.surface import openapi
from tests.history.generated import History
from tests.history.measured import REPORT_MS, TIMES, blocks, elapsed_ms, noted, steady

LIST_MS = 50
STEADY_MS = 20
"""Below this, twice the first is noise."""
LIST_BLOCKS, REPORT_BLOCKS = 2_500, 40_000

WITHOUT_HISTORY = {
    "/health/live",
    "/health/ready",
    "/v1/shares/{id}/code",
    "/v1/admin/jobs/failed",
    "/v1/live/rooms/{id}",
}
"""Answered without a list or a report: health, a code drawn by WeChat, pgqueuer's own log, a room from Redis."""


@dataclass(frozen=True)
class Reading:
    """One call: who makes it, and where."""

    who: str
    path: str
    query: dict[str, Any] = field(default_factory=dict)
    ids: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.who}: {self.path} {json.dumps(self.query)}"


def staff(path: str, *queries: dict[str, Any], **ids: str) -> list[Reading]:
    everybody = ("hq", "region", "manager", "guide", "idle guide")
    return [Reading(who, path, query, ids) for who in everybody for query in queries or ({},)]


def by(who: str, path: str, *queries: dict[str, Any], **ids: str) -> list[Reading]:
    return [Reading(who, path, query, ids) for query in queries or ({},)]


def readings(h: History) -> list[Reading]:
    order, middle, room = wire("ord", h.late_order), wire("ord", h.middle), wire("rom", h.room)
    store, product, sku = wire("sto", h.store), wire("prd", h.product), wire("sku", h.sku)
    place = "plc" + store.removeprefix("sto")
    deep = {"after": middle}
    return [
        *by("customer", "/v1/me"),
        *by("customer", "/v1/me/addresses"),
        *by("customer", "/v1/me/store"),
        *by("customer", "/v1/mall/orders", {}, {"status": "closed"}, {"count": "true"}),
        *by("customer", "/v1/distribution/applications"),
        *by("anybody", "/v1/mall/products", {"store": store}, {"store": store, "q": "商品77"}),
        *by("anybody", "/v1/mall/products/{id}", {"store": store}, id=product),
        *by("anybody", "/v1/mall/categories"),
        *by("anybody", "/v1/stores", {}, {"near": "31.2,121.4"}, {"city": "城市7"}),
        *by("anybody", "/v1/live/rooms", {}, {"store": store}, {"status": "ended"}),
        *by("distributor", "/v1/partner/summary"),
        *by("distributor", "/v1/partner/commissions", {}, {"status": "held"}, {"status": "reversed"}),
        *by("distributor", "/v1/partner/shares"),
        *by("hq", "/v1/admin/attribution/rules"),
        *by("hq", "/v1/admin/payments/discrepancies", {}, {"kind": "payer"}),
        *by("hq", "/v1/admin/payments/refunds", {}, {"kind": "late"}, {"status": "abnormal"}, {"stuck": "true"}),
        *by("hq", "/v1/admin/mall/categories"),
        *by("hq", "/v1/admin/mall/products"),
        *by("hq", "/v1/admin/mall/products/{id}", id=product),
        *by("hq", "/v1/admin/mall/skus/{id}", id=sku),
        *by("hq", "/v1/admin/mall/stock/{place}/{sku}", place=place, sku=sku),
        *staff("/v1/admin/mall/orders", {}, {"status": "unpaid"}, {"status": "closed"}, deep),
        *staff("/v1/admin/mall/refunds", {}, {"status": "stuck"}, {"status": "agreed"}, {"order": order}),
        *by("hq", "/v1/admin/distribution/applications", {}, {"status": "applied"}, {"status": "refused"}),
        *by("hq", "/v1/admin/distribution/terms"),
        *by("hq", "/v1/admin/me"),
        *staff("/v1/admin/stores/units"),
        *staff("/v1/admin/stores/stores"),
        *staff("/v1/admin/stores/staff"),
        *by("hq", "/v1/admin/stores/units/{id}", id="org" + store.removeprefix("sto")),
        *by("hq", "/v1/admin/stores/stores/{id}", id=store),
        *by("hq", "/v1/admin/stores/staff/{id}", id=wire("stf", h.busy_guide)),
        *by("hq", "/v1/admin/stores/split-rules"),
        *staff("/v1/admin/live/rooms", {}, {"status": "live"}, {"status": "ended"}, {"store": store}),
        *by("hq", "/v1/admin/live/rooms/{id}", id=room),
        *by("hq", "/v1/admin/live/rooms/{id}/report", id=room),
        *by("hq", "/v1/admin/live/rooms/{id}/tips", id=room),
        *by("hq", "/v1/admin/live/rooms/{id}/tips", {"status": "refunded"}, id=room),
        *by("hq", "/v1/admin/live/tip-rules"),
        *by("hq", "/v1/admin/insight/orders/{id}/attribution", id=order),
        *by("hq", "/v1/admin/mall/orders/{id}", id=order),
        *by("guide", "/v1/admin/mall/orders/{id}", id=order),
        *by("customer", "/v1/mall/orders/{id}", id=order),
        *by("customer", "/v1/mall/orders/{id}/refunds", id=order),
        *by("customer", "/v1/me/addresses/{id}", id="adr" + store.removeprefix("sto")),
        *by("customer", "/v1/live/tips/{id}", id="tip" + store.removeprefix("sto")),
        *by("distributor", "/v1/partner/commissions/{id}", id="com" + store.removeprefix("sto")),
        *by("hq", "/v1/admin/events/dead-letters"),
        *staff(
            "/v1/admin/stores/performance",
            {"by": "store", "period": "month:2026-10"},
            {"by": "guide", "period": "day:2026-11-01"},
            {"by": "guide", "period": "week:2026-W40"},
        ),
        *by("hq", "/v1/admin/stores/performance", {"by": "region", "period": "month:2026-10", "measure": "inviting"}),
    ]


def test_every_reading_of_the_api_is_tried(history: History) -> None:
    published = {path for path, methods in openapi()["paths"].items() if "get" in methods} - {"/metrics"}
    assert published - WITHOUT_HISTORY == {reading.path for reading in readings(history)}


async def ten_times(api: httpx.AsyncClient, tokens: dict[str, dict[str, str]], reading: Reading) -> list[float]:
    async def call() -> None:
        reply = await api.get(reading.path.format(**reading.ids), params=reading.query, headers=tokens[reading.who])
        assert reply.status_code in (200, 403, 404), f"{reading} {reply.text}"

    return [await elapsed_ms(call) for _ in range(TIMES)]


async def test_every_list_and_report_costs_what_it_shows(
    old_api: httpx.AsyncClient,
    old_db: Database,
    tokens: dict[str, dict[str, str]],
    history: History,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wrong: dict[str, str] = {}
    for reading in readings(history):
        report = reading.path.endswith(("/performance", "/report"))
        bound_ms, bound_blocks = (REPORT_MS, REPORT_BLOCKS) if report else (LIST_MS, LIST_BLOCKS)
        with noted(monkeypatch) as ran:
            took_ms = await ten_times(old_api, tokens, reading)
        if sorted(took_ms)[TIMES // 2] > bound_ms:
            wrong[f"{reading} (time)"] = ", ".join(f"{ms:.0f}" for ms in took_ms)
        if not steady(took_ms, at_least_ms=STEADY_MS):
            wrong[f"{reading} (unsteady)"] = ", ".join(f"{ms:.0f}" for ms in took_ms)
        touched = {one.sql: await blocks(old_db, one) for one in {one.sql: one for one in ran}.values()}
        if sum(touched.values()) > bound_blocks:
            wrong[f"{reading} (blocks)"] = json.dumps({sql[:300]: count for sql, count in touched.items()})
    assert not wrong, "\n".join(f"{reading}: {what}" for reading, what in wrong.items())
