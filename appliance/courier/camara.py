"""Asks operators about a number before a code goes there: CAMARA's SIM Swap and KYC Tenure, with tokens by OAuth 2.0.

Nothing of a number or an answer is kept, and neither is in a log. An operator that does not answer well is left alone for a while, so that codes do not wait for it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import quote_plus, urlencode

import httpx
import msgspec
from msgspec import Meta

from appliance.errors import Error
from appliance.limits import (
    CAMARA_AT_ONCE_MAX,
    CAMARA_FAILURES_MAX,
    CAMARA_OCTETS_MAX,
    CAMARA_PAUSE_S,
    CAMARA_TOKEN_S_MAX,
)
from appliance.settings import Camara, web_server

from . import camara_reading as reading
from .assertion import client_claims, key_at, number_claims, signed
from .camara_reading import UNWELL, Said, Token, unknown

log = logging.getLogger(__name__)

TOKEN_MARGIN_S: Final = 5.0  # before its end a token is not used any more
ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
GRANT_JWT: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"

_encode: Final = msgspec.json.Encoder().encode
Reader = Callable[[int, bytes], Said]


class Question(msgspec.Struct, forbid_unknown_fields=True):
    """About one number, E.164 with its plus; 0 hours, or days, ask nothing. `correlator` joins the operator's log with the bank's."""

    number: Annotated[str, Meta(pattern=r"^\+[1-9][0-9]{4,14}$")]
    swap_hours: Annotated[int, Meta(ge=0, le=2_400)]
    tenure_days: Annotated[int, Meta(ge=0, le=3_650)]
    correlator: Annotated[str, Meta(pattern=r"^[A-Za-z0-9-]{1,64}$")]


class Asking:
    """One row of the settings: one operator, its tokens, and how well it answers."""

    def __init__(
        self, row: Camara, client: httpx.AsyncClient, now_ms: Callable[[], int], monotonic_s: Callable[[], float]
    ) -> None:
        self.row, self.client = row, client
        self.now_ms, self.now_s = now_ms, monotonic_s
        self.host = web_server(row.api, "camara")[1]
        self.under_way = 0
        self.failures = 0
        self.counts: dict[str, int] = {}
        self._paused_s = -1.0
        self._tokens: dict[str, tuple[Token, float]] = {}
        self._token_locks: dict[str, asyncio.Lock] = {}

    @property
    def paused(self) -> bool:
        return self.now_s() < self._paused_s

    async def ask(self, asked: Question) -> tuple[Said, Said]:
        """Of the SIM and of the contract; the word "" where nothing is asked for. Never raises for what the operator does."""
        row, at_ms = self.row, self.now_ms()
        sim = tenure = Said("")
        questions = []
        if asked.swap_hours:
            questions.append(self._sim(asked, at_ms) if row.sim_swap else _nothing("not_asked"))
        if asked.tenure_days:
            questions.append(self._tenure(asked, at_ms) if row.tenure else _nothing("not_asked"))
        found = await asyncio.gather(*questions)
        if asked.swap_hours:
            sim = found[0]
        if asked.tenure_days:
            tenure = found[-1]
        return sim, tenure

    async def _sim(self, asked: Question, at_ms: int) -> Said:
        hours = asked.swap_hours
        if self.row.question == "check":
            return await self._bounded(
                f"{self.row.sim_swap}/check", "sim-swap:check", asked, {"maxAge": hours}, reading.swapped
            )
        return await self._bounded(
            f"{self.row.sim_swap}/retrieve-date",
            "sim-swap:retrieve-date",
            asked,
            {},
            lambda status, body: reading.swap_date(status, body, hours, at_ms),
        )

    async def _tenure(self, asked: Question, at_ms: int) -> Said:
        day = reading.tenure_date(asked.tenure_days, at_ms)
        return await self._bounded(
            f"{self.row.tenure}/check-tenure", "kyc-tenure:check-tenure", asked, {"tenureDate": day}, reading.tenure
        )

    async def _bounded(self, path: str, scope: str, asked: Question, body: dict[str, Any], read: Reader) -> Said:
        """One question, in its time, counted."""
        if self.paused:
            said = unknown("paused")
        elif self.under_way >= CAMARA_AT_ONCE_MAX:
            said = unknown("busy")
        else:
            self.under_way += 1
            try:
                async with asyncio.timeout(self.row.timeout_ms / 1000):
                    said = await self._answered(path, scope, asked, body, read)
            except TimeoutError:
                said = unknown("timeout")
            except httpx.TimeoutException:
                said = unknown("timeout")
            except httpx.TransportError as e:
                said = unknown("unreachable" if isinstance(e, httpx.ConnectError) else "failed")
            except (Error, httpx.HTTPError, httpx.InvalidURL) as e:
                log.error("camara: %s cannot be asked: %s", self.host, e.message if isinstance(e, Error) else "HTTP")
                said = unknown("no_token")
            finally:
                self.under_way -= 1
            self._weigh(said)
        word = said.why or said.word
        self.counts[word] = self.counts.get(word, 0) + 1
        return said

    def _weigh(self, said: Said) -> None:
        if said.why not in UNWELL:
            if self.failures:
                log.info("camara: %s answers again", self.host)
            self.failures = 0
            return
        self.failures += 1
        if self.failures == 1:
            log.warning("camara: %s does not answer as it should (%s)", self.host, said.why)
        if self.failures >= CAMARA_FAILURES_MAX:
            if not self.paused:
                log.warning("camara: %s is left alone for %g s (%s)", self.host, CAMARA_PAUSE_S, said.why)
            self._paused_s = self.now_s() + CAMARA_PAUSE_S

    async def _answered(self, path: str, scope: str, asked: Question, body: dict[str, Any], read: Reader) -> Said:
        about = {} if self.row.grant == "jwt-bearer" else {"phoneNumber": asked.number}
        content = _encode(about | body)
        for again in (True, False):
            token, fresh = await self._token(scope, asked.number)
            if token is None:
                return unknown("no_token")
            head = {
                "authorization": f"Bearer {token.text}",
                "content-type": "application/json",
                "x-correlator": asked.correlator,
            }
            status, said = await self._post(f"{self.row.api}/{path}", head, content)
            if status == 401 and again and not fresh:  # it was withdrawn before its time
                self._tokens.pop(scope, None)
                continue
            break
        return read(status, said)

    # --- tokens -------------------------------------------------------------------------------------------

    async def _token(self, scope: str, number: str) -> tuple[Token | None, bool]:
        """An access token, and whether it was made for this very question. Raises Error `settings_invalid`."""
        wanted = f"{self.row.purpose} {scope}".strip()
        if self.row.grant == "jwt-bearer":
            claims = number_claims(self.row.client_id, self.row.token_url, number, wanted, self.now_ms() // 1000)
            return await self._granted({"grant_type": GRANT_JWT, "assertion": self._signed(claims)}, {}), True
        async with self._token_locks.setdefault(scope, asyncio.Lock()):
            known = self._tokens.get(scope)
            if known is not None and self.now_s() < known[1]:
                return known[0], False
            form, head = {"grant_type": "client_credentials", "scope": wanted}, {}
            if self.row.key_file:
                claims = client_claims(self.row.client_id, self.row.token_url, self.now_ms() // 1000)
                form |= {"client_assertion_type": ASSERTION_TYPE, "client_assertion": self._signed(claims)}
                form |= {"client_id": self.row.client_id}
            else:
                head = {"authorization": _basic(self.row.client_id, _secret(self.row.secret_file))}
            made = await self._granted(form, head)
            if made is not None:
                self._tokens[scope] = (made, self.now_s() + made.life_s - TOKEN_MARGIN_S)
            return made, True

    def _signed(self, claims: dict[str, Any]) -> str:
        return signed(key_at(self.row.key_file), self.row.key_id, claims)

    async def _granted(self, form: dict[str, str], head: dict[str, str]) -> Token | None:
        head = head | {"content-type": "application/x-www-form-urlencoded"}
        status, body = await self._post(self.row.token_url, head, urlencode(form).encode())
        return reading.token(status, body, CAMARA_TOKEN_S_MAX)

    async def _post(self, url: str, head: dict[str, str], content: bytes) -> tuple[int, bytes]:
        """Status and body; a body that is too long, or coded in a way that was not asked for, is as good as none."""
        head = head | {"accept": "application/json", "accept-encoding": "identity"}
        async with self.client.stream("POST", url, headers=head, content=content) as answer:
            if answer.headers.get("content-encoding", "identity").lower() != "identity":
                return answer.status_code, b""
            body = bytearray()
            async for part in answer.aiter_bytes():
                body += part
                if len(body) > CAMARA_OCTETS_MAX:
                    return answer.status_code, b""
            return answer.status_code, bytes(body)


class Camaras:
    """All of them. `client_of`: an HTTP client that trusts the authorities of a row."""

    def __init__(
        self,
        rows: tuple[Camara, ...],
        client_of: Callable[[Camara], httpx.AsyncClient],
        now_ms: Callable[[], int],
        monotonic_s: Callable[[], float],
    ) -> None:
        self.asking = [Asking(row, client_of(row), now_ms, monotonic_s) for row in rows]

    async def ask(self, asked: Question) -> dict[str, str]:
        """`sim`, `tenure`, `why` one of them is not known, and `asked_of`: the host that was asked."""
        one = next((a for a in self.asking if asked.number.startswith(a.row.prefix, 1)), None)
        if one is None:
            sim = unknown("no_operator") if asked.swap_hours else Said("")
            tenure = unknown("no_operator") if asked.tenure_days else Said("")
        else:
            sim, tenure = await one.ask(asked)
        return {
            "sim": sim.word,
            "tenure": tenure.word,
            "why": sim.why or tenure.why,
            "asked_of": one.host if one is not None else "",
        }

    def state(self) -> list[dict[str, Any]]:
        return [{"host": a.host, "paused": a.paused, "answers": dict(a.counts)} for a in self.asking]

    async def stop(self) -> None:
        for one in self.asking:
            await one.client.aclose()


async def _nothing(why: str) -> Said:
    return unknown(why)


def _basic(name: str, secret: str) -> str:
    """RFC 6749 section 2.3.1: both are form-encoded first."""
    from base64 import b64encode

    return "Basic " + b64encode(f"{quote_plus(name)}:{quote_plus(secret)}".encode()).decode()


def _secret(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        raise Error("settings_invalid", "`secret_file` cannot be read", "one line, readable by the courier") from None
