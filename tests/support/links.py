"""A link's settings as the settings file gives them, for tests of what a link makes of octets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from appliance.settings import Link, parse


def link_of(**settings: Any) -> Link:
    """`link_of(id_base="hex_dec")`: one link with the defaults for the rest. Raises Error `settings_invalid`."""
    row = {"name": "op", "host": "127.0.0.1", **settings}
    return parse({"link": [row]}, Path("var"), "test").links[0]
