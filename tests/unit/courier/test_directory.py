"""What is typed is a value in a filter and nothing else; servers are asked over TLS."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.courier.directory import filter_for, member_filter
from appliance.errors import Error
from appliance.network import reach_of
from appliance.settings import directory_server, parse


def test_what_is_typed_cannot_change_the_filter() -> None:
    found = filter_for("(&(objectClass=person)(uid={name}))", "a*)(uid=b\\\0")
    assert found == "(&(objectClass=person)(uid=\\61\\2a\\29\\28\\75\\69\\64\\3d\\62\\5c\\00))"
    assert member_filter("cn=a", False).count("(") == 3 and "1.2.840" in member_filter("cn=a", True)


@pytest.mark.parametrize(
    "url", ["http://dc1", "ldap://dc1.bank.example", "ldaps://", "ldaps://a@b", "ldaps://h/path", "ldaps://h:x", "dc1"]
)
def test_a_server_is_asked_over_tls_only(url: str, tmp_path: Path) -> None:
    with pytest.raises(Error) as e:
        parse({"directory": {"urls": [url]}}, tmp_path, "test")
    assert e.value.code == "settings_invalid"


def test_the_courier_and_nobody_else_reaches_the_servers(tmp_path: Path) -> None:
    urls = ["ldaps://dc1.bank.example", "ldaps://dc2.bank.example:3269"]
    reach = reach_of(parse({"directory": {"urls": urls}}, tmp_path, "test"))
    assert [(r.user, r.host, r.port) for r in reach] == [
        ("casemate-courier", "dc1.bank.example", 636),
        ("casemate-courier", "dc2.bank.example", 3269),
    ]
    assert directory_server("ldap://127.0.0.1:3890") == (False, "127.0.0.1", 3890)
