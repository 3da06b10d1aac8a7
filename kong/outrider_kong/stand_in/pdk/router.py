"""kong.router: the route and the service of the request."""

from outrider_kong.stand_in.exchange import Exchange
from outrider_kong.stand_in.pdk.registry import AUTHENTICATED, offer
from outrider_kong.stand_in.values import Value, lua


@offer("kong.router.get_route", AUTHENTICATED, timer=True)
def get_route(exchange: Exchange) -> Value:
    return lua(exchange.route.table) if exchange.route else None


@offer("kong.router.get_service", AUTHENTICATED, timer=True)
def get_service(exchange: Exchange) -> Value:
    return lua(exchange.service.table) if exchange.service else None
