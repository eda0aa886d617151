"""A new API key opens at once, a revoked one no longer than a look later, and guessing costs one look for all who guess."""

from __future__ import annotations

import asyncio
from pathlib import Path

from appliance.access import Access
from appliance.api.process import ApiKeyWatch
from appliance.settings import parse


def test_a_key_made_after_the_last_look_opens(tmp_path: Path) -> None:
    settings = parse({}, tmp_path, "test")
    access = Access(settings)

    async def story() -> None:
        watch = ApiKeyWatch(settings)
        await watch.look()
        key, token = access.create_api_key("core")
        assert watch.check(token) is None
        assert (await watch.check_again(token)) == key
        assert watch.check(token) == key
        other = token[:-1] + ("A" if token[-1] != "A" else "B")
        assert await watch.check_again(other) is None
        access.revoke_api_key(key.id)
        await watch.look()
        assert watch.check(token) is None
        assert await watch.check_again(token) is None
        watch.close()

    asyncio.run(story())
    access.close()


def test_guesses_share_looks(tmp_path: Path) -> None:
    settings = parse({}, tmp_path, "test")
    access = Access(settings)

    async def story() -> None:
        watch = ApiKeyWatch(settings)
        await watch.look()
        looked = 0
        look = watch.look

        async def counted() -> None:
            nonlocal looked
            looked += 1
            await look()

        watch.look = counted  # type: ignore[method-assign]
        guess = "cm_9_" + "x" * 43
        assert set(await asyncio.gather(*(watch.check_again(guess) for _ in range(1_000)))) == {None}
        assert looked == 2  # the one that the first began, and one for all who came meanwhile
        # One that comes while a look is under way needs the next: the one under way may have read before the key was made.
        first = asyncio.ensure_future(watch.check_again(guess))
        await asyncio.sleep(0)
        _, token = access.create_api_key("core")
        assert await watch.check_again(token) is not None
        await first
        assert looked == 4
        assert [await watch.check_again(g) for g in ("", "cm_9_", "x" * 5000)] == [None] * 3
        assert looked == 4
        watch.close()

    asyncio.run(story())
    access.close()
