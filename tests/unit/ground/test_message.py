"""Identifiers are UUIDv7 in order, and name the partition they live in."""

import uuid

from hypothesis import given
from hypothesis import strategies as st

from appliance import clock
from appliance.errors import CODES
from appliance.message import CLASSES, FINAL, STATUSES, id_ms, id_octets, id_text, new_ids, shard_of

AT = 1_795_305_600_123


def test_ids_are_uuid7_in_ascending_order() -> None:
    ids = new_ids(1000, AT)
    assert ids == sorted(ids) and len(set(ids)) == 1000
    for each in ids[:50]:
        parsed = uuid.UUID(bytes=each)
        assert parsed.version == 7 and parsed.variant == uuid.RFC_4122
        assert id_text(each) == str(parsed)
        assert id_ms(each) == AT


@given(st.binary(min_size=16, max_size=16))
def test_text_and_back(octets: bytes) -> None:
    text = id_text(octets)
    assert id_octets(text) in (octets, None)
    assert (id_octets(text) is not None) == (text[14] == "7")


@given(st.text(max_size=40))
def test_what_is_no_id_is_none(text: str) -> None:
    octets = id_octets(text)
    assert octets is None or id_text(octets) == text


def test_days() -> None:
    day = clock.day_of(AT)
    assert clock.day_name(day) == "2026-11-22"
    assert clock.rfc3339(AT).startswith("2026-11-22T") and clock.rfc3339(AT).endswith(".123Z")


def test_words_are_one_word_each() -> None:
    assert len(set(STATUSES)) == 11 and len(CLASSES) == 4 and len(FINAL) == 6
    assert all(code.replace("_", "").isalpha() and text for code, text in CODES.items())


@given(st.integers(0, 63), st.integers(1, 1024))
def test_an_id_tells_the_shard_that_owns_its_message(shard: int, count: int) -> None:
    ids = new_ids(count, AT, shard)
    assert ids == sorted(ids) and len(set(ids)) == count
    for each in (ids[0], ids[-1]):
        assert shard_of(each) == shard
        assert (id_ms(each), uuid.UUID(bytes=each).version, uuid.UUID(bytes=each).variant) == (AT, 7, uuid.RFC_4122)
        assert id_octets(id_text(each)) == each
