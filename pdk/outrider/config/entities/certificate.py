"""Certificates that the gateway shows, and those that it believes."""

from typing import Any

from outrider.config.entities.base import Entity, Reference, Secret, Text


class SniEntry(Entity):
    """A server name that a certificate is shown for."""

    name: Text
    """The name, which may begin or end with a wildcard label."""
    certificate: Reference | None = None
    """The certificate, for a name that does not stand under one."""


class CertificateEntry(Entity):
    """A certificate with its key."""

    cert: Text
    """The certificate as PEM, with the chain up to the authority behind it."""
    key: Secret
    """The private key as PEM."""
    snis: list[SniEntry] = []
    """The server names that it is shown for."""


class CaCertificateEntry(Entity):
    """The certificate of an authority, for others to refer to by its id."""

    cert: Text
    """The certificate as PEM."""
    cert_digest: Any = None
    """Kong's own note; it changes nothing."""
