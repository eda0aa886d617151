"""A cosigned export: the box's token signs, an officer's smartcard cosigns, and somebody checks it in an empty chroot by its README."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import cryptography
import pytest

from appliance.audit import BlockingRecorder, commands
from appliance.audit import cosign as cosign_file
from appliance.settings import load
from tests.support.process import Running
from tests.support.tokens import TOKENS

NAME = "officer.bank.example"
MODULES = ("/usr/lib/softhsm/libsofthsm2.so", "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so")
CARD = """
import sys, pkcs11
from pkcs11 import Attribute, KeyType
from pkcs11.util.ec import encode_named_curve_parameters
session = pkcs11.lib(sys.argv[1]).get_token(token_label="officer").open(rw=True, user_pin="1234")
made = session.create_domain_parameters(KeyType.EC_EDWARDS, {Attribute.EC_PARAMS: b"\\x13\\x0cedwards25519"}, local=True)
public, _ = made.generate_keypair(store=True, label="cosign", mechanism=pkcs11.Mechanism.EC_EDWARDS_KEY_PAIR_GEN)
print(bytes(public[Attribute.EC_POINT])[-32:].hex())
"""


@pytest.fixture
def home() -> Iterator[Path]:
    """A folder with a short name: the path of a Unix socket has at most 107 characters."""
    folder = Path(tempfile.mkdtemp(prefix="casemate-"))
    yield folder
    shutil.rmtree(folder)


class Card:
    """An officer's smartcard: a SoftHSM token that the box knows nothing of, used by `cosign.py` alone."""

    def __init__(self, folder: Path) -> None:
        self.module = next(m for m in MODULES if Path(m).exists())
        (folder / "tokens").mkdir(parents=True)
        (folder / "softhsm2.conf").write_text(f"directories.tokendir = {folder}/tokens\nlog.level = ERROR\n")
        (folder / "pin").write_text("1234\n")
        self.folder, self.env = folder, {**os.environ, "SOFTHSM2_CONF": str(folder / "softhsm2.conf")}
        new = ["softhsm2-util", "--init-token", "--free", "--label", "officer", "--so-pin", "4321", "--pin", "1234"]
        subprocess.run(new, env=self.env, check=True, capture_output=True, timeout=30)
        public = self._run([sys.executable, "-c", CARD, self.module]).stdout.strip()
        self.vkey = cosign_file.vkey(NAME, cosign_file.ED25519, bytes.fromhex(public))

    def _run(self, command: list[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, env=self.env, check=True, capture_output=True, text=True, timeout=60)

    def sign(self, request: Path, log_key: str) -> Path:
        """With a copy of the program that knows nothing of this repo."""
        alone = Path(shutil.copy(cosign_file.__file__, self.folder / "cosign.py"))
        words = [
            "--log-key",
            log_key,
            "--name",
            NAME,
            "--state",
            str(self.folder / "state"),
            "--pin-file",
            str(self.folder / "pin"),
        ]
        card = ["--module", self.module, "--token", "officer", "--key", "cosign"]
        self._run([sys.executable, "-I", str(alone), "sign", str(request), *words, *card])
        return request.with_name(request.name + ".cosigned")


def _libraries(*files: Path) -> set[Path]:
    told = subprocess.run(["ldd", *map(str, files)], capture_output=True, text=True, timeout=60).stdout
    return {Path(p) for p in re.findall(r"(/\S+) \(0x", told)}


def empty_root(root: Path) -> list[str]:
    """A root that holds Python, its library and `cryptography`, and nothing else. Returns the command that enters it."""
    prefix = Path(sys.base_prefix)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    library, packages = prefix / "lib" / version, Path(cryptography.__file__).parents[1]
    skip = shutil.ignore_patterns(
        "site-packages", "test", "tests", "idlelib", "tkinter", "ensurepip", "__pycache__", "*.a"
    )
    shutil.copytree(library, root / library.relative_to("/"), ignore=skip)
    binary = Path(sys.executable).resolve()
    site = root / library.relative_to("/")  # every Python looks there; Debian's not into site-packages
    shutil.copytree(packages / "cryptography", site / "cryptography", ignore=skip)
    needed = [binary, *packages.glob("_cffi_backend*.so"), *(packages / "cryptography").rglob("*.so")]
    needed += list((library / "lib-dynload").glob("*.so"))
    for extra in packages.glob("_cffi_backend*.so"):
        shutil.copy(extra, site)
    for file in {binary, *_libraries(*needed)}:
        target = root / file.relative_to("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, target)
    (root / "export").mkdir()
    return ["unshare", "--user", "--map-root-user", "--net", "chroot", str(root), str(binary)]


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    root = tmp_path_factory.mktemp("bare") / "root"
    return root, empty_root(root)


@pytest.mark.parametrize("token", sorted(TOKENS))
def test_a_cosigned_export_is_checked_in_an_empty_chroot(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bare: tuple[Path, list[str]], token: str
) -> None:
    """The folder, and the archive as it is: by somebody who has Python, `cryptography`, the log's key and the README."""
    card = Card(tmp_path / "card")
    made = TOKENS[token](home / "token")
    for name, value in made.environment.items():
        monkeypatch.setenv(name, value)
    (home / "casemate.toml").write_text(f'{made.settings}\n[audit]\nwitnesses = ["{card.vkey}"]\n')
    monkeypatch.setenv("CASEMATE_CONFIG", str(home / "casemate.toml"))
    settings = load(home=home)
    keys, auditor = Running("keys", "keys", settings), Running("audit", "auditor", settings)
    try:
        recorder = BlockingRecorder(settings)
        vkey = commands.checkpoint(settings).result["checkpoint"] and _vkey(home)
        for n in range(3):
            for i in range(120):
                recorder.record("console:anna", "message.viewed", f"message:{n}-{i}", why="case 7")
            request = tmp_path / f"request-{n}"
            request.write_text("\n".join(commands.request(settings, None).lines) + "\n")
            back = card.sign(request, vkey)
            said = commands.cosigned(settings, back)
            assert said.ok and said.result["name"] == NAME
        recorder.record("console:anna", "message.viewed", "message:later", why="case 7")
        recorder.close()
        commands.export(settings, tmp_path / "out")
        commands.export(settings, tmp_path / "out.tar", "archive")
        commands.export(settings, tmp_path / "chosen.tar", "archive", on="message:1-7")
        commands.export(settings, tmp_path / "chosen.csv", "csv", on="message:1-7")
    finally:
        assert auditor.stop() == 0
        assert keys.stop() == 0
    root, enter = bare
    shutil.rmtree(root / "export", ignore_errors=True)  # of the token before
    shutil.copytree(tmp_path / "out", root / "export")
    for file in ("out.tar", "chosen.tar"):
        shutil.copy(tmp_path / file, root)
    shutil.copy(tmp_path / "request-0.cosigned", root / "kept")
    readme = (root / "export" / "README.txt").read_text()
    assert "python verify.py PATH --key KEY-YOU-WERE-GIVEN --witness KEY-OF-THE-WITNESS" in readme
    assert (tmp_path / "chosen.csv").read_text().count("message:1-7") == 1
    if subprocess.run([*enter[: enter.index("chroot")], "true"], capture_output=True, timeout=60).returncode != 0:
        pytest.skip("this machine lets nobody make a user namespace")

    def check(path: str) -> tuple[int, str]:
        words = ["/export/verify.py", path, "--key", vkey, "--witness", card.vkey, "--old", "/kept"]
        done = subprocess.run([*enter, *words], capture_output=True, text=True, timeout=120)
        return done.returncode, done.stdout + done.stderr

    for path in ("/export", "/out.tar", "/chosen.tar"):
        code, told = check(path)
        assert code == 0 and told.endswith("VERIFIES\n"), told
        assert f"witness  {NAME} cosigned {said.result['size']} entries at {said.result['at']}" in told
        assert re.search(rf"entries, from {said.result['size']} on, are unwitnessed since", told)
    assert "1 entries are proven one by one" in told
    bundle = root / "export/tile/entries/000"
    bundle.write_bytes(bundle.read_bytes().replace(b"message.viewed", b"message.viewer", 1))
    code, told = check("/export")
    assert code == 1 and "holds another entry than was signed" in told
    octets = (root / "out.tar").read_bytes()
    (root / "out.tar").write_bytes(octets.replace(b"message.viewed", b"message.viewer", 1))
    code, told = check("/out.tar")
    assert code == 1 and "tile/entries/000: is not the file that was signed" in told


def _vkey(home: Path) -> str:
    """As it is taken down at installation."""
    return (home / "audit/log/verifier.vkey").read_text().strip()
