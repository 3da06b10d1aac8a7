"""How a cluster chooses among its addresses."""

import itertools
import math

from outrider.config import Service, Upstream
from outrider_envoy.render.plan import Section

_POLICIES = {
    "round-robin": "ROUND_ROBIN",
    "least-connections": "LEAST_REQUEST",
    # Envoy's ring is spread anew when a target goes: as many requests again move between those that are left.
    "consistent-hashing": "MAGLEV",
}


def balancing(service: Service) -> Section:
    """The policy, and what becomes of requests when many targets are ill."""
    if service.upstream is None:
        return {}
    upstream = service.upstream
    found: Section = {"lb_policy": _POLICIES[upstream.algorithm], "common_lb_config": _common(upstream)}
    if upstream.algorithm == "consistent-hashing":
        found["maglev_lb_config"] = {"table_size": _prime(upstream.slots)}
    return found


def _common(upstream: Upstream) -> Section:
    """Nothing goes to a target that is ill; by default Envoy uses all as soon as half of them are."""
    threshold = upstream.healthchecks.threshold
    # Envoy refuses below this many percent, Kong at them too.
    common: Section = {
        "healthy_panic_threshold": {"value": int(threshold) + 1 if threshold else 0},
        "update_merge_window": "0s",
    }
    if threshold:
        common["zone_aware_lb_config"] = {"fail_traffic_on_panic": True}
    return common


def _prime(least: int) -> int:
    """The first prime number from there on, which is what Envoy wants."""
    return next(n for n in itertools.count(least) if all(n % d for d in range(2, math.isqrt(n) + 1)))
