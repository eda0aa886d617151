"""API keys: shown once, kept as a hash, checked without the disk, reloaded when they change."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.access import Access
from appliance.errors import Error
from appliance.settings import parse


@pytest.fixture
def access(tmp_path: Path) -> Access:
    return Access(parse({}, tmp_path, "test"))


def test_a_key_is_checked_by_its_token_only(access: Access) -> None:
    key, token = access.create_api_key("core-banking", 50, at_ms=1_000)
    other, other_token = access.create_api_key("cards", at_ms=2_000)
    verifier = access.verifier()
    assert token.startswith(f"cm_{key.id}_") and len(token.split("_", 2)[2]) == 43
    assert verifier.check(token) == key and key.rate_per_s == 50
    assert verifier.check(other_token) == other and other.rate_per_s is None
    assert verifier.check(f"cm_{other.id}_{token.split('_', 2)[2]}") is None
    assert verifier.check(token[:-1]) is None
    assert verifier.check(f"cm_99_{token.split('_', 2)[2]}") is None
    assert [k.name for k in access.api_keys()] == ["cards", "core-banking"]


def test_the_token_is_not_on_disk(access: Access, tmp_path: Path) -> None:
    _, token = access.create_api_key("core-banking", at_ms=1)
    access.conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    for path in tmp_path.rglob("access.db*"):
        assert token.split("_", 2)[2].encode() not in path.read_bytes()
        assert path.stat().st_mode & 0o077 == 0


def test_revoking_makes_snapshots_stale_and_the_token_useless(access: Access) -> None:
    key, token = access.create_api_key("core-banking", at_ms=1)
    verifier = access.verifier()
    assert verifier.fresh()
    other = Access(access.settings)
    revoked = other.revoke_api_key(key.id, at_ms=5)
    assert revoked.revoked_ms == 5 and other.revoke_api_key(key.id, at_ms=9).revoked_ms == 5
    assert not verifier.fresh(), "another process revoked a key"
    assert access.verifier().check(token) is None
    mine = access.verifier()
    access.create_api_key("core-banking", at_ms=6)
    assert not mine.fresh(), "our own change counts as well"


def test_names_are_unique_among_valid_keys(access: Access) -> None:
    access.create_api_key("Cards", at_ms=1)
    with pytest.raises(Error, match="exists already"):
        access.create_api_key("cards", at_ms=1)
    for name, rate in (("", 1), ("a\nb", 1), ("x" * 65, 1), ("fine", -1), ("fine", 10**7)):
        with pytest.raises(Error) as e:
            access.create_api_key(name, rate, at_ms=1)
        assert e.value.code == "invalid"
    with pytest.raises(Error) as e:
        access.revoke_api_key(77, at_ms=1)
    assert e.value.code == "not_found"
    assert len(access.api_keys()) == 1, "what is refused leaves nothing behind"


@given(st.text(max_size=80) | st.from_regex(r"cm_\d{1,30}_[A-Za-z0-9_\-]{0,50}"))
def test_any_text_is_checked_without_an_exception(text: str) -> None:
    from appliance.access.api_keys import Verifier

    assert Verifier({}, None, ()).check(text) is None  # type: ignore[arg-type]  # no disk is needed to say no
