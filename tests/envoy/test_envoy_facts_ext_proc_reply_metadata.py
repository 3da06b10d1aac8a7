"""Reply headers without a message for the response: metadata of an answer, written out by Envoy's header_mutation."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from harness import ask
from harness.bootstrap import FILTERS, Config, cluster, ext_proc, mode, route, typed
from harness.gateway import Start
from harness.http1 import Message, request
from harness.say import proceed, removes, reply, request_body, request_headers, response_headers, sets
from harness.scripted import Processor, Script, each
from harness.upstream import Answer, Upstream
from outrider_envoy.proto.ext_proc_pb2 import ProcessingRequest, ProcessingResponse

HEADERS = {"request_header_mode": "SEND", "response_header_mode": "SEND"}
ID = "x-request-id"
MUTATION = "envoy.filters.http.header_mutation"
DOWN = cluster("down", "/nowhere")


def mutations(*, keep_empty: bool = False, action: str = "OVERWRITE_IF_EXISTS_OR_ADD") -> Config:
    """The header of the metadata's own name, for each of two names."""
    values = [{"key": name, "value": f"%DYNAMIC_METADATA(outrider:reply:{name})%"} for name in (ID, "x-absent")]
    made = [
        {"append": {"header": value, "append_action": action, "keep_empty_value": keep_empty}} for value in values
    ]
    return {"mutations": {"response_mutations": made}}


def mutation(**fields: Any) -> Config:
    return {"name": MUTATION, "typed_config": typed(f"{FILTERS}.header_mutation.v3.HeaderMutation", **fields)}


def per_route(**fields: Any) -> Config:
    config = typed(f"{FILTERS}.header_mutation.v3.HeaderMutationPerRoute", **mutations(**fields))
    return {"typed_per_filter_config": {MUTATION: config}}


def guard() -> Config:
    """Refuses what carries no mark of a decision."""
    marked = {"filter": "outrider", "path": [{"key": "decided"}], "value": {"bool_match": True}}
    policy = {"permissions": [{"any": True}], "principals": [{"metadata": marked}]}
    rules = {"action": "ALLOW", "policies": {"decided": policy}}
    return {"name": "envoy.filters.http.rbac", "typed_config": typed(f"{FILTERS}.rbac.v3.RBAC", rules=rules)}


DIRECT: Config = {"match": {"prefix": "/direct"}, "direct_response": {"status": 404}}
ROUTES: Sequence[Config] = [DIRECT | per_route(), route("/down", "down", **per_route()), route("/", **per_route())]


def marked(answer: ProcessingResponse, value: Any, *, decided: bool = True) -> ProcessingResponse:
    answer.dynamic_metadata.update({"outrider": {"decided": decided, "reply": {ID: value}}})
    return answer


def by_kind(*given: ProcessingResponse) -> Script:
    """Gives these answers to their own kinds of message, and passes everything else on."""
    answers = {answer.WhichOneof("response"): answer for answer in given}

    def answer(message: ProcessingRequest) -> Sequence[ProcessingResponse]:
        return [answers.get(message.WhichOneof("request")) or proceed(message)]

    return each(answer)


Gateway = Callable[..., int]


@pytest.fixture
def gateway(start: Start, processor: Processor, upstream: Upstream) -> Gateway:
    """`gateway(answer, ...)` is the port of an Envoy whose server gives these answers."""
    upstream.answer = Answer(headers=[(ID, "upstream")], chunks=[b"hello"])

    def made(
        *given: ProcessingResponse, body: str = "NONE", last: Config | None = None, routes: Sequence[Config] = ROUTES
    ) -> int:
        processor.script = by_kind(*given)
        received = {"receiving_namespaces": {"untyped": ["outrider"]}}
        filters = ext_proc(processing_mode=mode(**HEADERS, request_body_mode=body), metadata_options=received)
        return start(filters, guard(), last or mutation(), routes=routes, clusters=[DOWN])

    return made


def post(port: int) -> Message:
    return request(port, method="POST", body=b"hello")


def saw(processor: Processor) -> list[bytes]:
    """The header as the response's message had it."""
    answers = [m.response_headers for m in processor.stream.received if m.HasField("response_headers")]
    return [field.raw_value for answer in answers for field in ask.received(answer.headers) if field.key == ID]


@pytest.mark.parametrize("everywhere", [True, False], ids=["filter", "route"])
def test_metadata_becomes_a_header_in_place_of_upstreams_and_absent_metadata_none(
    gateway: Gateway, processor: Processor, *, everywhere: bool
) -> None:
    placed = {"last": mutation(**mutations()), "routes": [route()]} if everywhere else {}
    response = request(gateway(marked(request_headers(), "1"), **placed))
    assert (response.get(ID), response.get("x-absent")) == ("1", None)
    assert saw(processor) == [b"1"]


@pytest.mark.parametrize("value", ["", None])
def test_an_empty_value_leaves_upstreams_header_alone(gateway: Gateway, value: object) -> None:
    assert request(gateway(marked(request_headers(), value))).get(ID) == "upstream"


def test_absent_ones_are_added_empty_when_empty_ones_are_kept(gateway: Gateway) -> None:
    routes = [route(**per_route(keep_empty=True))]
    response = request(gateway(marked(request_headers(), ""), routes=routes))
    assert (response.get(ID), response.get("x-absent")) == ("", "")


def test_appending_joins_the_values(gateway: Gateway) -> None:
    routes = [route(**per_route(action="APPEND_IF_EXISTS_OR_ADD"))]
    assert request(gateway(marked(request_headers(), "1"), routes=routes)).get(ID) == "upstream,1"


@pytest.mark.parametrize(
    "value", ["a, b", 'say "x"; \\', "100%REQ(:path)% %%", "a\tb", "a\x01b", "a\x00b", "grüße €", "x" * 100_000]
)
def test_text_goes_out_as_it_is_control_characters_too(gateway: Gateway, value: str) -> None:
    sent = request(gateway(marked(request_headers(), value))).get(ID) or ""
    assert sent.encode("latin-1").decode() == value


@pytest.mark.parametrize(
    ("value", "sent"), [(5, "5"), (1.5, "1.5"), (True, "true"), (["a", "b"], '["a","b"]'), ({"a": 1}, '{"a":1}')]
)
def test_what_is_not_text_is_rendered(gateway: Gateway, value: object, sent: str) -> None:
    assert request(gateway(marked(request_headers(), value))).get(ID) == sent


def test_a_line_break_splits_the_response(gateway: Gateway) -> None:
    response = request(gateway(marked(request_headers(), "a\r\nx-forged: 1")))
    assert (response.get(ID), response.get("x-forged")) == ("a", "1")


@pytest.mark.parametrize(
    ("path", "decided", "status"), [("/direct", True, 404), ("/down", True, 503), ("/", False, 403)]
)
def test_envoys_own_replies_get_the_header(gateway: Gateway, path: str, status: int, *, decided: bool) -> None:
    response = request(gateway(marked(request_headers(), "1", decided=decided)), path)
    assert (response.status, response.get(ID)) == (status, "1")


def test_a_413_of_ext_proc_itself_does_not_get_the_header(gateway: Gateway) -> None:
    port = gateway(marked(request_headers(), "1"), body="BUFFERED")
    response = request(port, method="POST", body=bytes(2_000_000))
    assert (response.status, response.get(ID)) == (413, None)


@pytest.mark.parametrize(("change", "sent"), [(sets((ID, "mine")), "mine"), (removes(ID), None)])
def test_the_answer_to_the_response_has_the_last_word(gateway: Gateway, change: Any, sent: str | None) -> None:
    assert request(gateway(marked(request_headers(), "1"), response_headers(change))).get(ID) == sent


@pytest.mark.parametrize(("changes", "sent"), [([], None), ([sets((ID, "mine"))], "mine")])
def test_an_immediate_response_to_the_response_loses_the_header_unless_it_sets_it(
    gateway: Gateway, processor: Processor, changes: list[Any], sent: str | None
) -> None:
    port = gateway()
    processor.script = each(
        lambda message: [
            marked(request_headers(), "1") if message.HasField("request_headers") else reply(418, b"", *changes)
        ]
    )
    response = request(port)
    assert (response.status, response.get(ID)) == (418, sent)


@pytest.mark.parametrize("value", ["1", None])
def test_an_immediate_response_to_the_request_gets_the_header_of_its_own_metadata(
    gateway: Gateway, processor: Processor, value: str | None
) -> None:
    port = gateway()
    processor.script = each(lambda _: [marked(reply(418), value)])
    response = request(port)
    assert (response.status, response.get(ID)) == (418, value)


def test_metadata_of_the_answer_to_the_response_comes_too_late(gateway: Gateway) -> None:
    decided = marked(request_headers(), None)
    assert request(gateway(decided, marked(response_headers(), "1"))).get(ID) == "upstream"


@pytest.mark.parametrize("body", ["BUFFERED", "STREAMED"])
def test_metadata_of_a_body_answer_counts(gateway: Gateway, body: str) -> None:
    decided = marked(request_headers(), None)
    assert post(gateway(decided, marked(request_body(), "1"), body=body)).get(ID) == "1"


def test_a_later_answer_replaces_the_whole_reply_but_not_its_neighbours(gateway: Gateway) -> None:
    later = request_body()
    later.dynamic_metadata.update({"outrider": {"reply": {"x-absent": "2"}}})
    response = post(gateway(marked(request_headers(), "1"), later, body="BUFFERED"))
    assert (response.status, response.get(ID), response.get("x-absent")) == (200, "upstream", "2")
