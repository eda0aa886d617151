"""Who may come in: API keys, people of the console, their sessions, accounts of the SMPP door. Keeps no token and no password, only what checks them."""

from .api_keys import ApiKey, Verifier, well_formed
from .door_accounts import ALPHABETS, DoorAccount, DoorAccounts
from .doors import Access
from .passwords import Passwords, check_rules
from .people import Person, Session
from .roles import PERMISSIONS, ROLES, may
from .throttle import address_of

__all__ = [
    "ALPHABETS",
    "PERMISSIONS",
    "ROLES",
    "Access",
    "ApiKey",
    "DoorAccount",
    "DoorAccounts",
    "Passwords",
    "Person",
    "Session",
    "Verifier",
    "address_of",
    "check_rules",
    "may",
    "well_formed",
]
