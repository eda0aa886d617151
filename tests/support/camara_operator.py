"""A stand-in for an operator's CAMARA APIs, over TLS: takes only what the published documents allow, answers in their shapes, and lies where a number says so.

SIM Swap 2.1.0 and KYC Tenure 0.2.0 (github.com/camaraproject, releases r3.3 and r2.2); tokens by OAuth 2.0 client credentials with `private_key_jwt`, and by JWT
bearer assertions, whose signature, audience and times are checked with the bank's public key.
"""

from __future__ import annotations

import base64
import json
import re
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from appliance.clock import now_ms

PHONE = re.compile(r"\+[1-9][0-9]{4,14}")
CORRELATOR = re.compile(r"[a-zA-Z0-9\-_:;./<>{}]{0,256}")
ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
SCOPES = {"/sim-swap/v2/check": "sim-swap:check", "/kyc-tenure/v0.2/check-tenure": "kyc-tenure:check-tenure"}
MEMBERS = {
    "/sim-swap/v2/check": {"phoneNumber", "maxAge"},
    "/kyc-tenure/v0.2/check-tenure": {"phoneNumber", "tenureDate"},
}


class CamaraOperator:
    """`faults`: requests that the documents do not allow. A number's last digit says how it is answered."""

    def __init__(self, certificate: Path, key: Path, public: ec.EllipticCurvePublicKey) -> None:
        self.public = public
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.correlators: list[str] = []
        self.faults: list[str] = []
        self._scopes: dict[str, tuple[str, str]] = {}  # token -> scope, number it is about
        operator = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", "0")))
                status, said = operator.answer(self.path, {k.lower(): v for k, v in self.headers.items()}, body)
                if status == 0:  # hangs up
                    self.close_connection = True
                    return
                octets = said if isinstance(said, bytes) else json.dumps(said).encode()
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(octets)))
                self.end_headers()
                self.wfile.write(octets)

            def log_message(self, *_: Any) -> None:
                """Nothing: addresses of tests are of no use."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.root = f"https://localhost:{self.server.server_address[1]}"
        self._thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self._thread.join()

    def answer(self, path: str, head: dict[str, str], body: bytes) -> tuple[int, Any]:
        return self._token(head, body) if path == "/token" else self._told(path, head, body)

    def _fault(self, what: str, status: int = 400, code: str = "INVALID_ARGUMENT") -> tuple[int, Any]:
        self.faults.append(what)
        return status, {"status": status, "code": code, "message": what}

    # --- tokens -------------------------------------------------------------------------------------------

    def _token(self, head: dict[str, str], body: bytes) -> tuple[int, Any]:
        form = {k: v[0] for k, v in parse_qs(body.decode()).items()}
        if head.get("content-type") != "application/x-www-form-urlencoded":
            return self._fault("token: media type")
        if form.get("grant_type") == "client_credentials":
            claims = self._claims(form.get("client_assertion", ""))
            if form.get("client_assertion_type") != ASSERTION or claims is None or claims.get("sub") != "bank":
                return self._fault("token: client assertion", 401, "invalid_client")
            scope, number = form.get("scope", ""), ""
        elif form.get("grant_type") == "urn:ietf:params:oauth:grant-type:jwt-bearer":
            claims = self._claims(form.get("assertion", ""))
            if claims is None or "scope" in form or not str(claims.get("sub")).startswith("tel:+"):
                return self._fault("token: assertion", 400, "invalid_grant")
            scope, number = str(claims.get("scope")), str(claims["sub"])[4:]
        else:
            return self._fault("token: grant type", 400, "unsupported_grant_type")
        words = scope.split()
        if len([w for w in words if w.startswith("dpv:")]) != 1 or not set(words) & set(SCOPES.values()):
            return self._fault(f"token: scope {scope}", 400, "invalid_scope")
        text = f"t{len(self._scopes)}"
        self._scopes[text] = scope, number
        return 200, {"access_token": text, "token_type": "Bearer", "expires_in": 300}

    def _claims(self, jwt: str) -> dict[str, Any] | None:
        """Of a JWT that the bank signed with P-256, for this address, good for 300 s at most."""
        try:
            head, body, signature = jwt.split(".")
            raw = _octets(signature)
            der = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
            self.public.verify(der, f"{head}.{body}".encode(), ec.ECDSA(hashes.SHA256()))
            claims: dict[str, Any] = json.loads(_octets(body))
        except Exception:
            return None
        at_s = now_ms() / 1000
        fresh = claims["iat"] <= at_s + 1 and at_s <= claims["exp"] <= claims["iat"] + 300
        mine = claims["aud"] == f"{self.root}/token" and claims["iss"] == "bank" and claims["jti"]
        return claims if fresh and mine and json.loads(_octets(head))["alg"] == "ES256" else None

    # --- questions ----------------------------------------------------------------------------------------

    def _told(self, path: str, head: dict[str, str], body: bytes) -> tuple[int, Any]:
        scope, about = self._scopes.get(head.get("authorization", "").removeprefix("Bearer "), ("", ""))
        if path not in SCOPES:
            return self._fault(f"no such path {path}", 404, "NOT_FOUND")
        if not scope:
            return self._fault("no token", 401, "UNAUTHENTICATED")
        if SCOPES[path] not in scope.split():
            return self._fault("scope", 403, "PERMISSION_DENIED")
        given = json.loads(body)
        correlator = head.get("x-correlator", "")
        if head.get("content-type") != "application/json" or not CORRELATOR.fullmatch(correlator):
            return self._fault("head")
        if set(given) - MEMBERS[path]:
            return self._fault("members")
        if about and "phoneNumber" in given:
            return self._fault("number twice", 422, "UNNECESSARY_IDENTIFIER")
        number = about or given.get("phoneNumber", "")
        if not PHONE.fullmatch(number):
            return self._fault("number", 422, "MISSING_IDENTIFIER")
        if "check-tenure" in path:
            if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", given.get("tenureDate", "")):
                return self._fault("tenureDate")
        elif not 1 <= given.get("maxAge", 240) <= 2_400:
            return self._fault("maxAge", 400, "OUT_OF_RANGE")
        self.asked.append((path, given))
        self.correlators.append(correlator)
        return self._by_number(path, number[-1])

    def _by_number(self, path: str, digit: str) -> tuple[int, Any]:
        lies: dict[str, tuple[int, Any]] = {
            "3": (404, {"status": 404, "code": "IDENTIFIER_NOT_FOUND", "message": "Device identifier not found."}),
            "4": (200, b"<html>Bad gateway</html>"),
            "5": (503, {"status": 503, "code": "UNAVAILABLE", "message": "Service Unavailable."}),
            "6": (0, b""),
        }
        if digit in lies:
            return lies[digit]
        if "check-tenure" in path:
            return 200, {"tenureDateCheck": digit != "2", "contractType": "PAYM"}
        return 200, {"swapped": digit == "1"}


def _octets(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
