"""The same plugins in the real kong-pdk, in its modes: the same verdicts, and whatever fails is refused."""

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.kong_pdk import MODES, Gateway, gateway
from harness.process import until
from harness.upstream import Answer


@pytest.fixture(scope="module", params=MODES)
def started(request: pytest.FixtureRequest) -> Iterator[Gateway]:
    # Not tmp_path: a unix socket's path must be short.
    folder = Path(tempfile.mkdtemp(prefix="pdk-"))
    try:
        with gateway(folder, *MODES[request.param]) as running:
            yield running
    finally:
        shutil.rmtree(folder)


@pytest.fixture
def kong(started: Gateway) -> Gateway:
    """Well, and with nothing seen yet."""
    started.upstream.reset()
    until(started.is_well)
    started.upstream.reset()
    return started


def test_a_request_is_let_on_with_what_the_plugins_changed(kong: Gateway) -> None:
    response = kong.request(target="/r?a=%20b", method="PUT", body=b"x")
    assert response.status == 200
    assert response.get("x-after") == "PUT /r?a=%20b"
    (seen,) = kong.upstream.requests
    assert seen.get("x-seen") == "PUT /r?a=%20b"
    assert seen.get("x-consumer-username") == "alice"
    assert seen.get("x-api-key") is None
    assert seen.body == b"x"


@pytest.mark.parametrize("headers", [(), (("x-api-key", "wrong"),)], ids=["none", "wrong"])
def test_a_request_without_the_key_is_refused(kong: Gateway, headers: tuple[tuple[str, str], ...]) -> None:
    assert kong.anonymous("/r", *headers).status == 401
    assert not kong.upstream.requests


def test_a_reply_of_a_plugin_is_the_answer(kong: Gateway) -> None:
    response = kong.request(("x-do", "refuse"))
    assert (response.status, response.get("x-refused"), response.body) == (403, "yes", b"no")
    assert not kong.upstream.requests


def test_all_processes_count_together(kong: Gateway) -> None:
    statuses = [kong.anonymous("/limited").status for _ in range(8)]
    assert statuses in ([200] * 3 + [429] * 5, [429] * 8)


def test_a_route_without_plugins_needs_no_mark(kong: Gateway) -> None:
    assert kong.anonymous("/open").status == 200


@pytest.mark.parametrize("fault", ["raise", "exit"])
def test_a_hook_that_raises_refuses_its_request_and_no_other(kong: Gateway, fault: str) -> None:
    for _ in range(4):
        assert kong.request(("x-do", fault)).status == 500
    assert not kong.upstream.requests
    assert kong.request().status == 200
    assert kong.anonymous().status == 401
    assert "a secret" not in kong.kong.log


@pytest.mark.parametrize("target", ["/r", "/r?\xff"])
def test_bytes_that_are_no_text_are_refused_before_kong_pdk(kong: Gateway, target: str) -> None:
    for _ in range(8):
        assert kong.request(("x-bad", "caf\xe9" if target == "/r" else "a"), target=target).status == 400
    assert not kong.upstream.requests
    assert kong.request(("x-good", "caf\xc3\xa9")).status == 200


def test_a_response_that_was_not_checked_is_refused(kong: Gateway) -> None:
    kong.upstream.answer = Answer(headers=[("x-bad", "1"), ("x-secret", "s")], chunks=[b"hidden"])
    response = kong.request()
    assert (response.status, response.get("x-secret")) == (500, None)
    # These bytes end the connection that the event came on.
    kong.upstream.answer = Answer(headers=[("x-latin", "caf\xe9"), ("x-secret", "s")], chunks=[b"hidden"])
    response = kong.request()
    assert (response.status, response.get("x-secret")) == (503, None)
    assert b"hidden" not in response.body


def test_a_hook_that_ends_its_process_lets_nothing_on(kong: Gateway) -> None:
    statuses = {kong.request(("x-do", "die")).status for _ in range(3)}
    assert statuses <= {500, 503}
    assert not kong.upstream.requests


def test_a_server_that_was_killed_lets_nothing_on(kong: Gateway) -> None:
    kong.kill()
    assert {kong.request().status for _ in range(3)} <= {500, 503}
    assert not kong.upstream.requests
    # Kong starts it again.
    until(kong.is_well)
    assert kong.anonymous().status == 401


def test_ids_of_instances_are_new_after_a_restart(kong: Gateway) -> None:
    """Else the first that Kong asks for, /limited, would get the number of /r, and /r its plugins."""
    kong.kill()
    until(lambda: kong.anonymous("/limited").status in (200, 429))
    assert kong.anonymous().status == 401
    assert "no plugin instance" in kong.kong.log


def test_a_hook_that_blocks_is_refused_and_its_process_replaced(kong: Gateway) -> None:
    assert kong.request(("x-do", "hang")).status == 503
    assert not kong.upstream.requests


def test_a_server_that_does_not_answer_lets_nothing_on() -> None:
    folder = Path(tempfile.mkdtemp(prefix="pdk-"))
    try:
        with gateway(folder, "-g", conf="nginx_http_lua_socket_read_timeout = 500ms\n") as kong:
            until(kong.is_well)
            kong.upstream.reset()
            (server,) = kong.kong.servers()
            os.kill(server, signal.SIGSTOP)
            statuses = [kong.request().status for _ in range(3)]
            os.kill(server, signal.SIGCONT)
            assert set(statuses) <= {500, 503}
            assert not kong.upstream.requests
            # What it answers late is for requests that are over.
            until(kong.is_well)
            assert kong.anonymous().status == 401
    finally:
        shutil.rmtree(folder)
