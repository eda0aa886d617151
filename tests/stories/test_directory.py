"""Who somebody is, asked of a real directory: OpenLDAP's slapd over TLS, with passwords right, wrong and odd."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from appliance.courier.directory import Answer, Directory
from appliance.errors import Error
from appliance.settings import parse
from tests.support.certificate import self_signed
from tests.support.slapd import BASE, LOOKS_UP, OFFICERS, OPERATORS, PASSWORD, SLAPD, Slapd

pytestmark = [pytest.mark.stories, pytest.mark.skipif(not SLAPD, reason="needs slapd")]


def directory(home: Path, urls: list[str], ca: Path, **more: Any) -> Directory:
    secret = home / "secret"
    secret.write_text("looks up\n")
    given = {
        "urls": urls,
        "ca": str(ca),
        "bind_dn": LOOKS_UP,
        "password_file": str(secret),
        "base": BASE,
        "roles": {"security": OFFICERS, "operator": OPERATORS, "viewer": f"cn=gone,{BASE}"},
    }
    return Directory(parse({"directory": given | more}, home, "test"))


def test_the_directory_says_who_somebody_is(tmp_path: Path) -> None:
    certificate, key = self_signed(tmp_path)
    (tmp_path / "slapd").mkdir()
    authority = tmp_path / "authority.pem"
    with Slapd(tmp_path / "slapd", certificate, key, authority) as slapd:
        # The first server of the list is not there: the next is asked.
        at = directory(tmp_path, ["ldaps://localhost:1", slapd.url], authority)

        def ask(name: str, password: str = PASSWORD) -> Answer:
            return asyncio.run(at.ask(name, password))

        assert ask("olaf") == Answer(True, "operator")
        assert ask("sonja") == Answer(True, "security"), "the first of the table"
        assert ask("nobodys") == Answer(True, ""), "known, in no group"
        for name, password in (
            ("olaf", "wrong"),
            ("olaf", ""),  # an anonymous bind would succeed
            ("nobody", PASSWORD),
            ("twin", PASSWORD),  # two entries
            ("*", PASSWORD),
            ("olaf)(uid=*", PASSWORD),
            ("ol\x00af", PASSWORD),
            ("öläf", PASSWORD),
            ("", PASSWORD),
        ):
            assert ask(name, password) == Answer(False), name

        other = tmp_path / "other"
        other.mkdir()
        self_signed(other)
        strange = other / "authority.pem"
        for wrong in (
            directory(tmp_path, [slapd.url], strange),
            directory(tmp_path, ["ldaps://localhost:1"], authority),
        ):
            with pytest.raises(Error) as e:
                asyncio.run(wrong.ask("olaf", PASSWORD))
            assert e.value.code == "peer_unavailable" and PASSWORD not in str(e.value)
        refused = directory(tmp_path, [slapd.url], authority, bind_dn=f"cn=other,{BASE}")
        with pytest.raises(Error, match="refuses the box"):
            asyncio.run(refused.ask("olaf", PASSWORD))
