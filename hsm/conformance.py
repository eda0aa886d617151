"""What a token must do right before a bank's keys go into it: cases with throw-away session keys, and how quick it is.

Runs in a worker. Makes nothing that stays, destroys nothing, uses no key of the appliance's unless the token makes none. Known answers are those of the standards:
RFC 3394 section 4.6, and for HMAC (RFC 2104), AES-GCM (NIST SP 800-38D) and Ed25519 (RFC 8032) those of an independent implementation, OpenSSL's.
"""

from __future__ import annotations

import contextlib
import hmac
import resource
from collections.abc import Callable
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from . import wrapping
from .cryptoki import Gcm, TokenError
from .errors import HsmError
from .numbers import (
    CKA_ALWAYS_SENSITIVE,
    CKA_CLASS,
    CKA_DECRYPT,
    CKA_EC_POINT,
    CKA_ENCRYPT,
    CKA_EXTRACTABLE,
    CKA_KEY_TYPE,
    CKA_NEVER_EXTRACTABLE,
    CKA_SENSITIVE,
    CKA_SIGN,
    CKA_TOKEN,
    CKA_UNWRAP,
    CKA_VALUE,
    CKA_VALUE_LEN,
    CKA_WRAP,
    CKK_AES,
    CKK_GENERIC_SECRET,
    CKM_AES_GCM,
    CKM_AES_KEY_GEN,
    CKM_AES_KEY_WRAP,
    CKM_EDDSA,
    CKM_GENERIC_SECRET_KEY_GEN,
    CKO_SECRET_KEY,
)
from .objects import KEK, MAC, ed25519, find, hmac_of
from .token import Token

SESSIONS: Final = 8  # what one worker and a margin need
GROWTH_TRIES: Final = 2_000
GROWTH_KIB_MAX: Final = 4_096
_HEX = bytes.fromhex
_RFC3394: Final = (  # section 4.6: 256-bit key data under a 256-bit key
    _HEX("000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F"),
    _HEX("00112233445566778899AABBCCDDEEFF000102030405060708090A0B0C0D0E0F"),
    _HEX("28C9F404C4B810F4CBCCB35CFB87F8263F5786E2D80ED326CBC7F0E71A99F43BFB988B9B7A02DD21"),
)
_AES: Final[dict[int, Any]] = {CKA_CLASS: CKO_SECRET_KEY, CKA_KEY_TYPE: CKK_AES, CKA_TOKEN: False}
_HIDDEN: Final[dict[int, Any]] = {CKA_VALUE_LEN: 32, CKA_SENSITIVE: True, CKA_EXTRACTABLE: False}

#: A case: (name, needed, what it proves). Needed ones decide whether the token is fit.
CASES: Final[dict[str, tuple[bool, str]]] = {
    "random": (True, "C_GenerateRandom gives other octets each time, with no octet over-represented"),
    "hidden": (True, "a sensitive key's value cannot be read, and the token says it never could"),
    "wrap-refused": (True, "a key marked not extractable is not wrapped"),
    "one-purpose": (True, "a key that may wrap does not decrypt: otherwise it gives away what it wraps"),
    "changes": (True, "the way of wrapping that will be taken notices a change of any octet, and another context"),
    "recovers": (True, "after a failed call a new session works"),
    "sessions": (True, f"{SESSIONS} sessions at once; closing them does not log out"),
    "hmac-answer": (True, "HMAC-SHA256 agrees with OpenSSL"),
    "gcm-answer": (False, "AES-GCM with additional data agrees with OpenSSL"),
    "kw-answer": (False, "AES key wrap gives the answer of RFC 3394"),
    "ed25519-agrees": (False, "an Ed25519 signature of the token verifies in OpenSSL"),
    "memory": (False, f"{GROWTH_TRIES} unwraps leave the library no more than {GROWTH_KIB_MAX} KiB larger"),
}


class Skip(Exception):
    """The token offers no such thing."""


class Trial:
    """The cases over one logged-in token, and one throw-away key of each kind for measuring."""

    def __init__(self, token: Token, capabilities: dict[str, str]) -> None:
        self.token = token
        self.p11 = token.p11
        self.capabilities = capabilities
        self.way = next((w for w in wrapping.ORDER if capabilities[w.name] == "ok"), None)

    def report(self) -> list[dict[str, Any]]:
        """One row a case: name, needed, outcome `ok`, `no` or `skipped`, and why."""
        out = []
        for name, (needed, proves) in CASES.items():
            session = self.p11.open(self.token.seen.slot)
            try:
                outcome, why = "ok", getattr(self, "_" + name.replace("-", "_"))(session) or ""
            except Skip as e:
                outcome, why = "skipped", str(e)
            except (TokenError, HsmError, AssertionError, ValueError) as e:
                outcome, why = "no", str(e) or type(e).__name__
            finally:
                self.p11.close(session)
            out.append({"case": name, "needed": needed, "outcome": outcome, "why": why, "proves": proves})
        return out

    def _refused(self, act: Callable[[], Any], what: str) -> None:
        try:
            act()
        except TokenError:
            return
        raise AssertionError(what)

    def _random(self, session: int) -> None:
        octets = b"".join(self.p11.random(session, 1_024) for _ in range(16))
        assert len({octets[n : n + 32] for n in range(0, len(octets), 32)}) == len(octets) // 32, "a block came twice"
        # 64 of each octet are expected, with a standard deviation of 8: 128 is eight of those away
        assert max(octets.count(n) for n in range(256)) < 128, "one octet comes too often"

    def _hidden(self, session: int) -> None:
        if self.token.makes_none:
            key = self._own(session, KEK)
        else:
            key = self.p11.generate(session, CKM_AES_KEY_GEN, {**_AES, **_HIDDEN, CKA_ENCRYPT: True})
        value = b""
        with contextlib.suppress(TokenError):  # tpm2-pkcs11 does not refuse: it says nothing
            value = self.p11.attribute(session, key, CKA_VALUE)
        assert not value, "the value was given away"
        for told in (CKA_ALWAYS_SENSITIVE, CKA_NEVER_EXTRACTABLE):
            assert any(self.p11.attribute(session, key, told)), f"attribute 0x{told:X} is false"

    def _wrap_refused(self, session: int) -> None:
        way = next((w for w in wrapping.ORDER if w.permits[0] == CKA_WRAP and self.capabilities[w.name] == "ok"), None)
        if way is None:
            raise Skip("the token wraps no keys")
        kek = self.p11.generate(session, CKM_AES_KEY_GEN, {**_AES, **_HIDDEN, CKA_WRAP: True})
        key = self.p11.generate(session, CKM_AES_KEY_GEN, {**_AES, **_HIDDEN})
        self._refused(lambda: self.p11.wrap(session, way.mechanism, kek, key), "it was wrapped")

    def _one_purpose(self, session: int) -> None:
        if self.capabilities["aes-gcm"] != "ok":
            raise Skip("the token has no AES-GCM")
        given = {CKA_WRAP: True, CKA_UNWRAP: True, CKA_ENCRYPT: False, CKA_DECRYPT: False}
        key = self.p11.generate(session, CKM_AES_KEY_GEN, {**_AES, **_HIDDEN, **given})
        mechanism, parameter = (CKM_AES_GCM, Gcm(bytes(12), b"x"))
        self._refused(
            lambda: self.p11.decrypt(session, mechanism, key, bytes(48), parameter), "a wrapping key decrypted"
        )
        self._refused(
            lambda: self.p11.encrypt(session, mechanism, key, bytes(32), parameter), "a wrapping key encrypted"
        )

    def _changes(self, session: int) -> str:
        way, mac_key = self._way(), self._mac_key(session)
        kek = self._kek(session)

        def mac(body: bytes) -> bytes:
            inner = self.p11.open(self.token.seen.slot)
            try:
                return hmac_of(self.p11, inner, mac_key, body)
            finally:
                self.p11.close(inner)

        wrapped = wrapping.wrap(way, self.p11, session, kek, bytes(range(32)), b"context", mac)
        for n in range(len(wrapped) + 1):
            changed = wrapped if n == len(wrapped) else wrapped[:n] + bytes([wrapped[n] ^ 1]) + wrapped[n + 1 :]
            context = b"contexT" if n == len(wrapped) else b"context"
            try:
                wrapping.unwrap(way, self.p11, session, kek, changed, context, mac)
            except (HsmError, TokenError):
                continue
            raise AssertionError("another context opened it" if n == len(wrapped) else f"octet {n} may be changed")
        return way.name

    def _recovers(self, session: int) -> None:
        way = self._way()
        kek = self._kek(session)
        self._refused(lambda: self.p11.decrypt(session, way.mechanism, kek, b"x", b"y"), "nonsense was decrypted")
        again = self.p11.open(self.token.seen.slot)
        try:
            assert len(hmac_of(self.p11, again, self._mac_key(again), b"x")) == 32
        finally:
            self.p11.close(again)

    def _sessions(self, session: int) -> None:
        opened = []
        try:
            opened += [self.p11.open(self.token.seen.slot) for _ in range(SESSIONS)]
        finally:
            for each in opened:
                self.p11.close(each)
        self._mac_key(session)  # refused with USER_NOT_LOGGED_IN if that had logged out

    def _hmac_answer(self, session: int) -> None:
        key, said = (
            bytes(range(32)),
            b"what do ya want for nothing?",
        )  # tokens refuse shorter keys than the hash is long
        made = {CKA_CLASS: CKO_SECRET_KEY, CKA_KEY_TYPE: CKK_GENERIC_SECRET, CKA_TOKEN: False, CKA_SIGN: True}
        try:
            handle = self.p11.create(session, {**made, CKA_VALUE: key})
        except TokenError as e:
            raise Skip(f"the token takes no keys from outside ({e.reason})") from None
        assert hmac_of(self.p11, session, handle, said) == hmac.digest(key, said, "sha256"), "another answer"

    def _gcm_answer(self, session: int) -> None:
        if self.capabilities["aes-gcm"] != "ok":
            raise Skip(self.capabilities["aes-gcm"])
        key, nonce, aad, text = bytes(range(32)), bytes(range(12)), b"additional", b"thirty-two octets of plain text."
        handle = self._import(session, key, CKA_ENCRYPT)
        ours = AESGCM(key).encrypt(nonce, text, aad)
        assert self.p11.encrypt(session, CKM_AES_GCM, handle, text, Gcm(nonce, aad)) == ours, "another answer"

    def _kw_answer(self, session: int) -> None:
        if self.capabilities["aes-kw"] != "ok":
            raise Skip(self.capabilities["aes-kw"])
        kek, key, answer = _RFC3394
        handle = self._import(session, kek, CKA_WRAP)
        inner = {**_AES, CKA_VALUE: key, CKA_EXTRACTABLE: True, CKA_SENSITIVE: False}
        made = self.p11.create(session, inner)
        assert self.p11.wrap(session, CKM_AES_KEY_WRAP, handle, made) == answer, "another answer"

    def _ed25519_agrees(self, session: int) -> None:
        if self.capabilities["ed25519"] != "ok":
            raise Skip(self.capabilities["ed25519"])
        public, private = ed25519(self.p11, session, {CKA_TOKEN: False}, {CKA_TOKEN: False})
        point = self.p11.attribute(session, public, CKA_EC_POINT)
        signature = self.p11.sign(session, CKM_EDDSA, private, b"note")
        Ed25519PublicKey.from_public_bytes(point[-32:]).verify(signature, b"note")

    def _memory(self, session: int) -> str:
        way, kek = self._way(), self._kek(session)
        wrapped = wrapping.wrap(way, self.p11, session, kek, bytes(32), b"c", _no_mac)
        wrapped_ok = [wrapping.unwrap(way, self.p11, session, kek, wrapped, b"c", _no_mac) for _ in range(100)]
        before = _resident_kib()
        for _ in range(GROWTH_TRIES // 10 if self.token.makes_none else GROWTH_TRIES):  # a TPM does a hundred a second
            wrapping.unwrap(way, self.p11, session, kek, wrapped, b"c", _no_mac)
        grown = _resident_kib() - before
        assert grown <= GROWTH_KIB_MAX, f"{grown} KiB"
        return f"{grown} KiB, {len(wrapped_ok)} before"

    # --- keys for one session -----------------------------------------------------------------------------

    def _way(self) -> wrapping.Wrapping:
        if self.way is None:
            raise AssertionError("the token can wrap keys in no way that is known")
        return self.way

    def _own(self, session: int, label: str) -> int:
        """For a token that makes no keys: those that its maker's tools made for the appliance. They are used, not changed."""
        found = find(self.p11, session, label)
        if not found:
            raise Skip("the token makes no keys, and has none yet")
        return found

    def _kek(self, session: int) -> int:
        if self.token.makes_none:
            return self._own(session, KEK)
        return self.p11.generate(session, CKM_AES_KEY_GEN, {**_AES, **_HIDDEN, **wrapping.usage(self._way())})

    def _mac_key(self, session: int) -> int:
        if self.token.makes_none:
            return self._own(session, MAC)
        kind = {CKA_CLASS: CKO_SECRET_KEY, CKA_KEY_TYPE: CKK_GENERIC_SECRET, CKA_TOKEN: False, CKA_SIGN: True}
        return self.p11.generate(session, CKM_GENERIC_SECRET_KEY_GEN, {**kind, **_HIDDEN})

    def _import(self, session: int, value: bytes, permit: int) -> int:
        try:
            return self.p11.create(session, {**_AES, CKA_VALUE: value, permit: True})
        except TokenError as e:
            raise Skip(f"the token takes no keys from outside ({e.reason})") from None


def _no_mac(_: bytes) -> bytes:
    return bytes(wrapping.MAC_OCTETS)


def _resident_kib() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
