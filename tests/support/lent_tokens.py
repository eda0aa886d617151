"""Tokens that need processes of their own: a TPM 2.0 (tpm2-pkcs11 on swtpm) and the software token of openCryptoki.

Each is made in a folder and a few processes of its own, which end with it, or with the test that made it. Neither touches the machine's.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from hsm import Place
from hsm.seat import COMMAND
from hsm.shutters import die_with_parent
from tests.support.tokens import Made, first_of

CALL_S_MAX = 60.0  # a TPM takes a tenth of a second for a call, on a busy machine more
UP_S_MAX = 60.0
TPM = first_of("pkcs11/libtpm2_pkcs11.so", "libtpm2_pkcs11.so.1")
CRYPTOKI = first_of("opencryptoki/libopencryptoki.so.0", "libopencryptoki.so.0")
DEFAULT_SO_PIN = "87654321"  # of openCryptoki, until it is changed

#: In mount and IPC namespaces of its own: state, locks, sockets and shared memory are this folder's.
NAMESPACE = r"""
set -eu
mount --make-rprivate /
mkdir -p "$W/var"; cp -a /var/lib/opencryptoki/. "$W/var/"; mount --bind "$W/var" /var/lib/opencryptoki
mount -t tmpfs tmpfs /run; mount -t tmpfs tmpfs /dev/shm
for t in swtok tpm icsf ccatok ep11tok; do mkdir -p -m 770 /run/lock/opencryptoki/$t; done
chgrp -R pkcs11 /run/lock/opencryptoki
printf 'version opencryptoki-3.1\nslot 3\n{\nstdll = libpkcs11_sw.so\n}\n' > "$W/conf"
mount --bind "$W/conf" /etc/opencryptoki/opencryptoki.conf
pkcsslotd
trap 'kill "$(cat /run/pkcsslotd.pid)"' EXIT
printf '%s\n' "$LABEL" | pkcsconf -I -c 3 -S "$SO0"
pkcsconf -P -c 3 -S "$SO0" -n 76543210; pkcsconf -u -c 3 -S 76543210 -n 12345678
pkcsconf -p -c 3 -U 12345678 -n "$(cat "$W/pin")"
touch "$W/ready"
cat > "$W/held"
"""


def why_no_tpm() -> str:
    """Why there can be none here; empty when there can."""
    tools = [t for t in ("swtpm", "tpm2-abrmd", "tpm2_ptool", "dbus-daemon") if shutil.which(t) is None]
    return "tpm2-pkcs11 is not installed" if not TPM else f"{', '.join(tools)} not installed" if tools else ""


def why_no_cryptoki() -> str:
    if not CRYPTOKI or shutil.which("pkcsslotd") is None:
        return "opencryptoki is not installed"
    if os.geteuid() != 0:
        return "openCryptoki needs a mount namespace, and that root"
    tried = subprocess.run(
        ["unshare", "-m", "-i", "sh", "-c", "mount --make-rprivate / && mount -t tmpfs tmpfs /run"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    return "" if tried.returncode == 0 else f"no mount namespaces here: {tried.stderr.strip()[:100]}"


def make_tpm(folder: Path, label: str = "casemate") -> Made:
    """A TPM of its own, its resource manager on a bus of its own, and keys made by tpm2_ptool: through PKCS#11 it makes none."""
    base = Path(tempfile.mkdtemp(prefix="cm-tpm-"))  # short: sockets are in it
    folder.mkdir(parents=True)
    for name in ("state", "store"):
        (base / name).mkdir()
    (folder / "pin").write_bytes(b"user-pin-of-the-tpm")
    environment = {
        "DBUS_SESSION_BUS_ADDRESS": f"unix:path={base}/bus",
        "TPM2_PKCS11_TCTI": "tabrmd:bus_type=session",
        "TPM2TOOLS_TCTI": "tabrmd:bus_type=session",
        "TPM2_PKCS11_STORE": str(base / "store"),
    }
    around = {**os.environ, **environment}
    started: list[subprocess.Popen[bytes]] = []

    def end() -> None:
        for process in reversed(started):
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
        shutil.rmtree(base, ignore_errors=True)

    def start(*command: str) -> None:
        quiet = subprocess.DEVNULL
        started.append(
            subprocess.Popen(command, env=around, stdin=quiet, stdout=quiet, stderr=quiet, preexec_fn=die_with_parent)  # noqa: PLW1509 # one prctl
        )

    def tool(*words: str) -> None:
        subprocess.run(
            ["tpm2_ptool", *words, "--path", base / "store"], env=around, check=True, capture_output=True, timeout=300
        )

    try:
        server = f"type=unixio,path={base}/tpm"
        flags = "not-need-init,startup-clear"
        start(
            "swtpm",
            "socket",
            "--tpm2",
            "--tpmstate",
            f"dir={base}/state",
            "--server",
            server,
            "--ctrl",
            f"{server}.ctrl",
            "--flags",
            flags,
        )
        start("dbus-daemon", "--session", "--nofork", "--nopidfile", f"--address=unix:path={base}/bus")
        _until(lambda: (base / "tpm").exists() and (base / "bus").exists(), "swtpm and its bus")
        root = ("--allow-root",) if os.geteuid() == 0 else ()
        start("tpm2-abrmd", *root, "--session", f"--tcti=swtpm:path={base}/tpm")
        ask = ["tpm2_getrandom", "--hex", "8"]
        _until(
            lambda: subprocess.run(ask, env=around, capture_output=True, timeout=60).returncode == 0,
            "the resource manager",
        )
        pin = (folder / "pin").read_text()
        tool("init")
        tool("addtoken", "--pid", "1", "--sopin", "so-pin-of-the-tpm", "--userpin", pin, "--label", label)
        for kind, key_label, key_id in (
            ("aes256", "casemate key-encryption key v1", "casemate-kek-1"),
            ("hmac:sha256", "casemate mac key v1", "casemate-mac-1"),
        ):
            tool(
                "addkey",
                "--algorithm",
                kind,
                "--label",
                label,
                "--userpin",
                pin,
                "--key-label",
                key_label,
                "--id",
                key_id,
            )
    except BaseException:
        end()
        raise
    place = Place(folder / "own", TPM, label, str(folder / "pin"), CALL_S_MAX)
    return Made(place, environment, end=end)


def make_cryptoki(folder: Path, label: str = "casemate") -> Made:
    """openCryptoki with one slot, in namespaces of its own; workers enter them."""
    folder.mkdir(parents=True)
    (folder / "pin").write_bytes(b"02468135")  # it takes four to eight characters
    holder = subprocess.Popen(
        ["unshare", "-m", "-i", "bash", "-c", NAMESPACE],
        env={**os.environ, "W": str(folder), "LABEL": label, "SO0": DEFAULT_SO_PIN},
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )

    def end() -> None:
        """What holds the namespace waits for the end of its input, and ends the daemon."""
        assert holder.stdin is not None
        holder.stdin.close()
        try:
            holder.wait(10)
        except subprocess.TimeoutExpired:
            holder.send_signal(signal.SIGKILL)

    def ready() -> bool:
        assert holder.poll() is None, f"the namespace ended with {holder.returncode}"
        return (folder / "ready").exists()

    try:
        _until(ready, "openCryptoki")
    except BaseException:
        end()
        raise
    enter = ("nsenter", "-t", str(holder.pid), "-m", "-i", "--")
    place = Place(folder / "own", CRYPTOKI, label, str(folder / "pin"), CALL_S_MAX)
    return Made(place, {}, (*enter, *COMMAND), enter, end)


def _until(true: Callable[[], bool], what: str) -> None:
    until = time.monotonic() + UP_S_MAX
    while not true():
        assert time.monotonic() < until, f"waited {UP_S_MAX:.0f} s for {what}"
        time.sleep(0.1)
