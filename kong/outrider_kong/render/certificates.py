"""The certificates that Kong shows, and the authorities that it believes. A key is written as the reference it is."""

from collections.abc import Iterator

from outrider.config import Configuration
from outrider.config.certificates import Pem
from outrider_kong.certificates import shown_certificates
from outrider_kong.render.fields import without_nothing
from outrider_kong.render.plan import Section


def certificate_entities(configuration: Configuration) -> Iterator[Section]:
    """With their keys, as references that Kong reads."""
    for one in shown_certificates(configuration):
        names = one.snis if configuration.tls else ()
        yield without_nothing(
            id=one.id,
            cert=one.cert.text,
            key=_reference(one.key),
            cert_alt=one.cert_alt.text if one.cert_alt else None,
            key_alt=_reference(one.key_alt) if one.key_alt else None,
            snis=[{"name": name} for name in names],
            tags=list(one.tags),
        )


def authority_entities(configuration: Configuration) -> Iterator[Section]:
    """The authorities that services believe."""
    found = (authority for service in configuration.services for authority in service.authorities)
    for one in {authority.id: authority for authority in found}.values():
        yield without_nothing(id=one.id, cert=one.cert.text, tags=list(one.tags))


def _reference(key: Pem) -> str:
    # Any other was refused: it would be shown here.
    return f"{{vault://env/{key.variable}}}"
