"""Every setting of a box as one row of one table; unknown keys are errors. Secrets are named by file, never written into the settings."""

from __future__ import annotations

from typing import Final

from .box import BOX_SETTINGS
from .directory import DIRECTORY_SETTINGS
from .hsm import HSM_SETTINGS
from .keeping import KEEPING_SETTINGS
from .oidc import OIDC_SETTINGS
from .promised import PROMISED_SETTINGS
from .setting import Setting
from .two_people import TWO_PEOPLE_SETTINGS

#: Languages of the console (`appliance.console` has a catalogue for each but the first).
LANGUAGES: Final = ("en", "it", "de", "fr", "es")

#: What becomes of a message of which nobody can know whether it left.
INDETERMINATE_POLICIES: Final = ("resend", "hold", "report")

#: Networks that no operator routes (RFC 1918, RFC 4193): who may connect until the site says which of them.
PRIVATE: Final = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"]

SETTINGS: Final[tuple[Setting, ...]] = (
    Setting("api.listen", "str", "127.0.0.1:8080", "address and port of the REST API; clear text only on loopback"),
    Setting("api.tls_certificate", "path", "", "PEM chain of the REST API's server certificate"),
    Setting("api.tls_key", "path", "", "PEM key of the REST API's server certificate"),
    Setting("api.gateways", "int", 1, "gateway processes; one per core is a good number", 1, 64),
    Setting("door.enabled", "bool", True, "whether the SMPP door for the bank's own systems is open"),
    Setting("door.listen", "str", "127.0.0.1:2776", "address and port of the SMPP door; clear text only on loopback"),
    Setting("door.tls_certificate", "path", "", "PEM chain of the SMPP door's server certificate"),
    Setting("door.tls_key", "path", "", "PEM key of the SMPP door's server certificate"),
    Setting(
        "door.client_ca",
        "path",
        "",
        "PEM certificates of who signs the bank's systems; given: a connection without such a certificate is refused",
    ),
    Setting(
        "door.keep_days",
        "int",
        30,
        "days that a receipt or a customer's message is kept for a bank's system that does not come for it",
        1,
        3650,
    ),
    Setting(
        "api.saves_templates",
        "bool",
        False,
        "whether API keys may save and remove templates; else only `casemate template` does",
    ),
    Setting("console.listen", "str", "127.0.0.1:8081", "address and port of the admin console"),
    Setting("console.tls_certificate", "path", "", "PEM chain of the console's server certificate"),
    Setting("console.tls_key", "path", "", "PEM key of the console's server certificate"),
    Setting(
        "console.language",
        LANGUAGES,
        "en",
        "language of the console for whom has chosen none and whose browser asks for none of these",
    ),
    Setting("console.idle_minutes", "int", 15, "a session ends after so long without a request", 1, 480),
    Setting("console.absolute_hours", "int", 8, "a session ends after so long whatever happens", 1, 24),
    Setting(
        "console.second_factor",
        "bool",
        True,
        "people of the console enrol a security key or a telephone's codes at their first sign-in; off: the password alone opens it",
    ),
    Setting(
        "console.prove_minutes",
        "int",
        5,
        "for so long who signed in, or showed again who it is, may do what asks for it",
        1,
        480,
    ),
    *TWO_PEOPLE_SETTINGS,
    *DIRECTORY_SETTINGS,
    *OIDC_SETTINGS,
    *PROMISED_SETTINGS,
    *HSM_SETTINGS,
    Setting("audit.origin", "str", "casemate.local/audit", "name of the log in its checkpoints (C2SP origin)"),
    Setting(
        "audit.witnesses", "strs", [], "keys of who cosigns the log, a line each: `casemate audit cosign new` prints it"
    ),
    Setting(
        "audit.cosigned_days", "int", 7, "days after which status and console complain that nobody cosigned", 1, 366
    ),
    Setting(
        "audit.keep_days",
        "int",
        0,
        "days after which entries of the log are pruned, once reviewed, cosigned and with the SIEM; 0: kept for ever; else 366 or more",
        0,
        36_600,
    ),
    Setting(
        "audit.witness_urls",
        "strs",
        [],
        "witnesses on the network that are asked to cosign (C2SP tlog-witness): https://HOST/PREFIX each; their keys stand in audit.witnesses",
    ),
    Setting("audit.witness_ca", "path", "", "PEM certificates of who signs theirs; empty: the system's authorities"),
    Setting(
        "audit.witness_s", "int", 3_600, "seconds between two cosignatures of a witness on the network", 1, 604_800
    ),
    Setting("audit.export_approval", "bool", False, "an export of the log needs another person: `keys ask export-log`"),
    Setting(
        "audit.waiting_max",
        "int",
        100_000,
        "entries, one a batch, that may wait in an engine for the audit log before new messages are refused; 0: no limit",
        0,
        100_000_000,
    ),
    Setting(
        "siem.target", "str", "", "HOST:PORT of the bank's SIEM: syslog over TLS (RFC 5425, port 6514); empty: none"
    ),
    Setting("siem.format", ("rfc5424", "cef"), "rfc5424", "how an entry is written: RFC 5424 structured data, or CEF"),
    Setting("siem.tls_ca", "path", "", "PEM certificates of who signs the SIEM's; empty: the system's authorities"),
    Setting("siem.tls_certificate", "path", "", "PEM chain of the client certificate shown to the SIEM"),
    Setting("siem.tls_key", "path", "", "PEM key of the client certificate shown to the SIEM"),
    Setting("siem.tls_name", "str", "", "name in the SIEM's certificate; empty: the host of siem.target"),
    Setting("siem.hostname", "str", "", "name of this box in what the SIEM gets; empty: its host name"),
    Setting(
        "siem.octets_max",
        "int",
        8192,
        "the longest message the SIEM takes; of a longer entry less is sent",
        4096,
        65_535,
    ),
    Setting(
        "siem.late_s",
        "int",
        300,
        "seconds without the SIEM after which status, console and metrics complain",
        1,
        86_400,
    ),
    Setting(
        "review.hours",
        "strs",
        ["mon-fri 07:00-20:00"],
        "when people are at work: signing in at other times is a finding",
    ),
    Setting("review.timezone", "str", "UTC", "time zone of review.hours"),
    Setting(
        "review.failures_max", "int", 5, "refusals of one actor between two reviews that are a finding", 1, 100_000
    ),
    Setting(
        "review.searches_max",
        "int",
        20,
        "look-ups of numbers by one actor between two reviews that are a finding",
        1,
        100_000,
    ),
    *KEEPING_SETTINGS,
    Setting(
        "engine.shards",
        "int",
        1,
        "engine processes, each with its own store and its part of the binds and rates of every link; may grow at a restart,"
        " and shrink once what leaves is empty: see engine.spread",
        1,
        64,
    ),
    Setting(
        "engine.spread",
        "int",
        0,
        "new messages go to the first so many engines, the others finish what they have; 0: to all",
        0,
        64,
    ),
    Setting(
        "engine.indeterminate_otp",
        INDETERMINATE_POLICIES,
        "resend",
        "a one-time code that may or may not have left: send again (over another link if there is one), hold, or report",
    ),
    Setting(
        "engine.indeterminate_alert",
        INDETERMINATE_POLICIES,
        "hold",
        "the same for alerts; hold: until a person decides or a receipt comes",
    ),
    Setting("engine.indeterminate_transaction", INDETERMINATE_POLICIES, "hold", "the same for transactions"),
    Setting(
        "engine.indeterminate_bulk",
        INDETERMINATE_POLICIES,
        "report",
        "the same for bulk; report: tell the bank, nobody is asked, a late receipt still counts",
    ),
    Setting(
        "content.cards",
        ("refuse", "mask", "allow"),
        "refuse",
        "payment card numbers in a text: refuse it, mask all but the last four digits, or allow them",
    ),
    Setting(
        "content.secrets",
        ("refuse", "mask", "allow"),
        "refuse",
        "passwords and keys in a text: refuse it, mask them, or allow them",
    ),
    Setting(
        "content.otp_links",
        ("refuse", "allow"),
        "refuse",
        "links in one-time codes that lead anywhere but to content.link_hosts",
    ),
    Setting("content.link_hosts", "strs", [], "hosts that links in one-time codes may lead to, with all below them"),
    Setting(
        "text.transliterate",
        ("off", "look-alikes"),
        "off",
        "typographic quotes, dashes, spaces and dots become plain ones where the text then goes as GSM-7",
    ),
    Setting(
        "senders.mandatory",
        "strs",
        [],
        'countries where a sender must be registered before it is used: ["IT", "IN", "US"]; see `casemate sender rules`',
    ),
    Setting(
        "senders.dlt_templates",
        ("required", "on-file"),
        "required",
        "where India is mandatory: a text is one of its header's templates; on-file: only of headers that have some on file",
    ),
    Setting("senders.dlt_variable", "int", 30, "characters of one {#var#}; some DLT platforms take 40", 1, 100),
    Setting("consent.revoke_all", "bool", False, "a STOP to any programme is a STOP to all of them"),
    Setting(
        "consent.exempt_classes",
        "strs",
        ["otp", "alert"],
        "classes that no STOP holds back: one-time codes and warnings of fraud",
    ),
    Setting(
        "inbound.parts_s",
        "int",
        1800,
        "so long after its first part a customer's message is handed on without those that did not come",
        5,
        86_400,
    ),
    Setting("network.interface", "str", "en*", "network card of the box, by name or pattern (systemd.network(5))"),
    Setting("network.address", "str", "dhcp", 'address with prefix, as 10.20.0.5/24; or "dhcp"'),
    Setting("network.gateway", "str", "", "next hop to everything else; with an address of its own only"),
    Setting("network.hostname", "str", "", "name of the box, as casemate-1.bank.example; empty: casemate"),
    Setting("network.vlan", "int", 0, "VLAN (IEEE 802.1Q) that the box's address is in; 0: none", 0, 4094),
    Setting("network.bond", "strs", [], "network cards that are one (bond); none: `network.interface` alone"),
    Setting(
        "network.bond_mode",
        ("active-backup", "802.3ad"),
        "active-backup",
        "one card works and the others wait, or all do (LACP; the switch has to know)",
    ),
    Setting("network.routes", "strs", [], 'further routes, as "10.0.0.0/8 via 10.20.0.254"'),
    Setting(
        "network.proxy",
        "str",
        "",
        "HTTP proxy for webhooks and operators' APIs, as proxy.bank.example:3128; empty: none",
    ),
    Setting("network.dns", "strs", [], "name servers of the box, by address; none: names are not resolved"),
    Setting("network.time_servers", "strs", [], "time servers of the bank"),
    Setting("network.nts", "bool", True, "whether the time servers authenticate with NTS (RFC 8915)"),
    Setting("network.api_port", "int", 443, "port of the REST API behind TLS, on the appliance", 1, 65535),
    Setting("network.console_port", "int", 8443, "port of the admin console behind TLS, on the appliance", 1, 65535),
    Setting("network.api_from", "strs", PRIVATE, "networks that may connect to the REST API"),
    Setting("network.console_from", "strs", PRIVATE, "networks that may connect to the admin console"),
    Setting("network.door_from", "strs", PRIVATE, "networks that may connect to the SMPP door"),
    Setting(
        "network.ssh_from",
        "strs",
        [],
        "networks that may come by SSH while it is open for a time; none: it cannot be opened",
    ),
    Setting("verify.length", "int", 6, "digits of a one-time code, unless a request says otherwise", 4, 10),
    Setting("verify.life_s", "int", 600, "seconds that a code can be used, unless a request says otherwise", 60, 3600),
    Setting("verify.tries", "int", 5, "wrong tries after which a verification has failed", 1, 5),
    Setting("verify.sends", "int", 5, "times that a verification's message is sent, the first one counted", 1, 5),
    Setting(
        "verify.resend",
        ("new", "same"),
        "new",
        "what a resend sends: a new code with a life of its own, or the same one, which is then kept sealed until the end",
    ),
    Setting(
        "verify.block_s",
        "int",
        900,
        "seconds that a number gets no code for a purpose after verify.tries wrong ones in a row; 0: it always does",
        0,
        86_400,
    ),
    Setting("verify.per_number_hour", "int", 10, "codes sent to one number in an hour; 0: no limit", 0, 1000),
    Setting(
        "verify.per_purpose_minute",
        "int",
        0,
        "codes sent in a minute for one purpose of one API key; 0: no limit",
        0,
        1_000_000,
    ),
    Setting(
        "verify.per_user_hour", "int", 10, "codes in an hour for one `user` that requests name; 0: no limit", 0, 10_000
    ),
    Setting(
        "verify.per_address_hour",
        "int",
        60,
        "codes in an hour for one `address` that requests name; 0: no limit",
        0,
        100_000,
    ),
    Setting(
        "verify.per_prefix_minute",
        "int",
        0,
        "codes in a minute for numbers with one calling code and three digits after it; 0: no limit",
        0,
        1_000_000,
    ),
    Setting(
        "verify.countries",
        "strs",
        [],
        'where codes go: ISO 3166 codes, or beginnings of numbers as "+3934"; empty: to `bank.country`, everywhere without one',
    ),
    Setting(
        "verify.guard_least",
        "int",
        100,
        "codes to a prefix below which it is never blocked by itself; 0: no prefix is",
        0,
        1_000_000,
    ),
    Setting(
        "verify.guard_conversion",
        "int",
        10,
        "of a hundred codes so many are entered rightly within an hour, or their prefix is blocked",
        0,
        100,
    ),
    Setting(
        "verify.guard_velocity",
        "int",
        10,
        "so many times its usual number of codes in five minutes, and a prefix is blocked",
        2,
        1_000,
    ),
    Setting("verify.guard_s", "int", 3600, "seconds that a prefix stays blocked", 60, 604_800),
    Setting("verify.guard_safe", "strs", [], "beginnings of numbers that are never blocked by themselves"),
    Setting("verify.never_share", "bool", True, "whether the built-in texts warn never to share the code"),
    Setting(
        "verify.webotp_host",
        "str",
        "",
        "host of the page that takes the code: the last line is `@HOST #CODE` (WICG origin-bound one-time codes)",
    ),
    Setting(
        "verify.app_hash",
        "str",
        "",
        "11 characters by which Android hands the message to the bank's own app; a line of it",
    ),
    Setting("verify.sender", "str", "", "sender of codes; empty: the link's own"),
    Setting("verify.locale", "str", "en", "language of a code whose request names none"),
    Setting("webhook.hosts", "strs", [], "hosts that callbacks may go to, exact names; https only except on loopback"),
    Setting("webhook.allow_loopback", "bool", False, "callbacks to 127.0.0.1 in clear text, for tests and demos"),
    Setting(
        "limits.requests_per_s",
        "int",
        200,
        "messages a second per API key unless the key says otherwise; 0: no limit",
        0,
        1_000_000,
    ),
    Setting("simulator.listen", "str", "127.0.0.1:2775", "SMPP address of the simulated operator that the demo starts"),
    Setting("simulator.control", "str", "127.0.0.1:8082", "HTTP control of the simulated operator"),
    *BOX_SETTINGS,
)

__all__ = ["INDETERMINATE_POLICIES", "PRIVATE", "SETTINGS", "Setting"]
