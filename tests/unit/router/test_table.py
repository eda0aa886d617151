"""Longest prefix wins; a number nobody serves has no links."""

from hypothesis import given
from hypothesis import strategies as st

from appliance.router import RouteTable


def test_longest_prefix() -> None:
    table = RouteTable([("", ("any",)), ("39", ("it",)), ("39347", ("vf", "it"))])
    assert table.links("+393471234567") == ("vf", "it")
    assert table.links("+393201234567") == ("it",)
    assert table.links("+4915112345678") == ("any",)


def test_nobody() -> None:
    assert RouteTable([("39", ("it",))]).links("+4915112345678") == ()
    assert RouteTable([]).links("+391") == ()


digits = st.text("0123456789", min_size=0, max_size=6)


@given(st.dictionaries(digits, st.just(("x",)), max_size=20), st.text("0123456789", min_size=7, max_size=15))
def test_as_a_plain_search_would(routes: dict[str, tuple[str, ...]], number: str) -> None:
    named = {prefix: (prefix or "all",) for prefix in routes}
    fitting = [p for p in named if number.startswith(p) and len(number) >= len(p)]
    expected = named[max(fitting, key=len)] if fitting else ()
    assert RouteTable(named.items()).links("+" + number) == expected
