"""Settings of CAMARA as rows: whose operator is asked about which numbers, and what is made of its answer for which purposes of codes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from appliance.errors import Error
from appliance.limits import CAMARA_ROWS_MAX, NUMBER_CHECK_MS_MAX, PURPOSE_CHARACTERS_MAX

from .listen import LOOPBACK
from .rows import Setting

ANY_PURPOSE: Final = "*"
_PATH: Final = re.compile(r"[a-z0-9][a-z0-9.-]{0,63}(?:/[a-z0-9][a-z0-9.-]{0,63}){0,3}")
_PURPOSE: Final = re.compile(rf"[a-z0-9][a-z0-9._-]{{0,{PURPOSE_CHARACTERS_MAX - 1}}}")
_SCOPE: Final = re.compile(r"dpv:[A-Za-z]{1,64}")

CAMARA_SETTINGS: Final[tuple[Setting, ...]] = (
    Setting("prefix", "str", "", "digits of the numbers it is asked for, without the plus; empty: every number"),
    Setting("api", "str", None, "root of its APIs (`apiRoot`), such as https://api.operator.example/camara"),
    Setting("sim_swap", "str", "sim-swap/v2", "where the SIM Swap API is below it; empty: it is not asked"),
    Setting("tenure", "str", "", "where the KYC Tenure API is, such as kyc-tenure/v0.2; empty: it is not asked"),
    Setting(
        "question",
        ("check", "retrieve-date"),
        "check",
        "what the SIM Swap API is asked: whether the SIM was changed, or when; the first tells less of the customer",
    ),
    Setting("token_url", "str", None, "where access tokens are asked for"),
    Setting(
        "grant",
        ("client_credentials", "jwt-bearer"),
        "client_credentials",
        "how: a token of the bank's, or one for each number (the operator then checks the customer's consent), which takes `key_file`",
    ),
    Setting("client_id", "str", None, "the bank's name at the operator"),
    Setting("key_file", "path", "", "PEM private key (P-256 or RSA) that signs who asks: `private_key_jwt`"),
    Setting("key_id", "str", "", "its `kid`, if the operator gave one"),
    Setting("secret_file", "path", "", "file with a client secret, one line, where the operator takes no signed JWT"),
    Setting("purpose", "str", "dpv:FraudPreventionAndDetection", "what the bank declares it asks for (W3C DPV)"),
    Setting("ca", "path", "", "PEM certificates of who signs its servers' ones; empty: the system's authorities"),
    Setting(
        "timeout_ms",
        "int",
        2_000,
        "so long a code waits for the answer, the token included",
        100,
        NUMBER_CHECK_MS_MAX,
    ),
)

NUMBER_CHECK_SETTINGS: Final[tuple[Setting, ...]] = (
    Setting("purposes", "strs", None, 'purposes whose codes it is for; ["*"]: all that no other row names'),
    Setting("swap_hours", "int", 72, "a SIM changed within so many hours is a risk; 0: it is not asked for", 0, 2_400),
    Setting(
        "tenure_days",
        "int",
        0,
        "a customer of the operator for fewer days is a risk; 0: it is not asked for",
        0,
        3_650,
    ),
    Setting("at_risk", ("refuse", "send"), "refuse", "what becomes of the code then; either is on the audit log"),
    Setting("unknown", ("send", "refuse"), "send", "what becomes of it when the operator cannot say"),
)


@dataclass(frozen=True)
class Camara:
    """One row of CAMARA_SETTINGS: an operator, or who speaks for several."""

    prefix: str
    api: str
    sim_swap: str
    tenure: str
    question: str
    token_url: str
    grant: str
    client_id: str
    key_file: str
    key_id: str
    secret_file: str
    purpose: str
    ca: str
    timeout_ms: int


@dataclass(frozen=True)
class NumberCheck:
    """One row of NUMBER_CHECK_SETTINGS."""

    purposes: tuple[str, ...]
    swap_hours: int
    tenure_days: int
    at_risk: str
    unknown: str


def web_server(url: str, name: str) -> tuple[bool, str, int]:
    """Whether by TLS, host and port. Raises Error `settings_invalid`: in clear text only on loopback."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or {"https": 443, "http": 80}.get(parts.scheme, 0)
    except ValueError:
        parts, host, port = urlsplit(""), "", 0
    if not host or not port or parts.query or parts.fragment or "@" in parts.netloc or not url.isascii():
        raise Error("settings_invalid", f"{name}: {url!r} is no address", "https://HOST/PATH")
    if parts.scheme != "https" and not (parts.scheme == "http" and host in LOOPBACK):
        raise Error("settings_invalid", f"{name}: {url!r} is in clear text", "https://HOST/PATH")
    return parts.scheme == "https", host, port


def camaras_of(rows: list[dict[str, Any]], source: str) -> tuple[Camara, ...]:
    """Rows whose types are checked, the longest prefix first. Raises Error `settings_invalid` naming row and mistake."""
    out: list[Camara] = []
    if len(rows) > CAMARA_ROWS_MAX:
        raise Error("settings_invalid", f"{source}: {len(rows)} rows of camara", f"at most {CAMARA_ROWS_MAX}")
    for n, row in enumerate(rows, 1):
        where = f"{source}: camara {n}"
        if not re.fullmatch(r"[0-9]{0,15}", row["prefix"], re.ASCII):
            raise Error("settings_invalid", f"{where}: prefix {row['prefix']!r} is not up to 15 digits")
        if any(other.prefix == row["prefix"] for other in out):
            raise Error("settings_invalid", f"{where}: prefix {row['prefix']!r} has a row already")
        for name in ("api", "token_url"):
            web_server(row[name], f"{where}: {name}")
        paths = [row[name] for name in ("sim_swap", "tenure") if row[name]]
        if not paths or not all(_PATH.fullmatch(path) for path in paths):
            raise Error(
                "settings_invalid", f"{where}: `sim_swap` and `tenure` are no paths", "as sim-swap/v2, kyc-tenure/v0.2"
            )
        if not row["client_id"].isascii() or not 0 < len(row["client_id"]) <= 200 or ":" in row["client_id"]:
            raise Error("settings_invalid", f"{where}: `client_id` is no name", "as the operator gave it")
        if bool(row["key_file"]) == bool(row["secret_file"]):
            raise Error("settings_invalid", f"{where}: give `key_file` or `secret_file`", "who asks has to prove it")
        if row["grant"] == "jwt-bearer" and not row["key_file"]:
            raise Error(
                "settings_invalid", f"{where}: `jwt-bearer` takes `key_file`", "each number's request is signed"
            )
        if row["purpose"] and not _SCOPE.fullmatch(row["purpose"]):
            raise Error(
                "settings_invalid", f"{where}: purpose {row['purpose']!r}", "as dpv:FraudPreventionAndDetection"
            )
        out.append(Camara(**row | {"api": row["api"].rstrip("/")}))
    return tuple(sorted(out, key=lambda camara: -len(camara.prefix)))


def number_checks_of(rows: list[dict[str, Any]], camaras: tuple[Camara, ...], source: str) -> tuple[NumberCheck, ...]:
    """The same of what is made of answers."""
    out: list[NumberCheck] = []
    named: set[str] = set()
    for n, row in enumerate(rows, 1):
        where = f"{source}: number_check {n}"
        purposes = tuple(row["purposes"])
        for purpose in purposes:
            if purpose != ANY_PURPOSE and not _PURPOSE.fullmatch(purpose):
                raise Error("settings_invalid", f"{where}: {purpose!r} is no purpose", 'in small letters, or "*"')
            if purpose in named:
                raise Error("settings_invalid", f"{where}: {purpose!r} has a row already")
            named.add(purpose)
        if not purposes:
            raise Error("settings_invalid", f"{where}: `purposes` is empty", 'name some, or "*"')
        asked = {"sim_swap": row["swap_hours"], "tenure": row["tenure_days"]}
        if not any(asked.values()):
            raise Error("settings_invalid", f"{where}: nothing is asked for", "give swap_hours or tenure_days")
        for name, wanted in asked.items():
            if wanted and not any(getattr(camara, name) for camara in camaras):
                raise Error("settings_invalid", f"{where}: no [[camara]] has a `{name}`", "say who is to be asked")
        out.append(NumberCheck(**row | {"purposes": purposes}))
    return tuple(out)
