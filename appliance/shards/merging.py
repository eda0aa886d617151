"""What several engines answered, as one answer: counts are added up, links put together, what one lacks is said. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from appliance.errors import Error

Answer = dict[str, Any]
Answers = Mapping[int, Answer]  # by shard
Errors = Mapping[int, Error]

SUMMED: Final = ("awaiting_receipt", "parked", "held", "indeterminate", "unrecorded")
ADDED: Final = ("queues", "statuses", "segments", "stages")
LINK_SUMMED: Final = (
    *("window", "in_flight", "pace", "submitted", "answered", "receipted", "errors", "throttled", "queued"),
)
WORST: Final = ("down", "drained", "draining", "partly", "up")  # of a link's states; mixed ones are `partly`


def pings(said: Answers, lost: Errors) -> Answer:
    """Ready when one can take messages; `why` names those that cannot."""
    shards = _rows(said, lost)
    why = "; ".join(f"engine-{row['shard']}: {row['why']}" for row in shards if row["why"])
    ready = any(row["ready"] for row in shards)
    return {"process": "engine", "pid": min(said.values(), key=lambda s: 0)["pid"], "ready": ready, "why": why} | {
        "shards": shards
    }


def states(said: Answers, lost: Errors) -> Answer:
    """`state` of all that answer. `ready` only when every one is; `shards` has a row for each, also for those that are silent."""
    all_ = [said[shard] for shard in sorted(said)]
    first = all_[0]
    out: Answer = {
        **first,
        "process": "engine",
        "ready": not lost and all(each["ready"] for each in all_),
        "started_ms": min(each["started_ms"] for each in all_),
        "links": links({shard: each["links"] for shard, each in sorted(said.items())}),
        "spilled": {name: any(each["spilled"][name] for each in all_) for name in first["spilled"]},
        "damaged": sorted({day for each in all_ for day in each["damaged"]}),
        "broken": next((each["broken"] for each in all_ if each["broken"]), ""),
        "routes": routes([each["routes"] for each in all_]),
        "shards": _rows(said, lost),
    }
    out |= {name: sum(each[name] for each in all_) for name in SUMMED}
    out |= {name: _added([each[name] for each in all_]) for name in ADDED}
    out["why"] = "; ".join(f"engine-{row['shard']}: {row['why']}" for row in out["shards"] if row["why"])
    return out


def links(by_shard: Mapping[int, Sequence[Answer]]) -> list[Answer]:
    """Each link once, in the order of the first shard that has it; its binds name their shard."""
    parts: dict[str, list[tuple[int, Answer]]] = {}
    for shard, rows in by_shard.items():
        for row in rows:
            parts.setdefault(row["name"], []).append((shard, row))
    return [_link(each) for each in parts.values()]


def _link(parts: list[tuple[int, Answer]]) -> Answer:
    rows = [row for _, row in parts]
    found = {row["state"] for row in rows}
    now = [row["pace_now"] for row in rows]
    out: Answer = {
        **rows[0],
        **{name: sum(row[name] for row in rows) for name in LINK_SUMMED if name in rows[0]},
        "state": found.pop() if len(found) == 1 else "draining" if found <= {"draining", "drained"} else "partly",
        "drained": all(row["drained"] for row in rows),
        "pace_now": sum(now) if all(now) else 0.0,
        "paused_until_ms": max(row["paused_until_ms"] for row in rows),
        "up_since_ms": max(row["up_since_ms"] for row in rows),
        "last_error": next((row["last_error"] for row in rows if row["last_error"]), ""),
        "binds": [{**bind, "shard": shard} for shard, row in parts for bind in row["binds"]],
    }
    if "health" in rows[0]:  # not in what a drain answers
        out["trace_until_ms"] = max(row["trace_until_ms"] for row in rows)
        out["health"] = _health([row["health"] for row in rows])
    return out


def _health(rows: list[Answer]) -> Answer:
    """The worst of them: it is what people must look at."""
    order = ("closed", "half-open", "open")
    return max(rows, key=lambda row: order.index(str(row.get("state"))) if row.get("state") in order else 0)


def routes(rows: list[Answer]) -> Answer:
    """Of the oldest version that is in use: while one shard still has it, messages go by it."""
    oldest = min(rows, key=lambda row: int(row["version"]))
    return {
        **oldest,
        "groups": max(row["groups"] for row in rows),
        "to_regroup": sum(row["to_regroup"] for row in rows),
        "swapping": any(row["swapping"] for row in rows),
        "longest_ms": max(row["longest_ms"] for row in rows),
        "problems": sorted({text for row in rows for text in row["problems"]}),
    }


def acts(op: str, said: Answers) -> Answer:
    """What an act that every shard did has given."""
    rows = [said[shard] for shard in sorted(said)]
    if op == "drain":
        return links({shard: [row] for shard, row in sorted(said.items())})[0]
    if op == "left_alone":
        return {"cancelled": sum(row["cancelled"] for row in rows)}
    if op == "trace":
        return {"until_ms": max(row["until_ms"] for row in rows)}
    assert op == "routes_load", op
    slowest = max(rows, key=lambda row: float(row["longest_ms"]))
    return {**slowest, "problems": sorted({text for row in rows for text in row["problems"]})}


def traced(said: Answers, after: int, limit: int) -> Answer:
    """PDUs of all shards by time, which is what numbers them here: each shard counts its own."""
    pdus = [{**pdu, "number": pdu["at_ms"]} for row in said.values() for pdu in row["pdus"] if pdu["at_ms"] > after]
    pdus = sorted(pdus, key=lambda pdu: int(pdu["at_ms"]))[-limit:]
    return {
        "until_ms": max(row["until_ms"] for row in said.values()),
        "last": pdus[-1]["number"] if pdus else after,
        "skipped": sum(row["skipped"] for row in said.values()),
        "pdus": pdus,
    }


def _rows(said: Answers, lost: Errors) -> list[Answer]:
    out = []
    for shard in sorted({*said, *lost}):
        if shard in lost:
            out.append({"shard": shard, "ready": False, "answers": False, "why": lost[shard].message})
            continue
        row = said[shard]
        why = row.get("why") or row.get("broken") or ("" if row["ready"] else "not ready")
        out.append({"shard": shard, "ready": bool(row["ready"]), "answers": True, "why": why})
        out[-1] |= {name: row[name] for name in ("queues", "statuses", "segments", "started_ms") if name in row}
    return out


def _added(rows: list[Answer]) -> Answer:
    return {name: sum(row[name] for row in rows) for name in rows[0]}
