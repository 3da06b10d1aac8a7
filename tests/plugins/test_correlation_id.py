"""correlation-id: one id for each request, everywhere."""

import json
import re
import sys
import time

import pytest

from outrider import Plugin, Refusal, Request, Response, StartError
from outrider.testing import Outcome, run
from outrider_plugins.correlation_id import CorrelationId

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Refuse(Plugin):
    """Refuses everything."""

    def on_request(self, request: Request) -> Response:
        return Refusal(403, f"no {request.method}")


def upstream_id(outcome: Outcome, header: str = "x-request-id") -> str:
    assert outcome.upstream is not None
    return outcome.upstream.headers[header]


def test_upstream_and_downstream_get_the_same_new_id() -> None:
    outcome = run(CorrelationId(), Request())
    assert UUID.fullmatch(upstream_id(outcome))
    assert outcome.headers["x-request-id"] == upstream_id(outcome)


def test_every_request_gets_another_id() -> None:
    assert upstream_id(run(CorrelationId(), Request())) != upstream_id(run(CorrelationId(), Request()))


def test_logs_and_refusals_name_the_same_id() -> None:
    request = Request()
    outcome = run([CorrelationId(), Refuse()], request)
    assert outcome.status == 403
    assert json.loads(outcome.body)["request_id"] == outcome.headers["x-request-id"] == request.id


def test_downstream_gets_ours_in_place_of_upstreams() -> None:
    outcome = run(CorrelationId(), Request(), response=Response(headers={"x-request-id": "upstream's"}))
    assert outcome.headers["x-request-id"] == upstream_id(outcome)


def test_what_downstream_sent_is_replaced() -> None:
    outcome = run(CorrelationId(), Request(headers={"x-request-id": "mine"}))
    assert UUID.fullmatch(upstream_id(outcome))


def test_a_trusted_id_is_kept() -> None:
    request = Request(headers={"x-request-id": "mine-1"})
    outcome = run(CorrelationId(trust=True), request)
    assert upstream_id(outcome) == outcome.headers["x-request-id"] == request.id == "mine-1"


@pytest.mark.parametrize("given", ["", "a b", "a,b", "a" * 129, "grüße", "a\x01"])
def test_an_id_that_is_not_well_formed_is_not_trusted(given: str) -> None:
    request = Request()
    request.headers._fields["x-request-id"] = [given]  # pyright: ignore[reportPrivateUsage]
    assert UUID.fullmatch(upstream_id(run(CorrelationId(trust=True), request)))


def test_two_ids_are_not_trusted() -> None:
    request = Request(headers=[("x-request-id", "a"), ("x-request-id", "b")])
    assert UUID.fullmatch(upstream_id(run(CorrelationId(trust=True), request)))


def test_without_echo_downstream_does_not_get_the_id() -> None:
    plugin = CorrelationId(echo=False)
    assert "x-request-id" not in run(plugin, Request()).headers
    assert plugin.needs().reply_headers == ()


def test_the_header_may_have_another_name() -> None:
    outcome = run(CorrelationId(header="X-Correlation-Id"), Request())
    assert outcome.headers["x-correlation-id"] == upstream_id(outcome, "x-correlation-id")


def test_a_header_of_the_gateway_is_refused() -> None:
    with pytest.raises(ValueError, match="belongs to the gateway"):
        CorrelationId(header="host")


ULID = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}")


def test_a_ulid_begins_with_the_time_it_was_made() -> None:
    before = time.time_ns() // 1_000_000
    found = upstream_id(run(CorrelationId(form="ulid"), Request()))
    assert ULID.fullmatch(found)
    made = 0
    for letter in found[:10]:
        made = made * 32 + "0123456789ABCDEFGHJKMNPQRSTVWXYZ".index(letter)
    assert before <= made <= time.time_ns() // 1_000_000


def test_every_request_gets_another_ulid() -> None:
    plugin = CorrelationId(form="ulid")
    assert len({upstream_id(run(plugin, Request())) for _ in range(20)}) == 20


def test_where_python_ulid_is_missing_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ulid", None)
    with pytest.raises(StartError, match=r"install outrider\[ulid\]"):
        run(CorrelationId(form="ulid"), Request())
