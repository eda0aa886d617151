"""The page `network`: what is set, what is asked, applied, and confirmed or undone by itself: a box that nobody reaches any more comes back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from appliance.clock import rfc3339
from appliance.errors import Error
from appliance.network import KEYS

from .terminal import Left

if TYPE_CHECKING:
    from .console import Console

MORE: Final = "more"
#: Asked always, and asked after `more`: setting of [network] -> words.
ASKED: Final = {
    "interface": "card",
    "address": "address, as 10.20.0.5/24, or dhcp",
    "gateway": "gateway",
    "dns": "name servers",
    "time_servers": "time servers",
}
FURTHER: Final = {
    "hostname": "name of the box",
    "vlan": "VLAN, 0 for none",
    "bond": "cards that are one (bond)",
    "bond_mode": "bond: active-backup or 802.3ad",
    "routes": "routes, as 10.0.0.0/8 via 10.20.0.254",
    "nts": "time by NTS, yes or no",
    "proxy": "proxy for webhooks, as proxy.bank.example:3128",
}
assert set(ASKED) | set(FURTHER) == set(KEYS)


def network(c: Console) -> None:
    """Apply, then confirm or it is undone."""
    if c.hands.changing.pending() is not None:
        c.tell("A change waits to be confirmed.")
        _confirm(c)
        return
    s = c.hands.fresh()
    now = [f"{key:<13}{_shown(s['network.' + key])}" for key in KEYS]
    told = [
        "Empty keeps what is there, - takes it away. Several values: with commas.",
        f"{MORE}   first: {', '.join(FURTHER)}",
    ]
    c.show("Network", [*now, "", *told])
    changes: dict[str, Any] = {}
    typed = c.ask(ASKED["interface"])
    if typed == MORE:
        for key, words in FURTHER.items():
            _taken(changes, key, s[f"network.{key}"], c.ask(words))
        typed = c.ask(ASKED["interface"])
    _taken(changes, "interface", s["network.interface"], typed)
    for key in list(ASKED)[1:]:
        _taken(changes, key, s[f"network.{key}"], c.ask(ASKED[key]))
    if not changes:
        c.tell("Nothing was changed.")
        return
    c.tell("", *(f"{key}: {_shown(value)}" for key, value in changes.items()))
    if not c.yes("Apply this?"):
        c.tell("Nothing was changed.")
        return
    until_ms = c.hands.network_apply(changes, c.who)
    c.tell(f"Applied. It is undone at {rfc3339(until_ms)[11:19]} UTC unless you confirm it.")
    _confirm(c)


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(value) if isinstance(value, list) else str(value)


def _taken(changes: dict[str, Any], key: str, before: Any, typed: str) -> None:
    """What was typed as the setting's own type; nothing for an empty line. Raises Error `invalid`."""
    if not typed:
        return
    plain = "" if typed == "-" else typed
    if isinstance(before, list):
        changes[key] = [w.strip() for w in plain.split(",") if w.strip()]
    elif isinstance(before, bool):
        if plain not in ("yes", "no"):
            raise Error("invalid", f"{key}: yes or no", "nothing was changed: begin again")
        changes[key] = plain == "yes"
    elif isinstance(before, int):
        if plain and not (plain.isascii() and plain.isdigit()):
            raise Error("invalid", f"{key}: that is no number", "nothing was changed: begin again")
        changes[key] = int(plain or 0)
    else:
        changes[key] = plain


def _confirm(c: Console) -> None:
    """Waits for the word; what is not confirmed in time, by whatever reason, is undone."""
    try:
        left = max(1.0, ((c.hands.changing.pending() or 0) - c.hands.clock()) / 1000)
        typed = c.terminal.line("Type confirm to keep it: ", left).strip()
    except Left as e:
        c.hands.network_revert(c.who)
        c.tell("Not confirmed: the network is as it was before.")
        if not e.idle:
            raise
        return
    except BaseException:
        c.hands.network_revert(c.who)
        raise
    if typed == "confirm":
        c.hands.network_confirm(c.who)
        c.tell("Confirmed.")
    else:
        c.hands.network_revert(c.who)
        c.tell("Not confirmed: the network is as it was before.")
