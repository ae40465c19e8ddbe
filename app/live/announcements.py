"""The frames that a room receives of an event: masked names and titles, never an amount."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias
from uuid import UUID

import msgspec

from app import customers
from app.core.clock import rfc3339
from app.core.db import Session, Statement
from app.core.ids import wire
from app.live import frames, shelf
from app.live.events import MemberMuted, ProductPinned, ProductUnpinned, RoomEnded, RoomStarted, TipPaid
from app.live.schemas import ShelfItem
from app.mall.orders import OrderPaid

Announced: TypeAlias = OrderPaid | TipPaid | RoomStarted | RoomEnded | ProductPinned | ProductUnpinned | MemberMuted


class _Message(msgspec.Struct, frozen=True):
    id: UUID
    message: str | None


_MESSAGES = Statement(
    """SELECT t.id, CASE WHEN m."until" > clock_timestamp() THEN NULL ELSE t.message END AS message
       FROM live_tip t LEFT JOIN live_mute m ON m.room_id = t.room_id AND m.customer_id = t.customer_id
       WHERE t.id = ANY(:tip_ids)""",
    _Message,
)


@dataclass(frozen=True, slots=True)
class Words:
    """What events do not contain: masked names by customer, messages by tip unless its sender is muted, cards by store and
    product."""

    names: dict[UUID, str]
    messages: dict[UUID, str | None]
    cards: dict[tuple[UUID, UUID], ShelfItem]


async def words_for(session: Session, events: Sequence[Announced]) -> Words:
    """Look up what a batch of events needs, a few reads in all."""
    people = [event.customer_id for event in events if isinstance(event, TipPaid)]
    people += [event.customer_id for event in events if isinstance(event, OrderPaid) and _reaches_a_room(event)]
    tip_ids = [event.tip_id for event in events if isinstance(event, TipPaid)]
    messages = await _MESSAGES.all(session, tip_ids=tip_ids) if tip_ids else []
    pinned: defaultdict[UUID, set[UUID]] = defaultdict(set)
    for event in events:
        if isinstance(event, ProductPinned):
            pinned[event.store_id].add(event.product_id)
    cards = {
        (store_id, product_id): item
        for store_id, product_ids in pinned.items()
        for product_id, item in (await shelf.items(session, place_id=store_id, product_ids=sorted(product_ids))).items()
    }
    return Words(
        names=await customers.masked_names(session, people) if people else {},
        messages={tip.id: tip.message for tip in messages},
        cards=cards,
    )


def _reaches_a_room(event: OrderPaid) -> bool:
    return any(line.credit.room_id is not None for line in event.lines)


def events_of(event: Announced, words: Words) -> dict[UUID, list[bytes]]:
    """The frames that each room receives of an event, encoded."""
    if isinstance(event, OrderPaid):
        return _order(event, words)
    return {event.room_id: [frames.encode(_frame(event, words))]}


def _order(event: OrderPaid, words: Words) -> dict[UUID, list[bytes]]:
    told: defaultdict[UUID, list[bytes]] = defaultdict(list)
    for line in event.lines:
        if line.credit.room_id is not None:
            frame = frames.OrderPaid(
                name=words.names.get(event.customer_id, ""),
                product=wire("prd", line.product_id),
                title=line.title,
                quantity=line.quantity,
                at=rfc3339(event.paid_at),
            )
            told[line.credit.room_id].append(frames.encode(frame))
    return told


def _frame(
    event: TipPaid | RoomStarted | RoomEnded | ProductPinned | ProductUnpinned | MemberMuted, words: Words
) -> frames.Event:
    match event:
        case TipPaid():
            name = words.names.get(event.customer_id, "")
            return frames.TipPaid(name=name, message=words.messages.get(event.tip_id), at=rfc3339(event.paid_at))
        case RoomStarted():
            return frames.RoomStarted(at=rfc3339(event.started_at))
        case RoomEnded():
            return frames.RoomEnded(at=rfc3339(event.ended_at))
        case ProductPinned():
            item = words.cards.get((event.store_id, event.product_id))
            card = msgspec.Raw(item.model_dump_json().encode()) if item else frames.NULL
            return frames.ProductPinned(product=wire("prd", event.product_id), card=card, at=rfc3339(event.pinned_at))
        case ProductUnpinned():
            return frames.ProductUnpinned(product=wire("prd", event.product_id), at=rfc3339(event.unpinned_at))
        case MemberMuted():
            return frames.MemberMuted(customer=wire("cus", event.customer_id), until=rfc3339(event.until))
