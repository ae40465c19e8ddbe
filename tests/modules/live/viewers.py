"""Real viewers on real sockets, and what they have received of the room."""

import asyncio
import json
from typing import Any, Self

from websockets.asyncio.client import ClientConnection, connect

WITHIN_S = 8.0


class Viewer:
    """A phone: keeps `(epoch, seq)`, counts what it heard, and can come back."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.epoch = ""
        self.seq = 0
        self.events: list[tuple[int, dict[str, Any]]] = []
        self.others: list[dict[str, Any]] = []

    @classmethod
    async def open(cls, url: str, **options: Any) -> Self:
        return cls(await connect(url, compression=None, max_size=None, **options))

    async def next(self) -> dict[str, Any]:
        """The next frame, taken in."""
        frame: dict[str, Any] = json.loads(await asyncio.wait_for(self.socket.recv(), WITHIN_S))
        if "events" in frame:
            assert frame["epoch"] == self.epoch, "numbers of another epoch without a gap"
            for at, event in enumerate(frame["events"]):
                self.seq = frame["seq"] + at
                self.events.append((self.seq, event))
            return frame
        self.others.append(frame)
        if frame["type"] == "welcome":
            self.epoch, self.seq = frame["streams"][0]["epoch"], frame["streams"][0]["seq"]
        elif frame["type"] == "gap":
            self.epoch, self.seq = frame["epoch"], frame["seq"]
        return frame

    async def until(self, kind: str) -> dict[str, Any]:
        """Read until a frame or event of that type, and answer it."""
        while True:
            frame = await self.next()
            found = [frame] if frame.get("type") == kind else [e for e in frame.get("events", []) if e["type"] == kind]
            if found:
                return found[0]

    async def heard(self, kind: str, count: int) -> list[dict[str, Any]]:
        """Read until `count` events of that type were heard in all."""
        while len(self.of(kind)) < count:
            await self.next()
        return self.of(kind)

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [event for _, event in self.events if event["type"] == kind]

    def texts(self) -> list[str]:
        return [event["text"] for event in self.of("chat.said")]

    def numbers(self) -> list[int]:
        return [seq for seq, _ in self.events]

    async def send(self, **frame: Any) -> None:
        await self.socket.send(json.dumps(frame))

    async def cut(self) -> None:
        """The network goes away: no closing handshake."""
        self.socket.transport.abort()
        await self.socket.wait_closed()

    async def close(self) -> None:
        await self.socket.close()
