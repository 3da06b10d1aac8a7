"""A request's way through Kong's phases: rewrite, access, upstream, response, header_filter, log."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Coroutine
from typing import Any, Protocol

from outrider_kong.stand_in.configured import Configured
from outrider_kong.stand_in.downstream import BrokenError, Downstream
from outrider_kong.stand_in.exchange import Exchange, Matched, Reply, Target
from outrider_kong.stand_in.forwarding import SERVER
from outrider_kong.stand_in.headers import Headers
from outrider_kong.stand_in.pdk import ExitError, LuaError, call
from outrider_kong.stand_in.plugins import Handler, Known, Table
from outrider_kong.stand_in.protocols import mismatch
from outrider_kong.stand_in.remote import Context
from outrider_kong.stand_in.replies import gateway_error, send, unexpected
from outrider_kong.stand_in.router import Router
from outrider_kong.stand_in.upstream import Upstream, UpstreamError
from outrider_kong.stand_in.uri import escape

LOG = logging.getLogger("kong")
GONE = 499
# Fields of which nginx keeps one: upstream's takes the place of one that was set in access.
SINGLE = frozenset({b"content-type", b"content-length", b"last-modified"})


class Surroundings(Protocol):
    """What a worker has for every request."""

    @property
    def table(self) -> Table: ...
    @property
    def router(self) -> Router: ...
    def handler(self, name: str) -> Handler: ...
    def spawn(self, work: Coroutine[Any, Any, None]) -> None: ...


class GoneError(Exception):
    """Downstream left: nothing is sent, and the log says 499."""


class Body:
    """The body that downstream still sends, for the event that asks for it."""

    def __init__(self, exchange: Exchange, downstream: Downstream) -> None:
        self._exchange = exchange
        self._downstream = downstream

    async def read_body(self) -> None:
        await self._downstream.read_body(self._exchange)


class Passage:
    """One request, from its head to its log events."""

    def __init__(self, exchange: Exchange, downstream: Downstream, around: Surroundings) -> None:
        self._exchange = exchange
        self._downstream = downstream
        self._around = around
        self._context = Context(exchange, Body(exchange, downstream))
        self._collected: list[tuple[Known, Configured]] = []
        self._upstream: Upstream | None = None

    async def run(self) -> None:
        """Answers downstream; the log events run on their own after that."""
        exchange = self._exchange
        try:
            stream = await self._answer()
            await self._header_filter()
            await self._downstream.respond(exchange, stream)
        except (GoneError, OSError):
            exchange.reply.status = exchange.reply.status or GONE
        finally:
            self._end()

    async def _answer(self) -> AsyncIterator[bytes] | None:
        """Fills in the reply; what is left to be streamed from upstream comes back."""
        exchange = self._exchange
        try:
            if exchange.request.failure:
                raise gateway_error(exchange, exchange.request.failure)
            await self._rewrite()
            self._route()
            await self._access()
            return await self._proxy()
        except ExitError as left:
            send(exchange, left)
        except LuaError as error:
            LOG.error("%s: %s", exchange.id, error)
            send(exchange, gateway_error(exchange, 500))
        return None

    async def _rewrite(self) -> None:
        self._exchange.phase = "rewrite"
        for plugin in self._around.table.plugins:
            configured = self._around.table.everywhere(plugin)
            if configured and "rewrite" in plugin.phases:
                await self._handle(plugin, configured)

    def _route(self) -> None:
        exchange = self._exchange
        exchange.phase = "access"
        matched = self._around.router.match(exchange.request)
        if matched is None:
            call(exchange, "kong.response.error", [404, b"no Route matched with those values"])
            return
        exchange.matched = matched
        exchange.target = _target(matched, exchange)
        if refused := mismatch(matched.route, exchange.request):
            call(exchange, *refused)

    async def _access(self) -> None:
        """Runs access in order; after a reply the others are still noted for the phases to come."""
        reply: ExitError | None = None
        for plugin in self._around.table.plugins:
            configured = self._around.table.of(plugin, self._exchange)
            if configured is None:
                continue
            self._collected.append((plugin, configured))
            self._exchange.buffered |= "response" in plugin.phases
            if reply is None and "access" in plugin.phases:
                reply = await self._access_of(plugin, configured)
        self._exchange.times.access_ended = time.time()
        if self._downstream.gone.is_set():
            raise GoneError
        if reply:
            raise reply

    async def _access_of(self, plugin: Known, configured: Configured) -> ExitError | None:
        try:
            await self._handle(plugin, configured)
        except ExitError as left:
            return left
        except LuaError as error:
            LOG.error("%s: %s: %s", self._exchange.id, plugin.name, error)
            return unexpected(self._exchange)
        return None

    async def _proxy(self) -> AsyncIterator[bytes] | None:
        exchange = self._exchange
        if exchange.service is None:
            call(exchange, "kong.response.error", [503, b"no Service found with those values"])
            return None
        await self._downstream.read_body(exchange)
        exchange.proxied = True
        self._upstream = Upstream(exchange, exchange.service)
        try:
            answered: Reply = await self._unless_gone(self._upstream.start())
            exchange.times.headers_came = time.time()
            if exchange.buffered:
                answered.body = await self._upstream.whole_body()
        except UpstreamError as error:
            exchange.times.headers_came = time.time()
            raise gateway_error(exchange, error.status) from None
        exchange.upstream = answered
        return await self._after_upstream(self._upstream, answered)

    async def _unless_gone(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Waits for upstream; a caller who leaves meanwhile ends it."""
        task = asyncio.ensure_future(work)
        gone = asyncio.ensure_future(self._downstream.gone.wait())
        await asyncio.wait((task, gone), return_when=asyncio.FIRST_COMPLETED)
        gone.cancel()
        if not task.done():
            task.cancel()
            raise GoneError
        return task.result()

    async def _after_upstream(self, upstream: Upstream, answered: Reply) -> AsyncIterator[bytes] | None:
        exchange = self._exchange
        exchange.reply.status = answered.status
        if not exchange.buffered:
            _add(exchange.reply.headers, answered.headers)
            return upstream.body()
        for name in dict.fromkeys(name.lower() for name, _ in answered.headers):
            exchange.reply.headers.set(name, *answered.headers.all(name))
        exchange.reply.body = answered.body
        await self._response()
        return None

    async def _response(self) -> None:
        exchange = self._exchange
        exchange.phase = "response"
        for plugin, configured in self._collected:
            if "response" in plugin.phases:
                try:
                    await self._handle(plugin, configured)
                except LuaError as error:
                    LOG.error("%s: %s: %s", exchange.id, plugin.name, error)
                    exchange.reply.headers = Headers()
                    raise gateway_error(exchange, 500) from None

    async def _header_filter(self) -> None:
        """Also what Kong and plugins answered themselves comes through here."""
        exchange = self._exchange
        exchange.phase = "header_filter"
        try:
            for plugin, configured in self._collected:
                if plugin.phases & {"header_filter", "body_filter"}:
                    await self._handle(plugin, configured)
        except ExitError as left:
            send(exchange, left)
            return
        except LuaError as error:
            LOG.error("%s: header_filter: %s", exchange.id, error)
            raise BrokenError("header_filter failed") from None
        self._finish_headers()

    def _finish_headers(self) -> None:
        exchange, headers = self._exchange, self._exchange.reply.headers
        if exchange.proxied:
            headers.set(b"X-Kong-Upstream-Latency", b"%d" % exchange.waiting_time)
            headers.set(b"X-Kong-Proxy-Latency", b"%d" % exchange.proxy_latency)
            before = exchange.upstream.headers.get(b"via") if exchange.upstream else None
            headers.set(b"Via", (before + b", " if before else b"") + b"1.1 " + SERVER)
            if headers.get(b"server") is None:
                headers.set(b"Server", SERVER)
        else:
            headers.set(b"X-Kong-Response-Latency", b"%d" % exchange.proxy_latency)
            headers.set(b"Server", SERVER)
        headers.set(b"X-Kong-Request-Id", exchange.id.encode())

    async def _handle(self, plugin: Known, configured: Configured) -> None:
        if self._exchange.phase == "header_filter" and not plugin.bundled:
            raise LuaError(f"{plugin.name}: no plugin server can be reached from header_filter and body_filter")
        await self._around.handler(plugin.name).handle(configured, self._context)

    def _end(self) -> None:
        exchange = self._exchange
        exchange.times.ended = time.time()
        if self._upstream:
            self._upstream.close()
        self._context.lost.close()
        if exchange.body_file:
            exchange.body_file.unlink(missing_ok=True)
        exchange.phase = "log"
        exchange.reply.headers.set(b"connection", b"close")
        if exchange.reply.headers.get(b"content-length") is None:
            exchange.reply.headers.set(b"transfer-encoding", b"chunked")
        self._around.spawn(self._log())

    async def _log(self) -> None:
        """First Kong's own plugins, then the events of plugin servers, each on its own, after the request is gone."""
        logging_ones = [pair for pair in self._collected if "log" in pair[0].phases]
        for plugin, configured in logging_ones:
            if plugin.bundled:
                await self._log_of(plugin, configured)
        self._exchange.in_timer = True
        for plugin, configured in logging_ones:
            if not plugin.bundled:
                self._around.spawn(self._log_of(plugin, configured))

    async def _log_of(self, plugin: Known, configured: Configured) -> None:
        """Whatever goes wrong here, nobody but the error log notices."""
        context = Context(self._exchange, self._context.body)
        try:
            await self._around.handler(plugin.name).handle(configured, context)
        except (ExitError, LuaError) as error:
            LOG.error("%s: %s: log: %s", self._exchange.id, plugin.name, error)
        finally:
            context.lost.close()


def _target(matched: Matched, exchange: Exchange) -> Target:
    service, route = matched.route.service, matched.route
    target = Target(uri=escape(matched.upstream_uri))
    if service:
        target.host, target.port, target.scheme = service.host, service.port, service.table["protocol"]
        named = service.host if service.port in {80, 443} else f"{service.host}:{service.port}"
        preserved = exchange.request.headers.get(b"host") if route.table["preserve_host"] else None
        target.host_header = preserved or named.encode()
    return target


def _add(ours: Headers, theirs: Headers) -> None:
    """Without a response phase a header that was set in access goes out beside upstream's."""
    for name, value in theirs:
        if name.lower() in SINGLE:
            ours.clear(name)
        ours.add(name, value)
