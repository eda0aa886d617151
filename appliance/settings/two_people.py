"""Settings of what two people of the console do together, and of who else hears of it."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlsplit

from appliance.errors import Error

from .setting import Setting

#: Kinds of change that two people make (`appliance.access` says what each is).
TWO_PEOPLE: Final = ("apikeys", "routes", "senders", "settings", "templates", "tokens", "users")
TWO_PEOPLE_SETTINGS: Final[tuple[Setting, ...]] = (
    Setting(
        "console.two_people",
        "strs",
        list(TWO_PEOPLE),
        "what one person of the console asks for and another approves; of these",
    ),
    Setting(
        "console.changes_webhook",
        "str",
        "",
        "https address on a host of webhook.hosts that hears when such a change is asked for, approved, refused, used, done alone or looked at afterwards",
    ),
    Setting(
        "console.changes_api_key",
        "int",
        0,
        "number of the API key whose webhook secret signs what is told there",
        0,
        2**31 - 1,
    ),
)


def check_two_people(values: dict[str, Any], source: str) -> None:
    """Raises Error `settings_invalid`."""
    for kind in values["console.two_people"]:
        if kind not in TWO_PEOPLE:
            raise Error(
                "settings_invalid", f"{source}: console.two_people knows no {kind!r}", f"of {', '.join(TWO_PEOPLE)}"
            )
    url = values["console.changes_webhook"]
    if not url:
        return
    if not url.startswith(("https://", "http://")) or not urlsplit(url).hostname:
        raise Error("settings_invalid", f"{source}: `console.changes_webhook` is no address", "https://host/path")
    if not values["console.changes_api_key"]:
        hint = "the number that `casemate apikey list` shows"
        raise Error("settings_invalid", f"{source}: `console.changes_webhook` needs `console.changes_api_key`", hint)
