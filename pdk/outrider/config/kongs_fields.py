"""Fields of Kong's in plugins that both have: what to write in their place."""

from collections.abc import Mapping

_NOTHING: Mapping[str, str] = {}
_HIDE = "write hide"
_REALM = "remove it, the challenge has a realm of its own"
_PREFLIGHT = "remove it, the plugin cors answers preflights before this one runs"
_FIELDS: Mapping[str, Mapping[str, str]] = {
    "acl": {
        "always_use_authenticated_groups": "remove it, groups of a token count too: name their claim in claim",
        "include_consumer_groups": "remove it, and write acls under the consumer",
    },
    "basic-auth": {"hide_credentials": _HIDE, "realm": _REALM, "brute_force_protection": "remove it"},
    "correlation-id": {
        "header_name": "write header",
        "echo_downstream": "write echo, whose default is true here",
        "generator": "remove it, every id is a random UUID",
    },
    "cors": {
        "preflight_continue": "remove it, preflights are always answered here",
        "private_network": "remove it",
        "allow_origin_absent": "remove it",
    },
    "ip-restriction": {"whitelist": "write allow", "blacklist": "write deny"},
    "key-auth": {
        "key_names": "write one name as header, query or cookie",
        "key_in_header": "write header, or header: null for false",
        "key_in_query": "write query: with the name of the parameter",
        "key_in_body": "remove it, keys are not looked for in bodies",
        "hide_credentials": _HIDE,
        "run_on_preflight": _PREFLIGHT,
        "realm": _REALM,
        "identity_realms": "remove it",
    },
    "request-termination": {
        "status_code": "write status",
        "echo": "remove it, what downstream sent is not sent back",
    },
}


def kongs_fields(plugin: str) -> Mapping[str, str]:
    """By the name of a field that only Kong's plugin has: the remedy."""
    return _FIELDS.get(plugin, _NOTHING)
