"""One frame, built once, written to every transport.

`connection.send()` builds a frame and takes locks per viewer, and `broadcast()` still builds one per viewer: twice the
processor time of writing the same ready bytes. Writing them directly is correct because the sockets have no extension
(compression is off, so a text frame is the same bytes for everyone), we never send fragments (so a frame of ours cannot
fall inside another), and the library writes its own pings and closes as whole frames too. Only this file relies on it;
checked with websockets 16 and 17.
"""

import asyncio

from websockets.asyncio.server import ServerConnection
from websockets.frames import Frame, Opcode
from websockets.protocol import State

BUFFER_LIMIT_BYTES = 64 * 1024
"""What may wait unsent for one viewer before they are left out."""

CLOSE_S = 3.0
OPEN = State.OPEN


def text(payload: bytes) -> bytes:
    """`payload` as an unmasked WebSocket text frame."""
    return Frame(Opcode.TEXT, payload).serialize(mask=False)


def write(connection: ServerConnection, frame: bytes) -> None:
    """Hand over a ready frame; nothing happens once the socket is closing."""
    if connection.protocol.state is OPEN:
        connection.transport.write(frame)


async def close(connection: ServerConnection, code: int, reason: str) -> None:
    """Close properly within `CLOSE_S`, else abort: the library's own close waits for ever for a peer that reads nothing."""
    try:
        async with asyncio.timeout(CLOSE_S):
            await connection.close(code, reason)
    except TimeoutError:
        connection.transport.abort()


def unsent(connection: ServerConnection) -> int:
    """Bytes that wait in this process for the viewer's network."""
    return connection.transport.get_write_buffer_size()
