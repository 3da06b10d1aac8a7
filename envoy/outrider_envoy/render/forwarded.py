"""What upstream is told about the request as downstream sent it: x-forwarded-* and x-real-ip, as Kong does.

Envoy itself writes x-forwarded-for and x-forwarded-proto. A trusted proxy's word is kept.
"""

from outrider_envoy.render.plan import Section, typed

SNI_HEADER = "x-outrider-sni"
"""Where a listener with TLS notes `sni:` and the name that TLS asked for, for routes with snis."""

_PROXIES_WORD = ("x-forwarded-host", "x-forwarded-path", "x-forwarded-port", "x-forwarded-prefix")
_NAMESPACE = "outrider.forwarded"
HOST = f"%DYNAMIC_METADATA({_NAMESPACE}:host)%"
"""The host that downstream asked for, without its port."""


def early_mutations(*, trusted: bool, tls: bool = False) -> list[Section]:
    """The `HeaderMutation`s of a listener before anything else: what downstream may not say itself."""
    removed = ("x-real-ip", SNI_HEADER, *(() if trusted else _PROXIES_WORD))
    noted = {"header": {"key": SNI_HEADER, "value": "sni:%REQUESTED_SERVER_NAME%"}}
    return [*({"remove": name} for name in removed), *([{"append": noted}] if tls else ())]


def host_filter() -> Section:
    """The filter that notes the host: none of Envoy's own words for it leaves the port out."""
    rule = {
        "header": ":authority",
        "on_header_present": {
            "metadata_namespace": _NAMESPACE,
            "key": "host",
            "regex_value_rewrite": {"pattern": {"regex": ":[0-9]*$"}, "substitution": ""},
        },
    }
    kind = "envoy.extensions.filters.http.header_to_metadata.v3.Config"
    return {"name": "envoy.filters.http.header_to_metadata", "typed_config": typed(kind, request_rules=[rule])}


def forwarded() -> list[Section]:
    """The `request_headers_to_add` of all routes."""
    return [
        told("x-forwarded-host", HOST),
        told("x-forwarded-path", "%PATH(NQ:PATH)%"),
        told("x-forwarded-port", "%DOWNSTREAM_LOCAL_PORT%"),
        told("x-real-ip", "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%"),
    ]


def forwarded_prefix(prefix: str | None) -> Section:
    """The field of a route that takes something off the path."""
    if prefix is None:
        return {}
    return {"request_headers_to_add": [told("x-forwarded-prefix", prefix.replace("%", "%%"))]}


def told(name: str, value: str) -> Section:
    """A header for upstream, unless it is there already."""
    return {"header": {"key": name, "value": value}, "append_action": "ADD_IF_ABSENT"}
