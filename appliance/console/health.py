"""For the supervisor: alive, and ready to serve pages. Says nothing that an outsider could use."""

from __future__ import annotations

from flask import Blueprint

from .desk import desk

health = Blueprint("health", __name__)


@health.get("/healthz")
def healthz() -> dict[str, str]:
    return {"status": "ok"}


@health.get("/readyz")
def readyz() -> tuple[dict[str, str], int]:
    """Ready when the people's store opens; the other processes' state is for the overview, not for this."""
    try:
        desk().access.conn.execute("SELECT 1")
    except Exception:
        return {"status": "unready"}, 503
    return {"status": "ready"}, 200
