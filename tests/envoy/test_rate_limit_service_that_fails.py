"""The rate limit service where it can't count: what it says is a refusal, which Envoy never lets through."""

import asyncio
import logging
from collections.abc import Sequence

import pytest

from harness.rate_limit_service import OK, OVER, Asking, asks, of, told
from outrider import OutriderError
from outrider.metrics import Metrics
from outrider.pressure import Pressure
from outrider.waiting import Wait
from outrider_envoy.asked_limits import DESCRIPTORS, ENTRIES
from outrider_envoy.calls import RATE_LIMIT, RATE_LIMIT_MESSAGE, Calls, Status
from outrider_envoy.errors import ProtocolError
from outrider_envoy.proto.rate_limit_pb2 import RateLimitDescriptor, RateLimitRequest, RateLimitResponse
from outrider_envoy.rate_limit_service import Hits, RateLimitCheck
from outrider_envoy.selection import Chains
from outrider_envoy.told_limits import Usage
from outrider_plugins.counting.rule import Usage as Counted


class Fails:
    """A limiter that does what it is told."""

    def __init__(self, error: Exception | None = None, *, waits: bool = False) -> None:
        self.error = error
        self.waits = waits
        self.ended = False

    def try_take(self, hits: Sequence[Hits], *, owed: bool = False) -> Sequence[Usage] | None:
        if self.waits:
            return None
        raise self.error or AssertionError

    async def take(self, hits: Sequence[Hits], *, owed: bool = False) -> Sequence[Usage]:
        try:
            await asyncio.sleep(0)
        finally:
            self.ended = True
        if self.error:
            raise self.error
        return [Counted(passed=True, remaining=7, reset=0.0, retry=0.0) for _ in hits]


class CountsError(OutriderError):
    pass


@pytest.mark.parametrize(
    "message",
    [
        asks(),
        asks(*[of("strange")] * (DESCRIPTORS + 1)),
        asks(of("strange"), RateLimitDescriptor(entries=[RateLimitDescriptor.Entry(key=b"a")] * (ENTRIES + 1))),
        asks(of("strange", limit={"requests_per_unit": 5})),
    ],
    ids=["nothing", "descriptors", "entries", "unit"],
)
def test_what_makes_no_sense_is_refused_and_told_once(
    message: RateLimitRequest, caplog: pytest.LogCaptureFixture
) -> None:
    asking = Asking(Fails(AssertionError()))
    for _ in range(3):
        _, answers = asking.begun(message)
        assert not isinstance(answers, Wait)
        answer = told(answers)
        assert answer.overall_code == OVER
        assert [one.code for one in answer.statuses] == [OVER] * min(len(message.descriptors), DESCRIPTORS)
    assert asking.told("error") == 3
    assert [record.levelname for record in caplog.records] == ["ERROR"]


@pytest.mark.parametrize("error", [CountsError("the counts are gone"), RuntimeError("secret")])
def test_without_counts_requests_are_refused(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    asking = Asking(Fails(error))
    answers = [asking(of("two")) for _ in range(3)]
    assert {answer.overall_code for answer in answers} == {OVER}
    assert answers[0].response_headers_to_add[0].value == "1"
    # What has no limit needs no counts.
    assert asking.codes(of("any"), of("strange")) == [OK]
    assert (asking.told("error"), asking.told("ok")) == (3, 1)
    assert len(caplog.records) == 1
    assert "secret" not in caplog.text


def test_without_counts_a_shadow_refuses_nobody() -> None:
    assert Asking(Fails(CountsError("the counts are gone"))).codes(of("shadow"), of("any")) == [OK]


def test_without_counts_requests_are_let_on_where_the_file_says_so(caplog: pytest.LogCaptureFixture) -> None:
    asking = Asking(Fails(CountsError("the counts are gone")), on_storage_error="allow")
    answer = asking(of("two"), of("shadow"))
    assert (answer.overall_code, [one.code for one in answer.statuses]) == (OK, [OK, OK])
    assert "let on" in caplog.text
    # A fault of ours is no storage that is down.
    assert Asking(Fails(RuntimeError()), on_storage_error="allow").codes(of("two")) == [OVER]


@pytest.mark.parametrize(("error", "code"), [(None, OK), (CountsError("gone"), OVER), (ValueError(), OVER)])
def test_counts_may_take_a_while(error: Exception | None, code: int) -> None:
    async def run() -> RateLimitResponse:
        call, wait = Asking(Fails(error, waits=True)).begun(asks(of("two")))
        while isinstance(wait, Wait):
            await wait.settle()
            wait = call.resume()
        call.close()
        return told(wait)

    assert asyncio.run(run()).overall_code == code


def test_a_call_that_is_given_up_ends_the_wait() -> None:
    async def run() -> bool:
        limiter = Fails(waits=True)
        call, wait = Asking(limiter).begun(asks(of("two")))
        assert isinstance(wait, Wait)
        call.close()
        return limiter.ended

    assert asyncio.run(run())


def test_a_second_message_ends_with_an_error() -> None:
    call, _ = Asking(Fails(waits=True)).begun(asks(of("any")))
    with pytest.raises(ProtocolError):
        call.receive(asks(of("any")).SerializeToString())


TOO_LONG = asks(of("any", "secret" * RATE_LIMIT_MESSAGE)).SerializeToString()


@pytest.mark.parametrize("message", [b"\xff\xff\xff", b"\xff", TOO_LONG], ids=["bytes", "byte", "too long"])
def test_what_is_no_message_of_its_kind_is_refused_and_counted(
    message: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    asking = Asking(Fails())
    call = asking.opened()
    answers = call.receive(message)
    assert not isinstance(answers, Wait)
    [answer] = answers
    assert RateLimitResponse.FromString(answer).overall_code == OVER
    assert call.half_close().code == 0
    assert asking.told("error", domain="") == 1
    assert "secret" not in caplog.text


def test_a_worker_with_too_much_to_do_refuses_without_a_look_at_the_counts() -> None:
    class Busy(Pressure):
        def sheds(self, now: float) -> bool:
            return now > 5

    asking = Asking(Fails())
    call = RateLimitCheck(asking.limits, Busy(0.0, asking.metrics))
    answer = call.receive(asks(of("two"), of("any")), 6.0)
    call.close()
    assert not isinstance(answer, Wait)
    refusal = told([answer])
    assert (refusal.overall_code, len(refusal.statuses), asking.told("error")) == (OVER, 2, 1)


def test_a_worker_without_the_section_serves_nobody() -> None:
    call = Calls(Chains([], ()), Metrics(slots=1 << 12)).open(RATE_LIMIT, {})
    assert isinstance(call, Status)
    assert call.code != 0


def test_keys_and_values_of_requests_are_in_no_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    Asking(Fails(CountsError("gone")))(of("two", "hunter2"))
    assert "hunter2" not in caplog.text
