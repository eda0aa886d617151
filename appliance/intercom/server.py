"""The listening side: one Unix socket, handlers by operation, the peer's uid checked before anything is read."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import struct
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, NamedTuple

from appliance.errors import Error

from .client import trusted
from .frame import Frames, error_payload, pack

log = logging.getLogger(__name__)


class Peer(NamedTuple):
    """Who is at the other end, as the kernel says (unix(7), SO_PEERCRED)."""

    pid: int
    uid: int
    gid: int


Handler = Callable[[Any, Peer], Awaitable[Any]]


class Server:
    """Serves `handlers` on a Unix socket to peers whose uid is in `uids` (by default our own, root and the box's group)."""

    def __init__(self, handlers: dict[str, Handler], uids: frozenset[int] | None = None) -> None:
        self.handlers = handlers
        self.uids = trusted(uids)
        self._server: asyncio.Server | None = None
        self._path: Path | None = None
        self._connections: set[_Connection] = set()

    async def start(self, path: Path) -> None:
        """Listens on `path`, mode 0600 (0660 when other uids may come). A stale socket file is replaced."""
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
        loop = asyncio.get_running_loop()
        before = os.umask(0o177 if self.uids <= {os.getuid(), 0} else 0o117)
        try:
            self._server = await loop.create_unix_server(lambda: _Connection(self), str(path))
        finally:
            os.umask(before)
        self._path = path

    async def stop(self) -> None:
        """Takes no more connections, lets handlers under way answer, closes."""
        if self._server is None:
            return
        self._server.close()
        tasks = [t for c in self._connections for t in c.tasks]
        if tasks:
            await asyncio.wait(tasks, timeout=2.0)
        for c in list(self._connections):
            c.close()
        with contextlib.suppress(FileNotFoundError):
            assert self._path is not None
            self._path.unlink()


class _Connection(asyncio.Protocol):
    def __init__(self, server: Server) -> None:
        self.server = server
        self.frames = Frames()
        self.transport: asyncio.Transport | None = None
        self.tasks: set[asyncio.Task[None]] = set()
        self.peer = Peer(-1, -1, -1)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport) or hasattr(transport, "write")
        self.transport = transport  # type: ignore[assignment]  # uvloop's transports are duck-typed
        raw = transport.get_extra_info("socket").getsockopt(
            socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")
        )
        self.peer = Peer(*struct.unpack("3i", raw))
        if self.peer.uid not in self.server.uids:
            log.warning("intercom: uid %d refused", self.peer.uid)
            self.close()
            return
        self.server._connections.add(self)

    def data_received(self, data: bytes) -> None:
        try:
            requests = self.frames.hear(data)
        except Error as e:
            log.warning("intercom: pid %d dropped: %s", self.peer.pid, e)
            self.close()
            return
        for request in requests:
            task = asyncio.ensure_future(self._serve(request))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)

    async def _serve(self, request: Any) -> None:
        number: Any = 0
        try:
            try:
                number, op, payload = request
            except (TypeError, ValueError):
                raise Error("malformed", "a request between processes is not [id, op, payload]") from None
            handler = self.server.handlers.get(op)
            if handler is None:
                raise Error("not_found", f"no operation {op!r} here")
            reply = [number, True, await handler(payload, self.peer)]
        except Error as e:
            reply = [number, False, error_payload(e)]
        except asyncio.CancelledError:
            raise
        except Exception:
            log.exception("intercom: operation failed")
            reply = [number, False, error_payload(Error("internal", "the operation failed"))]
        try:
            frame = pack(reply)
        except Error as e:  # too large
            frame = pack([number, False, error_payload(e)])
        except (TypeError, ValueError, OverflowError):
            log.exception("intercom: a reply is not msgpack")
            frame = pack([number, False, error_payload(Error("internal", "the operation failed"))])
        if self.transport is not None and not self.transport.is_closing():
            self.transport.write(frame)

    def pause_writing(self) -> None:
        """The peer does not read its replies: no more of its requests are taken until it does."""
        if self.transport is not None and not self.transport.is_closing():
            self.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.transport is not None and not self.transport.is_closing():
            self.transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        self.server._connections.discard(self)

    def close(self) -> None:
        if self.transport is not None:
            self.transport.close()
