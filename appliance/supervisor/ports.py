"""Whether an address can be listened on, and which port is free. Binds for a moment, never listens."""

from __future__ import annotations

import errno
import random
import socket
from typing import Final

from appliance.errors import Error
from appliance.settings import address

#: Below what Linux gives to outgoing connections (ip_local_port_range), so none of these takes a port before its process listens.
QUIET_PORTS: Final = range(20_000, 32_000)
TRIES: Final = 20


def _bound(host: str, port: int) -> int:
    """The port that could be bound; raises OSError."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((host, port))
        return int(probe.getsockname()[1])


def check_free(name: str, host: str, port: int) -> None:
    """Raises Error `address_in_use` that names the setting."""
    try:
        _bound(host, port)
    except OSError as e:
        why = "is taken" if e.errno == errno.EADDRINUSE else f"cannot be used: {e.strerror}"
        hint = f"set {name} to another"
        raise Error("address_in_use", f"{name} = {host}:{port} {why}", hint, setting=name) from None


def free(listen: str, taken: set[int]) -> str:
    """`listen`, or the same address with a free port when its own is not; never one of `taken`."""
    host, port = address(listen)
    dice = random.SystemRandom()
    for candidate in (port, *dice.sample(QUIET_PORTS, TRIES), 0, 0, 0):
        if candidate in taken:
            continue
        try:
            found = _bound(host, candidate)
        except OSError:
            continue
        if found not in taken:
            return f"{host}:{found}"
    raise Error("address_in_use", f"no free port on {host}")
