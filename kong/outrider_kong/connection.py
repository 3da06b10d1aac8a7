"""Kong's side of one connection as a state machine: bytes in, bytes out, no I/O."""

import logging
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from google.protobuf.message import DecodeError

from outrider.logs import current_request
from outrider.pressure import Pressure
from outrider.verdict import overloaded
from outrider_kong.body import BODY_LIMIT
from outrider_kong.calls import NO_INSTANCE, Call, read
from outrider_kong.crashes import PoisonedError
from outrider_kong.errors import ProtocolError
from outrider_kong.event import Event, Settling, Wanted, refusal
from outrider_kong.frames import EMPTY, Frames, frame
from outrider_kong.instances import UNFIT, Instances, Starting
from outrider_kong.proto.pluginsocket_pb2 import HandleEvent, InstanceStatus, RpcCall, RpcReturn, StartInstance

_log = logging.getLogger("outrider.kong")

FRAME_LIMIT: Final = BODY_LIMIT + 1024 * 1024
"""The longest frame, in bytes: an upstream's body, which Kong sends as one."""


class Connection:
    """Answers what Kong sends. `waiting` is what must settle before `resume` goes on.

    Once it is `finished` nothing more is answered: it is to be closed when all is written.
    It never ends in the middle of an event: Kong would send that again and again (kong.md, "ProtoBuf:1").
    """

    def __init__(
        self,
        instances: Instances,
        overloaded: Callable[[], bool] = lambda: False,
        pressure: Pressure | None = None,
    ) -> None:
        self.instances = instances
        self._overloaded = overloaded
        self._pressure = pressure
        self._untouched = False
        self._frames = Frames(FRAME_LIMIT)
        self._event: Event | None = None
        self._phase = ""
        self._sequence = 0
        self._asked: Sequence[Call] = ()
        self._answers: list[Any] = []
        self._sent_ahead = 0
        self._spent = False
        self.finished = False
        self.waiting: Settling | None = None
        self.since = time.monotonic()

    @property
    def busy(self) -> bool:
        """Whether Kong waits for the end of an event."""
        return self._event is not None

    def receive(self, data: bytes) -> bytes:
        """What to write for what came."""
        if self._spent or self.finished:
            return b""
        self.since = time.monotonic()
        try:
            only = self._frames.only(data)
            if only is not None:
                return self._take(only)
            return b"".join([self._take(one) for one in self._frames.feed(data)])
        except ProtocolError as error:
            answer = self.refuse(error)
            # What follows odd bytes is as odd; what answers calls made before would answer others.
            self._spent = self.finished = True
            return answer

    def resume(self) -> bytes:
        """What to write now that `waiting` has settled."""
        self.waiting = None
        return self._advance(()) if self._event is not None else b""

    def refuse(self, error: Exception) -> bytes:
        """What to write where the event can't go on."""
        awaits = self._event is not None and self.waiting is None and len(self._answers) < len(self._asked)
        self._end_event()
        _tell(error)
        if self._phase == "log":
            # Nothing is left to be refused, and a fault in log must not call exit. What Kong still answers to earlier
            # calls would be taken for its next ones.
            self.finished = awaits
            return self._finish(())
        return self._finish((_answer_to(error, over_response=self._phase == "response"),))

    def close(self) -> None:
        """The connection is lost: what still waited has decided nothing."""
        self._spent = True
        self._end_event()

    def _take(self, raw: bytes) -> bytes:
        if self._sent_ahead:
            # What Kong says to a call that nobody waited for.
            self._sent_ahead -= 1
            return b""
        if self._spent:
            return b""
        if self._event is None:
            return self._called(raw)
        if self.waiting is not None:
            raise ProtocolError("an answer that nobody asked for")
        self._answers.append(read(self._asked[len(self._answers)], raw))
        if len(self._answers) < len(self._asked):
            return b""
        untouched, self._untouched = self._untouched, False
        if untouched and self._sheds():
            return self.refuse(OverloadedError())
        return self._advance(self._answers)

    def _called(self, raw: bytes) -> bytes:
        try:
            call = RpcCall.FromString(raw)
        except DecodeError:
            raise ProtocolError("a call that is no message of its kind") from None
        self._sequence = call.sequence
        kind = call.WhichOneof("call")
        if kind == "handle_event":
            return self._begin(call.handle_event)
        if kind == "start_instance":
            return self._started(call.start_instance)
        if kind == "close_instance":
            self.instances.close(call.close_instance.instance_id)
            return self._returned()
        raise ProtocolError(f"a call of the kind {kind}, which Kong does not make")

    def _started(self, call: StartInstance) -> bytes:
        try:
            number = self.instances.start(call.name, call.config)
        except OSError as error:
            # Kong would wait for an instance that it could not start.
            _log.error("%s: every request is refused: no number can be dealt out (%s)", call.name, error.strerror)
            number = UNFIT
        return self._returned(InstanceStatus(name=call.name, instance_id=number, started_at=int(time.time())))

    def _returned(self, status: InstanceStatus | None = None) -> bytes:
        return frame(RpcReturn(sequence=self._sequence, instance_status=status).SerializeToString())

    def _begin(self, call: HandleEvent) -> bytes:
        self._phase = call.event_name
        # What is logged before the request is read belongs to none.
        current_request.set(None)
        self._untouched = self._phase == "access"
        if self._overloaded() or (self._untouched and self._sheds()):
            return self.refuse(OverloadedError())
        self._event = _event(self.instances, call)
        return self._advance(None)

    def _sheds(self) -> bool:
        """Whether a request that no plugin has seen is refused. It waits twice: for this, and with Kong's answers."""
        return self._pressure is not None and self._pressure.sheds(self.since)

    def _advance(self, answers: Sequence[Any] | None) -> bytes:
        event = self._event
        if event is None:
            return b""
        try:
            # The first one must be None, which is the end of no question.
            wanted: Wanted = event.send(answers)  # type: ignore[arg-type]
        except StopIteration as stop:
            return self._finish(stop.value)
        except Exception as error:  # noqa: BLE001 - whatever it is, Kong gets its refusal
            return self.refuse(error)
        self._answers = []
        if isinstance(wanted, Sequence):
            self._asked = wanted
            return b"".join([call.frames for call in wanted])
        self.waiting = wanted
        return b""

    def _finish(self, told: Sequence[Call]) -> bytes:
        """All that is decided in one piece. Kong's own answers to it are read and dropped."""
        self._event, self._phase = None, ""
        sent = b"".join([call.frames for call in told])
        if told and told[-1].method in _LAST:
            self._spent = True
            return sent
        self._sent_ahead = len(told)
        return sent + EMPTY + self._returned()

    def _end_event(self) -> None:
        event, self._event, self.waiting = self._event, None, None
        if event is not None:
            event.close()


_LAST: Final = {"kong.response.exit", NO_INSTANCE.method}
"""After these Kong drops the connection."""


def _event(instances: Instances, call: HandleEvent) -> Event:
    """One event on whatever its instance is."""
    found = instances.find(call.instance_id)
    if found is None:
        return [NO_INSTANCE]
    if isinstance(found, Starting):
        yield found
        found = found.served
    return (yield from found.event(call.event_name))


def _answer_to(error: Exception, *, over_response: bool) -> Call:
    return refusal(overloaded() if isinstance(error, OverloadedError) else None, over_response=over_response)


class OverloadedError(Exception):
    """More than a worker takes at once, or can look at in time."""


def _tell(error: Exception) -> None:
    if isinstance(error, ProtocolError):
        _log.warning("request refused: %s", error)
    elif isinstance(error, PoisonedError):
        _log.error("request refused: it has killed workers before")
    elif not isinstance(error, OverloadedError):
        last = traceback.extract_tb(error.__traceback__)[-1]
        _log.error("request failed at %s:%s: %s", Path(last.filename).name, last.lineno, type(error).__name__)
