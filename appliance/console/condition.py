"""How the parts of the box are, in rows for a person: engine, shards, HSMs, audit log, each with the reason when it is not well."""

from __future__ import annotations

from typing import Any

from appliance.errors import Error

from .languages import say
from .peers import Peers
from .terms import term


def hsm_rows(hsms: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A row for each of two HSMs; none for one, which is the row above."""
    if len(hsms) < 2:
        return []
    rows = []
    for hsm in hsms:
        well = bool(hsm["up"] and hsm["in_step"])
        state = term(
            "hsm",
            "serves" if hsm["serves"] else "stands by" if well else "not in step" if hsm["up"] else "not answering",
        )
        name = f"HSM, {hsm['hsm']}"
        rows.append({"name": name, "well": well, "state": state, "why": "" if well else str(hsm.get("why", ""))})
    return rows


def health_rows(peers: Peers, engine: dict[str, Any] | None) -> list[dict[str, Any]]:
    """Rows of the overview's health card: name, whether well, a short state, the reason when not."""
    rows = [
        {
            "name": say("Engine"),
            "well": engine is not None,
            "state": say("running") if engine is not None else say("not answering"),
            "why": "" if engine is not None else say("nothing is sent; the supervisor restarts it by itself"),
        }
    ]
    for shard in (engine or {}).get("shards", ()):
        state = say("running") if shard["ready"] else say("not ready") if shard["answers"] else say("not answering")
        why = "" if shard["ready"] else say("its messages wait; new ones go to the others")
        name = say("Engine %(number)s", number=shard["shard"])
        rows.append({"name": name, "well": shard["ready"], "state": state, "why": why})
    try:
        keys = peers.keys_state()
        well = bool(keys.get("ready"))
        state = say("ready") if well else say("not ready")
        rows.append({"name": "HSM", "well": well, "state": state, "why": "" if well else str(keys.get("why", ""))})
        rows += hsm_rows(keys.get("hsms", []))
    except Error:
        why = say("the keys process is down: new messages are refused, accepted ones are kept")
        rows.append({"name": "HSM", "well": False, "state": say("not answering"), "why": why})
    try:
        auditor = peers.auditor_ping()
        well = bool(auditor.get("ready"))
        state = say("recording") if well else say("not ready")
        rows.append(
            {"name": say("Audit log"), "well": well, "state": state, "why": "" if well else str(auditor.get("why", ""))}
        )
    except Error:
        why = say("privileged acts are refused until it is back")
        rows.append({"name": say("Audit log"), "well": False, "state": say("not answering"), "why": why})
    return rows
