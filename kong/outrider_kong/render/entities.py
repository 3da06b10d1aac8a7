"""Kong's declarative configuration: services with their routes, consumers, and the plugins that run our chains."""

from collections import defaultdict
from ipaddress import ip_address

from outrider.config import Route, Service
from outrider.consumer import Consumer
from outrider_kong.render import guard
from outrider_kong.render.functions import post_function, pre_function
from outrider_kong.render.plan import Plan, Section


def kong_yml(plan: Plan) -> Section:
    """The whole configuration, without any secret: credentials and plugins' fields stay in the file."""
    configuration = plan.configuration
    routes: dict[str, list[Section]] = defaultdict(list)
    for route in configuration.routes:
        routes[route.service.name].append(_route(plan, route))
    return {
        "_format_version": "3.0",
        "services": [_service(service, routes[service.name]) for service in configuration.services],
        "consumers": [_consumer(consumer) for consumer in configuration.consumers],
        "plugins": [
            {
                "name": "pre-function",
                "config": {"access": [pre_function(plan.identity_headers), *guard.before(plan)]},
            },
            {"name": "post-function", "config": _post_functions(plan)},
        ],
    }


def _post_functions(plan: Plan) -> Section:
    return _without_nothing(access=guard.behind(plan), header_filter=[post_function(), *guard.on_response(plan)])


def _service(service: Service, routes: list[Section]) -> Section:
    return _without_nothing(
        name=service.name,
        id=service.id,
        protocol=service.protocol,
        host=_host(service.host),
        port=service.port,
        path=service.path,
        connect_timeout=service.connect_timeout,
        write_timeout=service.write_timeout,
        read_timeout=service.read_timeout,
        retries=service.retries,
        tags=list(service.tags),
        routes=routes,
    )


def _host(host: str) -> str:
    """An IPv6 address in brackets: nginx takes what stands before the first colon for the host."""
    if ":" not in host:
        return host
    # Kong knows none with an IPv4 address inside.
    return f"[{ip_address(host).exploded if '.' in host else host}]"


def _route(plan: Plan, route: Route) -> Section:
    chain = plan.chain_name(route.name)
    return _without_nothing(
        name=route.name,
        id=route.id,
        paths=list(route.paths),
        hosts=list(route.hosts),
        methods=list(route.methods),
        strip_path=route.strip_path,
        preserve_host=route.preserve_host,
        protocols=["http", "https"],
        tags=list(route.tags),
        plugins=[{"name": chain, "config": {"route": route.name}}] if chain else None,
    )


def _consumer(consumer: Consumer) -> Section:
    return _without_nothing(
        id=consumer.id, username=consumer.username, custom_id=consumer.custom_id, tags=list(consumer.tags)
    )


def _without_nothing(**fields: object) -> Section:
    return {name: value for name, value in fields.items() if value is not None and value != []}
