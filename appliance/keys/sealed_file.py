"""A private key's file sealed under the HSM: written once, opened into memory when a process starts, never in clear on the disk.

TLS libraries take a key by a file's name only; what is opened is therefore an anonymous file in memory (memfd_create(2)), which no other process
sees and which ends with this one.
"""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from appliance.errors import Error
from appliance.intercom import BlockingClient
from appliance.settings import home_of

from .datakey import DataKey

PURPOSE: Final = "sealed file"  # of the derived key, see permits.py
_BEGIN: Final = "-----BEGIN CASEMATE SEALED KEY-----"
_END: Final = "-----END CASEMATE SEALED KEY-----"
_OCTETS_MAX: Final = 65_536


def seal_text(pem: bytes, purpose: str, key: bytes) -> str:
    """The file of a private key (`pem`) that belongs to `purpose`, under a derived key."""
    sealed = base64.b64encode(DataKey(0, key).seal(pem, _aad(purpose))).decode()
    lines = [sealed[at : at + 64] for at in range(0, len(sealed), 64)]
    return "\n".join([_BEGIN, f"Purpose: {purpose}", "", *lines, _END, ""])


def open_text(text: str, key: bytes) -> bytes:
    """The private key. Raises Error `key_refused`, also when the file says another purpose than it was sealed for."""
    purpose, body = _parts(text)
    return DataKey(0, key).open(body, _aad(purpose))


def key_path(path: str) -> str:
    """A name under which the private key of `path` can be read in clear: its own, or of a file in memory when it is sealed.

    Raises Error: the keys process's, and `key_refused`. What cannot be read at all is left to the TLS library to say.
    """
    try:
        with Path(path).open("rb") as file:
            octets = file.read(_OCTETS_MAX)
    except OSError:
        return path
    text = octets.decode("latin-1")
    if not text.startswith(_BEGIN):
        return path
    client = BlockingClient(home_of() / "run" / "keys.sock")
    try:
        key = client.call("derive", {"purpose": PURPOSE, "subject": _parts(text)[0]})["key"]
    finally:
        client.close()
    number = os.memfd_create("casemate-key", os.MFD_CLOEXEC)
    os.write(number, open_text(text, key))
    return f"/proc/self/fd/{number}"


@contextmanager
def clear_key(path: str) -> Iterator[str]:
    """The same for as long as a key is read: what was opened is gone afterwards. For who reads it again and again."""
    name = key_path(path)
    try:
        yield name
    finally:
        if name != path:
            os.close(int(name.rpartition("/")[2]))


def _parts(text: str) -> tuple[str, bytes]:
    lines = text.strip().splitlines()
    try:
        if lines[0] != _BEGIN or lines[-1] != _END or not lines[1].startswith("Purpose: "):
            raise ValueError
        return lines[1].removeprefix("Purpose: "), base64.b64decode("".join(lines[2:-1]), validate=True)
    except (IndexError, ValueError, binascii.Error):
        raise Error(
            "key_refused", "the sealed key's file is damaged", "restore it, or ask for a new certificate"
        ) from None


def _aad(purpose: str) -> bytes:
    return b"casemate sealed file v1\0" + purpose.encode()
