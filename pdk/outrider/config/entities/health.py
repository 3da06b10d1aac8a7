"""How the health of targets is found out: by asking them, and by what requests meet."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from outrider.config.entities.base import Text
from outrider.config.upstream_types import PlainPath
from outrider.fields import HeaderName

Seconds = Annotated[float, Field(ge=0, le=65535)]
Count = Annotated[int, Field(ge=0, le=255)]
HealthType = Literal["http", "https", "tcp", "grpc", "grpcs"]
Status = Annotated[int, Field(ge=100, le=999)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class ActiveHealthy(_Part):
    """When a target that is asked is found to be well."""

    interval: Seconds = 0
    """Seconds between two questions to a target that is well; 0 asks none."""
    http_statuses: list[Status] = [200, 302]
    """The statuses of one that is well."""
    successes: Count = 0
    """So many good answers bring a target back. Behind Envoy 0 is 1."""


class ActiveUnhealthy(_Part):
    """When a target that is asked is found to be ill."""

    interval: Seconds = 0
    """Seconds between two questions to a target that is ill; 0 asks none."""
    http_statuses: list[Status] = [429, 404, 500, 501, 502, 503, 504, 505]
    """The statuses of one that is ill."""
    tcp_failures: Count = 0
    """So many failed connections take a target out; 0 counts none."""
    timeouts: Count = 0
    """So many answers that did not come take a target out; 0 counts none."""
    http_failures: Count = 0
    """So many such statuses take a target out; 0 counts none."""


class Active(_Part):
    """Asks the targets how they are."""

    type: HealthType = "http"
    """What is asked: an HTTP request, one over TLS, a connection only, or gRPC's own health service."""
    timeout: Seconds = 1
    """Seconds that an answer may take."""
    concurrency: Annotated[int, Field(ge=1, le=2**31)] = 10
    """How many targets Kong asks at once; Envoy asks each at its own time."""
    http_path: PlainPath = "/"
    """The path of the question."""
    https_sni: Text | None = None
    """The server name that is asked for over TLS. The default is the target's host."""
    https_verify_certificate: bool = True
    """Whether the target's certificate is checked when it is asked over TLS."""
    headers: dict[HeaderName, list[str]] = {}
    """Headers of the question: lists of values by name."""
    healthy: ActiveHealthy = ActiveHealthy()
    """When a target is well."""
    unhealthy: ActiveUnhealthy = ActiveUnhealthy()
    """When a target is ill."""


class PassiveHealthy(_Part):
    """What of the requests speaks for a target."""

    http_statuses: list[Status] = [*range(200, 209), 226, *range(300, 309)]
    """The statuses of one that is well."""
    successes: Count = 0
    """So many such responses let earlier failures be forgotten. Behind Envoy one is enough."""


class PassiveUnhealthy(_Part):
    """What of the requests speaks against a target."""

    http_statuses: list[Status] = [429, 500, 503]
    """The statuses of one that is ill."""
    tcp_failures: Count = 0
    """So many failed connections take a target out; 0 counts none."""
    timeouts: Count = 0
    """So many responses that did not come take a target out; 0 counts none."""
    http_failures: Count = 0
    """So many such statuses take a target out; 0 counts none."""


class Passive(_Part):
    """Goes by what requests meet: a circuit breaker for each target."""

    type: HealthType = "http"
    """Kong's own; it changes nothing."""
    healthy: PassiveHealthy = PassiveHealthy()
    """What speaks for a target."""
    unhealthy: PassiveUnhealthy = PassiveUnhealthy()
    """What speaks against a target."""


class HealthChecks(_Part):
    """How ill targets are found."""

    active: Active = Active()
    """Asks the targets how they are."""
    passive: Passive = Passive()
    """Goes by what requests meet."""
    threshold: Annotated[float, Field(ge=0, lt=100)] = 0
    """When no more than so many percent are well, requests are refused with 503."""
