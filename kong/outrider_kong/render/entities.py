"""Kong's declarative configuration: services with their routes, consumers, and the plugins that run our chains."""

from collections import defaultdict

from outrider.consumer import Consumer
from outrider_kong.render import guard
from outrider_kong.render.certificates import authority_entities, certificate_entities
from outrider_kong.render.fields import without_nothing
from outrider_kong.render.functions import post_function, pre_function
from outrider_kong.render.kongs_own import lists, plugin_entity
from outrider_kong.render.plan import Plan, Section
from outrider_kong.render.routes import route_entity
from outrider_kong.render.services import service_entity
from outrider_kong.render.upstreams import upstream_entities


def kong_yml(plan: Plan) -> Section:
    """The whole configuration, without any secret: credentials and plugins' fields stay in the file."""
    configuration = plan.configuration
    routes: dict[str, list[Section]] = defaultdict(list)
    for route in configuration.routes:
        routes[route.service.name].append(route_entity(plan, route))
    return {
        "_format_version": "3.0",
        "services": [service_entity(service, routes[service.name]) for service in configuration.services],
        **without_nothing(
            upstreams=upstream_entities(plan),
            certificates=list(certificate_entities(configuration)),
            ca_certificates=list(authority_entities(configuration)),
        ),
        **lists(configuration, None),
        "consumers": [
            _consumer(consumer) | lists(configuration, consumer.id) for consumer in configuration.consumers
        ],
        "plugins": [
            *(plugin_entity(one) for one in configuration.kongs_own.plugins),
            {
                "name": "pre-function",
                "config": {"access": [pre_function(plan.identity_headers), *guard.before(plan)]},
            },
            {"name": "post-function", "config": _post_functions(plan)},
        ],
    }


def _post_functions(plan: Plan) -> Section:
    return without_nothing(access=guard.behind(plan), header_filter=[post_function(), *guard.on_response(plan)])


def _consumer(consumer: Consumer) -> Section:
    return without_nothing(
        id=consumer.id, username=consumer.username, custom_id=consumer.custom_id, tags=list(consumer.tags)
    )
