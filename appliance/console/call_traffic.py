"""Calls of the admin API about how messages go: links, routes, templates, webhooks, and workflows. What is done to a link the engine does and records."""

from __future__ import annotations

from typing import Any

import msgspec
from flask import request

from appliance.errors import Error
from appliance.flows import ENDED, active, newest, versions
from appliance.message import CLASSES, id_text
from appliance.numbering import normalise, sender_kind
from appliance.router import explain
from appliance.templates import Body, Saved, Template

from . import page_link, page_webhooks, page_workflows, traffic_acts
from .acts import takes_two
from .asked import Done
from .calling import at, call, changed, do_or_ask, unchanged
from .desk import desk, who
from .page_links import picture
from .page_overview import engine_state

ROUTES_OCTETS_MAX = 8 * 1024 * 1024
TEMPLATE_OCTETS_MAX = 2 * 1024 * 1024
WORKFLOW_OCTETS_MAX = 1024 * 1024
RUNS_MAX = 50


class Drained(msgspec.Struct, forbid_unknown_fields=True):
    """Whether the link takes nothing new."""

    drained: bool


class LinkTest(msgspec.Struct, forbid_unknown_fields=True):
    """A bind of its own; with a number, one message to it."""

    to: str = ""
    text: str = ""


class Trace(msgspec.Struct, forbid_unknown_fields=True):
    """For how many minutes PDUs are shown, masked: 1, 5, 15 or 60; 0 ends it."""

    minutes: int


class RoutesWanted(msgspec.Struct, forbid_unknown_fields=True):
    """Routes as TOML: [[route]] and [[operator]] tables, as `casemate routes activate` takes them."""

    document: str
    reason: str = ""


class ExplainAsked(msgspec.Struct, forbid_unknown_fields=True):
    """Why a message would take which link. The number is kept nowhere."""

    number: str
    class_: str = msgspec.field(default="transaction", name="class")
    sender: str = ""


class TemplateWanted(msgspec.Struct, forbid_unknown_fields=True):
    """A template as it shall be."""

    body: Body
    reason: str = ""


class Grounds(msgspec.Struct, forbid_unknown_fields=True):
    """Why it is asked for: needed where two people decide it."""

    reason: str = ""


class Definition(msgspec.Struct, forbid_unknown_fields=True):
    """A workflow's definition, JSON as text: word for word what is kept."""

    definition: str


class Asking(msgspec.Struct, forbid_unknown_fields=True):
    """Why this version shall be used: a person decides."""

    reason: str


class Answered(msgspec.Struct, forbid_unknown_fields=True):
    """One of the answers that the run waits for."""

    answer: str


class Host(msgspec.Struct, forbid_unknown_fields=True):
    """To whom what waits is told at once."""

    host: str


# --- links ------------------------------------------------------------------------------------------------


@call("GET", "/links", "links.read")
def list_links() -> dict[str, Any]:
    """Operator links as the engine has them; `silent`: set, and not known to it"""
    found = picture()
    return {"answers": found["engine"] is not None, "links": found["links"], "silent": found["silent"]}


def _state(name: str) -> dict[str, Any]:
    page_link.settings_of(name)
    engine = engine_state()
    if engine is None:
        raise Error("engine_unavailable", "the engine does not answer")
    state: dict[str, Any] | None = next((link for link in engine["links"] if link["name"] == name), None)
    if state is None:
        raise Error("not_found", "the engine has no such link yet", "it reads the settings at its next start")
    return state


@call("GET", "/links/{name}", "links.read")
def read_link(name: str) -> dict[str, Any]:
    """One link"""
    return {"link": _state(name)}


@call("PUT", "/links/{name}/drained", "links.write", Drained)
def drain_link(name: str, given: Drained) -> dict[str, Any]:
    """Let nothing new over a link, or bind it again"""
    if bool(_state(name).get("drained")) == given.drained:
        return unchanged(drained=given.drained)
    desk().peers.drain(name, given.drained, who())
    return changed(drained=given.drained)


@call("POST", "/links/{name}/test", "links.test", LinkTest)
def try_link(name: str, given: LinkTest) -> dict[str, Any]:
    """Bind anew and, with a number, send one message; each step and what went over the wire"""
    page_link.settings_of(name)
    if len(given.text) > page_link.TEXT_CHARACTERS_MAX:
        raise Error(
            "invalid", f"the text of a test has at most {page_link.TEXT_CHARACTERS_MAX} characters", field="text"
        )
    to = normalise(given.to)[0] if given.to else ""
    return desk().peers.link_test(name, to, given.text, who())


@call("PUT", "/links/{name}/trace", "links.test", Trace)
def trace_link(name: str, given: Trace) -> dict[str, Any]:
    """Show what goes over a link for some minutes, masked"""
    page_link.settings_of(name)
    if given.minutes not in (0, *page_link.TRACE_MINUTES):
        raise Error("invalid", "a trace runs for 1, 5, 15 or 60 minutes", field="minutes")
    desk().peers.trace(name, given.minutes, who())
    return changed()


@call("GET", "/links/{name}/trace", "links.test")
def read_trace(name: str) -> dict[str, Any]:
    """What was seen, newest first"""
    page_link.settings_of(name)
    return page_link.traced(name)


# --- routes -----------------------------------------------------------------------------------------------


@call("GET", "/routes", "links.read")
def read_routes() -> dict[str, Any]:
    """The active version, the versions kept, and every route of the active one"""
    held, shelf = desk().routes.active(), desk().routes.shelf
    rows = [msgspec.to_builtins(row.route, enc_hook=str) for row in held.table.rows()]
    kept = [
        {"version": h.version, "routes": h.routes, "at": at(h.at_ms), "who": h.who, "digest": h.digest}
        for h in shelf.versions()
    ]
    return {"version": held.version, "digest": traffic_acts.active_digest(), "versions": kept, "routes": rows}


@call("POST", "/routes/check", "links.read", RoutesWanted, octets_max=ROUTES_OCTETS_MAX)
def check_routes(given: RoutesWanted) -> dict[str, Any]:
    """Read routes as the appliance would: what is doubtful in them, and whether they are the active ones"""
    draft = traffic_acts.draft(given.document)
    return {
        "routes": len(draft.table),
        "warnings": draft.warnings,
        "active": traffic_acts.digest(draft) == traffic_acts.active_digest(),
    }


@call("PUT", "/routes", "routes.write", RoutesWanted, octets_max=ROUTES_OCTETS_MAX)
def put_routes(given: RoutesWanted) -> dict[str, Any]:
    """Make these routes the active ones while traffic goes on; those that are active change nothing"""
    draft = traffic_acts.draft(given.document)
    digest, before = traffic_acts.digest(draft), traffic_acts.active_digest()
    if digest == before:
        return unchanged(version=desk().routes.shelf.pointer().version, warnings=draft.warnings)
    old = {"routes": len(desk().routes.active().table), "digest": before}
    new = {"routes": len(draft.table), "digest": digest}
    found = do_or_ask("routes.activate", digest, old, new, given.document, given.reason)
    if not isinstance(found, Done):
        return found
    return changed(version=desk().routes.shelf.pointer().version, warnings=draft.warnings)


@call("POST", "/routes/back", "routes.write", Grounds)
def back_to_routes(given: Grounds) -> dict[str, Any]:
    """Make the version active again that was before; where two people decide routes, a person does it by PUT of its document"""
    if takes_two("routes.activate"):
        raise Error("forbidden", "two people decide routes here", "PUT /routes with the earlier document")
    return changed(version=traffic_acts.back_to(who()))


@call("POST", "/routes/explain", "routes.explain", ExplainAsked)
def explain_route(given: ExplainAsked) -> dict[str, Any]:
    """Why a message to a number takes which link, step by step; that somebody asked is recorded, the number is not"""
    to = normalise(given.number)[0]
    if given.sender:
        sender_kind(given.sender)
    if given.class_ not in CLASSES:
        raise Error("invalid", "there is no such class", f"of {', '.join(CLASSES)}", field="class")
    desk().peers.record(who(), "routes.explained", "routes:active")
    engine = engine_state()
    states = None if engine is None else {link["name"]: link for link in engine.get("links", [])}
    table, class_ = desk().routes.active().table, CLASSES.index(given.class_)
    found = explain(table, to, class_, given.sender, desk().clock(), states)
    steps = [{"rule": s.rule, "matched": s.matched, "why": s.why} for s in found.steps]
    return {"links": found.links, "sender": found.sender, "steps": steps}


# --- templates --------------------------------------------------------------------------------------------


def _template(saved: Saved) -> dict[str, Any]:
    told = {"name": saved.name, "version": saved.version, "digest": saved.digest, "saved_by": saved.who}
    return told | {"saved_at": at(saved.saved_ms), "in_use": saved.in_use, "body": saved.body}


@call("GET", "/templates", "templates.read")
def list_templates() -> dict[str, Any]:
    """The templates in use"""
    return {"templates": [_template(each) for each in desk().templates.all(limit=10_000)]}


@call("GET", "/templates/{name}", "templates.read")
def read_template(name: str) -> dict[str, Any]:
    """Every version of a template, newest first"""
    found = desk().templates.versions(name)
    if not found:
        raise Error("not_found", "there is no such template")
    return {"versions": [_template(each) for each in found]}


@call("PUT", "/templates/{name}", "templates.write", TemplateWanted, octets_max=TEMPLATE_OCTETS_MAX)
def put_template(name: str, given: TemplateWanted) -> dict[str, Any]:
    """Save a template; it is in use from then on. The same again changes nothing"""
    Template(name, 0, given.body)
    known = desk().templates.one(name)
    if known is not None and known.body == given.body:
        return unchanged(template=_template(known))
    text = msgspec.json.encode(given.body).decode()
    old = dict(known.body.texts) if known is not None else {}
    found = do_or_ask("template.save", name, old, dict(given.body.texts), text, given.reason)
    if not isinstance(found, Done):
        return found
    saved = desk().templates.one(name)
    assert saved is not None
    return changed(template=_template(saved))


@call("DELETE", "/templates/{name}", "templates.write", Grounds)
def remove_template(name: str, given: Grounds) -> dict[str, Any]:
    """Take a template out of use; its versions stay on record"""
    known = desk().templates.one(name)
    if known is None:
        return unchanged()
    found = do_or_ask("template.remove", name, dict(known.body.texts), {}, "", given.reason)
    return changed() if isinstance(found, Done) else found


# --- webhooks ---------------------------------------------------------------------------------------------


@call("GET", "/webhooks", "webhooks.read", query=("host",))
def list_webhooks() -> dict[str, Any]:
    """What waits to be told to the bank, by host, and how often it was tried"""
    state = desk().peers.courier_state()
    return {"hosts": state["hosts"], "deliveries": page_webhooks.rows_of(request.args.get("host", "")[:261], None)}


@call("POST", "/webhooks/hasten", "webhooks.retry", Host)
def hasten_webhooks(given: Host) -> dict[str, Any]:
    """Have what waits for a host told at once"""
    messages = page_webhooks.hastened(given.host)
    return {"changed": bool(messages), "messages": messages}


# --- workflows --------------------------------------------------------------------------------------------


@call("GET", "/workflows", "workflows.read")
def list_workflows() -> dict[str, Any]:
    """Workflows: the active version of each, else the newest"""
    with page_workflows.opened() as book:
        rows = page_workflows.listed(book.conn)
    return {"workflows": [_version(each) for each in rows]}


def _version(version: Any) -> dict[str, Any]:
    told = {"name": version.name, "version": version.version, "state": version.state, "digest": version.digest}
    return told | {"saved_by": version.who, "saved_at": at(version.saved_ms), "asked_by": version.asked_by or None}


@call("GET", "/workflows/{name}", "workflows.read")
def read_workflow(name: str) -> dict[str, Any]:
    """Every version of a workflow, newest first, with its definition"""
    with page_workflows.opened() as book:
        found = versions(book.conn, name)
    if not found:
        raise Error("not_found", "there is no such workflow")
    return {"versions": [_version(each) | {"definition": each.body} for each in found]}


@call("PUT", "/workflows/{name}", "workflows.write", Definition, octets_max=WORKFLOW_OCTETS_MAX)
def put_workflow(name: str, given: Definition) -> dict[str, Any]:
    """Save a definition as a draft; the newest again when it says the same"""
    with page_workflows.opened() as book:
        known = newest(book.conn, name)
    if known is not None and known.body == given.definition:
        return unchanged(workflow=_version(known))
    named = page_workflows.name_of(given.definition)
    if named != name:
        raise Error("workflow_invalid", "the definition has another name than the address")
    return changed(workflow=_version(page_workflows.saved(given.definition)))


@call("POST", "/workflows/{name}/versions/{number}/ask", "workflows.write", Asking)
def ask_for_workflow(name: str, number: int, given: Asking) -> dict[str, Any]:
    """Ask that a version be used; another person decides at the console"""
    with page_workflows.opened() as book:
        now = active(book.conn, name)
        known = next((v for v in versions(book.conn, name) if v.version == number), None)
    if known is not None and (known.state == "asked" or (now is not None and now.version == number)):
        return unchanged(workflow=_version(known))
    return changed(workflow=_version(page_workflows.asked(name, number, given.reason)))


@call("GET", "/runs", "workflows.read", query=("workflow",))
def list_runs() -> dict[str, Any]:
    """The newest runs, without a number or a text of a customer"""
    with page_workflows.opened() as book:
        rows = book.latest(request.args.get("workflow") or None, RUNS_MAX)
    return {"runs": [_run(each) for each in rows]}


def _run(row: Any) -> dict[str, Any]:
    told = {"id": id_text(row.id), "workflow": row.workflow, "version": row.version, "state": row.machine.state}
    told |= {"phase": row.machine.phase, "ended": row.machine.phase == ENDED, "started_by": row.caller_name}
    return told | {"started_at": at(row.started_ms), "changed_at": at(row.changed_ms)}


@call("POST", "/runs/{run}/answer", "workflows.answer", Answered)
def answer_run(run: str, given: Answered) -> dict[str, Any]:
    """Answer for a run that waits for a person of the bank"""
    page_workflows.answered(run, given.answer)
    return changed()


@call("POST", "/runs/{run}/cancel", "workflows.answer")
def cancel_run(run: str) -> dict[str, Any]:
    """End a run"""
    return {"changed": page_workflows.cancelled(run)}
