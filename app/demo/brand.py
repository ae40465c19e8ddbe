"""A small brand, built through the public API: what `siyu seed` leaves behind and the demonstration sells."""

import contextlib
from dataclasses import dataclass
from typing import Any

import httpx
from pydantic import SecretStr

from app import stores
from app.core.db import Database
from app.core.settings import Settings
from app.demo.people import Api, RequestFailed
from app.processes.api import create_app

HQ_LOGIN = "hq"
PASSWORD = "siyu-development"  # noqa: S105  development data, printed on the screen
UNITS_PER_SKU = 500

REGIONS = (("east", "华东大区"), ("north", "华北大区"))
STORES = (
    ("east", "s001", "人民广场店", "上海市", 31.2304, 121.4737),
    ("east", "s002", "西湖店", "杭州市", 30.2741, 120.1551),
    ("north", "s003", "三里屯店", "北京市", 39.9334, 116.4551),
    ("north", "s004", "滨江道店", "天津市", 39.1200, 117.1900),
)
PRODUCTS = (
    ("明前龙井", "狮峰山头采", (("250g", 12_800), ("500g", 23_800))),
    ("武夷岩茶", "正岩肉桂", (("125g", 9_900),)),
    ("白瓷盖碗", "景德镇手作", (("标准款", 6_800),)),
)


@dataclass
class Brand:
    """Ids of what was built, by the names above."""

    hq: Api
    stores: dict[str, dict[str, Any]]
    guides: dict[str, dict[str, Any]]
    products: dict[str, dict[str, Any]]

    def sku(self, product: str, index: int = 0) -> dict[str, Any]:
        found: dict[str, Any] = self.products[product]["skus"][index]
        return found


async def create_headquarters(database: Database) -> None:
    """The first login, as `siyu staff create` makes it. Does nothing when it exists."""
    with contextlib.suppress(stores.LoginTaken):
        body = stores.HeadquartersCreate(login=HQ_LOGIN, password=SecretStr(PASSWORD), name="总部")
        await stores.create_headquarters(database, body)


async def build(http: httpx.AsyncClient) -> Brand:
    """Make whatever of the brand is missing; may be stopped and run again."""
    hq = await Api(http).staff(HQ_LOGIN, PASSWORD)
    units = await _by(hq, "/v1/admin/stores/units", "code")
    for code, name in REGIONS:
        if code not in units:
            body = {"parent": units["hq"]["id"], "code": code, "name": name}
            units[code] = await hq.post("/v1/admin/stores/units", body)
    built = await _by(hq, "/v1/admin/stores/stores", "code")
    staff = await _by(hq, "/v1/admin/stores/staff", "login")
    for region, code, name, city, latitude, longitude in STORES:
        if code not in built:
            body = {
                "unit": units[region]["id"],
                "code": code,
                "name": name,
                "city": city,
                "address": f"{city}{name}",
                "latitude": latitude,
                "longitude": longitude,
                "phone": None,
            }
            built[code] = await hq.post("/v1/admin/stores/stores", body)
        for role, number in (("manager", 1), ("guide", 1), ("guide", 2)):
            await _add_staff(hq, staff, built[code], role, number)
    products = await _products(hq, built)
    guides = {login: person for login, person in staff.items() if login.startswith("guide")}
    return Brand(hq, built, guides, products)


async def _by(api: Api, path: str, field: str) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    after: str | None = None
    while True:
        page = await api.get(path, limit=100, **({"after": after} if after else {}))
        found |= {item[field]: item for item in page["items"]}
        after = page["next"]
        if after is None:
            return found


async def _add_staff(hq: Api, staff: dict[str, dict[str, Any]], store: dict[str, Any], role: str, number: int) -> None:
    login = f"{role}.{store['code']}.{number}"
    if login in staff:
        return
    body = {
        "login": login,
        "password": PASSWORD,
        "name": f"{store['name']}{'店长' if role == 'manager' else f'导购{number}'}",
        "role": role,
        "store": store["id"],
    }
    staff[login] = await hq.post("/v1/admin/stores/staff", body)


async def _products(hq: Api, built: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    products = await _by(hq, "/v1/admin/mall/products", "title")
    for title, description, skus in PRODUCTS:
        if title not in products:
            body = {
                "title": title,
                "description": description,
                "skus": [{"title": name, "list_fen": list_fen} for name, list_fen in skus],
            }
            products[title] = await hq.post("/v1/admin/mall/products", body)
        for sku in products[title]["skus"]:
            for store in built.values():
                await _stock_up(hq, store, sku)
    return products


async def _stock_up(hq: Api, store: dict[str, Any], sku: dict[str, Any]) -> None:
    place = "plc" + store["id"].removeprefix("sto")
    path = f"/v1/admin/mall/stock/{place}/{sku['id']}"
    try:
        await hq.get(path)
    except RequestFailed as error:
        if error.status != 404:
            raise
        await hq.put(path, {"on_hand": UNITS_PER_SKU, "sold": 0, "version": 0})


async def seed(settings: Settings) -> dict[str, str]:
    """Seed a database without a running server; logins and passwords by role."""
    database = Database(settings, connections=1, name="siyu-seed")
    await create_headquarters(database)
    await database.close()
    app = create_app(settings.model_copy(update={"rate_limits": False, "log_level": "WARNING"}))
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://seed", timeout=30) as http:
            await build(http)
    return {HQ_LOGIN: PASSWORD, "manager.s001.1": PASSWORD, "guide.s001.1": PASSWORD}
