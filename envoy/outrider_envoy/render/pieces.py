"""What an Envoy of somebody else's needs, piece by piece: the same that `bootstrap` is made of."""

from dataclasses import dataclass, replace
from typing import Any

from outrider_envoy.render.clusters import workers
from outrider_envoy.render.filters import BUFFER_LIMIT
from outrider_envoy.render.listener import needed_of_manager, needed_of_proxies, plugin_filters
from outrider_envoy.render.plan import Plan
from outrider_envoy.render.routes import for_filters


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of Envoy's configuration: a name, where it goes, and why."""

    name: str
    comment: str
    content: Any


def pieces(plan: Plan) -> list[Piece]:
    """Everything but the clusters of the services and where a route leads: these are the owner's."""
    plan = replace(plan, has_routes=False)
    limit = [Piece("buffer_limit", _BUFFERS, BUFFER_LIMIT)] if plan.holds_bodies else []
    proxies = [Piece("behind_trusted_proxies", _PROXIES, found)] if (found := needed_of_proxies(plan)) else []
    return [
        Piece("http_connection_manager", _MANAGER, needed_of_manager(plan)),
        *proxies,
        Piece("http_filters", _FILTERS, plugin_filters(plan)),
        Piece("routes", _ROUTES, {name: for_filters(plan, chain) for name, chain in plan.chains.items()}),
        Piece("other_routes", _OTHER, for_filters(plan, None)),
        *limit,
        Piece("clusters", _CLUSTERS, [workers(plan.workers, tls=plan.worker_tls)]),
    ]


_MANAGER = """
Into the typed_config of your HttpConnectionManager.
normalize_path, merge_slashes, path_with_escaped_slashes_action: without one spelling of each path, a route that
protects /admin is passed by //admin, /open/../admin, /%61dmin and /open/..%2fadmin.
headers_with_underscores_action: many servers read x_consumer_id as x-consumer-id.
use_remote_address: else the client's address is what the client says in x-forwarded-for.
early_header_mutation_extensions: nobody but a plugin says who calls, on routes without plugins either.
Never set clear_route_cache in another filter: a request would choose another route after its plugins ran.
"""
_PROXIES = """
A second filter chain of the listener, for the connections of gateway.trusted_ips only: this match, and these settings
in place of those above in a HttpConnectionManager that is else the same. Only there x-forwarded-for is believed.
"""
_FILTERS = """
Into http_filters, in this order, before the router; a filter of yours that changes the path or removes headers goes
before them. The first asks the workers. The second (rbac) refuses what no worker decided on: Envoy lets a request
through where the stream ends without an answer, whatever failure_mode_allow says. The third (header_mutation, where a
plugin has reply headers) puts them on whatever answers.
"""
_ROUTES = """
By the name of the route in the file: into the typed_per_filter_config of the route (or routes) of yours that it is.
outrider-route names the chain of plugins; a name that the file does not have is refused. Give each route of yours one
of these or other_routes: on a route with neither, host and path choose the chain (404 where they find none), and its
plugins act on the request's headers only, as the filter sends nothing else by itself.
"""
_OTHER = """
Into the typed_per_filter_config of each route of yours that is to run no plugins.
"""
_BUFFERS = """
Into the listener: the largest body that is read whole, in bytes.
"""
_CLUSTERS = """
Into static_resources.clusters. One endpoint for each worker; with all of them down, nothing passes.
"""
