"""The entities of the file, field by field, as Kong's declarative format 3.0 means them."""

from collections.abc import Iterable
from typing import Annotated, Any, Literal, Self, cast

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, WithJsonSchema, model_validator

from outrider.config.field_types import (
    Host,
    Method,
    Milliseconds,
    Name,
    Port,
    RoutePath,
    ServiceUrl,
    UpstreamHost,
    refusal,
)
from outrider.config.mistake import shown

Text = Annotated[str, Field(min_length=1)]
Secret = Annotated[SecretStr, Field(min_length=1)]


def _reference(value: Any) -> Any:
    if isinstance(value, str) and value:
        return value
    if isinstance(value, dict):
        fields = cast("dict[str, Any]", value)
        (key, name) = next(iter(fields.items()), ("", None))
        if len(fields) == 1 and key in ("name", "username", "id") and isinstance(name, str) and name:
            return name
    raise refusal(
        f"{shown(cast('object', value))} refers to nothing", "give its name, or one of {name: ...} and {id: ...}"
    )


Reference = Annotated[
    str,
    BeforeValidator(_reference),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "object", "minProperties": 1, "maxProperties": 1}]}),
]
"""Another entity, by its name or id."""


class Entity(BaseModel):
    """What every entity has."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, hide_input_in_errors=True)

    id: Text | None = None
    """An identifier of your own; without one it is derived from the name."""
    tags: list[Text] = []
    """Words for people and tools; they change nothing."""
    comment: str | None = Field(None, alias="_comment")
    """A remark that is read by nobody but people."""
    ignore: list[Any] = Field([], alias="_ignore")
    """Anything; it is not looked at."""


class PluginEntry(Entity):
    """A plugin at its place: global, or on a service, a route, a consumer or a group."""

    name: Text
    """The plugin's name; `outrider plugins` lists them."""
    config: dict[str, Any] = {}
    """The plugin's own fields; `outrider plugins NAME` lists them."""
    enabled: bool = True
    """false leaves the plugin out, though its configuration is still checked."""
    instance_name: Name | None = None
    """A name of this one configuration, unique in the file."""
    service: Reference | None = None
    """Runs only for requests to this service."""
    route: Reference | None = None
    """Runs only for requests on this route."""
    consumer: Reference | None = None
    """Runs only for requests of this consumer."""
    consumer_group: Reference | None = None
    """Runs only for requests of consumers in this group."""


class RouteEntry(Entity):
    """Which requests go to a service: a request has to meet each of paths, hosts and methods that is given."""

    name: Name | None = None
    """The route's name, unique in the file. Without one it is the service's name, a dash and the route's position."""
    service: Reference | None = None
    """The service, for a route that does not stand under one."""
    paths: list[RoutePath] = []
    """Prefixes of the path, each as it is after normalisation."""
    hosts: list[Host] = []
    """Host names, without a port."""
    methods: list[Method] = []
    """Methods, in capitals."""
    protocols: list[Literal["http", "https"]] = ["http", "https"]
    """`http` has to be among them: the gateway listens without TLS as yet."""
    strip_path: bool = True
    """Whether the matched prefix is removed before the request goes upstream."""
    preserve_host: bool = False
    """Whether upstream gets the host of the request instead of the service's own."""
    plugins: list[PluginEntry] = []
    """Plugins that run only for requests on this route."""

    @model_validator(mode="after")
    def _restricted(self) -> Self:
        if not (self.paths or self.hosts or self.methods):
            raise refusal("matches on nothing", "give it paths, hosts or methods")
        if "http" not in self.protocols:
            raise refusal("takes no http, and the gateway has no TLS yet", 'add "http" to its protocols')
        return self


class ServiceEntry(Entity):
    """An upstream that requests are forwarded to."""

    name: Name
    """The service's name, unique in the file."""
    url: ServiceUrl | None = None
    """protocol, host, port and path in one."""
    protocol: Literal["http", "https"] = "http"
    """How upstream is spoken to."""
    host: UpstreamHost | None = None
    """The host name or address of upstream."""
    port: Port | None = None
    """The port of upstream; the default is the protocol's own."""
    path: RoutePath | None = None
    """Stands before the path of every request."""
    connect_timeout: Milliseconds = 60_000
    """How long a connection may take, in milliseconds."""
    write_timeout: Milliseconds = 60_000
    """How long upstream may take between two reads of the request, in milliseconds."""
    read_timeout: Milliseconds = 60_000
    """How long upstream may take between two writes of the response, in milliseconds."""
    retries: Annotated[int, Field(ge=0, le=32767)] = 5
    """How often a failed connection is tried again."""
    enabled: bool = True
    """false takes the service and its routes out of the gateway."""
    routes: list[RouteEntry] = []
    """Which requests go to this service."""
    plugins: list[PluginEntry] = []
    """Plugins that run only for requests to this service."""

    @model_validator(mode="after")
    def _located(self) -> Self:
        given = [field for field in ("protocol", "host", "port", "path") if field in self.model_fields_set]
        if self.url is not None and given:
            raise refusal(f"has url and {given[0]}, which say the same", f"remove {given[0]} or url")
        if self.url is None and self.host is None:
            raise refusal("has no upstream", "give it a url, as in http://127.0.0.1:9001")
        return self


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


class Acl(Entity):
    """A group that the plugin acl allows or denies."""

    group: Text
    """The group's name."""


class Membership(BaseModel):
    """A consumer group that a consumer belongs to."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    name: Name
    """The group's name."""


class ConsumerEntry(Entity):
    """Somebody who calls."""

    username: Text | None = None
    """The consumer's name, unique in the file."""
    custom_id: Text | None = None
    """The name that some other system has for the consumer, unique in the file."""
    groups: list[Membership] = []
    """The consumer groups it belongs to."""
    keyauth_credentials: list[KeyauthCredential] = []
    """Keys for key-auth."""
    jwt_secrets: list[JwtSecret] = []
    """Issuers for jwt-auth."""
    basicauth_credentials: list[BasicauthCredential] = []
    """User names and passwords for basic-auth."""
    acls: list[Acl] = []
    """Groups for acl."""
    plugins: list[PluginEntry] = []
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
    plugins: list[PluginEntry] = []
    """Plugins that run only for requests of consumers in this group."""
