"""Whether an address can be listened on, and which port is free. Binds for a moment, never listens."""

from __future__ import annotations

import errno
import socket

from appliance.errors import Error
from appliance.settings import address


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
        raise Error("address_in_use", f"{name} = {host}:{port} {why}", f"set {name} to another") from None


def free(listen: str, taken: set[int]) -> str:
    """`listen`, or the same address with a free port when its own is not; never one of `taken`."""
    host, port = address(listen)
    for candidate in (port, 0, 0, 0):
        try:
            found = _bound(host, candidate)
        except OSError:
            continue
        if found not in taken:
            return f"{host}:{found}"
    raise Error("address_in_use", f"no free port on {host}")
