"""The whole file as one model, and which lists of entities stand inside which."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from outrider.config.entities import (
    Acl,
    BasicauthCredential,
    CaCertificateEntry,
    CertificateEntry,
    ConsumerEntry,
    ConsumerGroupEntry,
    Entity,
    JwtSecret,
    KeyauthCredential,
    MtlsAuthCredential,
    PluginEntry,
    RouteEntry,
    ServiceEntry,
    SniEntry,
    TargetEntry,
    UpstreamEntry,
)
from outrider.config.field_types import refusal
from outrider.config.gateway import Gateway
from outrider.config.mistake import shown


def _version(value: Any) -> Any:
    if value in ("1.1", "2.1"):
        raise refusal(f"{shown(value)} is an older format", 'convert the file with decK, then write "3.0"')
    if value != "3.0":
        raise refusal(f"{shown(value)} is no version of the format", 'write "3.0", in quotes')
    return value


FormatVersion = Annotated[Literal["3.0"], BeforeValidator(_version)]


class File(BaseModel):
    """A configuration of Outrider: Kong's declarative format 3.0, and a section `gateway`."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    format_version: FormatVersion = Field(alias="_format_version")
    """Always "3.0", in quotes."""
    comment: str | None = Field(None, alias="_comment")
    """A remark that is read by nobody but people."""
    ignore: list[Any] = Field([], alias="_ignore")
    """Anything; it is not looked at."""
    gateway: Gateway = Field(default_factory=Gateway)
    """How the gateway itself runs."""
    services: list[ServiceEntry] = []
    """The upstreams."""
    routes: list[RouteEntry] = []
    """Routes that name their service instead of standing under it."""
    upstreams: list[UpstreamEntry] = []
    """Several addresses under one name, which services give as their host."""
    targets: list[TargetEntry] = []
    """Addresses that name their upstream instead of standing under it."""
    consumers: list[ConsumerEntry] = []
    """Those who call."""
    consumer_groups: list[ConsumerGroupEntry] = []
    """Groups of consumers."""
    certificates: list[CertificateEntry] = []
    """Certificates with their keys, by server name."""
    snis: list[SniEntry] = []
    """Server names that name their certificate instead of standing under it."""
    ca_certificates: list[CaCertificateEntry] = []
    """Authorities that services and plugins believe."""
    plugins: list[PluginEntry] = []
    """Plugins that run for every request, or for what they refer to."""


CREDENTIALS: Mapping[str, type[Entity]] = {
    "keyauth_credentials": KeyauthCredential,
    "jwt_secrets": JwtSecret,
    "basicauth_credentials": BasicauthCredential,
    "mtls_auth_credentials": MtlsAuthCredential,
    "acls": Acl,
}

MODELS: Mapping[str, type[BaseModel]] = {
    "file": File,
    "services": ServiceEntry,
    "routes": RouteEntry,
    "upstreams": UpstreamEntry,
    "targets": TargetEntry,
    "certificates": CertificateEntry,
    "snis": SniEntry,
    "ca_certificates": CaCertificateEntry,
    "consumers": ConsumerEntry,
    "consumer_groups": ConsumerGroupEntry,
    "plugins": PluginEntry,
    **CREDENTIALS,
}
"""The model of one item of each list."""

NESTED: Mapping[str, tuple[str, ...]] = {
    "file": (
        *("services", "routes", "upstreams", "targets", "certificates", "snis", "ca_certificates"),
        *("consumers", "consumer_groups", "plugins"),
    ),
    "services": ("routes", "plugins"),
    "routes": ("plugins",),
    "upstreams": ("targets",),
    "certificates": ("snis",),
    "consumers": (*CREDENTIALS, "plugins"),
    "consumer_groups": ("plugins",),
}
"""The lists of entities that stand inside an entity of each kind."""
