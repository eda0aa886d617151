"""When a link was not up, from what the audit log has of it."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from .known import Known


class Outage(NamedTuple):
    """A time without a link; `to_ms` is the end of what is looked at when it still lasted."""

    link: str
    from_ms: int
    to_ms: int
    why: str


def outages(known: Known, links: list[str], from_ms: int, to_ms: int) -> dict[str, list[Outage]]:
    """Of each link. What was so at the beginning is read from the last entry before it; a link the log does not know counts as up."""
    found: dict[str, list[Outage]] = {}
    heard = known.entries(("link.up", "link.down"), from_ms, to_ms)
    for name in links:
        on = f"link:{name}"
        was_up, was_down = (known.last_before(event, on, from_ms) for event in ("link.up", "link.down"))
        turns = [
            (ms_of(e["entry"]["at"]), e["entry"]["what"] == "link.up", str(e["entry"]["detail"].get("why", "")))
            for e in heard
            if e["entry"]["on"] == on
        ]
        found[name] = down_times(name, was_down > was_up, turns, from_ms, to_ms)
    return found


def down_times(name: str, down: bool, turns: list[tuple[int, bool, str]], from_ms: int, to_ms: int) -> list[Outage]:
    """`turns`: (when, whether it came up, why), in order. Pure."""
    out, since, why = [], from_ms if down else None, "was down before"
    for at_ms, up, told in turns:
        if up and since is not None:
            out.append(Outage(name, since, at_ms, why))
            since = None
        elif not up and since is None:
            since, why = at_ms, told
    if since is not None and to_ms > since:
        out.append(Outage(name, since, to_ms, why))
    return out


def ms_of(at: str) -> int:
    return int(datetime.fromisoformat(at).timestamp() * 1000)
