"""Plugins that Kong runs one by one: what each passes on to the next."""

import asyncio
from typing import ClassVar

from harness.chains import walked
from outrider import Auth, Consumer, Identity, Request, Runtime
from outrider.auth import IDENTITY_HEADERS
from outrider.chain import Chain
from outrider.metrics import Metrics
from outrider.received import Route
from outrider.slot import Slot
from outrider.step import Step
from outrider.verdict import PASS
from outrider_kong.so_far import SoFar

ALICE, SHOP = Consumer("c-1", username="alice"), Consumer("c-2", username="shop")
MAIL = "x-user-email"


class Tokens(Auth):
    """Everybody is Alice, and has a mail address."""

    def authenticate(self, _: Request, /) -> Identity:
        return Identity("alices", ALICE, headers={MAIL: "alice@x.example"})

    def challenge(self) -> str:
        return "Token"

    def hide_credential(self, request: Request, /) -> None:
        """There is none."""


class Keys(Tokens):
    """Everybody is the shop."""

    priority: ClassVar[int] = 50

    def authenticate(self, _: Request, /) -> Identity:
        return Identity("shops", SHOP)


def alone(plugin: Auth) -> Chain:
    asyncio.run(plugin.start(Runtime()))
    slot = Slot([Step("auth", plugin, "orders", Metrics())])
    return Chain(Route("orders"), [slot], IDENTITY_HEADERS | {MAIL})


def passed(chain: Chain, request: Request, before: SoFar) -> SoFar:
    """What one plugin leaves behind when it lets a request on."""
    exchange = chain.begin(request, but=before.stripped)
    before.tell(request)
    assert asyncio.run(walked(exchange.request_phase())) is PASS
    before.learn(request, chain.identity_headers)
    return SoFar(before.to_text())


def test_what_one_told_upstream_of_its_caller_goes_when_the_next_finds_another() -> None:
    first = Request(headers={MAIL: "spoofed@x.example"})
    so_far = passed(alone(Tokens()), first, SoFar(""))
    assert first.headers[MAIL] == "alice@x.example"
    second = Request(headers=dict(first.headers))
    passed(alone(Keys()), second, so_far)
    assert second.headers["x-consumer-username"] == "shop"
    assert MAIL not in second.headers
