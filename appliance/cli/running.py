"""`casemate up`, `run` and `simulate`: the commands that stay in the foreground."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import gc
import logging
import os
import resource
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AbstractContextManager
from dataclasses import fields
from pathlib import Path
from typing import Any

import click

from appliance import logbook
from appliance.audit import BlockingRecorder
from appliance.errors import Error
from appliance.intercom import share, tell_systemd
from appliance.limits import GC_YOUNG_MAX, HEALTH_S
from appliance.settings import Settings, home_of, load

from .exits import tell

PROCESSES = ("keys", "auditor", "courier", "engine", "gateway", "door", "console")
PR_SET_DUMPABLE = 4
_config = click.option(
    "--config",
    type=click.Path(dir_okay=False, path_type=Path),
    help="settings file [CASEMATE_CONFIG, else /etc/casemate/casemate.toml]",
)


@click.command()
@_config
@click.option("--demo", is_flag=True, help="with a simulated operator, an API key and a console user of its own")
def up(config: Path | None, demo: bool) -> int:
    """Run the appliance here, in the foreground, until Ctrl-C or SIGTERM.

    Starts keys, auditor, courier, engine, gateways, door and console in this order, starts again what dies, and stops them in reverse.
    Exits with 0 after a clean stop, 1 when a process had to be killed or never started, 2 when it cannot start at all.
    """
    from appliance.supervisor import up as run_appliance

    try:
        return run_appliance(config or _environ_config(), home_of(), demo)
    except Error as e:
        tell(e)
        return 1 if e.code == "peer_unavailable" else 2


def _environ_config() -> Path | None:
    named = os.environ.get("CASEMATE_CONFIG")
    standard = Path("/etc/casemate/casemate.toml")
    return Path(named) if named else standard if standard.exists() else None


def _clear_key(path: str) -> AbstractContextManager[str]:
    """For the auditor, which has its own reasons not to know the keys' room: loaded when there is a key to open."""
    from appliance.keys import clear_key

    return clear_key(path)


def _entry(name: str, index: int) -> Callable[[Settings], Coroutine[Any, Any, None]]:
    """The `serve` of a process that has an event loop; only its own room is loaded."""
    if name == "keys":
        from appliance.keys import serve as keys

        return keys
    if name == "auditor":
        from appliance.audit import serve as auditor

        return lambda settings: auditor(settings, _clear_key)
    if name == "courier":
        from appliance.courier import serve as courier

        return courier
    if name == "engine":
        from appliance.engine import serve as engine

        return lambda settings: engine(settings, index)
    if name == "door":
        from appliance.door import serve as door

        return door
    from appliance.api import serve as gateway

    return lambda settings: gateway(settings, index)


@click.command()
@_config
@click.option("--index", default=0, show_default=True, help="number of the gateway or engine")
@click.argument("name", type=click.Choice(PROCESSES))
def run(name: str, config: Path | None, index: int) -> None:
    """Run one process of the appliance: what the supervisor and systemd do."""
    share(home_of())
    _close_shutters()
    _log_plainly()
    settings = load(config, home_of())
    work = _console() if name == "console" else _entry(name, index)
    _await_turn()
    with _on_record(settings, f"{name}-{index}" if name == "gateway" or index else name):
        serving = work(settings)
        if serving is None:
            return
        _collect_rarely()
        with _runner() as runner:
            runner.run(_watched(serving, settings, name, index))


def _console() -> Callable[[Settings], None]:
    """It has no event loop: it has run when this returns."""
    from appliance.console import main

    return main


def _await_turn() -> None:
    """Until what this process needs is ready, as whoever started it says by closing a pipe. Nobody may: then at once."""
    turn = os.environ.pop("CASEMATE_TURN", "")
    if turn.isdigit():
        with contextlib.suppress(OSError), open(int(turn), "rb") as pipe:
            pipe.read()


async def _watched(serving: Coroutine[Any, Any, None], settings: Settings, name: str, index: int) -> None:
    """Serves, and tells systemd when the process can work and, while it answers like this, that it lives (sd_notify(3)).

    A loop that hangs, or a socket that does not answer, is then ended by systemd's watchdog, as the supervisor would.
    """
    if "NOTIFY_SOCKET" not in os.environ:
        await serving
        return
    from appliance.supervisor import Probe, child_of, waits

    async def tell() -> None:
        probe, ready = Probe(child_of(settings, name, index)), False
        while True:
            well, why = await probe.ask()
            if well is not None:
                state = "working" if well else f"not ready: {why}"
                up = well or waits(why)  # a sealed token is opened by people, however long they take
                tell_systemd(f"STATUS={state}" + _life(up, ready))
                ready = ready or up
            await asyncio.sleep(HEALTH_S)

    telling = asyncio.create_task(tell())
    try:
        await serving
    finally:
        telling.cancel()
        tell_systemd("STOPPING=1")


def _life(up: bool, ready: bool) -> str:
    """What the watchdog hears, once the process is ready: a first sign of life would start its clock (sd_notify(3)), and a start may take long."""
    return ("\nWATCHDOG=1" if up or ready else "") + ("\nREADY=1" if up and not ready else "")


@contextlib.contextmanager
def _on_record(settings: Settings, process: str) -> Iterator[None]:
    """Records the settings that a process runs with, and its start and stop unless it has an outbox of its own.

    Keys and auditor come before there is anything to record with.
    """
    if process in ("keys", "auditor"):
        yield
        return
    own = not process.startswith("engine")
    _record(settings, process, [("process.start", f"process:{process}", {"pid": os.getpid()})] if own else [], True)
    try:
        yield
    finally:
        if own:
            _record(settings, process, [("process.stop", f"process:{process}", {"pid": os.getpid()})])


def _record(
    settings: Settings, process: str, acts: list[tuple[str, str, dict[str, Any]]], loaded: bool = False
) -> None:
    """Says them to the auditor; one that does not answer holds nothing up."""
    seen = settings.home / "run" / f"{process}.settings"
    digest = settings.digest()
    if loaded:
        acts = [*acts, ("settings.loaded", "settings:file", {"digest": digest})]
        with contextlib.suppress(OSError, UnicodeDecodeError):
            before = seen.read_text(encoding="ascii")
            if before != digest:
                acts.append(("settings.changed", "settings:file", {"before": before[:64], "digest": digest}))
    recorder = BlockingRecorder(settings)
    try:
        for what, on, detail in acts:
            recorder.record(f"process:{process}", what, on, **detail)
        if loaded:
            seen.write_text(digest, encoding="ascii")
    except (Error, OSError) as e:
        logging.getLogger(__name__).warning("what %s did is not on record: %s", process, e)
    finally:
        recorder.close()


def _close_shutters() -> None:
    """No core dump, and no other process of the same user reads this one's memory (core(5), ptrace(2), prctl(2)).

    Both hold data keys and texts. Root still can.
    """
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)


def _collect_rarely() -> None:
    """What was loaded lives as long as the process; what comes by the thousand a second is let go without the collector.

    Its first generation is looked through every 700 new objects as it comes: a few messages.
    """
    gc.freeze()
    gc.set_threshold(GC_YOUNG_MAX, *gc.get_threshold()[1:])


def _runner() -> asyncio.Runner:
    import uvloop

    return asyncio.Runner(loop_factory=uvloop.new_event_loop)


def _log_plainly() -> None:
    logbook.begin(os.environ.get("CASEMATE_LOG", "INFO").upper())


@click.group()
def simulate() -> None:
    """Run something that the appliance would otherwise meet outside."""


def _flags() -> list[click.Parameter]:
    """One flag per row of the simulated operator's table."""
    from appliance.simulator import Options

    return [
        click.Option(
            ["--" + f.name.replace("_", "-")],
            type=click.Choice(f.metadata["words"]) if "words" in f.metadata else type(f.default),
            default=f.default,
            show_default=f.default != "",
            help=f.metadata["help"],
        )
        for f in fields(Options)
    ]


class _Operator(click.Command):
    """Reads its flags from the simulator's table when it is called, not before."""

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        if not self.params:
            self.params = _flags()
        return super().get_params(ctx)


@simulate.command(cls=_Operator)
@click.pass_context
def operator(ctx: click.Context, **options: Any) -> None:
    """Run a simulated operator: an SMPP 3.4 SMSC with an HTTP control, until Ctrl-C or SIGTERM.

    The control answers GET /received?to=NUMBER, POST /inbound {from, to, text}, GET /counters, GET and POST /behaviour.
    """
    from appliance.simulator import Options, serve

    _log_plainly()
    default = click.core.ParameterSource.DEFAULT
    given = {name: value for name, value in options.items() if ctx.get_parameter_source(name) is not default}
    _collect_rarely()
    with _runner() as runner:
        runner.run(serve(Options.made(given)))
