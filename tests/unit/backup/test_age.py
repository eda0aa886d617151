"""age files: what was written comes back, and nothing else does."""

from __future__ import annotations

import io

import pytest

from appliance.backup import age, bech32
from appliance.errors import Error

SECRET, PUBLIC = age.generate()


def sealed(octets: bytes, *recipients: str) -> bytes:
    out = io.BytesIO()
    with age.Writer(out, [age.recipient(text) for text in recipients or (PUBLIC,)]) as writer:
        for at in range(0, len(octets), 50_000):
            writer.write(octets[at : at + 50_000])
    return out.getvalue()


def opened(octets: bytes, secret: str = SECRET) -> bytes:
    return io.BufferedReader(age.Reader(io.BytesIO(octets), age.identity(secret))).read()


@pytest.mark.parametrize("size", [0, 1, age.CHUNK - 1, age.CHUNK, age.CHUNK + 1, 3 * age.CHUNK])
def test_what_was_written_comes_back(size: int) -> None:
    text = bytes(n % 251 for n in range(size))
    assert opened(sealed(text)) == text


def test_each_recipient_opens_it_and_nobody_else() -> None:
    other, theirs = age.generate()
    stranger, _ = age.generate()
    file = sealed(b"x", PUBLIC, theirs)
    assert opened(file) == opened(file, other) == b"x"
    with pytest.raises(Error, match="not for this identity"):
        opened(file, stranger)


def test_no_octet_may_change() -> None:
    file = sealed(b"y" * 100)
    for at in range(len(file)):
        changed = bytearray(file)
        changed[at] ^= 1
        with pytest.raises(Error):
            opened(bytes(changed))


@pytest.mark.parametrize("cut", [1, 20, 117, age.CHUNK + 16])
def test_it_may_not_be_cut_off(cut: int) -> None:
    with pytest.raises(Error):
        opened(sealed(b"z" * (2 * age.CHUNK))[:-cut])


def test_keys_are_read_as_the_age_tools_write_them() -> None:
    assert age.identity(f"# created: 2026\n# public key: {PUBLIC}\n{SECRET}\n")
    for wrong in ("", PUBLIC, SECRET[:-1], SECRET + "\n" + SECRET, SECRET.lower()[:-1] + "Q"):
        with pytest.raises(Error):
            age.identity(wrong)
    for wrong in ("", "age1", SECRET, PUBLIC[:-1] + ("q" if PUBLIC[-1] != "q" else "p"), PUBLIC.upper()[:-1] + "b"):
        with pytest.raises(Error):
            age.recipient(wrong)


def test_bech32_by_its_vectors() -> None:
    # BIP 173, valid test vectors.
    assert bech32.decode("A12UEL5L") == ("a", b"")
    assert bech32.decode("abcdef1qpzry9x8gf2tvdw0s3jn54khce6mua7lmqqqxw")[0] == "abcdef"
    assert bech32.encode("a", b"") == "a12uel5l"
    for wrong in ("A1G7SGD8", "10a06t8", "1qzzfhee", "x1b4n0q5v", "li1dgmt3"):
        with pytest.raises(ValueError):
            bech32.decode(wrong)
