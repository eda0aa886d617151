"""Who may come in: API keys, people of the console, their sessions, accounts of the SMPP door. Keeps no token and no password, only what checks them."""

from .api_keys import ApiKey, Verifier, well_formed
from .door_accounts import ALPHABETS, DoorAccount, DoorAccounts
from .doors import Access
from .factors import RECOVERY, SECURITY_KEY, TOTP, Kept, SecurityKey
from .passwords import Passwords, check_rules
from .people import check_role
from .person import GLASS, OPENED, SEALED, Person
from .roles import PERMISSIONS, PROVEN, ROLES, may
from .sessions import Session
from .throttle import address_of, subjects
from .totp import secret_text, totp, totp_step, totp_uri

__all__ = [
    "ALPHABETS",
    "GLASS",
    "OPENED",
    "PERMISSIONS",
    "PROVEN",
    "RECOVERY",
    "ROLES",
    "SEALED",
    "SECURITY_KEY",
    "TOTP",
    "Access",
    "ApiKey",
    "DoorAccount",
    "DoorAccounts",
    "Kept",
    "Passwords",
    "Person",
    "SecurityKey",
    "Session",
    "Verifier",
    "address_of",
    "check_role",
    "check_rules",
    "may",
    "secret_text",
    "subjects",
    "totp",
    "totp_step",
    "totp_uri",
    "well_formed",
]
