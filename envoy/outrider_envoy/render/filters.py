"""The HTTP filters that lead to the plugin workers, and what each route says to them."""

from collections.abc import Iterable
from functools import lru_cache

from google.protobuf.json_format import MessageToDict

from outrider.chain import Chain
from outrider.needs import PEER
from outrider_envoy.ext_authz import BODY_KEY, WHOLE
from outrider_envoy.limits import BODY_LIMIT
from outrider_envoy.marks import NAMESPACE
from outrider_envoy.modes import processing_mode
from outrider_envoy.proto.ext_proc_pb2 import ProcessingMode
from outrider_envoy.render.clusters import WORKERS, team, workers_cluster
from outrider_envoy.render.plan import Plan, Section, seconds, typed
from outrider_envoy.render.proxies import client_metadata
from outrider_envoy.selection import PATH_KEY, PEER_KEY, ROUTE_KEY

EXT_PROC = "envoy.filters.http.ext_proc"
EXT_AUTHZ = "envoy.filters.http.ext_authz"

BUFFER_LIMIT = {"per_connection_buffer_limit_bytes": BODY_LIMIT}
"""What a listener sets for a whole body to find room."""

# ext_authz holds it whatever the connection's own buffer limit is, and answers 413 to a larger one.
_WHOLE_BODY = {"max_request_bytes": BODY_LIMIT, "allow_partial_message": False, "pack_as_bytes": True}
_MARGIN = 0.5  # seconds; our own 503 comes before Envoy's 504


def plugin_filter(plan: Plan) -> Section:
    """The filter that asks the workers, by the protocol of the file."""
    return _ext_proc(plan) if plan.configuration.gateway.protocol == "ext_proc" else _ext_authz(plan)


def filter_name(plan: Plan) -> str:
    """The name under which routes talk to the filter."""
    return EXT_PROC if plan.configuration.gateway.protocol == "ext_proc" else EXT_AUTHZ


def route_filter(plan: Plan, chain: Chain | None) -> Section:
    """What one route says to the filter: which chain it has, or that it has no plugin."""
    ext_proc = plan.configuration.gateway.protocol == "ext_proc"
    kind = "ext_proc.v3.ExtProcPerRoute" if ext_proc else "ext_authz.v3.ExtAuthzPerRoute"
    if chain is None or not chain.slots:
        fields: Section = {"disabled": True}
    elif ext_proc:
        fields = {"overrides": _overrides(plan, chain)}
    else:
        fields = {"check_settings": _check_settings(plan, chain)}
    return typed(f"envoy.extensions.filters.http.{kind}", **fields)


def message_timeout(plan: Plan) -> float:
    """How long Envoy waits for one answer, in seconds: for any chain, and for the queue before it."""
    queue = plan.configuration.gateway.queue_budget / 1000
    return queue + max((chain.budget for chain in plan.chains.values()), default=0.0) + _MARGIN


def _ext_proc(plan: Plan) -> Section:
    client = any("client" in chain.facts for chain in plan.chains.values())
    config = typed(
        "envoy.extensions.filters.http.ext_proc.v3.ExternalProcessor",
        grpc_service=_grpc_service(plan, _usual(plan), ()),
        failure_mode_allow=False,
        message_timeout=seconds(message_timeout(plan)),
        processing_mode={"request_header_mode": "SEND", "response_header_mode": "SKIP"},
        mutation_rules=_mutation_rules(plan),
        route_cache_action="RETAIN",
        metadata_options={"receiving_namespaces": {"untyped": [NAMESPACE]}},
        # The answer to a header message says how much of the body its chain wants.
        **({"allow_mode_override": True} if plan.wants_bodies or plan.is_live else {}),
        **({"request_attributes": ["source.address"]} if client else {}),
    )
    return {"name": EXT_PROC, "typed_config": config}


def _mutation_rules(plan: Plan) -> Section:
    # What Envoy would not do is an error, not a silence.
    rules: Section = {"disallow_is_error": True}
    if plan.is_live or any("method" in chain.rewrites for chain in plan.chains.values()):
        return rules | {"allow_expression": {"regex": ":method"}}
    return rules


def _overrides(plan: Plan, chain: Chain) -> Section:
    told = [{"key": key, "value": value} for key, value in _told(plan, chain).items()]
    return {
        "processing_mode": _in_json(processing_mode(chain).SerializeToString()),
        "grpc_initial_metadata": [*told, *_peer([chain])],
    }


def _told(plan: Plan, chain: Chain) -> dict[str, str]:
    """What the workers are told of a route."""
    marks = {PATH_KEY: "marked"} if plan.has_routes and "path" in chain.rewrites else {}
    return {ROUTE_KEY: chain.route.name} | marks


def _peer(chains: Iterable[Chain]) -> list[Section]:
    """The metadata with the client's certificate, where one of the chains looks at it."""
    # Envoy's own attributes have only the first name of each kind. Without a certificate there is no metadata.
    told = {"key": PEER_KEY, "value": "%DOWNSTREAM_PEER_CERT%"}
    return [told] if any(PEER in chain.facts for chain in chains) else []


@lru_cache(maxsize=64)
def _in_json(mode: bytes) -> Section:
    # Thousands of routes have a few modes between them.
    message = ProcessingMode.FromString(mode)
    return MessageToDict(message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)


def _ext_authz(plan: Plan) -> Section:
    config = typed(
        "envoy.extensions.filters.http.ext_authz.v3.ExtAuthz",
        transport_api_version="V3",
        # Where a file may change the routes say it, each for itself.
        grpc_service=_grpc_service(plan, _usual(plan), () if plan.is_live else plan.chains.values()),
        failure_mode_allow=False,
        encode_raw_headers=True,
        clear_route_cache=False,
        status_on_error={"code": "InternalServerError"},
        **({"with_request_body": _WHOLE_BODY} if _may_hold(plan) else {}),
    )
    return {"name": EXT_AUTHZ, "typed_config": config}


def _check_settings(plan: Plan, chain: Chain) -> Section:
    reads = "on_request_body" in chain.hooks
    settings: Section = {"context_extensions": _told(plan, chain) | ({BODY_KEY: WHOLE} if reads else {})}
    if plan.is_live:
        # What all routes say together is not joined with what one says, as it is for ext_proc.
        settings["grpc_service"] = _grpc_service(plan, workers_cluster(plan), [chain])
    return settings | ({"disable_request_body_buffering": True} if _may_hold(plan) and not reads else {})


def _may_hold(plan: Plan) -> bool:
    """Whether a route may want the whole body: a listener outlives the file that it was made for."""
    return plan.holds_bodies or plan.is_live


def _usual(plan: Plan) -> str:
    """Whom a listener asks where no route says more: the same in every version of a file."""
    return team(min(plan.teams)) if plan.teams else WORKERS


def grpc_service(plan: Plan) -> Section:
    """How the workers that serve are asked, for the routes of an Envoy that outlives them."""
    return _grpc_service(plan, workers_cluster(plan), ())


def _grpc_service(plan: Plan, cluster: str, chains: Iterable[Chain]) -> Section:
    """`chains` are those that the service is asked for, where it alone can say what they need."""
    protocol: Section = {}
    if plan.configuration.gateway.protocol == "ext_authz":
        protocol = {"timeout": seconds(message_timeout(plan))}
        if metadata := [*client_metadata(plan), *_peer(chains)]:
            protocol["initial_metadata"] = metadata
    # Envoy takes max_interval for the time-out of a try, too. The back-off starts at the base and stays near it.
    back_off = {"base_interval": "0.001s", "max_interval": seconds(message_timeout(plan))}
    return {
        "envoy_grpc": {"cluster_name": cluster},
        **protocol,
        # Only what happens before the chain ran may be tried again; the default back-off is up to a second.
        "retry_policy": {"num_retries": 3, "retry_on": "connect-failure,refused-stream", "retry_back_off": back_off},
    }
