"""Releases, slots and bundles in lines for people: the command and the serial console say the same. Pure."""

from __future__ import annotations

from typing import Any

from appliance.clock import rfc3339
from firmware import grouped

from .desk import Asked


def status_lines(found: dict[str, Any]) -> list[str]:
    """For a person."""
    out = [f"release    {found['version']}", f"box        {found['serial'] or 'no serial number'}  {found['hardware']}"]
    out.append(f"floor      nothing older than {found['floor']} is installed")
    for slot in found["slots"]:
        runs = ", runs" if slot["name"] == found["running"] else ""
        tries = f", {slot['left']} tries left" if slot["left"] is not None else ""
        out.append(f"slot {slot['name']}     {slot['version'] or '-'}  {slot['state']}{tries}{runs}")
    if not found["slots"]:
        out.append("slots      none: a host is updated with `ansible-playbook site.yml`")
    for r in found["requests"][:5]:
        by = f", {r['decided_by']}" if r["decided_by"] else ""
        out.append(
            f"request {r['number']:<3}{r['version']}  {r['state']}  {r['asked_by']}{by}  {rfc3339(r['asked_ms'])[:16]}  {r['reason']}"
        )
    if found["unrecorded"]:
        out.append(f"audit log  {found['unrecorded']} entries wait for it")
    return out


def asked_lines(found: Asked) -> list[str]:
    """What a person compares before saying yes."""
    out = [f"release    {found.version}, {found.octets >> 20} MiB", f"signed by  {found.signer}"]
    digits = grouped(found.fingerprint)
    out += [
        f"           {digits[:39]}",
        f"           {digits[40:]}",
        f"goes over  {found.needs} or newer; afterwards nothing older than {found.floor}",
    ]
    out += [f"bank       {name}" for name in found.approvals] + ["notes"]
    return out + [f"  {line[:74]}" for line in found.notes.splitlines()[:12]]
