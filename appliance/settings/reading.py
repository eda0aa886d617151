"""From a TOML file to settings: every key known and checked, links with their profiles, routes; nothing is guessed."""

from __future__ import annotations

import copy
import hashlib
import json
import os
import re
import tomllib
from pathlib import Path
from typing import Any, Final

from appliance.errors import Error
from appliance.limits import AUDIT_KEEP_DAYS_MIN

from .camara import CAMARA_SETTINGS, NUMBER_CHECK_SETTINGS, Camara, NumberCheck, camaras_of, number_checks_of
from .channel import CHANNEL_SETTINGS, Channel, channels_of
from .checking import checked, tlv, unknown
from .directory import server as directory_server
from .enum import ENUM_SETTINGS, Enum, enums_of
from .fitting import faults
from .hours import HINT, Hours
from .inbound import INBOUND_SETTINGS, InboundWebhook, inbound_of
from .link import LINK_SETTINGS, Link
from .listen import address, witness_address
from .oidc import issuer_address
from .profile import find, merged
from .programme import MARKETING, PROGRAMME_SETTINGS, Programme, programmes_of
from .quiet import QUIET_SETTINGS, QuietHours, quiet_of
from .route import OPERATOR_SETTINGS, ROUTE_SETTINGS, Operator, Route, operators_of, routes_of
from .rows import SETTINGS, Setting
from .two_people import check_two_people

TABLES: Final = {
    "link": LINK_SETTINGS,
    "route": ROUTE_SETTINGS,
    "operator": OPERATOR_SETTINGS,
    "programme": PROGRAMME_SETTINGS,
    "quiet_hours": QUIET_SETTINGS,
    "enum": ENUM_SETTINGS,
    "inbound_webhook": INBOUND_SETTINGS,
    "camara": CAMARA_SETTINGS,
    "number_check": NUMBER_CHECK_SETTINGS,
    "channel": CHANNEL_SETTINGS,
}


class Settings:
    """The settings of one box: `settings["api.listen"]`, `.links`, `.routes`, and the places in its state folder."""

    def __init__(
        self,
        values: dict[str, Any],
        links: tuple[Link, ...],
        routes: tuple[Route, ...],
        home: Path,
        operators: tuple[Operator, ...] = (),
        programmes: tuple[Programme, ...] = (MARKETING,),
        quiet_hours: tuple[QuietHours, ...] = (),
        enums: tuple[Enum, ...] = (),
        inbound_webhooks: tuple[InboundWebhook, ...] = (),
        camaras: tuple[Camara, ...] = (),
        number_checks: tuple[NumberCheck, ...] = (),
        channels: dict[str, Channel] | None = None,
    ) -> None:
        self._values = values
        self.links = links
        self.routes = routes
        self.operators = operators
        self.programmes = programmes
        self.quiet_hours = quiet_hours
        self.enums = enums
        self.inbound_webhooks = inbound_webhooks
        self.camaras = camaras
        self.number_checks = number_checks
        self.channels = channels if channels is not None else channels_of([], "")
        self.home = home

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def having(self, values: dict[str, Any]) -> Settings:
        """The same settings with other values for some."""
        other = copy.copy(self)
        other._values = {**self._values, **values}
        return other

    def socket(self, process: str) -> Path:
        """The Unix socket of a process: `keys`, `auditor`, `engine-0`, `gateway-0`, `courier`."""
        return self.home / "run" / f"{process}.sock"

    def digest(self) -> str:
        """SHA-256 in hexadecimal of all that is set, defaults included, and of no password: what the audit log says of settings."""
        links = [{k: v for k, v in vars(link).items() if k != "password"} for link in self.links]
        rows = [
            [vars(row) for row in table]
            for table in (
                self.routes,
                self.operators,
                self.programmes,
                self.quiet_hours,
                self.enums,
                self.inbound_webhooks,
                self.camaras,
                self.number_checks,
                self.channels.values(),
            )
        ]
        whole = [self._values, links, *rows]
        return hashlib.sha256(json.dumps(whole, sort_keys=True, default=bytes.hex).encode()).hexdigest()

    @property
    def store(self) -> Path:
        """Folder of the message partitions of the first engine; those of the others are in it."""
        return self.home / "store"

    @property
    def kept_days(self) -> int:
        """Days that a daily key outlives its day: as long as anything sealed under it is kept."""
        return int(max(self["store.retention_days"], self["door.keep_days"]))

    def store_of(self, shard: int) -> Path:
        """Folder of the message partitions of one engine."""
        return self.store / f"shard-{shard}" if shard else self.store

    @property
    def engines(self) -> tuple[str, ...]:
        """Names of the engine processes, in the order of their shards."""
        return tuple(f"engine-{shard}" for shard in range(self["engine.shards"]))

    @property
    def stores(self) -> dict[int, Path]:
        """Folders of partitions by shard: of the engines there are, and of those that left something to read."""
        left = {int(m[1]) for path in self.store.glob("shard-*") if (m := re.fullmatch(r"shard-(\d{1,2})", path.name))}
        return {shard: self.store_of(shard) for shard in sorted({*range(self["engine.shards"]), *left})}


def home_of(environ: dict[str, str] | os._Environ[str] = os.environ) -> Path:
    """The state folder: CASEMATE_HOME, else `var/` in a checkout, else `/var/lib/casemate`."""
    if environ.get("CASEMATE_HOME"):
        return Path(environ["CASEMATE_HOME"]).absolute()
    checkout = Path(__file__).resolve().parents[2]
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
                if key == "link" and given.get("profile") and isinstance(given["profile"], str):
                    given = merged(given, find(given["profile"], folder))
                tables[key].append(_rows(given, TABLES[key], where, folder))
        elif isinstance(inner, dict):
            for name, value in inner.items():
                row = rows.get(f"{key}.{name}")
                if row is None:
                    raise unknown("setting", f"{key}.{name}", list(rows), source)
                values[row.name] = checked(row, value, source, folder)
        else:
            raise unknown("setting", key, [*rows, *TABLES], source)
    links = tuple(_link(t, f"{source}: link {n + 1}") for n, t in enumerate(tables["link"]))
    names = [link.name for link in links]
    if len(set(names)) != len(names):
        raise Error("settings_invalid", f"{source}: two links have the same name")
    _check_people(values)
    check_two_people(values, source)
    if values["engine.spread"] > values["engine.shards"]:
        hint = "engine.spread is how many of engine.shards take new messages; 0: all"
        raise Error("settings_invalid", f"{source}: `engine.spread` is above `engine.shards`", hint)
    try:
        Hours.read(tuple(values["review.hours"]), values["review.timezone"])
    except ValueError as e:
        raise Error("settings_invalid", f"{source}: review.hours: {e}", HINT) from None
    for name in ("siem.target", "network.proxy"):
        if values[name]:
            address(values[name])
    if 0 < values["audit.keep_days"] < AUDIT_KEEP_DAYS_MIN:
        hint = "PCI DSS 4 requirement 10.5.1 asks for twelve months; 0 keeps it for ever"
        raise Error("settings_invalid", f"{source}: `audit.keep_days` is below {AUDIT_KEEP_DAYS_MIN}", hint)
    for url in values["audit.witness_urls"]:
        witness_address(url)
    operators = operators_of(tables["operator"], source)
    routes = routes_of(tables["route"], names, [o.name for o in operators], source)
    if links and not routes:
        routes = (Route("", tuple(names)),)
    programmes = programmes_of(tables["programme"], source)
    exempt = values["consent.exempt_classes"]
    quiet = quiet_of(tables["quiet_hours"], [p.name for p in programmes], exempt, source)
    hooks = inbound_of(tables["inbound_webhook"], source)
    enums, camaras = enums_of(tables["enum"], source), camaras_of(tables["camara"], source)
    checks = number_checks_of(tables["number_check"], camaras, source)
    channels = channels_of(tables["channel"], source)
    return Settings(values, links, routes, home, operators, programmes, quiet, enums, hooks, camaras, checks, channels)


def _check_people(values: dict[str, Any]) -> None:
    """Where the bank's own people are asked for. Raises Error `settings_invalid`."""
    for url in values["directory.urls"]:
        directory_server(url)
    if values["oidc.issuer"]:
        issuer_address(values["oidc.issuer"])


def parse_routes(
    raw: dict[str, Any], links: list[str], source: str, folder: Path | None = None
) -> tuple[tuple[Route, ...], tuple[Operator, ...]]:
    """Routes and operators from a document that holds nothing else, over `links` of the settings. Raises Error `settings_invalid`."""
    tables: dict[str, list[dict[str, Any]]] = {"route": [], "operator": []}
    for key, inner in raw.items():
        if key not in tables:
            raise unknown("table", key, list(tables), source, "a file of routes holds [[route]] and [[operator]]")
        if not isinstance(inner, list) or not all(isinstance(t, dict) for t in inner):
            raise Error("settings_invalid", f"{source}: write [[{key}]] with two brackets")
        tables[key] = [_rows(t, TABLES[key], f"{source}: {key} {n}", folder) for n, t in enumerate(inner, 1)]
    operators = operators_of(tables["operator"], source)
    return routes_of(tables["route"], links, [o.name for o in operators], source), operators


def _rows(given: dict[str, Any], table: tuple[Setting, ...], where: str, folder: Path | None) -> dict[str, Any]:
    rows = {s.name: s for s in table}
    out: dict[str, Any] = {}
    for name, value in given.items():
        if name not in rows:
            raise unknown("setting", name, list(rows), where)
        out[name] = checked(rows[name], value, where, folder)
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
    fields["shift_tables"] = tuple(row["shift_tables"])
    fields["more_hosts"] = tuple(address(text) for text in row["more_hosts"])
    written = tuple(tlv(given, where, declared=True) for given in row["tlvs"])
    fields["tlvs"] = tuple(each for each in written if each.value or each.by_sender or each.register)
    fields["tlv_names"] = {each.tag: each.name for each in written}
    found = faults(Link(password=password, doubts=(), **fields), list(written))
    for fault in found:
        if fault.fatal:
            raise Error("settings_invalid", f"{where}: {fault.message}", fault.hint)
    return Link(password=password, doubts=tuple((fault.message, fault.hint) for fault in found), **fields)
