"""What a room hears of a fact: masked names, titles, never an amount."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias
from uuid import UUID

import msgspec

from app import customers
from app.core import db
from app.core.clock import rfc3339
from app.core.db import AsyncSession
from app.core.ids import wire
from app.live import frames, shelf
from app.live.events import MemberMuted, ProductPinned, ProductUnpinned, RoomEnded, RoomStarted, TipPaid
from app.live.schemas import ShelfItem
from app.mall import OrderPaid

Announced: TypeAlias = OrderPaid | TipPaid | RoomStarted | RoomEnded | ProductPinned | ProductUnpinned | MemberMuted


@dataclass(frozen=True, slots=True)
class Words:
    """What facts do not hold: masked names by customer, messages by tip, cards by store and product."""

    names: dict[UUID, str]
    messages: dict[UUID, str | None]
    cards: dict[tuple[UUID, UUID], ShelfItem]


async def words_for(session: AsyncSession, facts: Sequence[Announced]) -> Words:
    """Look up what a batch of facts needs, a few reads in all."""
    people = [fact.customer_id for fact in facts if isinstance(fact, TipPaid)]
    people += [fact.customer_id for fact in facts if isinstance(fact, OrderPaid) and _reaches_a_room(fact)]
    tip_ids = [fact.tip_id for fact in facts if isinstance(fact, TipPaid)]
    messages = (
        await db.fetch(session, "SELECT id, message FROM live_tip WHERE id = ANY($1)", tip_ids) if tip_ids else []
    )
    pinned: defaultdict[UUID, set[UUID]] = defaultdict(set)
    for fact in facts:
        if isinstance(fact, ProductPinned):
            pinned[fact.store_id].add(fact.product_id)
    cards = {
        (store_id, product_id): item
        for store_id, product_ids in pinned.items()
        for product_id, item in (await shelf.items(session, place_id=store_id, product_ids=sorted(product_ids))).items()
    }
    return Words(
        names=await customers.masked_names(session, people) if people else {},
        messages={row["id"]: row["message"] for row in messages},
        cards=cards,
    )


def _reaches_a_room(fact: OrderPaid) -> bool:
    return any(line.credit.room_id is not None for line in fact.lines)


def events_of(fact: Announced, words: Words) -> dict[UUID, list[bytes]]:
    """The encoded events of one fact, by room."""
    if isinstance(fact, OrderPaid):
        return _order(fact, words)
    return {fact.room_id: [frames.encode(_event(fact, words))]}


def _order(fact: OrderPaid, words: Words) -> dict[UUID, list[bytes]]:
    told: defaultdict[UUID, list[bytes]] = defaultdict(list)
    for line in fact.lines:
        if line.credit.room_id is not None:
            event = frames.OrderPaid(
                name=words.names.get(fact.customer_id, ""),
                product=wire("prd", line.product_id),
                title=line.title,
                quantity=line.quantity,
                at=rfc3339(fact.paid_at),
            )
            told[line.credit.room_id].append(frames.encode(event))
    return told


def _event(
    fact: TipPaid | RoomStarted | RoomEnded | ProductPinned | ProductUnpinned | MemberMuted, words: Words
) -> frames.Event:
    match fact:
        case TipPaid():
            name = words.names.get(fact.customer_id, "")
            return frames.TipPaid(name=name, message=words.messages.get(fact.tip_id), at=rfc3339(fact.paid_at))
        case RoomStarted():
            return frames.RoomStarted(at=rfc3339(fact.started_at))
        case RoomEnded():
            return frames.RoomEnded(at=rfc3339(fact.ended_at))
        case ProductPinned():
            item = words.cards.get((fact.store_id, fact.product_id))
            card = msgspec.Raw(item.model_dump_json().encode()) if item else frames.NULL
            return frames.ProductPinned(product=wire("prd", fact.product_id), card=card, at=rfc3339(fact.pinned_at))
        case ProductUnpinned():
            return frames.ProductUnpinned(product=wire("prd", fact.product_id), at=rfc3339(fact.unpinned_at))
        case MemberMuted():
            return frames.MemberMuted(customer=wire("cus", fact.customer_id), until=rfc3339(fact.until))
