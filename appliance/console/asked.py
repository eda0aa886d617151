"""An act as it is asked for, and what comes of it: what the table of acts takes and gives."""

from __future__ import annotations

from typing import Any, NamedTuple

from appliance.access import AdminToken, ApiKey


class Done(NamedTuple):
    """Where the person goes afterwards; an API key or an admin token with its secret, which is shown once."""

    page: str
    done: str
    made: ApiKey | AdminToken | None = None
    token: str = ""


class Asked(NamedTuple):
    """An act as it is to be done. `by` is who wants it, as the audit log names them: `console:NAME`, `token:NAME`."""

    target: str
    old: dict[str, Any]
    new: dict[str, Any]
    held: str
    by: str
    approved_by: str = ""
