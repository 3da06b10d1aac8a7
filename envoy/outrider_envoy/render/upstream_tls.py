"""TLS to upstream: what is shown, which name is asked for, and who is believed."""

from outrider.config import Service
from outrider.config.certificates import Authority, Pem
from outrider.config.entities.health import Active
from outrider.config.field_types import is_address
from outrider_envoy.authorities import system_authorities
from outrider_envoy.render.endpoints import targets_of
from outrider_envoy.render.health_checks import MARK, active_checks, has_own_socket, is_over_tls
from outrider_envoy.render.plan import Plan, Section, typed

_CONTEXT = "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext"
_PLAIN = "envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer"


def needs_names_of_requests(service: Service, *, preserves_host: bool) -> bool:
    """Whether upstream is asked for the host of the request, which is known only when there is one."""
    return service.has_tls and preserves_host


def transport_sockets(plan: Plan, service: Service, *, preserves_host: bool) -> Section:
    """The `transport_socket` of a service's cluster, and that of its health checks where it is another."""
    found: Section = {}
    if service.has_tls:
        found["transport_socket"] = _of_requests(plan, service, preserves_host=preserves_host)
    active = active_checks(service)
    if active is not None and has_own_socket(service, active):
        socket = _of_checks(plan, service, active) if is_over_tls(active) else _plain()
        found["transport_socket_matches"] = [
            {"name": "health_checks", "match": {MARK: True}, "transport_socket": socket}
        ]
    return found


def _of_requests(plan: Plan, service: Service, *, preserves_host: bool) -> Section:
    verified = bool(service.tls_verify)
    if needs_names_of_requests(service, preserves_host=preserves_host):
        return _socket(service, {}, {}, verified=verified)
    return _socket_named(plan, service, service.server_name, verified=verified)


def _of_checks(plan: Plan, service: Service, active: Active) -> Section:
    name = active.https_sni or service.server_name
    return _socket_named(plan, service, name, verified=active.https_verify_certificate)


def _socket_named(plan: Plan, service: Service, name: str | None, *, verified: bool) -> Section:
    if name is None:
        return _socket(service, _names_of_targets(plan, service, verified=verified), {}, verified=verified)
    return _socket(service, _naming(name), _sans(name), verified=verified)


def _naming(name: str) -> Section:
    # RFC 6066, section 3: an address is no server name.
    return {} if is_address(name) else {"sni": name}


def _names_of_targets(plan: Plan, service: Service, *, verified: bool) -> Section:
    if not verified and all(target.is_address for target in targets_of(plan, service)):
        return {}
    return {"auto_host_sni": True, **({"auto_sni_san_validation": True} if verified else {})}


def _sans(name: str) -> Section:
    kind = "IP_ADDRESS" if is_address(name) else "DNS"
    return {"match_typed_subject_alt_names": [{"san_type": kind, "matcher": {"exact": name}}]}


def _socket(service: Service, naming: Section, sans: Section, *, verified: bool) -> Section:
    common: Section = {
        "alpn_protocols": ["h2" if service.is_grpc else "http/1.1"],
        "tls_params": {"tls_minimum_protocol_version": "TLSv1_2", "tls_maximum_protocol_version": "TLSv1_3"},
    }
    if service.client_certificate is not None:
        shown = service.client_certificate
        common["tls_certificates"] = [
            {"certificate_chain": source(shown.cert), "private_key": source(shown.key)},
        ]
    if verified:
        common["validation_context"] = {**_trust(service), **sans}
    context = typed(_CONTEXT, **naming, common_tls_context=common)
    return {"name": "envoy.transport_sockets.tls", "typed_config": context}


def _trust(service: Service) -> Section:
    depth = {} if service.tls_verify_depth is None else {"max_verify_depth": service.tls_verify_depth}
    return {"trusted_ca": _believed(service.authorities), **depth}


def _believed(authorities: tuple[Authority, ...]) -> Section:
    if authorities:
        return {"inline_string": "\n".join(one.cert.text.strip() for one in authorities) + "\n"}
    # Without such a file the configuration was refused.
    return {"filename": str(system_authorities())}


def source(pem: Pem) -> Section:
    """Envoy's `DataSource`: the place where a text stands outside the file, so that nobody sees a key here."""
    if pem.variable is not None:
        return {"environment_variable": pem.variable}
    return {"filename": str(pem.path)} if pem.path is not None else {"inline_string": pem.text}


def _plain() -> Section:
    return {"name": "envoy.transport_sockets.raw_buffer", "typed_config": typed(_PLAIN)}
