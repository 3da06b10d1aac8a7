"""Active health checks: Envoy asks the targets of an upstream how they are."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from outrider.config import Service
from outrider.config.entities.health import Active
from outrider_envoy.render.plan import Section, seconds

MARK = "outrider_health_check"
"""What marks the transport socket of health checks."""

_FIRST, _END = 100, 600
_SHORTEST = 0.01


def health_checks(service: Service) -> Section:
    """The `health_checks` of a service's cluster; empty where no failure counts."""
    checks = active_checks(service)
    return {"health_checks": [_check(checks)]} if checks else {}


def active_checks(service: Service) -> Active | None:
    """The active checks of a service that can take a target out."""
    if service.upstream is None:
        return None
    active = service.upstream.healthchecks.active
    asks = active.healthy.interval or active.unhealthy.interval
    return active if asks and _limits(active) else None


def is_over_tls(active: Active) -> bool:
    """Whether targets are asked over TLS."""
    return active.type in ("https", "grpcs")


def has_own_socket(service: Service, active: Active) -> bool:
    """Whether targets are asked over another kind of connection than requests have."""
    return active.type != "tcp" and (is_over_tls(active) or service.has_tls)


def _check(active: Active) -> Section:
    healthy = active.healthy.interval or active.unhealthy.interval
    interval = seconds(max(healthy, _SHORTEST))
    check: Section = {
        "timeout": seconds(max(active.timeout, _SHORTEST)),
        "interval": interval,
        # Without traffic Envoy would ask once a minute.
        "no_traffic_interval": interval,
        "unhealthy_interval": seconds(max(active.unhealthy.interval or healthy, _SHORTEST)),
        # Envoy counts failures of all kinds together.
        "unhealthy_threshold": min(_limits(active)),
        "healthy_threshold": max(active.healthy.successes, 1),
        **_question(active),
    }
    if active.type != "tcp":
        check["transport_socket_match_criteria"] = {MARK: True}
    return check


def _limits(active: Active) -> list[int]:
    ill = active.unhealthy
    return [limit for limit in (ill.tcp_failures, ill.timeouts, ill.http_failures) if limit]


def _question(active: Active) -> Section:
    if active.type == "tcp":
        return {"tcp_health_check": {}}
    if active.type in ("grpc", "grpcs"):
        return {"grpc_health_check": {}}
    ill = active.unhealthy
    counted = sorted({status for status in ill.http_statuses if ill.http_failures and status < _END})
    question: Section = {
        "path": active.http_path,
        # Kong does not count a status that is in neither of its lists.
        "expected_statuses": list(_between(counted)),
        "retriable_statuses": [_range(status, status + 1) for status in counted],
    }
    if active.headers:
        question["request_headers_to_add"] = [
            {"header": {"key": name, "value": value}} for name, values in active.headers.items() for value in values
        ]
    return {"http_health_check": question}


def _between(statuses: Sequence[int]) -> Iterator[Section]:
    """All but these."""
    for before, behind in pairwise((_FIRST - 1, *statuses, _END)):
        if behind > before + 1:
            yield _range(before + 1, behind)


def _range(start: int, end: int) -> Section:
    """Envoy's `Int64Range`, whose end does not belong to it."""
    return {"start": start, "end": end}
