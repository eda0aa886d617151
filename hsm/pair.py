"""Two HSMs that are one to their callers: the first serves, the second when it fails, and the first again when it has proven itself.

They cannot come apart. Nothing in a token changes by use; every key was born in both or passed to both; the key store has one writer,
which is this process; and neither serves before it has proven that it holds the keys of the other. Both could serve at once, and every
answer would be the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any, Final

from . import failover, replication, shown, wrapping
from .bounds import FAILOVER_S, IN_STEP_S_MAX, LOOK_S, OPEN_S_MAX, PROVE_AGAIN_S, RETURN_S, WORKERS
from .errors import HsmError
from .failover import FIRST, NONE, SECOND, Failover
from .place import Admit, Place, Told
from .pool import Pool
from .proof import Kept, prove, prove_root
from .seat import COMMAND

#: What says something about the request, not about the HSM: the other would say the same.
_ANSWERS: Final = frozenset({"key_refused", "invalid"})
#: What changes nothing in a token, and may be asked of the other.
_REPEATED: Final = frozenset({"wrap", "unwrap", "mac", "sign", "random"})
_HINT: Final = "see `casemate keys status`"


class Pair:
    """The same calls as `Pool`. `roots` and `mechanisms`: versions of roots, and ways of wrapping, that stored keys need."""

    def __init__(
        self,
        places: tuple[Place, Place],
        keys_exist: Callable[[], bool],
        admit: Admit,
        told: Told,
        roots: Callable[[], list[int]] = lambda: [1],
        mechanisms: Callable[[], Iterable[str]] = lambda: (),
        within_s: float = FAILOVER_S,
        return_s: float = RETURN_S,
        workers: int = WORKERS,
        command: tuple[str, ...] = COMMAND,
    ) -> None:
        self.within_s = within_s
        self._keys_exist = keys_exist
        self._told = told
        self._roots = roots
        self._mechanisms = mechanisms
        self._kept = Kept(places[0].folder / "proof.json")
        self._failover = Failover(return_s)
        self._proven: dict[str, list[dict[str, Any]]] = {}
        self._roots_proven: dict[str, tuple[int, ...]] = {}
        self._apart: dict[str, HsmError] = {}  # why an HSM that answers does not serve
        self._again_s: dict[str, float] = {}
        self._progress: dict[str, Any] = {}
        self._closed: HsmError | None = None  # why nothing is opened yet
        self._tasks: list[asyncio.Task[None]] = []
        self._proofs: dict[str, asyncio.Task[None]] = {}
        self._admit = admit

        def pool(name: str, place: Place) -> Pool:
            def heard(what: str, detail: dict[str, Any]) -> None:
                told(what, {**detail, "hsm": name})

            # Never makes keys by itself: they are born in both, or the store knows them already.
            return Pool(place, lambda: True, lambda o: self._let_in(name, o), heard, workers, roots, command)

        self.pools = {name: pool(name, place) for name, place in zip((FIRST, SECOND), places, strict=True)}

    def _let_in(self, name: str, opened: dict[str, Any]) -> None:
        if name == SECOND and not self._keys_exist():
            raise HsmError("key_missing", "the first HSM has not been opened yet", "")
        self._admit(opened)

    # --- what callers use ---------------------------------------------------------------------------------

    @property
    def why(self) -> HsmError | None:
        """None when calls are let through, else why not."""
        self._look()
        if self._failover.serves != NONE:
            return None
        first = self.pools[FIRST]
        return (
            self._closed
            or first.why
            or self._apart.get(FIRST)
            or HsmError("hsm_unavailable", "the HSM has not proven its keys yet", _HINT)
        )

    @property
    def opened(self) -> dict[str, Any]:
        return self._serving().opened

    def _serving(self) -> Pool:
        return self.pools[SECOND if self._failover.serves == SECOND else FIRST]

    async def wrap(self, key: bytes, context: bytes, root: int = 1) -> tuple[str, bytes]:
        """In a way that both know: what one wraps the other opens."""
        name, wrapped = await self.call("wrap", key=key, context=context, root=root, only=list(self._kept.ways))
        return name, wrapped

    async def unwrap(self, mechanism: str, wrapped: bytes, context: bytes, root: int = 1) -> bytes:
        """Raises HsmError `key_refused` when key or context were changed."""
        return bytes(await self.call("unwrap", mechanism=mechanism, wrapped=wrapped, context=context, root=root))

    async def mac(self, body: bytes) -> bytes:
        return bytes(await self.call("mac", body=body))

    async def sign(self, body: bytes) -> bytes:
        return bytes(await self.call("sign", body=body))

    async def random(self, octets: int) -> bytes:
        return bytes(await self.call("random", octets=octets))

    async def call(self, op: str, **given: Any) -> Any:
        """One operation: asked of the other when the one that serves does not do it in time, if it may be done twice."""
        if (why := self.why) is not None:
            raise why
        name = self._failover.serves
        other = SECOND if name == FIRST else FIRST
        spare = other in self._proven and op in _REPEATED
        try:
            return await self.pools[name].call(op, self.within_s if spare else 0.0, **given)
        except HsmError as e:
            self._look()
            if e.code in _ANSWERS or op not in _REPEATED or other not in self._proven:
                raise
        return await self.pools[other].call(op, **given)

    # --- both at once -------------------------------------------------------------------------------------

    async def make_root(self, root: int) -> None:
        """A new root is born in both, or not at all."""
        self._need_both("a root is made in both HSMs at once")
        await replication.born(self.pools[FIRST], self.pools[SECOND], [root], all_keys=False)
        await self.adopt_root(root)

    async def adopt_root(self, root: int) -> None:
        """Proves a root that came into both, by `make_root` or by custodians."""
        self._need_both("a root is taken into use in both HSMs at once")
        self._kept.roots.pop(root, None)
        await prove_root(self.pools[FIRST], self.pools[SECOND], root, self._kept, founder=True)
        self._kept.keep()

    async def destroy_root(self, root: int) -> None:
        self._need_both("a root is destroyed in both HSMs at once")
        for pool in self.pools.values():
            await pool.destroy_root(root)

    async def cold_start(self) -> None:
        """Both anew, one after the other; each proves itself again."""
        well = set(self._proven)
        for name in self.pools:
            if name in well:
                await self.pools[name].cold_start()
                self._proven.pop(name, None)  # by workers of now, also when nobody looked while it was closed
        try:
            async with asyncio.timeout(OPEN_S_MAX * len(well)):
                while self.why is not None or well - self._proven.keys():
                    await asyncio.sleep(LOOK_S)
        except TimeoutError:
            raise HsmError("hsm_unavailable", "an HSM did not open again in time", _HINT) from None

    def _need_both(self, what: str) -> None:
        self._look()
        for name in self.pools:
            if name not in self._proven:
                why = self.pools[name].why or self._apart.get(name)
                told = f": {why.message}" if why is not None else ""
                raise HsmError("hsm_unavailable", f"{what}, and the {name} is not well{told}", _HINT)

    async def replicate(self) -> dict[str, Any]:
        """Passes what the second lacks, waits until it has opened, and proves that both hold the same keys. Raises HsmError."""
        first, second = self.pools[FIRST], self.pools[SECOND]
        try:
            count = await replication.passed(first, second, self._roots(), self._note)
            self._note(4, 4, "proving that both hold the same keys")
            async with asyncio.timeout(IN_STEP_S_MAX):
                while SECOND not in self._proven:
                    why = self._apart.get(SECOND)
                    if why is not None and second.why is None and why.code != "hsm_unavailable":
                        raise why
                    self._again_s.pop(SECOND, None)
                    await asyncio.sleep(LOOK_S)
        except TimeoutError:
            raise second.why or HsmError("hsm_unavailable", "the second HSM did not open in time", _HINT) from None
        finally:
            self._progress = {}
        self._told("hsm.replicated", {"hsm": SECOND, "keys_passed": count})
        return {"passed": count, **await self.compared()}

    async def compared(self) -> dict[str, Any]:
        """Whether both hold the same keys, key by key: known answers, and probes that one wrapped and the other opened."""
        self._need_both("both HSMs are needed to compare them")
        first, second = self.pools[FIRST], self.pools[SECOND]
        rows = await prove(second, first, self._roots(), self._kept, founder=False)
        return {"same": True, "keys": rows}

    def _note(self, step: int, of: int, what: str) -> None:
        self._progress = {"step": step, "of": of, "what": what}

    # --- state --------------------------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """As a pool's, of the HSM that serves; `hsms` has both."""
        why = self.why
        return {
            **self._serving().state(),
            "ready": why is None,
            "why": "" if why is None else f"{why.code}: {why.message}",
            "serves": self._failover.serves,
            "failovers": self._failover.count,
            "ways": list(self._kept.ways),
            "replicating": self._progress,
        }

    def hsms(self) -> list[dict[str, Any]]:
        """One row for each HSM."""
        rows = []
        for name, pool in self.pools.items():
            apart = self._apart.get(name)
            row = {**shown.row(pool), "hsm": name, "up": pool.why is None, "serves": self._failover.serves == name}
            row["in_step"] = name in self._proven
            if apart is not None and pool.why is None:
                row["why"] = f"{apart.code}: {apart.message}"
            rows.append(row)
        return rows

    # --- life ---------------------------------------------------------------------------------------------

    @property
    def place(self) -> Place:
        """Where the first is."""
        return self.pools[FIRST].place

    def start(self, pin: str = "") -> None:
        """In the background; `why` tells when an HSM serves. A PIN that people bring is the second's too, unless that has its own."""
        self._closed = None
        for name, pool in self.pools.items():
            pool.bring("" if name == SECOND and pool.has_pin() else pin)
        self._tasks = [asyncio.create_task(self._live(pin))]

    def wait_for(self, why: HsmError) -> None:
        """Says why nothing is opened yet, instead of starting."""
        self._closed = why

    async def stop(self, why: HsmError | None = None) -> None:
        """Ends every worker; what is asked afterwards fails with `why`. It may be started again."""
        tasks, self._tasks = [*self._tasks, *self._proofs.values()], []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._closed = why or HsmError("hsm_unavailable", "the HSM is closed", "")
        await asyncio.gather(*(pool.stop(self._closed) for pool in self.pools.values()))
        self._proven.clear()
        self._failover.serves = NONE

    async def _live(self, pin: str) -> None:
        while not self._keys_exist():
            try:
                made = await replication.born(self.pools[FIRST], self.pools[SECOND], self._roots(), all_keys=True)
            except HsmError as e:
                self._closed = HsmError(e.code, f"no keys yet, they are made in both HSMs at once: {e.message}", e.hint)
                if e.code == "pin_invalid":
                    await asyncio.sleep(PROVE_AGAIN_S)
                await asyncio.sleep(PROVE_AGAIN_S)
                continue
            self._closed = None
            if made:
                self._told("token.initialised", {"token_made": False, "model": "two HSMs", "keys_made": made})
            break
        for name, pool in self.pools.items():
            pool.start("" if name == SECOND and pool.has_pin() else pin)
        while True:
            self._look()
            self._prove_new_roots()
            await asyncio.sleep(LOOK_S)

    def _prove_new_roots(self) -> None:
        """A root that came since an HSM proved itself: it serves on, and proves that it has that one too or is out of step."""
        roots = tuple(self._roots())
        for name in [n for n in self._proven if self._roots_proven.get(n) != roots]:
            if name not in self._proofs or self._proofs[name].done():
                self._proofs[name] = asyncio.create_task(self._prove(name))

    def _look(self) -> None:
        """Who is well, who has to prove itself, who serves."""
        now = asyncio.get_running_loop().time()
        for name, pool in self.pools.items():
            if pool.why is not None:
                self._proven.pop(name, None)
                continue
            idle = name not in self._proofs or self._proofs[name].done()
            if name not in self._proven and idle and now >= self._again_s.get(name, 0.0) and self._tasks:
                self._proofs[name] = asyncio.create_task(self._prove(name))
        before = self._failover.last
        heard = self._failover.look(FIRST in self._proven, SECOND in self._proven, now)
        if self._failover.last == before:
            return
        if heard == failover.KEPT_WELL:
            self._told("hsm.returned", {"hsm": self._failover.serves})
        else:
            why = self.pools[before].why or self._apart.get(before)
            code = why.code if why is not None else "hsm_unavailable"
            self._told("hsm.failed_over", {"hsm": self._failover.serves, "code": code})

    async def _prove(self, name: str) -> None:
        """Lets an HSM serve once it has shown that it holds the keys; else remembers why it does not."""
        pool, roots = self.pools[name], tuple(self._roots())
        # The first is the measure of the second, never the other way round: a second that lacks a key must not take the first with it.
        measure = self.pools[FIRST] if name == SECOND and FIRST in self._proven else None
        try:
            if name == SECOND:
                self._fits(pool)
            rows = await prove(pool, measure, roots, self._kept, founder=name == FIRST)
        except (HsmError, OSError) as e:
            error = e if isinstance(e, HsmError) else HsmError("hsm_unavailable", f"the proof cannot be kept: {e}", "")
            self._proven.pop(name, None)
            known = self._apart.get(name)
            self._apart[name] = error
            self._again_s[name] = asyncio.get_running_loop().time() + PROVE_AGAIN_S
            if error.code != "hsm_unavailable" and (known is None or known.code != error.code):
                self._told("hsm.out_of_step", {"hsm": name, "code": error.code})
            return
        self._apart.pop(name, None)
        if pool.why is None:
            self._proven[name], self._roots_proven[name] = rows, roots
        self._look()

    def _fits(self, second: Pool) -> None:
        """The ways of wrapping that both know; those of stored keys have to be among them."""
        able = [n for n, found in second.opened["capabilities"].items() if found == "ok" and n in wrapping.BY_NAME]
        strange = [name for name in self._mechanisms() if name in wrapping.BY_NAME and name not in able]
        if strange:
            raise HsmError(
                "mechanism_missing", f"it cannot open keys wrapped by {strange[0]}, and there are some", _HINT
            )
        first = self.pools[FIRST].opened.get("capabilities")
        if first is not None:
            self._kept.ways = tuple(n for n in able if first.get(n) == "ok")
