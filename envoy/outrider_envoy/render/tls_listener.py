"""Envoy's listener with TLS: which certificate is shown for which server name, and which of clients' are believed."""

from collections.abc import Iterator
from hashlib import sha256

from outrider.config.certificates import Certificate
from outrider.config.downstream_tls import DownstreamTls
from outrider_envoy.render.listener import filter_chain, listener, managers, on
from outrider_envoy.render.plan import Plan, Section, typed
from outrider_envoy.render.proxies import trusted_ranges
from outrider_envoy.render.upstream_tls import source

_CONTEXT = "envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext"
_INSPECTOR = "envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector"
_PATIENCE = "10s"
"""How long a handshake may take."""


def listeners(plan: Plan) -> list[Section]:
    """All listeners of a plan."""
    tls = plan.configuration.tls
    return [listener(plan), *([tls_listener(plan, tls)] if tls is not None else ())]


def tls_listener(plan: Plan, tls: DownstreamTls) -> Section:
    """The one on the address of `gateway.tls.listen`: the same as the one without TLS, behind a handshake.

    A server name that no certificate has, or none at all, meets no filter chain: the connection is closed.
    """
    strangers, proxies = managers(plan, tls=True)
    chains = list(_filter_chains(tls, strangers, "", {}))
    if proxies is not None:
        behind = {"direct_source_prefix_ranges": trusted_ranges(plan)}
        chains += _filter_chains(tls, proxies, " of trusted proxies", behind)
    return {
        # Envoy takes a listener with another address for another one: it has another name.
        **on(plan, f"outrider_tls {tls.listen}", tls.listen),
        "listener_filters": [{"name": "envoy.filters.listener.tls_inspector", "typed_config": typed(_INSPECTOR)}],
        "filter_chains": chains,
    }


def _filter_chains(tls: DownstreamTls, manager: Section, suffix: str, match: Section) -> Iterator[Section]:
    for certificate in tls.certificates:
        socket = {"name": "envoy.transport_sockets.tls", "typed_config": _context(tls, certificate)}
        for names in _server_names(certificate):
            yield {
                "name": f"{_name(certificate)}{'' if names else ' *'}{suffix}",
                "filter_chain_match": {**names, **match},
                **filter_chain(manager),
                "transport_socket": socket,
                "transport_socket_connect_timeout": _PATIENCE,
            }


def _name(certificate: Certificate) -> str:
    # Another certificate is another filter chain, also where it is read from a place that has not changed.
    texts = "".join(cert.text for cert, _ in certificate.pairs)
    return f"{certificate.id} {sha256(texts.encode()).hexdigest()[:16]}"


def _server_names(certificate: Certificate) -> Iterator[Section]:
    if names := [name for name in certificate.snis if name != "*"]:
        yield {"server_names": names}
    if "*" in certificate.snis:
        # Whatever no other chain has, and no name at all.
        yield {}


def _context(tls: DownstreamTls, certificate: Certificate) -> Section:
    common: Section = {
        "alpn_protocols": ["h2", "http/1.1"],
        "tls_params": {
            "tls_minimum_protocol_version": f"TLSv{tls.minimum.replace('.', '_')}",
            "tls_maximum_protocol_version": "TLSv1_3",
        },
        "tls_certificates": [
            {"certificate_chain": source(cert), "private_key": source(key)} for cert, key in certificate.pairs
        ],
    }
    if tls.client_certificates != "none":
        texts = "".join(f"{one.cert.text.strip()}\n" for one in tls.authorities)
        common["validation_context"] = {"trusted_ca": {"inline_string": texts}}
    required = tls.client_certificates == "required"
    return typed(_CONTEXT, common_tls_context=common, require_client_certificate=required)
