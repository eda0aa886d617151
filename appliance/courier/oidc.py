"""Asks the bank's sign-on (OpenID Connect Core 1.0, code flow with PKCE) who somebody is. The console has no network, so the courier asks.

What the provider says is believed only as far as its own key signs it: the ID token's signature, issuer, audience, time and nonce are checked by
authlib and joserfc; groups that are not in it are taken from its userinfo, for the same subject. Codes, tokens and claims are in no log.
"""

from __future__ import annotations

import asyncio
import json
import logging
import ssl
from base64 import b64encode, urlsafe_b64encode
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import quote, urlencode

import httpx

from appliance.clock import now_ms
from appliance.errors import Error
from appliance.settings import Settings

log = logging.getLogger(__name__)

ANSWER_S_MAX: Final = 8.0
OCTETS_MAX: Final = 1024 * 1024  # of one answer; a large set of keys is some 20 kB
LEEWAY_S: Final = 30
#: Asymmetric only (RFC 8725 section 3.2): with a MAC whoever has the secret could say who somebody is, and `none` is no signature.
ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
AT_ONCE: Final = 4


class Said(NamedTuple):
    """`known`: the provider vouches for somebody; `role` "" is in none of the groups."""

    known: bool
    name: str = ""
    role: str = ""


class _Refused(Exception):
    """The provider does not vouch; the words go into the log and hold nothing of a person."""


def challenge_of(verifier: str) -> str:
    """RFC 7636 section 4.2, S256."""
    return urlsafe_b64encode(sha256(verifier.encode()).digest()).decode().rstrip("=")


def role_of(groups: Any, roles: dict[str, str]) -> str:
    """The first role of the table whose group is among a person's."""
    has = (
        {groups}
        if isinstance(groups, str)
        else {g for g in groups if isinstance(g, str)}
        if isinstance(groups, list)
        else set()
    )
    return next((role for role, group in roles.items() if group in has), "")


class SignOn:
    """One box's way to its provider; its description and keys are asked for each time, so that a changed key is known at once."""

    def __init__(self, settings: Settings, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self.settings = settings
        self._transport = transport
        self._room = asyncio.Semaphore(AT_ONCE)

    async def begin(self, state: str, nonce: str, verifier: str, back: str) -> str:
        """Where the browser is sent to. Raises Error `peer_unavailable`, `settings_invalid`."""
        if not self.settings["oidc.issuer"]:
            raise Error("settings_invalid", "no sign-on of the bank is set", "oidc.issuer")
        async with self._room, self._client() as client:
            described = await self._described(client)
        asked = {
            "response_type": "code", "client_id": self.settings["oidc.client_id"], "redirect_uri": back, "scope": self.settings["oidc.scope"],
            "state": state, "nonce": nonce, "code_challenge": challenge_of(verifier), "code_challenge_method": "S256",
        }  # fmt: skip
        where = str(described["authorization_endpoint"])
        return f"{where}{'&' if '?' in where else '?'}{urlencode(asked)}"

    async def ask(self, code: str, nonce: str, verifier: str, back: str) -> Said:
        """Who came back with `code`. Raises Error `peer_unavailable`, `settings_invalid`."""
        async with self._room, self._client() as client:
            try:
                return await self._ask(client, code, nonce, verifier, back)
            except _Refused as e:
                log.warning("sign-on: not believed: %s", e)
                return Said(False)

    async def _ask(self, client: httpx.AsyncClient, code: str, nonce: str, verifier: str, back: str) -> Said:
        described = await self._described(client)
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": back, "code_verifier": verifier}
        tokens = await self._tokens(client, described, form)
        keys = await self._json(client, "GET", str(described["jwks_uri"]))
        claims = self._believed(str(tokens.get("id_token", "")), keys, nonce, str(tokens.get("access_token", "")))
        it = self.settings
        if it["oidc.groups"] not in claims or it["oidc.name"] not in claims:
            claims = await self._more(client, described, tokens, claims)
        name = claims.get(it["oidc.name"], "")
        if not isinstance(name, str) or not name:
            raise _Refused(f"the claim {it['oidc.name']} is missing")
        return Said(True, name, role_of(claims.get(it["oidc.groups"], []), it["oidc.roles"]))

    async def _described(self, client: httpx.AsyncClient) -> dict[str, Any]:
        """The provider's own description (Discovery 1.0 section 4.3: it names the issuer that was asked)."""
        issuer = self.settings["oidc.issuer"]
        found = await self._json(client, "GET", f"{issuer.rstrip('/')}/.well-known/openid-configuration")
        ends = [str(found.get(name, "")) for name in ("authorization_endpoint", "token_endpoint", "jwks_uri")]
        if found.get("issuer") != issuer or not all(end.startswith("https://") for end in ends):
            raise Error("peer_unavailable", "the bank's sign-on calls itself otherwise", "see oidc.issuer")
        return found

    async def _tokens(
        self, client: httpx.AsyncClient, described: dict[str, Any], form: dict[str, str]
    ) -> dict[str, Any]:
        client_id, secret = self.settings["oidc.client_id"], _secret(self.settings["oidc.secret_file"])
        headers = {}
        ways = described.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        if secret and "client_secret_basic" in ways:  # RFC 6749 section 2.3.1: both parts are form-encoded first
            pair = f"{quote(client_id, safe='')}:{quote(secret, safe='')}"
            headers["Authorization"] = "Basic " + b64encode(pair.encode()).decode()
        else:
            form = form | {"client_id": client_id} | ({"client_secret": secret} if secret else {})
        return await self._json(client, "POST", str(described["token_endpoint"]), form, headers)

    def _believed(self, token: str, keys: dict[str, Any], nonce: str, access_token: str) -> dict[str, Any]:
        """The claims of an ID token that is what it should be (Core 1.0 section 3.1.3.7)."""
        from authlib.oidc.core import CodeIDToken
        from joserfc import jwt
        from joserfc.errors import JoseError
        from joserfc.jwk import KeySet

        client_id, issuer = self.settings["oidc.client_id"], self.settings["oidc.issuer"]
        options = {"iss": {"essential": True, "value": issuer}, "aud": {"essential": True, "value": client_id}}
        try:
            decoded = jwt.decode(token, KeySet.import_key_set(keys), algorithms=list(ALGORITHMS))  # type: ignore[arg-type]  # JSON, as the library reads it
            params = {"nonce": nonce, "client_id": client_id, "access_token": access_token}
            claims = CodeIDToken(decoded.claims, decoded.header, options, params)
            claims.validate(now=now_ms() // 1000, leeway=LEEWAY_S)
        except (JoseError, ValueError, TypeError, KeyError) as e:
            raise _Refused(f"its ID token is not right: {type(e).__name__}") from None
        return dict(claims)

    async def _more(
        self, client: httpx.AsyncClient, described: dict[str, Any], tokens: dict[str, Any], claims: dict[str, Any]
    ) -> dict[str, Any]:
        """What the ID token leaves out, from userinfo (Core 1.0 section 5.3.2: only when its `sub` is the same)."""
        where = str(described.get("userinfo_endpoint", ""))
        if not where.startswith("https://"):
            return claims
        headers = {"Authorization": f"Bearer {tokens.get('access_token', '')}"}
        found = await self._json(client, "GET", where, None, headers)
        if found.get("sub") != claims["sub"]:
            raise _Refused("its userinfo is about somebody else")
        return found | claims

    def _client(self) -> httpx.AsyncClient:
        ca = self.settings["oidc.ca"]
        context = ssl.create_default_context(cafile=ca or None)
        return httpx.AsyncClient(
            verify=context,
            headers={"Accept-Encoding": "identity"},
            transport=self._transport,
            trust_env=False,
            follow_redirects=False,
            timeout=ANSWER_S_MAX,
        )

    async def _json(
        self, client: httpx.AsyncClient, method: str, url: str, form: dict[str, str] | None = None, headers: dict[str, str] | None = None
    ) -> dict[str, Any]:  # fmt: skip
        """Raises Error `peer_unavailable`; `_Refused` for an answer that says no."""
        try:
            async with asyncio.timeout(ANSWER_S_MAX), client.stream(method, url, data=form, headers=headers) as answer:
                octets = b""
                async for piece in answer.aiter_bytes():
                    octets += piece
                    if len(octets) > OCTETS_MAX:
                        break
            if answer.status_code in (400, 401, 403):
                raise _Refused(f"http {answer.status_code}")
            found = json.loads(octets) if answer.status_code == 200 else None
        except (httpx.HTTPError, httpx.InvalidURL, OSError, TimeoutError, ValueError) as e:
            log.warning("sign-on: no answer (%s)", type(e).__name__)
            found = None
        if not isinstance(found, dict):
            raise Error(
                "peer_unavailable", "the bank's sign-on does not answer", "the console's own accounts sign in as ever"
            )
        return found


def _secret(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").strip() if path else ""
    except (OSError, UnicodeDecodeError):
        raise Error(
            "settings_invalid", "oidc.secret_file cannot be read", "one line, readable by the courier"
        ) from None
