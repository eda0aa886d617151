"""The page `keys`: how token and keys are; opening a sealed token by its PIN or by custodians, one at a time; ceremonies by their scripts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from appliance.access import may
from appliance.errors import Error
from appliance.keys import read_line

from .terminal import Terminal

if TYPE_CHECKING:
    from .console import Console

SHARE_LINES: Final = 4
SEALED: Final = "sealed"


class Ceremonies(Protocol):
    """The ceremonies of the box, as the wiring gives them: a face of their own."""

    def listed(self) -> list[tuple[str, str]]:
        """(name, title) of each."""

    def held(
        self, name: str, terminal: Terminal, idle_s: float, needed: int, custodians: int, rehearsal: bool
    ) -> tuple[bool, str]:
        """Whether it was held to its end, and where its transcript is. Raises Error."""


def keys(c: Console) -> None:
    found = c.hands.asked("keys")
    gate = _gate(c)
    lines = [
        f"HSM       {'ready' if found.get('ready') else 'not ready: ' + str(found.get('why', ''))}",
        f"token     {found.get('token') or '-'}",
    ]
    lines += [f"root v{version:<5}{state}" for version, state in found.get("roots", {}).items()]
    held = found.get("keys", [])
    lines.append(f"keys      {sum(k.get('state') == 'active' for k in held)} active of {len(held)}")
    opened = {"pin": "its PIN file", "person": "a person who types the PIN", "custodians": "custodians with shares"}
    lines.append(f"opened by {opened.get(str(gate.get('opened_by')), '-')}")
    words = ["change", *(["ceremony"] if c.hands.ceremonies is not None else [])]
    if gate.get("gate") == SEALED:
        words = [("share" if gate.get("opened_by") == "custodians" else "pin"), *words]
        lines += ["", "The token is sealed: nothing is sent or taken until it is opened."]
    lines += ["", "pin        opens the sealed token", "share      one custodian's share of it"]
    lines += ["change     another PIN for the token, for both where there are two"]
    lines += ["ceremony   by its script, with witnesses; or its rehearsal"]
    c.show("Keys and HSM", lines)
    word = c.ask(f"{', '.join(words)} (empty to leave)")
    if word in ("pin", "share") and gate.get("gate") != SEALED:
        raise Error("key_state", "the token is not sealed: there is nothing to open", "menu 1 shows what is not well")
    if word == "pin":
        _pin(c, gate)
    elif word == "share":
        _share(c)
    elif word == "change":
        _change(c, gate)
    elif word == "ceremony" and c.hands.ceremonies is not None:
        _ceremony(c, c.hands.ceremonies)


def _gate(c: Console) -> dict[str, object]:
    try:
        return c.hands.called("keys", "custody", {})
    except Error:
        return {}


def _pin(c: Console, gate: dict[str, object]) -> None:
    if gate.get("opened_by") == "custodians":
        raise Error("forbidden", "the custodians open this token, together", "choose `share`, each one")
    pin = c.ask("PIN of the token", secret=True) if gate.get("opened_by") == "person" else ""
    c.hands.called("keys", "unseal", {"who": c.who, "pin": pin, "once_more": False})
    c.tell("The token is open.")


def _change(c: Console, gate: dict[str, object]) -> None:
    """Who knows the old PIN, or has the token make another where a file holds it; asked of those who may ask for acts on keys."""
    if c.person is None or not may(c.person.role, "keys.ask"):
        raise Error(
            "forbidden", "acts on keys are for administrators and security officers", "one of them signs in here"
        )
    if gate.get("opened_by") == "custodians":
        hint = "ceremony, replace-custodian: new shares seal it anew"
        raise Error("forbidden", "the custodians' shares seal the PIN: it is not changed on a box in use", hint)
    old = new = ""
    if gate.get("opened_by") == "person":
        old, new = c.ask("PIN of the token", secret=True), c.ask("new PIN", secret=True)
        if c.ask("the same again", secret=True) != new:
            raise Error("invalid", "the two are not the same", "nothing was changed")
    elif not c.yes("The box makes a new random PIN and keeps it in its PIN file."):
        return
    reply = c.hands.called("keys", "pin", {"who": c.who, "old": old, "new": new, "once_more": False})
    c.tell(f"The PIN is another one: {', '.join(reply['hsms'])} HSM.")


def _share(c: Console) -> None:
    """Four lines; each is checked when it was typed. The screen is wiped before anybody else looks."""
    c.tell("The custodian types the four lines of the share; nobody else looks.")
    lines: list[str] = []
    while len(lines) < SHARE_LINES:
        typed = c.ask(f"line {len(lines) + 1} (empty to leave)")
        if not typed:
            c.terminal.wipe()
            return
        try:
            read_line(len(lines), typed)
            lines.append(typed)
        except Error as e:
            c.tell(f"{e.message}: {e.hint}.")
    reply = c.hands.called("keys", "share_enter", {"lines": lines})
    c.terminal.wipe()
    if reply["entered"] < reply["needed"]:
        c.tell(
            f"{reply['entered']} of {reply['needed']} shares are in; forgotten in 15 minutes. The next custodian, please."
        )
        return
    c.hands.called("keys", "unseal", {"who": c.who, "shares": True})
    c.tell("The token is open.")


def _ceremony(c: Console, held: Ceremonies) -> None:
    rows = held.listed()
    c.show("Ceremonies", [f"{n:>3}  {name:<18} {title}" for n, (name, title) in enumerate(rows, 1)])
    name = c.pick("ceremony", [name for name, _ in rows])
    if name not in [n for n, _ in rows]:
        return
    rehearsal = c.ask("rehearse it first? Enter rehearses, hold holds it") != "hold"
    counts = [2, 3] if rehearsal else [0, 0]
    if not rehearsal and name in ("initialise", "replace-custodian"):
        for n, words in enumerate(("custodians needed together", "custodians in all")):
            typed = c.ask(f"{words} (empty: as they are)")
            counts[n] = int(typed) if typed.isascii() and typed.isdigit() and len(typed) < 4 else 0
    done, place = held.held(name, c.terminal, c.idle_s, counts[0], counts[1], rehearsal)
    c.tell("Held to its end." if done else "Stopped: what was not in use yet is undone.", f"Transcript: {place}")
