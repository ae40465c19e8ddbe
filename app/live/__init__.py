"""Live rooms: broadcasts of a store, their shelf, chat and tips, and the gateway that carries them to viewers.

A room belongs to a store and is opened by its staff; opening it writes its touchpoint into attribution. A visit (the
customer creates a ticket) is what credits its sales. PostgreSQL says what a room is, what is on its shelf, who is muted
and which tips were paid. Redis keeps what may vanish: one stream per room, whose order is the room's order, and presence,
counts and one-use tickets.

    records.py               rows of rooms; the one lock of a room carries the staff's scope
    rooms.py, shelf.py       rooms, shelf, pinned product, mutes, visits
    tips.py, tip_flows.py    tips: one function settles them for the notification, "I paid" and the sweep
    takings.py               what a room brought, written once per order, refund and tip
    stream.py, tickets.py    Redis: the room's stream, counts, tickets
    snapshots.py             the room at a position of its stream
    announcements.py         the frames that a room receives of an event, sent by the relay in consumers.py
    frames.py, asyncapi.py   the protocol of the socket
    gateway/                 the process that serves it (`siyu live`)

Viewers see who tipped and the message with it, never how much: nobody's spending is shown or ranked.
"""

from app.live.events import MemberMuted, ProductPinned, ProductUnpinned, RoomEnded, RoomStarted, TipPaid

__all__ = [
    "MemberMuted",
    "ProductPinned",
    "ProductUnpinned",
    "RoomEnded",
    "RoomStarted",
    "TipPaid",
]
