"""Who may come in: API keys, people of the console, their sessions, accounts of the SMPP door. Keeps no token and no password, only what checks them."""

from . import settings_due
from .admin_tokens import AdminToken
from .api_keys import ApiKey, Verifier, well_formed
from .changes import KINDS, Change, stands
from .door_accounts import ALPHABETS, DoorAccount, DoorAccounts, change_told
from .doors import Access
from .factors import RECOVERY, SECURITY_KEY, TOTP, Kept, SecurityKey
from .passwords import Passwords, check_rules
from .people import check_role
from .person import DIRECTORY, GLASS, OIDC, OPENED, SEALED, Person
from .roles import NEVER_BY_TOKEN, PERMISSIONS, PROVEN, ROLES, may
from .sessions import Session
from .settings_shelf import (
    DOCUMENT_CHARACTERS_MAX,
    SettingsVersion,
    differences,
    digest_of,
    flat,
    in_use,
    place_in_use,
    write_in_use,
)
from .throttle import address_of, subjects
from .totp import secret_text, totp, totp_step, totp_uri

__all__ = [
    "ALPHABETS",
    "DIRECTORY",
    "DOCUMENT_CHARACTERS_MAX",
    "GLASS",
    "KINDS",
    "NEVER_BY_TOKEN",
    "OIDC",
    "OPENED",
    "PERMISSIONS",
    "PROVEN",
    "RECOVERY",
    "ROLES",
    "SEALED",
    "SECURITY_KEY",
    "TOTP",
    "Access",
    "AdminToken",
    "ApiKey",
    "Change",
    "DoorAccount",
    "DoorAccounts",
    "Kept",
    "Passwords",
    "Person",
    "SecurityKey",
    "Session",
    "SettingsVersion",
    "Verifier",
    "address_of",
    "change_told",
    "check_role",
    "check_rules",
    "differences",
    "digest_of",
    "flat",
    "in_use",
    "may",
    "place_in_use",
    "secret_text",
    "settings_due",
    "stands",
    "subjects",
    "totp",
    "totp_step",
    "totp_uri",
    "well_formed",
    "write_in_use",
]
