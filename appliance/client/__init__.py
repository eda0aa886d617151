"""A typed client of the appliance's REST API: `from casemate.client import Casemate`. Its calls are generated from the OpenAPI document."""

from . import types
from .asked import CasemateError
from .clients import AsyncCasemate, Casemate
from .webhooks import NotGenuine, opened

__all__ = ["AsyncCasemate", "Casemate", "CasemateError", "NotGenuine", "opened", "types"]
