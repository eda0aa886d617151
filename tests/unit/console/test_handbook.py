"""The manual in the box: found by words, shown as pages, never more than text."""

from __future__ import annotations

import json

from flask.testing import FlaskClient

from appliance.console.handbook import html, inline, leaves, search
from appliance.settings import Settings

from .conftest import sign_in


def test_pages_are_made_of_what_they_use() -> None:
    text = "## Two `words`\\n\\nA **strong** one\\nhere.\\n\\n- one\\n  more\\n- two\\n\\n| a | b |\\n|---|---|\\n| `x` | y |\\n\\n```\\n<b>\\n```\\n".replace(
        "\\n", "\n"
    )
    made = str(html(text))
    assert '<h2 id="two-words">Two <code>words</code></h2>' in made and "<strong>strong</strong> one here." in made
    assert (
        "<li>one\n  more</li><li>two</li>" in made
        and "<td><code>x</code></td><td>y</td>" in made
        and "&lt;b&gt;" in made
    )


def test_what_a_page_says_is_only_text() -> None:
    assert "<script" not in str(html("# a\n<script>x</script> `<i>` [x](javascript:alert(1)) [y](https://e.example)"))
    assert str(inline("[engine](../engine/README.md)")) == '<a href="/help/engine">engine</a>'
    assert "href" not in str(inline("[there](https://elsewhere.example)"))


def test_every_page_is_there_and_can_be_searched(client: FlaskClient) -> None:
    assert len(leaves()) > 20
    assert all(html(each.text) for each in leaves())
    hits = search("idle minutes")
    assert hits and all("idle" in h.excerpt.casefold() or "minutes" in h.excerpt.casefold() for h in hits)
    assert search("") == [] and search("no such words at all in it xyzzy") == []
    sign_in(client, "vera")
    page = client.get("/help?words=checkpoint").text
    assert "/help/audit#" in page
    assert client.get("/help/audit").status_code == 200 and client.get("/help/nothing").status_code == 404


def test_the_system_page_stands_when_nothing_answers(client: FlaskClient, peers: object) -> None:
    sign_in(client)
    assert "core.bank.example" in client.get("/system").text
    peers.down |= {"courier", "engine", "keys", "auditor"}  # type: ignore[attr-defined]
    page = client.get("/system")
    assert page.status_code == 200 and "courier does not answer" in page.text


def test_the_system_page_tells_the_self_test_where_there_is_one(client: FlaskClient, settings: Settings) -> None:
    sign_in(client)
    report = settings.home / "run/selftest.json"
    report.parent.mkdir(exist_ok=True)
    rows = [{"what": "signing keys", "how": "LOOK", "words": "development keys: <b>not</b> for use in a bank"}]
    report.write_text(json.dumps({"at": "", "findings": rows}), encoding="utf-8")
    page = client.get("/system").text
    assert "Self-test of the last start" in page and "development keys: &lt;b&gt;not" in page
    for broken in ("", "[]", '{"findings": [{"what": 1}]}', '{"findings": [{"what": "a", "how": "odd", "words": ""}]}'):
        report.write_text(broken, encoding="utf-8")
        assert "Self-test of the last start" not in client.get("/system").text


def test_a_picture_is_the_boxs_own_or_none() -> None:
    made = str(html("![One <message>](static/pages/message.png)"))
    assert (
        '<img class="page" src="/static/pages/message.png" alt="One &lt;message&gt;"' in made
        and 'loading="lazy"' in made
    )
    for other in ("https://elsewhere.example/x.png", "static/pages/../x.png", "static/x.png"):
        assert "<img" not in str(html(f"![x]({other})"))
    assert "The console, page by page" in [each.title for each in leaves()]
