"""The token's keys under a backup key: born so that a wrapped copy leaves, brought into another token, proven, wrapped anew.

Inside a worker. A key is made as a session object that may be wrapped, wrapped by the backup key (AES-KW, RFC 3394, or RFC 5649), and unwrapped
as the token's own object that may not: in clear it is nowhere but in the token. Only the backup key is: in the worker's memory, for one call.
The audit key does not travel, because no token tried wraps an Ed25519 key: where keys travel it is derived from the MAC key (see objects.py).
"""

from __future__ import annotations

import contextlib
import hmac as compare
from collections.abc import Iterator, Mapping
from typing import Any, Final

from . import wrapping
from .cryptoki import TokenError
from .errors import HsmError
from .numbers import (
    CKA_CLASS,
    CKA_DECRYPT,
    CKA_ENCRYPT,
    CKA_EXTRACTABLE,
    CKA_KEY_TYPE,
    CKA_SENSITIVE,
    CKA_TOKEN,
    CKA_UNWRAP,
    CKA_VALUE,
    CKA_WRAP,
    CKK_AES,
    CKO_SECRET_KEY,
)
from .objects import ALIVE, AUDIT, MAC, find, hmac_of, made_as, root
from .token import Token

#: Ways of wrapping a key object, in order; those that wrap octets as data are of no use here.
WAYS: Final = tuple(way for way in wrapping.ORDER if way.permits[0] == CKA_WRAP)
_OWN: Final = "have it backed up by the vendor's own way; see `casemate keys profiles`"
_BACKUP: Final[dict[int, Any]] = {
    CKA_CLASS: CKO_SECRET_KEY,
    CKA_KEY_TYPE: CKK_AES,
    CKA_TOKEN: False,
    CKA_SENSITIVE: True,
    CKA_EXTRACTABLE: False,
    CKA_WRAP: True,
    CKA_UNWRAP: True,
    CKA_ENCRYPT: False,
    CKA_DECRYPT: False,
}

#: Label of a key -> it, wrapped.
Wrapped = dict[str, bytes]


class Backup:
    """Operations over a logged-in token. Every one raises HsmError and leaves no object of the session behind."""

    def __init__(self, token: Token, capabilities: Mapping[str, str]) -> None:
        self.token = token
        self.p11 = token.p11
        self.capabilities = capabilities

    def birth(self, versions: list[int], backup_key: bytes, mac: bool = True) -> dict[str, Any]:
        """Makes roots and MAC key: `way`, `root_way` and the wrapped copies. Refuses a token that holds one of them."""
        way, root_way = self._way(), self._root_way("")
        labels = [*(root(v) for v in versions), *((MAC,) if mac else ())]
        out: Wrapped = {}
        with self._whole(labels) as session, self._backup_key(session, backup_key) as kek:
            for label in labels:
                passing = self._passing(session, label, root_way)
                try:
                    out[label] = self.p11.wrap(session, way.mechanism, kek, passing)
                    self._keep(session, label, way, root_way, kek, out[label])
                finally:
                    self.p11.destroy(session, passing)
        return {"way": way.name, "root_way": root_way.name, "wrapped": out}

    def bring(self, way_name: str, root_way_name: str, wrapped: Wrapped, backup_key: bytes) -> list[str]:
        """Unwraps the copies into the token; the labels that were not there yet. What is there already has to be the same key."""
        way, root_way = self._way(way_name), self._root_way(root_way_name)
        with self._fresh() as session:
            absent = [label for label in wrapped if not find(self.p11, session, label)]
            if find(self.p11, session, AUDIT):
                raise HsmError(
                    "key_refused", "the token holds an audit key of its own", "bring the keys into an empty token"
                )
        present = {label: blob for label, blob in wrapped.items() if label not in absent}
        self.prove(way_name, root_way_name, present, backup_key)
        with self._whole(absent) as session, self._backup_key(session, backup_key) as kek:
            for label in absent:
                self._keep(session, label, way, root_way, kek, wrapped[label])
        self.prove(way_name, root_way_name, wrapped, backup_key)
        return absent

    def prove(self, way_name: str, root_way_name: str, wrapped: Wrapped, backup_key: bytes) -> None:
        """Raises `key_refused` unless every copy opens to the very key that the token holds under its label."""
        way, root_way = self._way(way_name), self._root_way(root_way_name)
        with self._fresh() as session, self._backup_key(session, backup_key) as kek:
            for label, blob in wrapped.items():
                copy = self._unwrapped(session, label, way, root_way, kek, blob)
                try:
                    self._same(session, label, root_way, copy)
                finally:
                    self.p11.destroy(session, copy)

    def rewrapped(
        self, way_name: str, root_way_name: str, wrapped: Wrapped, backup_key: bytes, new_key: bytes
    ) -> Wrapped:
        """The copies under `new_key`; in clear they are in the token only."""
        way, root_way = self._way(way_name), self._root_way(root_way_name)
        out: Wrapped = {}
        with (
            self._fresh() as session,
            self._backup_key(session, backup_key) as old,
            self._backup_key(session, new_key) as new,
        ):
            for label, blob in wrapped.items():
                passing = self._unwrapped(session, label, way, root_way, old, blob, leaves=True)
                try:
                    out[label] = self.p11.wrap(session, way.mechanism, new, passing)
                finally:
                    self.p11.destroy(session, passing)
        return out

    def undo(self, labels: list[str]) -> None:
        """Destroys what `birth` or `bring` made and nobody used yet: the caller has made sure that nothing is wrapped by it."""
        with self._fresh() as session:
            for label in labels:
                handle = find(self.p11, session, label)
                if handle:
                    self.p11.destroy(session, handle)

    # --- what they need -----------------------------------------------------------------------------------

    def _way(self, name: str = "") -> wrapping.Wrapping:
        for way in WAYS:
            if self.capabilities[way.name] == "ok" and name in ("", way.name):
                return way
        what = name or "wraps key objects in no way that is known"
        raise HsmError("mechanism_missing", f"the token cannot: {what}", _OWN)

    def _root_way(self, name: str) -> wrapping.Wrapping:
        """How the root wraps tenant keys: what it is allowed to do is fixed when it is made."""
        for way in wrapping.ORDER:
            if self.capabilities[way.name] == "ok" and name in ("", way.name):
                return way
        raise HsmError("mechanism_missing", f"the token cannot wrap by {name or 'any known way'}", "use another HSM")

    def _passing(self, session: int, label: str, root_way: wrapping.Wrapping) -> int:
        mechanism, template = made_as(label, root_way)
        return self.p11.generate(
            session, mechanism, {**template, CKA_TOKEN: False, CKA_SENSITIVE: True, CKA_EXTRACTABLE: True}
        )

    def _keep(
        self, session: int, label: str, way: wrapping.Wrapping, root_way: wrapping.Wrapping, kek: int, blob: bytes
    ) -> None:
        _, template = made_as(label, root_way, unwrapped=True)
        self._opened(session, label, way, kek, blob, {**template, CKA_TOKEN: True})

    def _unwrapped(
        self,
        session: int,
        label: str,
        way: wrapping.Wrapping,
        root_way: wrapping.Wrapping,
        kek: int,
        blob: bytes,
        leaves: bool = False,
    ) -> int:
        _, template = made_as(label, root_way, unwrapped=True)
        return self._opened(session, label, way, kek, blob, {**template, CKA_TOKEN: False, CKA_EXTRACTABLE: leaves})

    def _opened(
        self, session: int, label: str, way: wrapping.Wrapping, kek: int, blob: bytes, as_what: dict[int, Any]
    ) -> int:
        try:
            return self.p11.unwrap(session, way.mechanism, kek, blob, as_what)
        except TokenError as e:
            raise HsmError(
                "key_refused", f"the copy of the {label} does not open ({e.reason})", "are these its shares?"
            ) from None

    def _same(self, session: int, label: str, root_way: wrapping.Wrapping, copy: int) -> None:
        held = find(self.p11, session, label)
        if not held:
            raise HsmError("key_missing", f"the token does not hold the {label}", "restore it")
        if label == MAC:
            same = compare.compare_digest(
                hmac_of(self.p11, session, held, ALIVE), hmac_of(self.p11, session, copy, ALIVE)
            )
        else:
            key = self.p11.random(session, wrapping.KEY_OCTETS)
            over = wrapping.wrap(root_way, self.p11, session, held, key, ALIVE, _no_mac)
            try:
                same = compare.compare_digest(
                    key, wrapping.unwrap(root_way, self.p11, session, copy, over, ALIVE, _no_mac)
                )
            except TokenError:
                same = False
        if not same:
            raise HsmError(
                "key_refused", f"the copy of the {label} is of another key", "this backup is of another token"
            )

    @contextlib.contextmanager
    def _backup_key(self, session: int, octets: bytes) -> Iterator[int]:
        try:
            handle = self.p11.create(session, {**_BACKUP, CKA_VALUE: octets})
        except TokenError as e:
            raise HsmError("mechanism_missing", f"the token takes no key from outside ({e.reason})", _OWN) from None
        try:
            yield handle
        finally:
            with contextlib.suppress(TokenError):
                self.p11.destroy(session, handle)

    @contextlib.contextmanager
    def _fresh(self) -> Iterator[int]:
        try:
            session = self.p11.open(self.token.seen.slot, rw=True)
        except TokenError as e:
            raise HsmError("hsm_unavailable", f"the token gives no session ({e})") from None
        try:
            yield session
        except TokenError as e:
            raise HsmError("mechanism_missing", f"the token does not do this ({e})", _OWN) from None
        finally:
            self.p11.close(session)

    @contextlib.contextmanager
    def _whole(self, labels: list[str]) -> Iterator[int]:
        """A session in which either all of `labels` are made, or none stays."""
        with self._fresh() as session:
            there = [label for label in (*labels, AUDIT) if labels and find(self.p11, session, label)]
            if there:
                raise HsmError("key_refused", f"the token already holds the {there[0]}", "use an empty token")
            try:
                yield session
            except (TokenError, HsmError):
                with contextlib.suppress(HsmError):
                    self.undo(labels)
                raise


def _no_mac(_: bytes) -> bytes:
    return bytes(wrapping.MAC_OCTETS)
