"""Which processes make up the appliance, in the order they are started, and how each is asked whether it is well."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import NamedTuple

from appliance.settings import Settings, address


class Child(NamedTuple):
    """One process: its name, its command, and one of `socket` (asked with `ping`) or `http` (asked with GET)."""

    name: str
    command: tuple[str, ...]
    socket: Path | None = None
    http: str = ""  # host:port
    ready: str = "/readyz"
    tls: bool = False
    tier: int = 0  # those of one tier are stopped together, the highest first


def casemate(*words: str) -> tuple[str, ...]:
    """The command line that runs this same program with this same Python."""
    return (sys.executable, "-P", "-m", "appliance.cli", *words)


def plan(settings: Settings, config: Path | None) -> list[Child]:
    """keys, auditor, courier, engines, gateways, door, console: each needs those before it."""
    given = ("--config", str(config)) if config is not None else ()

    def run(name: str, *more: str) -> tuple[str, ...]:
        return casemate("run", *given, name, *more)

    inner = [
        Child("keys", run("keys"), settings.socket("keys"), tier=1),
        Child("auditor", run("auditor"), settings.socket("auditor"), tier=2),
        Child("courier", run("courier"), settings.socket("courier"), tier=3),
    ]
    engines = [
        Child(
            name if len(settings.engines) > 1 else "engine",
            run("engine", "--index", str(n)),
            settings.socket(name),
            tier=4,
        )
        for n, name in enumerate(settings.engines)
    ]
    tls = bool(settings["api.tls_certificate"])
    count = settings["api.gateways"]
    gateways = [
        Child(
            f"gateway-{n}" if count > 1 else "gateway",
            run("gateway", "--index", str(n)),
            http=settings["api.listen"],
            tls=tls,
            tier=5,
        )
        for n in range(count)
    ]
    door = [Child("door", run("door"), settings.socket("door"), tier=5)] if settings["door.enabled"] else []
    console = Child(
        "console",
        run("console"),
        http=settings["console.listen"],
        ready="/healthz",
        tls=bool(settings["console.tls_certificate"]),
        tier=5,
    )
    return [*inner, *engines, *gateways, *door, console]


def child_of(settings: Settings, name: str, index: int = 0) -> Child:
    """How one process of the plan is asked: by its name as `casemate run` takes it, gateways and engines also by number."""
    named = {name, f"{name}-{index}"}
    return next(child for child in plan(settings, None) if child.name in named)


def simulator(settings: Settings) -> Child:
    """The simulated operator of the demo."""
    words = ("--listen", settings["simulator.listen"], "--control", settings["simulator.control"])
    return Child(
        "simulator", casemate("simulate", "operator", *words), http=settings["simulator.control"], ready="/counters"
    )


def listens(settings: Settings, demo: bool) -> list[tuple[str, str, int]]:
    """Every address that will be listened on: (name of the setting, host, port)."""
    names = ["api.listen", "console.listen"] + (["door.listen"] if settings["door.enabled"] else [])
    names += ["simulator.listen", "simulator.control"] if demo else []
    return [(name, *address(settings[name])) for name in names]
