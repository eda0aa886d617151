"""Workflows over REST: look at definitions, save drafts, check and try them; start a run, follow it, check its code, answer for a person."""

from __future__ import annotations

import json
from typing import Any, Final

import msgspec

from appliance.clock import now_ms, rfc3339
from appliance.errors import Error
from appliance.flows import (
    ENDED,
    PERSON,
    Book,
    Definition,
    Happening,
    Heard,
    Kept,
    Row,
    Trying,
    Version,
    Wait,
    Webhook,
    active,
    begun,
    check,
    check_params,
    checked,
    listed,
    newest,
    run_tests,
    save,
    sealed,
    started_with,
)
from appliance.limits import FLOW_OCTETS_MAX, FLOW_VARIABLES_OCTETS_MAX, SINGLE_BODY_OCTETS_MAX
from appliance.message import id_octets, id_text, new_ids
from appliance.numbering import normalise

from .asgi import Answer, Request
from .flowing_bodies import (
    AnswerRequest,
    RunBegun,
    RunCheck,
    RunRequest,
    RunStep,
    RunView,
    TrialLine,
    TrialRequest,
    TrialView,
    WorkflowChecked,
    WorkflowList,
    WorkflowProblem,
    WorkflowRequest,
    WorkflowTest,
    WorkflowView,
)
from .gateway import Gateway
from .requests import decoded_once
from .sending import idempotency_key, macs
from .verifying import DENIED, Verifying
from .verifying_bodies import CheckRequest

ADDRESS: Final = b"/v1/runs"

_encode: Final = msgspec.json.Encoder().encode
_pack: Final = msgspec.msgpack.Encoder().encode
_workflow: Final = msgspec.json.Decoder(WorkflowRequest)
_trial: Final = msgspec.json.Decoder(TrialRequest)
_start: Final = msgspec.json.Decoder(RunRequest)
_answer: Final = msgspec.json.Decoder(AnswerRequest)
_check: Final = msgspec.json.Decoder(RunCheck)


class Flowing:
    """Endpoints as bound methods."""

    def __init__(self, gateway: Gateway, verifying: Verifying) -> None:
        self.gateway = gateway
        self.verifying = verifying
        self.watch = gateway.flows

    # --- definitions --------------------------------------------------------------------------------------

    async def list(self, request: Request) -> Answer:
        """GET /v1/workflows"""
        found = await self.watch.do(lambda book: listed(book.conn))
        return Answer(200, _encode(WorkflowList([_view(v, whole=False) for v in found])))

    async def one(self, request: Request) -> Answer:
        """GET /v1/workflows/{name}: the version in use, else the newest."""
        name = request.param
        found = await self.watch.do(lambda book: active(book.conn, name) or newest(book.conn, name))
        if found is None:
            raise Error("not_found", "there is no such workflow", "GET /v1/workflows lists them")
        return Answer(200, _encode(_view(found)))

    async def save(self, request: Request) -> Answer:
        """PUT /v1/workflows/{name}: a draft, right and with its tests passed; nothing is used that two people did not agree to."""
        name = request.param
        self.gateway.charge(request.caller, 1)
        text = _text(decoded_once(_workflow, await request.body(2 * FLOW_OCTETS_MAX)).definition)
        flow = checked(text, self._templates, self.gateway.settings.channels)
        if flow.name != name:
            raise Error("invalid", "the definition has another name than the address", field="definition.name")
        who = f"api:{request.caller.name}"
        await self.gateway.recorder.record(who, "workflow.saved", f"workflow:{name}", digest=digest_of(text))
        saved = await self.watch.act(lambda book: save(book.conn, name, text, who, now_ms()))
        return Answer(200, _encode(_view(saved)))

    async def check(self, request: Request) -> Answer:
        """POST /v1/workflow-checks"""
        self.gateway.charge(request.caller, 1)
        text = _text(decoded_once(_workflow, await request.body(2 * FLOW_OCTETS_MAX)).definition)
        flow, problems = check(text, self._templates, self.gateway.settings.channels)
        tests = run_tests(flow) if flow is not None else []
        said = WorkflowChecked(
            flow is not None and all(t.passed for t in tests),
            [WorkflowProblem(*p) for p in problems],
            [WorkflowTest(t.name, t.passed, t.why) for t in tests],
        )
        return Answer(200, _encode(said))

    async def try_(self, request: Request) -> Answer:
        """POST /v1/workflow-trials: nothing is sent and nothing is kept."""
        self.gateway.charge(request.caller, 1)
        asked: TrialRequest = decoded_once(_trial, await request.body(2 * FLOW_OCTETS_MAX))
        if (asked.workflow is None) == (asked.definition is None):
            raise Error("invalid", "a trial has `workflow` or `definition`, and not both", field="workflow")
        if asked.definition is not None:
            flow, problems = check(_text(asked.definition), self._templates, self.gateway.settings.channels)
            if flow is None:
                raise Error("workflow_invalid", str(problems[0]), problems=[p._asdict() for p in problems[:100]])
        else:
            flow = (await self._in_use(str(asked.workflow)))[1]
        try:
            happens = msgspec.convert(asked.happens or [], list[Happening])
        except msgspec.ValidationError as e:
            raise Error("invalid", f"`happens`: {e}"[:200], "as in a definition's tests", field="happens") from None
        params = dict(asked.params or {})
        check_params(flow, params)
        tried = Trying(flow, params, asked.locale, self.gateway.templates.now.text).whole(happens)
        lines = [TrialLine(*msgspec.structs.astuple(line)) for line in tried.lines]
        said = TrialView(
            tried.state, tried.waits_for, tried.until_s, tried.outcome, tried.path, lines, tried.texts, tried.webhooks
        )
        return Answer(200, _encode(said))

    # --- runs ---------------------------------------------------------------------------------------------

    async def start(self, request: Request) -> Answer:
        """POST /v1/runs"""
        given = idempotency_key(request)
        body = await request.body(SINGLE_BODY_OCTETS_MAX)
        gateway, caller = self.gateway, request.caller
        gateway.peers.check_open()
        gateway.charge(caller, 1)
        asked: RunRequest = decoded_once(_start, body)
        version, flow = await self._in_use(asked.workflow)
        to = self._number(asked.to)
        params = dict(asked.params or {})
        check_params(flow, params)
        self._check_tells(flow, asked.callback_url)
        if len(_pack(params)) > FLOW_VARIABLES_OCTETS_MAX:
            raise Error("too_large", f"the parameters are larger than {FLOW_VARIABLES_OCTETS_MAX:,} octets")
        at_ms = now_ms()
        sealing = await gateway.seals.at(at_ms)
        request_mac, body_mac = macs(sealing, caller.id, given, ADDRESS, body) if given else (None, None)
        (run,) = new_ids(1, at_ms)
        kept = Kept(to, asked.locale or "", started_with(flow, params), asked.reference, asked.callback_url)
        row = Row(
            run, flow.name, version.version, caller.id, caller.name, sealing.index(to), sealing.key.key_id,
            sealed(sealing.key, run, kept), begun(flow, at_ms), at_ms, at_ms, body_mac,
        )  # fmt: skip
        found = await self.watch.act(lambda book: book.begin(row, request_mac))
        replayed = found.id != run
        headers = ((b"location", f"/v1/runs/{id_text(found.id)}".encode()),)
        headers += ((b"idempotency-replayed", b"true"),) if replayed else ()  # type: ignore[assignment]
        return Answer(
            202, _encode(RunBegun(id_text(found.id), found.workflow, found.version, "running")), headers=headers
        )

    async def run(self, request: Request) -> Answer:
        """GET /v1/runs/{id}"""
        return await self._shown(request)

    async def check_code(self, request: Request) -> Answer:
        """POST /v1/runs/{id}/check: the code of the run's newest verification."""
        row = await self._run(request)
        asked: RunCheck = decoded_once(_check, await request.body(SINGLE_BODY_OCTETS_MAX))
        verification = id_octets(row.machine.verification)
        if verification is None:
            return Answer(200, DENIED)  # none has left yet
        tried = CheckRequest(asked.code, asked.payee, asked.amount, asked.currency)
        return await self.verifying.tried(request, verification, tried)

    async def answer(self, request: Request) -> Answer:
        """POST /v1/runs/{id}/answer: on the audit log before the run goes on."""
        self.gateway.charge(request.caller, 1)
        asked: AnswerRequest = decoded_once(_answer, await request.body(SINGLE_BODY_OCTETS_MAX))
        row = await self._run(request)
        check_answer(await self._flow(row), row, asked.answer)
        await self.gateway.recorder.record(
            f"api:{request.caller.name}",
            "workflow.answered",
            f"run:{id_text(row.id)}",
            answer=asked.answer,
            by=asked.who,
        )
        source = b"a" + row.id + row.machine.step.to_bytes(4, "big")
        at_ms = now_ms()
        await self.watch.act(lambda book: book.bring(source, row.id, Heard("answered", asked.answer), at_ms))
        return await self._shown(request)

    async def cancel(self, request: Request) -> Answer:
        """POST /v1/runs/{id}/cancel: nothing more is done; a code of it that is under way stays what it is."""
        self.gateway.charge(request.caller, 1)
        row = await self._run(request)
        if row.machine.phase != ENDED:
            on = f"run:{id_text(row.id)}"
            await self.gateway.recorder.record(f"api:{request.caller.name}", "workflow.cancelled", on)
            at_ms, caller = now_ms(), request.caller.id
            await self.watch.act(lambda book: cancelled(book, row.id, caller, at_ms))
        return await self._shown(request)

    # --- their parts --------------------------------------------------------------------------------------

    def _templates(self, name: str) -> Any:
        template = self.gateway.templates.now.get(name)
        return None if template is None else template.kinds

    async def _in_use(self, name: str) -> tuple[Version, Definition]:
        """Raises Error `not_found`."""
        found = await self.watch.do(lambda book: active(book.conn, name))
        if found is None:
            raise Error("not_found", "no version of this workflow is active", "GET /v1/workflows", field="workflow")
        return found, msgspec.json.decode(found.body.encode(), type=Definition)

    async def _flow(self, row: Row) -> Definition:
        from appliance.flows import one

        found = await self.watch.do(lambda book: one(book.conn, row.workflow, row.version))
        return msgspec.json.decode(found.body.encode(), type=Definition)

    def _number(self, given: str) -> str:
        try:
            return normalise(given)[0]
        except Error as e:
            e.detail.setdefault("field", "to")
            self.gateway.refused(e)
            raise

    def _check_tells(self, flow: Definition, url: str | None) -> None:
        """Whether everything that the run may tell has somewhere to go."""
        tells = [state for state in flow.states.values() if isinstance(state, Webhook)]
        for address in {state.url for state in tells if state.url} | ({url} if url is not None else set()):
            self.gateway.callbacks.check(address)
        if url is None and any(state.url is None for state in tells):
            raise Error("invalid", "this workflow tells the bank: `callback_url` is missing", field="callback_url")

    async def _run(self, request: Request) -> Row:
        run, caller = id_octets(request.param.lower()), request.caller.id
        if run is None:
            raise Error("not_found", "there is no such run")
        return await self.watch.do(lambda book: book.one(run, caller))

    async def _shown(self, request: Request) -> Answer:
        row = await self._run(request)
        story = await self.watch.do(lambda book: book.story(row.id))
        m = row.machine
        said = RunView(
            id_text(row.id), row.workflow, row.version, "ended" if m.phase == ENDED else "running", m.state,
            "" if m.phase == ENDED else m.phase, m.outcome, rfc3339(row.started_ms), rfc3339(row.changed_ms),
            m.verification or None, answers_of(await self._flow(row), row),
            [RunStep(rfc3339(s.at_ms), s.step, s.state, s.heard, s.went) for s in story],
        )  # fmt: skip
        return Answer(200, _encode(said))


def answers_of(flow: Definition, row: Row) -> list[str]:
    """What a person may answer now."""
    state = flow.states.get(row.machine.state)
    return sorted(state.on) if row.machine.phase == PERSON and isinstance(state, Wait) else []


def check_answer(flow: Definition, row: Row, answer: str) -> None:
    """Raises Error `workflow_state` or `invalid`."""
    answers = answers_of(flow, row)
    if not answers:
        raise Error("workflow_state", "the run waits for nobody's answer")
    if answer not in answers:
        raise Error("invalid", "this is none of the run's answers", ", ".join(answers), field="answer")


def cancelled(book: Book, run: bytes, caller: int, at_ms: int) -> None:
    row = book.one(run, caller)
    if row.machine.phase != ENDED:
        book.cancel(row, at_ms, "cancelled", "cancelled")


def digest_of(text: str) -> str:
    import hashlib

    return hashlib.sha256(text.encode()).hexdigest()


def _text(given: str | dict[str, Any]) -> str:
    return given if isinstance(given, str) else json.dumps(given, ensure_ascii=False, indent=2) + "\n"


def _view(found: Version, whole: bool = True) -> WorkflowView:
    raw = json.loads(found.body)
    state: Any = found.state
    return WorkflowView(
        found.name, found.version, state, raw.get("title", ""), raw.get("params", {}), rfc3339(found.saved_ms), found.digest,
        raw if whole else None,
    )  # fmt: skip
