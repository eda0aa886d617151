"""Signed notes and checkpoints against notes that others signed: the specification's, and the Go checksum database's."""

from __future__ import annotations

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from appliance.audit.note import (
    Checkpoint,
    Verifier,
    check_name,
    genuine,
    key_id,
    open_checkpoint,
    parse_vkey,
    proof_text,
    signed,
)
from appliance.audit.verify import read_checkpoint, read_key
from appliance.errors import Error

# golang.org/x/mod/sumdb/note's documented example.
PETER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
PETER_TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
PETER_LINE = "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM="
# The key of sum.golang.org, as the go command carries it.
SUM = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8"

PRIVATE = Ed25519PrivateKey.from_private_bytes(b"\x07" * 32)
KEY = PRIVATE.public_key().public_bytes_raw()
OURS = Verifier("bank.example/audit", KEY)


def note_of(checkpoint: Checkpoint) -> str:
    return signed(checkpoint, OURS, PRIVATE.sign(checkpoint.body()))


@pytest.mark.parametrize("vkey", [PETER, SUM])
def test_known_keys_have_the_ids_written_in_them(vkey: str) -> None:
    verifier = parse_vkey(vkey)
    assert verifier.vkey() == vkey
    assert read_key(vkey, 1) == (verifier.name, key_id(*verifier), b"\x01" + verifier.key)


def test_a_note_signed_by_the_go_package_is_genuine() -> None:
    raw = base64.b64decode(PETER_LINE)
    verifier = parse_vkey(PETER)
    assert raw[:4] == key_id(*verifier)
    assert genuine(verifier.key, PETER_TEXT.encode(), raw[4:])
    assert not genuine(verifier.key, PETER_TEXT.encode() + b"\n", raw[4:])


def test_a_checkpoint_comes_back() -> None:
    checkpoint = Checkpoint("bank.example/audit", 70_000, bytes(range(32)))
    note = note_of(checkpoint)
    lines = note.split("\n")
    assert lines[:4] == ["bank.example/audit", "70000", base64.b64encode(bytes(range(32))).decode(), ""]
    assert lines[4].startswith("\u2014 bank.example/audit ")
    assert lines[5:] == [""]
    assert open_checkpoint(note, OURS) == checkpoint
    assert read_checkpoint(note, OURS.vkey()) == tuple(checkpoint)


def test_signatures_of_others_may_stand_beside_ours() -> None:
    """A witness cosigns: its line is ignored by who does not know its key, before ours or after."""
    checkpoint = Checkpoint("bank.example/audit", 1, bytes(32))
    note = note_of(checkpoint)
    witness = "\u2014 officer.example " + base64.b64encode(b"abcd" + bytes(72)).decode() + "\n"
    head, line = note.split("\n\n")
    for text in (note + witness, f"{head}\n\n{witness}{line}"):
        assert open_checkpoint(text, OURS) == checkpoint
        assert read_checkpoint(text, OURS.vkey()) == tuple(checkpoint)


def test_another_key_is_refused() -> None:
    other = Verifier("bank.example/audit", parse_vkey(SUM).key)
    note = note_of(Checkpoint("bank.example/audit", 1, bytes(32)))
    with pytest.raises(Error, match="no signature"):
        open_checkpoint(note, other)
    with pytest.raises(ValueError, match="no signature"):
        read_checkpoint(note, other.vkey())


@given(st.data())
def test_a_bit_flipped_anywhere_is_refused(data: st.DataObject) -> None:
    note = bytearray(note_of(Checkpoint("bank.example/audit", 70_000, bytes(range(32)))).encode())
    bit = data.draw(st.integers(0, len(note) * 8 - 1))
    note[bit // 8] ^= 1 << bit % 8
    try:
        text = note.decode()
    except UnicodeDecodeError:
        return
    with pytest.raises(Error):
        open_checkpoint(text, OURS)
    with pytest.raises(ValueError):
        read_checkpoint(text, OURS.vkey())


@given(st.data())
def test_a_bit_flipped_in_a_vkey_is_refused(data: st.DataObject) -> None:
    vkey = bytearray(OURS.vkey().encode())
    bit = data.draw(st.integers(0, len(vkey) * 8 - 1))
    vkey[bit // 8] ^= 1 << bit % 8
    with pytest.raises((Error, UnicodeDecodeError)):
        parse_vkey(vkey.decode())
    with pytest.raises((ValueError, UnicodeDecodeError)):
        read_key(vkey.decode(), 1)


@given(st.text())
def test_any_text_is_a_checkpoint_or_an_error(text: str) -> None:
    for attempt in (text, text + "\n\n\u2014 " + text + "\n", "\n".join([text, "1", "", text])):
        with pytest.raises(Error):
            open_checkpoint(attempt, OURS)
        with pytest.raises(ValueError):
            read_checkpoint(attempt, OURS.vkey())
        with pytest.raises(Error):
            parse_vkey(attempt)


def test_a_proof_is_the_lines_of_the_specification() -> None:
    text = proof_text(3, [bytes(32)], "the checkpoint\n", b"entry")
    assert text == (
        f"c2sp.org/tlog-proof@v1\nextra ZW50cnk=\nindex 3\n{base64.b64encode(bytes(32)).decode()}\n\nthe checkpoint\n"
    )


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\n", "a\u00a0b"])
def test_names_that_cannot_sign(name: str) -> None:
    with pytest.raises(Error) as caught:
        check_name(name)
    assert caught.value.code == "settings_invalid"
