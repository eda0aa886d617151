"""The query of a list that is paged: its few fields, each once, and cursors that are numbers."""

from __future__ import annotations

from urllib.parse import parse_qsl

from appliance.errors import Error

FIELDS_MAX = 8


def fields_of(query: bytes, *names: str) -> dict[str, str]:
    """What a query gives for the fields it may have. Raises Error `invalid` for another one, or for one given twice."""
    try:
        pairs = parse_qsl(query.decode("ascii", "replace"), keep_blank_values=True, max_num_fields=FIELDS_MAX)
    except ValueError:  # more fields than that
        pairs = [("", "")]
    given = dict(pairs)
    if len(given) < len(pairs) or given.keys() - set(names):
        said = " and ".join(f"`{name}`" for name in names)
        each = "each once" if len(names) > 1 else "once"
        raise Error("invalid", f"the query may have {said}, {each}", "`next` of the page before")
    return given


def cursor_number(query: bytes, digits_max: int) -> int:
    """The cursor of a list whose pages go on after a number; 0 without one. Raises Error `invalid`."""
    text = fields_of(query, "cursor").get("cursor", "0")
    if not (text.isascii() and text.isdigit() and len(text) <= digits_max):
        raise Error("invalid", "the cursor is not one that this list gave", "start again without", field="cursor")
    return int(text)
