"""The typed client's source, written from the OpenAPI document: `python -m appliance.api.client_source` writes `appliance/client/` anew.

What is generated is kept in the house like any other file; a test holds it equal to this.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from keyword import iskeyword
from pathlib import Path
from typing import Any, Final

from .openapi import document

WHERE: Final = Path(__file__).resolve().parents[1] / "client"
METHODS: Final = ("get", "post", "put", "delete")
#: Calls of the document that are no calls of a bank's system.
LEFT_OUT: Final = frozenset({"openapi", "metrics"})
_WORDS: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_NAMES: Final = {"string": "str", "integer": "int", "boolean": "bool", "number": "float"}


def type_of(schema: dict[str, Any]) -> str:
    """The Python annotation of a JSON Schema, as far as this document uses it."""
    if "$ref" in schema:
        return str(schema["$ref"].rpartition("/")[2])
    if "anyOf" in schema:
        return " | ".join(dict.fromkeys(type_of(one) for one in schema["anyOf"]))
    if "enum" in schema:
        return f"Literal[{', '.join(repr(v) for v in schema['enum'])}]"
    kind = schema.get("type")
    if kind == "null":
        return "None"
    if kind == "array":
        return f"list[{type_of(schema['items']) if 'items' in schema else 'Any'}]"
    if kind == "object":
        more = schema.get("additionalProperties")
        return f"dict[str, {type_of(more) if isinstance(more, dict) and more else 'Any'}]"
    return _NAMES.get(str(kind), "Any")


def types(doc: dict[str, Any]) -> str:
    """The file of types: one `TypedDict` a schema."""
    lines = [
        '"""What the calls take and give, as the OpenAPI document names it. Generated: do not edit."""',
        "",
        "from __future__ import annotations",
        "",
        "from typing import Any, Literal, NotRequired, TypedDict",
        "",
    ]
    for name, schema in sorted(doc["components"]["schemas"].items()):
        required = set(schema.get("required", ()))
        fields = {
            field: kind if field in required else f"NotRequired[{kind}]"
            for field, kind in ((f, type_of(one)) for f, one in schema.get("properties", {}).items())
        }
        said = f'"""{_said(schema)}"""'
        if any(iskeyword(field) for field in fields):  # `from` and `class` are no names in a class
            rows = [f'        "{field}": "{kind}",' for field, kind in fields.items()]
            lines += [f"{name} = TypedDict(", f'    "{name}",', "    {", *rows, "    },", ")", said, ""]
        else:
            rows = [f"    {field}: {kind}" for field, kind in fields.items()]
            lines += ["", f"class {name}(TypedDict):", f"    {said}", "", *rows, "", ""]
    return "\n".join(lines)


def calls(doc: dict[str, Any]) -> str:
    """The file of calls: the same methods twice, for the two clients."""
    found = [
        (path, method, ways[method]) for path, ways in doc["paths"].items() for method in METHODS if method in ways
    ]
    found = [row for row in found if row[2]["operationId"] not in LEFT_OUT]
    schemas = doc["components"]["schemas"]
    out = [
        '"""The calls of the REST API as methods. Generated: do not edit."""',
        "",
        "from __future__ import annotations",
        "",
        "from typing import Any, Literal, cast",
        "",
        "from . import types",
        "from .asked import Asked, given",
        "",
        "",
        "class Calls:",
        '    """One method a call; `_ask` sends it."""',
        "",
        "    def _ask(self, asked: Asked) -> Any:",
        "        raise NotImplementedError",
    ]
    for row in found:
        out += ["", *_method(*row, schemas, "")]
    out += [
        "",
        "",
        "class AsyncCalls:",
        '    """The same for an event loop."""',
        "",
        "    async def _ask(self, asked: Asked) -> Any:",
        "        raise NotImplementedError",
    ]
    for row in found:
        out += ["", *_method(*row, schemas, "async ")]
    return "\n".join([*out, ""])


def _method(path: str, method: str, call: dict[str, Any], schemas: dict[str, Any], kind: str) -> Iterator[str]:
    name = _WORDS.sub("_", call["operationId"]).lower()
    parameters = call.get("parameters", [])
    body = _body(call, schemas)
    required = [(p["name"], "str") for p in parameters if p["in"] == "path"]
    optional = [(p["name"], f"{_own(p['schema'])} | None") for p in parameters if p["in"] == "query"]
    if body is not None:
        needed = set(body.get("required", ()))
        for field, schema in body["properties"].items():
            (required if field in needed else optional).append((field, _own(schema)))
    repeats = any(p["name"] == "Idempotency-Key" for p in parameters)
    answer = f"types.{_answer(call)}" if _answer(call) else "Any"
    yield f"    {kind}def {name}("
    yield "        self,"
    positional = [field for field, _ in required if any(p["name"] == field and p["in"] == "path" for p in parameters)]
    yield from (f"        {safe(field)}: {t}," for field, t in required if field in positional)
    if len(required) > len(positional) or optional or repeats:
        yield "        *,"
    yield from (f"        {safe(field)}: {t}," for field, t in required if field not in positional)
    yield from (f"        {safe(field)}: {_nullable(t)} = None," for field, t in optional)
    if repeats:
        yield "        idempotency_key: str | None = None,"
    yield f"    ) -> {answer}:"
    yield f'        """{call["summary"]}."""'
    inside = ", ".join(f'"{field}": {safe(field)}' for field in (body or {}).get("properties", {}))
    query = ", ".join(f'"{p["name"]}": {safe(p["name"])}' for p in parameters if p["in"] == "query")
    words = [
        f'"{method.upper()}"',
        f'"{path}"',
        f"({', '.join(safe(f) for f in positional)}{',' if positional else ''})",
    ]
    words += [f"given({{{query}}})" if query else "{}", f"given({{{inside}}})" if body is not None else "None"]
    words += ["True" if repeats else "False", "idempotency_key" if repeats else "None"]
    yield f"        asked = Asked({', '.join(words)})"
    yield f"        return cast({answer}, {'await ' if kind else ''}self._ask(asked))"


def safe(field: str) -> str:
    """A field's name as an argument: `from_` for `from`."""
    return f"{field}_" if iskeyword(field) or field == "class" else field


def _own(schema: dict[str, Any]) -> str:
    return re.sub(
        r"\b([A-Z]\w+)\b(?!\[)",
        lambda m: m[1] if m[1] in ("Any", "None", "Literal") else f"types.{m[1]}",
        type_of(schema),
    )


def _nullable(annotation: str) -> str:
    return annotation if "None" in annotation else f"{annotation} | None"


def _body(call: dict[str, Any], schemas: dict[str, Any]) -> dict[str, Any] | None:
    if "requestBody" not in call:
        return None
    found: dict[str, Any] = schemas[
        call["requestBody"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
    ]
    return found


def _answer(call: dict[str, Any]) -> str:
    first = next(iter(call["responses"].values()))
    schema = first.get("content", {}).get("application/json", {}).get("schema", {})
    return str(schema.get("$ref", "")).rpartition("/")[2]


def _said(schema: dict[str, Any]) -> str:
    return " ".join(str(schema.get("description", "")).split()).replace("\\", "\\\\")


def written() -> dict[str, str]:
    """File name -> content, as the formatter leaves it to be."""
    doc = document()
    return {"types.py": types(doc), "calls.py": calls(doc)}


def main() -> None:
    for name, text in written().items():
        (WHERE / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
