"""C_InitToken and C_InitPIN through ctypes, because python-pkcs11 cannot and softhsm2-util would show the PIN on a command line.

Only used inside a worker, before python-pkcs11 loads the module there. Source: PKCS#11 v2.40 base, sections 5.4 to 5.6.
"""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any, Final

from .errors import HsmError

_OK: Final = 0
_CKF_RW_SERIAL: Final = 0x2 | 0x4
_CKU_SO: Final = 0
_CKF_USER_PIN_INITIALIZED: Final = 0x8
_CKF_TOKEN_INITIALIZED: Final = 0x400
_LABEL_OCTETS: Final = 32
_SLOTS_MAX: Final = 64
_ulong = ctypes.c_ulong


class _TokenInfo(ctypes.Structure):
    """CK_TOKEN_INFO, PKCS#11 v2.40 section 3.2."""

    _fields_ = (
        ("label", ctypes.c_char * 32),
        ("manufacturer", ctypes.c_char * 32),
        ("model", ctypes.c_char * 16),
        ("serial", ctypes.c_char * 16),
        ("flags", _ulong),
        ("counts", _ulong * 10),
        ("versions", ctypes.c_ubyte * 4),
        ("time", ctypes.c_char * 16),
    )


def initialise_token(module: Path, label: str, so_pin: bytes, pin: bytes) -> bool:
    """Makes a token `label` in the first uninitialised slot; True when it was made, False when it was already there with its PIN set.

    A token left half made by a crash (no user PIN yet) is finished. Raises HsmError `token_missing`.
    """
    try:
        library: Any = ctypes.CDLL(str(module))
    except OSError:
        raise HsmError("token_missing", f"PKCS#11 module {module} cannot be loaded", "check hsm.module") from None
    _check(library.C_Initialize(None), "C_Initialize")
    try:
        slot, flags = _slot(library, label)
        if flags & _CKF_USER_PIN_INITIALIZED:
            return False
        if not flags & _CKF_TOKEN_INITIALIZED:
            padded = label.encode().ljust(_LABEL_OCTETS)
            _check(library.C_InitToken(_ulong(slot), so_pin, _ulong(len(so_pin)), padded), "C_InitToken")
            slot, _ = _slot(library, label)
        session = _ulong()
        _check(
            library.C_OpenSession(_ulong(slot), _ulong(_CKF_RW_SERIAL), None, None, ctypes.byref(session)),
            "C_OpenSession",
        )
        _check(library.C_Login(session, _ulong(_CKU_SO), so_pin, _ulong(len(so_pin))), "C_Login")
        _check(library.C_InitPIN(session, pin, _ulong(len(pin))), "C_InitPIN")
        _check(library.C_Logout(session), "C_Logout")
        return True
    finally:
        library.C_Finalize(None)


def _slot(library: Any, label: str) -> tuple[int, int]:
    """Slot and flags of the token `label`, else of the first uninitialised one."""
    count = _ulong(_SLOTS_MAX)
    slots = (_ulong * _SLOTS_MAX)()
    _check(library.C_GetSlotList(ctypes.c_ubyte(1), slots, ctypes.byref(count)), "C_GetSlotList")
    empty: tuple[int, int] | None = None
    for slot in list(slots)[: count.value]:
        info = _TokenInfo()
        if library.C_GetTokenInfo(_ulong(slot), ctypes.byref(info)) != _OK:
            continue
        found = bytes(info.label).rstrip(b" \0")
        if info.flags & _CKF_TOKEN_INITIALIZED and found == label.encode():
            return slot, info.flags
        if not info.flags & _CKF_TOKEN_INITIALIZED and empty is None:
            empty = (slot, info.flags)
    if empty is None:
        raise HsmError("token_missing", "no slot is free for a new token")
    return empty


def _check(result: int, call: str) -> None:
    if result != _OK:
        raise HsmError("token_missing", f"the token could not be initialised: {call} gave 0x{result:08X}")
