"""What of a file's services and upstreams Envoy can't do as the file says."""

from collections.abc import Iterator

from outrider.config import Configuration, Mistake, Service, Upstream
from outrider_envoy.authorities import system_authorities

Words = tuple[str, str]

_NO_AUTHORITIES = (
    "checks certificates, and this machine has no file with authorities",
    "name the authorities in ca_certificates, or such a file in the environment variable SSL_CERT_FILE",
)


def unforwarded(configuration: Configuration) -> Iterator[Mistake]:
    """One mistake for each thing of a service or of its upstream."""
    file = configuration.document.file
    upstreams = {service.upstream.name: service.upstream for service in configuration.services if service.upstream}
    for upstream in upstreams.values():
        for what, remedy in _of_upstream(upstream):
            yield Mistake(file, upstream.line, f"upstream {upstream.name}", what, remedy)
    for service in configuration.services:
        for what, remedy in _of_service(service):
            yield Mistake(file, service.line, f"service {service.name}", what, remedy)


def _of_upstream(upstream: Upstream) -> Iterator[Words]:
    if any(one.kind == "uri_capture" for one in upstream.hashes):
        what = "hashes on uri_capture, and Envoy knows no parts of the path that a regular expression has found"
        yield what, "hash on path, a header or an argument of the query"
    if upstream.healthchecks.threshold and upstream.algorithm == "consistent-hashing":
        what = "has a threshold, which Envoy does not keep with consistent-hashing"
        yield what, "remove healthchecks.threshold: without it, too, nothing goes to a target that is ill"


def _of_service(service: Service) -> Iterator[Words]:
    verified = service.has_tls and bool(service.tls_verify)
    if verified and _has_nameless_targets(service):
        what = f"checks certificates, and targets of {service.host} are addresses, which have no name to check"
        yield what, "give the upstream a host_header"
    active = service.upstream.healthchecks.active if service.upstream else None
    asks = active is not None and (active.healthy.interval or active.unhealthy.interval)
    checked = active is not None and asks and active.type == "https" and active.https_verify_certificate
    if checked and active is not None and active.https_sni is None and _has_nameless_targets(service):
        what = f"has health checks over TLS, and targets of {service.host} are addresses, which have no name to check"
        yield what, "give them https_sni, or the upstream a host_header"
    if active is not None and asks and active.type in ("grpc", "grpcs") and not service.is_grpc:
        what = f"speaks {service.protocol}, and the health checks of {service.host} are gRPC, which is HTTP/2"
        yield what, "write type: http, or an upstream of its own for the gRPC service"
    if (verified or checked) and not service.authorities and system_authorities() is None:
        yield _NO_AUTHORITIES


def _has_nameless_targets(service: Service) -> bool:
    upstream = service.upstream
    return upstream is not None and service.server_name is None and any(one.is_address for one in upstream.targets)
