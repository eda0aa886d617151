"""Which token signs is read strictly; keys are made where they are missing and nowhere else."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from image import signing
from image.recipe import Fault

TEXT = 'token = "release"\nmodule = "libvendor.so"\n[environment]\nVENDOR_CONF = "/build/keys/vendor.conf"\n'


def folder(tmp_path: Path, text: str = TEXT, pin: bool = True) -> Path:
    (tmp_path / "token.toml").write_text(text, encoding="utf-8")
    if pin:
        (tmp_path / "pin").write_text("123456\n", encoding="ascii")
    return tmp_path


def test_a_vendor_s_token_signs_by_a_setting(tmp_path: Path) -> None:
    signer = signing.named(folder(tmp_path))
    assert signer.uri("db") == "pkcs11:token=release;object=db;type=private"
    assert signer.module == "/build/keys/libvendor.so"
    assert signer.env["VENDOR_CONF"] == "/build/keys/vendor.conf"
    assert not signer.development, "an image signed with it does not say that it is for trials"
    assert "pkcs11-module-path = /build/keys/libvendor.so" in (tmp_path / "openssl.cnf").read_text(encoding="ascii")
    assert (tmp_path / "openssl.cnf").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("text", "pin", "says"),
    [
        ("token = [", True, "cannot be read"),
        (TEXT.replace("token", "tokn"), True, "tokn is unknown|token is missing"),
        (TEXT.replace('"release"', "1"), True, "token is not a text"),
        (TEXT.replace('"release"', '""'), True, "token is not a text"),
        (TEXT.replace('"/build/keys/vendor.conf"', "1"), True, "environment is not a table of texts"),
        (TEXT.replace("release", "a;b"), True, "keep for themselves"),
        (TEXT, False, "holds no PIN"),
    ],
)
def test_what_is_wrong_with_the_folder_is_named(tmp_path: Path, text: str, pin: bool, says: str) -> None:
    with pytest.raises(Fault, match=says):
        signing.named(folder(tmp_path, text, pin))


def test_nothing_is_signed_before_every_key_has_its_certificate(tmp_path: Path) -> None:
    signer = signing.named(folder(tmp_path))
    for key in ("PK", "KEK", "db", "pcr"):
        (tmp_path / f"{key}.crt").touch()
    with pytest.raises(Fault, match="no certificate of root"):
        signing.ready(signer)
    made = signing.script(signer, ["PK", "KEK", "db", "pcr"])
    assert re.findall(r"--keypairgen .* --label (\w+)", made) == ["root"]
    assert made.index("--list-objects") < made.index("--keypairgen"), "a key that is there is never made twice"
    assert "(development)" not in made
    (tmp_path / "root.crt").touch()
    assert signing.ready(signer) is signer


def test_development_keys_are_never_mended_by_making_others(tmp_path: Path) -> None:
    (tmp_path / "PK.crt").touch()
    with pytest.raises(Fault, match="only some of the keys"):
        signing.development(None, None, tmp_path)  # type: ignore[arg-type]
