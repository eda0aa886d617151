"""One request and its answer: how it is written, when it is repeated, and the error it ends with. Pure: no sockets, no clock."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from typing import Any, Final, NamedTuple
from urllib.parse import quote

TRIES_MAX: Final = 4
WAIT_S_MAX: Final = 30.0
#: Statuses after which the same request may succeed: the appliance says after how long (RFC 9110 section 10.2.3).
AGAIN: Final = frozenset({429, 503})


class CasemateError(Exception):
    """A refusal (RFC 9457). `code` is what a program goes by, `hint` what can be done; `status` 0: no answer came."""

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        self.status = status
        self.code = str(problem.get("code", "no_answer"))
        self.title = str(problem.get("title", ""))
        self.detail = str(problem.get("detail", ""))
        self.hint = str(problem.get("hint", ""))
        self.problem = dict(problem)
        super().__init__(
            f"{self.detail or self.title or 'no answer'} [{self.code}]" + (f" ({self.hint})" if self.hint else "")
        )


class Asked(NamedTuple):
    """One call. `repeats`: it takes an Idempotency-Key, so that it may be sent again when nobody knows whether it arrived."""

    method: str
    path: str
    parts: tuple[str, ...]
    query: dict[str, Any]
    body: dict[str, Any] | None
    repeats: bool
    idempotency_key: str | None

    @property
    def address(self) -> str:
        """The path with its parts in place, each one segment whatever is in it."""
        head, *rest = self.path.split("{id}")
        return head + "".join(quote(part, safe="") + after for part, after in zip(self.parts, rest, strict=True))

    @property
    def safe(self) -> bool:
        """Whether it may be sent again although it may have arrived (RFC 9110 section 9.2.2)."""
        return self.repeats or self.method in ("GET", "PUT", "DELETE")


class Sendable(NamedTuple):
    """What goes over the wire."""

    method: str
    address: str
    query: dict[str, Any]
    headers: dict[str, str]
    content: bytes


def given(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Those that were said."""
    return {name: value for name, value in fields.items() if value is not None}


def sendable(asked: Asked, key: str) -> Sendable:
    """The request, the same each time it is sent: a call that may be repeated gets an Idempotency-Key when it has none."""
    headers = {"authorization": f"Bearer {key}", "accept": "application/json, application/problem+json"}
    content = b""
    if asked.body is not None:
        headers["content-type"] = "application/json"
        content = json.dumps(asked.body, ensure_ascii=False, separators=(",", ":")).encode()
    if asked.repeats:
        headers["idempotency-key"] = asked.idempotency_key or secrets.token_urlsafe(18)
    return Sendable(asked.method, asked.address, asked.query, headers, content)


def wait_s(asked: Asked, tries: int, status: int, retry_after: str | None) -> float | None:
    """Seconds until it is sent again after `tries`; None: it is not. `status` 0: the connection failed."""
    if tries >= TRIES_MAX or not (status in AGAIN or (status == 0 and asked.safe)):
        return None
    told = float(retry_after) if retry_after is not None and retry_after.isascii() and retry_after.isdigit() else 0.0
    return None if told > WAIT_S_MAX else max(told, 0.2 * 2 ** (tries - 1))


def answered(status: int, content: bytes) -> Any:
    """What a call returns. Raises CasemateError."""
    try:
        found = json.loads(content) if content else {}
    except ValueError:
        found = {"code": "no_answer", "detail": "the answer is not JSON: is this the appliance?"}
        status = 0 if status < 400 else status
    if 200 <= status < 300:
        return found
    raise CasemateError(status, found if isinstance(found, dict) else {})
