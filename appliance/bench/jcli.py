"""Jasmin's console (jcli): what is typed into it over telnet, and what its answers mean.

It echoes what is typed and moves the cursor as if a person sat there. User guide of Jasmin 0.11, "Management CLI reference".
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from appliance.errors import Error

LINE_S_MAX: Final = 30.0  # from a line to the next prompt; a connector that stops takes seconds
#: Negotiation of telnet (RFC 854): IAC and a command, with an option where it has one; a whole subnegotiation.
_TELNET: Final = re.compile(rb"\xff\xfa.*?\xff\xf0|\xff[\xfb-\xfe].|\xff[\xf0-\xf9]", re.S)
#: Escape sequences of ECMA-48 and the reset of the terminal.
_CURSOR: Final = re.compile(rb"\x1b\[[0-?]*[ -/]*[@-~]|\x1b[@-Z\\-_a-z]|\x1b[()#].")
#: Where it waits for a line: outside, and inside of what is being added.
PROMPTS: Final = (b"Username: ", b"Password: ", b"jcli : ", b"\n> ")
#: Columns of `smppccm -l`.
_CONNECTOR: Final = re.compile(r"^#(?P<id>\S+)\s+(?P<running>started|stopped)\s+(?P<session>\S+)\s+\d+\s+\d+\s*$", re.M)
#: How an answer to a line begins that was not done.
_REFUSALS: Final = ("Error:", "Failed", "Incorrect", "Unknown", "You must", "Invalid", "must be")


class Connector(NamedTuple):
    """A row of `smppccm -l`. `session`: `BOUND_TRX` when it may send; `NONE`, `OPEN` and others until then."""

    started: bool
    session: str


def plain(octets: bytes) -> bytes:
    """What a person would read: no negotiation, no movement of the cursor."""
    return _CURSOR.sub(b"", _TELNET.sub(b"", octets)).replace(b"\r", b"")


def prompted(octets: bytes) -> bool:
    """Whether it waits for a line now."""
    return plain(octets).endswith(PROMPTS)


def answer(octets: bytes, line: str) -> str:
    """What it said to a line: without the echo and the next prompt."""
    text = plain(octets).decode("utf-8", "replace")
    for prompt in PROMPTS:
        text = text.removesuffix(prompt.decode().lstrip("\n"))
    return text.strip().removeprefix(line).strip()


def refused(told: str) -> bool:
    """Whether an answer says that it was not done."""
    return any(row.strip().startswith(_REFUSALS) for row in told.splitlines())


def connectors(told: str) -> dict[str, Connector]:
    """What `smppccm -l` lists, by id."""
    return {row["id"]: Connector(row["running"] == "started", row["session"]) for row in _CONNECTOR.finditer(told)}


def added(command: str, values: Sequence[tuple[str, str]]) -> list[str]:
    """The lines that add one thing: the command, a line for each key, and the last one that keeps it."""
    return [command, *(f"{key} {value}".strip() for key, value in values), "ok"]


def said(port: int, user: str, password: str, lines: Sequence[str]) -> list[str]:
    """Types the lines one after another; the answer to each. Raises Error `peer_unavailable` when one is refused or not answered."""
    try:
        return asyncio.run(_said(port, (user, password, *lines)))[2:]
    except (OSError, EOFError, TimeoutError) as e:
        raise Error("peer_unavailable", f"Jasmin's console does not answer: {type(e).__name__}") from None


async def _said(port: int, lines: Sequence[str]) -> list[str]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(b"\r\n")  # it asks who is there when the terminal has told its size, or after a line
        await asyncio.wait_for(_heard(reader), LINE_S_MAX)
        answers = []
        for line in lines:
            writer.write(f"{line}\r\n".encode())
            told = answer(await asyncio.wait_for(_heard(reader), LINE_S_MAX), line)
            if refused(told):
                raise Error("peer_unavailable", f"Jasmin's console refused {line.split()[0]!r}", told.splitlines()[0])
            answers.append(told)
        return answers
    finally:
        writer.close()


async def _heard(reader: asyncio.StreamReader) -> bytes:
    """Everything until it waits for a line. Raises EOFError."""
    octets = b""
    while not prompted(octets):
        more = await reader.read(65_536)
        if not more:
            raise EOFError
        octets += more
    return octets
