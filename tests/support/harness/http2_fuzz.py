"""Bytes and frames made by chance for the engine: random ones, and conversations with something wrong in them."""

import random
from collections.abc import Sequence

from harness import ask
from harness.http2_blocks import added, call, indexed, message, plain, size_update
from harness.http2_frames import (
    PREFACE,
    SETTINGS_ACK,
    Frame,
    Part,
    Setting,
    continuation,
    data,
    goaway,
    headers,
    joined,
    ping,
    priority,
    reset,
    settings,
    window_update,
)
from harness.http2_guard import GOOD, KEY, TOKEN
from outrider_envoy.calls import PROCESS
from outrider_envoy.proto.ext_proc_pb2 import ProcessingRequest

ROUTE = ("outrider-route", "orders")
ODD_BLOCKS = (b"", b"\x80", b"\xff\xff\xff\xff\xff\xff", indexed(62), size_update(4096), b"\0", plain("x", "y"))


class Fuzz:
    """Makes what a connection is sent, in pieces."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._token = 0

    def pieces(self) -> list[bytes]:
        """All that one connection is sent, cut by chance."""
        made = self._chance.choice(
            (self._random_bytes, self._random_frames, self._mutated, self._mutated, self._valid)
        )
        return list(self._cut(made()))

    def _cut(self, raw: bytes) -> Sequence[bytes]:
        chance, found = self._chance, list[bytes]()
        longest = chance.choice((1, 7, 100, 5_000, 1 << 20))
        while raw:
            size = chance.randrange(1, longest + 1)
            found.append(raw[:size])
            raw = raw[size:]
        return found

    def _random_bytes(self) -> bytes:
        hello = self._chance.choice((b"", PREFACE, PREFACE + bytes(settings())))
        return hello + self._chance.randbytes(self._chance.randrange(300))

    def _random_frames(self) -> bytes:
        frames = [self._any_frame() for _ in range(self._chance.randrange(40))]
        return joined([PREFACE, settings(), *frames])

    def _valid(self) -> bytes:
        return joined(self.conversation())

    def _mutated(self) -> bytes:
        """A conversation with frames lost or doubled, strange ones between, and some bytes that are others."""
        chance, parts = self._chance, self.conversation()
        for _ in range(chance.randrange(4)):
            place = chance.randrange(len(parts))
            more = chance.choice(([], [parts[place]] * 2, [chance.choice(parts)], [self._any_frame(), parts[place]]))
            parts[place : place + 1] = more or [b""]
        raw = bytearray(joined(parts))
        for _ in range(chance.choice((0, 0, 1, 3, 10))):
            raw[chance.randrange(len(raw))] = chance.randrange(256)
        return bytes(raw[: chance.randrange(len(raw))] if chance.random() < 0.1 else raw)

    def conversation(self) -> list[Part]:
        """A few valid calls, mixed."""
        chance = self._chance
        early = [] if chance.random() < 0.5 else [SETTINGS_ACK]
        calls = [self._call(2 * place + 1) for place in range(chance.randrange(1, 6))]
        first = calls[0][0]
        if early:
            calls[0][0] = Frame(first.kind, first.flags, first.stream, size_update(0) + first.payload)
        opened = [frames.pop(0) for frames in calls]
        rest = [frame for frames in calls for frame in frames]
        if chance.random() < 0.7:
            # In the order of each call, the calls mixed.
            rest = self._mixed(calls)
        said = settings((Setting.INITIAL_WINDOW_SIZE, chance.choice((0, 9, 65_535, 1 << 20))))
        return [PREFACE, said, *early, *opened, *rest, *self._tail(len(calls))]

    def _mixed(self, calls: list[list[Frame]]) -> list[Frame]:
        left: list[list[Frame]] = [frames for frames in calls if frames]
        found = list[Frame]()
        while left:
            frames = self._chance.choice(left)
            found.append(frames.pop(0))
            left = [one for one in left if one]
        return found

    def _tail(self, count: int) -> list[Frame]:
        """What ends it: windows, resets, or nothing."""
        chance = self._chance
        frames = [window_update(0, 1 << 20), *(window_update(2 * place + 1, 1 << 16) for place in range(count))]
        return frames + [reset(chance.randrange(count) * 2 + 1)] * chance.randrange(2)

    def _call(self, stream: int) -> list[Frame]:
        chance = self._chance
        block = call(PROCESS, ROUTE, *[("grpc-timeout", "1S")] * (chance.random() < 0.1))
        if chance.random() < 0.2:
            block += added("x-fuzz", "1" * chance.randrange(50))
        frames = [headers(stream, block)]
        first = self._request() if chance.random() < 0.8 else self.message()
        more = [self.message() for _ in range(chance.randrange(4))]
        raw = b"".join(message(one.SerializeToString()) for one in (first, *more))
        while raw:
            size = chance.choice((3, 20, 1 << 14))
            frames.append(data(stream, raw[:size], pad=chance.choice((None, None, 0, 7))))
            raw = raw[size:]
        if chance.random() < 0.6:
            frames.append(data(stream, end=True))
        return frames

    def message(self) -> ProcessingRequest:
        """One that Envoy could send, with the key or not."""
        chance = self._chance
        made = chance.choice(
            (self._request, self._request, ask.request_body, ask.response_headers, ask.request_trailers)
        )
        return made()

    def _request(self) -> ProcessingRequest:
        chance = self._chance
        self._token += 1
        fields = [(TOKEN, f"token-{self._token:09}")]
        if chance.random() < 0.5:
            fields.append((KEY, chance.choice((GOOD, GOOD, "bad", ""))))
        if chance.random() < 0.3:
            fields.append(("x-wait", "1"))
        return ask.request_headers(*fields, end=chance.random() < 0.7)

    def _any_frame(self) -> Frame:
        chance = self._chance
        stream = chance.choice((0, 1, 3, 5, 7, 2, 0x7FFF_FFFF))
        number = chance.choice((0, 1, 65_535, (1 << 31) - 1, 1 << 31, (1 << 32) - 1))
        return chance.choice(
            (
                data(stream, chance.randbytes(chance.randrange(40)), end=chance.random() < 0.3),
                data(stream, message(self.message().SerializeToString()), pad=chance.choice((None, 0, 200))),
                headers(stream, call(PROCESS, ROUTE), end=chance.random() < 0.2, whole=chance.random() < 0.9),
                headers(stream, chance.choice(ODD_BLOCKS), end=chance.random() < 0.5, whole=chance.random() < 0.8),
                continuation(stream, chance.choice(ODD_BLOCKS), whole=chance.random() < 0.7),
                priority(stream, on=number),
                reset(stream, number),
                settings((chance.randrange(8), number)),
                SETTINGS_ACK,
                ping(ack=chance.random() < 0.5),
                goaway(number, number),
                window_update(stream, number),
                Frame(chance.randrange(256), chance.randrange(256), stream, chance.randbytes(chance.randrange(20))),
            )
        )
