"""What the HSM binds: no two records have the same text, no two purposes the same derivation; which days get keys; who may ask."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

import hsm
from appliance.clock import DAY_MS
from appliance.errors import CODES, Error
from appliance.keys.permits import EVERY, PURPOSES, ROLES, permit, roles_of
from appliance.keys.record import INDEX, context, days_wanted, derivation, may_make, sealed_text, unwrap, wrap
from appliance.keys.register import Row

ROWS = st.builds(
    Row,
    st.integers(0, 2**62),
    st.integers(0, 2**62),
    st.text(max_size=5),
    st.integers(0, 2**62),
    st.integers(0, 2**31),
    st.text(max_size=5),
    st.binary(max_size=5),
    st.just(b""),
    st.sampled_from(["active", "destroyed"]),
    st.integers(0, 2**62),
    st.integers(0, 2**62),
    st.just(2),
)


ROW = Row(1, 2, "message", 3, 1, "aes-gcm", b"w", b"", "active", 3, 4)


@given(ROWS, ROWS)
def test_two_records_never_have_the_same_text(a: Row, b: Row) -> None:
    assert (sealed_text(a) == sealed_text(b)) == (a == b)


def test_every_column_counts() -> None:
    row = ROW
    others = [
        row._replace(key_id=2),
        row._replace(day=3),
        row._replace(purpose="messag", mechanism="eaes-gcm"),
        row._replace(mechanism="aes-kw"),
        row._replace(wrapped=b"x"),
        row._replace(state="destroyed"),
        row._replace(created_ms=5),
        row._replace(changed_ms=5),
        row._replace(parent=4),
        row._replace(root=2),
        row._replace(form=1),
    ]
    assert len({sealed_text(r) for r in [row, *others]}) == 12
    assert {f for f in Row._fields if f != "record_mac"} == {
        *("key_id", "day", "purpose", "mechanism", "wrapped", "state"),
        *("created_ms", "changed_ms", "parent", "root", "form"),
    }, "a new column has to count too"


def test_a_key_under_a_tenant_key_opens_as_itself_only() -> None:
    tenant, key, bound = bytes(range(32)), b"k" * 32, context(2, 20_000, "message")
    wrapped = wrap(tenant, key, bound)
    assert key not in wrapped
    assert unwrap(tenant, wrapped, bound) == key
    assert wrap(tenant, key, bound) != wrapped
    changed = bytes([wrapped[20] ^ 1])
    for bad in (
        (bytes(32), wrapped, bound),
        (tenant, wrapped[:20] + changed + wrapped[21:], bound),
        (tenant, wrapped, context(3, 20_000, "message")),
        (tenant, wrapped[:10], bound),
        (tenant, b"", bound),
    ):
        with pytest.raises(Error) as caught:
            unwrap(*bad)
        assert caught.value.code == "key_refused"


def test_context_tells_keys_apart() -> None:
    assert len({context(1, 2, "a"), context(2, 1, "a"), context(1, 2, "b")}) == 3


def test_derivations_never_meet_each_other_or_the_index_or_a_record() -> None:
    texts = [derivation(p, s) for p in PURPOSES for s in ("", "1", "x")]
    assert len(set(texts)) == len(texts)
    assert INDEX not in texts
    row = sealed_text(ROW)
    assert not any(row.startswith(t[: t.index(b"\0") + 1]) for t in texts)
    assert all("\0" not in p for p in PURPOSES)


def test_tomorrows_key_is_wanted_shortly_before_midnight() -> None:
    day = 20_779
    assert days_wanted(day * DAY_MS, 600_000) == (day,)
    assert days_wanted((day + 1) * DAY_MS - 600_001, 600_000) == (day,)
    assert days_wanted((day + 1) * DAY_MS - 600_000, 600_000) == (day, day + 1)
    assert days_wanted((day + 1) * DAY_MS - 1, 600_000) == (day, day + 1)


def test_keys_are_made_near_today_only() -> None:
    now = 100 * DAY_MS + 5
    assert [d for d in range(90, 110) if may_make(d, now, 2)] == [98, 99, 100, 101, 102]


def test_our_own_uid_and_root_have_every_role_others_none() -> None:
    assert roles_of(0, own=1000) == roles_of(1000, own=1000) == EVERY
    assert roles_of(1001, own=1000) == frozenset()
    permit("sign", 0)
    for op in ROLES:
        with pytest.raises(Error) as caught:
            permit(op, 2**31)
        assert caught.value.code == "forbidden"


def test_hsm_says_only_codes_that_the_appliance_knows() -> None:
    assert set(hsm.CODES) <= set(CODES)
