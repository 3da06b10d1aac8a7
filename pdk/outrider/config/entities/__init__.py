"""The entities of the file, field by field, as Kong's declarative format 3.0 means them."""

from outrider.config.entities.base import Entity
from outrider.config.entities.certificate import CaCertificateEntry, CertificateEntry, SniEntry
from outrider.config.entities.consumer import (
    Acl,
    BasicauthCredential,
    ConsumerEntry,
    ConsumerGroupEntry,
    JwtSecret,
    KeyauthCredential,
    MtlsAuthCredential,
)
from outrider.config.entities.plugin import PluginEntry
from outrider.config.entities.route import RouteEntry
from outrider.config.entities.service import ServiceEntry
from outrider.config.entities.upstream import TargetEntry, UpstreamEntry

__all__ = [
    "Acl",
    "BasicauthCredential",
    "CaCertificateEntry",
    "CertificateEntry",
    "ConsumerEntry",
    "ConsumerGroupEntry",
    "Entity",
    "JwtSecret",
    "KeyauthCredential",
    "MtlsAuthCredential",
    "PluginEntry",
    "RouteEntry",
    "ServiceEntry",
    "SniEntry",
    "TargetEntry",
    "UpstreamEntry",
]
