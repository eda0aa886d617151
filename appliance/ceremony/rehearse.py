"""A rehearsal: the same ceremony by the same script, on an embedded token and in a folder of their own, thrown away afterwards.

Ceremonies that need a box with keys get one that was made for the rehearsal; the shares they ask for are shown first, and are worthless.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from appliance.errors import Error
from appliance.intercom import BlockingClient
from appliance.keys import hosted
from appliance.settings import Settings, parse

from .acts import RECORDS, ROOT_KEYS, Call
from .terminal import Terminal

CALL_S_MAX: Final = 300.0
_PEOPLE: Final = ("cli:ceremony-administrator", "cli:ceremony-auditor")


def caller(settings: Settings) -> tuple[Call, Callable[[], None]]:
    """How the keys process of `settings` is asked, and what closes the line."""
    client = BlockingClient(settings.socket("keys"))

    def call(op: str, payload: dict[str, Any]) -> dict[str, Any]:
        reply: dict[str, Any] = client.call(op, payload, CALL_S_MAX)
        return reply

    return call, client.close


@contextmanager
def scratch(folder: Path, opened_by: str) -> Iterator[tuple[Settings, Call]]:
    """A box without keys, in `folder`."""
    settings = parse({"hsm": {"opened_by": opened_by}}, folder, "rehearsal")
    with hosted(settings):
        call, close = caller(settings)
        try:
            yield settings, call
        finally:
            close()


def made_ready(call: Call, terminal: Terminal, needed: int, custodians: int, pin: str) -> list[list[str]]:
    """Gives the scratch box keys and shares, as `initialise` does; the shares, shown to everybody."""
    call("initialise", {"needed": needed, "custodians": custodians, "pin": pin})
    shares = [call("share_show", {"number": n})["lines"] for n in range(1, custodians + 1)]
    for lines in shares[:needed]:
        call("share_enter", {"lines": lines})
    call("prove", {})
    call("commit", {})
    terminal.say("Shares for the rehearsal, of no use for anything else:")
    for n, lines in enumerate(shares, 1):
        terminal.say(f"  custodian {n}")
        for line in lines:
            terminal.say(f"    {line}")
    terminal.say("")
    return shares


def backed_up(call: Call, shares: list[list[str]], needed: int, folder: Path) -> None:
    """Writes a backup of the scratch box, for a rehearsal of `restore`."""
    request = call("ask", {"act": "back-up", "on": 0, "reason": "rehearsal", "who": _PEOPLE[0]})["request"]
    call("decide", {"request": request, "yes": True, "who": _PEOPLE[1]})
    for lines in shares[:needed]:
        call("share_enter", {"lines": lines})
    done = call("do", {"request": request, "who": _PEOPLE[0]})
    folder.mkdir()
    (folder / ROOT_KEYS).write_bytes(done["root_keys"])
    (folder / RECORDS).write_bytes(done["records"])


def scratch_pin(opened_by: str) -> str:
    """A PIN for a scratch box that nobody is asked for."""
    return "" if opened_by == "pin" else secrets.token_urlsafe(12)


def check_quorum(needed: int, custodians: int) -> None:
    """Raises Error `invalid`."""
    if not 2 <= needed <= custodians <= 16:
        raise Error("invalid", "how many custodians, and how many of them are needed?", "--custodians 5 --needed 3")
