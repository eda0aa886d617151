"""Every act that changes something or shows something personal has an event, and where the act is done the event is recorded.

The acts are read from the source: what the console takes by POST, the API's routes, the commands, the operations of the processes.
A new one is either named here with its event or with the reason why nobody needs to know.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from appliance.audit import EVENTS
from appliance.audit.details import DETAIL
from tests.tidy.house import Source, sources

ROOT = Path(__file__).resolve().parents[2]

#: What a person or a program can do -> the events that say so.
ON_RECORD: dict[str, str] = {
    "console page_account.password": "console.user_changed",
    "console page_api_keys.create": "apikey.created",
    "console page_api_keys.revoke": "apikey.revoked",
    "console page_audit.verify": "audit.verified",
    "console page_audit.export": "audit.exported",
    "console page_review.report": "audit.reported",
    "console page_settings.apply": "settings.applied",
    "console page_consent.look_up": "consent.looked_up",
    "console page_consent.decide": "consent.reviewed",
    "console page_erasure.ask": "approval.asked",
    "console page_erasure.decide": "approval.decided",
    "console page_erasure.erase": "subject.erase_begun subject.erased",
    "console page_evidence.export": "evidence.exported",
    "console page_reports.of_a_day": "report.made",
    "console page_reports.of_a_month": "report.made",
    "console page_reports.of_promises": "report.made",
    "console page_reports.of_access": "report.made",
    "console page_reports.of_an_incident": "report.made",
    "cli reports.daily_": "report.made",
    "cli reports.monthly_": "report.made",
    "cli reports.sla_": "report.made",
    "cli reports.access_": "report.made",
    "cli reports.incident_": "report.made",
    "console page_door.create": "door.account_created",
    "console page_door.new_password": "door.account_password",
    "console page_door.revoke": "door.account_revoked",
    "console page_held.decide": "message.decided",
    "console page_link.drain": "link.drained",
    "console page_link.resume": "link.resumed",
    "console page_link.test": "link.tested",
    "console page_link.start_trace": "link.trace_on link.trace_off",
    "console page_messages.reveal": "message.viewed",
    "console page_inbound.reveal": "message.viewed",
    "console page_webhooks.hasten": "webhook.hastened",
    "console page_messages.by_number": "message.searched_by_number",
    "console page_messages.by_reference": "message.searched_by_reference",
    "console page_routes.why": "routes.explained",
    "console page_register.export": "register.exported",
    "console page_register.csr": "register.csr_made",
    "console page_senders.add": "sender.requested",
    "console page_senders.confirm": "sender.confirmed",
    "console page_senders.expire": "sender.expired",
    "console page_sign.enter": "console.login",
    "console page_sign_on.enter": "console.login",
    "console page_sign.leave": "console.logout",
    "console page_verifications.block": "verification.prefix_blocked",
    "console page_verifications.open_": "verification.prefix_opened",
    "cli verification.evidence": "evidence.exported",
    "console page_verifications.evidence": "evidence.exported",
    "api POST /v1/verifications/{id}/evidence": "evidence.exported",
    "cli verification.block": "verification.prefix_blocked",
    "cli verification.operator_": "number.looked_up",
    "cli verification.open_": "verification.prefix_opened",
    "console page_users.create": "console.user_created",
    "console page_users.remove": "console.user_removed",
    "console page_users.role": "console.user_changed",
    "console page_users.end_session": "console.session_ended",
    "console page_users.forget": "console.factor_removed",
    "console page_factors.confirm": "console.factor_added",
    "console page_factors.add_key": "console.factor_added",
    "console page_factors.recovery": "console.factor_added",
    "console page_factors.remove_key": "console.factor_removed",
    "console page_factors.remove_telephone": "console.factor_removed",
    "console page_changes.ask": "approval.asked",
    "console page_changes.now": "approval.emergency",
    "console page_changes.approve": "approval.decided approval.used",
    "console page_changes.refuse": "approval.decided",
    "console page_changes.withdraw": "approval.decided",
    "console page_changes.use": "approval.used",
    "console page_changes.review": "approval.reviewed",
    "console page_release.end": "firmware.offered",
    "console page_release.approval": "firmware.signature_added",
    "console page_release.ask": "approval.asked",
    "console page_release.decide": "approval.decided",
    "console page_release.decide_hardware": "approval.decided",
    "console page_settings.change": "settings.approved",
    "console page_settings.back": "settings.approved",
    "console page_tokens.create": "token.created",
    "console page_tokens.revoke": "token.revoked",
    "console call_people.put_user": "console.user_created console.user_changed",
    "console call_people.remove_user": "console.user_removed",
    "console call_people.forget_factors": "console.factor_removed",
    "console call_people.end_session": "console.session_ended",
    "console call_people.revoke_token": "token.revoked",
    "console call_people.put_api_key": "apikey.created",
    "console call_people.revoke_api_key": "apikey.revoked",
    "console call_people.put_door_account": "door.account_created door.account_changed",
    "console call_people.another_door_password": "door.account_password",
    "console call_people.revoke_door_account": "door.account_revoked",
    "console call_changes.approve_change": "approval.decided approval.used",
    "console call_changes.refuse_change": "approval.decided",
    "console call_changes.withdraw_change": "approval.decided",
    "console call_changes.use_change": "approval.used",
    "console call_changes.review_change": "approval.reviewed",
    "console call_settings.put_settings": "settings.approved",
    "console call_settings.put_value": "settings.approved",
    "console call_settings.put_row": "settings.approved",
    "console call_settings.remove_row": "settings.approved",
    "console call_settings.back_to_version": "settings.approved",
    "console call_settings.apply_settings": "settings.applied",
    "console call_traffic.drain_link": "link.drained link.resumed",
    "console call_traffic.try_link": "link.tested",
    "console call_traffic.trace_link": "link.trace_on link.trace_off",
    "console call_traffic.put_routes": "routes.activated",
    "console call_traffic.back_to_routes": "routes.activated",
    "console call_traffic.explain_route": "routes.explained",
    "console call_traffic.put_template": "template.saved",
    "console call_traffic.remove_template": "template.removed",
    "console call_traffic.hasten_webhooks": "webhook.hastened",
    "console call_traffic.put_workflow": "workflow.saved",
    "console call_traffic.ask_for_workflow": "workflow.asked",
    "console call_traffic.answer_run": "workflow.answered",
    "console call_traffic.cancel_run": "workflow.cancelled",
    "console call_rules.put_sender": "sender.requested sender.confirmed sender.expired",
    "console call_rules.look_up_consent": "consent.looked_up",
    "console call_rules.decide_consent": "consent.reviewed",
    "console call_rules.block_prefix": "verification.prefix_blocked",
    "console call_rules.open_prefix": "verification.prefix_opened",
    "console call_messages.decide_in_doubt": "message.decided",
    "console call_record.verify_log": "audit.verified",
    "console call_record.mark_reviewed": "audit.reviewed",
    "console call_record.export_log": "audit.exported",
    "console call_record.report_day": "report.made",
    "console call_record.report_month": "report.made",
    "console call_record.report_sla": "report.made",
    "console call_record.report_access": "report.made",
    "console call_record.report_incident": "report.made",
    "console call_record.export_evidence": "evidence.exported",
    "console call_record.ask_for_certificate": "register.csr_made",
    "console call_record.end_upload": "firmware.offered",
    "console call_record.ask_for_release": "approval.asked",
    "cli config.apply": "settings.applied",
    "cli config.ask": "approval.asked",
    "cli config.keep": "settings.approved",
    "console page_prove.enter": "console.proved",
    "console page_sign.second_enter": "console.login",
    "console page_sign.key": "console.login",
    "cli people.seal_glass": "console.glass_sealed",
    "cli people.change_role": "console.user_changed",
    "cli people.forget_factors": "console.factor_removed",
    "api POST /v1/messages": "batch.committed",
    "api POST /v1/messages/batch": "batch.committed",
    "api GET /v1/messages": "message.searched_by_number",
    "api POST /v1/messages/{id}/cancel": "message.cancelled",
    "api POST /v1/messages/{id}/redact": "message.redacted",
    "api POST /v1/inbound/{id}/redact": "message.redacted",
    "api PUT /v1/templates/{id}": "template.saved",
    "api DELETE /v1/templates/{id}": "template.removed",
    "api POST /v1/senders": "sender.requested",
    "api PUT /v1/senders/{id}": "sender.confirmed sender.expired",
    "api POST /v1/suppressions": "consent.stopped",
    "api DELETE /v1/suppressions/{id}": "consent.started",
    "api POST /v1/verifications": "verification.created",
    "api POST /v1/verifications/{id}/check": "verification.checked",
    "api POST /v1/verifications/{id}/cancel": "verification.cancelled",
    "api POST /v1/verifications/{id}/resend": "verification.resent",
    "api PUT /v1/workflows/{id}": "workflow.saved",
    "api POST /v1/runs": "batch.committed",
    "api POST /v1/runs/{id}/check": "verification.checked",
    "api POST /v1/runs/{id}/answer": "workflow.answered",
    "api POST /v1/runs/{id}/cancel": "workflow.cancelled",
    "console page_workflows.save_": "workflow.saved",
    "console page_workflows.ask_": "workflow.asked",
    "console page_workflows.decide_": "workflow.decided",
    "console page_workflows.retire_": "workflow.retired",
    "console page_workflows.answer": "workflow.answered",
    "console page_workflows.cancel": "workflow.cancelled",
    "cli workflow.save_": "workflow.saved",
    "cli workflow.ask_": "workflow.asked",
    "cli workflow.approve_": "workflow.decided",
    "cli workflow.refuse_": "workflow.decided",
    "cli workflow.retire_": "workflow.retired",
    "api POST /v1/exemptions/reports": "exemption.reported",
    "api POST /v1/exemptions/trusted": "exemption.trusted",
    "api POST /v1/exemptions/forget": "exemption.forgotten",
    "api PUT /v1/exemptions/rates/{id}": "exemption.rate_told",
    "api GET /v1/lookup/{id}": "number.looked_up",
    "cli audit.export": "audit.exported",
    "cli audit.verify": "audit.verified",
    "cli audit.cosigned": "audit.cosigned",
    "console page_audit.cosigned": "audit.cosigned",
    "cli audit.report": "audit.reported",
    "cli audit.reviewed": "audit.reviewed",
    "console page_audit.reviewed": "audit.reviewed",
    "audit reviewed": "audit.reviewed",
    "audit accept": "audit.weakened",
    "cli audit.weaker": "audit.weakened",
    "audit prune": "audit.pruned",
    "cli audit.prune": "audit.pruned",
    "audit cosigned": "audit.cosigned",
    "cli consent.import_": "consent.imported",
    "cli consent.export": "consent.exported",
    "cli evidence.export": "evidence.exported",
    "cli subject.export": "subject.export_begun subject.exported",
    "cli subject.erase": "subject.erase_begun subject.erased",
    "engine erase_subject": "subject.day_erased",
    "cli consent.lookup": "consent.looked_up",
    "cli consent.decide": "consent.reviewed",
    "cli backup.create_": "backup.made backup.carried",
    "cli backup.drill_": "backup.drilled",
    "cli install.repair": "box.repaired",
    "cli install.to": "box.installed",
    "cli install.unattended": "box.installed",
    "cli volume.confirm": "recovery.confirmed",
    "cli door.again": "door.letters_again",
    "cli door.create_account": "door.account_created",
    "cli door.change_account": "door.account_changed",
    "cli door.revoke_account": "door.account_revoked",
    "cli door.new_password": "door.account_password",
    "cli network.apply": "network.changed",
    "cli network.confirm": "network.confirmed",
    "cli network.revert": "network.reverted",
    "cli network.tried_": "network.tried",
    "cli ssh.entered": "ssh.entered",
    "cli ssh.ended": "ssh.closed",
    "cli firmware.ask": "approval.asked",
    "cli firmware.approve": "approval.decided",
    "cli firmware.refuse": "approval.decided",
    "cli firmware.install": "firmware.install_begun firmware.installed firmware.refused",
    "cli firmware.bless": "firmware.blessed",
    "cli firmware.rollback": "firmware.rolled_back",
    "cli firmware.reinstate": "firmware.reinstated",
    "cli firmware.restart": "box.restarted",
    "cli firmware.inspect": "firmware.refused",
    "cli firmware.gate": "firmware.blessed",
    "cli firmware.started": "firmware.stores_back",
    "cli firmware.inventory_": "firmware.inventory hardware.applied",
    "cli hardware.ask": "approval.asked approval.decided hardware.refused",
    "cli hardware.approve": "approval.decided",
    "cli hardware.refuse": "approval.decided",
    "cli hardware.apply": "hardware.apply_begun hardware.applied hardware.refused",
    "cli keys.commission": "hsm.commissioned",
    "cli links.drain": "link.drained",
    "cli links.resume": "link.resumed",
    "cli links.test": "link.tested",
    "cli links.trace": "link.trace_on link.trace_off",
    "cli messages.decide": "message.decided",
    "cli numbers.import_": "numbers.imported",
    "cli numbers.lookup": "number.looked_up",
    "cli numbers.back": "numbers.back",
    "cli people.create_key": "apikey.created",
    "cli people.revoke_key": "apikey.revoked",
    "cli people.key_webhook_secret": "apikey.secret_shown",
    "cli people.create_user": "console.user_created",
    "cli routes.activate": "routes.activated",
    "cli routes.back": "routes.activated",
    "cli running.run": "process.start process.stop settings.loaded settings.changed",
    "cli running.up": "process.died",
    "cli send.send": "batch.committed",
    "cli senders.add": "sender.requested",
    "cli senders.confirm": "sender.confirmed",
    "cli senders.expire": "sender.expired",
    "cli templates.save": "template.saved",
    "cli templates.remove": "template.removed",
    "engine accept": "batch.committed",
    "engine cancel": "message.cancelled",
    "engine replace": "message.replaced",
    "engine redact": "message.redacted",
    "engine redact_inbound": "message.redacted",
    "engine decide": "message.decided",
    "engine drain": "link.drained link.resumed",
    "engine routes_load": "routes.loaded routes.damaged",
    "engine left_alone": "consent.stopped consent.started",
    "cli key_acts.ask": "approval.asked",
    "cli key_acts.approve": "approval.decided",
    "cli key_acts.refuse": "approval.decided",
    "cli key_acts.do": "approval.used",
    "cli key_acts.reseal": "key.reseal_begun key.resealed",
    "engine reseal": "key.resealed",
    "cli key_acts.hold": "key.hold_set",
    "cli key_acts.confirm_clock": "clock.confirmed",
    "cli replication.replicate": "approval.used hsm.replicated",
    "cli ceremony.run": "ceremony.begun ceremony.ended",
    "cli register.export": "register.exported",
    "cli register.csr": "register.csr_made",
    "cli key_gate.seal": "hsm.sealed",
    "cli key_gate.unseal": "hsm.unsealed",
    "cli key_gate.change_pin": "hsm.pin_change_begun hsm.pin_changed",
    "keys pin": "hsm.pin_change_begun hsm.pin_changed",
    "keys seal": "hsm.sealed",
    "keys unseal": "hsm.unsealed",
    "keys share_enter": "custody.share_entered",
    "keys share_show": "custody.share_shown",
    "keys initialise": "token.initialised custody.shares_made",
    "keys commit": "custody.changed",
    "keys restore": "custody.restored",
    "keys ceremony": "ceremony.begun",
    "keys transcript": "ceremony.ended",
    "keys ask": "approval.asked",
    "keys decide": "approval.decided",
    "keys do": "approval.used",
    "keys confirm_clock": "clock.confirmed",
    "keys use": "approval.used",
    "keys hold": "key.hold_set",
    "keys data_key": "key.unwrapped",
    "keys index_key": "key.index_derived",
    "keys derive": "key.derived",
    "audit verify": "audit.verified",
    "audit export": "audit.exported",
    "audit append": "audit.gap",
}

#: The others, and why nothing is recorded of them.
UNRECORDED: dict[str, str] = {
    "api POST /v1/workflow-checks": "says what is wrong with what the caller has",
    "api POST /v1/workflow-trials": "sends nothing and keeps nothing",
    "api POST /v1/exemptions": "answers from counters; changes nothing, and what is done with it is told",
    "cli field.field": "records each act where it is done: appliance/field",
    "cli field.enrol": "runs on the bank's desk; the box records what is entered there",
    "cli field.answer": "runs on the bank's desk; the box records challenge and answer",
    "api POST /v1/preview": "counts and prices a text; keeps nothing",
    "console page_templates.preview": "says what a template says; sends nothing and keeps nothing",
    "cli verification.purposes": "counts",
    "cli verification.conversion": "counts by prefixes, which are nobody's numbers",
    "cli verification.blocks": "prefixes that are blocked, each of which is recorded",
    "engine ping": "says that it is alive",
    "engine state": "counts",
    "keys ping": "says that it is alive",
    "keys state": "counts",
    "keys random": "octets that nobody has seen before and that belong to nothing yet",
    "keys requests": "who asked for what is not personal",
    "keys held": "days under a legal hold",
    "keys states": "states of keys that the caller holds",
    "keys erasure": "who the two persons of an erasure are, each of which is recorded",
    "keys compare": "whether two HSMs hold the same keys",
    "keys blind_index": "an index of a number that the caller has",
    "keys custody": "counts",
    "keys shares_forget": "forgets what was entered",
    "keys prove": "compares copies with the keys; `commit` says that they are in use",
    "keys abort": "undoes what was not in use; the ceremony's end says so",
    "keys restore_read": "reads what the caller has",
    "keys sign": "the checkpoint that it signs says so itself; a certificate of erasure has its digest in an entry",
    "keys public_key": "public",
    "audit request": "a proof over what is recorded already",
    "audit checkpoint": "signs what is recorded already",
    "audit entries": "the console's page of it needs `audit.read`",
    "audit proof": "a proof of one entry",
    "console page_language.choose": "in which language a browser is shown the console; nothing of the box is changed",
    "console page_sign.options": "a challenge, which the answer to it is recorded of",
    "console page_prove.options": "a challenge, which the answer to it is recorded of",
    "console page_factors.options": "a challenge, which the answer to it is recorded of",
    "console page_factors.telephone": "a secret that opens nothing until a code of it was typed, which is recorded",
    "console page_release.begin": "its end is recorded; until then there is no bundle",
    "console page_release.piece": "its end is recorded; until then there is no bundle",
    "console page_release.leave": "takes away a file that nobody asked for; that it came is recorded",
    "console call_settings.compare_settings": "says what a document would change; keeps nothing",
    "console call_traffic.check_routes": "says what is doubtful in routes; keeps nothing",
    "console call_record.begin_upload": "its end is recorded; until then there is no bundle",
    "console call_record.upload_piece": "its end is recorded; until then there is no bundle",
    "console call_record.leave_upload": "takes away a file that nobody asked for; that it came is recorded",
    "console page_review.save": "a filter of the log under a name; nothing of the log",
    "console page_review.remove": "a filter of the log under a name; nothing of the log",
    "console page_review.review_on_paper": "the page of it on paper",
    "audit review": "finds again what the daily review found",
    "audit state": "counts",
    "audit ping": "says that it is alive",
}

#: Commands that only show, or that work on files of the caller's own.
READING = re.compile(
    r"cli (config\.(export|diff|versions)|firmware\.(status|check)|hardware\.(status|show)|audit\.(request|cosign|status|entries|review|proof|checkpoint)|bench\..*|ceremony\.(list_|show|verify_)|register\.(list_|token_key_)|evidence\.verify|consent\.(list_|reviews)|door\.(letters|list_accounts|show_account)|keys\.profiles"
    r"|key_acts\.(list_keys|requests)|replication\.status"
    r"|links\.(list_links|show|profiles|profile|check)|messages\.(search|show|held)|network\.(render|reach)|ssh\.status|numbers\.status|people\.list_\w+|program\.program"
    r"|routes\.(check|try_|list_|explain)|running\.operator|senders\.(list_|show_|check|rules|campaigns)|settings\.\w+|selftest\.selftest|backup\.(key|wanted|restore_)|status\.status|subject\.(erasures|certificate_|verify_certificate)"
    r"|templates\.(list_|show_|try_)|workflow\.(schema|check_|try_|list_|show_|versions_|runs_|run_)|audit\.events|volume\.(status|open_|enrol_)|install\.(disks_|sign|check|take|wanted|live))"
)

#: Events that nothing records yet. This list may only shrink.
UNUSED = {"link.changed", "bench.run"}


def _decorated(file: Source) -> Iterator[tuple[str, str]]:
    for node in ast.walk(file.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from ((node.name, ast.unparse(d)) for d in node.decorator_list)


def _operations(file: Source) -> Iterator[str]:
    """Keys of tables whose values are methods: what a process answers on its socket."""
    for node in ast.walk(file.tree):
        if isinstance(node, ast.Dict) and len(node.keys) > 2:
            pairs = [(k, v) for k, v in zip(node.keys, node.values, strict=True) if isinstance(k, ast.Constant)]
            if (
                pairs
                and all(ast.unparse(v).startswith("self.") for _, v in pairs)
                and any(k.value in ("ping", "transcript") for k, _ in pairs)
            ):
                yield from (str(k.value) for k, _ in pairs)


def acts() -> set[str]:
    found: set[str] = set()
    for file in sources(ROOT, "appliance"):
        stem = Path(file.name).stem
        if file.name.startswith("appliance/console/"):
            found |= {
                f"console {stem}.{name}"
                for name, d in _decorated(file)
                if re.search(r"\.(post|put|delete|route)\(|^call\('(POST|PUT|DELETE)'", d)
            }
        elif file.name.startswith(("appliance/cli/", "appliance/bench/")):
            room = "bench" if "/bench/" in file.name else stem
            found |= {f"cli {room}.{name}" for name, d in _decorated(file) if ".command(" in d}
        elif file.name == "appliance/api/application.py":
            for call in file.calls():
                if ast.unparse(call.func) == "Route" and isinstance(call.args[1], ast.Dict):
                    path = ast.literal_eval(call.args[0])
                    methods = [str(k.value) for k in call.args[1].keys if isinstance(k, ast.Constant)]
                    found |= {f"api {m} {path}" for m in methods if m != "GET" or f"api GET {path}" in ON_RECORD}
        elif file.name.startswith(
            ("appliance/engine/serve", "appliance/keys/desk", "appliance/keys/custody_desk", "appliance/audit/auditor")
        ):
            found |= {f"{file.room} {name}" for name in _operations(file)}
    return found


def recorded() -> dict[str, set[str]]:
    """Event -> files in which it stands as a literal, other than its own tables."""
    found: dict[str, set[str]] = {}
    for root in ("appliance", "hsm"):
        for file in sources(ROOT, root):
            if file.name in ("appliance/audit/events.py", "appliance/audit/details.py", "appliance/audit/rate.py"):
                continue
            for node in ast.walk(file.tree):
                if isinstance(node, ast.Constant) and node.value in EVENTS:
                    found.setdefault(str(node.value), set()).add(file.name)
    return found


def _reached(file: Source, name: str) -> str:
    """The text of a function and of those of its file that it calls."""
    functions = {n.name: n for n in ast.walk(file.tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)}
    seen, todo = set[str](), [name]
    while todo:
        one = todo.pop()
        if one in functions and one not in seen:
            seen.add(one)
            todo += re.findall(r"\w+", ast.unparse(functions[one]))
    return "\n".join(ast.unparse(functions[one]) for one in seen)


def test_every_act_is_on_the_record_or_says_why_not() -> None:
    found = {act for act in acts() if not READING.fullmatch(act)}
    assert found - ON_RECORD.keys() - UNRECORDED.keys() == set(), "name its event in ON_RECORD"
    assert (ON_RECORD.keys() | UNRECORDED.keys()) - found == set(), "there is no such act"


def test_an_act_records_its_events_where_it_is_done() -> None:
    where = recorded()
    files = {f.name: f for f in sources(ROOT, "appliance")}
    for act, events in ON_RECORD.items():
        face, _, name = act.partition(" ")
        for event in events.split():
            assert where.get(event), f"{act}: nothing records {event}"
            stem, _, function = name.partition(".")
            own = files.get(f"appliance/{face}/{stem}.py")
            if own is not None and own.name in where[event]:  # else the process does, at whose door the face knocks
                assert f"'{event}'" in _reached(own, function) + _top(own), f"{act} does not reach {event}"


def _top(file: Source) -> str:
    """Tables of the module: events that a function takes from one."""
    return "\n".join(ast.unparse(n) for n in file.tree.body if isinstance(n, ast.Assign | ast.AnnAssign))


def test_every_event_is_recorded_somewhere_and_has_a_schema() -> None:
    assert EVENTS.keys() - recorded().keys() == UNUSED
    assert DETAIL.keys() == EVENTS.keys(), "its row in appliance/audit/details.py"


def test_every_permission_to_change_something_is_needed_by_an_act() -> None:
    """A view that takes a POST without a permission would be open to every role."""
    for file in sources(ROOT, "appliance"):
        if file.name.startswith("appliance/console/"):
            for node in ast.walk(file.tree):
                if isinstance(node, ast.FunctionDef):
                    said = [ast.unparse(d) for d in node.decorator_list]
                    if any(".post(" in d for d in said) and not file.name.endswith(
                        ("/page_sign.py", "/page_sign_on.py", "/page_language.py")
                    ):
                        assert any(d.startswith("needs(") for d in said), f"{file.name}: {node.name}"
