"""Who may come in: API keys, people of the console, their sessions. Keeps no token and no password, only what checks them."""

from .api_keys import ApiKey, Verifier
from .doors import Access
from .people import Person, Session
from .roles import PERMISSIONS, ROLES, may
from .throttle import address_of

__all__ = ["PERMISSIONS", "ROLES", "Access", "ApiKey", "Person", "Session", "Verifier", "address_of", "may"]
