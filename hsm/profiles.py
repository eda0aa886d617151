"""HSMs that banks own: where their PKCS#11 library usually is, what is publicly known to bite, what nobody here has tried.

None of these was at hand: every row is from the sources it names, and `casemate keys commission` on the real device is what proves it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final, NamedTuple


class Profile(NamedTuple):
    """One vendor's product. `maker` is part of what C_GetInfo says of the manufacturer, in lower case."""

    name: str
    maker: str
    modules: tuple[str, ...]
    backup: str  # the vendor's own way to back keys up, for tokens that do not let them out under a key of ours
    quirks: tuple[str, ...]
    unproven: tuple[str, ...]
    sources: tuple[str, ...]
    cloning: str  # the vendor's own way of having the same keys in two HSMs


PROFILES: Final[dict[str, Profile]] = {
    "luna": Profile(
        "Thales Luna Network HSM 7",
        "safenet",
        ("/usr/safenet/lunaclient/lib/libCryptoki2_64.so", "/opt/safenet/lunaclient/lib/libCryptoki2_64.so"),
        "partition archive backup to a Luna Backup HSM of the same cloning domain (lunacm: partition archive backup)",
        (
            (
                "a lost network partition was seen to hang calls for five minutes and then give CRYPTOKI_NOT_INITIALIZED until the"
                " process ends: hsm.call_s_max ends the worker instead"
            ),
            "in FIPS mode the HSM makes the nonce of AES-GCM itself: the trial of aes-gcm then fails and aes-kw or aes-kwp is taken",
            "the partition's label is the token label; the Crypto Officer's password is the PIN",
        ),
        ("mechanisms by firmware", "sessions a partition allows", "Ed25519 as CKM_EDDSA", "high-availability groups"),
        ("Pkcs11Interop issue 214", "NIST SP 800-38D section 8.2"),
        "both partitions in one cloning domain, then `partition clone` in lunacm, or an HA group of the client",
    ),
    "nshield": Profile(
        "Entrust nShield (Security World 13)",
        "ncipher",
        ("/opt/nfast/toolkits/pkcs11/libcknfast.so",),
        "a copy of the Security World's files (/opt/nfast/kmdata/local); they open in any HSM of that world with its card sets",
        (
            "settings of the library stand in /opt/nfast/cknfastrc, not in the environment of the appliance",
            (
                "CKNFAST_ASSUME_SINGLE_PROCESS is 1 unless set: a process sees only token objects that were there at C_Initialize. Each worker"
                " starts after the keys exist, except on the first run: the others find them when they are started again"
            ),
            "a softcard needs CKNFAST_LOADSHARING=1; the accelerator slot holds no private objects: name the softcard's token",
            "the security assurances may refuse keys that wrap or unwrap; see CKNFAST_OVERRIDE_SECURITY_ASSURANCES",
            "the form of an Ed25519 public key follows CKNFAST_EDDSA_PUBKEY_FORMAT; both forms are read",
        ),
        ("AES-GCM with additional data through PKCS#11", "preload with K-of-N card sets", "HSM pool mode"),
        (
            "nshielddocs.entrust.com: Security World v13.6.3, PKCS#11 library environment variables",
            "nshielddocs.entrust.com: Security World v13.6.3, PKCS#11 with load sharing mode",
        ),
        (
            "both HSMs in one Security World: keys are files in /opt/nfast/kmdata/local that every HSM of the world opens;"
            " name the same softcard for both"
        ),
    ),
    "utimaco": Profile(
        "Utimaco SecurityServer / u.trust (PKCS#11 R2 and R3)",
        "utimaco",
        (
            "/usr/lib/libcs_pkcs11_R3.so",
            "/usr/lib/libcs_pkcs11_R2.so",
            "/opt/utimaco/lib/libcs_pkcs11_R3.so",
        ),
        "backup of the key database under the Master Backup Key, which custodians hold in shares (csadm, P11CAT)",
        (
            "the library reads cs_pkcs11_R2.cfg or cs_pkcs11_R3.cfg; CS_PKCS11_R2_CFG or CS_PKCS11_R3_CFG in the environment names it",
            "several devices in that file are a load-balancing or fail-over group of the library's own: the appliance sees one token",
        ),
        ("mechanisms by firmware package", "how long a call to a lost device takes", "Ed25519"),
        ("Utimaco CryptoServer PKCS#11 R2 Developer Guide 1.2.20, chapters 3 to 5",),
        "the same master backup key in both, then backup and restore of the slot's keys with p11tool2 or the administration tool",
    ),
    "yubihsm2": Profile(
        "YubiHSM 2",
        "yubico",
        ("/usr/lib/x86_64-linux-gnu/pkcs11/yubihsm_pkcs11.so", "/usr/local/lib/pkcs11/yubihsm_pkcs11.so"),
        "export under a wrap key made with `yubihsm-setup`, which splits it into shares; keys need the capability exportable-under-wrap",
        (
            "no AES-GCM and no RFC 3394 key wrapping for applications: what can work is aes-cbc-hmac, with firmware that has AES",
            (
                "a session that idles is closed by the device and only C_Finalize helps: the keep-alive of a second prevents it, and a"
                " worker that fails is replaced whole"
            ),
            "the PIN is the number of the authentication key in four hexadecimal digits, then its password; wrong tries are not counted",
            "at most 256 objects in 126 KB, and 16 sessions: fine for the three keys here",
            "YUBIHSM_PKCS11_CONF names the configuration with the connector's address",
        ),
        (
            "throw-away (session) keys, which every trial makes",
            "speed: a few tens of operations a second is what is published",
        ),
        (
            "docs.yubico.com: YubiHSM 2 User Guide, device specifications and core concepts",
            "yubihsm-shell issue 541",
        ),
        "one wrap key in both, then `yubihsm-setup dump` and `restore`; keys need the capability exportable-under-wrap from their making",
    ),
}


def profile_of(manufacturer: str) -> Profile | None:
    """The profile whose maker says so of itself."""
    return next((p for p in PROFILES.values() if p.maker in manufacturer.lower()), None)


def installed() -> dict[str, str]:
    """Name of a profile -> its library, for those that are installed here."""
    found = {}
    for name, profile in PROFILES.items():
        for module in profile.modules:
            if Path(module).is_file():
                found[name] = module
                break
    return found
