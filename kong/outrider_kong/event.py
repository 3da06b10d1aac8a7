"""One phase of a request at Kong as a generator: it asks for calls, waits for hooks, ends with what is decided."""

import json
import logging
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import Any, Final, Protocol, cast

from outrider.chain import Chain
from outrider.exchange import Exchange, Walk
from outrider.needs import RESPONSE_HOOKS
from outrider.request import Request
from outrider.response import Refusal
from outrider.verdict import PASS, UNCHECKED, Reply, Verdict, reply
from outrider.waiting import Wait
from outrider_kong import calls
from outrider_kong.body import BODY_LIMIT, BodyFile, TooLargeError
from outrider_kong.calls import Call
from outrider_kong.consumers import KongConsumers
from outrider_kong.crashes import Crashes, event_mark
from outrider_kong.errors import ProtocolError
from outrider_kong.reading import Facts, SingleCalls, UnfitRequestError, request_of, response_of
from outrider_kong.so_far import ReplyHeaders, SoFar
from outrider_kong.writing import reply_call, reply_headers, reply_in_place, request_changes, response_changes

_log = logging.getLogger("outrider.kong")


class Settling(Protocol):
    """Something that an event waits for: a hook, a file, an instance that starts."""

    async def settle(self) -> None: ...


Wanted = Sequence[Call] | Settling
Answers = Sequence[Any]
Event = Generator[Wanted, Answers, list[Call]]
"""Yields the calls whose answers it needs, or what must settle. Its end are the calls that nobody waits for."""

_ReadBody = Callable[[], Generator[Wanted, Answers, bytes]]


class Serving:
    """A chain as Kong's events run it. `phases` are those that Kong sends for the plugin's name.

    `key` tells those apart that can be on one route. Plugins that run `alone` go on with what those before them have
    found out; a chain of the file is all that runs on its route.
    """

    def __init__(
        self,
        chain: Chain,
        phases: frozenset[str],
        crashes: Crashes,
        consumers: KongConsumers,
        *,
        key: str,
        alone: bool = False,
    ) -> None:
        self._chain = chain
        self._crashes = crashes
        self._consumers = consumers
        self._key = key
        self._alone = alone
        self._single = SingleCalls(chain)
        self._responds = "response" in phases and not RESPONSE_HOOKS.isdisjoint(chain.hooks - {"on_log"})
        self._logs = "log" in phases and "on_log" in chain.hooks
        self._goes_on = self._logs or self._responds

    def event(self, phase: str) -> Event:
        """Raises `ProtocolError` for a phase that no plugin of ours has."""
        if phase not in _PHASES:
            raise ProtocolError(f"an event of the phase {phase[:40]!r}")
        return _PHASES[phase](self)

    def access(self) -> Event:
        """The request phase."""
        fields, text = yield _FIRST
        facts = Facts.of_text(text) if text is not None else self._single.facts((yield self._single.calls))
        try:
            request = request_of(fields, facts)
        except UnfitRequestError as unfit:
            return [reply_call(reply(Request(), Refusal(unfit.status, str(unfit))))]
        if self._responds and _is_upgrade(request):
            return [reply_call(reply(request, Refusal(400, "An upgrade is not possible here")))]
        before = SoFar(facts.so_far) if self._alone else None
        # What a plugin before this one has put into identity headers stays.
        exchange = self._chain.begin(request, but=before.stripped if before is not None else ())
        if before is not None:
            request.route = facts.place
            before.tell(request)
        try:
            with self._crashes.during(self._mark("access", facts.id)):
                verdict = yield from _walked(exchange.request_phase(), lambda: _request_body(request))
                ends = yield from self._ends(verdict, exchange, facts, before)
        except TooLargeError:
            exchange.end(aborted=True)
            return [reply_call(reply(request, Refusal(413, "The body is too large")))]
        except BaseException:
            exchange.end(aborted=True)
            raise
        if not self._goes_on:
            exchange.end(aborted=False)
        return ends

    def response(self) -> Event:
        """Upstream's answer."""
        number, status, fields, text = yield (
            calls.GET_ID,
            calls.GET_STATUS,
            calls.GET_RESPONSE_HEADERS,
            calls.get_state(self._key),
        )
        state = json.loads(text or "null")
        # Where a log event failed before, Kong tells of that request in the place of this one; its number is right.
        if state is None or state["id"] != number:
            raise ProtocolError("a response whose request was not checked, or that Kong tells of another")
        if self._chain.lacks(state):
            raise ProtocolError("a response whose plugins have moved in the configuration since its request")
        exchange = self._chain.take_over(state)
        response = response_of(status, fields)
        replies = exchange.request.reply_changes()
        # Whatever happens from here on, the log event tells the plugins of the end.
        try:
            with self._crashes.during(self._mark("response", number)):
                verdict = yield from _walked(exchange.response_phase(response), _response_body)
                later = yield from self._later(exchange, replies)
        except TooLargeError:
            return list(reply_in_place(reply(exchange.request, Refusal(500, UNCHECKED)), response))
        changes = (
            response_changes(exchange, response)
            if verdict is PASS
            else reply_in_place(cast("Reply", verdict), response)
        )
        return [*(self._kept(exchange, number) if self._logs else ()), *later, *changes]

    def log(self) -> Event:
        """The end of the request, for `on_log`."""
        status, length, text = yield (calls.GET_STATUS, calls.GET_RESPONSE_LENGTH, calls.get_state(self._key))
        if text is None:
            # None of our plugins saw it: one of Kong's own answered before.
            return []
        state = json.loads(text)
        exchange = self._chain.take_over(state)
        progress = exchange.progress
        progress.status = status
        progress.request_bytes = _length(exchange.request.headers.get("content-length", ""), progress.request_bytes)
        progress.response_bytes = _length(length, progress.response_bytes)
        with self._crashes.during(self._mark("log", state["id"])):
            exchange.end(aborted=status == _LEFT)
        return []

    def _mark(self, phase: str, number: str) -> int:
        return event_mark(f"{self._key} {phase}", number)

    def _ends(
        self, verdict: Verdict, exchange: Exchange, facts: Facts, before: SoFar | None
    ) -> Generator[Wanted, Answers, list[Call]]:
        """The calls that end the request phase."""
        state = self._kept(exchange, facts.id)
        if verdict is not PASS:
            return [*state, reply_call(cast("Reply", verdict))]
        request = exchange.request
        changes = request_changes(exchange, (yield from _service_path(request)))
        if before is None:
            who = yield from self._consumers.handed(request)
            return [*changes, *reply_headers(request.reply_changes()), *who, *state]
        if not before.learn(request, self._chain.identity_headers):
            return [*changes, *state]
        who = yield from self._consumers.handed(request)
        so_far = calls.set_facts(facts.to_text(before.to_text()))
        return [*changes, *reply_headers(before.reply), *who, so_far, *state]

    def _later(self, exchange: Exchange, before: ReplyHeaders) -> Generator[Wanted, Answers, list[Call]]:
        """The reply headers, if the response's hooks have changed them."""
        changes = exchange.request.reply_changes()
        if changes == before:
            return []
        if not self._alone:
            return list(reply_headers(changes))
        (text,) = yield (calls.GET_FACTS,)
        facts = Facts.of_text(text or "")
        so_far = SoFar(facts.so_far)
        so_far.merge(changes)
        return [*reply_headers(so_far.reply), calls.set_facts(facts.to_text(so_far.to_text()))]

    def _kept(self, exchange: Exchange, number: str) -> list[Call]:
        """What later phases need to know."""
        if not self._goes_on:
            return []
        try:
            state = json.dumps({"id": number, **self._chain.hand_over(exchange)}, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise ProtocolError(f"request.context can't be kept as JSON ({error}): put plain data into it") from None
        return [calls.set_state(state, self._key)]


_FIRST: Final = (calls.GET_HEADERS, calls.GET_FACTS)
_LEFT: Final = 499  # nginx's own status for a client that left

_PHASES: Final = {"access": Serving.access, "response": Serving.response, "log": Serving.log}


def refusal(answer: Refusal | None = None, *, over_response: bool = False) -> Call:
    """The answer to a request that could not be checked; `over_response` where upstream's is there already."""
    answer = answer or Refusal(500, UNCHECKED)
    if over_response:
        # By this the post-function knows that what upstream has sent must not go with it.
        answer.headers["x-outrider-refused"] = "1"
    return reply_call(reply(Request(), answer))


def _walked(walk: Walk, read_body: _ReadBody) -> Generator[Wanted, Answers, Verdict]:
    """Drives a chain to its verdict."""
    sent: bytes | None = None
    try:
        while True:
            wanted = walk.send(sent)
            if isinstance(wanted, Wait):
                yield wanted
                sent = None
            else:
                sent = yield from read_body()
    except StopIteration as stop:
        return cast("Verdict", stop.value)
    finally:
        walk.close()


def _service_path(request: Request) -> Generator[Wanted, Answers, str]:
    """The service's own path, asked for only where a plugin has written one to put behind it."""
    if request.upstream_path is None:
        return ""
    (path,) = yield (calls.GET_SERVICE_PATH,)
    return cast("str", path)


def _request_body(request: Request) -> Generator[Wanted, Answers, bytes]:
    if (_length(request.headers.get("content-length", ""), None) or 0) > BODY_LIMIT:
        raise TooLargeError
    (body,) = yield (calls.GET_BODY,)
    if isinstance(body, Path):
        file = BodyFile(body)
        yield file
        body = file.content()
    if len(body) > BODY_LIMIT:
        raise TooLargeError
    return cast("bytes", body)


def _response_body() -> Generator[Wanted, Answers, bytes]:
    (body,) = yield (calls.GET_RESPONSE_BODY,)
    if len(body) > BODY_LIMIT:
        raise TooLargeError
    return cast("bytes", body)


def _is_upgrade(request: Request) -> bool:
    """Whether Kong would leave the response phase out: for the asking, whatever upstream answers."""
    return any("websocket" in value.lower() for value in request.headers.get_all("upgrade"))


def _length(told: str, otherwise: int | None) -> int | None:
    return int(told) if told.isdecimal() else otherwise
