"""Headquarters, a distributor, and who invited them."""

import httpx
import pytest

from app.core.db import Database
from tests.modules.distribution.sellers import Seller, a_seller
from tests.modules.stores.chain import Person, first_headquarters


@pytest.fixture
async def hq(api: httpx.AsyncClient, db: Database) -> Person:
    return await first_headquarters(api, db)


@pytest.fixture
async def upline(api: httpx.AsyncClient, simulator: httpx.AsyncClient, hq: Person) -> Seller:
    return await a_seller(api, simulator, hq)


@pytest.fixture
async def seller(api: httpx.AsyncClient, simulator: httpx.AsyncClient, hq: Person, upline: Seller) -> Seller:
    return await a_seller(api, simulator, hq, upline)
