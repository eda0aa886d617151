"""What the steps of a ceremony do: each action of a script asks the `keys` process, shows what came of it, and tells the transcript."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from appliance.errors import Error
from appliance.keys import read_line

from .people import Seat
from .script import Script, Step
from .terminal import Terminal

#: What the transcript is told: names and values, never a secret.
Found = dict[str, Any]
#: Asks the keys process.
Call = Callable[[str, dict[str, Any]], dict[str, Any]]
SHARE_LINES: Final = 4
ROOT_KEYS: Final = "root-keys.json"
RECORDS: Final = "records.json"


class Acts:
    """`box` is what the box says of itself; `folder` is where a backup is written to or read from."""

    def __init__(self, call: Call, terminal: Terminal, script: Script, box: dict[str, Any], needs_pin: bool) -> None:
        self.call = call
        self.terminal = terminal
        self.script = script
        self.box = box
        self.needs_pin = needs_pin
        self.needed = self.custodians = 0
        self.folder: Path | None = None
        self.backup: tuple[bytes, bytes] = (b"", b"")
        self.act = ""
        self.request = 0
        self.asker = ""
        self._by: dict[str, Callable[[Step, Seat], Found]] = {
            "": lambda step, seat: {},
            "show-box": self._show_box,
            "initialise": self._initialise,
            "hand-out": self._hand_out,
            "enter": self._enter,
            "prove": lambda step, seat: self.call("prove", {}),
            "commit": self._commit,
            "ask": self._ask,
            "approve": self._approve,
            "do": self._do,
            "back-up": self._back_up,
            "restore": self._restore,
            "add-hsm": self._add_hsm,
        }

    def do(self, step: Step, seat: Seat) -> Found:
        """What came of it. Raises Error and Stopped."""
        return self._by[step.action](step, seat)

    def read_backup(self, folder: Path) -> dict[str, Any]:
        """Takes the two files of a backup; what the keys process says of them. Raises Error."""
        try:
            self.backup = ((folder / ROOT_KEYS).read_bytes(), (folder / RECORDS).read_bytes())
        except OSError as e:
            raise Error("file_invalid", f"a backup is {ROOT_KEYS} and {RECORDS} in one folder: {e.strerror}") from None
        return self.call("restore_read", {"root_keys": self.backup[0]})

    # --- actions ------------------------------------------------------------------------------------------

    def _show_box(self, step: Step, seat: Seat) -> Found:
        found = {**self.box, "script": self.script.digest}
        if self.backup[0]:
            found |= self._digests(*self.backup)
        return found

    def _initialise(self, step: Step, seat: Seat) -> Found:
        pin = self._pin("PIN that the token gets or has, 4 characters or more:") if self.needs_pin else ""
        made = self.call("initialise", {"needed": self.needed, "custodians": self.custodians, "pin": pin})
        return {
            "set": made["set"],
            "shares": f"{made['needed']} of {made['custodians']}",
            "hsm": made["model"],
            "serial": made["serial"],
            "keys": made["keys"],
        }

    def _hand_out(self, step: Step, seat: Seat) -> Found:
        self.terminal.wipe()
        self.terminal.say(f"For {seat.person} alone. Everybody else looks away from the screen.")
        self.terminal.ask("Press Enter when you are alone with it:")
        shown = self.call("share_show", {"number": seat.number})
        self.terminal.say(f"Share {seat.number} of set {shown['set']}; {shown['needed']} are needed.")
        self.terminal.say("")
        for n, line in enumerate(shown["lines"], 1):
            self.terminal.say(f"   {n}   {line}")
        self.terminal.say("")
        while True:
            typed = self.terminal.ask("The four pairs of check characters, from your paper:")
            if "".join(typed.upper().split()) == "".join(shown["checks"].split()):
                break
            self.terminal.say("  Those are others. Compare your paper with the screen.")
        shown.clear()
        self.terminal.wipe()
        return {"share": seat.number, "read back": "check characters of all four lines"}

    def _enter(self, step: Step, seat: Seat) -> Found:
        self.terminal.wipe()
        self.terminal.say(f"For {seat.person} alone: type your share line by line, with the check characters.")
        while True:
            lines = [self._line(n) for n in range(SHARE_LINES)]
            try:
                told = self.call("share_enter", {"lines": lines})
                break
            except Error as e:
                if e.code not in ("invalid", "key_refused"):
                    raise
                self.terminal.say(f"  {e.message}. {e.hint}".rstrip())
        self.terminal.wipe()
        self.terminal.say(f"Share {told['number']} of set {told['set']}: {told['entered']} of {told['needed']} are in.")
        return {"share": told["number"], "set": told["set"], "entered": f"{told['entered']} of {told['needed']}"}

    def _line(self, n: int) -> str:
        while True:
            typed = self.terminal.ask(f"  line {n + 1}:")
            try:
                read_line(n, typed)
                return typed
            except Error as e:
                self.terminal.say(f"  {e.message}: {e.hint}.")

    def _commit(self, step: Step, seat: Seat) -> Found:
        told = self.call("commit", {})
        return {"set in use": told["set"], "shares": f"{told['needed']} of {told['custodians']}", "keys": told["keys"]}

    def _ask(self, step: Step, seat: Seat) -> Found:
        reason = self.terminal.ask("Reason:")
        self.request = self.call("ask", {"act": step.act, "on": 0, "reason": reason, "who": seat.who})["request"]
        self.act, self.asker = step.act, seat.who
        return {"request": self.request, "act": step.act, "reason": reason}

    def _approve(self, step: Step, seat: Seat) -> Found:
        told = self.call("decide", {"request": self.request, "yes": True, "who": seat.who})
        return {"request": self.request, "state": told["state"]}

    def _do(self, step: Step, seat: Seat, **given: Any) -> Found:
        given |= {"needed": self.needed, "custodians": self.custodians}
        done = self.call("do", {"request": self.request, "who": self.asker, "given": given})
        return {
            name: value
            for name, value in done.items()
            if name not in ("root_keys", "records", "entered", "pending", "pin", "made_ms")
        }

    def _back_up(self, step: Step, seat: Seat) -> Found:
        folder = self.folder
        while folder is None or (folder / ROOT_KEYS).exists():
            folder = Path(self.terminal.ask("Folder for the two files, without a backup in it:"))
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        done = self.call("do", {"request": self.request, "who": self.asker})
        for name, octets in ((ROOT_KEYS, done["root_keys"]), (RECORDS, done["records"])):
            fd = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(fd, "wb") as file:
                file.write(octets)
                file.flush()
                os.fsync(file.fileno())
        return {"set": done["set"], "keys": done["keys"], **self._digests(done["root_keys"], done["records"])}

    def _restore(self, step: Step, seat: Seat) -> Found:
        pin = self._pin("PIN that this box's token gets or has:") if self.needs_pin else ""
        done = self.call("restore", {"records": self.backup[1], "pin": pin, "who": seat.who})
        return {"keys": done["keys"], "records of keys": done["records"], "serial": done["serial"]}

    def _add_hsm(self, step: Step, seat: Seat) -> Found:
        module = self.terminal.ask("PKCS#11 library of the second HSM (in a rehearsal: Enter for an embedded one):")
        label = self.terminal.ask("Label of its token:")
        init = self.terminal.ask("Initialisation string, or Enter for none:")
        pin = self._pin("Its PIN:")
        return self._do(step, seat, module=module, token_label=label, init_string=init, pin=pin)

    # --- what they need -----------------------------------------------------------------------------------

    def _pin(self, prompt: str) -> str:
        while True:
            pin = self.terminal.ask(prompt, hidden=True)
            if pin and pin == self.terminal.ask("Once more:", hidden=True):
                return pin
            self.terminal.say("  Those two differ, or are empty.")

    @staticmethod
    def _digests(root_keys: bytes, records: bytes) -> Found:
        return {
            f"sha256 of {ROOT_KEYS}": hashlib.sha256(root_keys).hexdigest(),
            f"sha256 of {RECORDS}": hashlib.sha256(records).hexdigest(),
        }
