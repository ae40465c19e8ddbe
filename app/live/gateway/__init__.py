"""The live gateway: its own process on the `websockets` server, without a database (`siyu live`).

    server.py     the handshake, one handler per socket, shutdown
    admission.py  origin and ticket, before the upgrade
    socket.py     one connection: who was admitted, and how much it may send at all
    rooms.py      all rooms of the process: one reader for all, heartbeats, slow viewers
    hub.py        one room: ring, hot set, frames
    pace.py       how often a room sends, by the load of the core
    pulse.py      what Redis is to be told of one room: who came and went, and who tapped
    joining.py    welcome, resume by `since`, resync, gap
    speech.py     what viewers send
    snapshots.py  the room's snapshot from the API, one request at a time
    wire.py       one ready frame for every transport

A frame is built once per room and tick, and the same bytes are written to every viewer. A viewer with over 64 KB unsent is
left out until most of it is sent, and disconnected after ten seconds. The order is the Redis Stream's; a changed epoch or a
hole becomes a gap with a snapshot. The protocol is described in `docs/live-socket.md` and `/asyncapi.json`.
"""

from app.live.gateway.server import Gateway, opened, serve

__all__ = ["Gateway", "opened", "serve"]
