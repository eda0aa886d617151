"""The metrics of the audit log: of the SIEM only where one is set."""

from __future__ import annotations

from appliance.api.numbers import Numbers
from appliance.audit.promptness import Promptness


def test_the_log_and_the_siem_are_metrics() -> None:
    numbers = Numbers()
    assert "casemate_audit" not in numbers.text().decode()
    numbers.audit = {"size": 12, "unsigned": 2, "siem": {}}
    said = numbers.text().decode()
    assert "casemate_audit_entries 12.0" in said and "casemate_audit_unsigned_entries 2.0" in said
    assert "casemate_siem" not in said
    numbers.audit["siem"] = {"connected": False, "behind": 5, "late": True}
    said = numbers.text().decode()
    assert "casemate_siem_connected 0.0" in said
    assert "casemate_siem_behind_entries 5.0" in said and "casemate_siem_late 1.0" in said


def test_how_soon_entries_come_and_are_signed_are_histograms() -> None:
    numbers = Numbers()
    prompt = Promptness()
    prompt.sequencing.note(80)
    prompt.sequencing.note(1_500)
    numbers.audit = {"size": 12, "unsigned": 2, **prompt.state()}
    said = numbers.text().decode()
    assert 'casemate_audit_sequenced_seconds_bucket{le="0.1"} 1.0' in said
    assert 'casemate_audit_sequenced_seconds_bucket{le="+Inf"} 2.0' in said
    assert "casemate_audit_sequenced_seconds_sum 1.58" in said
    assert "casemate_audit_signed_seconds_count 0.0" in said
