"""How long a message's hooks may wait together: the deadline of the message, which each message begins anew."""

import asyncio

import pytest

from harness.chains import HookFunction, acts_in, passes
from outrider import Plugin, Request, Response
from outrider.testing import run

BUDGET = 10.0  # seconds, of one plugin; no chain here has more than two


class Clock:
    """Stands still, unless a hook says that it took long."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def late(self, *_: object) -> None:
        """A hook that took more time than its whole chain has."""
        self.now += 2 * BUDGET + 0.001


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("outrider.running.clock", clock)
    return clock


async def waits(*_: object) -> None:
    """Long enough for a time that is over to be noticed, and no longer."""
    for _turn in range(5):
        await asyncio.sleep(0)


def status(*plugins: Plugin) -> int:
    return run(plugins, Request("POST"), b"body").status


def only(**hooks: HookFunction) -> Plugin:
    return acts_in(hooks)


@pytest.mark.parametrize("hook", ["on_request", "on_request_body", "on_response", "on_response_body"])
def test_a_hook_may_wait_while_its_message_has_time(clock: Clock, hook: str) -> None:
    assert clock.now
    assert status(acts_in({hook: waits})) == 200


def test_a_hook_waits_no_longer_than_its_message_may_take_however_much_time_it_has_itself(clock: Clock) -> None:
    # The hook before it used up the time of both plugins: Envoy has given the message up.
    assert status(only(on_request=clock.late), only(on_request=waits)) == 503


def test_on_the_body_every_hook_shares_the_time_of_one_message(clock: Clock) -> None:
    # The second plugin's headers have their turn when the body is there, so its two hooks are one message's.
    first, second = only(on_request_body=passes), only(on_request=clock.late, on_request_body=waits)
    assert status(first, second) == 503


def test_the_body_is_a_message_of_its_own(clock: Clock) -> None:
    assert status(only(on_request=clock.late, on_request_body=waits)) == 200
    assert status(only(on_response=clock.late, on_response_body=waits)) == 200


def test_the_response_is_a_message_of_its_own(clock: Clock) -> None:
    assert status(only(on_request=clock.late, on_response=waits)) == 200


def test_a_reply_does_not_renew_the_time_of_its_message(clock: Clock) -> None:
    ended: list[str] = []

    def replies_late(*_: object) -> Response:
        clock.late()
        return Response(418)

    async def waits_and_tells(*_: object) -> None:
        try:
            await waits()
            ended.append("waited")
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise

    assert status(only(on_response=waits_and_tells), only(on_request=replies_late)) == 503
    assert ended == ["cancelled"]
