"""The page `ssh`: one person's key is let in from the management network for minutes, or sent away again. Nothing here keeps it open: the unit ends it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from appliance.clock import rfc3339
from appliance.errors import Error
from appliance.limits import SSH_MINUTES_MAX
from appliance.network import networks
from appliance.network import ssh as opening

from . import programs

if TYPE_CHECKING:
    from .console import Console

MINUTES: Final = 60
ON: Final = "box:ssh"
RUNS: Final = "active"  # systemctl(1), is-active


def ssh(c: Console) -> None:
    until_ms = opening.until_ms(c.hands.opened)
    allowed = networks(c.hands.fresh(), "network.ssh_from")
    keys = _keys(c)
    lines = [
        f"SSH        {f'OPEN until {rfc3339(until_ms)[11:19]} UTC' if until_ms else 'closed'}",
        f"from       {', '.join(allowed) or 'nowhere: `network.ssh_from` names no network'}",
        f"this box   {opening.host_key() or 'has no SSH key yet'}",
        "",
        *(f"{n:>3}  {key.shown} {key.name}" for n, key in enumerate(keys, 1)),
        "" if keys else "No key is in the site file or on the stick: paste one.",
        "open    one key, for minutes: whoever has it is root on the box",
        "close   at once, whoever is connected",
    ]
    c.show("SSH for a time", lines)
    word = c.ask("open, close (empty to leave)")
    if word == "open":
        _open(c, keys, allowed)
    elif word == "close":
        _close(c)


def _keys(c: Console) -> list[opening.Key]:
    """The administrators' of the site file, then those on the stick, each once."""
    found: dict[str, opening.Key] = {}
    listed = c.hands.config.parent / opening.LISTED
    on_stick = sorted(c.hands.media.glob("*.pub"))[:10] if c.hands.media.is_dir() else []
    for path in (listed, *on_stick):
        try:
            for key in opening.keys_of(path.read_text(encoding="utf-8")):
                found.setdefault(key.text, key)
        except (OSError, UnicodeDecodeError):
            continue
        except Error as e:
            c.tell(f"{path.name}: {e.message}")
    return list(found.values())


def _open(c: Console, keys: list[opening.Key], allowed: list[str]) -> None:
    if not allowed:
        raise Error(
            "key_state", "no network may come by SSH", "set `network.ssh_from` to your management network first"
        )
    typed = c.ask("key: its number, or   paste   (empty to leave)")
    if not typed:
        return
    if typed.isascii() and typed.isdigit() and 1 <= int(typed) <= len(keys):
        key = keys[int(typed) - 1]
    elif typed == "paste":
        key = opening.key_of(c.ask("the line of the .pub file (it is not shown)", secret=True))
    else:
        raise Error("invalid", "there is no such key", "a number of the list, or   paste")
    said = c.ask(f"minutes, up to {SSH_MINUTES_MAX} (empty: {MINUTES})") or str(MINUTES)
    if not (said.isascii() and said.isdigit() and 1 <= int(said) <= SSH_MINUTES_MAX):
        raise Error("invalid", f"that is no number from 1 to {SSH_MINUTES_MAX}", "choose the entry again")
    c.tell("", key.shown, f"{key.name}  for {said} minutes, from {', '.join(allowed)}")
    if not c.yes("Open SSH to this key?"):
        c.tell("Nothing was changed.")
        return
    if opening.is_open(c.hands.opened):
        _close(c)
    ends_ms = c.hands.clock() + int(said) * 60_000
    c.hands.record(c.who, "ssh.opened", ON, fingerprint=key.digest.hex(), networks=", ".join(allowed), until_ms=ends_ms)
    c.tell("Opening ...")
    opening.write(key, int(said) * 60, ends_ms, c.hands.opened, c.hands.updates.machine.root / "etc")
    told = programs.ran("ssh open")
    if programs.ran("ssh")[:1] != [RUNS]:
        raise Error("peer_unavailable", f"SSH did not start: {' '.join(told)[:200]}", "menu 10 takes the journal along")
    address = c.hands.fresh()["network.address"].partition("/")[0]
    where = "ADDRESS (menu 4, addresses)" if address == "dhcp" else address
    c.tell(f"Open until {rfc3339(ends_ms)[11:19]} UTC: ssh root@{where}", f"this box   {opening.host_key()}")


def _close(c: Console) -> None:
    """Does not wait for the log: what closes may never be held up."""
    if not opening.is_open(c.hands.opened):
        c.tell("It is closed.")
        return
    opening.closing(c.hands.opened)
    told = programs.ran("ssh close")
    c.hands.updates.record_or_keep(c.who, "ssh.closed", ON, why="by a person")
    c.tell(*(told or ["Closed."]))
