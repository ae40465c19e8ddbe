"""The viewers of the room: real sockets that keep what they heard."""

import asyncio
import contextlib
import json
from collections import Counter
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from app.demo.people import Customer


class Viewer:
    """One viewer on one socket. `heard` maps the room's numbers to events, as this viewer received them."""

    def __init__(self, customer: Customer) -> None:
        self.customer = customer
        self.since = 0
        self.heard: dict[int, dict[str, Any]] = {}
        self.welcome: dict[str, Any] = {}
        self.faults: list[str] = []
        self._socket: ClientConnection | None = None
        self._listening: asyncio.Task[None] | None = None

    async def enter(self, room: str) -> None:
        """Ask for a ticket, open the socket with it, and wait for the welcome."""
        ticket = await self.customer.post(f"/v1/live/rooms/{room}/tickets")
        self._socket = await connect(ticket["url"], compression=None, max_queue=None, open_timeout=30)
        self.welcome = json.loads(await self._socket.recv())
        assert self.welcome["type"] == "welcome", self.welcome
        self.since = self.welcome["streams"][0]["seq"]
        self._listening = asyncio.create_task(self._listen(self._socket))

    async def _listen(self, socket: ClientConnection) -> None:
        async for text in socket:
            frame = json.loads(text)
            if "events" not in frame:
                if frame["type"] != "pong":
                    self.faults.append(f"{frame['type']}: {text!r}"[:200])
                continue
            for seq, event in enumerate(frame["events"], start=frame["seq"]):
                if seq in self.heard:
                    self.faults.append(f"heard {seq} twice")
                self.heard[seq] = event

    async def say(self, text: str) -> None:
        assert self._socket is not None
        message = {"type": "say", "id": f"m{len(text)}-{self.customer.id[-6:]}", "text": text}
        await self._socket.send(json.dumps(message, ensure_ascii=False))

    def gaps(self) -> int:
        """Numbers between the welcome and the last event that this viewer never heard."""
        return 0 if not self.heard else max(self.heard) - self.since - len(self.heard)

    async def leave(self) -> None:
        if self._socket is not None:
            await self._socket.close()
        if self._listening is not None:
            self._listening.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await self._listening


class Audience:
    """All viewers of the room."""

    def __init__(self, customers: list[Customer]) -> None:
        self.viewers = [Viewer(customer) for customer in customers]

    async def enter(self, room: str, at_once: int = 25) -> None:
        gate = asyncio.Semaphore(at_once)

        async def one(viewer: Viewer) -> None:
            async with gate:
                await viewer.enter(room)

        await asyncio.gather(*(one(viewer) for viewer in self.viewers))

    async def wait_for(self, requested: dict[str, int], within_s: float = 60) -> bool:
        """Whether every viewer hears at least so many events of each type in time."""
        deadline = asyncio.get_running_loop().time() + within_s
        while asyncio.get_running_loop().time() < deadline:
            if all(
                all(
                    Counter(event["type"] for event in viewer.heard.values())[kind] >= n
                    for kind, n in requested.items()
                )
                for viewer in self.viewers
            ):
                return True
            await asyncio.sleep(0.1)
        return False

    def counts(self) -> list[Counter[str]]:
        """Events by type, viewer by viewer."""
        return [Counter(event["type"] for event in viewer.heard.values()) for viewer in self.viewers]

    def disagreements(self) -> int:
        """Numbers under which two viewers heard different events."""
        agreed: dict[int, dict[str, Any]] = {}
        return sum(
            agreed.setdefault(seq, event) != event for viewer in self.viewers for seq, event in viewer.heard.items()
        )

    async def leave(self) -> None:
        await asyncio.gather(*(viewer.leave() for viewer in self.viewers))
