"""The demo: embedded defaults together with a simulated operator, and a file that tells others how to reach it.

Not for production: it makes an API key without a rate limit and writes it down in clear, readable by its owner alone.
"""

from __future__ import annotations

import contextlib
import json
import secrets
import shlex
import tomllib
from pathlib import Path
from typing import Any, Final

from appliance import atomic
from appliance.access import Access
from appliance.audit import BlockingRecorder
from appliance.errors import Error
from appliance.settings import SETTINGS, TABLES, Settings, address, parse

from .ports import free

DEMO: Final = "demo"
LINK: Final = "simulated"
SUPERVISOR: Final = "process:supervisor"
#: Who listens where.
LISTENERS: Final = {
    "gateway": ("api.listen",),
    "door": ("door.listen",),
    "console": ("console.listen",),
    "simulator": ("simulator.listen", "simulator.control"),
}
LISTENS: Final = ("api.listen", "door.listen", "console.listen", "simulator.listen", "simulator.control")


def demo_settings(config: Path | None, home: Path, avoid: frozenset[int] = frozenset()) -> tuple[Settings, Path]:
    """The settings of the demo and the file they were written to, for its processes to read.

    What `config` says stays; a free port is taken where a default one is not free, a link to the simulated operator is
    added when the file names no link, and a file without a route sends every number over its links in their order.
    `avoid`: ports that are not chosen.
    Raises Error `settings_invalid` or `address_in_use`.
    """
    raw = _absolute(_read(config), config.parent.absolute()) if config is not None else {}
    parse(raw, home, str(config or "defaults"))  # mistakes are told with the name of the file that has them
    taken = set(avoid)
    for name in LISTENS:
        section, _, key = name.partition(".")
        chosen = raw.setdefault(section, {}).get(key)
        if chosen is None:
            raw[section][key] = free(next(s.default for s in SETTINGS if s.name == name), taken)
        taken.add(address(raw[section][key])[1])
    raw.setdefault("webhook", {}).setdefault("allow_loopback", True)
    raw.setdefault("api", {}).setdefault("saves_templates", True)
    # As the demo's key has no rate limit, its numbers have none.
    for name in ("per_number_hour", "per_user_hour", "per_address_hour", "block_s", "guard_least"):
        raw.setdefault("verify", {}).setdefault(name, 0)
    if not raw.get("link"):
        host, port = address(raw["simulator"]["listen"])
        # A window of half a thousand is what an operator gives to a bank that sends thousands a second.
        link = {
            "name": LINK,
            "host": host,
            "port": port,
            "system_id": "casemate",
            "window": 500,
            "reconnect_s_max": 2.0,
        }
        shards = raw.get("engine", {}).get("shards", 1)
        if shards > 1:
            link["binds"] = min(shards, 32)  # each engine has one
        raw["link"] = [link]
    # A password that is new at each start has no second factor, and one person has nobody to approve.
    raw["console"].setdefault("second_factor", False)
    raw["console"].setdefault("two_people", [])
    # Links without a route would take messages and fail every one of them.
    raw.setdefault("route", [{"prefix": "", "links": [link["name"] for link in raw["link"]]}])
    path = home / "run" / "demo.toml"
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
    path.write_text("# Written by `casemate up --demo` at each start.\n" + toml(raw), encoding="utf-8")
    path.chmod(0o600)
    return parse(raw, home, str(config or "defaults")), path


def lost_ports(config: Path | None, settings: Settings, error: Error) -> dict[str, str]:
    """Addresses that were chosen for the process that `error` (`address_in_use`) is about: name -> what was chosen.

    Empty when the user chose one of them, or when the error is another: choosing again would not help.
    """
    process = str(error.detail.get("process", "")).partition("-")[0]
    names = LISTENERS.get(process, tuple(filter(None, [str(error.detail.get("setting", ""))])))
    if error.code != "address_in_use":
        return {}
    raw = _read(config) if config is not None else {}
    if any(name.partition(".")[2] in raw.get(name.partition(".")[0], {}) for name in names):
        return {}
    return {name: settings[name] for name in names}


def simulates(settings: Settings) -> bool:
    """Whether a link of these settings goes to the simulated operator of the demo: else it is not started."""
    host, port = address(settings["simulator.listen"])
    here = {host, "localhost"} if host in ("127.0.0.1", "::1") else {host}
    return any(link.host in here and link.port == port for link in settings.links)


def _read(config: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(config.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise Error("settings_invalid", f"settings file {config} is not there", "name another with --config") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as e:
        raise Error("settings_invalid", f"settings file {config} cannot be read: {e}") from None


def _absolute(raw: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Paths in it are taken from the folder of the file they stand in, as everywhere."""
    paths = {s.name for s in SETTINGS if s.kind == "path"}
    for section, inner in raw.items():
        rows = [(inner, f"{section}.")] if isinstance(inner, dict) else []
        if section in TABLES and isinstance(inner, list):
            inner_paths = {s.name for s in TABLES[section] if s.kind == "path"}
            rows = [(row, "") for row in inner if isinstance(row, dict)]
        else:
            inner_paths = paths
        for row, prefix in rows:
            for name, value in row.items():
                named = prefix + name in inner_paths or (name == "profile" and str(value).endswith(".toml"))
                if named and isinstance(value, str) and value:
                    row[name] = str(folder / value)
    return raw


def toml(document: dict[str, Any]) -> str:
    """A settings document as TOML: sections and lists of tables; what is deeper stands in one line."""
    out = []
    for name, inner in document.items():
        for heading, row in [(f"[[{name}]]", r) for r in inner] if isinstance(inner, list) else [(f"[{name}]", inner)]:
            out.append(heading)
            out += [f"{key} = {_value(value)}" for key, value in row.items()]
            out.append("")
    return "\n".join(out)


def _value(value: Any) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(_value(v) for v in value) + "]"
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_value(str(k))} = {_value(v)}" for k, v in value.items()) + " }"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return json.dumps(value)


# --- who may use it ------------------------------------------------------------------------------------------------


class DemoFile:
    """home/demo.env: there while the demo is ready, and only then."""

    def __init__(self, home: Path) -> None:
        self.path = home / "demo.env"

    def remove(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            self.path.unlink()

    def write(self, settings: Settings) -> dict[str, str]:
        """Makes the API key (once) and a new console password, both on the audit log, and writes everything down."""
        variables = {
            "CASEMATE_API": _url(settings, "api"),
            "CASEMATE_API_KEY": "",
            "CASEMATE_CONSOLE": _url(settings, "console"),
            "CASEMATE_CONSOLE_USER": DEMO,
            "CASEMATE_CONSOLE_PASSWORD": secrets.token_urlsafe(12),
        }
        if settings["door.enabled"]:
            variables |= {"CASEMATE_DOOR": settings["door.listen"], "CASEMATE_DOOR_SYSTEM_ID": DEMO}
        if simulates(settings):
            variables["CASEMATE_OPERATOR"] = f"http://{settings['simulator.control']}"
        recorder = BlockingRecorder(settings)
        try:
            variables["CASEMATE_API_KEY"] = _key(Access(settings), recorder, self.path.with_name("demo.key"))
            _new_password(Access(settings), recorder, variables["CASEMATE_CONSOLE_PASSWORD"])
            if settings["door.enabled"]:
                account = _door(Access(settings), recorder, variables["CASEMATE_API_KEY"], self.path)
                variables["CASEMATE_DOOR_PASSWORD"] = account
        finally:
            recorder.close()
        text = "".join(f"{name}={shlex.quote(value)}\n" for name, value in variables.items())
        atomic.write(self.path, text, 0o600)
        return variables


def _url(settings: Settings, section: str) -> str:
    return f"http{'s' if settings[f'{section}.tls_certificate'] else ''}://{settings[f'{section}.listen']}"


def _key(access: Access, recorder: BlockingRecorder, kept: Path) -> str:
    """The demo's API key: the same at every start, so that a message sent before a restart is still its own."""
    with contextlib.suppress(FileNotFoundError):
        token = kept.read_text(encoding="ascii").strip()
        if access.verifier().check(token) is not None:
            return token
    recorder.record(SUPERVISOR, "apikey.created", "apikey:demo", name=DEMO)
    token = access.create_api_key(DEMO, rate_per_s=0)[1]
    atomic.write(kept, token + "\n", 0o600)
    return token


def _door(access: Access, recorder: BlockingRecorder, token: str, beside: Path) -> str:
    """The password of the demo's account at the door, the same at every start; its messages are the demo's API key's."""
    kept = beside.with_name("demo.door")
    owner = access.verifier().check(token)
    assert owner is not None
    account = access.door_account(DEMO)
    if account is None or account.revoked_ms is not None:
        recorder.record(SUPERVISOR, "door.account_created", f"door:{DEMO}", api_key=owner.id)
        password = access.create_door_account(DEMO, owner.id, rate_per_s=0, window=1_000, binds_max=32, inbound=("*",))[
            1
        ]
    else:
        with contextlib.suppress(FileNotFoundError):
            return kept.read_text(encoding="ascii").strip()
        recorder.record(SUPERVISOR, "door.account_password", f"door:{DEMO}")
        password = access.new_door_password(DEMO)[1]
    atomic.write(kept, password + "\n", 0o600)
    return password


def _new_password(access: Access, recorder: BlockingRecorder, password: str) -> None:
    if access.user(DEMO) is None:
        recorder.record(SUPERVISOR, "console.user_created", f"user:{DEMO}", role="administrator")
        access.create_user(DEMO, password, "administrator")
    else:
        recorder.record(SUPERVISOR, "console.user_changed", f"user:{DEMO}", changed="password")
        access.set_password(DEMO, password)
