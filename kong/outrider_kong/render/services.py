"""Kong's services."""

from outrider.config import Service
from outrider_kong.render.fields import host_for_kong, without_nothing
from outrider_kong.render.plan import Section


def service_entity(service: Service, routes: list[Section]) -> Section:
    """A service with its routes."""
    return without_nothing(
        name=service.name,
        id=service.id,
        protocol=service.protocol,
        host=host_for_kong(service.host),
        port=service.port,
        path=service.path,
        connect_timeout=service.connect_timeout,
        write_timeout=service.write_timeout,
        read_timeout=service.read_timeout,
        retries=service.retries,
        **(_tls(service) if service.protocol == "https" else {}),
        tags=list(service.tags),
        routes=routes,
    )


def _tls(service: Service) -> Section:
    shown = service.client_certificate
    own = service.upstream is None or service.upstream.client_certificate != shown
    return {
        "client_certificate": {"id": shown.id} if shown is not None and own else None,
        "tls_verify": service.tls_verify,
        "tls_verify_depth": service.tls_verify_depth,
        "ca_certificates": [one.id for one in service.authorities],
    }
