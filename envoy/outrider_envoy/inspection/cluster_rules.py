"""How the cluster of the workers must be."""

from dataclasses import dataclass
from typing import Final

from outrider_envoy.inspection.clusters import Cluster
from outrider_envoy.inspection.finding import Rule, Words, mistake, warning
from outrider_envoy.inspection.section import number, part, parts, text
from outrider_envoy.limits import STREAM_LIMIT
from outrider_envoy.render.plan import Plan, Section

_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
_USUAL = 1024  # Envoy's own limits of a cluster, for all but the connections of HTTP/2


@dataclass(frozen=True, slots=True)
class Workers:
    """A cluster that filters of ours ask, and the plan of the file. None: Envoy has none of that name."""

    name: str
    cluster: Cluster | None
    plan: Plan
    runs_plugins: bool
    """Whether requests hold a stream to it for as long as they take, and are not only counted."""

    @property
    def config(self) -> Section:
        return self.cluster.config if self.cluster else {}


def absent(workers: Workers) -> Words:
    if workers.cluster is None:
        yield mistake(
            "there is no such cluster, so all requests are refused", "add it, as render envoy --filters says"
        )


def few_endpoints(workers: Workers) -> Words:
    """One connection goes to one process."""
    gateway = workers.plan.configuration.gateway
    if workers.cluster is None or workers.cluster.endpoints >= gateway.workers:
        return
    what = (
        f"it has {workers.cluster.endpoints} of the endpoints of {gateway.workers} workers, so the others get no work"
    )
    if "workers" in gateway.model_fields_set:
        yield mistake(what, "add an endpoint for each worker")
    else:
        yield warning(
            what, "add an endpoint for each worker, or set gateway.workers, which is by default this machine's cores"
        )


def no_http2(workers: Workers) -> Words:
    options = part(workers.config, "typed_extension_protocol_options", _OPTIONS)
    spoken = "http2_protocol_options" in part(options, "explicit_http_config")
    if workers.cluster and not spoken and "http2_protocol_options" not in workers.config:
        yield mistake(
            "the workers are not spoken to in HTTP/2, so all requests are refused",
            "set explicit_http_config: {http2_protocol_options: {}} in typed_extension_protocol_options",
        )


def no_health_check(workers: Workers) -> Words:
    if workers.cluster and not parts(workers.config, "health_checks"):
        yield warning("a worker that hangs goes on getting requests", "add health_checks with a grpc_health_check")


def panic(workers: Workers) -> Words:
    options = part(workers.config, "common_lb_config")
    found = number(
        part(options, "healthy_panic_threshold"), "value", 0 if "healthy_panic_threshold" in options else 50
    )
    if workers.cluster and found:
        yield warning(
            "with half of the workers down, requests are sent to those, too",
            "set common_lb_config.healthy_panic_threshold: {value: 0}",
        )


def few_requests(workers: Workers) -> Words:
    if workers.cluster is None or not workers.runs_plugins:
        return
    thresholds = parts(part(workers.config, "circuit_breakers"), "thresholds")
    usual = next((one for one in thresholds if text(one, "priority") in ("", "DEFAULT")), Section())
    for name in ("max_requests", "max_pending_requests"):
        found = number(usual, name, _USUAL)
        if found <= _USUAL:
            yield warning(
                f"{name} is {found:g}, so requests beyond it are refused",
                f"set circuit_breakers.thresholds.{name}: {STREAM_LIMIT} for each worker",
            )


RULES: Final[tuple[Rule[Workers], ...]] = (absent, few_endpoints, no_http2, no_health_check, panic, few_requests)
