"""What the rate limit service answers, as it is written: a RateLimitResponse.

Envoy goes by the overall code alone, and an answer without one lets the request through.
"""

from collections.abc import Iterable
from math import ceil
from typing import Final, Protocol

from outrider_envoy.descriptors import Applied
from outrider_envoy.proto.rate_limit_pb2 import RateLimitResponse
from outrider_envoy.wire import number, number_tag, pair, sized, tag

_STATUS, _HEADER = tag(2), tag(3)
# DescriptorStatus, and the Duration in it
_REMAINING, _RESET, _SECONDS = number_tag(3), tag(4), number_tag(1)
_MOST: Final = 2**32 - 1
"""What is left of something unlimited."""

_OK = RateLimitResponse(overall_code=RateLimitResponse.OK).SerializeToString()
_OVER = RateLimitResponse(overall_code=RateLimitResponse.OVER_LIMIT).SerializeToString()
_CODE_OK = RateLimitResponse.DescriptorStatus(code=RateLimitResponse.OK).SerializeToString()
_CODE_OVER = RateLimitResponse.DescriptorStatus(code=RateLimitResponse.OVER_LIMIT).SerializeToString()

NO_LIMIT = sized(_STATUS, _CODE_OK)
"""The status of a descriptor that has no limit."""
UNLIMITED = sized(_STATUS, _CODE_OK + _REMAINING + number(_MOST))
"""The status of one that may come as often as it likes."""
REFUSED = sized(_STATUS, _CODE_OVER)
"""The status of one that nothing could be said of."""


class Usage(Protocol):
    """What one limit says of a request. `reset` and `retry` are in seconds."""

    @property
    def passed(self) -> bool: ...
    @property
    def remaining(self) -> int: ...
    @property
    def reset(self) -> float: ...
    @property
    def retry(self) -> float: ...


def status(applied: Applied, usage: Usage) -> bytes:
    """The status of a descriptor that was counted."""
    code = _CODE_OK if usage.passed or applied.shadow else _CODE_OVER
    left = _REMAINING + number(min(usage.remaining, _MOST))
    return sized(_STATUS, code + applied.told + left + sized(_RESET, _SECONDS + number(ceil(usage.reset))))


def passed(statuses: Iterable[bytes]) -> bytes:
    """The answer that lets a request on; it has a status for each descriptor."""
    return _OK + b"".join(statuses)


def refused(statuses: Iterable[bytes], retry: float) -> bytes:
    """The answer that refuses a request, which may come again after so many seconds."""
    seconds = str(max(1, ceil(retry)))
    return _OVER + b"".join(statuses) + pair(_HEADER, "retry-after", seconds)
