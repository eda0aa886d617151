"""The child process that holds the PKCS#11 library and the log-in: one request at a time from its standard input, which is a socket.

Started by exec with nothing secret on its command line or in its environment; it dies with its parent and leaves no core dump.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
from pathlib import Path
from typing import Any, Final

from .backup import Backup
from .bounds import RANDOM_OCTETS_MAX
from .errors import HsmError
from .initialise import initialise_token
from .passing import Passing
from .passing import perform as pass_keys
from .shutters import close_shutters, die_with_parent
from .token import Token, load, opened
from .wire import HEAD_OCTETS, length, pack, unpack

#: Operations on the token's keys under a backup key.
KEPT: Final = frozenset({"birth", "bring", "prove", "rewrapped", "undo"})


class Worker:
    """Operations by name. The first must be `open`."""

    def __init__(self) -> None:
        self.token: Token | None = None
        self.backup: Backup | None = None
        self.passing: Passing | None = None

    def perform(self, op: str, given: dict[str, Any]) -> Any:
        """The result of one request. Raises HsmError."""
        if op == "open":
            return self._open(**given)
        if op == "open_empty":
            return self._open_empty(**given)
        if op == "commission":
            return self._commission(**given)
        if op in KEPT:
            if self.backup is None:
                raise HsmError("invalid", "the worker is not open yet")
            return getattr(self.backup, op)(**given)
        token = self.token
        if token is None:
            raise HsmError("invalid", "the worker is not open yet")
        match op:
            case "wrap":
                asked = (given["key"], given["context"], given.get("root", 1), given.get("only", ()))
                return list(token.wrap(*asked))
            case "unwrap":
                return token.unwrap(given["mechanism"], given["wrapped"], given["context"], given.get("root", 1))
            case "mac":
                return token.mac(given["body"])
            case "sign":
                return token.sign(given["body"])
            case "random" if 0 < given["octets"] <= RANDOM_OCTETS_MAX:
                return token.random(given["octets"])
            case "make_root":
                return token.make_root(given["root"])
            case "destroy_root":
                return token.destroy_root(given["root"])
            case "probe":
                return token.capabilities()
            case "alive":
                return token.alive()
            case "pin":
                old, new = (given[n] or _read_pin(given[f"{n}_file"]) for n in ("old", "new"))
                return token.change_pin(old.encode(), new.encode())
            case "held" | "offer" | "receive" | "give" | "keep" | "drop" if self.passing is not None:
                return pass_keys(self.passing, op, given)
        raise HsmError("invalid", f"the worker has no operation {op!r}")

    def _open(
        self,
        module: str,
        init_string: str,
        label: str,
        pin_file: str,
        so_pin_file: str,
        keys_exist: bool,
        make: bool,
        roots: list[int],
        pin: str = "",
        replicable: bool = False,
    ) -> dict[str, Any]:
        """Loads, logs in, probes, finds or makes the keys. `so_pin_file` is given on the embedded token's first run only."""
        opened_by = (pin or _read_pin(pin_file)).encode()
        p11 = load(module, init_string)
        initialised = bool(so_pin_file) and initialise_token(p11, label, _read_pin(so_pin_file).encode(), opened_by)
        self.token = Token(p11, label, opened_by, replicable)
        capabilities = self.token.capabilities()
        made = self.token.find_or_make(capabilities, keys_exist or not make, tuple(roots))
        self.backup = Backup(self.token, capabilities)
        return {**opened(self.token, capabilities, made), "initialised": initialised}

    def _open_empty(
        self,
        module: str,
        init_string: str,
        label: str,
        pin_file: str,
        pin: str,
        so_pin_file: str,
        replicable: bool = False,
    ) -> dict[str, Any]:
        """Loads, logs in and probes; looks for no key and makes none."""
        opened_by = (pin or _read_pin(pin_file)).encode()
        p11 = load(module, init_string)
        initialised = bool(so_pin_file) and initialise_token(p11, label, _read_pin(so_pin_file).encode(), opened_by)
        self.token = Token(p11, label, opened_by, replicable)
        capabilities = self.token.capabilities()
        self.backup = Backup(self.token, capabilities)
        self.passing = Passing(self.token)
        seen = self.token.seen
        told = {"model": seen.model, "serial": seen.serial, "manufacturer": seen.manufacturer}
        return {**told, "capabilities": capabilities, "initialised": initialised}

    def _commission(self, module: str, init_string: str, label: str, pin_file: str) -> dict[str, Any]:
        """Tries and measures the token with throw-away keys; afterwards `wrap`, `unwrap`, `mac` and `sign` use those."""
        from .conformance import Trial

        p11 = load(module, init_string)
        self.token = Token(p11, label, _read_pin(pin_file).encode())
        capabilities = self.token.capabilities()
        seen = self.token.seen
        told = {**p11.described(), "token": seen._asdict(), "capabilities": capabilities}
        cases = Trial(self.token, capabilities).report()
        try:
            self.token.throw_away(capabilities)
        except HsmError as e:
            return {**told, "cases": cases, "measurable": e.message}
        return {**told, "cases": cases, "measurable": ""}


def _read_pin(path: str) -> str:
    try:
        pin = Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        raise HsmError("pin_invalid", "the PIN file cannot be read", "check hsm.pin_file and who may read it") from None
    if not pin:
        raise HsmError("pin_invalid", "the PIN file is empty", "write the user PIN to it")
    return pin


def serve(channel: socket.socket) -> None:
    """Answers until the other side closes."""
    worker = Worker()
    while True:
        head = _receive(channel, HEAD_OCTETS)
        if head is None:
            break
        body = _receive(channel, length(head))
        if body is None:
            break
        try:
            op, given = unpack(body)
            reply = [True, worker.perform(op, given)]
        except HsmError as e:
            reply = [False, [e.code, e.message, e.hint]]
        except (KeyError, TypeError, ValueError) as e:
            reply = [False, ["invalid", f"the request could not be used ({type(e).__name__})", ""]]
        channel.sendall(pack(reply))
    if worker.token is not None:
        worker.token.close()


def _receive(channel: socket.socket, octets: int) -> bytes | None:
    got = bytearray()
    while len(got) < octets:
        data = channel.recv(octets - len(got))
        if not data:
            return None
        got += data
    return bytes(got)


def main() -> None:
    close_shutters()
    die_with_parent()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(
            number, signal.SIG_IGN
        )  # the parent ends it by closing the socket, so that no call is cut in half
    channel = socket.socket(fileno=0)
    with contextlib.suppress(OSError):
        serve(channel)
    sys.stderr.flush()
    os._exit(0)  # vendors' libraries crash in their exit handlers (SoftHSMv2#548, #729): nothing is left to tidy up


if __name__ == "__main__":
    main()
