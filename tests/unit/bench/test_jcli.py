"""What Jasmin's console says, as it says it over telnet, and what that means: no socket."""

from __future__ import annotations

from appliance.bench.jcli import Connector, added, answer, connectors, prompted, refused

GREETING = b'\xff\xfd"\xff\xfd\x1f\xff\xfd\x03\xff\xfb\x01\x1bc\x1b[4hAuthentication required.\r\r\r\n\r\r\r\n'
LISTED = (
    b"smppccm -l\r\r\r\n#Connector id                        Service Session          Starts Stops\r\r\r\n"
    b"#operator                            started BOUND_TRX        1      0    \r\r\r\n"
    b"#other                               stopped None             0      0    \r\r\r\n"
    b"Total connectors: 2\r\r\r\njcli : "
)


def test_it_waits_for_a_line_at_a_prompt_alone() -> None:
    assert not prompted(GREETING) and prompted(GREETING + b"\r\r\r\nUsername: ")
    assert prompted(b"jcliadmin\r\r\r\nPassword: ")
    for at in range(1, len(LISTED)):
        assert not prompted(LISTED[:at]), LISTED[:at]
    assert prompted(LISTED)


def test_inside_of_what_is_added_the_prompt_is_another() -> None:
    octets = b"group -a\r\r\r\nAdding a new Group: (ok: save, ko: exit)\r\r\r\n> "
    assert prompted(octets) and not prompted(b"a -> b")
    assert answer(octets, "group -a") == "Adding a new Group: (ok: save, ko: exit)"
    assert answer(b"gid banks\r\r\r\n> ", "gid banks") == ""


def test_a_password_is_not_echoed() -> None:
    told = answer(b"\r\r\r\nWelcome to Jasmin 0.11.0 console\r\r\r\nSession ref: 3\r\r\r\njcli : ", "jclipwd")
    assert told == "Welcome to Jasmin 0.11.0 console\nSession ref: 3"


def test_connectors_by_id() -> None:
    told = connectors(answer(LISTED, "smppccm -l"))
    assert told == {"operator": Connector(True, "BOUND_TRX"), "other": Connector(False, "None")}
    assert connectors("Total connectors: 0") == {}


def test_what_was_not_done_is_seen() -> None:
    for told in (
        "Unknown Group: x",
        "Error: port must be an integer",
        "Failed adding connector, check log for details",
        "You must set these options before saving: type, order",
        "Incorrect command: smpccm, type help for a list of commands",
        "Incorrect Username/Password.",
        "group configuration persisted (profile:jcli-prod)\nFailed to persist user configuration (profile:jcli-prod)",
    ):
        assert refused(told), told
    for told in ("", "Successfully added User [bank] to Group [banks]", "user configuration persisted"):
        assert not refused(told), told


def test_what_is_typed_to_add_something() -> None:
    assert added("group -a", [("gid", "banks")]) == ["group -a", "gid banks", "ok"]
