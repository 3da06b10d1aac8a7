"""What an overloaded worker answers: a refusal as any, to new requests only, and before any plugin runs."""

import json
from collections.abc import Sequence
from uuid import UUID

import pytest

from harness import ask
from harness.chains import acts, chain
from outrider import Plugin, Request
from outrider.grpc_status import GrpcStatus
from outrider.metrics import Metrics
from outrider.pressure import Pressure
from outrider.verdict import overloaded, reply
from outrider_envoy.calls import CHECK, PROCESS, Calls, Status
from outrider_envoy.mutations import immediate
from outrider_envoy.proto.ext_authz_pb2 import CheckResponse
from outrider_envoy.proto.ext_proc_pb2 import ImmediateResponse, ProcessingRequest, ProcessingResponse
from outrider_envoy.selection import ROUTE_KEY, Chains

ID = "6b2f5c1e-3f0e-4c3b-9b1c-0d5f2f1c7a10"
IDS = [ID, "short", "x" * 128, ID.replace("-", "/")]


class Switch(Pressure):
    """One that a test turns on."""

    on = True

    def sheds(self, now: float) -> bool:
        return self.on and super().sheds(now + 1e9)


def switch() -> Switch:
    pressure = Switch(0.5, Metrics(slots=1 << 10))
    pressure._until = 0.0  # pyright: ignore[reportPrivateUsage] - as if it watched a loop
    return pressure


class Asked:
    """One ext_proc stream to a worker."""

    def __init__(self, pressure: Pressure, *plugins: Plugin) -> None:
        calls = Calls(Chains([chain(*plugins)], ()), Metrics(slots=1 << 12), None, pressure)
        call = calls.open(PROCESS, {ROUTE_KEY: "orders"})
        assert not isinstance(call, Status)
        self.call = call

    def say(self, message: ProcessingRequest) -> ProcessingResponse:
        answers = self.call.receive(message.SerializeToString())
        assert isinstance(answers, Sequence)
        return ProcessingResponse.FromString(answers[0])

    def refusal(self, message: ProcessingRequest) -> ImmediateResponse:
        answer = self.say(message)
        assert answer.HasField("immediate_response")
        return answer.immediate_response


def test_a_new_request_is_refused_before_any_plugin_runs() -> None:
    seen: list[Request] = []
    asked = Asked(switch(), acts(on_request=seen.append, on_log=lambda request, _: seen.append(request)))
    refusal = asked.refusal(ask.request_headers(("x-request-id", ID)))
    assert refusal.status.code == 503
    assert json.loads(refusal.body) == {"message": "The gateway is overloaded", "request_id": ID}
    headers = {one.header.key: one.header.raw_value for one in refusal.headers.set_headers}
    assert headers == {"content-type": b"application/json", "retry-after": b"1"}
    # Whatever Envoy sends after it.
    assert asked.refusal(ask.response_headers()).status.code == 503
    asked.call.close()
    assert not seen


@pytest.mark.parametrize("request_id", IDS)
@pytest.mark.parametrize(
    ("method", "kind"), [("GET", "text/plain"), ("HEAD", ""), ("POST", "application/grpc+proto")]
)
def test_the_answer_is_that_of_any_refusal(request_id: str, method: str, kind: str) -> None:
    fields = [("x-request-id", request_id), ("content-type", kind)]
    answer = Asked(switch()).say(ask.request_headers(*fields, method=method))
    usual = immediate(reply(Request(method, headers=fields), overloaded()))
    assert answer == ProcessingResponse.FromString(usual)


@pytest.mark.parametrize("fields", [[], [("x-request-id", 'no "id"')], [("x-request-id", "")]])
def test_a_request_without_a_good_id_gets_one(fields: list[tuple[str, str]]) -> None:
    refusals = [Asked(switch()).refusal(ask.request_headers(*fields)) for _ in range(2)]
    first, second = (UUID(json.loads(refusal.body)["request_id"]) for refusal in refusals)
    assert first != second
    assert first.int


def test_a_grpc_call_gets_its_own_status() -> None:
    refusal = Asked(switch()).refusal(ask.request_headers(("content-type", "application/grpc")))
    assert refusal.grpc_status.status == GrpcStatus.UNAVAILABLE


def test_a_request_that_was_let_on_is_never_shed() -> None:
    pressure = switch()
    pressure.on = False
    asked = Asked(pressure, acts(on_request=lambda _: None, on_response=lambda _, __: None))
    assert asked.say(ask.request_headers()).HasField("request_headers")
    pressure.on = True
    assert asked.say(ask.response_headers()).HasField("response_headers")


def test_what_is_no_new_request_is_not_shed() -> None:
    asked = Asked(switch(), acts(on_request=lambda _: None))
    assert asked.say(ask.response_headers()).HasField("response_headers")


@pytest.mark.parametrize("raw", [True, False])
@pytest.mark.parametrize("request_id", IDS)
def test_a_check_is_refused_the_same_way(request_id: str, *, raw: bool) -> None:
    seen: list[Request] = []
    calls = Calls(Chains([chain(acts(on_request=seen.append))], ()), Metrics(slots=1 << 12), None, switch())
    call = calls.open(CHECK, {ROUTE_KEY: "orders"})
    assert not isinstance(call, Status)
    answers = call.receive(ask.check(("x-request-id", request_id), raw=raw).SerializeToString())
    assert isinstance(answers, Sequence)
    denied = CheckResponse.FromString(answers[0]).denied_response
    assert denied.status.code == 503
    assert json.loads(denied.body) == {"message": "The gateway is overloaded", "request_id": request_id}
    assert not seen
