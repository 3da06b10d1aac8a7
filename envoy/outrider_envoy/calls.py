"""The calls that Envoy makes, in bytes: what every transport opens, drives and ends."""

import logging
import time
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Generic, NamedTuple, Protocol, TypeVar

from google.protobuf.message import DecodeError

from outrider.grpc_status import GrpcStatus
from outrider.metrics import Gauge, Metrics
from outrider.pressure import Pressure
from outrider.waiting import Wait
from outrider_envoy.errors import ProtocolError
from outrider_envoy.ext_authz import Check
from outrider_envoy.ext_proc import Conversation
from outrider_envoy.proto.ext_authz_pb2 import CheckRequest
from outrider_envoy.proto.ext_proc_pb2 import ProcessingRequest
from outrider_envoy.proto.health_pb2 import HealthCheckRequest, HealthCheckResponse
from outrider_envoy.proto.rate_limit_pb2 import RateLimitRequest
from outrider_envoy.rate_limit_service import RateLimitCheck, RateLimits
from outrider_envoy.selection import Chains, Told

_log = logging.getLogger("outrider.envoy")

PROCESS = "/envoy.service.ext_proc.v3.ExternalProcessor/Process"
CHECK = "/envoy.service.auth.v3.Authorization/Check"
RATE_LIMIT = "/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit"
HEALTH = "/grpc.health.v1.Health/Check"
RATE_LIMIT_MESSAGE: Final = 1 << 20
"""How long a message of the rate limit service may be, in bytes: far more than all headers of a request."""

_MessageT = TypeVar("_MessageT", ProcessingRequest, CheckRequest, RateLimitRequest, HealthCheckRequest)
_AskedT = TypeVar("_AskedT", CheckRequest, RateLimitRequest)
_ReadT_contra = TypeVar("_ReadT_contra", contravariant=True)


class Status(NamedTuple):
    """How a call ended: a gRPC status code and a text for people."""

    code: GrpcStatus
    message: str = ""


OK = Status(GrpcStatus.OK)
_UNKNOWN = Status(GrpcStatus.UNIMPLEMENTED, "nobody serves this method")
UNDECIDED = Status(GrpcStatus.INTERNAL, "ended before a decision")
"""A clean end without a decision would let the request through."""


class Call(Protocol):
    """One call. A transport hands it each message, and sends what it answers.

    `receive` and `resume` may raise anything: `failed` says how the call ends then. After a `Wait` has settled comes
    `resume`, and before that no further message. `half_close` when the last message was answered. `close` once,
    however the call ended; `lost` if an answer could not be sent.
    """

    def receive(self, message: bytes) -> Wait | Sequence[bytes]: ...
    def resume(self) -> Wait | Sequence[bytes]: ...
    def half_close(self) -> Status: ...
    def close(self, *, lost: bool = False) -> None: ...


class Calls:
    """The services of one worker."""

    def __init__(
        self,
        chains: Chains,
        metrics: Metrics,
        rate_limits: RateLimits | None = None,
        pressure: Pressure | None = None,
    ) -> None:
        self.serving = False
        self._chains = chains
        self._rate_limits = rate_limits
        self._pressure = pressure
        self._metrics = metrics
        self._in_flight = metrics.gauge("outrider_requests_in_flight", "Requests that plugins are at work on.")

    def open(self, path: str, metadata: Mapping[str, str]) -> Call | Status:
        """The call of a method, or how it ends if nobody serves it."""
        if path == PROCESS:
            conversation = Conversation(self._chains, Told.by(metadata), self._pressure)
            return _Process(conversation, self._metrics, self._in_flight)
        if path == CHECK:
            check = Check(self._chains, Told.by(metadata), self._pressure)
            return _Check(CheckRequest, check, self._metrics, self._in_flight)
        if path == RATE_LIMIT and self._rate_limits is not None:
            return _RateLimit(RateLimitCheck(self._rate_limits, self._pressure), self._metrics, self._in_flight)
        return _Health(serving=self.serving) if path == HEALTH else _UNKNOWN


def failed(error: BaseException) -> Status:
    """How a call ends that raised something. One line in the log says what, and nothing that Envoy sent."""
    if isinstance(error, ProtocolError):
        _log.warning("stream refused: %s", error)
    else:
        frame = traceback.extract_tb(error.__traceback__)[-1]
        _log.error("stream failed at %s:%s: %s", Path(frame.filename).name, frame.lineno, type(error).__name__)
    return Status(GrpcStatus.INTERNAL, "refused by outrider")


class _Process:
    """An ext_proc stream."""

    __slots__ = ("_conversation", "_in_flight", "_metrics")

    def __init__(self, conversation: Conversation, metrics: Metrics, in_flight: Gauge) -> None:
        self._conversation = conversation
        self._metrics = metrics
        self._in_flight = in_flight
        in_flight.add(1)

    def receive(self, message: bytes) -> Wait | Sequence[bytes]:
        now = _beat(self._metrics)
        return self._sent(self._conversation.receive(_parsed(ProcessingRequest, message), now))

    def resume(self) -> Wait | Sequence[bytes]:
        return self._sent(self._conversation.resume())

    def half_close(self) -> Status:
        return UNDECIDED if self._conversation.undecided else OK

    def close(self, *, lost: bool = False) -> None:
        self._in_flight.add(-1)
        if lost:
            self._conversation.lose()
        self._conversation.close()

    def _sent(self, answer: bytes | Wait) -> Wait | Sequence[bytes]:
        if isinstance(answer, Wait):
            return answer
        rest, self._conversation.rest = self._conversation.rest, ()
        return (answer, *rest)


class _Checks(Protocol[_ReadT_contra]):
    """What makes one answer of one message."""

    def receive(self, message: _ReadT_contra, now: float, /) -> bytes | Wait: ...
    def resume(self) -> bytes | Wait: ...
    def close(self) -> None: ...


class _Check(Generic[_AskedT]):
    """A call of one message and one answer: of ext_authz, or of the rate limit service."""

    __slots__ = ("_answered", "_asked", "_check", "_in_flight", "_kind", "_metrics")

    def __init__(self, kind: type[_AskedT], check: _Checks[_AskedT], metrics: Metrics, in_flight: Gauge) -> None:
        self._kind: type[_AskedT] = kind
        self._check: _Checks[_AskedT] = check
        self._metrics = metrics
        self._in_flight = in_flight
        self._asked = self._answered = False
        in_flight.add(1)

    def receive(self, message: bytes) -> Wait | Sequence[bytes]:
        now = _beat(self._metrics)
        if self._asked:
            raise ProtocolError("a second message in one check")
        self._asked = True
        return self._sent(self._answer(message, now))

    def resume(self) -> Wait | Sequence[bytes]:
        return self._sent(self._check.resume())

    def half_close(self) -> Status:
        return OK if self._answered else UNDECIDED

    def close(self, *, lost: bool = False) -> None:
        del lost
        self._in_flight.add(-1)
        self._check.close()

    def _sent(self, answer: bytes | Wait) -> Wait | Sequence[bytes]:
        if isinstance(answer, Wait):
            return answer
        self._answered = True
        return (answer,)

    def _answer(self, message: bytes, now: float) -> bytes | Wait:
        return self._check.receive(_parsed(self._kind, message), now)


class _RateLimit(_Check[RateLimitRequest]):
    """A call of the rate limit service. What can't be read is refused: after an error Envoy may let a request on."""

    __slots__ = ("_limits",)

    def __init__(self, limits: RateLimitCheck, metrics: Metrics, in_flight: Gauge) -> None:
        super().__init__(RateLimitRequest, limits, metrics, in_flight)
        self._limits = limits

    def _answer(self, message: bytes, now: float) -> bytes | Wait:
        if len(message) > RATE_LIMIT_MESSAGE:
            return self._limits.refuse_unread()
        try:
            return super()._answer(message, now)
        except ProtocolError:
            return self._limits.refuse_unread()


class _Health:
    """A gRPC health check."""

    __slots__ = ("_answered", "_serving")

    def __init__(self, *, serving: bool) -> None:
        self._serving = serving
        self._answered = False

    def receive(self, message: bytes) -> Sequence[bytes]:
        _parsed(HealthCheckRequest, message)
        self._answered = True
        status = HealthCheckResponse.SERVING if self._serving else HealthCheckResponse.NOT_SERVING
        return (HealthCheckResponse(status=status).SerializeToString(),)

    def resume(self) -> Sequence[bytes]:
        return ()

    def half_close(self) -> Status:
        return OK if self._answered else UNDECIDED

    def close(self, *, lost: bool = False) -> None: ...


def _beat(metrics: Metrics) -> float:
    # The heart beats in the same loop, which many busy calls can keep from it.
    now = time.monotonic()
    metrics.beat(now)
    return now


def _parsed(kind: type[_MessageT], raw: bytes) -> _MessageT:
    try:
        return kind.FromString(raw)
    except DecodeError:
        raise ProtocolError("a message that is no protobuf of its kind") from None
