"""Certificates that the gateway shows, and those that it believes."""

from typing import Annotated, Any, Self

from pydantic import AfterValidator, SecretStr, WrapValidator, model_validator
from pydantic.functional_validators import ModelWrapValidatorHandler

from outrider.config import pem
from outrider.config.entities.base import Entity, Reference
from outrider.config.field_types import refusal
from outrider.config.field_types_of_routes import RouteSni
from outrider.config.mistake import shown


def _server_name(value: Any, handler: ModelWrapValidatorHandler[str]) -> str:
    if value == "*":
        return "*"
    if isinstance(value, str) and value != value.lower():
        raise refusal(f"{shown(value)} has capitals, and names are compared in lower case", f"write {value.lower()}")
    return handler(value)


ServerName = Annotated[RouteSni, WrapValidator(_server_name)]

CertificateText = Annotated[str, AfterValidator(pem.check_chain)]
AuthorityText = Annotated[str, AfterValidator(pem.check_authority)]
KeyText = Annotated[SecretStr, AfterValidator(pem.check_key)]


class SniEntry(Entity):
    """A server name that a certificate is shown for."""

    name: ServerName
    """The name, which may begin or end with a wildcard label; `*` is every name that no other certificate has."""
    certificate: Reference | None = None
    """The certificate, for a name that does not stand under one."""


class CertificateEntry(Entity):
    """A certificate with its key."""

    cert: CertificateText
    """The certificate as PEM, with the chain up to the authority behind it."""
    key: KeyText
    """The private key as PEM."""
    cert_alt: CertificateText | None = None
    """A certificate for the same names whose key is of another kind, RSA beside ECDSA."""
    key_alt: KeyText | None = None
    """Its private key."""
    snis: list[SniEntry] = []
    """The server names that it is shown for."""

    @model_validator(mode="after")
    def _pair(self) -> Self:
        pem.check_pair(self.cert, self.key)
        if (self.cert_alt is None) != (self.key_alt is None):
            raise refusal("has only one of cert_alt and key_alt", "write both, or none")
        if self.cert_alt is not None and self.key_alt is not None:
            pem.check_alternative(self.cert, self.cert_alt, self.key_alt)
        return self


class CaCertificateEntry(Entity):
    """The certificate of an authority, for others to refer to by its id."""

    cert: AuthorityText
    """The certificate as PEM."""
    cert_digest: Any = None
    """Kong's own note; it changes nothing."""
