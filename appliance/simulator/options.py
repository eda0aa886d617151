"""Everything a simulated operator can be told, as one table: the command line's flags and `POST /behaviour` derive from it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields, replace
from random import Random
from typing import Any, Final

from appliance.errors import Error

from .alphabet import ALPHABETS

ID_FORMS: Final = (
    *("hex", "dec", "uuid", "hex-response-dec-receipt", "dec-response-hex-receipt"),
    *("zeros-receipt", "zeros-response", "case", "wrapped", "text"),
)
RECEIPT_FORMATS: Final = ("text", "tlv", "both", "csv", "payload", "ucs2", "short", "sloppy")

#: What `preset` stands for; whatever else is said wins.
PRESETS: Final[dict[str, dict[str, Any]]] = {
    "": {},
    "hostile": {
        "latency_ms": "2..40",
        "receipt_delay_ms": "0..300",
        "answers_per_s": 1_500,
        "throttle_rate": 0.000_02,
        "queue_full_rate": 0.000_02,
        "storm_every_s": 20.0,
        "storm_s": 1.0,
        "refuse_rate": 0.01,
        "nack_rate": 0.001,
        "fail_rate": 0.02,
        "no_answer_rate": 0.000_02,
        "drop_after": 12_000,
        "unbind_after": 9_000,
        "bound_after_drop_s": 1.0,
        "bind_refusal_rate": 0.25,
        "binds_most": 4,
        "disorder_rate": 0.5,
        "duplicate_rate": 0.05,
        "alien_rate": 0.02,
        "garbage_rate": 0.005,
        "receipt_before_answer_rate": 0.2,
        "receipt_twice_rate": 0.05,
        "intermediate_rate": 0.05,
        "silent_every_s": 20.0,
        "silent_s": 4.0,
        "inbound_per_minute": 30.0,
    },
}


def _row(default: Any, help: str, *, live: bool = False, **bounds: Any) -> Any:
    """A field with its help text; `live` ones may be changed while the operator runs."""
    return field(default=default, metadata={"help": help, "live": live, **bounds})


def _rate(help: str) -> Any:
    return _row(0.0, f"{help}, 0 to 1", live=True, least=0.0, most=1.0)


@dataclass(frozen=True)
class Options:
    """What one simulated operator does; `help` in each field's metadata says what it means. Raises Error `invalid`."""

    listen: str = _row("127.0.0.1:2775", "address and port for SMPP; port 0 takes a free one")
    control: str = _row("127.0.0.1:8082", "address and port of the HTTP control; port 0 takes a free one")
    seed: int = _row(0, "seed of everything that happens by chance")
    latency_ms: str = _row("0", "time to an answer: 20, 5..50, lognormal:20..200 (median..99th percentile)", live=True)
    fail_rate: float = _rate("share of accepted segments whose receipt says they were not delivered")
    refuse_rate: float = _rate("share of submits refused for good (ESME_RINVDSTADR)")
    throttle_rate: float = _rate("share of submits answered ESME_RTHROTTLED")
    throttle_above: int = _row(
        0, "submits a second; more are answered ESME_RTHROTTLED; 0: no limit", live=True, least=0
    )
    receipt_delay_ms: str = _row("50..300", "time from a submit to its receipt, written like latency_ms", live=True)
    receipt_format: str = _row("both", "where a receipt says it", live=True, words=RECEIPT_FORMATS)
    id_form: str = _row("dec", "how message ids are written", live=True, words=ID_FORMS)
    receipt_words: str = _row("plain", "words of a receipt", live=True, words=("plain", "odd"))
    receipt_typed: str = _row("yes", "whether esm_class calls a receipt one", live=True, words=("yes", "no"))
    receipt_reference: str = _row(
        "yes", "whether a receipt gives user_message_reference back", live=True, words=("yes", "no")
    )
    receipt_twice_rate: float = _rate("share of receipts that come twice")
    intermediate_rate: float = _rate("share of receipts before which one says that the message is on its way")
    alphabet: str = _row("gsm", "what data_coding 0 means", live=True, words=ALPHABETS)
    receipt_window: int = _row(
        1_000, "receipts and inbound messages under way per bind", live=True, least=1, most=100_000
    )
    receipt_before_answer_rate: float = _rate("share of submits whose receipt comes before the answer")
    no_answer_rate: float = _rate("share of submits taken and delivered but never answered")
    drop_after: int = _row(
        0, "submits until a connection is dropped, the last ones unanswered; 0: never", live=True, least=0
    )
    drop_rate: float = _rate("share of submits after which the connection is dropped, the submit not answered")
    unbind_after: int = _row(
        0,
        "submits until the operator unbinds a connection; 0: never; with drop_after, connections take turns",
        live=True,
        least=0,
    )
    answers_per_s: int = _row(0, "answers to submits a second, the others leave later; 0: no limit", live=True, least=0)
    queue_full_rate: float = _rate("share of submits answered ESME_RMSGQFUL")
    nack_rate: float = _rate("share of submits not taken and answered with a generic_nack")
    storm_every_s: float = _row(60.0, "from one storm to the next", live=True, least=0.1, most=86_400.0)
    storm_s: float = _row(
        0.0, "so long in each, every submit is throttled or meets a full queue; 0: no storms", live=True, least=0.0
    )
    silent_every_s: float = _row(60.0, "from one silence to the next", live=True, least=0.1, most=86_400.0)
    silent_s: float = _row(
        0.0, "so long in each, submits are answered and nothing is delivered; 0: none", live=True, least=0.0
    )
    bound_after_drop_s: float = _row(
        0.0, "after a drop, so long every bind is ESME_RALYBND", live=True, least=0.0, most=3_600.0
    )
    bind_refusal_rate: float = _rate("share of binds refused (ESME_RBINDFAIL)")
    binds_most: int = _row(0, "binds of one system_id, more are ESME_RALYBND; 0: no limit", live=True, least=0)
    disorder_rate: float = _rate("share of writes whose answers are in any order")
    duplicate_rate: float = _rate("share of answers that come twice")
    alien_rate: float = _rate("share of answers followed by one to nobody")
    garbage_rate: float = _rate("share of answers followed by a PDU that makes no sense")
    preset: str = _row("", "options set together, for whatever is not said otherwise", words=tuple(PRESETS))
    inbound_per_minute: float = _row(
        0.0, "messages a minute that customers write by themselves", live=True, least=0.0, most=60_000.0
    )
    inbound_to: str = _row("43210", "number that customers write to by themselves", live=True)
    enquire_s: float = _row(
        30.0, "enquire_link after so long without hearing anything", live=True, least=0.1, most=3_600.0
    )
    system_id: str = _row("", "the only system_id that may bind; empty: any")
    password_file: str = _row("", "file with the password that a bind needs; empty: any")
    tls_certificate: str = _row("", "PEM chain of the SMPP server's certificate; empty: clear text")
    tls_key: str = _row("", "PEM key of the SMPP server's certificate")
    keep: int = _row(100_000, "received segments kept in memory, the oldest go first", least=1, most=10_000_000)
    journal: str = _row(
        "",
        "file that gets a line per accepted submit: id, to, part, SHA-256 of its payload, connection; tab-separated",
    )
    attempts: str = _row(
        "",
        "file that gets a line per submit heard: status, connection, SHA-256 of its octets, milliseconds; tab-separated",
    )

    @classmethod
    def made(cls, given: Mapping[str, Any]) -> Options:
        """Options of what was given, a preset's for the rest. Raises Error `invalid`."""
        return cls(**{**PRESETS.get(given.get("preset", ""), {}), **given})

    def __post_init__(self) -> None:
        for f in fields(self):
            _check(f.name, getattr(self, f.name), f.metadata, f.default)
        for name in ("latency_ms", "receipt_delay_ms"):
            Delay(getattr(self, name), name)

    def changed(self, given: Mapping[str, Any]) -> Options:
        """The same with live fields changed. Raises Error `invalid` for an unknown, fixed or wrong one; then nothing changes."""
        rows = {f.name: f for f in fields(self)}
        if given.get("preset") in PRESETS:
            given = {**PRESETS[given["preset"]], **given}
            preset = given.pop("preset")
            return replace(self.changed(given), preset=preset)
        for name in given:
            if name not in rows:
                raise Error("invalid", f"there is no option {name!r}", "GET /behaviour lists them")
            if not rows[name].metadata["live"]:
                raise Error("invalid", f"{name} cannot be changed while the operator runs")
        return replace(self, **given)

    def live(self) -> dict[str, Any]:
        """The fields that may be changed, with their values."""
        return {f.name: getattr(self, f.name) for f in fields(self) if f.metadata["live"]}


def _check(name: str, value: Any, bounds: Mapping[str, Any], default: Any) -> None:
    assert default is not MISSING
    kind = type(default)
    number = isinstance(value, int | float) and not isinstance(value, bool) and kind is float
    if type(value) is not kind and not number:
        raise Error("invalid", f"{name} must be of type {kind.__name__}")
    if "words" in bounds and value not in bounds["words"]:
        raise Error("invalid", f"{name} must be one of {', '.join(bounds['words'])}")
    least, most = bounds.get("least"), bounds.get("most")
    if (least is not None and not value >= least) or (most is not None and not value <= most):
        raise Error("invalid", f"{name} must be {least} or more" + (f", {most} at most" if most is not None else ""))


class Delay:
    """A distribution of milliseconds, drawn in seconds: `20` or `fixed:20`, `5..50` or `uniform:5..50`, `lognormal:20..200`."""

    MS_MAX: Final = 86_400_000.0
    _SIGMAS: Final = 2.326  # of a normal distribution, up to its 99th percentile

    def __init__(self, text: str, name: str = "delay") -> None:
        kind, colon, numbers = text.rpartition(":")
        low, dots, high = numbers.partition("..")
        try:
            self.low, self.high = float(low) / 1000, float(high if dots else low) / 1000
        except ValueError:
            self.low = math.nan
        if not colon:
            kind = "uniform" if dots else "fixed"
        if kind not in ("fixed", "uniform", "lognormal") or not 0 <= self.low <= self.high <= self.MS_MAX / 1000:
            raise Error("invalid", f"{name} {text!r} is no delay", "write 20, 5..50 or lognormal:20..200, milliseconds")
        if kind == "lognormal" and not self.low:
            raise Error("invalid", f"{name}: the median of a lognormal delay is above 0")
        self.kind = kind
        self.zero = self.high == 0
        self._sigma = math.log(self.high / self.low) / self._SIGMAS if kind == "lognormal" else 0.0

    def draw(self, chance: Random) -> float:
        """Seconds."""
        if self.kind == "uniform":
            return self.low + (self.high - self.low) * chance.random()
        if self.kind == "fixed":
            return self.low
        return min(chance.lognormvariate(math.log(self.low), self._sigma), self.MS_MAX / 1000)
