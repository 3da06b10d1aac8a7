"""kong.client: who asks; and kong.ip."""

from uuid import UUID

from outrider_kong.stand_in.exchange import Exchange
from outrider_kong.stand_in.pdk.arguments import string
from outrider_kong.stand_in.pdk.registry import ACCESS, AUTHENTICATED, LuaError, offer
from outrider_kong.stand_in.values import Value, lua


@offer("kong.client.get_ip")
def get_ip(exchange: Exchange) -> Value:
    return exchange.request.peer.encode()


@offer("kong.client.get_forwarded_ip")
def get_forwarded_ip(exchange: Exchange) -> Value:
    return exchange.request.address.encode()


@offer("kong.client.get_port")
def get_port(exchange: Exchange) -> Value:
    return exchange.request.port


@offer("kong.client.get_forwarded_port")
def get_forwarded_port(exchange: Exchange) -> Value:
    return exchange.request.port


@offer("kong.client.get_protocol", AUTHENTICATED)
def get_protocol(exchange: Exchange, allow_terminated: Value) -> Value:
    if exchange.route is None:
        return None
    protocols = exchange.route.strings("protocols")
    if len(protocols) == 1:
        return protocols[0].encode()
    forwarded = exchange.request.headers.get(b"x-forwarded-proto")
    believed = allow_terminated and forwarded and exchange.node.trusts(exchange.request.peer)
    return forwarded.lower() if believed and forwarded else exchange.request.scheme.encode()


@offer("kong.client.get_consumer", AUTHENTICATED, timer=True)
def get_consumer(exchange: Exchange) -> Value:
    return exchange.consumer


@offer("kong.client.get_credential", AUTHENTICATED, timer=True)
def get_credential(exchange: Exchange) -> Value:
    return exchange.credential


@offer("kong.client.load_consumer", AUTHENTICATED, timer=True)
def load_consumer(exchange: Exchange, consumer_id: Value, search_by_username: Value) -> Value:
    key = string(consumer_id, "consumer_id").decode("utf-8", "surrogateescape")
    if not _is_uuid(key) and not search_by_username:
        raise LuaError("cannot load a consumer with an id that is not a uuid")
    found = exchange.node.consumer(key, by_username=bool(search_by_username))
    return lua(found.table) if found else None


@offer("kong.client.authenticate", ACCESS)
def authenticate(exchange: Exchange, consumer: Value, credential: Value) -> Value:
    for what, value in (("consumer", consumer), ("credential", credential)):
        if value is not None and not isinstance(value, dict):
            raise LuaError(f"{what} must be a table or nil")
    if consumer is None and credential is None:
        raise LuaError("either credential or consumer must be provided")
    exchange.consumer = consumer
    exchange.credential = credential


@offer("kong.ip.is_trusted", timer=True)
def is_trusted(exchange: Exchange, address: Value) -> Value:
    return exchange.node.trusts(string(address, "ip").decode())


def _is_uuid(text: str) -> bool:
    try:
        return str(UUID(text)) == text.lower()
    except ValueError:
        return False
