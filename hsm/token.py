"""The token through python-pkcs11: one process, one thread, one login session that is never closed, working sessions without a PIN.

python-pkcs11 initialises modules as single-threaded and crashes under threads; closing the session that logged in logs all others out;
a session that saw an error may answer `OperationActive` for ever. Hence: this class lives in a worker alone, and an error ends its session.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any, Final, NamedTuple, TypeVar

import pkcs11
from pkcs11 import Attribute, KeyType, Mechanism, MechanismFlag, ObjectClass, PKCS11Error, TokenFlag, exceptions

from . import wrapping
from .errors import HsmError

KEK: Final = "casemate key-encryption key v1"
MAC: Final = "casemate mac key v1"
AUDIT: Final = "casemate audit key v1"


class Kind(NamedTuple):
    """One object of the token, found by label and id."""

    id: bytes
    of: ObjectClass


OBJECTS: Final = {
    KEK: Kind(b"casemate-kek-1", ObjectClass.SECRET_KEY),
    MAC: Kind(b"casemate-mac-1", ObjectClass.SECRET_KEY),
    AUDIT: Kind(b"casemate-audit-1", ObjectClass.PRIVATE_KEY),
}
EDWARDS25519: Final = b"\x13\x0cedwards25519"  # EC_PARAMS as PrintableString, PKCS#11 v3.0 section 2.3.10
_HELD: Final = {Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False, Attribute.PRIVATE: True}
_ALIVE: Final = b"casemate keep-alive"
_T = TypeVar("_T")

_PIN_ERRORS: Final = (
    exceptions.PinIncorrect,
    exceptions.PinInvalid,
    exceptions.PinLenRange,
    exceptions.PinLocked,
    exceptions.PinExpired,
    exceptions.UserPinNotInitialized,
)
#: The token judged the input, not itself.
_REFUSALS: Final = (
    exceptions.EncryptedDataInvalid,
    exceptions.EncryptedDataLenRange,
    exceptions.WrappedKeyInvalid,
    exceptions.WrappedKeyLenRange,
)
#: SoftHSM before 2.7.0 says this for a failed authentication too: the token is asked for something else before it is called lost.
_UNCLEAR: Final = (exceptions.GeneralError, exceptions.FunctionFailed, exceptions.DataInvalid, exceptions.DataLenRange)


class Token:
    """The token `label` behind `module`, logged in. Every method raises HsmError; `hsm_unavailable` means: this worker is of no more use."""

    def __init__(self, module: str, label: str, pin: str) -> None:
        try:
            self._library = pkcs11.lib(module)
        except PKCS11Error as e:
            raise HsmError(
                "token_missing", f"PKCS#11 module {module} does not load ({type(e).__name__})", "check hsm.module"
            ) from None
        try:
            self._token: Any = self._library.get_token(token_label=label)
        except (exceptions.NoSuchToken, exceptions.TokenNotPresent):
            raise HsmError(
                "token_missing", f"no token `{label}` behind {module}", "insert or restore it; it is looked for again"
            ) from None
        except exceptions.MultipleTokensReturned:
            raise HsmError(
                "token_missing", f"several tokens are called `{label}`", "give the right one a label of its own"
            ) from None
        except PKCS11Error as e:
            raise HsmError("hsm_unavailable", f"the token cannot be looked for ({type(e).__name__})") from None
        self.serial = self._token.serial.decode("ascii", "replace")
        self.model = self._token.model
        self._login = self._log_in(pin)
        self._session: Any = None
        self._found: dict[str, Any] = {}
        self._expected_mac = b""
        self.wrapping: wrapping.Wrapping | None = None
        self.public = b""

    def _log_in(self, pin: str) -> Any:
        if self._token.flags & (TokenFlag.USER_PIN_FINAL_TRY | TokenFlag.USER_PIN_LOCKED):
            raise HsmError(
                "pin_invalid",
                "the token is locked or has one PIN try left, which is not spent here",
                "unlock it with the SO PIN",
            )
        try:
            return self._token.open(rw=True, user_pin=pin)
        except _PIN_ERRORS as e:
            raise HsmError(
                "pin_invalid",
                f"the token refused the PIN ({type(e).__name__})",
                "write the right PIN to the PIN file; no other try is made before",
            ) from None
        except PKCS11Error as e:
            raise HsmError("hsm_unavailable", f"log-in failed ({type(e).__name__})") from None

    # --- at opening ---------------------------------------------------------------------------------------

    def capabilities(self) -> dict[str, str]:
        """What the token can really do, tried with throw-away keys: mechanism -> `ok` or why not."""
        out: dict[str, str] = {}
        for way in wrapping.ORDER:
            with self._fresh() as session:
                out[way.name] = wrapping.probe(way, session)
        for name, trial in (("hmac-sha256", _try_hmac), ("ed25519", _try_ed25519), ("random", _try_random)):
            with self._fresh() as session:
                try:
                    out[name] = "ok" if trial(session) else "no: wrong result"
                except PKCS11Error as e:
                    out[name] = f"no: {type(e).__name__}"
        return out

    def find_or_make(self, capabilities: dict[str, str], keys_exist: bool) -> list[str]:
        """Finds the three keys; makes missing ones unless `keys_exist`, that is: data keys are already wrapped by a key that should be here.

        Returns the labels made. Raises `key_missing` and `mechanism_missing`.
        """
        for needed in ("hmac-sha256", "ed25519", "random"):
            if capabilities[needed] != "ok":
                raise HsmError(
                    "mechanism_missing",
                    f"the token has no working {needed} ({capabilities[needed]})",
                    "use another HSM",
                )
        missing = [label for label in OBJECTS if self._find(self._login, label) is None]
        if missing and keys_exist:
            raise HsmError(
                "key_missing",
                f"the token lacks the {missing[0]} although the key store has keys under it",
                "is this the right token? insert it, or restore it from its backup",
            )
        for label in missing:
            try:
                self._make(label, capabilities)
            except PKCS11Error as e:
                raise HsmError(
                    "mechanism_missing", f"the token cannot make the {label} ({type(e).__name__})", "use another HSM"
                ) from None
        self.wrapping = self._choose(capabilities)
        self.public = self._public()
        self._expected_mac = self.mac(_ALIVE)
        return missing

    def _make(self, label: str, capabilities: dict[str, str]) -> None:
        given: dict[str, Any] = {"id": OBJECTS[label].id, "label": label, "store": True}
        if label == KEK:
            way = next((w for w in wrapping.ORDER if capabilities[w.name] == "ok"), None)
            if way is None:
                raise HsmError(
                    "mechanism_missing",
                    "the token can wrap keys in no way that is known",
                    "see the table in hsm/README.md",
                )
            # Only what this way needs: a key that may both wrap and decrypt gives away what it wraps.
            self._login.generate_key(KeyType.AES, 256, capabilities=way.usage, template=_HELD, **given)
        elif label == MAC:
            usage = MechanismFlag.SIGN | MechanismFlag.VERIFY
            self._login.generate_key(KeyType.GENERIC_SECRET, 256, capabilities=usage, template=_HELD, **given)
        else:
            _ed25519(self._login, private_template=_HELD, **given)

    def _choose(self, capabilities: dict[str, str]) -> wrapping.Wrapping:
        kek = self._key(KEK)
        for way in wrapping.ORDER:
            if capabilities[way.name] == "ok" and self._allows(kek, way.permit):
                return way
        raise HsmError(
            "mechanism_missing",
            "the token's key-encryption key allows no way of wrapping that works",
            "was the token changed?",
        )

    @staticmethod
    def _allows(key: Any, permit: Attribute) -> bool:
        try:
            return bool(key[permit])
        except PKCS11Error:
            return False

    def _public(self) -> bytes:
        wanted = {Attribute.LABEL: AUDIT, Attribute.ID: OBJECTS[AUDIT].id, Attribute.CLASS: ObjectClass.PUBLIC_KEY}
        try:
            found = list(self._login.get_objects(wanted))
            point = bytes(found[0][Attribute.EC_POINT]) if found else b""
        except PKCS11Error as e:
            raise HsmError(
                "hsm_unavailable", f"the audit key's public part cannot be read ({type(e).__name__})"
            ) from None
        raw = point[2:] if point[:2] == b"\x04\x20" and len(point) == 34 else point
        if len(raw) != 32:
            raise HsmError(
                "key_missing", "the token lacks the public part of the audit key", "restore the token from its backup"
            )
        return raw

    # --- in use -------------------------------------------------------------------------------------------

    def wrap(self, key: bytes, context: bytes) -> tuple[str, bytes]:
        """Name of the way and the wrapped key, bound to `context`."""
        way = self.wrapping
        assert way is not None
        return way.name, self._do(lambda: wrapping.wrap(way, self._working(), self._key(KEK), key, context, self._mac))

    def unwrap(self, name: str, wrapped: bytes, context: bytes) -> bytes:
        """The key; `key_refused` when it was changed or the context is not its own."""
        way = wrapping.BY_NAME.get(name)
        if way is None:
            raise HsmError("key_refused", "a key is wrapped in a way this version does not know")
        try:
            return self._do(lambda: wrapping.unwrap(way, self._key(KEK), wrapped, context, self._mac))
        except HsmError as e:
            if not isinstance(e.__cause__, _UNCLEAR):
                raise
        self.alive()  # raises hsm_unavailable when it is the token that is ill, not the wrapped key
        raise HsmError("key_refused", "a wrapped key failed its check", "restore the key store from a backup")

    def mac(self, body: bytes) -> bytes:
        """HMAC-SHA256 under the MAC key."""
        return self._do(lambda: self._mac(body))

    def sign(self, body: bytes) -> bytes:
        """Ed25519 (RFC 8032) by the audit key, 64 octets."""
        return self._do(lambda: bytes(self._key(AUDIT).sign(body, mechanism=Mechanism.EDDSA)))

    def random(self, octets: int) -> bytes:
        return self._do(lambda: bytes(self._working().generate_random(octets * 8)))

    def alive(self) -> None:
        """Finds every key again in a fresh session and MACs: what a handle kept in memory would not notice, this does."""
        with self._fresh() as session:
            try:
                found = {label: self._find(session, label) for label in OBJECTS}
                if None in found.values():
                    raise HsmError("hsm_unavailable", "the token no longer shows its keys", "is it still there?")
                answer = bytes(found[MAC].sign(_ALIVE, mechanism=Mechanism.SHA256_HMAC))
            except PKCS11Error as e:
                raise HsmError("hsm_unavailable", f"the token does not answer ({type(e).__name__})") from e
        if self._expected_mac and answer != self._expected_mac:
            raise HsmError("hsm_unavailable", "the token's MAC key is another one than before")

    def close(self) -> None:
        """Leaves the token politely; nothing here may be used afterwards."""
        with contextlib.suppress(PKCS11Error):
            self._discard()
            self._login.close()

    def _mac(self, body: bytes) -> bytes:
        return bytes(self._key(MAC).sign(body, mechanism=Mechanism.SHA256_HMAC))

    def _do(self, act: Callable[[], _T]) -> _T:
        try:
            return act()
        except _REFUSALS as e:
            self._discard()
            raise HsmError(
                "key_refused", "a wrapped key failed its check", "restore the key store from a backup"
            ) from e
        except PKCS11Error as e:
            self._discard()
            raise HsmError("hsm_unavailable", f"the token failed ({type(e).__name__})") from e

    def _working(self) -> Any:
        if self._session is None:
            self._session = self._token.open()
        return self._session

    def _key(self, label: str) -> Any:
        key = self._found.get(label)
        if key is None:
            key = self._find(self._working(), label)
            if key is None:
                raise HsmError("hsm_unavailable", f"the token no longer shows the {label}", "is it still there?")
            self._found[label] = key
        return key

    @staticmethod
    def _find(session: Any, label: str) -> Any:
        kind = OBJECTS[label]
        found = list(session.get_objects({Attribute.LABEL: label, Attribute.ID: kind.id, Attribute.CLASS: kind.of}))
        return found[0] if found else None

    def _discard(self) -> None:
        session, self._session = self._session, None
        self._found.clear()
        if session is not None:
            with contextlib.suppress(PKCS11Error):
                session.close()

    @contextlib.contextmanager
    def _fresh(self) -> Any:
        try:
            session = self._token.open()
        except PKCS11Error as e:
            raise HsmError("hsm_unavailable", f"the token gives no session ({type(e).__name__})") from e
        try:
            yield session
        finally:
            with contextlib.suppress(PKCS11Error):
                session.close()


def _ed25519(session: Any, **given: Any) -> Any:
    domain = session.create_domain_parameters(KeyType.EC_EDWARDS, {Attribute.EC_PARAMS: EDWARDS25519}, local=True)
    return domain.generate_keypair(mechanism=Mechanism.EC_EDWARDS_KEY_PAIR_GEN, **given)


def _try_hmac(session: Any) -> bool:
    usage = MechanismFlag.SIGN | MechanismFlag.VERIFY
    key = session.generate_key(KeyType.GENERIC_SECRET, 256, store=False, capabilities=usage)
    first = key.sign(b"probe", mechanism=Mechanism.SHA256_HMAC)
    return len(first) == 32 and first == key.sign(b"probe", mechanism=Mechanism.SHA256_HMAC)


def _try_ed25519(session: Any) -> bool:
    public, private = _ed25519(session, store=False)
    return bool(public.verify(b"probe", private.sign(b"probe", mechanism=Mechanism.EDDSA), mechanism=Mechanism.EDDSA))


def _try_random(session: Any) -> bool:
    return bool(session.generate_random(256) != session.generate_random(256))
