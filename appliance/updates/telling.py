"""Releases, slots, bundles and cabinets in lines for people: the command and the serial console say the same. Pure."""

from __future__ import annotations

from typing import Any, Final

from appliance.clock import rfc3339
from firmware import CABINETS, grouped

from .cabinets import Looked
from .desk import Asked


def left_lines(found: dict[str, Any]) -> list[str]:
    """Why the release in the other slot is bad, when it is."""
    left = found["left"]
    bad = any(s["state"] == "bad" and s["version"] == left.get("version") for s in found["slots"])
    return [f"{left['version']} was left: {left['why']}"] if bad else []


def status_lines(found: dict[str, Any]) -> list[str]:
    """For a person."""
    out = [f"release    {found['version']}", f"box        {found['serial'] or 'no serial number'}  {found['hardware']}"]
    out.append(f"floor      nothing older than {found['floor']} is installed")
    for slot in found["slots"]:
        runs = ", runs" if slot["name"] == found["running"] else ""
        tries = f", {slot['left']} tries left" if slot["left"] is not None else ""
        out.append(f"slot {slot['name']}     {slot['version'] or '-'}  {slot['state']}{tries}{runs}")
    out += [f"           {line}" for line in left_lines(found)]
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


def cabinet_lines(found: Looked) -> list[str]:
    """What a person compares before saying yes to firmware of hardware."""
    digits = grouped(found.fingerprint)
    out = [
        f"firmware   {found.name} {found.version}, of {found.vendor or 'no vendor named'}, {-(-found.octets >> 10)} KiB",
        f"signed by  {found.signer}",
        f"           {digits[:39]}",
        f"           {digits[40:]}",
        f"SHA-256    {found.sha256[:32]}",
        f"           {found.sha256[32:]}",
    ]
    out += [f"for        {guid}" for guid in found.guids[:4]]
    for fit in found.fits:
        out.append(f"device     {fit.name}: {fit.before} -> {fit.after}")
        out += [f"           {warning}" for warning in fit.warnings]
    return out


def hardware_lines(found: list[dict[str, Any]]) -> list[str]:
    """The newest requests and what became of them."""
    out = []
    for r in found[:5]:
        by = f", {r['decided_by']}" if r["decided_by"] else ""
        name = r["cabinet"].get("name", "")
        out.append(f"request {r['number']:<3}{name} {r['version']}  {r['state']}  {r['asked_by']}{by}  {r['reason']}")
        result = r["result"]
        if result.get("state") == "refused":
            out += [f"    refused: {CABINETS[result['code']][0]}", f"    {CABINETS[result['code']][1]}"]
        elif result.get("state") == "begun":
            out.append("    being written; or cut off, when the box started since: ask anew")
        for row in result.get("devices", []):
            out.append(f"    {row['name']}: {_BECAME[row['state']].format(**row)}")
            if row["code"]:
                out.append(f"    {CABINETS[row['code']][1]}")
    return out or ["no firmware of hardware was asked for"]


_BECAME: Final = {
    "applied": "{before} -> {after}",
    "restart": "{wanted} is there after a restart",
    "failed": "still {after}: {said}",
}
