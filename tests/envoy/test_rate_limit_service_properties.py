"""Of the rate limit service, for all messages and all counts."""

from collections.abc import Sequence
from math import ceil

from hypothesis import given
from hypothesis import strategies as st

from harness.rate_limit_service import OK, OVER, Asking
from outrider_envoy.asked_limits import DESCRIPTORS
from outrider_envoy.descriptors import Applied, Limit
from outrider_envoy.proto.rate_limit_pb2 import RateLimitDescriptor, RateLimitResponse
from outrider_envoy.rate_limit_service import Hits
from outrider_envoy.told_limits import passed, refused, status
from outrider_plugins.counting.rule import Usage

SECONDS = st.floats(0, 1e9)
MANY = st.integers(0, 2**53)
TEXT = st.sampled_from(
    [b"", b"two", b"none", b"shadow", b"group", b"a1", b"place", b"any", b"\0", b"\xc3\xa9\xff" * 100]
)
ENTRIES = st.lists(st.builds(RateLimitDescriptor.Entry, key=TEXT, value=TEXT), max_size=40)
OWN = st.builds(
    RateLimitDescriptor.RateLimitOverride, requests_per_unit=st.integers(0, 2**32 - 1), unit=st.integers(0, 9)
)
DESCRIPTOR = st.builds(RateLimitDescriptor, entries=ENTRIES, limit=st.none() | OWN)


@given(MANY, SECONDS, SECONDS, st.booleans(), st.booleans())
def test_what_is_told_is_read_as_it_was_meant(
    remaining: int, reset: float, retry: float, found_room: bool, shadow: bool
) -> None:
    usage = Usage(passed=found_room, remaining=remaining, reset=reset, retry=retry)
    told = status(Applied(Limit(5, 60), b"", shadow=shadow), usage)
    for raw, code in ((passed([told]), OK), (refused([told], retry), OVER)):
        answer = RateLimitResponse.FromString(raw)
        assert answer.overall_code == code
        [one] = answer.statuses
        assert one.code == (OK if found_room or shadow else OVER)
        assert (one.limit_remaining, one.duration_until_reset.seconds) == (min(remaining, 2**32 - 1), ceil(reset))
    [header] = RateLimitResponse.FromString(refused([told], retry)).response_headers_to_add
    assert (header.key, header.value) == ("retry-after", str(max(1, ceil(retry))))


class Full:
    """A limiter that has room for nobody."""

    def try_take(self, hits: Sequence[Hits], *, owed: bool = False) -> Sequence[Usage]:
        keys = [one.key for one in hits]
        assert len(set(keys)) == len(keys)
        assert all(len(key) <= 128 for key in keys)
        return [Usage(passed=False, remaining=0, reset=1.0, retry=1.0) for _ in hits]

    async def take(self, hits: Sequence[Hits], *, owed: bool = False) -> Sequence[Usage]:
        return self.try_take(hits)


FULL = Asking(Full())


@given(st.lists(DESCRIPTOR, max_size=DESCRIPTORS + 2), st.integers(0, 2**32 - 1))
def test_each_message_has_an_answer_with_a_status_for_each_descriptor(
    descriptors: list[RateLimitDescriptor], hits: int
) -> None:
    answer = FULL(*descriptors, hits_addend=hits)
    assert len(answer.statuses) == min(len(descriptors), DESCRIPTORS)
    assert answer.overall_code in (OK, OVER)
    # Whoever has a limit without shadow mode was refused, as there is no room.
    assert (answer.overall_code == OVER) == any(one.code == OVER for one in answer.statuses) or not descriptors
