"""request-size-limit: which bodies pass, and how much of the others."""

import json
from collections.abc import Sequence
from typing import Any

import pytest
from pydantic import ValidationError

from outrider import Headers, Plugin, Request
from outrider.testing import Outcome, run
from outrider_plugins.request_size_limit import RequestSizeLimit

CHUNKED = {"transfer-encoding": ["chunked"]}


class Counts(Plugin):
    """Counts the pieces that reach it."""

    priority = 0

    def on_request_chunk(self, request: Request, chunk: bytes, last: bool) -> bytes:
        request.context["last" if last else "piece"] = len(chunk)
        return chunk


class Reads(Plugin):
    """Reads whole bodies."""

    priority = 0

    def on_request_body(self, _: Request, body: bytes) -> None: ...


def declares(*lengths: str, **fields: list[str]) -> Request:
    # A gateway sends what a plugin could not set.
    return Request("POST", headers=Headers.received({"content-length": list(lengths), **fields}))


def streams(**fields: list[str]) -> Request:
    return Request("POST", headers=Headers.received(dict(fields)))


def ask(request: Request, body: bytes | Sequence[bytes] = b"", *, limit: int = 10, **config: Any) -> Outcome:
    return run(RequestSizeLimit(limit=limit, **config), request, body)


def passed(outcome: Outcome) -> bytes:
    assert (outcome.status, outcome.upstream is None) == (200, False), outcome.body
    return outcome.upstream_body


def refused(outcome: Outcome, status: int) -> bool:
    return (outcome.status, outcome.upstream) == (status, None)


@pytest.mark.parametrize("length", ["0", "9", "10", "010"])
def test_a_declared_length_up_to_the_limit_passes_and_its_body_is_not_looked_at(length: str) -> None:
    request = declares(length)
    assert passed(ask(request, [b"x"] * 20)) == b"x" * 20
    assert not request.context


@pytest.mark.parametrize("length", ["11", "4294967297", "18446744073709551626", "9" * 5000])
def test_a_declared_length_over_the_limit_is_refused_before_the_body(length: str) -> None:
    request = declares(length)
    outcome = ask(request)
    assert refused(outcome, 413)
    assert json.loads(outcome.body) == {"message": "The body is too large", "request_id": request.id}


@pytest.mark.parametrize(
    "lengths",
    [("",), ("-1",), ("+1",), ("1.0",), ("0x1",), ("1 ",), ("\u0661",), ("1_0",), ("1,1",), ("1", "1")],
)
def test_a_length_that_is_none_is_refused(lengths: tuple[str, ...]) -> None:
    assert refused(ask(declares(*lengths)), 413)


def test_a_length_beside_a_transfer_encoding_is_not_believed() -> None:
    assert refused(ask(declares("5", **CHUNKED), [b"x" * 6, b"x" * 5]), 413)
    assert passed(ask(declares("5", **CHUNKED), [b"x" * 6, b"x" * 4])) == b"x" * 10


@pytest.mark.parametrize("pieces", [[b""], [b"x" * 10], [b"x" * 5, b"x" * 5, b""], [b"x"] * 10, [b"", b"x", b""]])
def test_a_body_of_unknown_length_passes_up_to_the_limit(pieces: list[bytes]) -> None:
    assert passed(ask(streams(**CHUNKED), pieces)) == b"".join(pieces)
    assert passed(ask(streams(), pieces)) == b"".join(pieces)


@pytest.mark.parametrize("pieces", [[b"x" * 11], [b"x" * 10, b"x"], [b"x"] * 11, [b"x" * 5, b"", b"x" * 6, b""]])
def test_a_body_of_unknown_length_is_cut_off_with_the_byte_that_is_too_many(pieces: list[bytes]) -> None:
    assert refused(ask(streams(**CHUNKED), pieces), 413)
    assert refused(ask(streams(), pieces), 413)


def test_the_piece_with_the_byte_that_is_too_many_reaches_no_later_plugin() -> None:
    request = streams()
    assert refused(run([RequestSizeLimit(limit=10), Counts()], request, [b"x" * 10, b"x" * 7]), 413)
    assert "last" not in request.context
    assert request.context["piece"] == 10


def test_a_body_that_another_plugin_reads_as_a_whole_is_counted_all_the_same() -> None:
    assert refused(run([RequestSizeLimit(limit=10), Reads()], streams(), [b"x" * 5] * 3), 413)
    assert passed(run([RequestSizeLimit(limit=10), Reads()], streams(), [b"x" * 5] * 2)) == b"x" * 10


def test_each_request_has_a_count_of_its_own() -> None:
    plugin = RequestSizeLimit(limit=10)
    for _ in range(2):
        assert passed(run(plugin, streams(), [b"x" * 10])) == b"x" * 10


def test_a_limit_of_zero_lets_no_body_pass() -> None:
    assert passed(ask(streams(), [b""], limit=0)) == b""
    assert passed(ask(declares("0"), limit=0)) == b""
    assert refused(ask(streams(), [b"x"], limit=0), 413)
    assert refused(ask(declares("1"), limit=0), 413)


def test_a_body_without_a_length_is_refused_where_one_is_required() -> None:
    outcome = ask(streams(**CHUNKED), require_content_length=True)
    assert refused(outcome, 411)
    assert json.loads(outcome.body)["message"] == "The body needs a content-length"
    assert refused(ask(streams(), [b"", b"x"], require_content_length=True), 411)


def test_a_request_without_a_body_needs_no_length() -> None:
    assert passed(ask(streams(), [b""], require_content_length=True)) == b""
    assert passed(ask(declares("10"), b"x" * 10, require_content_length=True)) == b"x" * 10


def test_a_grpc_call_is_refused_in_its_own_terms() -> None:
    grpc = {"content-type": ["application/grpc"]}
    assert ask(streams(**grpc), [b"x" * 11]).body == b"The body is too large"
    assert ask(declares("11", **grpc)).body == b"The body is too large"


@pytest.mark.parametrize(
    ("config", "words"),
    [({}, "Field required"), ({"limit": -1}, "greater than or equal to 0"), ({"limit": "1 MB"}, "valid integer")],
)
def test_a_mistake_in_the_configuration_is_refused(config: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError) as mistaken:
        RequestSizeLimit(**config)
    assert words in str(mistaken.value)
