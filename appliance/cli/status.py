"""`casemate status`: processes, links, queues, HSM and audit log of a running appliance, asked of each process itself."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from appliance.clock import now_ms
from appliance.errors import Error
from appliance.intercom import BlockingClient
from appliance.settings import Settings, home_of, load
from appliance.shards import BlockingEngines, blocking_engines
from appliance.supervisor import StateFile

ASK_S_MAX = 3.0


def _ask(client: BlockingClient | BlockingEngines, op: str) -> dict[str, Any]:
    try:
        answer = client.call(op, {}, ASK_S_MAX)
        return answer if isinstance(answer, dict) else {}
    except Error as e:
        return {"ready": False, "why": str(e), "answers": False}
    finally:
        client.close()


def gather(settings: Settings) -> dict[str, Any]:
    """Everything that is shown, as plain values."""
    supervisor = StateFile(settings.home / "run" / "state.json").read() or {}
    if not Path(f"/proc/{supervisor.get('supervisor')}").exists():
        supervisor = {}  # it was killed, and took its processes with it: what it wrote last is no longer so
    keys = _ask(BlockingClient(settings.socket("keys")), "state")
    door = _ask(BlockingClient(settings.socket("door")), "state") if settings["door.enabled"] else {}
    return {
        "home": str(settings.home),
        "processes": supervisor.get("processes", []),
        "engine": _ask(blocking_engines(settings), "state"),
        "door": door,
        "hsm": {name: value for name, value in keys.items() if name != "keys"} | {"keys": _daily(keys)},
        "audit": _ask(BlockingClient(settings.socket("auditor")), "state"),
        "cosigned_days": settings["audit.cosigned_days"],
    }


def _daily(keys: dict[str, Any]) -> int:
    """Data keys that still open something."""
    return sum(k.get("purpose") == "message" and k.get("state") != "destroyed" for k in keys.get("keys", []))


def _ago(since_ms: int, at_ms: int) -> str:
    seconds = max(0, at_ms - since_ms) // 1000
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def _cosigned(audit: dict[str, Any], days_max: int, at_ms: int) -> str:
    """Until where a witness vouches for the log; says so when that is long ago."""
    if not audit["cosigned_size"]:
        return f"never: {audit['unwitnessed']} entries are unwitnessed; see `casemate audit request`"
    since_ms = int(datetime.fromisoformat(audit["cosigned_at"]).timestamp() * 1000)
    said = f"{audit['cosigned_size']} entries by {audit['cosigned_by']} at {audit['cosigned_at']}"
    late = at_ms - since_ms > days_max * 86_400_000
    return f"{said}, {audit['unwitnessed']} newer ones unwitnessed" + (f" FOR {_ago(since_ms, at_ms)}" if late else "")


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"


def lines(found: dict[str, Any], at_ms: int) -> list[str]:
    """For a person."""
    out = [f"state folder  {found['home']}", ""]
    parts = [found[name] for name in ("engine", "hsm", "audit")]
    if not found["processes"] and all(part.get("answers") is False for part in parts):
        return [*out, "nothing runs here: `casemate up` starts the appliance, CASEMATE_HOME names another state folder"]
    for p in found["processes"]:
        since = _ago(p["since_ms"], at_ms) if p["since_ms"] else "-"
        again = f", {_count(p['restarts'], 'restart')}" if p["restarts"] else ""
        row = f"{p['name']:<12}  {p['state']:<9}  pid {p['pid'] or '-':<8}  for {since}{again}"
        out.append(row + (f"  {p['why']}" if p.get("why") else ""))
    engine, hsm, audit = found["engine"], found["hsm"], found["audit"]
    out.append("")
    if "links" not in engine:
        out.append(f"engine        {engine.get('why') or 'does not answer'}")
    for shard in engine.get("shards", []):
        out.append(f"engine-{shard['shard']:<6} {_shard(shard)}")
    if engine.get("broken"):
        out.append(
            f"store         cannot be written ({engine['broken']}): new messages are refused; free space on the disk"
        )
    if engine.get("damaged"):
        out.append(
            f"store         damaged: {', '.join(engine['damaged'])}; restore from a backup and restart the engine"
        )
    for link in engine.get("links", []):
        pace = f"{link['pace']:g}/s" if link["pace"] else "no limit"
        out.append(
            f"link          {link['name']}: {link['state']}, {link['queued']} queued, "
            f"{link['in_flight']} of {link['window']} under way, pace {pace}, {link['errors']} errors"
            + (f" ({link['last_error']})" if link["last_error"] and link["state"] != "up" else "")
        )
    if "queues" in engine:
        out.append("queues        " + "  ".join(f"{name} {count}" for name, count in engine["queues"].items()))
        reached = {name: count for name, count in engine["statuses"].items() if count}
        out.append("messages      " + ("  ".join(f"{name} {count}" for name, count in reached.items()) or "none yet"))
        counts = engine["segments"].items()
        out.append("segments      " + "  ".join(f"{name} {count}" for name, count in counts))
    if "letters" in found.get("door", {}):
        letters = found["door"]["letters"]
        due, aside = (sum(told[word] for told in letters) for word in ("due", "aside"))
        binds = sum(found["door"]["binds"].values())
        out.append(f"door          {_count(binds, 'bind')}, {_count(due, 'letter')} due, {aside} set aside")
    state = "ready" if hsm.get("ready") else f"not ready: {hsm.get('why', '')}"
    out.append(
        f"HSM           {state}"
        + (f", token {hsm['token']}, {_count(hsm['keys'], 'data key')}" if hsm.get("token") else "")
    )
    if hsm.get("clock"):
        out.append(f"clock         {hsm['clock']}")
    out += [f"HSM           {row['hsm']}: {hsm_state(row)}" for row in hsm.get("hsms", []) if len(hsm["hsms"]) > 1]
    return out + _audit(audit, engine, int(found.get("cosigned_days", 7)), at_ms)


def hsm_state(row: dict[str, Any]) -> str:
    """One HSM of two."""
    if row["in_step"]:
        return "serves" if row["serves"] else "stands by"
    return f"{'NOT IN STEP' if row['up'] else 'AWAY'}: {row['why'] or 'it has not proven its keys yet'}"


def _audit(audit: dict[str, Any], engine: dict[str, Any], cosigned_days: int, at_ms: int) -> list[str]:
    """The log: whether it records, signs, is vouched for, and is with the SIEM."""
    out = []
    out.append(f"audit log     {'recording' if audit.get('ready') else 'not ready: ' + str(audit.get('why', ''))}")
    if audit.get("failing_since_ms"):
        out.append(f"audit log     NOTHING RECORDED FOR {_ago(audit['failing_since_ms'], at_ms)}: see its disk")
    if audit.get("weaker"):
        names = ", ".join(change["name"] for change in audit["weaker"])
        out.append(f"audit log     WEAKER SETTINGS ARE NOT IN FORCE: {names}; see `casemate audit weaker`")
    if engine.get("unrecorded"):
        out.append(f"audit log     {engine['unrecorded']} entries of the engines wait for it")
    if audit.get("unsigned_since_ms"):
        waiting = f"{_count(audit['unsigned'], 'entry')} not signed for {_ago(audit['unsigned_since_ms'], at_ms)}"
        out.append(f"audit log     {waiting}: {audit['unsigned_why']}".replace("entrys", "entries"))
    if audit.get("witnesses"):
        out.append(f"cosigned      {_cosigned(audit, cosigned_days, at_ms)}")
    for one in audit.get("network_witnesses", []):
        if one["why"]:
            out.append(f"witness       {one['host']} DOES NOT COSIGN: {one['why']}")
    if audit.get("siem"):
        out.append(f"SIEM          {_siem(audit['siem'], at_ms)}")
    return out


def _siem(siem: dict[str, Any], at_ms: int) -> str:
    """Whether the bank's SIEM has the log."""
    behind = f"{siem['behind']} entries behind"
    if siem["connected"]:
        return f"connected to {siem['target']} for {_ago(siem['connected_ms'], at_ms)}, {behind}"
    lost = f"{_ago(siem['lost_since_ms'], at_ms)}: {siem['why'] or 'connecting'}"
    return f"{siem['target']} {'NOT CONNECTED FOR' if siem['late'] else 'not connected for'} {lost}; {behind}"


def _shard(row: dict[str, Any]) -> str:
    """One engine of several."""
    if not row["ready"]:
        return str(row["why"] or "not ready")
    waiting = sum(row["queues"].values())
    segments = row["segments"]
    told = f"ready, {waiting} queued, segments submitted {segments['submitted']}, receipted {segments['receipted']}"
    return told + (f" ({row['why']})" if row["why"] else "")


@click.command()
@click.option("--json", "as_json", is_flag=True, help="for programs")
def status(as_json: bool) -> int:
    """Show how the appliance is. Exits with 0 when engine, HSMs, clock and audit log are well, 1 when one is not."""
    found = gather(load(home=home_of()))
    well = all(found[part].get("ready") for part in ("engine", "hsm", "audit")) and not found["engine"].get("broken")
    well = well and not found["hsm"].get("clock") and all(row["in_step"] for row in found["hsm"].get("hsms", []))
    click.echo(json.dumps(found, indent=1, default=str) if as_json else "\n".join(lines(found, now_ms())))
    return 0 if well else 1
