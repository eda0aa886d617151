"""System: the machine under the box, its processes, disk and clock, what is installed, and what is still to be told to the bank."""

from __future__ import annotations

import json
import shutil
from typing import Any, Final

import psutil
from flask import Blueprint, render_template

from appliance import __version__
from appliance.errors import Error
from appliance.selftest import REPORT

from .condition import health_rows
from .desk import desk
from .guard import needs
from .languages import decimal, say
from .page_overview import engine_state

views = Blueprint("system", __name__)

DISK_WARN: Final = 80  # per cent
MEMORY_WARN: Final = 85
TONES: Final = {"well": "good", "LOOK": "warn", "WRONG": "bad"}


def _machine() -> list[dict[str, Any]]:
    """Rows: name, value in words, per cent for the bar or None, and whether somebody should look."""
    memory, home = psutil.virtual_memory(), desk().settings.home
    disk = shutil.disk_usage(home if home.exists() else home.parent)
    used = round(100 * disk.used / disk.total)
    one, _, fifteen = psutil.getloadavg()
    cores = psutil.cpu_count() or 1
    load = round(100 * one / cores)
    return [
        {"name": say("Disk of the state folder"), "says": say("%(free)s free of %(all)s", free=_octets(disk.free), all=_octets(disk.total)), "share": used, "warn": used >= DISK_WARN},
        {"name": say("Memory"), "says": say("%(free)s free of %(all)s", free=_octets(memory.available), all=_octets(memory.total)), "share": round(memory.percent), "warn": memory.percent >= MEMORY_WARN},
        {"name": say("Processors"), "says": say("load %(now)s, of 15 minutes %(long)s, on %(cores)s", now=decimal(one, 2), long=decimal(fifteen, 2), cores=cores), "share": min(100, load), "warn": load > 100},
    ]  # fmt: skip


def _octets(number: int) -> str:
    for size, unit in ((1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB")):
        if number >= size:
            return f"{decimal(number / size, 1)} {unit}"
    return f"{number // 1024} KiB"


def _processes() -> list[dict[str, Any]]:
    """What the supervisor says, with the memory of each process."""
    rows = []
    for row in desk().peers.processes():
        try:
            resident = _octets(psutil.Process(int(row.get("pid") or 0)).memory_info().rss) if row.get("pid") else "–"
        except (psutil.Error, ValueError):
            resident = "–"
        rows.append(row | {"memory": resident})
    return rows


def _selftest() -> list[dict[str, str]]:
    """What the box found out about itself at its start, in its own words; nothing where there is no report: it is there on an appliance alone."""
    try:
        found = json.loads((desk().settings.home / REPORT).read_text(encoding="utf-8"))["findings"]
        return [
            {
                "name": str(row["what"]),
                "how": str(row["how"]).lower(),
                "tone": TONES[row["how"]],
                "says": str(row["words"]),
            }
            for row in found
        ]
    except (OSError, ValueError, KeyError, TypeError):
        return []


def _courier() -> dict[str, Any] | None:
    try:
        return desk().peers.courier_state()
    except Error:
        return None


def installed() -> dict[str, Any]:
    return {"version": __version__, "serial": desk().settings["firmware.serial"]}


@views.get("/system")
@needs("box.look")
def page() -> str:
    it, engine = desk(), engine_state()
    filled = {
        **installed(),
        "machine": _machine(),
        "processes": _processes(),
        "health": health_rows(it.peers, engine),
        "selftest": _selftest(),
        "courier": _courier(),
        "hosts": it.settings["webhook.hosts"],
        "booted_ms": round(psutil.boot_time() * 1000),
        "now_ms": it.clock(),
    }
    return render_template("system.html", **filled)
