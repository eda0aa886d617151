"""The console's end of its connections, bounded: how long a request may take to arrive, how many one address holds, what is logged of it.

gunicorn's threads read from their sockets without a deadline: a handful of slow strangers would hold all of them.
"""

from __future__ import annotations

import contextlib
import errno
import socket
import threading
from collections import Counter
from typing import Any, Final

from gunicorn.glogging import Logger
from gunicorn.workers.gthread import TConn, ThreadWorker

from appliance.clock import monotonic_s
from appliance.logbook import Plain

from .warm import WarmThreads

THREADS: Final = 48  # argon2 and SQLite let go of the interpreter lock, and an idle thread costs nothing
PER_ADDRESS_MAX: Final = 32  # connections of one address; the rest of the threads is for others
READ_S_MAX: Final = 10.0  # from the moment that a thread takes a request to its last octet
READ_STOPPING_S_MAX: Final = 1.0  # the same once the console was asked to stop
TAKE_MS_MAX: Final = 30_000  # an answer of which nothing is taken for so long is given up


class Connection(TConn):  # type: ignore[misc]  # gunicorn ships no types
    """One connection, counted until it is closed."""

    def __init__(self, cfg: Any, sock: socket.socket, client: Any, server: Any, worker: Worker) -> None:
        super().__init__(cfg, sock, client, server)
        self._worker: Worker | None = worker
        self.address = client[0] if isinstance(client, tuple) else ""
        worker.held[self.address] += 1

    def close(self, graceful: bool = False) -> None:
        worker, self._worker = self._worker, None
        if worker is not None:
            with worker.lock:
                worker.held[self.address] -= 1
                if worker.held[self.address] <= 0:
                    del worker.held[self.address]
        # Never gracefully: gunicorn would linger up to 2 s in its one loop for each body that was left unread.
        super().close(False)


class Worker(ThreadWorker):  # type: ignore[misc]  # gunicorn ships no types
    """gunicorn's worker with threads, in which nobody reads for longer than READ_S_MAX."""

    def __init__(self, *given: Any, **more: Any) -> None:
        super().__init__(*given, **more)
        self.lock = threading.Lock()
        self.held: Counter[str] = Counter()
        self.reading: dict[int, tuple[float, Connection]] = {}  # since when

    def get_thread_pool(self) -> WarmThreads:
        return WarmThreads(self.cfg.threads)

    def accept(self, listener: socket.socket) -> None:
        try:
            taken, client = listener.accept()
        except OSError as e:
            if e.errno not in (errno.EAGAIN, errno.ECONNABORTED, errno.EWOULDBLOCK):
                raise
            return
        address = client[0] if isinstance(client, tuple) else ""
        if self.held[address] >= PER_ADDRESS_MAX:
            taken.close()
            return
        if taken.family in (socket.AF_INET, socket.AF_INET6):
            taken.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, TAKE_MS_MAX)
        taken.setblocking(True)
        self.nr_conns += 1
        with self.lock:
            connection = Connection(self.cfg, taken, client, listener.getsockname(), self)
        self.enqueue_req(connection)

    def handle(self, conn: Connection) -> Any:
        with self.lock:
            self.reading[id(conn)] = (monotonic_s(), conn)
        try:
            return super().handle(conn)
        finally:
            with self.lock:
                self.reading.pop(id(conn), None)

    def murder_pending(self) -> None:
        """Called about once a second by the loop: what came too slowly has come to its end. Once it was asked to stop nothing slow is waited for:
        browsers keep connections at hand on which they say nothing."""
        for conn in self.pending_conns if not self.alive else ():
            conn.timeout = 0.0
        super().murder_pending()
        now_s, most_s = monotonic_s(), READ_S_MAX if self.alive else READ_STOPPING_S_MAX
        with self.lock:
            late = [(key, conn) for key, (since_s, conn) in self.reading.items() if now_s - since_s > most_s]
            for key, _ in late:
                del self.reading[key]
        for _, conn in late:
            # For reading only: an answer that is being made, an export say, still leaves. Past SSLSocket.shutdown,
            # which would drop the encryption and go on in clear.
            with contextlib.suppress(OSError):
                socket.socket.shutdown(conn.sock, socket.SHUT_RD)


class Journal(Logger):  # type: ignore[misc]
    """gunicorn's log without what a request held: no address, no header, no line of it."""

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        for handler in self.error_log.handlers:
            handler.setFormatter(Plain())

    def warning(self, msg: Any, *args: Any, **kwargs: Any) -> None:
        super().warning(_bare(msg))

    def exception(self, msg: Any, *args: Any, **kwargs: Any) -> None:
        super().exception(_bare(msg))


def _bare(msg: Any) -> str:
    """The words that gunicorn itself chose, up to the first that a stranger did."""
    if isinstance(msg, BaseException):
        return f"a mistake ({type(msg).__name__})"
    return str(msg).partition("%")[0].partition("{")[0].partition(":")[0].partition(" from ip=")[0].strip()
