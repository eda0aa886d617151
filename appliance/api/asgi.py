"""The ASGI application: addresses to endpoints, credentials, media types, bodies within their limit, problems instead of tracebacks.

It never logs a query, a header or a body: what goes wrong is logged as method, address pattern and code.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final, NamedTuple

from appliance.access import ApiKey
from appliance.clock import monotonic_s
from appliance.errors import CODES, Error
from appliance.settings import behind_front, caller_of

from . import problems
from .numbers import Numbers

log = logging.getLogger(__name__)

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

JSON: Final = b"application/json"
TEXT: Final = b"text/plain; version=0.0.4; charset=utf-8"


class Answer(NamedTuple):
    """What an endpoint gives back."""

    status: int
    body: bytes
    media: bytes = JSON
    headers: tuple[tuple[bytes, bytes], ...] = ()


class Request:
    """One request, read as far as its endpoint asks."""

    __slots__ = ("_receive", "caller", "headers", "param", "query")

    def __init__(self, scope: Scope, receive: Receive, param: str) -> None:
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        self.query: bytes = scope["query_string"]
        self.param = param
        self.caller: ApiKey
        self._receive = receive

    async def body(self, octets_max: int) -> bytes:
        """The whole body. Raises Error `too_large` as soon as it is known to be, `unsupported_media` when it is not JSON."""
        media = self.headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
        if media != JSON:
            raise Error(
                "unsupported_media",
                "the body must be application/json",
                "add the header Content-Type: application/json",
            )
        if self.headers.get(b"content-encoding", b"identity").lower() != b"identity":
            raise Error("unsupported_media", "the body must not be compressed", "leave out Content-Encoding")
        length = self.headers.get(b"content-length", b"")
        if length.isdigit() and (len(length) > 18 or int(length) > octets_max):
            raise _too_large(octets_max)
        event = await self._receive()
        body: bytes = event.get("body", b"")
        if event.get("more_body"):
            parts, size = [body], len(body)
            while event.get("more_body"):
                if size > octets_max:
                    raise _too_large(octets_max)
                event = await self._receive()
                parts.append(event.get("body", b""))
                size += len(parts[-1])
            body = b"".join(parts)
        if event["type"] != "http.request":
            raise Error("malformed", "the request ended early")
        if len(body) > octets_max:
            raise _too_large(octets_max)
        return body


class Route(NamedTuple):
    """One address: what its methods call, whether a credential is needed, and the media type of its answer."""

    pattern: str
    methods: dict[str, Callable[[Request], Awaitable[Answer]]]
    open_to_all: bool = False
    media: bytes = JSON


class Application:
    """Routes by exact address, `{id}` standing for one segment. `check` turns a token into its API key, or None;
    `check_again`, asked when it gave None, looks whether the key was made a moment ago."""

    def __init__(
        self,
        routes: list[Route],
        check: Callable[[str], ApiKey | None],
        check_again: Callable[[str], Awaitable[ApiKey | None]],
        numbers: Numbers,
        refused: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.check, self.check_again = check, check_again
        self.refused = refused  # hears the address that a credential came from which opens nothing
        self.numbers = numbers
        self.fronted = behind_front()
        self.exact = {r.pattern: r for r in routes if "{" not in r.pattern}
        self.wild = {r.pattern: r for r in routes if "{" in r.pattern}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await _lifespan(receive, send)
            return
        began_s = monotonic_s()
        route, param = self.find(scope["path"])
        method = scope["method"]
        try:
            answer = await self.answer(route, param, scope, receive)
        except Error as e:
            answer = problem(e)
        except Exception as e:
            # Names and line numbers only: values of variables could be a customer's.
            log.error(
                "%s %s: %s\n%s",
                method,
                route.pattern if route else "?",
                type(e).__name__,
                "".join(traceback.format_list(traceback.extract_tb(e.__traceback__))),
            )
            answer = problem(Error("internal", CODES["internal"], "please report it with the time of the request"))
        self.numbers.answered(method, route.pattern if route else "", answer.status, monotonic_s() - began_s)
        headers = [
            (b"content-type", answer.media),
            (b"content-length", b"%d" % len(answer.body)),
            *FIXED,
            *answer.headers,
        ]
        if answer.status == 204:
            headers = [*FIXED, *answer.headers]
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if method == "HEAD" else answer.body})

    def find(self, path: str) -> tuple[Route | None, str]:
        """The route and the value of its `{...}`."""
        route = self.exact.get(path)
        if route is not None:
            return route, ""
        head, _, last = path.rpartition("/")
        if last and (route := self.wild.get(f"{head}/{{id}}")) is not None:
            return route, last
        start, _, middle = head.rpartition("/")
        if middle and (route := self.wild.get(f"{start}/{{id}}/{last}")) is not None:
            return route, middle
        return None, ""

    async def answer(self, route: Route | None, param: str, scope: Scope, receive: Receive) -> Answer:
        method = scope["method"]
        if route is None:
            raise Error("not_found", "there is nothing at this address", "see /v1/openapi.json")
        if method == "HEAD" and "GET" in route.methods:
            method = "GET"
        endpoint = route.methods.get(method)
        if endpoint is None:
            allow = ", ".join([*route.methods, *(["HEAD"] if "GET" in route.methods else []), "OPTIONS"])
            if method == "OPTIONS":
                return Answer(204, b"", headers=((b"allow", allow.encode()),))
            raise Error("method_not_allowed", "this address has no such method", f"it has {allow}", allow=allow)
        request = Request(scope, receive, param)
        if not route.open_to_all:
            scheme, _, token = request.headers.get(b"authorization", b"").partition(b" ")
            shown = token.strip().decode("latin-1") if scheme.lower() == b"bearer" else ""
            caller = self.check(shown) or await self.check_again(shown)
            if caller is None:
                if token:
                    peer = (scope.get("client") or ("",))[0]
                    forwarded = request.headers.get(b"x-forwarded-for", b"").decode("latin-1")
                    self.refused(caller_of(peer, forwarded, self.fronted))
                raise Error(
                    "unauthorized", "no valid API key was presented", "send the header Authorization: Bearer KEY"
                )
            request.caller = caller
        accept = request.headers.get(b"accept")
        if accept is not None and accept != b"*/*" and not acceptable(accept, route.media):
            raise Error("not_acceptable", "the answer has another media type", f"it is {route.media.decode()}")
        return await endpoint(request)


FIXED: Final = ((b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff"))


def problem(error: Error) -> Answer:
    status, body, headers = problems.answer(error)
    return Answer(status, body, problems.PROBLEM_MEDIA, tuple(headers))


def acceptable(accept: bytes, media: bytes) -> bool:
    """Whether an Accept header (RFC 9110 section 12.5.1) lets `media` through; the most specific range decides."""
    media = media.partition(b";")[0]
    ranges = {media: 3, media.partition(b"/")[0] + b"/*": 2, b"*/*": 1}
    best, verdict = 0, False
    for item in accept.lower().split(b","):
        name, *params = (p.strip() for p in item.split(b";"))
        weight = ranges.get(name, 0)
        if weight > best:
            best = weight
            verdict = not any(p.startswith(b"q=") and not p[2:].strip(b"0.") for p in params)
    return verdict


def _too_large(octets_max: int) -> Error:
    return Error("too_large", f"the body is larger than {octets_max:,} octets", "split it")


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        event = await receive()
        await send({"type": f"{event['type']}.complete"})
        if event["type"] == "lifespan.shutdown":
            return
