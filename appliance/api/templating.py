"""Templates over REST: list, read, save, remove; and the text of a message that names one instead of bringing its own."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from appliance.clock import now_ms, rfc3339
from appliance.errors import Error
from appliance.limits import PAGE_ROWS_DEFAULT
from appliance.templates import Body, Saved, Snapshot, Template

from .asgi import Answer, Request
from .gateway import Gateway
from .queries import fields_of
from .requests import Message, Preview, template_of
from .views import TemplateList, TemplateView

TEMPLATE_OCTETS_MAX: Final = 2 * 1024 * 1024  # all texts of a template, each character escaped at its longest

_encode: Final = msgspec.json.Encoder().encode


def resolved(row: Message | Preview, templates: Snapshot) -> None:
    """Gives `row` the text that its template makes. Raises Error `invalid`, `not_found` or `params_invalid`."""
    if row.template is None:
        if row.text is None:
            raise Error("invalid", "`text` is missing", "give `text`, or `template` with its `params`", field="text")
        if row.params is not None or row.locale is not None:
            raise Error("invalid", "`params` and `locale` belong to a `template`", "name one", field="template")
        return
    if row.text is not None:
        raise Error("invalid", "`text` and `template` are both there", "give one of them", field="template")
    row.text = templates.text(row.template, row.params, row.locale)


class Templating:
    """Endpoints as bound methods."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway

    async def list(self, request: Request) -> Answer:
        """GET /v1/templates"""
        after = fields_of(request.query, "cursor").get("cursor", "")
        saved = await self.gateway.templates.do(lambda book: book.all(after, PAGE_ROWS_DEFAULT + 1))
        following = saved[PAGE_ROWS_DEFAULT - 1].name if len(saved) > PAGE_ROWS_DEFAULT else None
        return Answer(200, _encode(TemplateList([_view(s) for s in saved[:PAGE_ROWS_DEFAULT]], following)))

    async def one(self, request: Request) -> Answer:
        """GET /v1/templates/{name}"""
        name = request.param
        saved = await self.gateway.templates.do(lambda book: book.one(name))
        if saved is None:
            raise Error("not_found", "there is no such template", "GET /v1/templates lists them")
        return Answer(200, _encode(_view(saved)))

    async def save(self, request: Request) -> Answer:
        """PUT /v1/templates/{name}: the same again changes nothing. On the audit log before it is in use."""
        name = request.param
        self._check_may_save()
        self.gateway.charge(request.caller, 1)
        body = template_of(await request.body(TEMPLATE_OCTETS_MAX))
        Template(name, 0, body)
        who = f"api:{request.caller.name}"
        await self.gateway.recorder.record(who, "template.saved", f"template:{name}", locales=len(body.texts))
        saved = await self.gateway.templates.do(lambda book: book.save(name, body, who, now_ms()))
        await self.gateway.templates.look()
        return Answer(200, _encode(_view(saved)))

    def _check_may_save(self) -> None:
        """A template is every system's text: one that may only send must not rewrite another's. Raises Error `forbidden`."""
        if not self.gateway.settings["api.saves_templates"]:
            raise Error(
                "forbidden",
                "templates are not saved through the API here",
                "use `casemate template save`, or an administrator sets api.saves_templates",
            )

    async def remove(self, request: Request) -> Answer:
        """DELETE /v1/templates/{name}"""
        name = request.param
        self._check_may_save()
        self.gateway.charge(request.caller, 1)
        if await self.gateway.templates.do(lambda book: book.one(name)) is None:
            raise Error("not_found", "there is no such template", "GET /v1/templates lists them")
        await self.gateway.recorder.record(f"api:{request.caller.name}", "template.removed", f"template:{name}")
        saved = await self.gateway.templates.do(lambda book: book.remove(name))
        await self.gateway.templates.look()
        return Answer(200, _encode(_view(saved)))


def _view(saved: Saved) -> TemplateView:
    body: Body = saved.body
    kinds: dict[str, Any] = Template(saved.name, saved.version, body).kinds
    return TemplateView(
        saved.name, saved.version, body.locale, body.zone, body.texts, kinds, rfc3339(saved.saved_ms), saved.in_use
    )
