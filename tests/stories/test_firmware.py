"""Bundles made and signed by rauc as a vendor does, by a key in a token; read back by rauc; and every way of tampering with one refused.

What a box would do is `python -m firmware verify`: another program than the one that made the bundle.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from firmware import building
from firmware.authority import Authority
from firmware.bundle import Bundle, Recipient, check
from firmware.refusals import Refused
from firmware.release import PARTS
from firmware.trust import Box
from tests.support.release_keys import NOW, YEAR, approved, trusted
from tests.support.tampering import AT, TAMPERED, Desk, changed, flipped

pytestmark = pytest.mark.stories

ROOT = Path(__file__).resolve().parents[2]
MODULE = next(
    p
    for p in ("/usr/lib/softhsm/libsofthsm2.so", "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so")
    if Path(p).exists()
)
BOX = Box("casemate", "x86_64-uefi-q35", "SN-1", "0.1.0", "0.1.0", AT)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    return Desk(tmp_path_factory.mktemp("desk"))


def refused(path: Path, authority: Authority, box: Box = BOX, recipient: Recipient | None = None) -> str:
    """The code with which a box refuses it, "" when it takes it."""
    try:
        with Bundle(path, recipient) as bundle:
            check(bundle, authority, box)
    except Refused as e:
        return e.code
    return ""


def said(*words: object, code: int = 0, env: dict[str, str] | None = None) -> str:
    ended = subprocess.run(
        [sys.executable, "-m", "firmware", *map(str, words)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={**os.environ, **(env or {})},
        timeout=60,
    )
    assert ended.returncode == code, ended.stdout + ended.stderr
    return ended.stdout + ended.stderr


@pytest.mark.parametrize("name", TAMPERED)
def test_a_tampered_bundle_is_refused_for_the_right_reason(desk: Desk, name: str) -> None:
    how, code = TAMPERED[name]
    assert refused(how(desk), Authority.at(desk.trust)) == code


def test_the_right_one_is_taken_and_rauc_reads_it_too(desk: Desk) -> None:
    authority = Authority.at(desk.trust)
    assert refused(desk.bundle, authority) == ""
    conf = building._settings(desk.folder, desk.vendor.path)
    out = desk.folder / "extracted"
    shutil.rmtree(out, ignore_errors=True)
    subprocess.run(
        ["rauc", f"--conf={conf}", "extract", "--trust-environment", desk.bundle, out], check=True, capture_output=True
    )
    with Bundle(desk.bundle) as bundle:
        found = check(bundle, authority, BOX)
        for part in found.manifest.images:
            assert b"".join(found.pieces(part)) == (out / PARTS[part][0]).read_bytes(), part
    # What is known of rauc: its `info` looks at the manifest alone.
    tampered = changed(desk, "for-rauc", lambda p: flipped(p, 9_000))
    assert subprocess.run(["rauc", f"--conf={conf}", "info", tampered], capture_output=True).returncode == 0
    assert refused(tampered, authority) == "payload_tampered"


def test_every_blocksize_and_packing_that_is_read_gives_the_same_octets(desk: Desk, tmp_path: Path) -> None:
    """The reader of squashfs against mksquashfs: whole blocks, holes, tails, fragments, long files."""
    from firmware.squash import Squash

    folder = tmp_path / "content"
    folder.mkdir()
    for n, octets in enumerate([b"", b"x", bytes(300_000), os.urandom(200_001), b"ab" * 65_536, os.urandom(131_072)]):
        (folder / f"file-{n}.bin").write_bytes(octets)
    for more in (
        ["-comp", "gzip"],
        ["-comp", "xz"],
        ["-noI", "-noD", "-noF"],
        ["-b", "4096"],
        ["-b", "1M"],
        ["-no-fragments"],
        ["-always-use-fragments"],
    ):
        image = tmp_path / "image"
        subprocess.run(["mksquashfs", folder, image, "-noappend", "-quiet", *more], check=True, capture_output=True)
        with image.open("rb") as file:
            handle = file.fileno()
            squash = Squash(lambda at, octets: os.pread(handle, octets, at))  # noqa: B023 - used within this turn
            for path in folder.iterdir():
                assert b"".join(squash.pieces(path.name)) == path.read_bytes(), (more, path.name)


def test_a_release_key_in_a_token_signs_and_a_bank_key_in_a_token_approves(desk: Desk, tmp_path: Path) -> None:
    """PKCS#11 at every signature: the builder's key to the release key, and the bank's own."""
    conf, pin = tmp_path / "softhsm.conf", tmp_path / "pin"
    (tmp_path / "tokens").mkdir()
    conf.write_text(f"directories.tokendir = {tmp_path}/tokens\nlog.level = ERROR\n")
    pin.write_text("123456\n")
    env = {"SOFTHSM2_CONF": str(conf), "CASEMATE_PKCS11_MODULE": MODULE, "CASEMATE_PIN_FILE": str(pin)}
    tool = ["softhsm2-util", "--init-token", "--free", "--label", "release", "--so-pin", "123456", "--pin", "123456"]
    subprocess.run(tool, check=True, capture_output=True, env={**os.environ, **env})
    uris = {}
    for n, (label, key) in enumerate(
        [
            ("release", desk.vendor.issued("Release in token", private=rsa.generate_private_key(65537, 2048))),
            ("officer", desk.other.issued("Officer", private=rsa.generate_private_key(65537, 2048))),
        ]
    ):
        words = [
            "softhsm2-util",
            "--import",
            str(key.key),
            "--token",
            "release",
            "--label",
            label,
            "--id",
            f"0{n + 1}",
            "--pin",
            "123456",
        ]
        subprocess.run(words, check=True, capture_output=True, env={**os.environ, **env})
        Path(key.key).unlink()  # from here on the token alone has it
        uris[label] = (key.certificate, f"pkcs11:token=release;object={label};type=private")
    certificate, uri = uris["release"]
    out = tmp_path / "released.raucb"
    said("sign", desk.bundle, out, "--keyring", desk.vendor.path, "--certificate", certificate, "--key", uri, env=env)
    assert refused(out, Authority.at(desk.trust)) == ""
    certificate, uri = uris["officer"]
    said("approve", out, "--certificate", certificate, "--key", uri, "--box", "SN-1", env=env)
    officers = trusted(tmp_path / "officers")
    shutil.copy(certificate, officers / "authority/officer.pem")
    words = [
        "verify",
        out,
        "--trust",
        desk.trust,
        "--hardware",
        "x86_64-uefi-q35",
        "--officers",
        officers,
        "--version",
        "0.1.0",
    ]
    assert "may be installed" in said(*words, "--officers-needed", 1, "--serial", "SN-1")
    assert "[bank_other_box]" in said(*words, "--officers-needed", 1, "--serial", "SN-2", code=1)
    told = json.loads(said(*words, "--officers-needed", 2, "--serial", "SN-1", "--json", code=1))
    assert told["refused"] == "bank_missing" and "approve" in told["hint"]
    inspected = json.loads(said("inspect", out, "--trust", desk.trust, "--json"))
    assert (inspected["version"], inspected["trusted"], inspected["signer"]) == ("0.2.0", True, "CN=Release in token")
    assert set(inspected["parts"]) == set(PARTS) - {"revoked"}


def test_a_bundle_for_one_bank_is_read_by_that_bank_alone(desk: Desk, tmp_path: Path) -> None:
    sealed = desk.built("sealed", form="crypt")
    banks = [desk.other.issued(name, private=rsa.generate_private_key(65537, 2048)) for name in ("Bank 1", "Bank 2")]
    out = tmp_path / "bank-1.raucb"
    said("encrypt", sealed, out, "--keyring", desk.vendor.path, "--to", banks[0].certificate)
    authority = Authority.at(desk.trust)
    mine, theirs = (Recipient(b.certificate, b.key) for b in banks)
    assert refused(out, authority, recipient=mine) == ""
    assert refused(out, authority, recipient=theirs) == "not_for_us"
    assert refused(out, authority) == "not_for_us"
    with Bundle(out, mine) as bundle:
        found = check(bundle, authority, BOX)
        assert all(b"".join(found.pieces(p)) == desk.parts[p].read_bytes() for p in desk.parts)
    assert desk.parts["notes"].read_bytes() not in out.read_bytes()
    flipped(out, 20_000)
    assert refused(out, authority, recipient=mine) == "payload_tampered"


def test_keys_change_every_year_and_a_lost_one_is_revoked(desk: Desk, tmp_path: Path) -> None:
    """Next year's key needs nothing on the box; a list of revoked keys is taken from an authority only, and never an older one."""
    next_year = desk.vendor.issued("Release 2027", NOW + YEAR / 4, NOW + YEAR)
    bundle = desk.built("next-year", next_year)
    later = BOX._replace(now_s=int((NOW + YEAR / 2 + timedelta(days=9)).timestamp()))
    assert refused(bundle, Authority.at(desk.trust)) == "signer_early"
    assert refused(bundle, Authority.at(desk.trust), later) == ""
    assert refused(desk.bundle, Authority.at(desk.trust), later) == "signer_expired"
    listed = trusted(tmp_path / "listed", desk.vendor, revoked=desk.vendor.revoked(7, desk.key))
    assert Authority.at(listed).list_number == 7
    assert refused(desk.bundle, Authority.at(listed)) == "signer_revoked"
    forged = trusted(tmp_path / "forged", desk.vendor, revoked=desk.other.revoked(9, desk.key))
    assert Authority.at(forged).list_number == -1, "a list of somebody else's is none"


def test_what_the_bank_signed_is_one_bundle(desk: Desk, tmp_path: Path) -> None:
    from firmware import approval

    bundle = Path(shutil.copy(desk.bundle, tmp_path / "r.raucb"))
    ann, bob = desk.other.issued("Ann"), desk.other.issued("Bob")
    officers = trusted(tmp_path / "officers")
    for n, who in enumerate((ann, bob)):
        shutil.copy(who.certificate, officers / f"authority/{n}.pem")
    with Bundle(bundle) as one:
        root_hash = one.manifest().root_hash
    text = approval.made(root_hash, ["SN-1"], AT + 86_400)
    approved(bundle, text, ann)
    approved(bundle, approval.made(root_hash, ["*"], AT + 86_400), bob, "-2")
    two = BOX._replace(officers_needed=2)

    def code(box: Box = two) -> str:
        read = [approval.read(octets, Authority.at(officers)) for octets in approval.beside(bundle)]
        try:
            with Bundle(bundle) as one:
                return str(len(check(one, Authority.at(desk.trust), box, read).approvals))
        except Refused as e:
            return e.code

    assert code() == "2"
    assert code(two._replace(nonces={json.loads(text)["nonce"]})) == "bank_replayed"
    approved(bundle, approval.made(root_hash, ["*"], AT + 86_400), desk.vendor.issued("Stranger"), "-3")
    assert code() == "bank_stranger"
    approved(bundle, approval.made("0" * 64, ["*"], AT + 86_400), bob, "-3")
    assert code() == "bank_wrong"
    flipped(bundle.with_name("r.raucb.approval-2"), 130)
    assert code() == "bank_wrong"
