"""Cabinets as vendors sign them, by other people's programs (gcab, jcat-tool): who signed what, and each way in which that is not so."""

from __future__ import annotations

from pathlib import Path

import pytest

from firmware import cabinet
from firmware.authority import Authority
from firmware.refusals import Refused
from tests.support.cabinets import made, payload
from tests.support.release_keys import Issuer, trusted

pytestmark = pytest.mark.stories


@pytest.fixture(scope="module")
def vendor(tmp_path_factory: pytest.TempPathFactory) -> Issuer:
    return Issuer("Example Hardware authority", tmp_path_factory.mktemp("vendor"))


def refused(path: Path, authority: Authority) -> str:
    with pytest.raises(Refused) as caught:
        cabinet.signer(cabinet.read(path.read_bytes()), authority)
    return caught.value.code


@pytest.mark.parametrize("packed", [False, True], ids=["stored", "MSZIP"])
def test_it_is_signed_by_whom_the_box_trusts(vendor: Issuer, tmp_path: Path, packed: bool) -> None:
    path = made(tmp_path / "webcam.cab", "1.2.4", vendor.issued("Firmware 2026"), packed=packed)
    read = cabinet.read(path.read_bytes())
    assert (read.components[0].name, read.components[0].version) == ("FakeDevice", "1.2.4")
    assert read.files["firmware.bin"] == payload("1.2.4")
    found = cabinet.signer(read, Authority.at(trusted(tmp_path / "trust", vendor)))
    assert found.trusted and found.name == "CN=Firmware 2026"


def test_it_is_refused_by_its_signature(vendor: Issuer, tmp_path: Path) -> None:
    key = vendor.issued("Firmware 2026")
    stranger = Issuer("Example Hardware authority", tmp_path / "stranger")  # of the same name
    ours = Authority.at(trusted(tmp_path / "trust", vendor))
    assert refused(made(tmp_path / "unsigned.cab", "1.2.4", None), ours) == "cabinet_unsigned"
    other = made(tmp_path / "stranger.cab", "1.2.4", stranger.issued("Firmware 2026"))
    assert refused(other, ours) == "cabinet_signer"
    right = made(tmp_path / "right.cab", "1.2.4", key)
    assert refused(right, Authority([])) == "cabinet_signer", "an empty folder trusts nobody"
    changed = made(tmp_path / "changed.cab", "1.2.4", key, over=payload("1.2.9"))
    assert refused(changed, ours) == "cabinet_tampered"
    listed = Authority.at(trusted(tmp_path / "listed", vendor, revoked=vendor.revoked(2, key)))
    assert refused(right, listed) == "cabinet_revoked"


def test_one_octet_of_the_firmware_is_enough(vendor: Issuer, tmp_path: Path) -> None:
    """Neither the digest beside the signature nor the signature itself lets it through."""
    ours = Authority.at(trusted(tmp_path / "trust", vendor))
    right = made(tmp_path / "right.cab", "1.2.4", vendor.issued("Firmware 2026"), packed=False).read_bytes()
    for what in (payload("1.2.4"), b"urgency"):
        at = right.index(what)
        (tmp_path / "wrong.cab").write_bytes(right[:at] + bytes([right[at] ^ 1]) + right[at + 1 :])
        assert refused(tmp_path / "wrong.cab", ours) in ("cabinet_tampered", "cabinet_form")
