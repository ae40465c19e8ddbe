"""People, promoters and links, made through the module."""

from datetime import datetime
from typing import Any
from uuid import UUID

import pytest

from app import attribution
from app.attribution import Checkout, LineCredit, LineToCredit, PromoterKind, Reason, touches
from app.attribution.schemas import ShareCreate
from app.core.clock import utc_now
from app.core.db import Database
from app.core.ids import new_id
from tests import sql

PRODUCT, OTHER_PRODUCT, SELLING_STORE = new_id(), new_id(), new_id()


class Town:
    """People, promoters and links, made through the module's functions."""

    def __init__(self, db: Database) -> None:
        self.db = db

    async def promoter(
        self, kind: PromoterKind = PromoterKind.DISTRIBUTOR, *, person: UUID | None = None, **changes: Any
    ) -> tuple[UUID, UUID]:
        """The promoter and the person behind it."""
        promoter, person = new_id(), person or new_id()
        options = {"upline_id": None, "store_id": None} | changes
        async with self.db.transaction() as session:
            await attribution.register_promoter(session, promoter_id=promoter, kind=kind, person_id=person, **options)
        return promoter, person

    async def link(self, person: UUID, *, via: UUID | None = None, product: UUID | None = PRODUCT) -> UUID:
        async with self.db.transaction() as session:
            made = await touches.share(session, sharer_id=person, request=ShareCreate(product=product, via=via))
        return made.id

    async def come(self, buyer: UUID, link: UUID) -> attribution.Touchpoint | Any:
        async with self.db.transaction() as session:
            return await touches.touch(session, customer_id=buyer, touchpoint_id=link, entry="group")

    async def age(self, seconds: float) -> None:
        async with self.db.transaction() as session:
            await sql.execute(
                session, "UPDATE attribution_touch SET touched_at = touched_at - make_interval(secs => $1)", seconds
            )

    async def end(self, promoter: UUID) -> None:
        async with self.db.transaction() as session:
            await attribution.end_promoter(session, promoter)

    async def buy(self, buyer: UUID, product: UUID = PRODUCT, *, at: datetime | None = None) -> LineCredit:
        line = LineToCredit(new_id(), product)
        async with self.db.transaction() as session:
            (credit,) = await attribution.freeze(
                session, Checkout(new_id(), buyer, at or utc_now(), SELLING_STORE, [line])
            )
        return credit

    async def room(
        self, *, guide: UUID | None = None, live: bool = True, shelf: UUID | None = PRODUCT
    ) -> tuple[UUID, UUID]:
        """The room and its store."""
        room, store = new_id(), new_id()
        async with self.db.transaction() as session:
            await attribution.open_room(session, room_id=room, store_id=store, guide_id=guide)
            if shelf:
                await attribution.shelve(session, room, shelf)
            if live:
                await attribution.start_room(session, room)
        return room, store

    async def enter(self, buyer: UUID, room: UUID) -> None:
        async with self.db.transaction() as session:
            await attribution.enter_room(session, customer_id=buyer, room_id=room)


@pytest.fixture
def town(db: Database) -> Town:
    return Town(db)


def distributor(credit: LineCredit) -> tuple[UUID | None, Reason]:
    return credit.distributor_id, credit.distributor_reason
