"""The section `gateway.tls`: the listener with TLS."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, model_validator

from outrider.config.field_types import Address, ListenAddress, refusal

ClientCertificates = Literal["none", "optional", "required"]
TlsVersion = Literal["1.2", "1.3"]


class Tls(BaseModel):
    """The listener with TLS. Its certificates are those of `certificates` that have `snis`."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    listen: ListenAddress = Address("127.0.0.1", 8443)
    """The IP:PORT that downstream connects to with TLS."""
    client_certificates: ClientCertificates = "none"
    """Whether clients are asked for a certificate, and may come without. A wrong one is never let in."""
    client_authorities: list[str] = []
    """The ids of those of `ca_certificates` that sign the certificates of clients."""
    minimum: TlsVersion = "1.2"
    """The oldest version of TLS that is spoken."""

    @model_validator(mode="after")
    def _believing(self) -> Self:
        asks = self.client_certificates != "none"
        if asks and not self.client_authorities:
            raise refusal(
                "asks clients for certificates and believes nobody who signs them", "add client_authorities"
            )
        if not asks and self.client_authorities:
            what = "has client_authorities, and asks no client for a certificate"
            raise refusal(what, "set client_certificates to required or optional, or remove them")
        return self
