"""The file of a key that lives in a token: the provider's form to the octet, and nothing secret in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.certificates import token_key
from appliance.errors import Error

URI = "pkcs11:token=tls;object=api;type=private"
#: Read by pkcs11-provider 1.0 of Debian 13.
PEM = """-----BEGIN PKCS#11 PROVIDER URI-----
MEUaGVBLQ1MjMTEgUHJvdmlkZXIgVVJJIHYxLjAMKHBrY3MxMTp0b2tlbj10bHM7
b2JqZWN0PWFwaTt0eXBlPXByaXZhdGU=
-----END PKCS#11 PROVIDER URI-----
"""


def test_the_form_is_the_provider_s(tmp_path: Path) -> None:
    assert token_key.pem_of(URI) == PEM
    token_key.write(URI, tmp_path / "api.key")
    assert (tmp_path / "api.key").read_text() == PEM
    with pytest.raises(Error):
        token_key.write(URI, tmp_path / "api.key")
    long = URI + ";manufacturer=" + "x" * 150
    assert token_key.pem_of(long).count("\n") > 5, "a length of two octets"


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "api.key",
        "pkcs11:token=tls;object=api",
        "pkcs11:token=tls;type=private",
        "pkcs11:token=tls;object=api;type=private?pin-value=1234",
        "pkcs11:token=tls;object=\n;type=private",
        "pkcs11:token=tls;object=é;type=private",
        URI + "x" * 300,
    ],
)
def test_what_names_no_key_or_holds_a_pin_is_refused(uri: str) -> None:
    with pytest.raises(Error) as caught:
        token_key.pem_of(uri)
    assert caught.value.code == "invalid"
