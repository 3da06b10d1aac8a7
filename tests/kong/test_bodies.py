"""Whole bodies at Kong: in a frame, in a file, and none."""

from pathlib import Path

import pytest

from harness.chains import acts, returns
from harness.kong_instances import kong
from outrider import Request, Response
from outrider_kong.body import BODY_LIMIT
from outrider_kong.proto import pluginsocket_pb2 as pb

GET, SET = "kong.request.get_raw_body", "kong.service.request.set_raw_body"


@pytest.mark.parametrize("body", [b"", b"x", bytes(range(256)) * 32])
def test_a_body_is_asked_for_where_a_plugin_wants_it(tmp_path: Path, body: bytes) -> None:
    seen: list[bytes] = []
    peer = kong(tmp_path, acts(on_request_body=lambda _, given: seen.append(given)))
    peer.body = body
    assert peer.event()[-1] == GET
    assert seen == [body]


def test_a_large_body_is_read_from_nginx_file(tmp_path: Path) -> None:
    seen: list[bytes] = []
    file = tmp_path / "0000000001"
    file.write_bytes(b"y" * 5_000_000)
    peer = kong(tmp_path, acts(on_request_body=lambda _, given: seen.append(given)))
    peer.body = pb.RawBody(body_filepath=str(file).encode())
    peer.event()
    assert seen == [b"y" * 5_000_000]
    assert peer.exit is None


def test_a_file_that_can_not_be_read_is_a_refusal(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    peer = kong(tmp_path, acts(on_request_body=returns(None)))
    peer.body = pb.RawBody(body_filepath=b"/nowhere/0000000001")
    peer.event()
    assert peer.exit is not None
    assert peer.exit.status == 500
    assert "let the plugin server run as Kong's user" in caplog.text


@pytest.mark.parametrize("told", [True, False])
def test_a_body_over_the_limit_is_a_413(tmp_path: Path, told: bool) -> None:
    file = tmp_path / "0000000001"
    with file.open("wb") as sparse:
        sparse.truncate(BODY_LIMIT + 1)
    peer = kong(tmp_path, acts(on_request_body=returns(None)))
    peer.body = pb.RawBody(body_filepath=str(file).encode())
    if told:
        peer.headers.append((b"content-length", str(BODY_LIMIT + 1).encode()))
    assert (GET in peer.event()) == (not told)
    assert peer.exit is not None
    assert peer.exit.status == 413


def test_an_error_of_nginx_in_place_of_the_body_is_a_refusal(tmp_path: Path) -> None:
    peer = kong(tmp_path, acts(on_request_body=returns(None)))
    peer.body = pb.RawBody(error=b"can't read")
    peer.event()
    assert peer.exit is not None
    assert peer.exit.status == 500


def test_a_new_body_goes_upstream(tmp_path: Path) -> None:
    peer = kong(tmp_path, acts(on_request_body=returns(b"new \xff")))
    peer.body = b"old"
    assert peer.event()[-1] == SET
    assert pb.Text.FromString(peer.argument(SET)).v == b"new \xff"


def test_a_new_body_of_upstream_takes_the_place_of_the_old_one(tmp_path: Path) -> None:
    def hook(_: Request, response: Response, body: bytes) -> bytes:
        response.headers["x-seen"] = body.decode()
        return body * 2

    peer = kong(tmp_path, acts(on_response_body=hook))
    peer.event()
    peer.response_headers = [(b"content-length", b"2"), (b"x-own", b"1")]
    peer.response_body = b"ab"
    called = peer.event("response")
    assert called[-3:] == ["kong.response.set_headers", "kong.response.clear_header", "kong.response.exit"]
    assert peer.exit is not None
    assert (peer.exit.status, peer.exit.body) == (200, b"abab")


def test_no_body_is_put_under_an_answer_that_has_none(tmp_path: Path) -> None:
    peer = kong(tmp_path, acts(on_response_body=returns(b"more")))
    peer.method = b"HEAD"
    peer.event()
    peer.event("response")
    assert peer.exit is None
