"""Fields that Kong has and Outrider does not serve yet: refused, because to ignore one could let requests through."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

_CERTIFICATES = "remove it; TLS comes with a later version"


class Unserved(NamedTuple):
    """A field with the values that change nothing (Kong writes them out), and what to do about others."""

    harmless: tuple[Any, ...]
    remedy: str


def _never(remedy: str) -> Unserved:
    return Unserved(([], {}), remedy)


_TABLE: Mapping[str, Mapping[str, Unserved]] = {
    "file": {
        "_transform": Unserved((True,), "remove it, and begin hashed secrets with $argon2, $2b$ or sha256:"),
        "_workspace": Unserved(("default",), "remove it; one file is one gateway"),
        "_info": _never("remove it"),
        "_plugin_configs": _never("write the configuration into each plugin"),
        "upstreams": _never("put the target's address into the service's url"),
        "targets": _never("put the target's address into the service's url"),
        "certificates": _never(_CERTIFICATES),
        "ca_certificates": _never(_CERTIFICATES),
        "snis": _never(_CERTIFICATES),
        "vaults": _never("use {vault://env/NAME} or {vault://file/PATH}"),
        "keys": _never("name the keys in the plugin that uses them"),
        "key_sets": _never("name the keys in the plugin that uses them"),
        "partials": _never("write the fields into each plugin"),
        "filter_chains": _never("write the filter as a plugin"),
        "parameters": _never("remove it"),
        "keyauth_credentials": _never("write them under their consumer"),
        "jwt_secrets": _never("write them under their consumer"),
        "basicauth_credentials": _never("write them under their consumer"),
        "acls": _never("write them under their consumer"),
        "hmacauth_credentials": _never("remove them; hmac-auth is not there"),
        "oauth2_credentials": _never("remove them; oauth2 is not there"),
        "mtls_auth_credentials": _never("remove them; mtls-auth is not there"),
    },
    "services": {
        "client_certificate": _never(_CERTIFICATES),
        "ca_certificates": _never(_CERTIFICATES),
        "tls_sans": _never(_CERTIFICATES),
        "tls_verify": Unserved((False,), _CERTIFICATES),
        "tls_verify_depth": _never(_CERTIFICATES),
    },
    "routes": {
        "headers": _never("match on paths, hosts or methods, or refuse the request in a plugin"),
        "snis": _never("match on hosts"),
        "sources": _never("match on paths, hosts or methods, or refuse the request in a plugin"),
        "destinations": _never("remove it; it is for TCP and TLS routes"),
        "regex_priority": Unserved((0,), "remove it; the longest path wins"),
        "path_handling": Unserved(("v0",), 'write "v0"'),
        "https_redirect_status_code": Unserved((426,), "remove it; the gateway listens without TLS"),
        "request_buffering": Unserved((True, False), "remove it"),
        "response_buffering": Unserved((True, False), "remove it"),
        "expression": _never("match on paths, hosts or methods"),
        "priority": _never("match on paths, hosts or methods"),
    },
    "consumers": {
        "hmacauth_credentials": _never("remove them; hmac-auth is not there"),
        "oauth2_credentials": _never("remove them; oauth2 is not there"),
        "mtls_auth_credentials": _never("remove them; mtls-auth is not there"),
    },
    "consumer_groups": {
        "consumers": _never("write groups: [{name: ...}] under each consumer"),
    },
    "plugins": {
        "protocols": Unserved(
            (["http", "https"], ["grpc", "grpcs", "http", "https"], ["http"]),
            "remove it, or disable the plugin",
        ),
        "ordering": _never("remove it; a plugin's priority is its place"),
        "condition": _never("put the plugin on a route"),
        "partials": _never("write the fields into config"),
    },
    "keyauth_credentials": {
        "ttl": Unserved((0,), "remove it, or the credential once it has expired"),
    },
}

_IN_ITS_PLACE = "write what it does as a plugin in Python; behind Kong, Outrider's own function has its place"
_KONGS_OWN = "it is Kong's own: add it to your Kong's configuration, `outrider render kong` writes only Outrider's"
_KONGS_PLUGINS = frozenset(
    {
        "acme",
        "ai-prompt-decorator",
        "ai-prompt-guard",
        "ai-prompt-template",
        "ai-proxy",
        "ai-request-transformer",
        "ai-response-transformer",
        "aws-lambda",
        "azure-functions",
        "bot-detection",
        "datadog",
        "file-log",
        "grpc-gateway",
        "grpc-web",
        "hmac-auth",
        "http-log",
        "ldap-auth",
        "loggly",
        "oauth2",
        "prometheus",
        "proxy-cache",
        "redirect",
        "response-ratelimiting",
        "session",
        "standard-webhooks",
        "statsd",
        "syslog",
        "tcp-log",
        "udp-log",
    }
)


def unserved_plugin(name: str) -> str | None:
    """What to do about a plugin that Kong has and Outrider has not; None for any other name."""
    if name in ("pre-function", "post-function"):
        return _IN_ITS_PLACE
    return _KONGS_OWN if name in _KONGS_PLUGINS else None


def unserved(kind: str, fields: Mapping[str, Any]) -> Iterator[tuple[str, Unserved]]:
    """The fields of one entity that Kong has and Outrider does not."""
    table = _TABLE.get(kind, {})
    return ((name, table[name]) for name in fields if name in table)
