"""Every setting as one row of one table; the TOML reader, `--help`, the manual page and Ansible's argument specs derive from it.

Unknown keys are errors. Secrets are named by file, never written into the settings.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

from appliance.errors import Error


class Setting(NamedTuple):
    """One row. `kind` is one of str, int, float, bool, path, strs (list of str), or a tuple of the allowed words."""

    name: str
    kind: str | tuple[str, ...]
    default: Any
    help: str
    least: float | None = None
    most: float | None = None


SETTINGS: Final[tuple[Setting, ...]] = (
    Setting("api.listen", "str", "127.0.0.1:8080", "address and port of the REST API; clear text only on loopback"),
    Setting("api.tls_certificate", "path", "", "PEM chain of the REST API's server certificate"),
    Setting("api.tls_key", "path", "", "PEM key of the REST API's server certificate"),
    Setting("api.gateways", "int", 1, "gateway processes; one per core is a good number", 1, 64),
    Setting("console.listen", "str", "127.0.0.1:8081", "address and port of the admin console"),
    Setting("console.tls_certificate", "path", "", "PEM chain of the console's server certificate"),
    Setting("console.tls_key", "path", "", "PEM key of the console's server certificate"),
    Setting("console.idle_minutes", "int", 15, "a session ends after so long without a request", 1, 480),
    Setting("console.absolute_hours", "int", 8, "a session ends after so long whatever happens", 1, 24),
    Setting("hsm.module", "path", "", "PKCS#11 library; empty: the embedded SoftHSM"),
    Setting("hsm.token_label", "str", "casemate", "label of the token that holds the keys"),
    Setting(
        "hsm.pin_file",
        "path",
        "",
        "file with the user PIN; empty: systemd credential `hsm-pin`, else made on first run for SoftHSM",
    ),
    Setting("hsm.call_s_max", "float", 5.0, "a PKCS#11 call that takes longer is ended with its worker", 0.1, 9.0),
    Setting(
        "audit.origin",
        "str",
        "casemate.local/audit",
        "name of this box's log in its checkpoints (C2SP tlog-checkpoint origin)",
    ),
    Setting("store.retention_days", "int", 30, "days that a partition of messages is kept", 1, 3650),
    Setting(
        "engine.indeterminate_otp",
        ("resend", "hold"),
        "resend",
        "a one-time code that may or may not have left: send again, or hold",
    ),
    Setting("engine.indeterminate_other", ("resend", "hold"), "hold", "the same for every other class"),
    Setting("webhook.hosts", "strs", [], "hosts that callbacks may go to, exact names; https only except on loopback"),
    Setting("webhook.allow_loopback", "bool", False, "callbacks to 127.0.0.1 in clear text, for tests and demos"),
    Setting(
        "limits.requests_per_s",
        "int",
        200,
        "messages a second per API key unless the key says otherwise; 0: no limit",
        0,
        1_000_000,
    ),
    Setting("simulator.listen", "str", "127.0.0.1:2775", "SMPP address of the simulated operator that the demo starts"),
    Setting("simulator.control", "str", "127.0.0.1:8082", "HTTP control of the simulated operator"),
)

LINK_SETTINGS: Final[tuple[Setting, ...]] = (
    Setting("name", "str", None, "name of the link: letters, digits, dash"),
    Setting("host", "str", None, "operator's host name or address"),
    Setting("port", "int", 2775, "operator's port", 1, 65_535),
    Setting("system_id", "str", "", "user name for the bind"),
    Setting("password_file", "path", "", "file that holds the bind's password"),
    Setting("system_type", "str", "", "system_type of the bind"),
    Setting("bind", ("transceiver", "pair"), "transceiver", "one bind for both ways, or a transmitter and a receiver"),
    Setting("window", "int", 100, "submits under way without an answer", 1, 10_000),
    Setting("pace", "float", 0.0, "segments a second; 0: no limit", 0, 1_000_000),
    Setting("enquire_s", "float", 30.0, "enquire_link after so long without traffic", 1, 3_600),
    Setting("response_s", "float", 10.0, "an answer that takes longer ends the bind", 0.5, 600),
    Setting("reconnect_s_min", "float", 0.5, "first pause before binding again", 0.05, 600),
    Setting("reconnect_s_max", "float", 60.0, "longest pause before binding again", 0.1, 3_600),
    Setting(
        "throttle_pause_s", "float", 1.0, "pause of the whole link after ESME_RTHROTTLED or ESME_RMSGQFUL", 0.05, 600
    ),
    Setting("tls", "bool", False, "TLS to the operator"),
    Setting("tls_ca", "path", "", "PEM authorities the operator's certificate is checked against; empty: the system's"),
    Setting("tls_certificate", "path", "", "PEM client certificate for the operator"),
    Setting("tls_key", "path", "", "PEM key of the client certificate"),
    Setting(
        "id_base",
        ("as_is", "hex_dec", "dec_hex", "hex", "dec"),
        "as_is",
        "base of message ids in the response and in the receipt: as_is compares text; hex_dec means hex in the response, decimal in the receipt",
    ),
    Setting("reference_bits", ("8", "16"), "16", "size of the reference number of long messages"),
    Setting("default_sender", "str", "", "sender when the message names none"),
    Setting("source_ton", "int", -1, "type of number of the sender; -1: by its form", -1, 7),
    Setting("source_npi", "int", -1, "numbering plan of the sender; -1: by its form", -1, 18),
)

ROUTE_SETTINGS: Final[tuple[Setting, ...]] = (
    Setting("prefix", "str", "", "digits a number starts with, without the plus; empty: every number"),
    Setting("links", "strs", None, "links in order of preference"),
)

TABLES: Final = {"link": LINK_SETTINGS, "route": ROUTE_SETTINGS}


@dataclass(frozen=True)
class Link:
    """One operator link as LINK_SETTINGS describes it; `password` was read from its file."""

    name: str
    host: str
    port: int
    system_id: str
    password: str = field(repr=False)
    system_type: str
    bind: str
    window: int
    pace: float
    enquire_s: float
    response_s: float
    reconnect_s_min: float
    reconnect_s_max: float
    throttle_pause_s: float
    tls: bool
    tls_ca: str
    tls_certificate: str
    tls_key: str
    id_base: str
    reference_bits: int
    default_sender: str
    source_ton: int
    source_npi: int


@dataclass(frozen=True)
class Route:
    prefix: str
    links: tuple[str, ...]


class Settings:
    """The settings of one box: `settings["api.listen"]`, `.links`, `.routes`, and the places in its state folder."""

    def __init__(self, values: dict[str, Any], links: tuple[Link, ...], routes: tuple[Route, ...], home: Path) -> None:
        self._values = values
        self.links = links
        self.routes = routes
        self.home = home

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def socket(self, process: str) -> Path:
        """The Unix socket of a process: `keys`, `auditor`, `engine-0`, `gateway-0`, `courier`."""
        return self.home / "run" / f"{process}.sock"

    def digest(self) -> str:
        """SHA-256 in hexadecimal of all that is set, defaults included, and of no password: what the audit log says of settings."""
        links = [{k: v for k, v in vars(link).items() if k != "password"} for link in self.links]
        whole = [self._values, links, [vars(route) for route in self.routes]]
        return hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()

    @property
    def store(self) -> Path:
        """Folder of the message partitions."""
        return self.home / "store"


def home_of(environ: dict[str, str] | os._Environ[str] = os.environ) -> Path:
    """The state folder: CASEMATE_HOME, else `var/` in a checkout, else `/var/lib/casemate`."""
    if environ.get("CASEMATE_HOME"):
        return Path(environ["CASEMATE_HOME"]).absolute()
    checkout = Path(__file__).resolve().parent.parent
    if (checkout / "pyproject.toml").exists():
        return checkout / "var"
    return Path("/var/lib/casemate")


def load(config: Path | None = None, home: Path | None = None) -> Settings:
    """Reads the settings file (`config`, else CASEMATE_CONFIG, else /etc/casemate/casemate.toml when it exists).

    Raises Error `settings_invalid` naming file, key and what is allowed.
    """
    home = home or home_of()
    path = config or (Path(os.environ["CASEMATE_CONFIG"]) if os.environ.get("CASEMATE_CONFIG") else None)
    if path is None:
        path = Path("/etc/casemate/casemate.toml")
        if not path.exists():
            return parse({}, home, "defaults")
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise Error(
            "settings_invalid", f"settings file {path} is not there", "name another with CASEMATE_CONFIG"
        ) from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as e:
        raise Error("settings_invalid", f"settings file {path} cannot be read: {e}") from None
    return parse(raw, home, str(path), path.parent)


def parse(raw: dict[str, Any], home: Path, source: str, folder: Path | None = None) -> Settings:
    """Settings from a parsed TOML document; relative paths are taken from `folder`."""
    values = {s.name: s.default for s in SETTINGS}
    rows = {s.name: s for s in SETTINGS}
    tables: dict[str, list[dict[str, Any]]] = {name: [] for name in TABLES}
    for key, inner in raw.items():
        if key in TABLES:
            if not isinstance(inner, list) or not all(isinstance(t, dict) for t in inner):
                raise Error("settings_invalid", f"{source}: write [[{key}]] with two brackets")
            for n, given in enumerate(inner):
                where = f"{source}: {key} {n + 1}"
                tables[key].append(_rows(given, TABLES[key], where, folder))
        elif isinstance(inner, dict):
            for name, value in inner.items():
                row = rows.get(f"{key}.{name}")
                if row is None:
                    raise _unknown(f"{key}.{name}", list(rows), source)
                values[row.name] = _checked(row, value, source, folder)
        else:
            raise _unknown(key, [*rows, *TABLES], source)
    links = tuple(_link(t, f"{source}: link {n + 1}") for n, t in enumerate(tables["link"]))
    names = [link.name for link in links]
    if len(set(names)) != len(names):
        raise Error("settings_invalid", f"{source}: two links have the same name")
    routes = tuple(Route(t["prefix"], tuple(t["links"])) for t in tables["route"])
    for route in routes:
        if not route.prefix.isascii() or (route.prefix and not route.prefix.isdigit()):
            raise Error("settings_invalid", f"{source}: route prefix {route.prefix!r} is not digits")
        for name in route.links:
            if name not in names:
                raise Error(
                    "settings_invalid",
                    f"{source}: route {route.prefix!r} names the unknown link {name!r}",
                    f"links: {', '.join(names) or 'none'}",
                )
    if links and not routes:
        routes = (Route("", tuple(names)),)
    return Settings(values, links, routes, home)


def _rows(given: dict[str, Any], table: tuple[Setting, ...], where: str, folder: Path | None) -> dict[str, Any]:
    rows = {s.name: s for s in table}
    out: dict[str, Any] = {}
    for name, value in given.items():
        if name not in rows:
            raise _unknown(name, list(rows), where)
        out[name] = _checked(rows[name], value, where, folder)
    for row in table:
        if row.name not in out:
            if row.default is None:
                raise Error("settings_invalid", f"{where}: `{row.name}` is missing", row.help)
            out[row.name] = row.default
    return out


def _link(row: dict[str, Any], where: str) -> Link:
    if not re.fullmatch(r"[A-Za-z0-9-]{1,32}", row["name"]):
        raise Error("settings_invalid", f"{where}: name {row['name']!r}", "1 to 32 letters, digits and dashes")
    password = ""
    if row["password_file"]:
        try:
            password = Path(row["password_file"]).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError):
            raise Error(
                "settings_invalid", f"{where}: password_file cannot be read", "one line of text, readable by the engine"
            ) from None
    fields = {k: v for k, v in row.items() if k != "password_file"}
    fields["reference_bits"] = int(row["reference_bits"])
    return Link(password=password, **fields)


_KINDS: Final[dict[str, tuple[type, ...]]] = {
    "str": (str,),
    "path": (str,),
    "int": (int,),
    "float": (int, float),
    "bool": (bool,),
    "strs": (list,),
}


def _checked(row: Setting, value: Any, source: str, folder: Path | None) -> Any:
    def wrong(what: str) -> Error:
        return Error("settings_invalid", f"{source}: `{row.name}` {what}", row.help)

    if isinstance(row.kind, tuple):
        if str(value) not in row.kind:
            raise wrong(f"must be one of {', '.join(row.kind)}")
        return str(value)
    fits: bool = isinstance(value, _KINDS[row.kind]) and (row.kind == "bool" or not isinstance(value, bool))
    if not fits:
        raise wrong(f"must be of type {row.kind}")
    if row.kind == "strs" and not all(isinstance(v, str) for v in value):
        raise wrong("must be a list of strings")
    if row.kind in ("int", "float"):
        if (row.least is not None and value < row.least) or (row.most is not None and value > row.most):
            raise wrong(f"must be between {row.least} and {row.most}")
        return float(value) if row.kind == "float" else value
    if row.kind == "path" and value and folder is not None:
        return str(folder / value)
    return value


def _unknown(name: str, known: list[str], source: str) -> Error:
    import difflib

    near = difflib.get_close_matches(name, known, 1)
    return Error(
        "settings_invalid",
        f"{source}: unknown setting `{name}`",
        f"did you mean `{near[0]}`?" if near else "see `casemate settings`",
    )


def address(text: str) -> tuple[str, int]:
    """`("127.0.0.1", 8080)` for "127.0.0.1:8080"; IPv6 in brackets. Raises Error `settings_invalid`."""
    host, _, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not host or not port.isascii() or not port.isdigit() or not 0 <= int(port) <= 65_535:
        raise Error("settings_invalid", f"{text!r} is not ADDRESS:PORT")
    return host, int(port)


def check_listen(text: str, certificate: str) -> tuple[str, int]:
    """Address and port, refused with `unsafe_listen` when it is reachable from outside and has no certificate."""
    host, port = address(text)
    if not certificate and host not in ("127.0.0.1", "::1", "localhost"):
        raise Error(
            "unsafe_listen",
            f"clear text on {host} is refused",
            "set tls_certificate and tls_key, or listen on 127.0.0.1",
        )
    return host, port
