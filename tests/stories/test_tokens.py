"""One class over every token there is: what each can do is tried by the probe, agrees with the page, and holds across restarts."""

from __future__ import annotations

import asyncio
import json
import os
import struct
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from hsm import HsmError, Place, Pool, visit
from hsm.seat import COMMAND
from tests.support.lent_tokens import make_cryptoki, make_tpm, why_no_cryptoki, why_no_tpm
from tests.support.tokens import NSS, ROOT, SOFTHSM, TOKENS, Made, make_nss, make_softhsm

README = (ROOT / "hsm" / "README.md").read_text(encoding="utf-8")
READY_S = 60.0


#: In the order of the page's columns: how a token is made, and why it cannot be here.
EVERY: dict[str, tuple[Callable[[Path], Made], Callable[[], str]]] = {
    "softhsm": (make_softhsm, lambda: "" if SOFTHSM else "softhsm2 is not installed"),
    "nss": (make_nss, lambda: "" if NSS else "libnss3 is not installed"),
    "tpm": (make_tpm, why_no_tpm),
    "opencryptoki": (make_cryptoki, why_no_cryptoki),
}


@pytest.fixture(scope="class", params=EVERY)
def token(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Made]]:
    name: str = request.param
    make, why_not = EVERY[name]
    if why := why_not():
        pytest.skip(why)
    made = make(tmp_path_factory.mktemp(name) / "hsm")
    before = dict(os.environ)
    os.environ.update(made.environment)
    try:
        yield name, made
    finally:
        os.environ.clear()
        os.environ.update(before)
        made.end()


def run(
    place: Place,
    act: Callable[[Pool], Awaitable[Any]],
    keys_exist: bool = False,
    command: tuple[str, ...] = COMMAND,
) -> Any:
    async def whole() -> Any:
        pool = Pool(place, lambda: keys_exist, lambda opened: None, lambda what, detail: None, command=command)
        pool.start()
        try:
            async with asyncio.timeout(READY_S):
                while pool.why is not None:
                    await asyncio.sleep(0.02)
            return await act(pool)
        finally:
            await pool.stop()

    return asyncio.run(whole())


def shown(column: int) -> dict[str, str]:
    """Mechanism -> what the page says of the token in `column`."""
    rows = [r.strip("|").split("|") for r in README.splitlines() if r.startswith("| `") and r.count("|") == 7]
    return {cells[0].strip(" `"): cells[column].strip(" *") for cells in rows}


class TestEveryToken:
    def test_the_page_shows_what_the_probe_found(self, token: tuple[str, Made]) -> None:
        name, made = token

        async def act(pool: Pool) -> dict[str, Any]:
            return pool.state()

        state = run(made.place, act, command=made.command)
        page = shown(1 + list(EVERY).index(name))
        differs = {m: (said, page.get(m)) for m, said in state["mechanisms"].items() if said != page.get(m)}
        newer = {"aes-kwp-210b", "ed25519"}  # SoftHSM 2.7 and NSS 3.99 have learned these
        assert not set(differs) - newer, differs
        first = next(n for n, said in state["mechanisms"].items() if said == "ok" and n.startswith("aes-"))
        assert state["wrapping"] == first, "the first way that works"
        assert state["audit_key"] == ("token" if state["mechanisms"]["ed25519"] == "ok" else "derived")

    def test_keys_are_bound_to_their_context_and_found_after_a_restart(self, token: tuple[str, Made]) -> None:
        _, made = token

        async def first(pool: Pool) -> tuple[Any, ...]:
            key = await pool.random(32)
            name, wrapped = await pool.wrap(key, b"key 1")
            assert key not in wrapped
            changed = bytes([wrapped[0] ^ 1]) + wrapped[1:]
            for asked in ((name, wrapped, b"key 2"), (name, changed, b"key 1"), (name, wrapped[:-1], b"key 1")):
                with pytest.raises(HsmError) as caught:
                    await pool.unwrap(*asked)
                assert caught.value.code == "key_refused"
            assert pool.why is None
            assert [s.losses for s in pool.seats] == [0, 0], "no worker was lost over it"
            return key, name, wrapped, await pool.mac(b"x"), pool.opened["public_key"], await pool.sign(b"note")

        key, name, wrapped, mac, public, signature = run(made.place, first, command=made.command)
        Ed25519PublicKey.from_public_bytes(public).verify(signature, b"note")
        with pytest.raises(InvalidSignature):
            Ed25519PublicKey.from_public_bytes(public).verify(signature, b"nota")

        async def again(pool: Pool) -> tuple[Any, ...]:
            return (await pool.unwrap(name, wrapped, b"key 1"), await pool.mac(b"x"), pool.opened["public_key"])

        assert run(made.place, again, keys_exist=True, command=made.command) == (key, mac, public)

    def test_both_workers_read_what_either_wrapped(self, token: tuple[str, Made]) -> None:
        _, made = token

        async def act(pool: Pool) -> None:
            async with asyncio.timeout(READY_S):
                while not all(s.life.usable for s in pool.seats):
                    await asyncio.sleep(0.02)
            name, wrapped = await pool.wrap(bytes(range(32)), struct.pack(">q", 7))
            async with asyncio.timeout(READY_S):  # one of them may do most while the other is slow
                while not all(s.calls > 5 for s in pool.seats):
                    got = await asyncio.gather(*(pool.unwrap(name, wrapped, struct.pack(">q", 7)) for _ in range(40)))
                    assert set(got) == {bytes(range(32))}

        run(made.place, act, command=made.command)

    def test_every_way_of_wrapping_that_works_binds_its_context(
        self, token: tuple[str, Made], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        kind, made = token
        if kind not in TOKENS:
            pytest.skip("it knows one way, which the others try")

        async def capabilities(pool: Pool) -> dict[str, str]:
            return dict(pool.opened["capabilities"])

        for way, found in run(made.place, capabilities).items():
            if found != "ok" or not way.startswith("aes-") or way == "aes-gcm":
                continue
            fresh = TOKENS[kind](tmp_path / way / "hsm")
            for name, value in fresh.environment.items():
                monkeypatch.setenv(name, value)
            only = f"import hsm.wrapping as w; w.ORDER = (w.BY_NAME['{way}'],); from hsm.worker import main; main()"

            async def act(pool: Pool, way: str = way) -> None:
                name, wrapped = await pool.wrap(bytes(range(32)), b"a")
                assert name == way
                assert await pool.unwrap(name, wrapped, b"a") == bytes(range(32))
                for bad, context in ((wrapped, b"b"), (wrapped[:20] + bytes([wrapped[20] ^ 1]) + wrapped[21:], b"a")):
                    with pytest.raises(HsmError) as caught:
                        await pool.unwrap(name, bad, context)
                    assert caught.value.code == "key_refused"

            run(fresh.place, act, command=(sys.executable, "-P", "-c", only))

    def test_keys_born_under_a_backup_key_work_the_same_in_another_token(
        self, token: tuple[str, Made], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        kind, _ = token
        if kind not in TOKENS:
            pytest.skip("it wraps no key objects")
        old, new = bytes(range(32)), bytes(range(1, 33))

        def fresh(name: str) -> Place:
            made = TOKENS[kind](tmp_path / name / "hsm")
            for variable, value in made.environment.items():
                monkeypatch.setenv(variable, value)
            return made.place

        async def born(place: Place) -> dict[str, Any]:
            async with visit(place) as at:
                copies: dict[str, Any] = await at.ask("birth", versions=[1], backup_key=old)
                with pytest.raises(HsmError, match="already holds"):
                    await at.ask("birth", versions=[1], backup_key=old)
            return copies

        async def brought(place: Place, under: dict[str, Any], key: bytes) -> list[str]:
            async with visit(place) as at:
                with pytest.raises(HsmError) as caught:
                    await at.ask("bring", **under, backup_key=bytes(32))
                assert caught.value.code == "key_refused"
                made: list[str] = await at.ask("bring", **under, backup_key=key)
                assert await at.ask("bring", **under, backup_key=key) == [], "again changes nothing"
            return made

        first = fresh("first")
        copies = asyncio.run(born(first))
        ways = {"way_name": copies["way"], "root_way_name": copies["root_way"]}

        async def use(pool: Pool) -> tuple[Any, ...]:
            grown = await pool.call("birth", versions=[2], backup_key=old, mac=False)
            wrapped = {**copies["wrapped"], **grown["wrapped"]}
            again = await pool.call("rewrapped", **ways, wrapped=wrapped, backup_key=old, new_key=new)
            with pytest.raises(HsmError):
                await pool.call("prove", **ways, wrapped=again, backup_key=old)
            await pool.call("prove", **ways, wrapped=again, backup_key=new)
            swapped = {**again, "casemate key-encryption key v1": again["casemate key-encryption key v2"]}
            with pytest.raises(HsmError, match="of another key"):
                await pool.call("prove", **ways, wrapped=swapped, backup_key=new)
            return again, await pool.wrap(bytes(range(32)), b"c"), await pool.mac(b"x"), pool.opened["public_key"]

        again, (name, wrapped), mac, public = run(first, use, keys_exist=True)
        second = fresh("second")
        assert sorted(asyncio.run(brought(second, {**ways, "wrapped": again}, new))) == sorted(again)

        async def same(pool: Pool) -> tuple[Any, ...]:
            return await pool.unwrap(name, wrapped, b"c"), await pool.mac(b"x"), pool.opened["public_key"]

        assert run(second, same, keys_exist=True) == (bytes(range(32)), mac, public)

    def test_a_wrong_pin_is_refused_and_not_tried_again(self, token: tuple[str, Made], tmp_path: Path) -> None:
        _, made = token
        wrong = tmp_path / "pin"
        wrong.write_bytes(b"not the right one")
        place = made.place._replace(pin_file=str(wrong), folder=tmp_path / "own")

        async def whole() -> None:
            pool = Pool(place, lambda: True, lambda opened: None, lambda what, detail: None, command=made.command)
            pool.start()
            async with asyncio.timeout(READY_S):
                while pool.why is None or pool.why.code != "pin_invalid":
                    await asyncio.sleep(0.02)
            await asyncio.sleep(1.2)
            assert sum(s.calls for s in pool.seats) == 1
            await pool.stop()

        asyncio.run(whole())

        async def act(pool: Pool) -> bytes:
            return await pool.random(8)

        assert len(run(made.place, act, command=made.command)) == 8, "the right PIN still opens it"

    def test_commissioning_tries_it_and_leaves_nothing_behind(self, token: tuple[str, Made], tmp_path: Path) -> None:
        name, made = token
        config = tmp_path / "casemate.toml"
        config.write_text(made.settings)
        environment = {**os.environ, "CASEMATE_HOME": str(tmp_path / "home"), "CASEMATE_CONFIG": str(config)}
        command = [
            *made.enter,
            sys.executable,
            "-m",
            "appliance.cli",
            "keys",
            "commission",
            "--seconds",
            "0.2",
            "--json",
        ]
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=100)
        report = json.loads(done.stdout)
        outcomes = {c["case"]: c["outcome"] for c in report["cases"]}
        unfit = {"nss": ["wrap-refused: it was wrapped"]}.get(name, [])
        assert (report["against"], report["fit"], done.returncode) == (unfit, not unfit, int(bool(unfit))), done.stderr
        assert {c for c, o in outcomes.items() if o == "no"} == {u.split(":")[0] for u in unfit}
        assert len(report["speed"]) == 6
        assert all(row["per_s"] > 0 for row in report["speed"])
        assert report["recorded"] is False
        pin = Path(made.place.pin_file).read_text()
        assert pin not in done.stdout + done.stderr

        async def labels(pool: Pool) -> list[str]:
            return list(pool.opened["made"])

        assert run(made.place, labels, command=made.command) == [], "the keys that were there are still the only ones"
