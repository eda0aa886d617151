"""The parent's end of one worker: starts it by exec, asks it one thing at a time, kills it when an answer is late."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import sys
from pathlib import Path
from typing import Any, Final

from .bounds import STOP_S_MAX
from .errors import CODES, HsmError
from .life import Life
from .wire import HEAD_OCTETS, length, pack, unpack

#: -P: the working directory is not searched for modules.
COMMAND: Final = (sys.executable, "-P", "-m", "hsm.worker")
_ROOT: Final = str(Path(__file__).resolve().parent.parent)


class Lost(Exception):
    """The worker is of no more use; `late` when it had to be killed for taking too long. The HSM may have done what was asked."""

    def __init__(self, why: str, late: bool = False) -> None:
        super().__init__(why)
        self.late = late


class Seat:
    """One worker, or the place for one."""

    def __init__(self, number: int, command: tuple[str, ...] = COMMAND) -> None:
        self.number = number
        self.life = Life()
        self.calls = 0
        self.losses = 0
        self._command = command
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    @property
    def pid(self) -> int:
        return self._process.pid if self._process is not None else 0

    async def start(self, environment: dict[str, str]) -> None:
        """Starts the child; nothing is asked of it yet."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._reader, self._writer = await asyncio.open_connection(sock=ours)
            # The child's standard output joins its errors: vendors' libraries print, and nothing reads it.
            self._process = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=theirs.fileno(),
                stdout=sys.__stderr__,
                env={**os.environ, "PYTHONPATH": _ROOT, **environment},
            )
        except OSError as e:
            raise Lost(f"the worker cannot be started ({e.strerror})") from None
        finally:
            theirs.close()

    async def ask(self, op: str, given: dict[str, Any], deadline_s: float) -> Any:
        """The worker's result. Raises HsmError as it said, or Lost; after Lost, or when cancelled, only `end` is allowed."""
        reader, writer = self._reader, self._writer
        assert reader is not None and writer is not None
        request = pack([op, given])
        self.calls += 1
        try:
            async with asyncio.timeout(deadline_s):
                writer.write(request)
                await writer.drain()
                head = await reader.readexactly(HEAD_OCTETS)
                body = await reader.readexactly(length(head))
            good, result = unpack(body)
            if good:
                return result
            code, message, hint = result
        except TimeoutError:
            raise Lost(f"no answer within {deadline_s:g} s", late=True) from None
        except (OSError, asyncio.IncompleteReadError):
            raise Lost("the worker died") from None
        except (HsmError, TypeError, ValueError):
            raise Lost("the worker talks nonsense") from None
        raise HsmError(code if code in CODES else "hsm_unavailable", message, hint)

    async def died(self) -> None:
        """Returns when the child is gone."""
        if self._process is not None:
            await self._process.wait()

    async def end(self, politely: bool = False) -> None:
        """Ends the child: by closing its socket and waiting a little when `politely`, then by SIGKILL."""
        process, self._process = self._process, None
        if self._writer is not None:
            self._writer.close()
        self._reader = self._writer = None
        if process is None:
            return
        if politely:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(STOP_S_MAX):
                    await process.wait()
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
        with contextlib.suppress(TimeoutError):  # a child in uninterruptible sleep is left to the kernel
            async with asyncio.timeout(STOP_S_MAX):
                await process.wait()
