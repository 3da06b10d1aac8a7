"""Which certificates Kong shows."""

from outrider.config import Configuration
from outrider.config.certificates import Certificate


def shown_certificates(configuration: Configuration) -> list[Certificate]:
    """Those that are shown to upstream, and to downstream."""
    named = [service.client_certificate for service in configuration.services]
    named += [upstream.client_certificate for upstream in configuration.upstreams]
    named += configuration.tls.certificates if configuration.tls else ()
    return list({certificate.id: certificate for certificate in named if certificate is not None}.values())
