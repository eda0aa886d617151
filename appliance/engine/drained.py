"""Which links people took out of use: a small file in the store's folder, so that it outlives a restart.

Trust: whoever can change it can take a link out of use or back, nothing else; what people did stands in the audit log.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import msgspec

from appliance import atomic, clock
from appliance.audit import entry
from appliance.errors import Error

from .beat import Act, Beat
from .link import Link

NAME: Final = "drained.json"


def read(folder: Path) -> frozenset[str]:
    """Names of the drained links. A file that nobody can read drains nothing: traffic goes on."""
    try:
        return frozenset(msgspec.json.decode((folder / NAME).read_bytes(), type=list[str]))
    except (OSError, msgspec.MsgspecError):
        return frozenset()


def write(folder: Path, names: frozenset[str]) -> None:
    """Whole or not at all, and on disk when it returns. Raises Error `store_full`."""
    try:
        atomic.write(folder / NAME, msgspec.json.encode(sorted(names)))
    except OSError as e:
        raise Error("store_full", f"{NAME} cannot be written: {e.strerror}", "free space on the disk") from None


class Drains:
    """The operation `drain {link, on, who}` of one engine. `in_beat` has an act done within the next beat and made durable."""

    def __init__(
        self, links: dict[str, Link], beat: Beat, folder: Path, in_beat: Callable[[Act], Awaitable[Any]]
    ) -> None:
        self._links = links
        self._beat = beat
        self._folder = folder
        self._in_beat = in_beat
        self._one = asyncio.Lock()
        for name in read(folder) & links.keys():
            links[name].drain(True)

    async def drain(self, payload: Any) -> dict[str, Any]:
        """Takes a link out of use or back; on record first, then on disk, then done. The link's state."""
        try:
            name, on, who = payload["link"], payload["on"], payload["who"]
        except (KeyError, TypeError):
            raise Error("invalid", "a drain names link, on and who") from None
        link = self._links.get(name) if isinstance(name, str) else None
        if link is None:
            raise Error("not_found", "there is no such link", "`casemate status` names them", field="link")
        if not isinstance(on, bool) or not isinstance(who, str) or not who:
            raise Error("invalid", "`on` is true or false, and `who` is not empty", field="on")
        async with self._one:
            if link.drained != on:
                names = frozenset(n for n, each in self._links.items() if (on if n == name else each.drained))
                await self._recorded(who, name, on)
                try:
                    await asyncio.get_running_loop().run_in_executor(None, write, self._folder, names)
                except Error:
                    await self._recorded(f"process:{self._beat.ledger.name}", name, not on)  # it stayed as it was
                    raise
                await self._in_beat(lambda: link.drain(on))
        return link.state()

    async def _recorded(self, who: str, name: str, on: bool) -> None:
        """On the audit log, durably, before anything is done: after a crash in between the record says more, never less."""
        audit = entry(clock.now_ms(), who, "link.drained" if on else "link.resumed", f"link:{name}")
        await self._in_beat(lambda: self._beat.notes.append(audit))
