"""The calling side, twice: for event loops (many calls under way on one socket) and for threads (one call at a time)."""

from __future__ import annotations

import asyncio
import contextlib
import grp
import logging
import os
import pwd
import socket
import struct
import threading
from pathlib import Path
from stat import S_ISGID
from typing import Any

from appliance.errors import Error
from appliance.limits import CALL_S_MAX

from .frame import Frames, error_of, pack

log = logging.getLogger(__name__)


def server_uid(connected: socket.socket) -> int:
    """Who listened on the other end, as the kernel says: the uid at the time of listen(2) (unix(7), SO_PEERCRED)."""
    raw = connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    return int(struct.unpack("3i", raw)[1])


def trusted(uids: frozenset[int] | None) -> frozenset[int]:
    """The uids that a peer may have: our own, root and those of the box's group unless told otherwise."""
    return uids if uids is not None else frozenset({os.getuid(), 0}) | _sharing.uids


def share(home: Path) -> bool:
    """Whether the processes of this box run as users of their own that share a group: the state folder is then set-group-id.

    From then on this process trusts the members of that group, and what it makes is for them, too; else for its own user alone.
    """
    _sharing.uids = frozenset()
    try:
        stat = home.stat()
        shared = bool(stat.st_mode & S_ISGID)
        if shared:
            named = grp.getgrgid(stat.st_gid).gr_mem
            _sharing.uids = frozenset(pwd.getpwnam(name).pw_uid for name in named)
    except (OSError, KeyError):
        shared = False
    os.umask(0o007 if shared else 0o077)
    return shared


class _Sharing:
    """Whom `share` found; a process belongs to one box."""

    uids: frozenset[int] = frozenset()


_sharing = _Sharing()


def tell_systemd(text: str) -> None:
    """Says `text` to the service manager that started us (sd_notify(3)); nothing where none did."""
    place = os.environ.get("NOTIFY_SOCKET", "")
    if not place:
        return
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as said:
        said.sendto(text.encode(), "\0" + place[1:] if place.startswith("@") else place)


def _false(path: Path) -> Error:
    log.error("intercom: the socket of %s belongs to somebody else; nothing is said to it", path.stem)
    return Error(
        "peer_unavailable",
        f"the socket of {path.stem} belongs to somebody else",
        "see who may write to the folder it is in; nothing was said to it",
        process=path.stem,
    )


UNREAD_OCTETS_MAX = 256 * 1024


def _gone(path: Path) -> Error:
    return Error(
        "peer_unavailable",
        f"{path.stem} does not answer",
        "see `casemate status`; the supervisor restarts it by itself",
        process=path.stem,
    )


class Client:
    """Calls over one Unix socket, connected on the first call and again after a loss. Not for threads.

    A call whose connection is lost fails with `peer_unavailable`: whether it took effect is then unknown.
    """

    def __init__(self, path: Path, uids: frozenset[int] | None = None) -> None:
        self.path = path
        self.uids = trusted(uids)
        self._number = 0
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._transport: asyncio.Transport | None = None
        self._connecting: asyncio.Lock = asyncio.Lock()

    async def call(self, op: str, payload: Any = None, timeout_s: float = CALL_S_MAX) -> Any:
        """The reply's payload. Raises the Error the other side raised, or `peer_unavailable`."""
        self._number += 1
        number = self._number
        frame = pack([number, op, payload])
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(timeout_s):
                if self._transport is None:
                    async with self._connecting:
                        if self._transport is None:
                            await self._connect()
                if self._transport is None:  # lost in the instant it stood
                    raise _gone(self.path)
                self._waiting[number] = future
                self._transport.write(frame)
                return await future
        except TimeoutError:
            self._drop_unread()
            raise _gone(self.path) from None
        finally:
            self._waiting.pop(number, None)

    def _drop_unread(self) -> None:
        """A peer that hangs without reading would let what it is sent again and again pile up here."""
        if self._transport is not None and self._transport.get_write_buffer_size() > UNREAD_OCTETS_MAX:
            self._transport.abort()

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            _, wire = await loop.create_unix_connection(lambda: _Wire(self), str(self.path))
        except OSError:
            raise _gone(self.path) from None
        if wire.refused:
            raise _false(self.path)
        if self._transport is None:  # lost again in the same moment
            raise _gone(self.path)

    def _lost(self) -> None:
        self._transport = None
        waiting, self._waiting = self._waiting, {}
        for future in waiting.values():
            if not future.done():
                future.set_exception(_gone(self.path))

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


class _Wire(asyncio.Protocol):
    def __init__(self, client: Client) -> None:
        self.client = client
        self.frames = Frames()
        self.refused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Here and not after connecting: a call that waits for its turn would write as soon as there is a transport.
        if server_uid(transport.get_extra_info("socket")) not in self.client.uids:
            self.refused = True
            transport.close()
            return
        self.client._transport = transport  # type: ignore[assignment]  # uvloop's transports are duck-typed

    def data_received(self, data: bytes) -> None:
        if self.refused:
            return
        try:
            replies = self.frames.hear(data)
        except Error:
            self.client.close()
            return
        for number, ok, payload in replies:
            future = self.client._waiting.get(number)
            if future is not None and not future.done():
                if ok:
                    future.set_result(payload)
                else:
                    future.set_exception(error_of(payload))

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.refused:
            self.client._lost()


class BlockingClient:
    """The same for threads and commands: one call at a time, a lock around it."""

    def __init__(self, path: Path, uids: frozenset[int] | None = None) -> None:
        self.path = path
        self.uids = trusted(uids)
        self._socket: socket.socket | None = None
        self._lock = threading.Lock()
        self._number = 0

    def call(self, op: str, payload: Any = None, timeout_s: float = CALL_S_MAX) -> Any:
        """The reply's payload. Raises the Error the other side raised, or `peer_unavailable`."""
        with self._lock:
            fresh = self._socket is None
            try:
                return self._exchange(op, payload, timeout_s)
            except (BrokenPipeError, ConnectionResetError):
                self.close()
                if fresh:
                    raise _gone(self.path) from None
            except OSError:
                self.close()
                raise _gone(self.path) from None
            except Error as e:
                if e.code in ("malformed", "too_large"):
                    self.close()  # what follows in the stream may mean nothing
                raise
            # The peer restarted since the last call: the request never reached it, so asking again is safe.
            try:
                return self._exchange(op, payload, timeout_s)
            except OSError:
                self.close()
                raise _gone(self.path) from None

    def _exchange(self, op: str, payload: Any, timeout_s: float) -> Any:
        if self._socket is None:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self._socket.settimeout(timeout_s)
            self._socket.connect(str(self.path))
            if server_uid(self._socket) not in self.uids:
                self.close()
                raise _false(self.path)
        self._socket.settimeout(timeout_s)
        self._number += 1
        self._socket.sendall(pack([self._number, op, payload]))
        frames = Frames()
        while True:
            data = self._socket.recv(1 << 16)
            if not data:
                raise ConnectionAbortedError
            for number, ok, reply in frames.hear(data):
                if number == self._number:
                    if ok:
                        return reply
                    raise error_of(reply)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            if self._socket is not None:
                self._socket.close()
        self._socket = None
