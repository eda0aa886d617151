"""PKCS#11 through ctypes: the one seam to a vendor's library. Knows calls and structures, nothing of keys, PIN files or policy.

Used by one thread of a worker. The library is told that it may use the system's locks (CKF_OS_LOCKING_OK), because vendors' libraries
start threads of their own; an initialisation string is passed as `pReserved`, which NSS softokn cannot do without.
Source: OASIS PKCS#11 v2.40 base specification, sections 3 and 5; only functions of v2.40 are called.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, Final, NamedTuple

from .numbers import (
    CKF_OS_LOCKING_OK,
    CKF_RW_SESSION,
    CKF_SERIAL_SESSION,
    CKM_AES_GCM,
    CKR_CRYPTOKI_ALREADY_INITIALIZED,
    CKR_OK,
    RETURNS,
)

ulong = ctypes.c_ulong
_octets = ctypes.c_char_p
SLOTS_MAX: Final = 64
OBJECTS_MAX: Final = 16  # of one search: labels are ours, more than two is a mistake
_SPARE_OCTETS: Final = 64  # what a cipher or a wrapping adds at most

#: Functions of CK_FUNCTION_LIST in their order, v2.40 section 3.6; only the called ones have names.
_PLACES: Final = {
    "C_Initialize": 0,
    "C_Finalize": 1,
    "C_GetInfo": 2,
    "C_GetSlotList": 4,
    "C_GetTokenInfo": 6,
    "C_InitToken": 9,
    "C_InitPIN": 10,
    "C_SetPIN": 11,
    "C_OpenSession": 12,
    "C_CloseSession": 13,
    "C_Login": 18,
    "C_Logout": 19,
    "C_CreateObject": 20,
    "C_DestroyObject": 22,
    "C_GetAttributeValue": 24,
    "C_FindObjectsInit": 26,
    "C_FindObjects": 27,
    "C_FindObjectsFinal": 28,
    "C_EncryptInit": 29,
    "C_Encrypt": 30,
    "C_DecryptInit": 33,
    "C_Decrypt": 34,
    "C_SignInit": 42,
    "C_Sign": 43,
    "C_VerifyInit": 48,
    "C_Verify": 49,
    "C_GenerateKey": 58,
    "C_GenerateKeyPair": 59,
    "C_WrapKey": 60,
    "C_UnwrapKey": 61,
    "C_GenerateRandom": 64,
}
_FUNCTIONS: Final = 68


class TokenError(Exception):
    """A call's return value that is not CKR_OK. Never holds what was passed."""

    def __init__(self, call: str, value: int) -> None:
        self.value = value
        self.reason = RETURNS.get(value, f"0x{value:08X}")
        super().__init__(f"{call}: {self.reason}")


class _Version(ctypes.Structure):
    _fields_ = (("major", ctypes.c_ubyte), ("minor", ctypes.c_ubyte))


class _FunctionList(ctypes.Structure):
    _fields_ = (("version", _Version), ("functions", ctypes.c_void_p * _FUNCTIONS))


class _InitializeArgs(ctypes.Structure):
    _fields_ = (("mutexes", ctypes.c_void_p * 4), ("flags", ulong), ("reserved", _octets))


class _Info(ctypes.Structure):
    _fields_ = (
        ("cryptoki", _Version),
        ("manufacturer", ctypes.c_char * 32),
        ("flags", ulong),
        ("description", ctypes.c_char * 32),
        ("library", _Version),
    )


class _TokenInfo(ctypes.Structure):
    _fields_ = (
        ("label", ctypes.c_char * 32),
        ("manufacturer", ctypes.c_char * 32),
        ("model", ctypes.c_char * 16),
        ("serial", ctypes.c_char * 16),
        ("flags", ulong),
        ("counts", ulong * 10),
        ("hardware", _Version),
        ("firmware", _Version),
        ("time", ctypes.c_char * 16),
    )


class _Attribute(ctypes.Structure):
    _fields_ = (("type", ulong), ("value", ctypes.c_void_p), ("length", ulong))


class _Mechanism(ctypes.Structure):
    _fields_ = (("type", ulong), ("parameter", ctypes.c_void_p), ("length", ulong))


class _GcmParams(ctypes.Structure):
    """CK_GCM_PARAMS as in the header of v2.40 errata 01 and later: with ulIvBits."""

    _fields_ = (
        ("iv", _octets),
        ("iv_length", ulong),
        ("iv_bits", ulong),
        ("aad", _octets),
        ("aad_length", ulong),
        ("tag_bits", ulong),
    )


class _OaepParams(ctypes.Structure):
    _fields_ = (("hash", ulong), ("mask", ulong), ("source", ulong), ("label", _octets), ("label_length", ulong))


class TokenSeen(NamedTuple):
    """CK_TOKEN_INFO as far as anybody asks, and the slot it is in."""

    slot: int
    label: str
    manufacturer: str
    model: str
    serial: str
    flags: int
    firmware: str


class Gcm(NamedTuple):
    """Parameters of CKM_AES_GCM: nonce and additional data; the tag has 128 bits."""

    nonce: bytes
    aad: bytes


class Oaep(NamedTuple):
    """Parameters of CKM_RSA_PKCS_OAEP: hash, and mask generation with the same hash; the label is empty."""

    hash: int
    mask: int


class Cryptoki:
    """One loaded and initialised library. Every method raises TokenError; loading raises OSError."""

    def __init__(self, module: str, init_string: str = "") -> None:
        self.library = ctypes.CDLL(module)
        self._call = self._functions()
        self._initialise(init_string)

    def _functions(self) -> dict[str, Any]:
        found = ctypes.POINTER(_FunctionList)()
        get = self.library.C_GetFunctionList
        get.restype = ulong
        value = int(get(ctypes.byref(found)))
        if value != CKR_OK or not found:
            raise TokenError("C_GetFunctionList", value)
        places = found.contents.functions
        kind = ctypes.CFUNCTYPE(ulong)  # arguments are converted where they are passed
        return {name: ctypes.cast(places[n], kind) for name, n in _PLACES.items() if places[n]}

    def call(self, name: str, *given: Any) -> None:
        function = self._call.get(name)
        value = int(function(*given)) if function is not None else 0x54
        if value != CKR_OK:
            raise TokenError(name, value)

    def _initialise(self, init_string: str) -> None:
        given = _InitializeArgs(flags=CKF_OS_LOCKING_OK, reserved=init_string.encode() if init_string else None)
        try:
            self.call("C_Initialize", ctypes.byref(given))
        except TokenError as e:
            if e.value == CKR_CRYPTOKI_ALREADY_INITIALIZED:
                return
            if init_string or e.reason not in ("CANT_LOCK", "ARGUMENTS_BAD", "NEED_TO_CREATE_THREADS"):
                raise
            self.call("C_Initialize", None)  # a library that cannot lock: there is one thread here

    def finalise(self) -> None:
        with suppress(TokenError):
            self.call("C_Finalize", None)

    # --- tokens -------------------------------------------------------------------------------------------

    def described(self) -> dict[str, str]:
        """What the library says of itself."""
        told = _Info()
        self.call("C_GetInfo", ctypes.byref(told))
        return {
            "library": _text(told.description),
            "manufacturer": _text(told.manufacturer),
            "library_version": f"{told.library.major}.{told.library.minor}",
            "cryptoki_version": f"{told.cryptoki.major}.{told.cryptoki.minor}",
        }

    def tokens(self) -> list[TokenSeen]:
        """Tokens present, in the order of their slots."""
        count = ulong(SLOTS_MAX)
        slots = (ulong * SLOTS_MAX)()
        self.call("C_GetSlotList", ctypes.c_ubyte(1), slots, ctypes.byref(count))
        out = []
        for slot in list(slots)[: count.value]:
            with suppress(TokenError):  # an empty reader beside the right one is none of our business
                out.append(self.token(slot))
        return out

    def token(self, slot: int) -> TokenSeen:
        told = _TokenInfo()
        self.call("C_GetTokenInfo", ulong(slot), ctypes.byref(told))
        names = (_text(told.label), _text(told.manufacturer), _text(told.model), _text(told.serial))
        return TokenSeen(slot, *names, told.flags, f"{told.firmware.major}.{told.firmware.minor}")

    def init_token(self, slot: int, so_pin: bytes, label: str) -> None:
        self.call("C_InitToken", ulong(slot), so_pin, ulong(len(so_pin)), label.encode().ljust(32))

    def init_pin(self, session: int, pin: bytes) -> None:
        self.call("C_InitPIN", ulong(session), pin, ulong(len(pin)))

    def set_pin(self, session: int, old: bytes, new: bytes) -> None:
        self.call("C_SetPIN", ulong(session), old, ulong(len(old)), new, ulong(len(new)))

    # --- sessions -----------------------------------------------------------------------------------------

    def open(self, slot: int, rw: bool = False) -> int:
        session = ulong()
        flags = CKF_SERIAL_SESSION | (CKF_RW_SESSION if rw else 0)
        self.call("C_OpenSession", ulong(slot), ulong(flags), None, None, ctypes.byref(session))
        return session.value

    def close(self, session: int) -> None:
        """Never raises: whoever closes a session has no more use for it."""
        with suppress(TokenError):
            self.call("C_CloseSession", ulong(session))

    def login(self, session: int, user: int, pin: bytes) -> None:
        self.call("C_Login", ulong(session), ulong(user), pin, ulong(len(pin)))

    def logout(self, session: int) -> None:
        self.call("C_Logout", ulong(session))

    # --- objects ------------------------------------------------------------------------------------------

    def find(self, session: int, wanted: Mapping[int, Any]) -> list[int]:
        with _template(wanted) as (first, count):
            self.call("C_FindObjectsInit", ulong(session), first, count)
        handles, found = (ulong * OBJECTS_MAX)(), ulong()
        try:
            self.call("C_FindObjects", ulong(session), handles, ulong(OBJECTS_MAX), ctypes.byref(found))
        finally:
            with suppress(TokenError):
                self.call("C_FindObjectsFinal", ulong(session))
        return list(handles)[: found.value]

    def attribute(self, session: int, key: int, kind: int) -> bytes:
        room = ctypes.create_string_buffer(1024)
        asked = _Attribute(kind, ctypes.cast(room, ctypes.c_void_p), len(room))
        self.call("C_GetAttributeValue", ulong(session), ulong(key), ctypes.byref(asked), ulong(1))
        return room.raw[: asked.length]

    def create(self, session: int, given: Mapping[int, Any]) -> int:
        key = ulong()
        with _template(given) as (first, count):
            self.call("C_CreateObject", ulong(session), first, count, ctypes.byref(key))
        return key.value

    def destroy(self, session: int, key: int) -> None:
        self.call("C_DestroyObject", ulong(session), ulong(key))

    def generate(self, session: int, mechanism: int, given: Mapping[int, Any]) -> int:
        key = ulong()
        with _template(given) as (first, count), _mechanism(mechanism) as how:
            self.call("C_GenerateKey", ulong(session), how, first, count, ctypes.byref(key))
        return key.value

    def generate_pair(
        self, session: int, mechanism: int, public: Mapping[int, Any], private: Mapping[int, Any]
    ) -> tuple[int, int]:
        """Handles of the public and the private key."""
        ours = (ulong(), ulong())
        with _template(public) as (p, pn), _template(private) as (q, qn), _mechanism(mechanism) as how:
            made = (ctypes.byref(ours[0]), ctypes.byref(ours[1]))
            self.call("C_GenerateKeyPair", ulong(session), how, p, pn, q, qn, *made)
        return ours[0].value, ours[1].value

    def wrap(self, session: int, mechanism: int, kek: int, key: int, parameter: Oaep | None = None) -> bytes:
        room, length = ctypes.create_string_buffer(1024), ulong(1024)
        with _mechanism(mechanism, parameter or b"") as how:
            self.call("C_WrapKey", ulong(session), how, ulong(kek), ulong(key), room, ctypes.byref(length))
        return room.raw[: length.value]

    def unwrap(
        self,
        session: int,
        mechanism: int,
        kek: int,
        wrapped: bytes,
        given: Mapping[int, Any],
        parameter: Oaep | None = None,
    ) -> int:
        key = ulong()
        with _template(given) as (first, count), _mechanism(mechanism, parameter or b"") as how:
            what = (ulong(kek), wrapped, ulong(len(wrapped)), first, count, ctypes.byref(key))
            self.call("C_UnwrapKey", ulong(session), how, *what)
        return key.value

    # --- octets -------------------------------------------------------------------------------------------

    def encrypt(self, session: int, mechanism: int, key: int, octets: bytes, parameter: Gcm | bytes) -> bytes:
        return self._turned("Encrypt", session, mechanism, key, octets, parameter)

    def decrypt(self, session: int, mechanism: int, key: int, octets: bytes, parameter: Gcm | bytes) -> bytes:
        return self._turned("Decrypt", session, mechanism, key, octets, parameter)

    def sign(self, session: int, mechanism: int, key: int, octets: bytes) -> bytes:
        return self._turned("Sign", session, mechanism, key, octets, b"")

    def verify(self, session: int, mechanism: int, key: int, octets: bytes, signature: bytes) -> None:
        with _mechanism(mechanism) as how:
            self.call("C_VerifyInit", ulong(session), how, ulong(key))
        self.call("C_Verify", ulong(session), octets, ulong(len(octets)), signature, ulong(len(signature)))

    def _turned(
        self, what: str, session: int, mechanism: int, key: int, octets: bytes, parameter: Gcm | bytes
    ) -> bytes:
        with _mechanism(mechanism, parameter) as how:
            self.call(f"C_{what}Init", ulong(session), how, ulong(key))
            size = len(octets) + _SPARE_OCTETS
            room, length = ctypes.create_string_buffer(size), ulong(size)
            self.call(f"C_{what}", ulong(session), octets, ulong(len(octets)), room, ctypes.byref(length))
        return room.raw[: length.value]

    def random(self, session: int, octets: int) -> bytes:
        room = ctypes.create_string_buffer(octets)
        self.call("C_GenerateRandom", ulong(session), room, ulong(octets))
        return room.raw


def _text(padded: bytes) -> str:
    return bytes(padded).rstrip(b" \0").decode("utf-8", "replace")


@contextmanager
def _template(given: Mapping[int, Any]) -> Iterator[tuple[Any, Any]]:
    """CK_ATTRIBUTE array and its length: bool -> CK_BBOOL, int -> CK_ULONG, bytes as they are. Alive for the length of the call."""
    kept: list[Any] = []
    out = (_Attribute * len(given))()
    for n, (kind, value) in enumerate(given.items()):
        held: Any
        if isinstance(value, bool):
            held = ctypes.c_ubyte(value)
        elif isinstance(value, int):
            held = ulong(value)
        else:
            held = ctypes.create_string_buffer(value, max(1, len(value)))
        kept.append(held)
        length = len(value) if isinstance(value, bytes) else ctypes.sizeof(held)
        out[n] = _Attribute(kind, ctypes.cast(ctypes.pointer(held), ctypes.c_void_p), length)
    yield out, ulong(len(given))


@contextmanager
def _mechanism(kind: int, parameter: Gcm | Oaep | bytes = b"") -> Iterator[Any]:
    """CK_MECHANISM, alive for the length of the call. Libraries read the parameter during the *Init call, some also later."""
    held: Any = None
    if isinstance(parameter, Gcm):
        assert kind == CKM_AES_GCM
        nonce, aad = parameter
        held = _GcmParams(nonce, len(nonce), len(nonce) * 8, aad, len(aad), 128)
    elif isinstance(parameter, Oaep):
        held = _OaepParams(parameter.hash, parameter.mask, 1, None, 0)
    elif parameter:
        held = ctypes.create_string_buffer(parameter, len(parameter))
    address = ctypes.cast(ctypes.pointer(held), ctypes.c_void_p) if held is not None else None
    yield ctypes.byref(_Mechanism(kind, address, ctypes.sizeof(held) if held is not None else 0))
