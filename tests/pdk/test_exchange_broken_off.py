"""Requests that are broken off after an async hook has ended, and before the chain took its answer."""

import asyncio

import pytest

from harness.chains import HookFunction, acts_in, chain, passes
from outrider import LogRecord, Request, Response


async def broken_off(answer: Response | Exception | None, **more: HookFunction) -> list[str]:
    """The endings that a plugin hears of whose hook has ended, and which nobody asked any more."""
    endings: list[str] = []

    async def waits(_: Request) -> Response | None:
        await asyncio.sleep(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def ends(_: Request, log: LogRecord) -> None:
        endings.append(log.ending)

    hooks: dict[str, HookFunction] = {"on_request": waits, "on_log": ends}
    exchange = chain(acts_in(hooks | more)).begin(Request())
    walk = exchange.request_phase()
    await next(walk).settle()
    walk.close()
    exchange.end(aborted=True)
    return endings


@pytest.mark.parametrize(
    ("answer", "heard"), [(None, ["aborted"]), (Response(418), []), (ValueError(), [])], ids=["on", "reply", "fault"]
)
def test_a_plugin_that_has_let_the_request_on_hears_of_its_end(
    answer: Response | Exception | None, heard: list[str]
) -> None:
    assert asyncio.run(broken_off(answer)) == heard


def test_a_plugin_that_still_wants_the_body_has_decided_nothing() -> None:
    assert asyncio.run(broken_off(None, on_request_body=passes)) == []
