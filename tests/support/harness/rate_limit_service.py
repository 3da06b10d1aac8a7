"""The rate limit service of a worker in this process, from the bytes of a message to those of the answer."""

from collections.abc import Sequence
from typing import Any

import yaml

from outrider.config.rate_limit_service import RateLimitService
from outrider.metrics import Metrics
from outrider.waiting import Wait
from outrider_envoy.calls import RATE_LIMIT, Call, Calls, Status
from outrider_envoy.proto.rate_limit_pb2 import RateLimitDescriptor, RateLimitRequest, RateLimitResponse
from outrider_envoy.rate_limit_service import Limiter, RateLimits
from outrider_envoy.selection import Chains

OK, OVER = RateLimitResponse.OK, RateLimitResponse.OVER_LIMIT
SHOP = """
domains:
  - domain: shop
    descriptors:
      - {key: two, rate_limit: {unit: minute, requests_per_unit: 2, name: a pair}}
      - {key: five, rate_limit: {unit: hour, requests_per_unit: 5}}
      - {key: none, rate_limit: {unit: second, requests_per_unit: 0}}
      - {key: never, rate_limit: {unit: year, requests_per_unit: 0, algorithm: gcra}}
      - {key: any, rate_limit: {unlimited: true}}
      - {key: shadow, shadow_mode: true, rate_limit: {unit: minute, requests_per_unit: 2}}
      - {key: group, value: a*, share_threshold: true, rate_limit: {unit: minute, requests_per_unit: 2}}
      - {key: special, rate_limit: {unit: minute, requests_per_unit: 3, replaces: [{name: a pair}]}}
      - key: trial
        shadow_mode: true
        rate_limit: {unit: minute, requests_per_unit: 9, replaces: [{name: a pair}]}
      - {key: sliding, rate_limit: {unit: minute, requests_per_unit: 2, algorithm: sliding-window}}
      - {key: even, rate_limit: {window: 10, requests_per_unit: 10, algorithm: gcra, burst: 2}}
      - key: place
"""


class Clock:
    """Seconds, which go on when a test says so."""

    now = 1_000_000_040.0  # 20 seconds into a minute

    def __call__(self) -> float:
        return self.now


class Asking:
    """A worker that has the service, and the metrics of it."""

    def __init__(self, limiter: Limiter, clock: Clock | None = None, **fields: Any) -> None:
        self.metrics = Metrics(slots=1 << 12)
        service = RateLimitService.model_validate({**yaml.safe_load(SHOP), **fields})
        self.clock = clock or Clock()
        self.limits = RateLimits(service, self.metrics, limiter, self.clock)
        self._calls = Calls(Chains([], ()), self.metrics, self.limits)

    def opened(self) -> Call:
        call = self._calls.open(RATE_LIMIT, {})
        assert not isinstance(call, Status)
        return call

    def begun(self, message: RateLimitRequest) -> tuple[Call, Wait | Sequence[bytes]]:
        call = self.opened()
        return call, call.receive(message.SerializeToString())

    def __call__(self, *descriptors: RateLimitDescriptor, **fields: Any) -> RateLimitResponse:
        call, answers = self.begun(asks(*descriptors, **fields))
        assert not isinstance(answers, Wait)
        assert call.half_close().code == 0
        call.close()
        return told(answers)

    def codes(self, *descriptors: RateLimitDescriptor, times: int = 1, **fields: Any) -> list[int]:
        return [self(*descriptors, **fields).overall_code for _ in range(times)]

    def told(self, outcome: str, domain: str = "shop") -> float:
        help_ = "What an Envoy's rate limit filter was told."
        return self.metrics.counter("outrider_rate_limit_service_total", help_, domain=domain, outcome=outcome).value


def told(answers: Sequence[bytes]) -> RateLimitResponse:
    [answer] = answers
    return RateLimitResponse.FromString(answer)


def asks(*descriptors: RateLimitDescriptor, domain: str = "shop", **fields: Any) -> RateLimitRequest:
    return RateLimitRequest(domain=domain, descriptors=descriptors, **fields)


def of(key: str, value: str = "1", **fields: Any) -> RateLimitDescriptor:
    """A descriptor of one entry; surrogates in it are bytes that are no UTF-8."""
    if "hits_addend" in fields:
        fields["hits_addend"] = {"value": fields["hits_addend"]}
    entry = RateLimitDescriptor.Entry(key=key.encode(), value=value.encode("utf-8", "surrogateescape"))
    return RateLimitDescriptor(entries=[entry], **fields)
