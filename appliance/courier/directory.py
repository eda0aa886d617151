"""Asks the bank's directory (LDAP v3, RFC 4511) who somebody is: found by the account that looks people up, then bound as the person itself.

The console has no network, so the courier asks. A password is in memory for the length of one question and in no log. Which role somebody has is what the
groups of `directory.roles` say, the first of the table that has them.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

from appliance.errors import Error
from appliance.settings import Settings, directory_server

log = logging.getLogger(__name__)

CONNECT_S_MAX: Final = 4
ANSWER_S_MAX: Final = 5
AT_ONCE: Final = 4  # questions under way; the next waits
NESTED: Final = "1.2.840.113556.1.4.1941"  # MS-ADTS 3.1.1.3.4.4.3: membership through groups of groups


class Answer(NamedTuple):
    """What the directory says. `known`: name and password are right; `role` "" is in none of the groups."""

    known: bool
    role: str = ""


def escaped(text: str) -> str:
    """RFC 4515 section 3: what was typed is a value in a filter and nothing else."""
    return "".join(f"\\{octet:02x}" for octet in text.encode()) if text else ""


def filter_for(pattern: str, name: str) -> str:
    """The filter that finds one person."""
    return pattern.replace("{name}", escaped(name))


def member_filter(dn: str, nested: bool) -> str:
    if nested:
        return f"(member:{NESTED}:={escaped(dn)})"
    return f"(|(member={escaped(dn)})(uniqueMember={escaped(dn)}))"


class Directory:
    """One box's way to its directory; nothing is kept open between questions."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._room = asyncio.Semaphore(AT_ONCE)

    async def ask(self, name: str, password: str) -> Answer:
        """Raises Error `peer_unavailable` when no server answers, `settings_invalid`."""
        if not self.settings["directory.urls"]:
            return Answer(False)
        async with self._room:
            return await asyncio.get_running_loop().run_in_executor(None, self._ask, name, password)

    def _ask(self, name: str, password: str) -> Answer:
        import ldap3
        from ldap3.core.exceptions import LDAPExceptionError

        # A bind without a password is an anonymous one and succeeds (RFC 4513 section 5.1.2).
        if not name or not password or "\x00" in name + password:
            return Answer(False)
        failed: list[str] = []
        for url in self.settings["directory.urls"]:
            try:
                return self._at(ldap3, self._server(ldap3, url), name, password)
            except (LDAPExceptionError, OSError) as e:
                failed.append(type(e).__name__)
        log.warning("directory: no server answers (%s)", ", ".join(failed))
        raise Error("peer_unavailable", "the directory does not answer", "the console's own accounts sign in as ever")

    def _server(self, ldap3: Any, url: str) -> Any:
        secure, host, port = directory_server(url)
        tls = (
            ldap3.Tls(validate=ssl.CERT_REQUIRED, ca_certs_file=self.settings["directory.ca"] or None)
            if secure
            else None
        )
        return ldap3.Server(host, port, use_ssl=secure, tls=tls, connect_timeout=CONNECT_S_MAX, get_info=ldap3.NONE)

    def _bound(self, ldap3: Any, server: Any, dn: str, password: str) -> Any:
        """A connection, None for a wrong password."""
        from ldap3.core.exceptions import LDAPInvalidCredentialsResult

        conn = ldap3.Connection(
            server,
            dn,
            password,
            receive_timeout=ANSWER_S_MAX,
            raise_exceptions=True,
            read_only=True,
            auto_referrals=False,
        )
        try:
            conn.bind()
        except LDAPInvalidCredentialsResult:
            return None
        return conn

    def _at(self, ldap3: Any, server: Any, name: str, password: str) -> Answer:
        it = self.settings
        looking = self._bound(ldap3, server, it["directory.bind_dn"], _secret(it["directory.password_file"]))
        if looking is None:
            log.error("directory: the account that looks people up is refused; see directory.bind_dn")
            raise Error(
                "peer_unavailable", "the directory refuses the box", "see directory.bind_dn and its password_file"
            )
        try:
            dn = _one(looking, it["directory.base"], filter_for(it["directory.filter"], name))
            if dn is None:
                return Answer(False)
            person = self._bound(ldap3, server, dn, password)
            if person is None:
                return Answer(False)
            person.unbind()
            return Answer(
                True, _role(it["directory.roles"], lambda group: _in_group(looking, group, dn, it["directory.nested"]))
            )
        finally:
            looking.unbind()


def _secret(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").strip() if path else ""
    except (OSError, UnicodeDecodeError):
        raise Error(
            "settings_invalid", "directory.password_file cannot be read", "one line, readable by the courier"
        ) from None


def _one(conn: Any, base: str, wanted: str) -> str | None:
    """The name of the one entry that is found; two are as good as none."""
    conn.search(base, wanted, attributes=["1.1"], size_limit=2, time_limit=ANSWER_S_MAX)
    found = [e["dn"] for e in conn.response or [] if e.get("type") == "searchResEntry"]
    return str(found[0]) if len(found) == 1 else None


def _in_group(conn: Any, group: str, dn: str, nested: bool) -> bool:
    from ldap3.core.exceptions import LDAPNoSuchObjectResult

    try:
        conn.search(group, member_filter(dn, nested), search_scope="BASE", attributes=["1.1"])
    except LDAPNoSuchObjectResult:
        log.warning("directory: a group of directory.roles is not there")
        return False
    return any(e.get("type") == "searchResEntry" for e in conn.response or [])


def _role(groups: dict[str, str], has: Callable[[str], bool]) -> str:
    """The first role of the table whose group has the person."""
    return next((role for role, group in groups.items() if has(group)), "")
