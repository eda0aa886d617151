"""Settings of the HSM, of the second one, and of the register of certificates and keys."""

from __future__ import annotations

from typing import Final

from .setting import Setting

HSM_SETTINGS: Final[tuple[Setting, ...]] = (
    Setting("hsm.module", "path", "", "PKCS#11 library; empty: the embedded SoftHSM"),
    Setting(
        "hsm.init_string",
        "str",
        "",
        "initialisation string for the library (C_Initialize pReserved); only NSS softokn needs one",
    ),
    Setting("hsm.token_label", "str", "casemate", "label of the token that holds the keys"),
    Setting(
        "hsm.pin_file",
        "path",
        "",
        "file with the user PIN; empty: systemd credential `hsm-pin`, else made on first run for SoftHSM",
    ),
    Setting(
        "hsm.first_keys",
        ("at start", "ceremony"),
        "at start",
        "how the keys in the token come to be: made at the first start, never to leave it; or by ceremony, with a copy for custodians",
    ),
    Setting(
        "hsm.opened_by",
        ("pin", "person", "custodians"),
        "pin",
        "who opens the token at a start: its PIN file or credential; a person who types the PIN; custodians who enter shares",
    ),
    Setting(
        "hsm.grace_s",
        "float",
        900.0,
        "seconds that new messages are taken under the day's key in memory while the HSM is away; 0: refused at once",
        0.0,
        86_400.0,
    ),
    Setting("hsm.call_s_max", "float", 5.0, "a PKCS#11 call that takes longer is ended with its worker", 0.1, 9.0),
    Setting(
        "hsm.replicable",
        "bool",
        False,
        "new keys may be wrapped for another token by whoever has the PIN; for adding a second HSM later without its vendor's cloning",
    ),
    Setting("hsm.second_token_label", "str", "", "label of the token in the second HSM; empty: there is one HSM"),
    Setting(
        "hsm.second_module",
        "path",
        "",
        "PKCS#11 library of the second HSM; empty: that of the first, or another embedded SoftHSM",
    ),
    Setting("hsm.second_init_string", "str", "", "initialisation string for the second HSM's library"),
    Setting(
        "hsm.second_pin_file",
        "path",
        "",
        "file with the second user PIN; empty: systemd credential `hsm-second-pin`, else made on first run for SoftHSM",
    ),
    Setting(
        "hsm.failover_s_max",
        "float",
        2.0,
        "with two HSMs: a call that takes longer is ended, and asked of the other",
        0.1,
        9.0,
    ),
    Setting(
        "hsm.return_s",
        "float",
        10.0,
        "with two HSMs: the first serves again when it has been well for so long; doubles with each fail-over of the last hour",
        0.1,
        3_600.0,
    ),
    Setting(
        "register.owners",
        "strs",
        [],
        'who answers for what in the register, as ["api: IT operations", "link: messaging", "hsm: key officer"]: ID, or its beginning',
    ),
    Setting("register.root_days", "int", 365, "days after which a root key is due to be rotated", 30, 3650),
    Setting(
        "register.secret_days",
        "int",
        365,
        "days after which API keys and passwords of the SMPP door are due to be replaced; 0: never",
        0,
        3650,
    ),
)
