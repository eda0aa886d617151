"""Tries payloads on every parameter of the console: form fields, query, paths, as every page's source names them. The other processes are played.

An answer is wrong when it is a mistake of our own (500), when a tag of the payload stands in it unescaped, when what should be text was computed, when a file
of the machine or a header of the payload's comes back, or when the people's store is not what it was.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
from flask.testing import FlaskClient

from appliance.console.bearer import ROOT
from appliance.console.calling import CALLS
from appliance.console.guard import PUBLIC

from .payloads import MARK, PRODUCT

PAGES: Final = Path(__file__).parents[2] / "appliance" / "console"
LEFT_OUT: Final = frozenset({"sign.leave"})  # ends the session; takes nothing


class Place(NamedTuple):
    """One parameter of one route. `where`: form, query, path; of the admin API json, query, path."""

    method: str
    path: str
    endpoint: str
    where: str
    name: str


def named(file: Path) -> set[str]:
    """Every literal that a file takes from `request.form`, `.args` or `.values`, also by its own small readers."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            text = ast.unparse(node.func)
            if re.search(r"(request\.(form|args|values)|form)\.get$|^_(id|chosen|time_ms|day)$", text):
                found.add(str(node.args[0].value))
    return found


def places(app: Any) -> list[Place]:
    """Read from the map of routes and from the pages' source, so that a new page is tried too."""
    out = []
    for rule in app.url_map.iter_rules():
        if rule.endpoint in LEFT_OUT or rule.endpoint == "static" or rule.endpoint.startswith("admin."):
            continue
        module = app.view_functions[rule.endpoint].__module__.rpartition(".")[2]
        names = sorted(named(PAGES / f"{module}.py"))
        for method in sorted((rule.methods or set()) & {"GET", "POST"}):
            where = "form" if method == "POST" else "query"
            out += [Place(method, rule.rule, rule.endpoint, where, name) for name in names]
            out += [Place(method, rule.rule, rule.endpoint, "path", name) for name in rule.arguments]
    return sorted(out)


def api_places() -> list[Place]:
    """Every field of every body, every name in an address of the admin API, as its own table has them."""
    out = []
    for each in CALLS:
        fields = [f.encode_name for f in msgspec.structs.fields(each.takes)] if each.takes is not None else []
        for where, names in (("json", fields), ("query", each.query), ("path", re.findall(r"{(\w+)}", each.path))):
            out += [Place(each.method, ROOT + each.path, "admin." + each.name, where, name) for name in names]
    return sorted(out)


def called(client: FlaskClient, token: str, place: Place, text: str) -> str:
    """What is wrong with an answer of the admin API; empty: nothing. It is JSON and is said to be: a tag in it is only text."""
    path = re.sub(
        r"{(\w+)}",
        lambda m: _quoted(
            text if place.where == "path" and m[1] == place.name else "1" if m[1] == "number" else "vera"
        ),
        place.path,
    )
    given = {place.name: text}
    body = (given if place.where == "json" else {}) if place.method != "GET" else None
    query = given if place.where == "query" else {}
    headers = {"Authorization": f"Bearer {token}"}
    answer = client.open(path, method=place.method, json=body, query_string=query, headers=headers)
    said = answer.get_data().decode("utf-8", "replace")
    if answer.status_code == 500:
        return f"500 at {path}"
    if answer.status_code == 401:
        return "the token was shut out"
    if answer.mimetype == "text/html":
        return "a page instead of an answer"
    if PRODUCT in said or "root:x:0" in said:
        return "computed" if PRODUCT in said else "a file of the machine"
    return "a header of the payload's" if "X-Injected" in answer.headers else ""


def tried(client: FlaskClient, csrf: str, place: Place, kind: str, text: str) -> str:
    """What is wrong with the answer; empty: nothing."""
    path = place.path
    for name in re.findall(r"<(?:\w+:)?(\w+)>", path):
        value = text if place.where == "path" and place.name == name else "1" if "number" in name else "vera"
        path = re.sub(rf"<(?:\w+:)?{name}>", lambda _, v=value: _quoted(v), path)  # type: ignore[misc]
    given = {} if place.where == "path" else {place.name: text}
    if place.where == "query":
        answer = client.get(path, query_string=given)
    else:
        data = given if place.method == "POST" else {}
        data = {"csrf": csrf} | data if place.endpoint not in PUBLIC else data | {"csrf": csrf}
        answer = client.open(path, method=place.method, data=data)
    body = answer.get_data().decode("utf-8", "replace")  # a download is octets
    if answer.status_code == 500:
        return f"500 at {path}"
    if (
        f"<{MARK}" in body.lower()
        or f"<script>{MARK}" in body.lower()
        or ("onerror=alert(1)>" in body and "<img" in body)
    ):
        return "not escaped"
    if PRODUCT in body or "root:x:0" in body:
        return "computed" if PRODUCT in body else "a file of the machine"
    if "X-Injected" in answer.headers or "evil.example" in answer.headers.get("Location", "").partition("?")[0]:
        return "a header of the payload's"
    return ""


def _quoted(text: str) -> str:
    from urllib.parse import quote

    return quote(text, safe="") or "x"
