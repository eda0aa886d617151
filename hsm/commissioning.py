"""Tries and measures a token before a bank relies on it: the report is for the bank and for the HSM's vendor.

Throw-away keys only. The PIN is tried once, and not at all when it was refused before; a refusal is remembered for the appliance too.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import platform
from collections.abc import Callable
from typing import Any, Final

from .bounds import OPEN_S_MAX, WORKERS
from .errors import HsmError
from .pin import Refused, identity
from .place import Place
from .profiles import profile_of
from .seat import Lost, Seat
from .softhsm import SoftHsm, find_module, pin_path

COMMISSION_S_MAX: Final = 120.0  # a network HSM at 20 ms a call takes 40 s for the memory case alone
_OPERATIONS: Final = ("random", "mac", "wrap", "unwrap", "sign")

#: Told what is being done, for a person who waits.
Told = Callable[[str], None]


async def commission(place: Place, seconds: float, told: Told, workers: int = WORKERS) -> dict[str, Any]:
    """The report. Raises HsmError when the token cannot be opened at all."""
    terms, environment = _terms(place)
    refused = Refused(place.folder)
    pin_file = pin_path(place.pin_file, None if place.module else SoftHsm(place.folder), credential=place.credential)
    already = refused.check(pin_file)
    if already is not None:
        raise already
    seats = [Seat(n) for n in range(workers)]
    try:
        reports: list[dict[str, Any]] = []
        for seat in seats:
            told(f"worker {seat.number}: {'cases' if not reports else 'once more, for speed'}")
            tried = identity(pin_file)
            try:
                await seat.start(environment)
                reports.append(await seat.ask("commission", terms, OPEN_S_MAX + COMMISSION_S_MAX))
            except HsmError as e:
                if e.code == "pin_invalid":
                    refused.remember(tried)
                raise
            except Lost as e:
                raise HsmError("hsm_unavailable", f"the token's library failed under trial: {e}", "") from None
        report = reports[0]
        if not report["measurable"]:
            report["speed"] = [await _measured(op, seats[:1], seconds, told) for op in _OPERATIONS]
            report["speed"].append(await _measured("unwrap", seats, seconds, told))
    finally:
        with contextlib.suppress(ProcessLookupError):
            await asyncio.gather(*(seat.end(politely=True) for seat in seats))
    return {**report, **_verdict(report), "module": terms["module"], "machine": _machine()}


def _terms(place: Place) -> tuple[dict[str, Any], dict[str, str]]:
    environment: dict[str, str] = {}
    module, embedded = place.module, None
    if not module:
        module, embedded = str(find_module()), SoftHsm(place.folder)
        if not embedded.initialised.exists():
            raise HsmError("token_missing", "the embedded token was not made yet", "start the appliance once")
        environment = embedded.environment
    given = {
        "module": module,
        "init_string": place.init_string,
        "label": place.label,
        "pin_file": str(pin_path(place.pin_file, embedded, credential=place.credential)),
    }
    return given, environment


async def _measured(op: str, seats: list[Seat], seconds: float, told: Told) -> dict[str, Any]:
    """Operations a second through the workers' sockets, one call under way on each."""
    told(f"measuring {op}, {len(seats)} worker{'s' if len(seats) > 1 else ''}")
    loop = asyncio.get_running_loop()
    taken: list[float] = []

    async def one(seat: Seat) -> None:
        name, wrapped = await seat.ask("wrap", {"key": bytes(32), "context": b"c"}, OPEN_S_MAX)
        asked: dict[str, dict[str, Any]] = {
            "random": {"octets": 32},
            "mac": {"body": bytes(64)},
            "wrap": {"key": bytes(32), "context": b"c"},
            "unwrap": {"mechanism": name, "wrapped": wrapped, "context": b"c"},
            "sign": {"body": bytes(100)},
        }
        ends = loop.time() + seconds
        while (begun := loop.time()) < ends:
            await seat.ask(op, asked[op], OPEN_S_MAX)
            taken.append(loop.time() - begun)

    begun = loop.time()
    try:
        await asyncio.gather(*(one(seat) for seat in seats))
    except Lost as e:
        raise HsmError("hsm_unavailable", f"the token's library failed while measured: {e}", "") from None
    took, taken = loop.time() - begun, sorted(taken)
    return {
        "operation": op,
        "workers": len(seats),
        "per_s": round(len(taken) / took),
        "p50_us": round(taken[len(taken) // 2] * 1e6),
        "p99_us": round(taken[len(taken) * 99 // 100] * 1e6),
    }


def _verdict(report: dict[str, Any]) -> dict[str, Any]:
    """Fit or not, and why not; with what is publicly known of the maker's product."""
    against = [f"{c['case']}: {c['why']}" for c in report["cases"] if c["needed"] and c["outcome"] == "no"]
    if report["measurable"]:
        against.append(report["measurable"])
    profile = profile_of(f"{report['manufacturer']} {report['token']['manufacturer']}")
    return {
        "fit": not against,
        "against": against,
        "wrapping": next((n for n, found in report["capabilities"].items() if found == "ok" and n[:4] == "aes-"), ""),
        "audit_key": "token" if report["capabilities"]["ed25519"] == "ok" else "derived",
        "profile": profile._asdict() if profile is not None else None,
    }


def _machine() -> dict[str, Any]:
    return {"system": platform.platform(), "processors": os.cpu_count() or 0, "python": platform.python_version()}
