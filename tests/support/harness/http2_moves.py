"""Valid conversations in any order of events, made by chance, and what must hold of them in the end."""

from collections.abc import Callable
from dataclasses import dataclass, field

from harness.http2_blocks import ECHO, call, message
from harness.http2_frames import LARGEST_WINDOW, Setting, data, headers, reset, settings, window_update
from harness.http2_peer import Peer
from harness.http2_script import FAIL, MANY, NOWHERE, WAIT, ScriptedCall

PATHS = (ECHO, WAIT, FAIL, MANY, NOWHERE)
FAILS = b"fail"
CONTENTS = (b"", b"x", b"again", b"hello" * 9, FAILS)


@dataclass
class Sent:
    """What one call was sent so far."""

    path: str
    call: ScriptedCall | None
    messages: list[bytes] = field(default_factory=list[bytes])
    rest: bytes = b""
    ended: bool = False
    cancelled: bool = False


class Moves:
    """A peer that makes one valid move after the other."""

    def __init__(self, peer: Peer, pick: Callable[[int], int]) -> None:
        self.peer = peer
        self.sent: dict[int, Sent] = {}
        self._pick = pick
        self._next = 1

    def make(self) -> None:
        """One move of whatever kind."""
        moves = (self._open, self._tell, self._tell, self._half, self._end, self._cancel, self._settle, self._settle)
        rare = (self._widen, self._widen_all, self._resize, self._ping, self._late)
        every = (*moves, *moves, *rare)
        every[self._pick(len(every))]()

    def finish(self) -> None:
        """Opens all windows, lets all hooks end, and ends every call that still can be."""
        peer = self.peer
        peer.send(settings((Setting.INITIAL_WINDOW_SIZE, 1 << 20)), window_update(0, 1 << 24))
        for stream, sent in self.sent.items():
            if not sent.ended and not sent.cancelled:
                peer.send(data(stream, sent.rest, end=True))
                sent.ended, sent.rest = True, b""
        while peer.waits.open:
            peer.settle()
        peer.waits.end_cancelled()
        assert peer.connection.streams == 0
        assert peer.held == 0
        for stream, sent in self.sent.items():
            self._check(stream, sent)

    def _check(self, stream: int, sent: Sent) -> None:
        answer = self.peer.on(stream)
        if sent.call is None:
            assert answer.status == 12 or sent.cancelled
            return
        assert sent.call.closed == 1
        expected, fails = answered(sent)
        heard = sent.call.heard
        assert [one.removesuffix(b", done") for one in heard] == sent.messages[: len(heard)]
        if sent.cancelled:
            assert answer.messages == expected[: len(answer.messages)]
            return
        assert answer.messages == expected
        assert answer.status == (13 if fails or not sent.messages else 0)

    def _open(self) -> None:
        path = str(PATHS[self._pick(len(PATHS))])
        before = len(self.peer.calls)
        self.peer.send(headers(self._next, call(path, ("x-stream", str(self._next)))))
        opened = self.peer.calls[-1] if len(self.peer.calls) > before else None
        assert opened is None or opened.metadata["x-stream"] == str(self._next)
        self.sent[self._next] = Sent(path, opened)
        self._next += 2

    def _live(self) -> tuple[int, Sent] | None:
        live = [(stream, sent) for stream, sent in self.sent.items() if not (sent.ended or sent.cancelled)]
        return live[self._pick(len(live))] if live else None

    def _tell(self) -> None:
        if found := self._live():
            stream, sent = found
            content = CONTENTS[self._pick(len(CONTENTS))]
            sent.messages.append(content)
            raw, sent.rest = sent.rest + message(content), b""
            self.peer.send(data(stream, raw))

    def _half(self) -> None:
        """Part of a message; the other part comes with the next move on this stream."""
        if (found := self._live()) and not found[1].rest:
            stream, sent = found
            content = CONTENTS[self._pick(len(CONTENTS))]
            raw = message(content)
            cut = 1 + self._pick(len(raw) - 1)
            self.peer.send(data(stream, raw[:cut]))
            sent.messages.append(content)
            sent.rest = raw[cut:]

    def _end(self) -> None:
        if found := self._live():
            stream, sent = found
            self.peer.send(data(stream, sent.rest, end=True, pad=self._pick(9)))
            sent.ended, sent.rest = True, b""

    def _cancel(self) -> None:
        live = [stream for stream, sent in self.sent.items() if not sent.cancelled]
        if live:
            stream = live[self._pick(len(live))]
            self.sent[stream].cancelled = not self.peer.on(stream).ended
            self.sent[stream].ended = True
            self.peer.send(reset(stream))

    def _settle(self) -> None:
        if self.peer.waits.open:
            self.peer.waits.let_go(self._pick(len(self.peer.waits.open)))
            self.peer.hear()
        elif self.peer.waits.cancelled:
            self.peer.waits.cancelled.pop()()

    def _widen(self) -> None:
        if self.sent:
            stream = list(self.sent)[self._pick(len(self.sent))]
            more = 1 + self._pick(60)
            if self.peer.on(stream).window + more <= LARGEST_WINDOW:
                self.peer.send(window_update(stream, more))

    def _widen_all(self) -> None:
        self.peer.send(window_update(0, 1 + self._pick(60)))

    def _resize(self) -> None:
        self.peer.send(settings((Setting.INITIAL_WINDOW_SIZE, self._pick(100))))

    def _ping(self) -> None:
        assert self.peer.is_well

    def _late(self) -> None:
        """A deadline that nobody has set."""
        self.peer.connection.expire(float("inf"))
        self.peer.hear()


def answered(sent: Sent) -> tuple[list[bytes], bool]:
    """What comes back, and whether the call fails behind it."""
    if sent.path == FAIL and FAILS in sent.messages:
        return sent.messages[: sent.messages.index(FAILS)], True
    if sent.path == WAIT:
        return [b"again, done" if one == b"again" else one for one in sent.messages], False
    return [one for one in sent.messages for _ in range(3 if sent.path == MANY else 1)], False
