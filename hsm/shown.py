"""What is shown of an HSM: for `casemate status`, the console and the metrics. Holds no key, no PIN, no path of a PIN."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from .pool import Pool

_BESIDE: Final = (
    *("module", "token", "model", "manufacturer", "wrapping", "audit_key", "why", "calls", "errors", "breaker"),
    "workers",
)


def row(pool: Pool) -> dict[str, Any]:
    """What is shown of this HSM beside others."""
    told = state(pool)
    return {name: told[name] for name in _BESIDE}


def state(pool: Pool) -> dict[str, Any]:
    """For `casemate status` and the console."""
    why = pool.why
    return {
        "ready": why is None,
        "why": "" if why is None else f"{why.code}: {why.message}",
        "module": pool.place.module or "softhsm",
        "token": pool.place.label,
        "serial": pool.opened.get("serial", ""),
        "model": pool.opened.get("model", ""),
        "manufacturer": pool.opened.get("manufacturer", ""),
        "wrapping": pool.opened.get("wrapping", ""),
        "audit_key": pool.opened.get("audit_key", ""),
        "mechanisms": pool.opened.get("capabilities", {}),
        "workers": [{"state": s.life.state, "pid": s.pid, "calls": s.calls, "losses": s.losses} for s in pool.seats],
        "calls": pool.calls,
        "errors": pool.errors,
        "breaker": pool.breaker.state,
    }
