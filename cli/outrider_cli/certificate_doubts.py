"""What certificates say that is allowed, and still worth a word: handshakes that will fail."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from outrider import Peer
from outrider.config import Configuration
from outrider.config.certificates import Certificate
from outrider.needs import PEER

SOON = timedelta(days=14)
"""So long before its end a certificate is worth a word."""


def doubts(configuration: Configuration, now: datetime | None = None) -> Iterator[str]:
    """One line for each, with its line in the file."""
    now = now or datetime.now(UTC)
    for one in configuration.certificates:
        where = f"{one.line}: certificate {one.id}: warning:"
        found = [Peer.from_pem(cert.text) for cert, _ in one.pairs]
        yield from (f"{where} {words}" for peer in found for words in _ends(peer, now))
        yield from (f"{where} {words}" for peer in found for words in _uncovered(one, peer))
        if one.snis and configuration.tls is None:
            yield f"{where} has server names, and the gateway speaks no TLS: set gateway.tls"
    for authority in configuration.authorities:
        ends = _ends(Peer.from_pem(authority.cert.text), now)
        yield from (f"{authority.line}: ca certificate {authority.id}: warning: {words}" for words in ends)
    yield from _unasked(configuration)


def _ends(peer: Peer, now: datetime) -> Iterator[str]:
    if peer.not_before is None or peer.not_after is None:
        return
    if peer.not_after < now:
        yield f"has expired on {peer.not_after:%Y-%m-%d}, so nobody believes it: renew it"
    elif peer.not_after < now + SOON:
        yield f"expires on {peer.not_after:%Y-%m-%d}: renew it"
    if peer.not_before > now:
        yield f"begins only on {peer.not_before:%Y-%m-%d}, so nobody believes it yet: look at the clock"


def _uncovered(certificate: Certificate, peer: Peer) -> Iterator[str]:
    """Server names that no client will accept it for (RFC 9525, section 6.3)."""
    for name in certificate.snis:
        widened = f"*.{name.partition('.')[2]}"
        if name != "*" and not name.endswith(".*") and name not in peer.dns and widened not in peer.dns:
            yield f"is not for its server name {name}: take the name away, or another certificate"


def _unasked(configuration: Configuration) -> Iterator[str]:
    tls = configuration.tls
    if tls is None or tls.client_certificates != "none":
        return
    for one in configuration.plugins:
        if PEER in one.plugin.needs().facts:
            what = "looks at certificates of clients, and nobody is asked for one"
            yield f"{one.line}: plugin {one.name}: warning: {what}: set gateway.tls.client_certificates"
