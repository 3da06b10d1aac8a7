"""What a plugin may see and set, and which configuration of it runs for whom."""

from itertools import product

import pytest

from harness.chains import Acts, HookFunction, acts, chain, passes, walk_of
from outrider import Consumer, Needs, Plugin, Request, Response
from outrider.auth import IDENTITY_HEADERS
from outrider.chain import Chain
from outrider.metrics import Metrics
from outrider.needs import Fact, Hook
from outrider.received import Route
from outrider.slot import Slot
from outrider.step import Step
from outrider.testing import run
from outrider.verdict import PASS


def looks_at(attribute: str) -> HookFunction:
    def hook(request: Request, *_: object) -> None:
        getattr(request, attribute)

    return hook


@pytest.mark.parametrize(
    ("known", "attribute", "allowed"),
    [
        ("headers", "headers", True),
        ("headers", "is_grpc", True),
        ("headers", "path", False),
        ("path", "path", True),
        ("path", "normal_path", True),
        ("path", "query", True),
        ("path", "headers", False),
        ("method", "method", True),
        ("method", "host", False),
        ("host", "port", True),
        ("host", "client", False),
        ("client", "client", True),
        ("client", "method", False),
    ],
)
def test_a_fact_that_needs_leaves_out_is_a_fault(
    caplog: pytest.LogCaptureFixture, known: Fact, attribute: str, *, allowed: bool
) -> None:
    plugin = Acts(
        hook_functions={"on_request": looks_at(attribute)},
        known=frozenset({known}),
    )
    assert run(plugin, Request("POST", "/")).status == (200 if allowed else 500)
    assert ("add it to needs() of this plugin" in caplog.text) is not allowed


@pytest.mark.parametrize("hook", ["on_request", "on_request_body", "on_response", "on_response_body"])
def test_every_hook_sees_the_narrow_request(hook: Hook) -> None:
    plugin = Acts(hook_functions={hook: looks_at("method")}, known=frozenset({"path"}))
    assert run(plugin, Request("POST"), b"body").status == 500


def test_the_other_plugins_of_the_chain_see_all() -> None:
    seen: list[str] = []
    narrow = Acts(hook_functions={"on_request": passes}, known=frozenset({"path"}))
    run([narrow, acts(on_request=lambda request: seen.append(request.method))], Request("PUT"))
    assert seen == ["PUT"]


def test_a_hook_that_needs_leaves_out_does_not_run() -> None:
    class Quiet(Plugin):
        """Leaves its response hook out."""

        def needs(self) -> Needs:
            return Needs(hooks=frozenset({"on_request"}))

        def on_request(self, request: Request, /) -> None:
            request.headers["x-a"] = "1"

        def on_response(self, _: Request, __: Response, /) -> Response:
            return Response(500)

    outcome = run(Quiet(), Request())
    assert outcome.status == 200
    assert outcome.upstream is not None
    assert outcome.upstream.headers["x-a"] == "1"


def test_a_chain_tells_a_gateway_the_union_of_what_its_plugins_need() -> None:
    first = Acts(hook_functions={"on_request": print}, known=frozenset({"path"}), replies=("X-A",))
    second = Acts(hook_functions={"on_response_body": print}, known=frozenset({"client"}), replies=("x-b",))
    both = chain(first, second)
    assert both.hooks == {"on_request", "on_response_body"}
    assert both.facts == {"path", "client"}
    assert both.reply_headers == {"x-a", "x-b"}
    assert both.budget == first.timeout / 1000 + second.timeout / 1000


def spellings(name: str) -> set[str]:
    """A name with each of its `-` also as `_`."""
    parts = name.split("-")
    joints = product("-_", repeat=len(parts) - 1)
    return {parts[0] + "".join(map(str.__add__, joint, parts[1:])) for joint in joints}


@pytest.mark.parametrize("name", sorted(IDENTITY_HEADERS))
def test_identity_headers_of_downstream_are_gone_in_every_spelling_before_a_plugin_looks(name: str) -> None:
    seen: list[str] = []
    given = dict.fromkeys(spellings(name), "spoofed") | {name.upper().replace("-", "_"): "spoofed"}
    outcome = run(acts(on_request=lambda request: seen.extend(request.headers)), Request(headers=given))
    assert seen == []
    assert outcome.upstream is not None
    # Each removal is recorded: Envoy has to be told.
    assert {name for name, values in outcome.upstream.headers.changes() if not values} == spellings(name)


def test_identity_headers_that_a_plugin_declares_are_removed_too() -> None:
    class Claims(Plugin):
        """Tells upstream the e-mail address."""

        def needs(self) -> Needs:
            return Needs(identity_headers=("X-User-Email",))

        def on_request(self, _: Request, /) -> None: ...

    outcome = run(Claims(), Request(headers={"x-user-email": "a", "x_user-email": "b", "x-user": "c"}))
    assert outcome.upstream is not None
    assert dict(outcome.upstream.headers) == {"x-user": "c"}


ALICE, BOB = Consumer("alice-id", "alice"), Consumer("bob-id", "bob")


def slots(ran: list[str]) -> list[Slot]:
    """A plugin that finds out who calls, and behind it one that runs for everybody but Bob."""
    metrics = Metrics(slots=1 << 12)

    def tells(request: Request) -> None:
        name = request.headers.get("x-name")
        request.consumer = {"alice": ALICE, "bob": BOB}.get(name or "")

    def step(name: str, plugin: Plugin) -> Step:
        return Step(name, plugin, "route", metrics)

    auth = step("auth", acts(on_request=tells))
    strangers = step("limit", acts(on_request=lambda _: ran.append("strangers")))
    for_alice = step("limit", acts(on_request=lambda _: ran.append("alice")))

    def resolve(consumer: Consumer | None) -> Step | None:
        if consumer is None:
            return strangers
        return for_alice if consumer is ALICE else None

    return [Slot([auth]), Slot([strangers, for_alice], resolve)]


@pytest.mark.parametrize(("name", "expected"), [("", ["strangers"]), ("alice", ["alice"]), ("bob", [])])
def test_which_configuration_runs_is_known_when_its_turn_comes(name: str, expected: list[str]) -> None:
    ran: list[str] = []
    exchange = Chain(Route("route"), slots(ran)).begin(Request(headers={"x-name": name}))
    assert walk_of(exchange.request_phase()) is PASS
    assert ran == expected
