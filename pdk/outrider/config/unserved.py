"""Fields that Kong has and Outrider does not serve yet: refused, because to ignore one could let requests through."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, cast


class Unserved(NamedTuple):
    """A field, which of its values change nothing (Kong and decK write them out), and what to do about others."""

    is_harmless: Callable[[Any], bool]
    remedy: str
    is_kongs_own: bool = False
    """Whether Kong gets it as it is written, since it belongs to what only Kong has."""


def _anything(_: Any) -> bool:
    return True


def _is_true(value: Any) -> bool:
    return value is True


def _unless(*harmless: Any) -> Callable[[Any], bool]:
    return lambda value: value in harmless


def _only_selects(value: Any) -> bool:
    """Whether decK goes by it only to find entities; `defaults` would change them."""
    given = cast("Mapping[str, Any]", value) if isinstance(value, dict) else {"": value}
    return all(name in ("select_tags", "default_lookup_tags") or not field for name, field in given.items())


def _is_for_http(value: Any) -> bool:
    """Whether a plugin runs for HTTP with and without TLS; gRPC and streams are routes of their own."""
    return isinstance(value, list) and {"http", "https"}.issubset(map(str, cast("Sequence[Any]", value)))


def _never(remedy: str) -> Unserved:
    return Unserved(_unless([], {}), remedy)


def _kongs(remedy: str) -> Unserved:
    return Unserved(_unless([], {}), remedy, is_kongs_own=True)


_NOTED: Mapping[str, Unserved] = dict.fromkeys(("created_at", "updated_at"), Unserved(_anything, "remove it"))


FIELDS: Mapping[str, Mapping[str, Unserved]] = {
    "file": {
        "_transform": Unserved(
            _is_true,
            "remove it, and write passwords anew: Kong's hashes are not read, but $argon2, $2b$ and sha256: are",
        ),
        "_workspace": Unserved(_unless("default"), "remove it; one file is one gateway"),
        "_konnect": _never("remove it; one file is one gateway"),
        "_info": Unserved(_only_selects, "keep only select_tags, and write defaults into each entity"),
        "_plugin_configs": _never("write the configuration into each plugin"),
        "vaults": _kongs("use {vault://env/NAME} or {vault://file/PATH}"),
        "keys": _kongs("name the keys in the plugin that uses them"),
        "key_sets": _kongs("name the keys in the plugin that uses them"),
        "partials": _never("write the fields into each plugin"),
        "filter_chains": _never("write the filter as a plugin"),
        "parameters": _never("remove it"),
        "keyauth_credentials": _never("write them under their consumer"),
        "jwt_secrets": _never("write them under their consumer"),
        "basicauth_credentials": _never("write them under their consumer"),
        "acls": _never("write them under their consumer"),
        "hmacauth_credentials": _kongs("remove them, with hmac-auth"),
        "oauth2_credentials": _kongs("remove them, with oauth2"),
        "mtls_auth_credentials": _never("write them under their consumer"),
    },
    "services": {
        "tls_sans": _never("remove it; upstream's certificate has to be for its host"),
    },
    "routes": {
        "sources": _never("remove it; it is for TCP and TLS routes"),
        "destinations": _never("remove it; it is for TCP and TLS routes"),
        "expression": _never("match on paths, hosts, methods, headers or snis"),
        "priority": Unserved(_unless(0), "remove it; it is for routes with an expression"),
    },
    "consumers": {
        "hmacauth_credentials": _kongs("remove them, with hmac-auth"),
        "oauth2_credentials": _kongs("remove them, with oauth2"),
    },
    "plugins": {
        "protocols": Unserved(_is_for_http, "remove it, or put the plugin on routes of these protocols"),
        "ordering": _never("remove it; a plugin's priority is its place"),
        "condition": _never("put the plugin on a route"),
        "partials": _never("write the fields into config"),
        "_config": _never("write the fields into config"),
    },
    "keyauth_credentials": {
        "ttl": Unserved(_unless(0), "remove it, or the credential once it has expired"),
    },
}
_TABLE = {kind: {**_NOTED, **fields} for kind, fields in FIELDS.items()}


def unserved(kind: str, fields: Mapping[str, Any]) -> Sequence[tuple[str, Unserved]]:
    """The fields of one entity that Kong has and Outrider does not."""
    table = _TABLE.get(kind, _NOTED)
    return [(name, table[name]) for name in fields if name in table]
