"""Who is at the serial line: field accounts with password and TOTP, break-glass by the bank's officers, the envelope as the last resort.

Every try is on the audit log, break-glass before it is shown and after it was answered. When the log does not answer, people are let in all the same (they are
here to mend it) and the entry is kept and recorded by the next session that can; what changes something is then refused by the room that does it.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Callable
from typing import Final, NamedTuple

from appliance.access import ROLES, Access, Passwords, check_rules, secret_text, totp_step
from appliance.audit import BlockingRecorder, entry
from appliance.clock import now_ms
from appliance.errors import Error
from appliance.intercom import BlockingClient
from appliance.settings import Settings

from . import breakglass, codes
from .breakglass import HALF, LOCKED, OPEN, RIGHT, RIGHT_LAST, SHOWN, Glass
from .codes import Challenge
from .store import Account, Store, wait_s

GLASS: Final = "breakglass"
ENVELOPE: Final = "envelope"
ENVELOPE_CHARACTERS: Final = 24
SERIAL: Final = "127.0.0.1"  # where tries at this box's own line are counted
KEPT_ENTRIES_MAX: Final = 200


class Person(NamedTuple):
    """Somebody at the line. `until_s` 0: only idling ends the session."""

    name: str
    role: str
    until_s: int = 0
    purpose: str = ""  # of a break-glass session

    @property
    def who(self) -> str:
        return f"field:{self.name}"


class Field:
    """Sign-in at one box."""

    def __init__(
        self,
        settings: Settings,
        serial: str,
        passwords: Passwords | None = None,
        recorder: BlockingRecorder | None = None,
        clock: Callable[[], int] = now_ms,
    ) -> None:
        self.settings, self.serial, self.clock = settings, serial, clock
        self.store = Store(settings.home / "field")
        self.passwords = passwords or Passwords()
        self.recorder = recorder or BlockingRecorder(settings)

    @property
    def now_s(self) -> int:
        return self.clock() // 1000

    # --- accounts -------------------------------------------------------------------------------------------

    def create(self, name: str, password: str, role: str, who: str) -> str:
        """A new account; the TOTP secret in base32, which is shown once. Raises Error `invalid`."""
        if not name.isascii() or not name.replace("-", "").isalnum() or len(name) > 32 or name in (GLASS, ENVELOPE):
            raise Error("invalid", "an account's name is 1 to 32 letters, digits and dashes")
        if role not in ROLES:
            raise Error("invalid", f"there is no role {role!r}", f"roles: {', '.join(ROLES)}")
        if self.store.account(name) is not None:
            raise Error("invalid", "this name is taken", "remove the account first, or take another name")
        check_rules(password, name)
        self.recorder.record(who, "field.account_created", f"account:{name}", role=role)
        secret = secrets.token_bytes(20)
        self.store.put_account(Account(name, role, self.passwords.hashed(password), secret, 0), self.clock())
        return secret_text(secret)

    def untouched(self) -> bool:
        """Whether nobody has used this box yet: no account, no officer, no envelope here, and no person of the console."""
        return not (
            self.store.accounts() or self.store.officers() or self.store.fact(ENVELOPE) or Access(self.settings).users()
        )

    def begun(self) -> bool:
        """Whether somebody may come in here already: an account, an officer, or the envelope."""
        return bool(self.store.accounts() or self.store.officers() or self.store.fact(ENVELOPE))

    def vouched(self, name: str, password: str, code: Callable[[], str]) -> bool:
        """Whether this is an administrator of the web console: who may make the first account here. `code` is asked when there is a second factor.
        Raises Error `rate_limited`. Slow."""
        access = Access(self.settings)
        found = access.sign_in(name, password, SERIAL, self.clock())
        right = found is not None and not found.glass and found.role == "administrator"
        if found is not None and right and access.factors(found).any:
            right = bool(access.check_code(found, code(), SERIAL, self.clock()))
        if not right:
            self.said("field.login", "serial:console", "refused", "field:first")
        return right

    def remove(self, name: str, who: str) -> None:
        if self.store.account(name) is None:
            raise Error("not_found", f"there is no account {name}", "the menu `accounts` lists them")
        self.recorder.record(who, "field.account_removed", f"account:{name}")
        self.store.remove_account(name)

    def sign_in(self, name: str, password: str, code: str) -> Person | None:
        """None for a wrong name, password or code; which of them is not said. Raises Error `rate_limited`. Slow."""
        subject = f"account:{name.casefold()[:32]}"
        pause = wait_s(self.store.failures(subject), self.now_s)
        if pause:
            raise Error(
                "rate_limited",
                "too many wrong tries",
                f"try again in {pause} s, or ask the officers: break-glass",
                wait_s=pause,
            )
        self.store.failed(subject, self.now_s)  # counted before the slow check
        found = self.store.account(name)
        right = self.passwords.matches(found.password if found else None, password)
        step = totp_step(found.secret, code, self.now_s, found.used_step) if found else 0
        if found is None or not right or not step or not self.store.use_step(found.name, step):
            self.said("field.login", "serial:console", "refused", self._known(name))
            return None
        self.store.forgive(subject)
        person = Person(found.name, found.role)
        self.said("field.login", "serial:console", "ok", person.who, role=person.role)
        return person

    def _known(self, name: str) -> str:
        """A name for the record: one that is no account may be a password typed too early."""
        found = self.store.account(name)
        return f"field:{found.name}" if found else "field:unknown"

    def signed_out(self, person: Person) -> None:
        if person.name == GLASS and (glass := self.store.glass()) is not None and glass.state == OPEN:
            self.store.put_glass(glass._replace(state=breakglass.TABLE[OPEN, breakglass.LEAVE]))
        self.said("field.logout", "serial:console", "ok", person.who)

    # --- break-glass ----------------------------------------------------------------------------------------

    def officers(self) -> list[str]:
        return list(self.store.officers())

    def enrol(self, name: str, code: str, who: str) -> None:
        """Takes the box key that an officer made for this box: `casemate breakglass enrol`."""
        typed = codes.typed(code)
        if not name or len(name) > 32 or not name.isascii() or not name.replace("-", "").isalnum():
            raise Error("invalid", "an officer's name is 1 to 32 letters, digits and dashes")
        if len(typed) != 52 or set(typed) - set(codes.CROCKFORD):
            raise Error(
                "invalid", "a box key has 52 characters", "the officer makes it with `casemate breakglass enrol`"
            )
        number = 0
        for c in typed[:51]:
            number = number << 5 | codes.CROCKFORD.index(c)
        self.recorder.record(who, "field.officer_enrolled", f"officer:{name}")
        # 51 characters are 255 bits; the last one holds the 256th and four bits of zero.
        last = codes.CROCKFORD.index(typed[51])
        self.store.put_officer(name, (number << 1 | last >> 4).to_bytes(32, "big"))

    def challenge(self, purpose: str) -> Glass:
        """A new challenge; the one before is no longer answered. On the record before it is shown. Raises Error."""
        assert purpose in codes.PURPOSES
        if len(self.store.officers()) < self.settings["field.breakglass_needed"]:
            raise Error(
                "not_found",
                "not enough officers of the bank are enrolled on this box",
                "the envelope in the safe, menu `envelope`",
            )
        if not breakglass.tries_left(self.store.failures(GLASS), self.now_s):
            raise Error("rate_limited", "too many wrong answers", "wait an hour, or use the envelope in the safe")
        made = Glass(Challenge(self.serial, purpose, codes.nonce(os.urandom(10)), self.now_s))
        self.said("field.breakglass_asked", "serial:console", "ok", "field:unknown", purpose=purpose)
        self.store.put_glass(made)
        return made

    def answered(self, given: str) -> tuple[Glass, str]:
        """After an answer: the glass and what it was, a word of breakglass.py. Raises Error `not_found` without a challenge."""
        glass = self.store.glass()
        if glass is None:
            raise Error("not_found", "there is no challenge", "ask for one first: menu `glass`")
        left = breakglass.tries_left(self.store.failures(GLASS), self.now_s)
        needed, minutes = self.settings["field.breakglass_needed"], self.settings["field.breakglass_minutes"]
        after, said = breakglass.heard(glass, self.store.officers(), given, needed, minutes, left, self.now_s)
        if said not in (RIGHT, RIGHT_LAST) and glass.state in (SHOWN, HALF, LOCKED):
            self.store.failed(GLASS, self.now_s)
        outcome = "ok" if said in (RIGHT, RIGHT_LAST) else "refused"
        self.said(
            "field.breakglass",
            "serial:console",
            outcome,
            f"field:{GLASS}",
            purpose=glass.challenge.purpose,
            state=after.state,
        )
        self.store.put_glass(after)
        return after, said

    def through_glass(self, glass: Glass) -> Person | None:
        """The person of an open glass, until its time is over."""
        return (
            Person(GLASS, "administrator", glass.until_s, glass.challenge.purpose)
            if breakglass.aged(glass, self.now_s).state == OPEN
            else None
        )

    # --- envelope -------------------------------------------------------------------------------------------

    def seal_envelope(self, who: str) -> str:
        """A new PIN for the safe, shown once; the one before no longer works."""
        pin = codes.crockford(os.urandom(15))[:ENVELOPE_CHARACTERS]
        self.recorder.record(who, "field.envelope_sealed", "envelope:pin")
        self.store.set_fact(ENVELOPE, self.passwords.hashed(pin))
        return pin

    def open_envelope(self, given: str) -> Person | None:
        """The PIN works once. Raises Error `rate_limited`. Slow."""
        pause = wait_s(self.store.failures(ENVELOPE), self.now_s)
        if pause:
            raise Error("rate_limited", "too many wrong tries", f"try again in {pause} s", wait_s=pause)
        self.store.failed(ENVELOPE, self.now_s)
        kept = self.store.fact(ENVELOPE)
        right = self.passwords.matches(kept or None, codes.typed(given))
        self.said("field.envelope_opened", "envelope:pin", "ok" if right else "refused", f"field:{ENVELOPE}")
        if not right:
            return None
        self.store.set_fact(ENVELOPE, "")
        self.store.forgive(ENVELOPE)
        return Person(ENVELOPE, "administrator", self.now_s + self.settings["field.breakglass_minutes"] * 60)

    # --- the record -----------------------------------------------------------------------------------------

    def said(self, what: str, on: str, outcome: str, who: str, **detail: str | int | bool) -> None:
        """Recorded, or kept until the log answers."""
        made = entry(self.clock(), who, what, on, outcome, **detail)
        kept = [*json.loads(self.store.fact("unrecorded") or "[]"), made]
        client = BlockingClient(self.settings.socket("auditor"))
        try:
            client.call("append", {"source": "", "first": 0, "entries": kept})
            kept = []
        except Error:
            kept = kept[-KEPT_ENTRIES_MAX:]
        finally:
            client.close()
        self.store.set_fact("unrecorded", json.dumps(kept))
