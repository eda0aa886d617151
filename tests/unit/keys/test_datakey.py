"""Sealing, opening and the blind index: vectors, refusals, and that nothing ever shows a key."""

from __future__ import annotations

import hashlib
import hmac
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.errors import Error
from appliance.keys import DataKey, blind_index, blind_indexer

KEY = bytes(range(32))


def test_opens_what_another_implementation_sealed() -> None:
    """McGrew and Viega, "The Galois/Counter Mode of Operation", test case 16: AES-256 with additional data."""
    key = DataKey(1, bytes.fromhex("feffe9928665731c6d6a8f9467308308" * 2))
    nonce = "cafebabefacedbaddecaf888"
    ciphertext = (
        "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
        "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662"
    )
    tag = "76fc6ece0f4e1768cddf8853bb2d551b"
    plaintext = (
        "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
        "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39"
    )
    aad = bytes.fromhex("feedfacedeadbeeffeedfacedeadbeefabaddad2")
    assert key.open(bytes.fromhex(nonce + ciphertext + tag), aad).hex() == plaintext


@given(st.binary(max_size=300), st.binary(max_size=40))
def test_what_is_sealed_opens_only_whole_and_in_its_place(plaintext: bytes, aad: bytes) -> None:
    key = DataKey(7, KEY)
    blob = key.seal(plaintext, aad)
    assert len(blob) == 12 + len(plaintext) + 16
    assert key.open(blob, aad) == plaintext
    wrong = [(blob, aad + b"x"), (blob[:-1], aad), (blob + b"x", aad), (b"", aad), (blob[:27], aad)]
    wrong += [(blob[:at] + bytes([blob[at] ^ 1]) + blob[at + 1 :], aad) for at in (0, 11, len(blob) - 1)]
    for bad, where in wrong:
        with pytest.raises(Error) as caught:
            key.open(bad, where)
        assert caught.value.code == "key_refused"


def test_another_key_opens_nothing() -> None:
    with pytest.raises(Error):
        DataKey(1, bytes(32)).open(DataKey(1, KEY).seal(b"x", b"n1"), b"n1")


def test_no_nonce_comes_twice() -> None:
    key = DataKey(1, KEY)
    blobs = [key.seal(b"", b"") for _ in range(1000)] + key.seal_many([b""] * 1000, [b""] * 1000)
    assert len({b[:12] for b in blobs}) == 2000


def test_seal_many_is_seal_of_each() -> None:
    key = DataKey(1, KEY)
    plaintexts = [b"", b"a", b"b" * 300]
    aads = [b"n1", b"n2", b"n3"]
    assert [key.open(b, a) for b, a in zip(key.seal_many(plaintexts, aads), aads, strict=True)] == plaintexts
    assert key.seal_many([], []) == []
    with pytest.raises(ValueError, match="shorter"):
        key.seal_many(plaintexts, aads[:2])


def test_nothing_shows_the_key() -> None:
    key = DataKey(5, KEY)
    assert repr(key) == str(key) == "<DataKey 5>"
    with pytest.raises(TypeError):
        pickle.dumps(key)
    with pytest.raises(Error) as caught:
        key.open(b"x" * 40, b"")
    assert KEY.hex() not in repr(caught.value.__dict__)


#: RFC 4231 section 4.3: HMAC-SHA256 with key "Jefe", shortened to 16 octets.
def test_blind_index_is_hmac_sha256_shortened() -> None:
    assert blind_index(b"Jefe", "what do ya want for nothing?").hex() == "5bdcc146bf60754e6a042426089575c7"


def test_blind_index_keeps_numbers_apart_and_depends_on_the_key() -> None:
    index = {blind_index(KEY, f"+3933312{n:05d}") for n in range(5000)}
    assert len(index) == 5000
    assert blind_index(KEY, "+393331234567") == blind_index(KEY, "+393331234567")
    assert blind_index(KEY, "+393331234567") != blind_index(bytes(32), "+393331234567")
    for key in (KEY, b"short", bytes(64)):
        index_under = blind_indexer(key)
        for number in ("+393331234567", "", "text:" + "x" * 200):
            assert index_under(number) == blind_index(key, number)
    assert blind_index(KEY, "+1") == hmac.new(KEY, b"+1", hashlib.sha256).digest()[:16]
