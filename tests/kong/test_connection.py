"""A connection of Kong's: odd bytes, unknown calls, lost ends. No path lets a request through unchecked."""

import asyncio
import struct
from pathlib import Path

import pytest
from google.protobuf.message import Message
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.chains import acts, passes, returns
from harness.kong_instances import kong
from harness.kong_peer import KongPeer
from outrider import Response
from outrider_kong.connection import FRAME_LIMIT, Connection
from outrider_kong.frames import frame
from outrider_kong.proto import pluginsocket_pb2 as pb


def event(instance: int, phase: str = "access", sequence: int = 7) -> bytes:
    call = pb.HandleEvent(instance_id=instance, event_name=phase)
    return frame(pb.RpcCall(sequence=sequence, handle_event=call).SerializeToString())


def test_bytes_may_come_one_by_one(tmp_path: Path) -> None:
    peer = kong(tmp_path, acts(on_request=returns(Response(418))))
    whole = peer.connection.receive(event(peer.instance))
    other = kong(tmp_path, acts(on_request=returns(Response(418)))).connection
    sent = event(peer.instance)
    assert b"".join(other.receive(sent[at : at + 1]) for at in range(len(sent))) == whole


def test_answers_to_what_was_sent_ahead_are_dropped(tmp_path: Path) -> None:
    peer = kong(tmp_path, acts(on_request=lambda request: request.headers.append("x-a", "1")))
    assert peer.event()[-1] == "kong.service.request.set_headers"
    assert peer.event()[-1] == "kong.service.request.set_headers"


@pytest.mark.parametrize("payload", [b"\xff\xff\xff", b"", b"\x08\x01", b"GET / HTTP/1.1\r\n"])
def test_a_call_that_makes_no_sense_is_answered_with_a_refusal(tmp_path: Path, payload: bytes) -> None:
    peer = kong(tmp_path, acts(on_request=passes))
    peer.calls.clear()
    peer.send(frame(payload))
    assert peer.methods == ["kong.response.exit"]
    assert peer.connection.finished
    assert peer.event()


@pytest.mark.parametrize("phase", ["rewrite", "certificate", "header_filter", "", "x" * 1000, "Access"])
def test_an_unknown_phase_is_refused(tmp_path: Path, phase: str) -> None:
    peer = kong(tmp_path, acts(on_request=passes))
    assert peer.event(phase) == ["kong.response.exit"]
    assert peer.event()


def test_an_unknown_instance_is_started_again(tmp_path: Path) -> None:
    peer = kong(tmp_path, acts(on_request=passes))
    for number in (1, -1, peer.instance + 1, 2**31 - 1):
        assert peer.event(instance=number) == ["no plugin instance"]


def test_a_frame_over_the_limit_is_refused_and_the_rest_not_read(tmp_path: Path) -> None:
    peer = kong(tmp_path, acts(on_request=passes))
    peer.connection.receive(event(peer.instance))
    answer = peer.connection.receive(struct.pack("<I", FRAME_LIMIT + 1) + event(peer.instance))
    assert b"kong.response.exit" in answer
    assert peer.connection.finished
    assert peer.connection.receive(event(peer.instance)) == b""


def test_an_answer_of_another_kind_is_a_refusal(tmp_path: Path) -> None:
    peer = kong(tmp_path, acts(on_request=passes))
    peer.connection.receive(event(peer.instance))
    assert b"kong.response.exit" in peer.connection.receive(frame(b"\xff\xff\xff"))


def test_an_answer_that_nobody_asked_for_is_a_refusal(tmp_path: Path) -> None:
    async def hook(_: object) -> None:
        await asyncio.sleep(60)

    async def answered() -> bytes:
        connection = peer.connection
        connection.receive(event(peer.instance))
        facts = pb.Value(string_value=b"\n".join([b"1", b"GET", b"http", b"", b"", b"", b"", b"", b"/"]))
        connection.receive(frame(b"") + frame(facts.SerializeToString()))
        assert connection.waiting is not None
        return connection.receive(frame(b""))

    peer = kong(tmp_path, acts(on_request=hook))
    peer.event("none")
    peer.rpc(close_instance=pb.CloseInstance())
    assert b"kong.response.exit" in asyncio.run(answered())


def test_a_fault_in_the_log_phase_ends_the_event_without_an_exit(tmp_path: Path) -> None:
    peer = kong(tmp_path, acts(on_log=passes))
    peer.connection.receive(event(peer.instance, "log"))
    answer = peer.connection.receive(frame(b"\xff\xff"))
    assert b"kong.response.exit" not in answer
    assert answer.startswith(frame(b""))


def test_too_many_events_are_answered_with_503(tmp_path: Path) -> None:
    peer = kong(tmp_path, acts(on_request=passes))
    full = Connection(peer.connection.instances, lambda: True)
    assert b"kong.response.exit" in full.receive(event(peer.instance))


def test_an_instance_that_is_closed_is_unknown(tmp_path: Path) -> None:
    peer = kong(tmp_path, acts(on_request=passes))
    peer.event()
    peer.rpc(close_instance=pb.CloseInstance(instance_id=peer.instance))
    assert peer.returned is not None
    assert peer.event() == ["no plugin instance"]


class _Odd(KongPeer):
    """Kong, but some answer is other bytes."""

    odd: bytes = b""
    at = 0

    def answer(self, method: str, argument: bytes) -> Message | bytes:
        self.at -= 1
        return self.odd if self.at == 0 else super().answer(method, argument)


@pytest.fixture(scope="module")
def refuses(tmp_path_factory: pytest.TempPathFactory) -> KongPeer:
    """Kong with a plugin that lets nothing pass."""
    return kong(tmp_path_factory.mktemp("refuses"), acts(on_request_body=returns(Response(403))))


@settings(max_examples=300, deadline=None)
@given(odd=st.binary(max_size=60), at=st.integers(1, 6))
def test_whatever_an_answer_is_the_event_ends_in_a_verdict(refuses: KongPeer, odd: bytes, at: int) -> None:
    peer = _Odd(lambda: Connection(refuses.connection.instances))
    peer.odd, peer.at = odd, at
    peer.event(instance=refuses.instance)
    assert peer.exit is not None
    assert peer.exit.status in (403, 413, 431, 500)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.binary(max_size=80), max_size=6))
def test_whatever_comes_the_next_connection_gets_its_right_verdict(refuses: KongPeer, noise: list[bytes]) -> None:
    connection = Connection(refuses.connection.instances)
    for piece in noise:
        connection.receive(piece)
    connection.close()
    refuses.event()
    assert refuses.exit is not None
    assert refuses.exit.status == 403
