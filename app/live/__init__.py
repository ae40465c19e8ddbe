"""Live rooms: broadcasts of a store, their shelf, chat and tips, and the gateway that carries them to viewers.

A room belongs to a store and is opened by its staff; opening it writes its touchpoint into attribution, and a visit (a
ticket asked for) is what credits its sales. Rows in PostgreSQL say what a room is, what is on its shelf, who is muted
and which tips were paid. Redis holds what may vanish: one stream per room whose order is the room's order, presence,
counts and one-use tickets.

    rooms.py, shelf.py       rooms, shelf, pinned product, mutes, visits
    tips.py                  tips: one verb settles them for the notification, "I paid" and the sweep
    takings.py               what a room brought, written once per order, refund and tip
    stream.py, tickets.py    Redis: the room's stream, counts, tickets
    snapshots.py             the room at a position of its stream
    announcements.py         what a room hears of a fact; sent by the relay in consumers.py, only after the commit
    frames.py, asyncapi.py   what the socket speaks
    gateway/                 the process that carries it (`siyu live`)

A room hears who tipped and what was said with it, never how much: nobody's spending is shown or ranked.
"""

from app.live.events import MemberMuted, ProductPinned, ProductUnpinned, RoomEnded, RoomStarted, TipPaid
from app.live.schemas import RoomKind, RoomStatus, TipStatus

__all__ = [
    "MemberMuted",
    "ProductPinned",
    "ProductUnpinned",
    "RoomEnded",
    "RoomKind",
    "RoomStarted",
    "RoomStatus",
    "TipPaid",
    "TipStatus",
]
