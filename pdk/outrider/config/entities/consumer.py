"""Those who call: consumers, their credentials and their groups."""

from collections.abc import Iterable
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, model_validator

from outrider.config.entities.base import Entity, Reference, Secret, Text
from outrider.config.entities.plugin import PluginEntry
from outrider.config.field_types import Name, refusal
from outrider.config.mistake import shown


class _Credential(Entity):
    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        return [("id", self.id)]  # what a log line or a traceback may show


class KeyauthCredential(_Credential):
    """A key that proves who calls."""

    key: Secret
    """The key. In clear, or `sha256:` and the 64 hexadecimal digits of its hash."""


class JwtSecret(_Credential):
    """An issuer of tokens whose owner is the consumer."""

    key: Text
    """The value of the token's issuer claim."""
    algorithm: Literal[
        "HS256",
        "HS384",
        "HS512",
        "RS256",
        "RS384",
        "RS512",
        "PS256",
        "PS384",
        "PS512",
        "ES256",
        "ES384",
        "ES512",
        "EdDSA",
    ] = "HS256"
    """How the tokens are signed."""
    secret: Secret | None = None
    """The shared secret, for HS256, HS384 and HS512."""
    rsa_public_key: Text | None = None
    """The public key as PEM, for the other algorithms."""

    @model_validator(mode="after")
    def _keyed(self) -> Self:
        field = "secret" if self.algorithm.startswith("HS") else "rsa_public_key"
        if getattr(self, field) is None:
            raise refusal(f"{self.algorithm} needs {field}, which is missing", f"add {field}")
        return self


class BasicauthCredential(_Credential):
    """A user name and password that prove who calls."""

    username: Text
    """The user name, unique in the file."""
    password: Secret
    """The password. It may be hashed: `$argon2...`, `$2b$...` or `sha256:...`."""


class MtlsAuthCredential(_Credential):
    """A client certificate that proves who calls, by something that it says."""

    subject_name: Text
    """What is compared: a SPIFFE id, a name of the certificate, its common name, or its SHA-256 fingerprint."""
    ca_certificate: Reference | None = None
    """The one of `ca_certificates` that has to have signed it, by its id. The default is any that is believed."""


class Acl(Entity):
    """A group that the plugin acl allows or denies."""

    group: Text
    """The group's name."""


class Membership(BaseModel):
    """A consumer group that a consumer belongs to."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    name: Name
    """The group's name."""

    @model_validator(mode="before")
    @classmethod
    def _is_mapping(cls, value: Any) -> Any:
        if isinstance(value, str):
            raise refusal(f"{shown(value)} is no mapping", f"write {{name: {value}}}")
        return value


class ConsumerEntry(Entity):
    """Somebody who calls."""

    username: Text | None = None
    """The consumer's name, unique in the file."""
    custom_id: Text | None = None
    """The name that some other system has for the consumer, unique in the file."""
    groups: tuple[Membership, ...] = ()
    """The consumer groups it belongs to."""
    keyauth_credentials: tuple[KeyauthCredential, ...] = ()
    """Keys for key-auth."""
    jwt_secrets: tuple[JwtSecret, ...] = ()
    """Issuers for jwt-auth."""
    basicauth_credentials: tuple[BasicauthCredential, ...] = ()
    """User names and passwords for basic-auth."""
    mtls_auth_credentials: tuple[MtlsAuthCredential, ...] = ()
    """Names of client certificates for mtls-auth."""
    acls: tuple[Acl, ...] = ()
    """Groups for acl."""
    plugins: tuple[PluginEntry, ...] = ()
    """Plugins that run only for requests of this consumer."""

    @model_validator(mode="after")
    def _named(self) -> Self:
        if self.username is None and self.custom_id is None:
            raise refusal("has no name", "give it a username or a custom_id")
        return self


class ConsumerGroupEntry(Entity):
    """Consumers that some plugins treat alike."""

    name: Name
    """The group's name, unique in the file."""
    consumers: tuple[Reference, ...] = ()
    """Consumers that belong to it, beside those that name it under `groups`."""
    plugins: tuple[PluginEntry, ...] = ()
    """Plugins that run only for requests of consumers in this group."""
