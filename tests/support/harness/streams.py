"""Drives the state machines of the Envoy adapter without a network, and reads their answers."""

import asyncio
from collections.abc import Iterable
from typing import Any

from harness.chains import chain
from harness.say import proceed
from outrider import Plugin
from outrider.chain import Chain
from outrider.routing import Matchable
from outrider.waiting import Wait
from outrider_envoy.ext_authz import Check
from outrider_envoy.ext_proc import Conversation
from outrider_envoy.proto.core_pb2 import HeaderValueOption
from outrider_envoy.proto.ext_authz_pb2 import CheckRequest, CheckResponse
from outrider_envoy.proto.ext_proc_pb2 import CommonResponse, ProcessingRequest, ProcessingResponse
from outrider_envoy.selection import Chains, Told

__all__ = ["Stream", "check", "is_untouched", "proceed", "sets"]


class Stream:
    """One ext_proc stream of the route `orders`, or what `chains` and `route` say."""

    def __init__(
        self,
        *plugins: Plugin,
        chains: Iterable[Chain] | None = None,
        routes: Iterable[Matchable] = (),
        route: str | None = "orders",
    ) -> None:
        found = [chain(*plugins)] if chains is None else chains
        self.conversation = Conversation(Chains(found, routes), Told(route))

    async def tell(self, message: ProcessingRequest) -> ProcessingResponse:
        """The answer to a message, as it arrives at Envoy."""
        return (await self.tell_all(message))[0]

    async def tell_all(self, message: ProcessingRequest) -> list[ProcessingResponse]:
        """The same, with what is sent right behind the answer."""
        answer = self.conversation.receive(message)
        while isinstance(answer, Wait):
            await answer.settle()
            answer = self.conversation.resume()
        answers = [answer, *self.conversation.rest]
        self.conversation.rest = ()
        return [ProcessingResponse.FromString(one) for one in answers]

    def say(self, *messages: ProcessingRequest) -> ProcessingResponse:
        """The answer to the last of the messages."""
        return asyncio.run(self._said(messages))

    def close(self) -> None:
        self.conversation.close()

    async def _said(self, messages: Iterable[ProcessingRequest]) -> ProcessingResponse:
        answer = ProcessingResponse()
        for message in messages:
            answer = await self.tell(message)
        return answer


def check(message: CheckRequest, *plugins: Plugin, route: str | None = "orders") -> CheckResponse:
    """The answer of ext_authz, as it arrives at Envoy."""

    async def ask() -> CheckResponse:
        machine = Check(Chains([chain(*plugins)], ()), Told(route))
        answer = machine.receive(message)
        while isinstance(answer, Wait):
            await answer.settle()
            answer = machine.resume()
        machine.close()
        return CheckResponse.FromString(answer)

    return asyncio.run(ask())


def is_untouched(answer: ProcessingResponse, message: ProcessingRequest) -> bool:
    """Whether an answer lets a message on, in its own kind and unchanged: neither a mark nor a mode is a change."""
    bare = ProcessingResponse()
    bare.CopyFrom(answer)
    bare.ClearField("dynamic_metadata")
    bare.ClearField("mode_override")
    return bare == proceed(message)


def is_marked(answer: ProcessingResponse) -> bool:
    """Whether an answer carries the mark of a decision, without which our own Envoy lets nothing on."""
    return bool(answer.dynamic_metadata == {"outrider": {"decided": True}})


def sets(common: CommonResponse | Any) -> list[tuple[str, bytes, bool]]:
    """Key, value and append of each header that an answer sets."""
    options: Iterable[HeaderValueOption] = common.header_mutation.set_headers
    return [(option.header.key, option.header.raw_value, option.append.value) for option in options]
