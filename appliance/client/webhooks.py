"""Callbacks of the appliance, checked as Standard Webhooks (standardwebhooks.com, specification 1.0) says."""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Mapping
from typing import Any, Final

AGE_S_MAX: Final = 300


class NotGenuine(Exception):
    """The callback is not the appliance's, or too old."""


def opened(secret: str, headers: Mapping[str, str], body: bytes, now_s: float) -> Any:
    """The callback's content. `secret`: of `casemate apikey webhook-secret`; `now_s`: seconds since 1970. Raises NotGenuine."""
    told = {name.lower(): value for name, value in headers.items()}
    try:
        message_id, at, signatures = told["webhook-id"], told["webhook-timestamp"], told["webhook-signature"]
        age_s = now_s - int(at)
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except (KeyError, ValueError):
        raise NotGenuine("the headers of a callback are missing or malformed") from None
    if abs(age_s) > AGE_S_MAX:
        raise NotGenuine("the callback is too old, or a clock is wrong")
    right = base64.b64encode(hmac.digest(key, f"{message_id}.{at}.".encode() + body, "sha256")).decode()
    if not any(hmac.compare_digest(f"v1,{right}", one) for one in signatures.split()):
        raise NotGenuine("the signature is another")
    return json.loads(body)
