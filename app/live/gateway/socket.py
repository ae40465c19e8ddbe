"""One connection at its lowest level: what it sends is counted before the library answers it or passes it on."""

import asyncio
from typing import Any

from websockets.asyncio.server import ServerConnection
from websockets.frames import Frame, Opcode

from app.live import tickets
from app.live.gateway import joining, metrics, wire
from app.live.gateway.viewers import Bucket

_SLICE_BYTES = 1024


class Socket(ServerConnection):
    """A connection with what admission found out before the upgrade.

    The library answers pings and collects fragments by itself, so a handler never sees them. Here every read of up to a
    kibibyte costs two tokens and every frame of any kind one. A client that has none left, or does not read the answers to
    its pings, is disconnected. Twenty frames a second spend sixty of the hundred tokens that are added.
    """

    admitted: tickets.Pass
    since: joining.Since | None = None
    _frames = 0
    _unread = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._budget = Bucket(rate=100, burst=400)
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        # In slices, so that one large read of tiny frames cannot occupy the loop before it is counted.
        for at in range(0, len(data), _SLICE_BYTES):
            if self.transport.is_closing():
                return
            self._frames = 0
            super().data_received(data[at : at + _SLICE_BYTES])
            if self._budget.take(2 + self._frames) or self._unread:
                metrics.FLOODS.inc()
                self.transport.abort()

    def process_event(self, event: Any) -> None:
        if isinstance(event, Frame):
            self._frames += 1
            self._unread |= event.opcode is Opcode.PING and wire.unsent(self) > wire.BUFFER_LIMIT_BYTES
        super().process_event(event)
