"""Connections in memory: octets arrive in order, in pieces, late, or never. TCP as far as the processes can see it.

A connection can be cut (both ends hear of it), or lost (nobody hears of it and nothing arrives any more), and a host can
be closed (refused at once) or dark (connecting never ends).
"""

from __future__ import annotations

import asyncio
import os
import struct
from collections.abc import Callable
from random import Random
from typing import Any, Final

from .loop import CURRENT, WORLD, Process, SimLoop

PIECE_OCTETS_MAX: Final = 65_536
UNIX_S: Final = (5e-6, 60e-6)  # between processes of one box


class _Kernel:
    """Stands for the socket object: who is at the other end (SO_PEERCRED)."""

    def getsockopt(self, level: int, name: int, size: int) -> bytes:
        return struct.pack("3i", os.getpid(), os.getuid(), os.getgid())


class Transport:
    """One end of a connection."""

    def __init__(self, loop: SimLoop, line: Line, process: Process) -> None:
        self.loop = loop
        self.line = line
        self.process = process
        self.protocol: Any = None
        self.other: Transport | None = None
        self.closing = False
        self.ended = False
        self._paused = False
        self._kept: list[bytes] = []
        self._arrives_s = 0.0

    # --- as asyncio's ---------------------------------------------------------------------------------

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return _Kernel() if name == "socket" else default

    def is_closing(self) -> bool:
        return self.closing

    def get_write_buffer_size(self) -> int:
        return 0

    def write(self, data: bytes) -> None:
        if self.closing or self.process.dead or not data:
            return
        self.line.wrote(self, bytes(data))
        other = self.other
        assert other is not None
        if self.line.lost:
            return
        for piece in self.line.pieces(bytes(data)):
            self._later(lambda piece=piece: other._arrived(piece))

    def writelines(self, pieces: list[bytes]) -> None:
        self.write(b"".join(pieces))

    def pause_reading(self) -> None:
        self._paused = True

    def resume_reading(self) -> None:
        self._paused = False
        kept, self._kept = self._kept, []
        for piece in kept:
            self.loop.within(self.process, lambda piece=piece: self.loop.call_soon(self._hear, piece))

    def close(self) -> None:
        """Ours ends now; the other side hears of it after all that was written."""
        if self.closing:
            return
        self.closing = True
        other = self.other
        if other is not None and not self.line.lost:
            self._later(lambda: other._end(None))
        self.loop.within(self.process, lambda: self.loop.call_soon(self._ended, None))

    def abort(self) -> None:
        if self.closing:
            return
        self.closing = True
        other = self.other
        if other is not None and not self.line.lost:
            self.line.cut_s = self.loop.now_s
            self._later(lambda: other._end(ConnectionResetError()), at_once=True)
        self.loop.within(self.process, lambda: self.loop.call_soon(self._ended, None))

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    # --- the wire ---------------------------------------------------------------------------------------

    def _later(self, act: Callable[[], None], at_once: bool = False) -> None:
        """In the other end's process, after whatever was sent before."""
        assert self.other is not None
        # Never at the same instant as what was sent before: timers of one instant have no order.
        self._arrives_s = max(self._arrives_s, self.loop.now_s) + self.line.delay_s(at_once) + 1e-7
        when_s = self._arrives_s
        self.loop.within(self.other.process, lambda: self.loop.call_at(when_s, act))

    def _arrived(self, piece: bytes) -> None:
        if self.closing or self.line.lost:
            return
        if self._paused:
            self._kept.append(piece)
        else:
            self._hear(piece)

    def _hear(self, piece: bytes) -> None:
        if self.closing or self.ended:
            return
        if self._paused:
            self._kept.append(piece)
            return
        self.line.heard(self, piece)
        self.protocol.data_received(piece)

    def _end(self, error: Exception | None) -> None:
        if self.closing:
            return
        self.closing = True
        self._ended(error)

    def _ended(self, error: Exception | None) -> None:
        if not self.ended:
            self.ended = True
            self.line.network.lines.discard(self.line)
            self.protocol.connection_lost(error)


class Line:
    """A connection."""

    def __init__(self, network: Network, address: str, number: int) -> None:
        self.network = network
        self.address = address
        self.number = number
        self.local = address.startswith("/")
        self.lost = False
        self.cut_s = 0.0
        self.client: Transport
        self.server: Transport

    def delay_s(self, at_once: bool) -> float:
        low, high = UNIX_S if self.local else self.network.latency_s
        chance = self.network.chance
        # As a fifth of what is written comes in one piece with what was written before it.
        return 0.0 if not self.local and chance.random() < 0.2 else low + (high - low) * chance.random()

    def pieces(self, data: bytes) -> list[bytes]:
        chance = self.network.chance
        if self.local or len(data) < 2 or chance.random() > self.network.torn:
            return [data]
        at = chance.randrange(1, len(data))
        return [data[:at], data[at:]]

    def wrote(self, end: Transport, data: bytes) -> None:
        if self.network.watch is not None and not self.local and end is self.client:
            self.network.watch.wrote(self, data)

    def heard(self, end: Transport, data: bytes) -> None:
        if self.network.watch is not None and not self.local and end is self.client:
            self.network.watch.heard(self, data)

    def cut(self) -> None:
        """Both ends hear of it now; what was under way is gone."""
        for end in (self.client, self.server):
            end.loop.within(end.process, lambda end=end: end.loop.call_soon(end._end, ConnectionResetError()))
        self.lost = True

    def die(self, process: Process) -> None:
        """The process at one end is gone: the kernel resets the connection, or, after a power cut, nobody says a word."""
        for end, far in ((self.client, self.server), (self.server, self.client)):
            if end.process is process and not far.process.dead:
                far.loop.within(far.process, lambda far=far: far.loop.call_soon(far._end, ConnectionResetError()))
        self.lost = True
        self.network.lines.discard(self)


QUICK_S: Final = (0.0002, 0.004)
SLOW_S: Final = (0.1, 0.6)


class _Listening:
    def __init__(self, network: Network, address: str) -> None:
        self._network, self._address = network, address

    def close(self) -> None:
        self._network.servers.pop(self._address, None)


class Network:
    """Every listener and every connection."""

    def __init__(self, loop: SimLoop, chance: Random) -> None:
        self.loop = loop
        self.chance = chance
        self.servers: dict[str, tuple[Callable[[], Any], Process]] = {}
        self.lines: dict[Line, None] | Any = _Ordered()
        self.dark: set[str] = set()
        self.slow = 0  # troubles that make it so; they overlap
        self.torn = 0.1
        self.watch: Any = None
        self._made = 0
        loop.network = self

    @property
    def latency_s(self) -> tuple[float, float]:
        return SLOW_S if self.slow else QUICK_S

    def quick_again(self) -> None:
        self.slow -= 1

    def listen(self, address: str, factory: Callable[[], Any]) -> _Listening:
        self.servers[address] = (factory, CURRENT.get())
        return _Listening(self, address)

    async def connect(self, factory: Callable[[], Any], address: str) -> tuple[Transport, Any]:
        local = address.startswith("/")
        await asyncio.sleep(self.chance.uniform(*(UNIX_S if local else self.latency_s)))
        if address in self.dark:
            await asyncio.sleep(86_400)
        found = self.servers.get(address)
        if found is None or found[1].dead:
            raise ConnectionRefusedError(address)
        make, process = found
        self._made += 1
        line = Line(self, address, self._made)
        client, server = Transport(self.loop, line, CURRENT.get()), Transport(self.loop, line, process)
        client.other, server.other = server, client
        line.client, line.server = client, server
        self.lines.add(line)
        server.protocol = self.loop.within(process, make)
        self.loop.within(process, lambda: server.protocol.connection_made(server))
        client.protocol = factory()
        client.protocol.connection_made(client)
        return client, client.protocol

    def of(self, address: str) -> list[Line]:
        return [line for line in self.lines if line.address == address]

    def forget(self, process: Process) -> None:
        """A process is gone."""
        for line in list(self.lines):
            if process in (line.client.process, line.server.process):
                line.die(process)
        for address, (_, owner) in list(self.servers.items()):
            if owner is process:
                del self.servers[address]


class _Ordered(dict[Line, None]):
    """A set that keeps the order in which things came: the same in every run."""

    def add(self, line: Line) -> None:
        self[line] = None

    def discard(self, line: Line) -> None:
        self.pop(line, None)


__all__ = ["WORLD", "Line", "Network", "Transport"]
