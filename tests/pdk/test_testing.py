"""`outrider.testing` with no gateway: what a test of a plugin can see."""

from typing import Any

import pytest

from harness.chains import acts, returns
from outrider import Needs, Plugin, Request, Response
from outrider.testing import run


def fails(*_: object) -> None:
    raise LookupError("why it failed")


def test_a_body_in_pieces_goes_through_the_chunk_hooks_piece_by_piece() -> None:
    seen: list[tuple[bytes, bool]] = []

    def see(_: Request, chunk: bytes, last: bool) -> bytes:
        seen.append((chunk, last))
        return chunk.upper()

    outcome = run(acts(on_request_chunk=see), Request(), [b"one", b"two"])
    assert seen == [(b"one", False), (b"two", True)]
    assert outcome.upstream_chunks == (b"ONE", b"TWO")
    assert outcome.upstream_body == b"ONETWO"


def test_a_response_in_pieces_is_told_in_the_pieces_that_went_on() -> None:
    plugin = acts(on_response_chunk=lambda _, __, chunk, last: b"" if not last else b"all", resizes=True)
    outcome = run(plugin, Request(), response_chunks=[b"one", b"two"])
    assert (outcome.chunks, outcome.body, outcome.aborted) == ((b"", b"all"), b"all", False)


@pytest.mark.parametrize(
    "hook", ["on_request", "on_request_body", "on_request_chunk", "on_response", "on_response_body"]
)
def test_what_a_plugin_raised_is_in_the_outcome(hook: str) -> None:
    hooks: dict[str, Any] = {hook: fails}
    outcome = run(acts(**hooks), Request("POST", "/"), b"body")
    assert outcome.status == 500
    assert isinstance(outcome.error, LookupError)
    assert "why it failed" in repr(outcome)


def test_a_fault_that_changes_no_answer_is_in_the_outcome_too() -> None:
    for plugin in (acts(on_log=fails), acts(on_request=fails, on_error="continue")):
        outcome = run(plugin, Request())
        assert outcome.status == 200
        assert isinstance(outcome.error, LookupError)


def test_the_first_fault_is_the_one_that_is_told() -> None:
    def fails_too(*_: object) -> None:
        raise KeyError

    outcome = run([acts(on_request=fails, on_error="continue"), acts(on_request=fails_too)], Request())
    assert isinstance(outcome.error, LookupError)
    assert not isinstance(outcome.error, KeyError)


def test_a_reply_is_no_fault() -> None:
    assert run(acts(on_request=returns(Response(418))), Request()).error is None


def test_an_access_that_was_not_declared_is_told_with_its_remedy() -> None:
    class Curious(Plugin):
        """Looks at what it did not ask for."""

        def needs(self) -> Needs:
            return Needs(facts=frozenset({"headers"}))

        def on_request(self, request: Request, /) -> None:
            request.headers["x-path"] = request.path

    assert "add it to needs()" in str(run(Curious(), Request()).error)
