"""The HSM room's own bounds, with unit and reason; it imports nothing from the appliance, so they live here."""

from __future__ import annotations

from typing import Final

FRAME_OCTETS_MAX: Final = 64 * 1024  # a worker signs checkpoints and wraps keys, never bodies
RANDOM_OCTETS_MAX: Final = 1_024
CALL_S_MAX: Final = 5.0  # default deadline of one call; the worker is killed with it
OPEN_S_MAX: Final = (
    20.0  # load, log in, probe, find or make keys: SoftHSM takes 0.2 s, a busy machine or network HSM seconds
)
OPEN_PATIENCE: Final = 8  # at a start a slow machine gets twice the time with each try, up to so many times OPEN_S_MAX
STOP_S_MAX: Final = 1.0  # a worker that does not leave by then is killed
KEEPALIVE_S: Final = 1.0  # a vanished token is noticed within two of these
RESTART_S_MIN: Final = 0.1  # first pause before a worker is started again, doubling
RESTART_S_MAX: Final = 5.0
SOON_MAX: Final = 120  # so often a token that is not there is looked for each second, later each RESTART_S_MAX
TRIAL_S: Final = 0.5  # pause of an open breaker before the next trial
FAILURES_MAX: Final = 3  # failures in a row that open the breaker
WAITING_MAX: Final = 1_000  # calls waiting for a free worker; then `hsm_unavailable`
FAILOVER_S: Final = 2.0  # with two HSMs: default time of a call before the other is asked
RETURN_S: Final = 10.0  # default time that the first has to be well before it serves again
RETURN_S_MAX: Final = 600.0
FLAPS_S: Final = 3_600.0  # fail-overs of so long make it wait longer
LOOK_S: Final = 0.1  # between two looks at both
IN_STEP_S_MAX: Final = (
    100.0  # after keys were passed: both workers open and are probed, on a busy machine or over a network
)
PROVE_AGAIN_S: Final = 2.0  # pause after a proof that failed: a person may be at it
WORKERS: Final = 2  # a hung call must not stall the others

assert RESTART_S_MIN < RESTART_S_MAX
assert STOP_S_MAX < CALL_S_MAX < OPEN_S_MAX
assert FAILOVER_S < CALL_S_MAX
