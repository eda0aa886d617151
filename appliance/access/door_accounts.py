"""Accounts of the SMPP door: which of the bank's systems may bind, from where, and how it is served.

An account belongs to an API key: its messages are that key's, so REST sees them too. Its password is made here, shown once and
kept only as argon2id; the API key's own token opens the door as well.
"""

from __future__ import annotations

import hmac
import ipaddress
import json
import os
import re
import secrets
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from types import MappingProxyType
from typing import Any, Final

from appliance import limits
from appliance.clock import now_ms
from appliance.errors import Error
from appliance.message import CLASSES
from appliance.numbering import sender_kind

from . import throttle
from .api_keys import hash_of
from .attempts import Attempts
from .networks import admitted
from .passwords import Passwords
from .place import Place

SYSTEM_ID: Final = re.compile(r"[!-~]{1,15}")  # SMPP 3.4 section 5.2.1: 16 octets with the NUL
RECIPIENT: Final = re.compile(r"\*|\+?[0-9]{3,15}")
ALPHABETS: Final = ("gsm7", "latin1")
EVERYTHING_ELSE: Final = "*"
#: No character that is taken for another when it is read out or copied by hand.
LETTERS: Final = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"
_TURNS: Final = 64


@dataclass(frozen=True, slots=True)
class DoorAccount:
    """One account without its password. Times are Unix milliseconds."""

    id: int
    system_id: str
    caller: int  # the API key's number
    networks: tuple[str, ...] = ()  # CIDRs it may come from; none: loopback only
    binds_max: int = 4
    window: int = 100  # deliver_sm under way on one bind, and submits it may have unanswered
    rate_per_s: int | None = None  # None: the setting limits.requests_per_s; 0: no limit
    class_: str = "transaction"  # of a message that names none
    alphabet: str = "gsm7"  # what data_coding 0 means, both ways
    sender: str = ""  # of a message without a source address
    inbound: tuple[str, ...] = ()  # recipients whose customers' messages go here; "*": all that are nobody else's
    receipt_text: bool = True  # receipts in the text form of Appendix B as well as in optional parameters
    receipt_body: bool = False  # with the first 20 characters of the message
    created_ms: int = 0
    password_ms: int = 0
    revoked_ms: int | None = None

    def admits(self, address: str) -> bool:
        """Whether a system at this IP address may use the account."""
        return admitted(address, self.networks)


#: What `change_door_account` may change.
CHANGEABLE: Final = frozenset(f.name for f in fields(DoorAccount)) - {
    *("id", "system_id", "caller", "created_ms", "password_ms", "revoked_ms")
}
#: One system_id, or all with NULL.
_ACCOUNTS: Final = (
    "SELECT id, system_id, caller, networks, binds_max, window, rate_per_s, class, alphabet, sender, inbound, receipt_text,"
    " receipt_body, created_ms, password_ms, revoked_ms FROM door_account WHERE ?1 IS NULL OR system_id = ?1 ORDER BY id DESC"
)
#: The valid ones, each with its password's hash and its API key's.
_VALID: Final = (
    "SELECT d.password, k.hash, d.id, d.system_id, d.caller, d.networks, d.binds_max, d.window, d.rate_per_s, d.class,"
    " d.alphabet, d.sender, d.inbound, d.receipt_text, d.receipt_body, d.created_ms, d.password_ms, d.revoked_ms"
    " FROM door_account d JOIN api_key k ON k.id = d.caller"
    " WHERE d.revoked_ms IS NULL AND k.revoked_ms IS NULL AND (?1 IS NULL OR d.system_id = ?1) ORDER BY d.id"
)
_INSERT: Final = (
    "INSERT INTO door_account (networks, binds_max, window, rate_per_s, class, alphabet, sender, inbound, receipt_text,"
    " receipt_body, system_id, caller, password, created_ms, password_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_UPDATE: Final = (
    "UPDATE door_account SET networks = ?, binds_max = ?, window = ?, rate_per_s = ?, class = ?, alphabet = ?, sender = ?,"
    " inbound = ?, receipt_text = ?, receipt_body = ? WHERE id = ?"
)


class DoorAccounts:
    """The valid accounts at one moment. Immutable; take a new one when `fresh` says no."""

    def __init__(
        self, accounts: Iterable[DoorAccount], place: Place | None = None, stamp: tuple[int, ...] = ()
    ) -> None:
        self._by_id: Mapping[int, DoorAccount] = MappingProxyType({a.id: a for a in accounts})
        self._by_system_id = {a.system_id: a for a in self._by_id.values()}
        self._by_recipient = {_plain(r): a for a in self._by_id.values() for r in a.inbound}
        self._by_caller: dict[int, DoorAccount] = {}
        for account in self._by_id.values():
            self._by_caller.setdefault(account.caller, account)
        self._place = place
        self._stamp = stamp

    def get(self, number: int) -> DoorAccount | None:
        return self._by_id.get(number)

    def by_system_id(self, system_id: str) -> DoorAccount | None:
        return self._by_system_id.get(system_id)

    def for_caller(self, caller: int) -> DoorAccount | None:
        """The oldest account of an API key."""
        return self._by_caller.get(caller)

    def for_inbound(self, recipient: str) -> DoorAccount | None:
        """Whose a customer's message to this number or short code is: exactly, else the account with `*`."""
        found = self._by_recipient.get(_plain(recipient))
        return found or self._by_recipient.get(EVERYTHING_ELSE)

    def fresh(self) -> bool:
        """Whether nothing was changed since; microseconds. To be asked on the thread that took this snapshot."""
        return self._place is None or self._stamp == self._place.stamp()

    def __iter__(self) -> Any:
        return iter(self._by_id.values())

    def __len__(self) -> int:
        return len(self._by_id)


class Remembered:
    """Which password was found right for which stored hash: a keyed digest in memory, never the password.

    A system that binds ten times at once, or each minute, costs one argon2 hash in the life of the process.
    """

    def __init__(self) -> None:
        self._key = os.urandom(32)
        self._right: dict[int, bytes] = {}
        self.turns = tuple(threading.Lock() for _ in range(_TURNS))

    def digest(self, stored: str, password: str) -> bytes:
        return hmac.digest(self._key, f"{stored}\0{password}".encode(), "sha256")

    def knows(self, account: int, digest: bytes) -> bool:
        return hmac.compare_digest(self._right.get(account, bytes(32)), digest)

    def keep(self, account: int, digest: bytes) -> None:
        self._right[account] = digest


class DoorKeeping(Attempts):
    """The door accounts' part of `Access`."""

    _passwords: Passwords
    _remembered: Remembered

    def create_door_account(
        self, system_id: str, caller: int, long: bool = False, at_ms: int | None = None, **given: Any
    ) -> tuple[DoorAccount, str]:
        """The new account and its password, which is never to be had again. Raises Error `invalid`. Slow."""
        password = new_password(long)
        hashed = self._passwords.hashed(password)
        created_ms = now_ms() if at_ms is None else at_ms
        with self.writing() as conn:
            made = self.check_new_door_account(system_id, caller, **given)
            made = replace(made, created_ms=created_ms, password_ms=created_ms)
            fixed = (made.system_id, made.caller, hashed, created_ms, created_ms)
            cursor = conn.execute(_INSERT, (*_settable(made), *fixed))
        return replace(made, id=int(cursor.lastrowid)), password

    def check_new_door_account(self, system_id: str, caller: int, **given: Any) -> DoorAccount:
        """The account as it would be, with number 0. Raises Error `invalid` when it cannot be made now."""
        if not SYSTEM_ID.fullmatch(system_id):
            raise Error("invalid", "a system_id is 1 to 15 visible ASCII characters without a blank")
        if self.row("SELECT 1 FROM door_account WHERE system_id = ?", system_id):
            raise Error("invalid", "this system_id is taken", "also that of a revoked account is not given again")
        if not self.row("SELECT 1 FROM api_key WHERE id = ? AND revoked_ms IS NULL", caller):
            raise Error("invalid", f"there is no valid API key {caller}", "see `casemate apikey list`")
        return self._checked(DoorAccount(0, system_id, caller), given)

    def check_door_change(self, system_id: str, **given: Any) -> DoorAccount:
        """The account as it would be. Raises Error `not_found` or `invalid`."""
        found = self.door_account(system_id)
        if found is None or found.revoked_ms is not None:
            raise Error("not_found", "there is no such door account", "see `casemate door account list`")
        return self._checked(found, given)

    def change_door_account(self, system_id: str, **given: Any) -> DoorAccount:
        """The account as it is now; binds it has are ended when they no longer fit. Raises as `check_door_change`."""
        with self.writing() as conn:
            made = self.check_door_change(system_id, **given)
            conn.execute(_UPDATE, (*_settable(made), made.id))
        return made

    def new_door_password(
        self, system_id: str, long: bool = False, at_ms: int | None = None
    ) -> tuple[DoorAccount, str]:
        """The account and its new password; the old one is no good any more. Raises Error `not_found`. Slow."""
        password = new_password(long)
        hashed = self._passwords.hashed(password)
        with self.writing() as conn:
            made = replace(self.check_door_change(system_id), password_ms=now_ms() if at_ms is None else at_ms)
            conn.execute(
                "UPDATE door_account SET password = ?, password_ms = ? WHERE id = ?",
                (hashed, made.password_ms, made.id),
            )
        return made, password

    def revoke_door_account(self, system_id: str, at_ms: int | None = None) -> DoorAccount:
        """The account as it is now; again revoking changes nothing. Raises Error `not_found`."""
        with self.writing() as conn:
            conn.execute(
                "UPDATE door_account SET revoked_ms = ? WHERE system_id = ? AND revoked_ms IS NULL",
                (now_ms() if at_ms is None else at_ms, system_id),
            )
        found = self.door_account(system_id)
        if found is None:
            raise Error("not_found", "there is no such door account", "see `casemate door account list`")
        return found

    def all_door_accounts(self) -> list[DoorAccount]:
        """All of them, also the revoked, newest first."""
        return [_account(row) for row in self.rows(_ACCOUNTS, None)]

    def door_account(self, system_id: str) -> DoorAccount | None:
        row = self.row(_ACCOUNTS, system_id)
        return _account(row) if row else None

    def door_accounts(self) -> DoorAccounts:
        """A snapshot of the valid accounts, those of a revoked API key not among them."""
        stamp = self.stamp()  # before reading: a change in between makes the snapshot stale, never wrongly fresh
        return DoorAccounts([_account(row[2:]) for row in self.rows(_VALID, None)], self, stamp)

    def check_door(self, system_id: str, password: str, address: str, at_ms: int | None = None) -> DoorAccount:
        """Whose bind this is. Slow: not for an event loop.

        Raises Error `unauthorized`, whatever was wrong and after as long, and `rate_limited` with detail `wait_s` after
        too many failures of this address, system_id, or both; the password is then not looked at.
        """
        at_ms = now_ms() if at_ms is None else at_ms
        keys = throttle.subjects(system_id, throttle.address_of(address), "door-")
        remembered = self._remembered
        # One at a time of a pair: a system that binds ten times at once is not ten guesses.
        with remembered.turns[hash(keys["pair"]) % _TURNS]:
            self.check_wait(keys, at_ms)  # also before what is remembered: else that would be guessed at freely
            row = self.row(_VALID, system_id)
            stored, token_hash, account = (row[0], bytes(row[1]), _account(row[2:])) if row else (None, bytes(32), None)
            digest = remembered.digest(stored or "", password)
            if account is not None and remembered.knows(account.id, digest) and account.admits(address):
                return account
            counts = self.begin_attempt(keys, at_ms)
            right = self._passwords.matches(stored, password)
            right |= hmac.compare_digest(hash_of(password), token_hash)
            if not right or account is None or not account.admits(address):
                raise Error("unauthorized", "this system_id, password or address is not one of the door's")
            self.end_attempt(keys, counts, at_ms)
            remembered.keep(account.id, digest)
            return account

    def _checked(self, account: DoorAccount, given: dict[str, Any]) -> DoorAccount:
        assert given.keys() <= CHANGEABLE, given.keys() - CHANGEABLE
        made = replace(account, **given)
        made = replace(made, networks=tuple(_network(n) for n in made.networks), inbound=tuple(made.inbound))
        _check(made)
        wanted = {_plain(r) for r in made.inbound}
        for other in self.all_door_accounts():
            taken = wanted & {_plain(r) for r in other.inbound}
            if other.revoked_ms is None and other.id != made.id and taken:
                raise Error("invalid", f"messages to a recipient given go to {other.system_id} already")
        return made


def change_told(given: dict[str, Any]) -> dict[str, str | int | bool]:
    """What the audit log says of a change: how many recipients, not which; they may be somebody's number."""
    said: dict[str, Any] = {n: -1 if v is None else v for n, v in given.items() if n not in ("networks", "inbound")}
    if "networks" in given:
        said["networks"] = " ".join(given["networks"]) or "loopback"
    if "inbound" in given:
        said["recipients"] = len(given["inbound"])
    return said


def new_password(long: bool = False) -> str:
    """Random characters of LETTERS: 46 bits in 8, 185 in 32."""
    count = limits.DOOR_PASSWORD_CHARACTERS_LONG if long else limits.DOOR_PASSWORD_CHARACTERS
    return "".join(secrets.choice(LETTERS) for _ in range(count))


def _check(made: DoorAccount) -> None:
    if len(made.networks) > limits.DOOR_NETWORKS_MAX:
        raise Error("invalid", f"an account has at most {limits.DOOR_NETWORKS_MAX} networks")
    if not 1 <= made.binds_max <= limits.DOOR_BINDS_MAX:
        raise Error("invalid", f"an account has 1 to {limits.DOOR_BINDS_MAX} binds")
    if not 1 <= made.window <= limits.WINDOW_MAX:
        raise Error("invalid", f"a window is 1 to {limits.WINDOW_MAX}")
    if made.rate_per_s is not None and not 0 <= made.rate_per_s <= 1_000_000:
        raise Error("invalid", "the rate of an account is 0 (no limit) to 1,000,000 messages a second")
    if made.class_ not in CLASSES:
        raise Error("invalid", f"there is no class {made.class_!r}", f"classes: {', '.join(CLASSES)}")
    if made.alphabet not in ALPHABETS:
        raise Error("invalid", f"there is no alphabet {made.alphabet!r}", f"alphabets: {', '.join(ALPHABETS)}")
    if made.sender:
        sender_kind(made.sender)
    if len(made.inbound) > limits.DOOR_RECIPIENTS_MAX or not all(RECIPIENT.fullmatch(r) for r in made.inbound):
        raise Error("invalid", "a recipient is a number, a short code, or * for all others")


def _network(text: str) -> str:
    try:
        return str(ipaddress.ip_network(text))
    except ValueError:
        raise Error("invalid", f"{text!r} is not a network", "write 10.1.2.0/24, or one address") from None


def _plain(recipient: str) -> str:
    return recipient.removeprefix("+")


def _settable(a: DoorAccount) -> tuple[Any, ...]:
    """What a change may change, as columns in the order of the statements."""
    networks, inbound = json.dumps(a.networks), json.dumps(a.inbound)
    numbers = (a.binds_max, a.window, a.rate_per_s)
    return networks, *numbers, a.class_, a.alphabet, a.sender, inbound, a.receipt_text, a.receipt_body


def _account(row: tuple[Any, ...]) -> DoorAccount:
    values = list(row)
    values[3], values[10] = tuple(json.loads(values[3])), tuple(json.loads(values[10]))
    values[11], values[12] = bool(values[11]), bool(values[12])
    return DoorAccount(*values)
