"""One test for each flaw of the contract that was found: none of them comes back."""

import asyncio

import pytest

from outrider import Headers, Identity, Needs, Plugin, Refusal, Request, Response
from outrider.auth import Auth
from outrider.authority import split_authority
from outrider.chain import Chain
from outrider.consumer import Consumer, Consumers
from outrider.errors import HeaderError, PluginError
from outrider.received import Route
from outrider.testing import run


class Guard(Plugin):
    """Refuses everything."""

    def needs(self) -> Needs:
        return Needs(hooks=frozenset({"on_reqest"}))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]

    def on_request(self, request: Request) -> Refusal:
        return Refusal(403, "Forbidden")


def test_a_misspelt_hook_in_needs_does_not_switch_a_plugin_off() -> None:
    with pytest.raises(PluginError, match="on_reqest"):
        run(Guard(), Request())


@pytest.mark.parametrize("names", ["x-user", ("content-length",), ("a b",)])
def test_names_in_needs_that_would_never_match_are_refused(names: tuple[str, ...]) -> None:
    with pytest.raises(PluginError, match="identity_headers"):
        Needs(identity_headers=names)


def test_an_auth_plugin_that_misspells_a_method_is_refused() -> None:
    with pytest.raises(PluginError, match="lacks hide_credential"):

        class Bad(Auth):  # pyright: ignore[reportUnusedClass]
            def authenticate(self, request: Request) -> Identity | None:
                return None

            def challenge(self) -> str:
                return "Bad"

            def hide_credentials(self, request: Request) -> None: ...


def test_priority_as_a_field_would_let_the_file_reorder_plugins() -> None:
    with pytest.raises(PluginError, match=r"priority: ClassVar\[int\]"):

        class Bad(Plugin):  # pyright: ignore[reportUnusedClass]
            priority: int = 800  # type: ignore[misc]  # pyright: ignore[reportIncompatibleVariableOverride]

            def on_request(self, request: Request) -> None: ...


def test_an_identity_header_that_is_declared_with_an_underscore_is_removed_in_both_spellings() -> None:
    chain = Chain(Route("r"), identity_headers=["x_user"])
    request = Request(headers=Headers.received({"x_user": ["admin"], "x-user": ["admin"]}))
    chain.begin(request)
    assert list(request.headers) == []


def test_a_trailing_dot_names_the_same_host() -> None:
    assert split_authority("Admin.example.:80") == ("admin.example", 80)


def test_an_endless_port_is_no_port() -> None:
    assert split_authority("a:" + "9" * 5000) == ("a", None)


class Cut(Plugin):
    """Makes an answer with a body one without."""

    def on_response(self, request: Request, response: Response) -> None:
        response.status = 204


def test_an_answer_with_a_body_can_not_become_one_without_as_the_body_would_be_read_as_the_next() -> None:
    assert run(Cut(), Request(), response=Response(200, body=b"HTTP/1.1 200 OK")).status == 500


class Swap(Plugin):
    """Puts upstream's own headers, with its lengths, into a reply."""

    def on_response(self, request: Request, response: Response) -> Response:
        reply = Response(503)
        reply.headers = response.headers
        return reply


def test_the_headers_of_an_answer_can_not_be_swapped() -> None:
    upstream = Response.received(200, Headers.received({"content-length": ["1000"]}))
    outcome = run(Swap(), Request(), response=upstream)
    assert outcome.status == 500
    assert "content-length" not in outcome.headers


def test_a_header_with_a_bad_value_leaves_no_trace() -> None:
    headers = Headers()
    with pytest.raises(HeaderError):
        headers.append("x-a", "a\r\nb")
    assert "x-a" not in headers


class PanicError(BaseException):
    """What a Rust extension raises."""


class Panics(Plugin):
    """Fails with what is no Exception."""

    waits: bool = False

    async def on_request(self, request: Request) -> None:
        if self.waits:
            await asyncio.sleep(0)
        raise PanicError("token")


@pytest.mark.parametrize("waits", [False, True])
def test_a_hook_that_raises_what_is_no_exception_is_refused_at_once(*, waits: bool) -> None:
    assert run(Panics(waits=waits), Request()).status == 500
    assert run(Panics(waits=waits, on_error="continue"), Request()).status == 200


class Clings(Plugin):
    """Never lets itself be cancelled."""

    async def on_request(self, request: Request) -> None:
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                continue


def test_a_hook_that_swallows_every_cancellation_is_closed() -> None:
    assert run(Clings(timeout=20), Request()).status == 503


class Unsure(Auth):
    """Can't check credentials now."""

    def authenticate(self, request: Request) -> Refusal:
        return Refusal(503, "Later")

    def challenge(self) -> str:
        return "Unsure"

    def hide_credential(self, request: Request) -> None: ...


def test_a_credential_that_can_not_be_checked_now_makes_nobody_a_stranger() -> None:
    consumers = Consumers([Consumer("1", username="guest")])
    assert run(Unsure(anonymous="guest"), Request(), consumers=consumers).status == 503
