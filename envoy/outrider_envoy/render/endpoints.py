"""The addresses behind a cluster: written into it, looked up in DNS, or read from a file that others replace."""

from collections.abc import Iterator, Sequence

from outrider.config import Service, Target
from outrider.config.ids import derived_id
from outrider.config.upstream_types import split_host
from outrider_envoy.render.plan import Plan, Section, address_of, typed

_DNS = "envoy.extensions.clusters.dns.v3.DnsCluster"


def service_cluster(service: str) -> str:
    """The name of a service's cluster."""
    return f"service_{service}"


def discovery(plan: Plan, service: Service) -> Section:
    """How a service's cluster finds its addresses."""
    targets = targets_of(plan, service)
    if plan.folder is not None and is_watched(plan, service):
        path = str(plan.folder / endpoint_file(service))
        config = {"path_config_source": {"path": path}, "resource_api_version": "V3"}
        return {"type": "EDS", "eds_cluster_config": {"eds_config": config}}
    found: Section = {"load_assignment": assignment(service, targets)}
    if all(target.is_address for target in targets):
        return {"type": "STATIC", **found}
    # As Kong does: the first family that has an address, and no longer than DNS says.
    dns = typed(_DNS, dns_lookup_family="V4_PREFERRED", respect_dns_ttl=True)
    return {"cluster_type": {"name": "envoy.cluster.dns", "typed_config": dns}, **found}


def targets_of(plan: Plan, service: Service) -> Sequence[Target]:
    """Where a service's requests go now."""
    if service.upstream is None:
        return (Target(service.host, service.port),)
    return plan.targets.get(service.upstream.name, service.upstream.targets)


def is_watched(plan: Plan, service: Service) -> bool:
    """Whether a service's targets may change while Envoy runs."""
    if service.upstream is None or plan.folder is None or plan.configuration.gateway.endpoints is None:
        return False
    return all(target.is_address for target in service.upstream.targets)


def endpoint_file(service: Service) -> str:
    """The name of the file that Envoy reads the targets of a service from."""
    # A service's name may be longer than a file's.
    return f"endpoints-{derived_id('endpoints', service.name)}.json"


def watched_assignments(plan: Plan) -> Iterator[tuple[str, Section]]:
    """For each service whose targets may change, the name of its file, and the `ClusterLoadAssignment` in it."""
    services = {route.service.name: route.service for route in plan.configuration.routes}
    for service in services.values():
        if is_watched(plan, service):
            yield endpoint_file(service), assignment(service, targets_of(plan, service))


def assignment(service: Service, targets: Sequence[Target]) -> Section:
    """A `ClusterLoadAssignment`; a target of weight 0 is left out."""
    found = [_endpoint(service, target) for target in targets if target.weight]
    return {"cluster_name": service_cluster(service.name), "endpoints": [{"lb_endpoints": found}]}


def _endpoint(service: Service, target: Target) -> Section:
    endpoint: Section = {"address": address_of(str(target))}
    if service.upstream is None:
        return {"endpoint": endpoint}
    endpoint["hostname"] = host_header(service, target)
    if (
        service.upstream.healthchecks.active.healthy.interval
        or service.upstream.healthchecks.active.unhealthy.interval
    ):
        endpoint["health_check_config"] = {"hostname": service.upstream.host_header or target.host}
    return {"endpoint": endpoint, "load_balancing_weight": target.weight}


def host_header(service: Service, target: Target) -> str:
    """The host that a target is asked for, with its port where the protocol has another."""
    chosen = service.upstream.host_header if service.upstream else None
    if chosen is not None and split_host(chosen)[1]:
        return chosen
    host = chosen or (f"[{target.host}]" if ":" in target.host else target.host)
    # Envoy takes this for the server name too, where it takes a target's own; and that has no port.
    names_server = service.has_tls and service.server_name is None and not target.is_address
    return host if target.port == service.default_port or names_server else f"{host}:{target.port}"
