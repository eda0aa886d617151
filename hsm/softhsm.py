"""SoftHSM2 as embedded token: finds Debian's module, writes its configuration and PINs under the state folder, initialises the token once.

The PINs are random, stay in files of mode 0600 and are shown to nobody: not on a command line, not in an environment.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path
from typing import Final

from .errors import HsmError

#: Where Debian's libsofthsm2 puts the module, by release and architecture; the first that exists is taken.
MODULES: Final = (
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib64/softhsm/libsofthsm2.so",
)
CREDENTIAL: Final = "hsm-pin"  # name of the systemd credential, systemd.exec(5) LoadCredential=
SECOND_CREDENTIAL: Final = "hsm-second-pin"
PIN_OCTETS: Final = 24  # 32 characters: SoftHSM takes 4 to 255


def find_module(candidates: tuple[str, ...] = MODULES) -> Path:
    """Debian's SoftHSM module. Raises HsmError `token_missing`."""
    for candidate in candidates:
        if Path(candidate).is_file():
            return Path(candidate)
    raise HsmError(
        "token_missing",
        "the SoftHSM module is not installed",
        "apt install softhsm2, or set hsm.module to the HSM's library",
    )


CONFIG: Final = """\
directories.tokendir = {tokens}
objectstore.backend = file
log.level = ERROR
slots.removable = false
"""


class SoftHsm:
    """The files of the embedded token in one folder (`home/hsm`)."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.tokens = folder / "tokens"
        self.config = folder / "softhsm2.conf"
        self.pin = folder / "pin"
        self.so_pin = folder / "so-pin"
        self.initialised = folder / "initialised"

    def prepare(self, with_pin: bool = True) -> None:
        """Makes folder, configuration and PINs where they are missing. Once the token was initialised nothing is made again:
        a token that is gone then is `token_missing`, never silently replaced by an empty one. Without `with_pin` a person brings the PIN."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.folder.chmod(0o700)
        config = CONFIG.format(tokens=self.tokens).encode()
        if not self.config.exists() or self.config.read_bytes() != config:
            write_private(self.config, config)
        if self.initialised.exists():
            return
        self.tokens.mkdir(exist_ok=True, mode=0o700)
        for path in (self.so_pin, self.pin):
            if not path.exists() and (with_pin or path != self.pin):
                write_private(path, secrets.token_urlsafe(PIN_OCTETS).encode())

    def remember(self, serial: str, keep_so_pin: bool = True) -> None:
        """Marks the token as made; from now on it is only looked for. Who has the security officer's PIN can set another user PIN:
        it is not kept where a person brings the user's."""
        write_private(self.initialised, serial.encode())
        if not keep_so_pin:
            self.so_pin.unlink(missing_ok=True)

    @property
    def environment(self) -> dict[str, str]:
        """What a worker's environment needs to load the module with this folder."""
        return {"SOFTHSM2_CONF": str(self.config)}


def pin_path(
    pin_file: str,
    embedded: SoftHsm | None,
    environ: dict[str, str] | os._Environ[str] = os.environ,
    credential: str = CREDENTIAL,
) -> Path:
    """The file that holds the user PIN: the setting, else the systemd credential, else the embedded token's own. Raises `pin_invalid`."""
    if pin_file:
        return Path(pin_file)
    folder = environ.get("CREDENTIALS_DIRECTORY")
    if folder and (Path(folder) / credential).is_file():
        return Path(folder) / credential
    if embedded is not None:
        return embedded.pin
    raise HsmError(
        "pin_invalid", "no PIN for the token", f"name its PIN file, or pass the systemd credential `{credential}`"
    )


def write_private(path: Path, content: bytes) -> None:
    """Writes a file of mode 0600 whole or not at all (rename(2)), durable before it returns."""
    beside = path.with_name(f".{path.name}.new")
    with contextlib.suppress(FileNotFoundError):
        beside.unlink()
    fd = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(fd, content)
        os.fsync(fd)
    finally:
        os.close(fd)
    beside.rename(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
