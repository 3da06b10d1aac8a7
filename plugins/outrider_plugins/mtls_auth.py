"""The plugin mtls-auth: consumers prove who they are with the certificate of their TLS connection (RFC 8446)."""

from datetime import UTC, datetime
from typing import Annotated, ClassVar, NamedTuple

from pydantic import Field

from outrider import Auth, CaCertificates, Consumers, Identity, Needs, Peer, Refusal, Request, Runtime
from outrider_plugins.certificate_owners import CertificateName, Rows, SeveralOwnersError, owner
from outrider_plugins.client_issuers import ClientIssuers

SIZE = 1_024
"""For how many certificates it is known whose they are; for one more, all of it is found out anew."""


class MtlsAuth(Auth):
    """Lets requests in whose connection has shown the certificate of a consumer.

    It must be signed by one of the authorities, and valid now: a connection can outlive its certificate. What it says
    is compared with the consumers' `mtls_auth_credentials`, and else with their usernames and custom_ids. One that
    names several consumers is refused.
    """

    priority: ClassVar[int] = 1600

    ca_certificates: CaCertificates = ()
    """The ids of the `ca_certificates` whose clients count; by default those of `gateway.tls.client_authorities`."""
    by: Annotated[list[CertificateName], Field(min_length=1)] = ["spiffe", "dns", "email", "common_name"]
    """What of a certificate names the consumer; the first of these that names one decides."""
    require_consumer: bool = True
    """Whether a certificate that names no consumer is refused; else it is a credential without a consumer."""

    def needs(self) -> Needs:
        return Needs(facts=frozenset({"headers", "peer"}))

    def check(self, consumers: Consumers, /) -> None:
        if not ClientIssuers(self.ca_certificates):
            raise ValueError(
                "believes nobody who signs certificates: set gateway.tls.client_authorities, or ca_certificates"
            )
        consumers.once(Rows)

    async def start(self, runtime: Runtime, /) -> None:
        await super().start(runtime)
        self._issuers = ClientIssuers(self.ca_certificates)
        self._consumers = runtime.consumers
        self._rows = runtime.consumers.once(Rows)
        self._known: dict[str, _Known] = {}

    def authenticate(self, request: Request, /) -> Identity | Refusal | None:
        peer = request.peer
        if peer is None:
            return None
        known = self._known.get(peer.pem) or self._find_out(peer)
        if known is None or not known.begin <= _now() <= known.end:
            return self.refuse()
        return known.identity

    def challenge(self) -> str:
        return "Certificate"

    def hide_credential(self, request: Request, /) -> None:
        """Nothing of it is in the request."""

    def _find_out(self, peer: Peer) -> "_Known | None":
        signed = self._issuers.judge(peer)
        if signed is None:
            return None
        try:
            found = owner(peer, signed.issuer, self.by, self._rows, self._consumers)
        except SeveralOwnersError:
            return None
        if found is None and self.require_consumer:
            return None
        identity = Identity(
            found.credential if found else peer.fingerprint, found.consumer if found else None, claims=_claims(peer)
        )
        if len(self._known) >= SIZE:
            self._known.clear()
        known = self._known[peer.pem] = _Known(identity, signed.begin, signed.end)
        return known


class _Known(NamedTuple):
    identity: Identity
    begin: datetime
    end: datetime


def _claims(peer: Peer) -> dict[str, object]:
    return {
        "subject": peer.subject,
        "spiffe_id": peer.spiffe_id,
        "uris": list(peer.uris),
        "dns": list(peer.dns),
        "emails": list(peer.emails),
        "common_names": list(peer.common_names),
        "fingerprint": peer.fingerprint,
    }


def _now() -> datetime:
    return datetime.now(UTC)
