"""The live gateway: its own process on the `websockets` server, without a database (`siyu live`).

    server.py     admission before the upgrade, one handler per socket, shutdown
    socket.py     one connection: who was admitted, and how much it may send at all
    rooms.py      all rooms of the process: one reader for all, heartbeats, the care of slow viewers
    hub.py        one room: ring, hot set, leading edge and tick
    joining.py    welcome, resume by `since`, resync, gap
    speech.py     what viewers send
    snapshots.py  the room's snapshot from the API, single flight
    wire.py       one ready frame for every transport

A frame is built once per room and tick and the same bytes are written to every viewer. Whoever has over 64 KB unsent is
left out until he has drained, and closed after ten seconds. The order is the Redis Stream's; a changed epoch or a hole
is told as a gap with a snapshot. What the socket speaks is in `docs/live-socket.md` and `/asyncapi.json`.
"""

from app.live.gateway.server import Gateway, opened, serve

__all__ = ["Gateway", "opened", "serve"]
