"""on_error: continue - a hook that failed leaves no trace."""

import asyncio
from collections.abc import Callable
from typing import Any, cast

import pytest

from harness.chains import HookFunction, acts, acts_in, returns
from outrider import Consumer, Headers, Request, Response
from outrider.testing import run


def touch_request(request: Request, *_: object) -> None:
    """Changes all that a plugin can change about a request."""
    request.headers["x-kept"] = "changed"
    request.headers.append("x-new", "1")
    request.headers.discard("x-gone")
    request.query = "changed=1"
    request.upstream_path, request.upstream_method = "/changed", "PUT"
    request.reply_headers["x-reply"] = "changed"
    request.context["list"].append("changed")
    request.context["new"] = True
    request.consumer = Consumer("changed")
    request.credential = "changed"
    request.claims = {"changed": True}
    request.id = "changed"


def touch_response(_: Request, response: Response, *__: object) -> None:
    """Changes all that a plugin can change about a response."""
    response.status = 299
    response.headers["x-kept"] = "changed"
    response.headers.append("x-new", "1")
    response.headers.discard("x-gone")
    response.body = b"changed"


def fails(*_: object) -> None:
    raise RuntimeError


async def is_late(*_: object) -> None:
    await asyncio.Event().wait()


def replies_with_garbage(*_: object) -> Response:
    return Response(cast("Any", "200"))


def replaces_the_headers(request: Request, *_: object) -> None:
    request.headers = Headers()


ENDINGS: dict[str, HookFunction] = {
    "fails": fails,
    "is late": is_late,
    "returns garbage": returns(42),
    "replies with garbage": replies_with_garbage,
    "replaces the headers": replaces_the_headers,
}
every_ending = pytest.mark.parametrize("ending", ENDINGS)


def touches(touch: Callable[..., None], ending: str) -> HookFunction:
    """A hook that changes everything, then ends badly, at once or after a wait."""

    def hook(*seen: Any) -> Any:
        touch(*seen)
        return ENDINGS[ending](*seen)

    return hook


def settle(request: Request) -> None:
    """What an earlier plugin has done stays."""
    request.context["list"] = ["kept"]
    request.reply_headers["x-reply"] = "kept"
    request.consumer = Consumer("kept")
    request.credential = "kept"
    request.claims = {"kept": True}


def the_request() -> Request:
    fields = {"x-kept": ["kept"], "x-gone": ["still there"], "x-request-id": ["kept"]}
    return Request("POST", "/path?kept=1", headers=Headers.received(fields))


FIRST = acts(on_request=settle, replies=("x-reply",))


@every_ending
@pytest.mark.parametrize("hook", ["on_request", "on_request_body", "on_response", "on_response_body"])
def test_a_failed_hook_changes_nothing_about_the_request(hook: str, ending: str) -> None:
    hooks = {hook: touches(touch_request, ending)}
    request = the_request()
    outcome = run([FIRST, acts_in(hooks, on_error="continue", timeout=1)], request, b"body")
    assert outcome.status == 200
    assert outcome.upstream is request
    assert dict(request.headers) == {"x-kept": "kept", "x-gone": "still there", "x-request-id": "kept"}
    assert not request.headers.changed
    assert (request.target, request.line_changed) == ("/path?kept=1", False)
    assert (request.upstream_path, request.upstream_method) == (None, None)
    assert outcome.headers == {"x-reply": "kept"}
    assert request.context == {"list": ["kept"]}
    assert (request.consumer, request.credential, request.claims) == (Consumer("kept"), "kept", {"kept": True})
    assert request.id == "kept"


@every_ending
@pytest.mark.parametrize("hook", ["on_response", "on_response_body"])
@pytest.mark.parametrize("answered_by", ["upstream", "plugin"])
def test_a_failed_hook_changes_nothing_about_the_response(hook: str, ending: str, answered_by: str) -> None:
    given = Response(201, body=b"kept", headers={"x-kept": "kept", "x-gone": "still there"})
    hooks = {hook: touches(touch_response, ending)}
    answers = acts(on_request=lambda _: given if answered_by == "plugin" else None)
    outcome = run([acts_in(hooks, on_error="continue", timeout=1), answers], the_request(), response=given)
    assert (outcome.status, outcome.body) == (201, b"kept")
    assert outcome.headers == {"x-kept": "kept", "x-gone": "still there"}


@every_ending
def test_a_failed_body_hook_brings_back_the_body_that_was_there_before(ending: str) -> None:
    """Its own earlier hook's changes go too: a step is one thing."""
    plugins = [
        acts(on_request_body=returns(b"first"), on_response_body=returns(b"FIRST")),
        acts(
            on_error="continue",
            timeout=1,
            on_request=lambda request: request.headers.append("x-new", "1"),
            on_request_body=ENDINGS[ending],
            on_response_body=ENDINGS[ending],
        ),
    ]
    outcome = run(plugins, Request("POST"), b"body", response=Response(200, body=b"answer"))
    assert (outcome.status, outcome.upstream_body, outcome.body) == (200, b"first", b"FIRST")
    assert outcome.upstream is not None
    assert "x-new" not in outcome.upstream.headers


@every_ending
def test_a_plugin_whose_request_hook_failed_does_not_see_the_response_nor_the_end(ending: str) -> None:
    seen: list[object] = []
    plugin = acts(
        on_error="continue",
        timeout=1,
        on_request=ENDINGS[ending],
        on_response=lambda _, __: seen.append("response"),
        on_log=lambda _, __: seen.append("log"),
    )
    assert run(plugin, Request()).status == 200
    assert not seen


def test_a_tolerated_fault_does_not_open_the_plugins_behind_it() -> None:
    plugins = [acts(on_error="continue", on_request=fails), acts(on_request=lambda _: Response(401))]
    assert run(plugins, Request()).status == 401


def test_a_fault_that_is_not_tolerated_refuses_behind_a_tolerated_one() -> None:
    plugins = [acts(on_error="continue", on_request=fails), acts(on_request=fails)]
    assert run(plugins, Request()).status == 500
