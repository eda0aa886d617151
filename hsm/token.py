"""The token: one process, one thread, one login session that is never closed, working sessions without a PIN.

Closing the session that logged in logs all others out; a session that saw an error may answer OPERATION_ACTIVE for ever. Hence: this
class lives in a worker alone, and an error ends its session.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, TypeVar

from . import wrapping
from .cryptoki import Cryptoki, TokenError, TokenSeen
from .errors import HsmError
from .numbers import CKF_USER_PIN_FINAL_TRY, CKF_USER_PIN_LOCKED, CKU_USER
from .objects import ALIVE, AUDIT, DERIVED, KEK, MAC, Signer, find, hmac_of, make, public_of, root, trials

_T = TypeVar("_T")

_PIN_ERRORS: Final = frozenset(
    {
        *("PIN_INCORRECT", "PIN_INVALID", "PIN_LEN_RANGE", "PIN_LOCKED", "PIN_EXPIRED"),
        "USER_PIN_NOT_INITIALIZED",
    }
)
#: The token judged the input, not itself.
_REFUSALS: Final = frozenset(
    {
        *("ENCRYPTED_DATA_INVALID", "ENCRYPTED_DATA_LEN_RANGE", "AEAD_DECRYPT_FAILED"),
        *("WRAPPED_KEY_INVALID", "WRAPPED_KEY_LEN_RANGE"),
    }
)
#: SoftHSM before 2.7.0 says this for a failed authentication too, NSS softokn says DEVICE_ERROR: the token is asked for something else
#: before it is called lost.
_UNCLEAR: Final = frozenset({"GENERAL_ERROR", "FUNCTION_FAILED", "DATA_INVALID", "DATA_LEN_RANGE", "DEVICE_ERROR"})


#: What the probe finds when a token makes no keys.
_MAKES_NONE: Final = frozenset({"no: FUNCTION_NOT_SUPPORTED"})


class Token:
    """The token `label` behind `p11`, logged in. Every method raises HsmError; `hsm_unavailable` means: this worker is of no more use."""

    def __init__(self, p11: Cryptoki, label: str, pin: bytes, replicable: bool = False) -> None:
        self.p11 = p11
        self.replicable = replicable  # keys made here can be wrapped for another token
        self.found: dict[str, str] = {}  # what the probe found
        self.makes_none = False  # keys come from its maker's tools
        self.seen = present(p11, label)
        self.login = self._log_in(pin)
        self._session = 0
        self._found: dict[str, int] = {}
        self._expected_mac = b""
        self.wrapping: wrapping.Wrapping | None = None
        self.signer: Signer | None = None
        self.roots: tuple[int, ...] = (1,)  # versions that stored keys are wrapped under

    def _log_in(self, pin: bytes) -> int:
        if self.seen.flags & (CKF_USER_PIN_FINAL_TRY | CKF_USER_PIN_LOCKED):
            raise HsmError(
                "pin_invalid",
                "the token is locked or has one PIN try left, which is not spent here",
                "unlock it with the SO PIN",
            )
        try:
            session = self.p11.open(self.seen.slot, rw=True)
            self.p11.login(session, CKU_USER, pin)
        except TokenError as e:
            if e.reason in _PIN_ERRORS:
                raise HsmError(
                    "pin_invalid",
                    f"the token refused the PIN ({e.reason})",
                    "write the right PIN to the PIN file; no other try is made before",
                ) from None
            raise HsmError("hsm_unavailable", f"log-in failed ({e})") from None
        return session

    def change_pin(self, old: bytes, new: bytes) -> None:
        """The user PIN, by who is logged in with it (C_SetPIN). Raises HsmError `invalid` for one that the token does not take: the old one stays."""
        try:
            self.p11.set_pin(self.login, old, new)
        except TokenError as e:
            if e.reason in _PIN_ERRORS:
                raise HsmError(
                    "invalid", f"the token does not take this PIN ({e.reason})", "see its policy; the old one stays"
                ) from None
            raise HsmError("hsm_unavailable", f"the PIN was not changed ({e})", "the old one is tried first") from None

    # --- at opening ---------------------------------------------------------------------------------------

    def capabilities(self) -> dict[str, str]:
        """What the token can really do, tried with throw-away keys: mechanism -> `ok` or why not.

        One that makes no keys through PKCS#11 (a TPM) is tried with its own, which were made with its maker's tools.
        """
        out = self.found = {}
        for way in wrapping.ORDER:
            with self._fresh() as session:
                out[way.name] = wrapping.probe(way, self.p11, session)
        own = self.makes_none = set(out.values()) >= _MAKES_NONE
        for way in wrapping.ORDER if own else ():
            with self._fresh() as session:
                kek = find(self.p11, session, KEK)
                if kek:
                    out[way.name] = wrapping.probe(way, self.p11, session, kek)
        for name, trial in trials(self.p11, own).items():
            with self._fresh() as session:
                try:
                    out[name] = "ok" if trial(session) else "no: wrong result"
                except TokenError as e:
                    out[name] = f"no: {e.reason}"
        return out

    def find_or_make(self, capabilities: dict[str, str], keys_exist: bool, roots: tuple[int, ...] = (1,)) -> list[str]:
        """Finds the keys; makes missing ones unless `keys_exist`, that is: data keys are already wrapped by a key that should be here.

        A token without Ed25519 holds no audit key: it is derived (see objects.py), also after the token has learned Ed25519. Who opens the
        token compares the public key with the one before. Returns the labels made. Raises `key_missing` and `mechanism_missing`.
        """
        for needed in ("hmac-sha256", "random"):
            if capabilities[needed] != "ok":
                raise HsmError(
                    "mechanism_missing",
                    f"the token has no working {needed} ({capabilities[needed]})",
                    "use another HSM",
                )
        self.roots = roots
        wanted = (*(root(version) for version in roots), MAC, AUDIT)
        held = [label for label in wanted if self._look(label)]
        makes = capabilities["ed25519"] == "ok" and not keys_exist and not self.replicable
        in_token = AUDIT in held or makes
        missing = [label for label in wanted if label not in held and (in_token or label != AUDIT)]
        if missing and keys_exist:
            raise HsmError(
                "key_missing",
                f"the token lacks the {missing[0]} although the key store has keys under it",
                "is this the right token? insert it, or restore it from its backup",
            )
        way = next((w for w in wrapping.ORDER if capabilities[w.name] == "ok"), None)
        if way is None:
            raise HsmError(
                "mechanism_missing", "the token can wrap keys in no way that is known", "see the table in hsm/README.md"
            )
        for label in missing:
            try:
                make(self.p11, self.login, label, way, leaves=self.replicable)
            except TokenError as e:
                raise HsmError(
                    "mechanism_missing", f"the token cannot make the {label} ({e})", "use another HSM"
                ) from None
        self.wrapping = self._choose(capabilities)
        self._expected_mac = self.mac(ALIVE)
        self.signer = self._signer(in_token)
        return missing

    def throw_away(self, capabilities: dict[str, str]) -> None:
        """Takes keys that end with the log-in session instead of the token's own, if it makes any: for measuring. Raises `mechanism_missing`."""
        self.wrapping = next((w for w in wrapping.ORDER if capabilities[w.name] == "ok"), None)
        if self.wrapping is None or capabilities["hmac-sha256"] != "ok":
            raise HsmError(
                "mechanism_missing", "the token cannot do what is to be measured", "see the cases that failed"
            )
        try:
            for label in () if self.makes_none else (KEK, MAC, *((AUDIT,) if capabilities["ed25519"] == "ok" else ())):
                self._found[label] = make(self.p11, self.login, label, self.wrapping, stays=False)
        except TokenError as e:
            raise HsmError("mechanism_missing", f"the token makes no throw-away keys ({e})", "") from None
        self.signer = Signer(bytes(32)) if AUDIT in self._found else Signer.derived(bytes(32))

    def _choose(
        self, capabilities: dict[str, str], only: Sequence[str] = (), version: int | None = None
    ) -> wrapping.Wrapping:
        kek = self._key(root(version or self.roots[-1]))
        for way in wrapping.ORDER:
            if only and way.name not in only:
                continue
            if capabilities[way.name] == "ok" and self._allows(kek, way.permits[0]):
                return way
        raise HsmError(
            "mechanism_missing",
            "the token's key-encryption key allows no way of wrapping that works",
            "was the token changed?",
        )

    def _allows(self, key: int, permit: int) -> bool:
        try:
            return any(self.p11.attribute(self._working(), key, permit))
        except TokenError:
            return False

    def _signer(self, in_token: bool) -> Signer:
        if not in_token:
            return Signer.derived(self.mac(DERIVED))
        try:
            raw = public_of(self.p11, self.login)
        except TokenError as e:
            raise HsmError("hsm_unavailable", f"the audit key's public part cannot be read ({e})") from None
        if len(raw) != 32:
            raise HsmError(
                "key_missing", "the token lacks the public part of the audit key", "restore the token from its backup"
            )
        return Signer(raw)

    # --- in use -------------------------------------------------------------------------------------------

    def wrap(self, key: bytes, context: bytes, version: int = 1, only: Sequence[str] = ()) -> tuple[str, bytes]:
        """Name of the way and the wrapped key, bound to `context`, under the root `version`. `only`: ways that another token knows too."""
        way = self.wrapping
        assert way is not None
        if only and way.name not in only:
            way = self._choose(self.found, only, version)
        kek = root(version)
        return way.name, self._do(
            lambda: wrapping.wrap(way, self.p11, self._working(), self._key(kek), key, context, self._mac)
        )

    def unwrap(self, name: str, wrapped: bytes, context: bytes, version: int = 1) -> bytes:
        """The key; `key_refused` when it was changed or the context is not its own."""
        way = wrapping.BY_NAME.get(name)
        if way is None:
            raise HsmError("key_refused", "a key is wrapped in a way this version does not know")
        try:
            return self._do(
                lambda: wrapping.unwrap(
                    way, self.p11, self._working(), self._key(root(version)), wrapped, context, self._mac
                )
            )
        except HsmError as e:
            if not isinstance(e.__cause__, TokenError) or e.__cause__.reason not in _UNCLEAR:
                raise
        self._round_trip(version)  # raises hsm_unavailable when it is the token that is ill, not the wrapped key
        raise HsmError("key_refused", "a wrapped key failed its check", "restore the key store from a backup")

    def make_root(self, version: int) -> None:
        """Makes the root `version` unless it is there: a rotation that was cut off goes on."""
        if self._look(root(version)):
            return
        assert self.wrapping is not None
        try:
            make(self.p11, self.login, root(version), self.wrapping, leaves=self.replicable)
        except TokenError as e:
            self._discard()
            raise HsmError("hsm_unavailable", f"the token makes no new root key ({e})", "is it full?") from e

    def destroy_root(self, version: int) -> None:
        """Destroys the root `version`; what is wrapped by it alone is lost."""
        handle = self._look(root(version))
        if handle:
            self._discard()
            self._do(lambda: self.p11.destroy(self.login, handle))

    def _round_trip(self, version: int) -> None:
        """Wraps and unwraps something of no meaning under the token's own key."""
        self.alive()
        way, trial = self.wrapping, bytes(range(wrapping.KEY_OCTETS))
        assert way is not None
        _, wrapped = self.wrap(trial, ALIVE, version)
        back = self._do(
            lambda: wrapping.unwrap(way, self.p11, self._working(), self._key(root(version)), wrapped, ALIVE, self._mac)
        )
        if back != trial:
            raise HsmError("hsm_unavailable", "the token unwrapped another key than it wrapped")

    def mac(self, body: bytes) -> bytes:
        """HMAC-SHA256 under the MAC key."""
        return self._do(lambda: self._mac(body))

    def sign(self, body: bytes) -> bytes:
        """Ed25519 (RFC 8032) by the audit key, 64 octets."""
        signer = self.signer
        assert signer is not None
        return self._do(lambda: signer.sign(self.p11, self._working, lambda: self._key(AUDIT), body))

    def random(self, octets: int) -> bytes:
        return self._do(lambda: self.p11.random(self._working(), octets))

    def alive(self) -> None:
        """Finds every key again in a fresh session and MACs: what a handle kept in memory would not notice, this does."""
        held_here = self.signer is None or self.signer.in_token
        wanted = [root(self.roots[-1]), MAC, *((AUDIT,) if held_here else ())]
        with self._fresh() as session:
            try:
                found = {label: find(self.p11, session, label) for label in wanted}
                if 0 in found.values():
                    raise HsmError("hsm_unavailable", "the token no longer shows its keys", "is it still there?")
                answer = hmac_of(self.p11, session, found[MAC], ALIVE)
            except TokenError as e:
                raise HsmError("hsm_unavailable", f"the token does not answer ({e})") from e
        if self._expected_mac and answer != self._expected_mac:
            raise HsmError("hsm_unavailable", "the token's MAC key is another one than before")

    def close(self) -> None:
        """Leaves the token politely; nothing here may be used afterwards."""
        self._discard()
        self.p11.close(self.login)
        self.p11.finalise()

    def _mac(self, body: bytes) -> bytes:
        return hmac_of(self.p11, self._working(), self._key(MAC), body)

    def _do(self, act: Callable[[], _T]) -> _T:
        try:
            return act()
        except TokenError as e:
            self._discard()
            if e.reason in _REFUSALS:
                raise HsmError(
                    "key_refused", "a wrapped key failed its check", "restore the key store from a backup"
                ) from e
            raise HsmError("hsm_unavailable", f"the token failed ({e})") from e

    def _working(self) -> int:
        if not self._session:
            self._session = self.p11.open(self.seen.slot)
        return self._session

    def _key(self, label: str) -> int:
        key = self._found.get(label, 0)
        if not key:
            key = find(self.p11, self._working(), label)
            if not key:
                raise HsmError("hsm_unavailable", f"the token no longer shows the {label}", "is it still there?")
            self._found[label] = key
        return key

    def _look(self, label: str) -> int:
        return self._do(lambda: find(self.p11, self.login, label))

    def _discard(self) -> None:
        session, self._session = self._session, 0
        self._found.clear()
        if session:
            self.p11.close(session)

    @contextlib.contextmanager
    def _fresh(self) -> Iterator[int]:
        try:
            session = self.p11.open(self.seen.slot)
        except TokenError as e:
            raise HsmError("hsm_unavailable", f"the token gives no session ({e})") from e
        try:
            yield session
        finally:
            self.p11.close(session)


def load(module: str, init_string: str = "") -> Cryptoki:
    """The library, initialised. Raises HsmError `token_missing`."""
    try:
        return Cryptoki(module, init_string)
    except (OSError, AttributeError):
        raise HsmError("token_missing", f"PKCS#11 module {module} cannot be loaded", "check hsm.module") from None
    except TokenError as e:
        raise HsmError("token_missing", f"PKCS#11 module {module} does not start ({e})", "check hsm.module") from None


def present(p11: Cryptoki, label: str) -> TokenSeen:
    """The one token called `label`. Raises HsmError `token_missing`."""
    try:
        found = [t for t in p11.tokens() if t.label == label]
    except TokenError as e:
        raise HsmError("hsm_unavailable", f"the token cannot be looked for ({e})") from None
    if not found:
        raise HsmError("token_missing", f"no token `{label}` is there", "insert or restore it; it is looked for again")
    if len(found) > 1:
        raise HsmError("token_missing", f"several tokens are called `{label}`", "give the right one a label of its own")
    return found[0]


def opened(token: Token, capabilities: dict[str, str], made: list[str]) -> dict[str, Any]:
    """What a worker says of a token it has opened."""
    assert token.wrapping is not None and token.signer is not None
    return {
        "serial": token.seen.serial,
        "model": token.seen.model,
        "manufacturer": token.seen.manufacturer,
        "capabilities": capabilities,
        "wrapping": token.wrapping.name,
        "public_key": token.signer.public,
        "audit_key": "token" if token.signer.in_token else "derived",
        "made": made,
    }
