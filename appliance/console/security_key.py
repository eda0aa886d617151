"""Security keys at the console: WebAuthn (W3C Level 2) asked and checked by the library of Duo Labs. Keeps nothing, never knows a private key.

The relying party is the name by which the browser reached the console: a key enrolled under another name signs nothing here. There is no such name
where the console is reached by an address, which WebAuthn does not allow.
"""

from __future__ import annotations

import ipaddress
import json
import secrets
from collections.abc import Iterable
from typing import NamedTuple

from flask import request

from appliance.access import Person, SecurityKey
from appliance.errors import Error

CHALLENGE_OCTETS = 32
ANSWER_CHARACTERS_MAX = 12_000  # an attestation with certificates is the longest


class Party(NamedTuple):
    """Who asks, as the browser knows it."""

    id: str
    origin: str


def party() -> Party | None:
    """None where WebAuthn cannot work: by an address, or in clear text but for localhost."""
    origin = request.host_url.rstrip("/")
    host = origin.partition("://")[2]
    name = host.rpartition(":")[0] if not host.endswith("]") and ":" in host else host
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return Party(name, origin) if request.is_secure or name == "localhost" else None
    return None


def fresh_challenge() -> bytes:
    return secrets.token_bytes(CHALLENGE_OCTETS)


def asked_to_enrol(at: Party, person: Person, has: Iterable[SecurityKey], challenge: bytes) -> str:
    """What the browser's `navigator.credentials.create` is given, as JSON."""
    import webauthn
    from webauthn.helpers import structs

    return webauthn.options_to_json(
        webauthn.generate_registration_options(
            rp_id=at.id,
            rp_name="Casemate",
            user_name=person.name,
            user_id=f"casemate-{person.id}".encode(),
            challenge=challenge,
            authenticator_selection=structs.AuthenticatorSelectionCriteria(
                resident_key=structs.ResidentKeyRequirement.PREFERRED,
                user_verification=structs.UserVerificationRequirement.PREFERRED,
            ),
            exclude_credentials=[structs.PublicKeyCredentialDescriptor(id=key.id) for key in has],
        )
    )


def enrolled(at: Party, answer: str, challenge: bytes) -> tuple[bytes, bytes, int]:
    """Credential id, public key and count of signatures. Raises Error `invalid`."""
    import webauthn

    try:
        found = webauthn.verify_registration_response(
            credential=_read(answer), expected_challenge=challenge, expected_rp_id=at.id, expected_origin=at.origin
        )
    except Exception:  # the library's own errors, and whatever a made-up answer sets off inside it
        raise Error("invalid", "the security key's answer is not right", "try again, or take another key") from None
    return found.credential_id, found.credential_public_key, found.sign_count


def asked_to_sign(at: Party, keys: Iterable[SecurityKey], challenge: bytes, alone: bool) -> str:
    """What `navigator.credentials.get` is given. `alone`: no password was shown before, so the key itself asks for a PIN or a finger."""
    import webauthn
    from webauthn.helpers import structs

    verification = (
        structs.UserVerificationRequirement.REQUIRED if alone else structs.UserVerificationRequirement.PREFERRED
    )
    return webauthn.options_to_json(
        webauthn.generate_authentication_options(
            rp_id=at.id,
            challenge=challenge,
            allow_credentials=[structs.PublicKeyCredentialDescriptor(id=key.id) for key in keys],
            user_verification=verification,
        )
    )


def key_of(answer: str) -> bytes:
    """The credential id that an answer says it is by; empty for what is no answer. Trusted only after `signed`."""
    from webauthn.helpers import base64url_to_bytes

    try:
        return base64url_to_bytes(str(_read(answer)["rawId"]))[:1_024]
    except Exception:
        return b""


def signed(at: Party, answer: str, challenge: bytes, key: SecurityKey, alone: bool) -> int | None:
    """The key's count of signatures, None when the answer is not right."""
    import webauthn

    try:
        found = webauthn.verify_authentication_response(
            credential=_read(answer),
            expected_challenge=challenge,
            expected_rp_id=at.id,
            expected_origin=at.origin,
            credential_public_key=key.public,
            credential_current_sign_count=key.signed,
            require_user_verification=alone,
        )
    except Exception:
        return None
    return int(found.new_sign_count)


def _read(answer: str) -> dict[str, object]:
    if len(answer) > ANSWER_CHARACTERS_MAX:
        raise ValueError
    found = json.loads(answer)
    if not isinstance(found, dict):
        raise ValueError
    return found
