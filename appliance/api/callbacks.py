"""Where a callback may go: exact hosts over https from the settings, and loopback when a test or demo allows it. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address
from urllib.parse import urlsplit

from appliance.errors import Error


class CallbackRule:
    """Asked once for each message that names a callback address."""

    def __init__(self, hosts: Iterable[str], allow_loopback: bool) -> None:
        self.hosts = frozenset(h.lower() for h in hosts)
        self.allow_loopback = allow_loopback

    def check(self, url: str) -> None:
        """Raises Error `callback_not_allowed`; never repeats the address."""
        try:
            parts = urlsplit(url)
            host = (parts.hostname or "").lower()
            _ = parts.port  # a port out of range raises here
        except ValueError:
            raise _refused("it is not an address") from None
        if any(ord(c) <= 32 or ord(c) == 127 or ord(c) > 126 or c in '<>"\\^`{|}' for c in url):
            raise _refused("it has characters that an address cannot have")
        if parts.username is not None or parts.password is not None:
            raise _refused("it carries a user name or password")
        if self.allow_loopback and parts.scheme in ("http", "https") and _loopback(host):
            return
        if parts.scheme != "https":
            raise _refused("it is not https")
        if host not in self.hosts:
            raise _refused("its host is not on the list")


def _loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _refused(why: str) -> Error:
    return Error(
        "callback_not_allowed", f"the callback address is refused: {why}", "allowed hosts are the setting webhook.hosts"
    )
