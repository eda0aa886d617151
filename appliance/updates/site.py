"""A signed site file: what a new box is to become, for an installation that nobody attends. Signed at the bank's desk, read at the box.

On a stick labelled CASEMATE lie `casemate.toml`, the files that it names, and `site.p7s`: a CMS (RFC 5652) that holds a short JSON text, which
names each of those files by its SHA-256. The medium that the box is started from says whom to believe: `casemate/authority/*.pem` on its EFI system
partition, which who hands out the medium put there. Nothing on the stick is read as anything before its signature and digest are right.
"""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import firmware
from appliance.errors import Error
from appliance.settings import parse

SOURCE: Final = "site.toml"  # on the desk
SIGNED: Final = "site.p7s"  # on the stick
SETTINGS: Final = "casemate.toml"
FORM: Final = "casemate site 1"
ONLY: Final = "only"
AFTER: Final = ("restart", "off")
OCTETS_MAX: Final = 1 << 20  # of any file of a site
FILES_MAX: Final = 64
KEYS: Final = {"box": str, "until": str, "disk": str, "erase": bool, "after": str, "ssh_keys": list}
NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")
DAY: Final = re.compile(r"\d{4}-\d\d-\d\d")
SSH_KEY: Final = re.compile(
    r"(?:ssh-ed25519|ecdsa-sha2-nistp(?:256|384|521)|sk-ssh-ed25519@openssh\.com) [A-Za-z0-9+/]{40,}={0,2}(?: [\w@.-]{1,60})?"
)

#: Why a site file is not taken -> (code, sentence, what to do).
REFUSALS: Final[dict[str, tuple[str, str, str]]] = {
    "absent": (
        "not_found",
        "there is no signed site file",
        f"`casemate site sign FOLDER` makes {SIGNED}; label the stick CASEMATE",
    ),
    "authority": (
        "not_found",
        "the medium names nobody who may sign a site file",
        "put the bank's certificate into casemate/authority/ on the medium's EFI system partition",
    ),
    "large": ("too_large", "the site file, or a file of it, is too large", "one MiB each, 64 files"),
    "unsigned": ("file_invalid", "the site file is not signed", "`casemate site sign FOLDER` at the bank's desk"),
    "changed": ("file_invalid", "the site file was changed after it was signed", "sign it again"),
    "signers": ("file_invalid", "the site file has not exactly one signer", "sign it again, once"),
    "stranger": (
        "forbidden",
        "nobody whom this medium trusts signed the site file",
        "compare its certificate with casemate/authority/",
    ),
    "revoked": ("forbidden", "the certificate that signed the site file is revoked", "sign with another one"),
    "expired": (
        "forbidden",
        "the certificate that signed the site file is not valid now",
        "see the box's clock; sign with this year's",
    ),
    "form": (
        "file_invalid",
        "the site file is not in the form that this release reads",
        "sign it with the same release's `casemate site sign`",
    ),
    "late": ("forbidden", "the day until which the site file holds is over", "sign it again with a later `until`"),
    "other": ("forbidden", "the site file is for another box", "see the serial number in its `box`"),
    "missing": ("not_found", "a file that the site file names is not on the stick", "copy the whole folder"),
    "digest": (
        "file_invalid",
        "a file on the stick is not what was signed",
        "copy the whole folder again, or sign it again",
    ),
    "settings": (
        "settings_invalid",
        "the settings of the site file cannot be used",
        "`casemate settings --check casemate.toml`",
    ),
}


def refusal(why: str, more: str = "") -> Error:
    code, sentence, hint = REFUSALS[why]
    return Error(code, sentence + (f": {more}" if more else ""), hint, why=why)


@dataclass(frozen=True)
class Site:
    """What was signed. `disk`: a serial number, or `only`; `files`: octets by name, `casemate.toml` among them."""

    box: str
    until: str
    disk: str
    erase: bool
    after: str
    ssh_keys: tuple[str, ...]
    signer: str
    files: Mapping[str, bytes]


# --- the desk ---------------------------------------------------------------------------------------------------


def made(folder: Path) -> bytes:
    """The text to sign, from a folder with `site.toml`, `casemate.toml` and the files that it names. Raises Error."""
    try:
        given = tomllib.loads((folder / SOURCE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise Error("not_found", f"{folder.name} has no {SOURCE}", "see the manual, A site file") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as e:
        raise Error("file_invalid", f"{SOURCE} cannot be read: {e}") from None
    said = {"box": "", "disk": ONLY, "erase": False, "after": "restart", "ssh_keys": [], **given}
    wrong = _wrong(said)
    if wrong:
        raise Error("invalid", f"{SOURCE}: {wrong}", f"keys: {', '.join(KEYS)}")
    names = sorted(p.name for p in folder.iterdir() if p.is_file() and p.name not in (SOURCE, SIGNED))
    if SETTINGS not in names:
        raise Error(
            "not_found", f"{folder.name} has no {SETTINGS}", "a box needs settings; an empty file is its defaults"
        )
    odd = [n for n in names if not NAME.fullmatch(n)]
    if odd or len(names) > FILES_MAX:
        raise Error(
            "invalid", f"{odd[0] if odd else len(names)}: not a name, or too many files", "letters, digits, . _ -"
        )
    files = {name: hashlib.sha256(_octets(folder / name)).hexdigest() for name in names}
    usable((folder / SETTINGS).read_bytes(), folder)
    return (json.dumps({"form": FORM, "site": said, "files": files}, sort_keys=True) + "\n").encode("ascii")


def _wrong(said: dict[str, Any]) -> str:
    """What is wrong with the keys, "" for nothing. Pure."""
    for key in sorted(set(said) | set(KEYS)):
        if key not in KEYS:
            return f"there is no key {key!r}"
        if key not in said:
            return f"{key} is missing"
        if type(said[key]) is not KEYS[key]:
            return f"{key} is no {KEYS[key].__name__}"
    if not DAY.fullmatch(said["until"]):
        return 'until is no day, as "2026-12-31"'
    if said["after"] not in AFTER:
        return f"after is one of {', '.join(AFTER)}"
    if not said["disk"] or (said["erase"] and said["disk"] == ONLY):
        return "erase needs the disk's serial number"
    if not all(isinstance(k, str) and SSH_KEY.fullmatch(k) for k in said["ssh_keys"]):
        return "ssh_keys: each is TYPE BASE64 NAME of an Ed25519 or ECDSA key, as ssh-keygen writes it"
    return ""


def usable(octets: bytes, folder: Path) -> None:
    """Whether settings are settings. Raises Error `settings_invalid`."""
    try:
        parse(tomllib.loads(octets.decode("utf-8")), Path("/var/lib/casemate"), SETTINGS, folder)
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as e:
        raise refusal("settings", str(e)) from None
    except Error as e:
        raise refusal("settings", e.message) from None


def _octets(path: Path) -> bytes:
    with path.open("rb") as file:
        octets = file.read(OCTETS_MAX + 1)
    if len(octets) > OCTETS_MAX:
        raise refusal("large", path.name)
    return octets


def sign(folder: Path, certificate: Path, key: Path | str) -> Path:
    """Writes `site.p7s` into the folder. Raises Error."""
    text = made(folder)
    try:
        cms = firmware.cms_signed(text, certificate, key)
    except firmware.Tool as e:
        raise Error("internal", str(e), "the key is a file or a pkcs11: URI") from None
    out = folder / SIGNED
    out.write_bytes(cms)
    return out


# --- the box ----------------------------------------------------------------------------------------------------


def authority(folder: Path) -> firmware.Authority:
    """Whom the medium trusts: `authority/*.pem` and `revoked.crl` of a folder. Raises Error `not_found`, `file_invalid`."""
    try:
        found = firmware.Authority.at(folder)
    except (OSError, ValueError) as e:
        raise Error(
            "file_invalid", f"a certificate in {folder} cannot be read: {e}", "PEM, as openssl writes it"
        ) from None
    if not found.roots:
        raise refusal("authority")
    return found


def read(folder: Path, trusted: firmware.Authority, serial: str, now_s: int) -> Site:
    """What the stick says, after its signature and every digest were found right. Raises Error with `why` of REFUSALS."""
    if not (folder / SIGNED).is_file():
        raise refusal("absent")
    cms = _octets(folder / SIGNED)
    content, signer = _verified(cms, trusted, now_s)
    try:
        said = json.loads(content)
        site, files = said["site"], said["files"]
        if said["form"] != FORM or not isinstance(files, dict) or len(files) > FILES_MAX or _wrong(site):
            raise refusal("form", _wrong(site) if isinstance(site, dict) else "")
    except (ValueError, KeyError, TypeError):
        raise refusal("form") from None
    if _days(site["until"]) + 1 <= now_s // 86_400:
        raise refusal("late", site["until"])
    if site["box"] and site["box"] != serial:
        raise refusal("other", site["box"][:60])
    held = {}
    for name, digest in sorted(files.items()):
        if not NAME.fullmatch(name):
            raise refusal("form", "a name of a file")
        if not (folder / name).is_file():
            raise refusal("missing", name)
        held[name] = _octets(folder / name)
        if hashlib.sha256(held[name]).hexdigest() != digest:
            raise refusal("digest", name)
    if SETTINGS not in held:
        raise refusal("missing", SETTINGS)
    usable(held[SETTINGS], folder)
    keys = tuple(site["ssh_keys"])
    return Site(site["box"], site["until"], site["disk"], site["erase"], site["after"], keys, signer, held)


def _verified(cms: bytes, trusted: firmware.Authority, now_s: int) -> tuple[bytes, str]:
    """(what was signed, by whom)."""
    if not firmware.is_signed(cms):
        raise refusal("unsigned")
    try:
        content, signers, others, matches = firmware.cms_verified(cms)
    except firmware.Tool as e:
        raise Error("internal", str(e)) from None
    if not matches:
        raise refusal("changed" if signers else "unsigned")
    if len(signers) != 1:
        raise refusal("signers")
    who = trusted.signer(signers[0], others)
    if not who.trusted:
        raise refusal("stranger", who.name)
    if who.revoked:
        raise refusal("revoked", who.name)
    if not who.from_s <= now_s <= who.until_s:
        raise refusal("expired", who.name)
    return content, who.name


def _days(day: str) -> int:
    """Days since 1970 of a day as text; a day that the calendar has not is a site file in another form."""
    from datetime import date

    try:
        return (date.fromisoformat(day) - date(1970, 1, 1)).days
    except ValueError:
        raise refusal("form", "until") from None


def take(site: Site, into: Path) -> list[str]:
    """Writes settings, the files that they name, and the administrators' SSH keys into the settings folder; their names."""
    into.mkdir(parents=True, exist_ok=True)
    files = {**site.files, "ssh_keys": "".join(f"{k}\n" for k in site.ssh_keys).encode("ascii")}
    for name in sorted(files, key=lambda n: n == SETTINGS):  # the settings last: where they are, everything is
        fresh = into / f"{name}.new"
        fresh.write_bytes(files[name])
        fresh.chmod(0o640)
        fresh.replace(into / name)
    return sorted(files)
