"""How an Envoy shows its certificate to workers on another machine, and whom it believes to be one."""

from ipaddress import ip_address

from outrider_envoy.render.plan import Section, WorkerTls, typed

_CONTEXT = "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext"


def transport_socket(tls: WorkerTls | None, endpoints: tuple[str, ...]) -> Section:
    """The `transport_socket` of a cluster of workers; empty for workers on the same machine."""
    if tls is None:
        return {}
    hosts = dict.fromkeys(str(ip_address(one.rpartition(":")[0].strip("[]"))) for one in endpoints)
    common = {
        # gRPC is HTTP/2, and the workers insist on being asked for it.
        "alpn_protocols": ["h2"],
        "tls_params": {"tls_minimum_protocol_version": "TLSv1_2", "tls_maximum_protocol_version": "TLSv1_3"},
        "tls_certificates": [
            {"certificate_chain": {"filename": tls.certificate}, "private_key": {"filename": tls.key}}
        ],
        "validation_context": {
            "trusted_ca": {"filename": tls.authority},
            # Who is signed by that authority, and is no worker, is not asked.
            "match_typed_subject_alt_names": [
                {"san_type": "IP_ADDRESS", "matcher": {"exact": host}} for host in hosts
            ],
        },
    }
    context = typed(_CONTEXT, common_tls_context=common)
    return {"transport_socket": {"name": "envoy.transport_sockets.tls", "typed_config": context}}
