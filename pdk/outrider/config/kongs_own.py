"""What only Kong has: plugins of its own, and the lists that belong to these. Kong gets them as they are written."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from outrider.config.where import Place


class KongsPlugin(NamedTuple):
    """One of Kong's own plugins, at its place in the file."""

    name: str
    place: Place
    fields: Mapping[str, Any]
    """All of its fields as they are written, references to secrets among them."""
    service: str | None
    route: str | None
    consumer: str | None
    group: str | None

    @property
    def guards(self) -> bool:
        """Whether a request that it would refuse gets through without it."""
        return self.name not in _WATCH

    @property
    def finds_consumers(self) -> bool:
        """Whether it finds out who calls."""
        return self.name in _AUTHENTICATE

    def runs_on(self, service: str, route: str) -> bool:
        """Whether it runs for requests on a route of a service, of some consumers at least."""
        return self.service in (None, service) and self.route in (None, route)

    @property
    def remedy(self) -> str:
        """What to do for another gateway."""
        known = _OURS.get(self.name) or _WATCH.get(self.name)
        return known or "write what it does as a plugin in Python, or remove it"


class KongsList(NamedTuple):
    """A list of entities that only Kong has, at the top of the file or under a consumer."""

    name: str
    place: Place
    items: Any
    consumer: str | None = None
    """The id of the consumer that it stands under."""


@dataclass(frozen=True, slots=True)
class KongsOwn:
    """All of it in one file."""

    plugins: tuple[KongsPlugin, ...] = ()
    lists: tuple[KongsList, ...] = field(default=(), repr=False)
    jwt_secrets: tuple[KongsList, ...] = field(default=(), repr=False)
    """Credentials of jwt-auth that Kong's jwt reads too, where the file has that plugin."""


def kongs_plugins(others: Iterable[str]) -> frozenset[str]:
    """The names of Kong's own plugins: those that come with it, and `others` that somebody has installed there."""
    installed = (name for name in others if displaced(name) is None)
    return frozenset((*_WATCH, *_OURS, *_GUARDS, *installed))


def displaced(name: str) -> str | None:
    """What to do about one of Kong's plugins whose place Outrider takes; None for any other name."""
    if name in ("pre-function", "post-function"):
        return "write what it does as a plugin in Python; behind Kong, Outrider's own function has its place"
    if name.startswith("outrider-"):
        return "write the plugins themselves; `render kong` writes the chain that runs them"
    return None


_OUR_LOG = "write gateway.log.access, or a plugin in Python with on_log"
_WATCH: Mapping[str, str] = {
    "datadog": "remove it, and collect the page at gateway.metrics",
    "file-log": "write gateway.log.access",
    "http-log": _OUR_LOG,
    "loggly": _OUR_LOG,
    "opentelemetry": "write tracing",
    "prometheus": "remove it, and collect the page at gateway.metrics",
    "statsd": "remove it, and collect the page at gateway.metrics",
    "syslog": _OUR_LOG,
    "tcp-log": _OUR_LOG,
    "udp-log": _OUR_LOG,
    "zipkin": "write tracing",
}
_OURS: Mapping[str, str] = {
    "jwt": "write jwt-auth",
    "oauth2": "write introspection-auth",
    "rate-limiting": "write rate-limit",
    "redirect": "write a plugin in Python that answers with the status and location",
    "request-size-limiting": "write request-size-limit",
    "request-transformer": "write request-transform",
    "response-ratelimiting": "write rate-limit with response_cost",
    "response-transformer": "write response-transform",
}
_AUTHENTICATE = frozenset(
    {
        *("hmac-auth", "jwt", "ldap-auth", "oauth2", "session"),
        *("header-cert-auth", "jwt-signer", "key-auth-enc", "ldap-auth-advanced", "oauth2-introspection"),
        *("openid-connect", "saml", "upstream-oauth", "vault-auth"),
    }
)
_GUARDS = frozenset(
    {
        *("acme", "ai-prompt-decorator", "ai-prompt-guard", "ai-prompt-template", "ai-proxy"),
        *("ai-request-transformer", "ai-response-transformer", "aws-lambda", "azure-functions", "bot-detection"),
        *("grpc-gateway", "grpc-web", "hmac-auth", "ldap-auth", "proxy-cache", "session"),
        "standard-webhooks",
    }
)
