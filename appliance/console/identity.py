"""How a person shows who it is, at a sign-in and again before what cannot be undone: a code or a security key. Counted and throttled like passwords."""

from __future__ import annotations

from flask import request

from appliance.access import DIRECTORY, ROLES, SECURITY_KEY, Person, address_of, subjects
from appliance.errors import Error

from . import security_key
from .desk import desk


def remote() -> str:
    return request.remote_addr or ""


def by_password(name: str, password: str) -> Person | None:
    """The person, None for a wrong name or password: of the console's own accounts, else as the bank's directory says.

    Raises Error `rate_limited`, `peer_unavailable` when the directory does not answer. Slow.
    """
    access, at_ms = desk().access, desk().clock()
    known = access.user(name)
    if not desk().settings["directory.urls"] or (known is not None and known.source != DIRECTORY):
        return access.sign_in(name, password, remote(), at_ms)
    keys = subjects(name, address_of(remote()))
    counts = access.begin_attempt(keys, at_ms)
    right, role = desk().peers.directory(name, password)
    if not right or role not in ROLES:
        return None
    person = access.from_directory(name, role, at_ms)
    access.end_attempt(keys, counts, at_ms)
    return person


def bound_options(bound: str, purpose: str, person: Person | None) -> str:
    """What the browser asks a security key with; the challenge is good once, for who has the cookie `bound`. Raises Error `not_found`."""
    at = security_key.party()
    if at is None:
        raise Error("not_found", "security keys need the console's name in the address")
    access, challenge = desk().access, security_key.fresh_challenge()
    access.begin_dialogue(bound, purpose, person, desk().clock(), challenge)
    keys = access.factors(person).keys if person else ()
    return security_key.asked_to_sign(at, keys, challenge, alone=person is None)


def by_security_key(bound: str, purpose: str, answer: str) -> Person | None:
    """The person whose key answered the challenge, None for a wrong answer. Raises Error `rate_limited`.

    Where the dialogue knew the person, only that person's keys are right; where not, the key must have asked for a PIN or a finger.
    """
    access, at_ms, at = desk().access, desk().clock(), security_key.party()
    asked = access.dialogue(bound, purpose, at_ms, take=True)
    if at is None or asked is None or not asked[1]:
        return None
    number, challenge = asked
    key = access.security_key(security_key.key_of(answer))
    person = access.user_of_id(key.person) if key else None
    keys = subjects(person.name if person else "", address_of(remote()), "key ")
    counts = access.begin_attempt(keys, at_ms)
    if key is None or person is None or person.disabled_ms is not None or number not in (None, person.id):
        return None
    signed = security_key.signed(at, answer, challenge, key, alone=number is None)
    if signed is None:
        return None
    access.end_attempt(keys, counts, at_ms)
    access.used_security_key(key.id, signed, at_ms)
    return person


def shown(person: Person, bound: str, purpose: str) -> str:
    """What of the form's fields was right: a factor, "" for nothing. `answer` is a security key's, `code` a telephone's or a recovery code.

    The password counts only for who has nothing better. Raises Error `rate_limited`. May be slow.
    """
    access, at_ms = desk().access, desk().clock()
    if answer := request.form.get("answer", ""):
        found = by_security_key(bound, purpose, answer)
        return SECURITY_KEY if found is not None and found.id == person.id else ""
    if access.factors(person).any:
        return access.check_code(person, request.form.get("code", "")[:64], remote(), at_ms)
    found = by_password(person.name, request.form.get("password", ""))
    return "password" if found is not None and found.id == person.id else ""
