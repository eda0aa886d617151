"""When a webhook is tried again, and what an answer means. Pure: the time, the dice and the answer are passed in.

Standard Webhooks, "Deliverability and reliability": 2xx is success, 410 ends it, 429 and 503 slow it down.
"""

from __future__ import annotations

from email.utils import parsedate_to_datetime
from typing import Final

from appliance.limits import WEBHOOK_JITTER, WEBHOOK_RETRY_S_MAX, WEBHOOK_RETRY_S_MIN

DONE: Final = "done"
AGAIN: Final = "again"
STOP: Final = "stop"


def verdict(status: int) -> str:
    """`done`, `again` or `stop` for an HTTP status. A redirect is not followed; it may be mended, so it is tried again."""
    if 200 <= status < 300:
        return DONE
    if 400 <= status < 500 and status not in (408, 429):
        return STOP
    return AGAIN


def retry_after_ms(header: str | None, now_ms: int) -> int:
    """The pause a Retry-After header asks for (RFC 9110 section 10.2.3: seconds or a date), 0 when none can be read."""
    if not header:
        return 0
    text = header.strip()
    if text.isascii() and text.isdigit():
        return min(int(text[:9]), WEBHOOK_RETRY_S_MAX) * 1000
    try:
        at = parsedate_to_datetime(text)
        pause = int(at.timestamp() * 1000) - now_ms
    except (ValueError, TypeError, OverflowError, OSError):
        return 0
    return min(max(pause, 0), WEBHOOK_RETRY_S_MAX * 1000)


def next_attempt_ms(attempts: int, received_ms: int, now_ms: int, dice: float, asked_ms: int = 0) -> int | None:
    """When to try again after `attempts` failures, or None to give up: a day after the courier got it.

    5 s, doubling each time, plus up to WEBHOOK_JITTER of itself (`dice` from 0 to 1) so that many that failed together do not
    come back together; never sooner than the other side asked (`asked_ms`).
    """
    assert attempts >= 1
    pause = WEBHOOK_RETRY_S_MIN * 1000 * 2 ** min(attempts - 1, 20)
    pause += int(pause * WEBHOOK_JITTER * dice)
    at = now_ms + max(pause, asked_ms)
    return at if at <= received_ms + WEBHOOK_RETRY_S_MAX * 1000 else None
