"""Passive health checks as Envoy's outlier detection: a circuit breaker for each target."""

from outrider.config import Service
from outrider.config.entities.health import PassiveUnhealthy
from outrider_envoy.render.plan import Section

OUT = 30
"""How long a target stays out the first time, in seconds; so much longer each further time in a row.

In Kong it stays out until an active check finds it well, or a person does.
"""
LONGEST_OUT = 300
"""How long a target stays out at most, in seconds."""


def outlier_detection(service: Service) -> Section:
    """The `outlier_detection` of a service's cluster; empty where no failure counts."""
    if (ill := _counted(service)) is None:
        return {}
    local = [limit for limit in (ill.tcp_failures, ill.timeouts) if limit]
    return {
        "outlier_detection": {
            **_counter("consecutive_5xx", ill.http_failures),
            **_counter("consecutive_local_origin_failure", min(local, default=0)),
            "split_external_local_origin_errors": True,
            "enforcing_consecutive_gateway_failure": 0,
            "enforcing_success_rate": 0,
            "enforcing_local_origin_success_rate": 0,
            "interval": "1s",
            "base_ejection_time": f"{OUT}s",
            "max_ejection_time": f"{LONGEST_OUT}s",
            # Envoy's own 10 percent keep most of the ill ones in.
            "max_ejection_percent": 100,
        }
    }


def error_matcher(service: Service) -> Section:
    """Which statuses count, for the cluster's `HttpProtocolOptions`; by default Envoy counts all from 500 on."""
    ill = _counted(service)
    if ill is None or not ill.http_failures or not ill.http_statuses:
        return {}
    pattern = "|".join(str(status) for status in sorted(set(ill.http_statuses)))
    header = {"name": ":status", "string_match": {"safe_regex": {"regex": pattern}}}
    return {"outlier_detection": {"error_matcher": {"http_response_headers_match": {"headers": [header]}}}}


def _counted(service: Service) -> PassiveUnhealthy | None:
    if service.upstream is None:
        return None
    ill = service.upstream.healthchecks.passive.unhealthy
    counts = (ill.http_statuses and ill.http_failures) or ill.tcp_failures or ill.timeouts
    return ill if counts else None


def _counter(name: str, limit: int) -> Section:
    return {name: limit, f"enforcing_{name}": 100} if limit else {f"enforcing_{name}": 0}
