"""The appliance under measurement: where to post, and whom to ask. Several engines answer as one."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import Any, NamedTuple

from appliance.errors import Error
from appliance.intercom import BlockingClient
from appliance.settings import parse


class Box(NamedTuple):
    """`engines`: every one of them; `door`: address, system_id, password; `operator`: the simulated one's control."""

    api: str
    key: str
    engines: tuple[BlockingClient, ...]
    door: tuple[str, str, str] = ("", "", "")
    operator: str = ""

    @property
    def engine(self) -> BlockingClient:
        return self.engines[0]

    def state(self) -> dict[str, Any]:
        """The engines' states, counts added up. Raises Error `peer_unavailable`."""
        first, *more = (engine.call("state", {}) for engine in self.engines)
        told: dict[str, Any] = first
        for other in more:
            told = added(told, other)
        return told

    def drain(self, on: bool) -> None:
        """Closes every operator link in peace, or opens all of them again."""
        for engine in self.engines:
            for link in engine.call("state", {})["links"]:
                engine.call("drain", {"link": link["name"], "on": on, "who": "cli:bench"}, timeout_s=DRAIN_S_MAX)


DRAIN_S_MAX = 30.0


def added(one: Any, other: Any) -> Any:
    """Two states as one: numbers are summed, lists joined, tables added name by name; of the rest the first says it."""
    if isinstance(one, dict) and isinstance(other, dict):
        return {name: added(value, other.get(name)) for name, value in one.items()}
    if isinstance(one, list) and isinstance(other, list):
        return one + other
    numbers = isinstance(one, int | float) and isinstance(other, int | float)
    return one + other if numbers and not isinstance(one, bool) else one


def read_env(path: Path) -> dict[str, str]:
    """The names and values of a file in shell syntax, such as `demo.env`."""
    out: dict[str, str] = {}
    for word in shlex.split(path.read_text(encoding="utf-8"), comments=True):
        name, equals, value = word.partition("=")
        if equals:
            out[name] = value
    return out


def attached(home: Path) -> Box:
    """The running appliance whose state folder is `home`; address and key from the environment, else from its demo.env."""
    env: dict[str, str] = {}
    if (home / "demo.env").exists():
        env = read_env(home / "demo.env")
    env |= {
        k: v
        for k, v in os.environ.items()
        if k in ("CASEMATE_API", "CASEMATE_API_KEY") or k.startswith("CASEMATE_DOOR")
    }
    if not env.get("CASEMATE_API") or not env.get("CASEMATE_API_KEY"):
        raise Error(
            "invalid",
            "no running appliance was named",
            "set CASEMATE_API and CASEMATE_API_KEY, or run without --attach",
        )
    return box_of(home, env)


def box_of(home: Path, env: dict[str, str]) -> Box:
    """The appliance that `env` (its demo.env) describes."""
    settings = parse({}, home, "bench")
    first = settings.socket("engine-0")
    paths = sorted(first.parent.glob("engine-*.sock")) or [first]
    door = tuple(env.get(f"CASEMATE_DOOR{end}", "") for end in ("", "_SYSTEM_ID", "_PASSWORD"))
    return Box(
        env["CASEMATE_API"],
        env["CASEMATE_API_KEY"],
        tuple(BlockingClient(path) for path in paths),
        (door[0], door[1], door[2]),
        env.get("CASEMATE_OPERATOR", ""),
    )
