"""What is to be done outside for a run, under a key of its own, and what comes back. The key is the run's and the step's: done again
after a crash it is the same message, the same verification, the same webhook."""

from __future__ import annotations

from typing import Any, Final, NamedTuple, Protocol

from appliance.errors import Error
from appliance.limits import FLOW_EFFECT_S_MAX
from appliance.message import id_text

from .book import Row
from .definition import Definition, Send, Verify, Webhook
from .sealed import Kept
from .states import REFUSED, UNTOLD, Heard

#: Refusals that no waiting mends: the run goes where its state says.
FINAL: Final = frozenset(
    {
        "number_invalid", "sender_invalid", "sender_unregistered", "text_too_long", "text_unmappable", "template_invalid", "params_invalid",
        "content_refused", "destination_blocked", "suppressed", "quiet_hours", "expired_before_sent", "callback_not_allowed", "not_found",
        "verification_ended", "idempotency_conflict", "no_route", "invalid", "forbidden", "number_at_risk", "number_unchecked",
    }
)  # fmt: skip
#: What the address of a receipt begins with that is a run's: no caller may write one.
OWN_ADDRESS: Final = "flow:"


class Order(NamedTuple):
    """One effect of one step."""

    row: Row
    flow: Definition
    kept: Kept
    state: Send | Verify | Webhook

    @property
    def step(self) -> int:
        return self.row.machine.step

    @property
    def key(self) -> bytes:
        """The idempotency key. No caller can write a blank into one of its own."""
        return b"run %s %d" % (self.row.id.hex().encode(), self.step)

    @property
    def address(self) -> str:
        """Where its receipts go."""
        return f"{OWN_ADDRESS}{self.row.id.hex()}/{self.step}"

    def newest(self) -> str | None:
        """Id of the newest message or code of the run."""
        sent = [one for one in self.row.machine.sent.values() if one.message]
        return max(sent, key=lambda one: one.step).message if sent else None

    def told(self) -> dict[str, Any]:
        """What a webhook says."""
        assert isinstance(self.state, Webhook)
        variables = self.kept.variables
        return {
            "run": id_text(self.row.id),
            "workflow": self.flow.name,
            "version": self.row.version,
            "event": self.state.event,
            "reference": self.kept.reference,
            "message": self.newest(),
            "values": {name: variables[name] for name in self.state.values if name in variables},
        }


class Hands(Protocol):
    """What the runner's process does for it. Each raises Error; a code of FINAL ends the attempt, all others are tried again."""

    async def send(self, order: Order) -> Heard: ...
    async def verify(self, order: Order) -> Heard: ...
    async def webhook(self, order: Order) -> None: ...


def refused(order: Order, error: Error, at_ms: int) -> Heard | None:
    """What the run hears of an attempt that failed, None: it is tried again."""
    old = at_ms - order.row.machine.since_ms >= FLOW_EFFECT_S_MAX * 1000
    if error.code not in FINAL and not old:
        return None
    # Nobody knows any more whether the first attempt of a day ago was taken: it is not sent again.
    code = error.code if error.code in FINAL else "too_late"
    if isinstance(order.state, Webhook):
        return Heard(UNTOLD, code, step=order.step)
    return Heard(REFUSED, code, step=order.step)


def address_of(url: str) -> tuple[bytes, int] | None:
    """Run and step of a receipt's address."""
    run, slash, step = url.removeprefix(OWN_ADDRESS).partition("/")
    if not url.startswith(OWN_ADDRESS) or not slash or len(run) != 32 or not step.isdigit():
        return None
    try:
        return bytes.fromhex(run), int(step)
    except ValueError:
        return None
