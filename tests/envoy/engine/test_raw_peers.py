"""Odd peers on a real socket, at both transports: what the one serves the other serves."""

import asyncio
from collections.abc import Sequence

import pytest

from harness import ask
from harness.chains import acts, passes
from harness.http2_blocks import call, call_fields, fields, message, size_update
from harness.http2_frames import PREFACE, SETTINGS_ACK, Kind, Part, data, headers, joined, ping, settings
from harness.http2_heard import Answer, Heard
from harness.worker import ENGINE, GRPCIO, PROCESS, Worker, served
from outrider import Request
from outrider_envoy.engine.limits import Limits

ROUTE = ("outrider-route", "orders")
ASKED = message(ask.request_headers(end=True).SerializeToString())
GOOD = call_fields(PROCESS, ROUTE)
EMPTY_TABLE = size_update(0)


class Raw:
    """A connection of frames."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self.writer = reader, writer
        self.heard = Heard(strict=False)

    async def hear(self) -> bool:
        """Whether more came."""
        got = await self._reader.read(1 << 16)
        self.heard.read(got)
        return bool(got)

    def say(self, *parts: Part) -> None:
        self.writer.write(joined(parts))


async def connected(worker: Worker) -> Raw:
    raw = Raw(*await asyncio.open_unix_connection(worker.address.removeprefix("unix:")))
    raw.say(PREFACE, settings())
    while not raw.heard.frames:
        await raw.hear()
    raw.say(SETTINGS_ACK)
    return raw


def outcome(transport: str, block: bytes, body: bytes = ASKED) -> Answer:
    """What becomes of one call, with its half-close."""
    found = list[Answer]()

    async def test(worker: Worker) -> None:
        raw = await connected(worker)
        raw.say(headers(1, EMPTY_TABLE + block), data(1, body, end=True))
        answer = raw.heard.on(1)
        while not answer.ended and answer.reset is None and await raw.hear():
            pass
        found.append(answer)
        raw.writer.close()

    served(transport, test, acts(on_request=passes))
    return found[0]


def is_served(answer: Answer) -> bool:
    return answer.status == 0 and bool(answer.messages)


def with_field(name: str, value: str) -> list[tuple[str, str]]:
    return [field for field in GOOD if field[0] != name] + [(name, value)]


def without_field(name: str) -> list[tuple[str, str]]:
    return [field for field in GOOD if field[0] != name]


@pytest.mark.parametrize(
    ("pairs", "serves"),
    [
        pytest.param(GOOD, True, id="a call as it should be"),
        pytest.param(with_field("grpc-timeout", "10S"), True, id="a timeout"),
        pytest.param(with_field("grpc-timeout", "99999999H"), True, id="a timeout of the longest"),
        pytest.param(with_field("content-type", "application/grpc+proto"), True, id="+proto"),
        pytest.param(with_field("grpc-encoding", "identity"), True, id="no compression"),
        pytest.param(with_field("x-empty", ""), True, id="an empty value"),
        pytest.param([(":path", PROCESS), *without_field(":path")], True, id="another order"),
        pytest.param(call_fields(PROCESS + "x", ROUTE), False, id="an unknown method"),
        pytest.param(call_fields("/", ROUTE), False, id="no method"),
        pytest.param(without_field(":path"), False, id="no path"),
        pytest.param([(":method", "GET"), *without_field(":method")], False, id="GET"),
        pytest.param(with_field("grpc-timeout", "0S"), False, id="a timeout of nothing"),
    ],
)
def test_both_serve_the_same_calls(pairs: Sequence[tuple[str, str]], *, serves: bool) -> None:
    for transport in (ENGINE, GRPCIO):
        assert is_served(outcome(transport, fields(pairs))) == serves, transport


@pytest.mark.parametrize("lacks", ["te", ":authority"])
def test_the_engine_asks_for_less_than_grpcio(lacks: str) -> None:
    """Both are about proxies in between, of which there are none."""
    assert is_served(outcome(ENGINE, fields(without_field(lacks))))
    assert not is_served(outcome(GRPCIO, fields(without_field(lacks))))


@pytest.mark.parametrize(
    ("body", "code"),
    [
        pytest.param(b"", 13, id="no message"),
        pytest.param(ASKED[:-1], 13, id="part of a message"),
        pytest.param(message(b"\xff\xff\xff"), 13, id="no protobuf"),
        pytest.param(message(ASKED[5:], flag=1), 13, id="compressed by nobody says what"),
        pytest.param(message(length=1 << 30), 8, id="a message that is too long"),
    ],
)
def test_both_end_a_bad_body_with_an_error(body: bytes, code: int) -> None:
    engine, grpcio = (outcome(transport, fields(GOOD), body) for transport in (ENGINE, GRPCIO))
    assert engine.status == code
    # grpcio resets a stream that stops in the middle of a message; so or so nothing passes.
    assert not is_served(grpcio)


def test_part_of_a_second_message_is_an_error_though_grpcio_overlooks_it() -> None:
    assert outcome(ENGINE, fields(GOOD), ASKED + ASKED[:3]).status == 13
    assert is_served(outcome(GRPCIO, fields(GOOD), ASKED + ASKED[:3]))


def test_a_client_that_leaves_in_the_middle_of_anything_leaves_nothing_behind() -> None:
    whole = joined(
        [PREFACE, settings(), SETTINGS_ACK, headers(1, EMPTY_TABLE + call(PROCESS, ROUTE)), data(1, ASKED)]
    )

    async def test(worker: Worker) -> None:
        path = worker.address.removeprefix("unix:")
        for place in range(0, len(whole), 5):
            _, writer = await asyncio.open_unix_connection(path)
            writer.write(whole[:place])
            await writer.drain()
            writer.close()
            await writer.wait_closed()
        while worker.in_flight or len(asyncio.all_tasks()) > 2:
            await asyncio.sleep(0)

    served(ENGINE, test, acts(on_request=passes))


def test_a_deadline_ends_a_hook_that_waits() -> None:
    ends = list[str]()

    async def waits(_: Request) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ends.append("finally")

    answer = list[Answer]()

    async def test(worker: Worker) -> None:
        raw = await connected(worker)
        raw.say(headers(1, EMPTY_TABLE + call(PROCESS, ROUTE, ("grpc-timeout", "20m"))), data(1, ASKED))
        while not raw.heard.on(1).ended:
            await raw.hear()
        answer.append(raw.heard.on(1))
        raw.writer.close()

    served(ENGINE, test, acts(on_request=waits))
    assert answer[0].status == 4
    assert ends == ["finally"]


def test_a_peer_that_does_not_read_is_not_read_either() -> None:
    """Else what it is answered would fill the memory."""

    async def test(worker: Worker) -> None:
        raw = await connected(worker)
        raw.writer.transport.set_write_buffer_limits(0)
        count, batch, held_up = 0, [ping()] * 1_000, False
        while not held_up:
            assert count < 1_000_000
            raw.say(*batch)
            count += len(batch)
            done, _ = await asyncio.wait([asyncio.ensure_future(raw.writer.drain())], timeout=0.5)
            held_up = not done
        # It reads again, and the server goes on where it was.
        while len(raw.heard.pongs) < count:
            assert await raw.hear()
        raw.writer.close()

    served(ENGINE, test, acts(on_request=passes), limits=Limits(credit=1 << 30))


def test_a_connection_error_reaches_the_peer() -> None:
    async def test(worker: Worker) -> None:
        raw = await connected(worker)
        raw.say(ping(b"short"))
        while await raw.hear():
            pass
        assert raw.heard.frames[-1].kind == Kind.GOAWAY
        raw.writer.close()

    served(ENGINE, test, acts(on_request=passes))
