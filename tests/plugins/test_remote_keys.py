"""Keys at an address: when they are fetched, and what becomes of the old ones."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from outrider_plugins import remote_keys
from outrider_plugins.jwks import NoKeysError
from outrider_plugins.remote_keys import COOLDOWN, KEEP, REFRESH, RETRY, RemoteKeys
from signing import Signer, jwks

URL = "https://issuer.example/jwks.json"
OLD = jwks(Signer("ES256", "old").row())
NEW = jwks(Signer("ES256", "new", number=1).row())


class World:
    """An issuer and a clock that stand still until the test moves them."""

    def __init__(self, *answers: bytes | Exception) -> None:
        self.answers = list(answers)
        self.fetches = 0
        self.now = 0.0
        self.sleeps: list[float] = []
        self._asleep: list[asyncio.Future[None]] = []
        self.keys = RemoteKeys(
            URL,
            fetch=self._fetch,
            sleep=self._sleep,
            spread=lambda low, high: (low + high) / 2,
            clock=lambda: self.now,
        )

    async def _fetch(self, url: str) -> bytes:
        assert url == URL
        answer = self.answers[min(self.fetches, len(self.answers) - 1)]
        self.fetches += 1
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def _sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self._asleep.append(asyncio.get_running_loop().create_future())
        await self._asleep[-1]

    async def settle(self) -> None:
        """Lets everything run that can run."""
        for _ in range(10):
            await asyncio.sleep(0)

    async def wake(self) -> None:
        """The time of the last sleep is over."""
        self._asleep[-1].set_result(None)
        await self.settle()

    @property
    def kids(self) -> list[str | None]:
        return [key.kid for key in self.keys.find(None, "ES256")]


def play(world: World, story: Callable[[World], Coroutine[Any, Any, None]]) -> None:
    async def main() -> None:
        task = asyncio.create_task(world.keys.keep_fresh())
        await world.settle()
        await story(world)
        assert not task.done()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(main())


def test_before_the_first_fetch_there_are_none() -> None:
    with pytest.raises(NoKeysError):
        RemoteKeys(URL).find("old", "ES256")


def test_they_are_fetched_again_after_five_minutes() -> None:
    async def story(world: World) -> None:
        await world.keys.tried()
        assert world.kids == ["old"]
        await world.wake()
        assert world.fetches == 1
        await world.wake()
        assert world.kids == ["new"]
        assert world.sleeps == [COOLDOWN, REFRESH - COOLDOWN, COOLDOWN]

    play(World(OLD, NEW), story)


def test_an_unknown_key_id_fetches_them_at_once() -> None:
    async def story(world: World) -> None:
        await world.wake()
        assert world.keys.find("new", "ES256") == []
        fetch = world.keys.look_again()
        assert fetch is not None
        await fetch
        assert [key.kid for key in world.keys.find("new", "ES256")] == ["new"]
        await world.wake()
        assert (world.fetches, world.sleeps[-1]) == (2, REFRESH - COOLDOWN)

    play(World(OLD, NEW), story)


def test_a_flood_of_unknown_key_ids_makes_one_fetch_within_the_cool_down() -> None:
    waiting: list[asyncio.Future[None]] = []

    async def flood(world: World) -> None:
        for number in range(1000):
            assert world.keys.find(f"unknown-{number}", "ES256") == []
            if fetch := world.keys.look_again():
                waiting.append(asyncio.ensure_future(fetch))
            if number % 100 == 0:
                await world.settle()

    async def story(world: World) -> None:
        await flood(world)
        assert (world.fetches, world.sleeps, waiting) == (1, [COOLDOWN], [])
        await world.wake()
        await flood(world)
        assert (world.fetches, world.sleeps) == (2, [COOLDOWN, REFRESH - COOLDOWN, COOLDOWN])
        assert 1 <= len(waiting) <= 101
        await asyncio.gather(*waiting)

    play(World(OLD), story)


def test_no_more_than_so_many_requests_wait_for_a_fetch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote_keys, "WAITING", 2)

    async def story(world: World) -> None:
        await world.wake()
        fetches = [world.keys.look_again() for _ in range(2)]
        waiting = [asyncio.ensure_future(fetch) for fetch in fetches if fetch is not None]
        assert len(waiting) == 2
        await asyncio.sleep(0)
        with pytest.raises(NoKeysError):
            world.keys.look_again()
        await asyncio.gather(*waiting)
        assert world.keys.look_again() is None

    play(World(OLD), story)


def test_the_last_good_keys_are_used_for_so_long_and_no_longer() -> None:
    async def story(world: World) -> None:
        await world.wake()
        await world.wake()
        world.now = float(KEEP)
        await world.wake()
        assert world.kids == ["old"]
        version = world.keys.version
        world.now += 1
        assert world.keys.version > version
        with pytest.raises(NoKeysError):
            world.keys.find("old", "ES256")
        await world.wake()
        await world.wake()
        assert world.kids == ["old"]

    play(World(OLD, OSError("down"), OSError("down"), OSError("down"), OLD), story)


def test_known_keys_ask_for_nothing() -> None:
    async def story(world: World) -> None:
        await world.wake()
        for _ in range(10):
            assert world.keys.find("old", "ES256")
            assert world.keys.find(None, "ES256")
        await world.settle()
        assert world.fetches == 1

    play(World(OLD), story)


@pytest.mark.parametrize(
    "failure",
    [OSError("down"), TimeoutError(), ValueError("status 500"), RuntimeError(), EOFError(), b"<html>", b"{}"],
)
def test_after_a_failure_the_old_keys_stay_and_it_is_tried_again_soon(failure: Exception | bytes) -> None:
    async def story(world: World) -> None:
        await world.wake()
        await world.wake()
        assert (world.fetches, world.kids, world.sleeps[-1]) == (2, ["old"], RETRY)
        await world.wake()
        assert (world.fetches, world.kids, world.sleeps[-1]) == (3, ["new"], COOLDOWN)

    play(World(OLD, failure, NEW), story)


def test_an_issuer_that_is_down_at_the_start_is_tried_again_soon() -> None:
    async def story(world: World) -> None:
        await world.keys.tried()
        with pytest.raises(NoKeysError):
            world.keys.find("old", "ES256")
        await world.wake()
        assert world.kids == ["old"]

    play(World(OSError("down"), OLD), story)


def test_an_unknown_key_id_does_not_hurry_an_issuer_that_is_down() -> None:
    async def story(world: World) -> None:
        await world.wake()
        await world.wake()
        with pytest.raises(NoKeysError):
            world.keys.look_again()
        await world.settle()
        assert (world.fetches, world.sleeps[-1]) == (2, RETRY)

    play(World(OLD, OSError("down")), story)


def test_only_other_keys_are_a_new_version() -> None:
    async def story(world: World) -> None:
        versions = [world.keys.version]
        for _ in range(3):
            await world.wake()
            await world.wake()
            versions.append(world.keys.version)
        assert versions == [1, 1, 2, 2]

    play(World(OLD, OLD, NEW), story)


def test_a_failure_is_logged_once_and_its_end_too(caplog: pytest.LogCaptureFixture) -> None:
    async def story(world: World) -> None:
        for _ in range(3):
            await world.wake()

    with caplog.at_level(logging.INFO):
        play(World(OSError("down"), OSError("down"), OLD), story)
    assert [record.getMessage() for record in caplog.records] == [
        f"the keys of {URL} can't be had (down): its tokens get 503 until they come",
        f"the keys of {URL} are there again",
    ]
