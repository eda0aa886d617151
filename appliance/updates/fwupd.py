"""fwupd for as long as one act lasts: its daemon on a socket of its own in a closed folder, never on the system's bus, and fwupdmgr(1) that asks it.

The daemon, not fwupdtool: only the daemon insists on a trusted signature (`OnlyTrusted`, fwupd.conf(5)). It has no remotes and trusts the certificates
that it is given here; what a bank set in /etc/fwupd/fwupd.conf holds, but for what CLOSED says. As root; it opens no network connection.
"""

from __future__ import annotations

import configparser
import fcntl
import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any, Final

from appliance.clock import monotonic_s
from appliance.errors import Error
from firmware import Refused

DAEMON: Final = Path("/usr/libexec/fwupd/fwupd")
CLIENT: Final = "fwupdmgr"
CONF: Final = Path("/etc/fwupd/fwupd.conf")
#: What no file can change: (section, key) -> value.
CLOSED: Final[dict[tuple[str, str], str]] = {
    ("fwupd", "OnlyTrusted"): "true",
    ("fwupd", "IgnoreRequirements"): "false",
    ("fwupd", "IgnorePower"): "false",
    ("fwupd", "P2pPolicy"): "nothing",
    ("fwupd", "UpdateMotd"): "false",
    ("fwupd", "UriSchemes"): "file",
    ("fwupd", "IdleTimeout"): "0",
    ("redfish", "IpmiDisableCreateUser"): "true",
}
_OPTIONS: Final = (
    "--json",
    "--assume-yes",
    "--no-device-prompt",
    "--no-metadata-check",
    "--no-reboot-check",
    "--no-remote-check",
    "--no-unreported-check",
)
START_S_MAX: Final = 120.0  # it asks every device of a server
ASK_S_MAX: Final = 60.0
WRITE_S_MAX: Final = 1_800.0  # a BMC takes a quarter of an hour
END_S_MAX: Final = 20.0
_READY: Final = "ready for requests"


class Failed(Exception):
    """fwupd's own error: its number (FwupdError) and its words."""

    def __init__(self, number: int, said: str) -> None:
        self.number, self.said = number, said
        super().__init__(said)


def there() -> bool:
    """Whether this process could start it: the program is installed, and devices can be opened."""
    return DAEMON.exists() and os.geteuid() == 0


class Fwupd:
    """`with Fwupd(folder, certificates) as running`. `folder` is kept: what waits for a restart is written there by fwupd."""

    def __init__(self, folder: Path, certificates: Sequence[bytes] = (), conf: Path = CONF) -> None:
        self.folder, self.certificates, self.conf = folder, certificates, conf
        self._daemon: subprocess.Popen[bytes] | None = None
        self._lock: IO[bytes] | None = None

    def __enter__(self) -> Fwupd:
        """Raises Refused `cabinet_program`, Error `key_state` while another one runs, Failed when it does not start."""
        if not DAEMON.exists():
            raise Refused("cabinet_program")
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o700)
        self._lock = (self.folder / "lock").open("wb")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._lock.close()
            raise Error("key_state", "fwupd is at work already", "wait for it: `casemate hardware status`") from None
        try:
            self._lay()
            self._start()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    # --- what it is asked -----------------------------------------------------------------------------------

    def devices(self) -> Any:
        """What `fwupdmgr get-devices --json` says."""
        return self._asked(["get-devices", "--show-all"], ASK_S_MAX)

    def write(self, cabinet: Path, device: str) -> None:
        """Writes a cabinet's firmware to one device, after fwupd's own checks. Raises Failed."""
        self._asked(["local-install", str(cabinet), device], WRITE_S_MAX)

    def _asked(self, words: list[str], seconds: float) -> Any:
        try:
            ended = subprocess.run(
                [CLIENT, *words, *_OPTIONS],
                capture_output=True,
                check=False,
                env=self._env,
                stdin=subprocess.DEVNULL,
                timeout=seconds,
            )
        except subprocess.TimeoutExpired:
            raise Failed(0, f"fwupd gave no answer within {seconds:.0f} s") from None
        except OSError as e:
            raise Failed(0, f"fwupdmgr does not start: {e.strerror}") from None
        return answer(ended.returncode, ended.stdout, ended.stderr)

    # --- its life -------------------------------------------------------------------------------------------

    @property
    def _env(self) -> dict[str, str]:
        """Every folder that fwupd reads or writes (libfwupdplugin, fu-path.c), but for what the package brings and the devices."""
        at = self.folder
        return {
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            "LC_ALL": "C.UTF-8",
            "HOME": str(at),
            "FWUPD_DBUS_SOCKET": str(at / "socket"),
            "FWUPD_SYSCONFDIR": str(at / "etc"),
            "CONFIGURATION_DIRECTORY": str(at / "etc/fwupd"),
            "LOCALCONF_DIRECTORY": str(at / "etc/local"),
            "STATE_DIRECTORY": str(at / "state"),
            "CACHE_DIRECTORY": str(at / "cache"),
            "FWUPD_RUNDIR": str(at / "run"),
            "FWUPD_LOCKDIR": str(at / "run"),
        }

    def _lay(self) -> None:
        """Settings and certificates are laid anew each time: nothing that was there before is trusted."""
        for place in ("etc", "run"):
            shutil.rmtree(self.folder / place, ignore_errors=True)
        for place in ("etc/fwupd/remotes.d", "etc/local", "etc/pki/fwupd", "etc/pki/fwupd-metadata", "run"):
            (self.folder / place).mkdir(parents=True)
        for place in ("state", "cache"):
            (self.folder / place).mkdir(exist_ok=True)
        shutil.rmtree(self.folder / "state/remotes.d", ignore_errors=True)
        (self.folder / "socket").unlink(missing_ok=True)
        given = self.conf.read_text(encoding="utf-8", errors="replace") if self.conf.is_file() else ""
        (self.folder / "etc/fwupd/fwupd.conf").write_text(conf_text(given), encoding="utf-8")
        for number, pem in enumerate(self.certificates):
            (self.folder / f"etc/pki/fwupd/{number}.pem").write_bytes(pem)

    def _start(self) -> None:
        log = self.folder / "log"
        with log.open("wb") as file:
            self._daemon = subprocess.Popen(
                [DAEMON], stdin=subprocess.DEVNULL, stdout=file, stderr=file, env=self._env, start_new_session=True
            )
        until = monotonic_s() + START_S_MAX
        while _READY not in log.read_text(encoding="utf-8", errors="replace"):
            try:
                self._daemon.wait(0.1)
            except subprocess.TimeoutExpired:
                if monotonic_s() < until:
                    continue
            said = log.read_text(encoding="utf-8", errors="replace").splitlines()
            raise Failed(0, f"fwupd does not start: {said[-1][:200] if said else 'it said nothing'}")

    def _end(self) -> None:
        if self._daemon is not None and self._daemon.poll() is None:
            self._daemon.terminate()
            try:
                self._daemon.wait(END_S_MAX)
            except subprocess.TimeoutExpired:
                self._daemon.kill()
                self._daemon.wait()
        if self._lock is not None:
            self._lock.close()


def answer(code: int, out: bytes, err: bytes) -> Any:
    """What fwupdmgr said, as JSON; {} for nothing. Raises Failed. Pure."""
    try:
        said = json.loads(out) if out.strip() else {}
    except ValueError:
        said = None
    if code == 0 and isinstance(said, dict) and "Error" not in said:
        return said
    error = said.get("Error", {}) if isinstance(said, dict) else {}
    if isinstance(error, dict) and error.get("Message"):
        return _failed(int(error.get("Code", 0)), str(error["Message"]))
    lines = [line for line in err.decode("utf-8", "replace").splitlines() if line.strip()]
    return _failed(0, lines[-1] if lines else "fwupd said nothing")


def _failed(number: int, said: str) -> Any:
    raise Failed(number, " ".join("".join(c if c.isprintable() else " " for c in said).split())[:200])


def conf_text(given: str) -> str:
    """fwupd.conf(5): what a bank gave, with what is closed put over it. A file that cannot be read counts for nothing. Pure."""
    conf = configparser.ConfigParser(interpolation=None, strict=False)
    conf.optionxform = str  # type: ignore[assignment,method-assign]  # its keys have capitals
    try:
        conf.read_string(given)
    except configparser.Error:
        conf.clear()
    out = {section: dict(conf.items(section)) for section in conf.sections()}
    for (section, key), value in CLOSED.items():
        out.setdefault(section, {})[key] = value
    return "".join(
        f"[{section}]\n" + "".join(f"{key}={value}\n" for key, value in rows.items()) for section, rows in out.items()
    )
