"""What a real Kong said, said to our server: plugins that mean the same decide the same as in the transcripts."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from google.protobuf.message import Message

from harness.kong_instances import configured
from harness.kong_peer import KongPeer, fields_of
from harness.kong_transcript import read
from outrider import LogRecord, Plugin, Request, Response
from outrider_kong.frames import Frames
from outrider_kong.proto import pluginsocket_pb2 as pb

Step = tuple[str, bytes]
SETTERS = {"kong.service.request.set_header": "set", "kong.service.request.add_header": "add"}


class PbProbe(Plugin):
    """What the transcript's pb-probe does in its modes that end."""

    mode: str

    def on_request(self, _: Request) -> Response | None:
        if self.mode == "exit":
            return Response(403, body='{"message":"pb says no"}', headers={"x-exit": "1"})
        return None

    def on_response(self, _: Request, response: Response) -> None:
        response.headers["x-pb-response"] = str(response.status)


class PbScript(Plugin):
    """Does what steps of the transcript's pb-script mean."""

    steps: str

    def __post_init__(self) -> None:
        self._steps = {
            phase: [(method, bytes.fromhex(argument)) for method, argument in steps]
            for phase, steps in json.loads(self.steps).items()
        }

    def on_request(self, request: Request) -> Response | None:
        for method, argument in self._steps.get("access", []):
            if method == "kong.response.exit":
                return _reply(argument)
            _change(request, method, argument)
        return None

    def on_request_body(self, _: Request, __: bytes) -> bytes | None:
        new = [argument for method, argument in self._steps.get("access", []) if method.endswith("set_raw_body")]
        return pb.Text.FromString(new[-1]).v if new else None

    def on_response(self, _: Request, response: Response) -> Response | None:
        for method, argument in self._steps.get("response", []):
            match method:
                case "kong.response.exit":
                    return _reply(argument)
                case "kong.response.set_status":
                    response.status = pb.Int.FromString(argument).v
                case "kong.response.clear_header":
                    response.headers.discard(pb.Text.FromString(argument).v.decode())
                case "kong.response.set_header":
                    pair = pb.KeyValue.FromString(argument)
                    response.headers[pair.k.decode()] = pair.v.string_value.decode()
                case _:
                    pass
        return None

    def on_log(self, _: Request, __: LogRecord) -> None:
        """So that log events come."""


def _reply(argument: bytes) -> Response:
    given = pb.Exit.FromString(argument)
    headers = [(name, value) for name, values in fields_of(given.headers).items() for value in values]
    return Response(given.status, body=given.body, headers=headers)


def _change(request: Request, method: str, argument: bytes) -> None:
    if method in SETTERS:
        pair = pb.KeyValue.FromString(argument)
        name, value = pair.k.decode(), pair.v.string_value.decode()
        if SETTERS[method] == "set":
            request.headers.discard(name)
        request.headers.append(name, value)
    elif method == "kong.service.request.set_headers":
        for name, values in fields_of(pb.Struct.FromString(argument)).items():
            request.headers.discard(name)
            for value in values:
                request.headers.append(name, value)
    elif method == "kong.service.request.clear_header":
        request.headers.discard(pb.Text.FromString(argument).v.decode())
    elif method == "kong.service.request.set_raw_query":
        request.query = pb.Text.FromString(argument).v.decode()


@dataclass
class Event:
    """One call of Kong's in a transcript, and what followed on it: what the server asked, and Kong's answers."""

    call: pb.RpcCall
    steps: list[Step] = field(default_factory=list[Step])
    answers: list[bytes] = field(default_factory=list[bytes])
    instance: int = 0
    ended: bool = False
    """Whether the server came to an end: its return, or an exit."""


def events(name: str) -> Iterator[Event]:
    """The calls of a transcript in order, each once all that belongs to it is known."""
    cut: dict[tuple[int, bool], Frames] = {}
    now: dict[int, Event] = {}
    names: dict[int, list[bytes]] = {}
    found: list[Event] = []
    for line in read(name):
        for one in cut.setdefault((line.connection, line.kong), Frames(1 << 24)).feed(line.data):
            event = now.get(line.connection)
            if line.kong and (event is None or event.ended):
                now[line.connection] = Event(pb.RpcCall.FromString(one))
                names[line.connection] = []
                found.append(now[line.connection])
            elif line.kong and event is not None:
                event.answers.append(one)
            elif event is not None:
                _said(event, names[line.connection], one)
    return iter(found)


def _said(event: Event, names: list[bytes], one: bytes) -> None:
    """One frame of the server's: the end, or half of a call."""
    if event.call.WhichOneof("call") != "handle_event" or names == [b""]:
        event.ended = True
        event.instance = pb.RpcReturn.FromString(one).instance_status.instance_id
        return
    names.append(one)
    if len(names) == 2:
        event.steps.append((names[0].decode(), names[1]))
        event.ended = names[0] == b"kong.response.exit"
        names.clear()


class Told(KongPeer):
    """Kong as it was in a transcript's event; what is not told there is as usual."""

    told: dict[Step, bytes] = {}

    def answer(self, method: str, argument: bytes) -> Message | bytes:
        by_method = {called: answer for (called, _), answer in self.told.items()}
        if method == "kong.request.get_raw_body" and b"client_body_temp" in by_method.get(method, b""):
            # The file of that time is gone.
            return pb.RawBody(body_filepath=__file__.encode())
        known = by_method if method.endswith((".get_headers", "_body")) else {}
        return self.told.get((method, argument), known.get(method)) or super().answer(method, argument)


def upstream_gets(steps: list[Step]) -> tuple[dict[str, list[str]], str, bytes]:
    """What the changes in an event come to: headers (none: taken off), query, body."""
    headers: dict[str, list[str]] = {}
    query, body = "", b""
    for method, argument in steps:
        match method.removeprefix("kong.service.request."):
            case "set_header" | "add_header" as verb:
                pair = pb.KeyValue.FromString(argument)
                before = headers.get(pair.k.decode(), []) if verb == "add_header" else []
                headers[pair.k.decode()] = [*before, pair.v.string_value.decode()]
            case "set_headers":
                headers |= fields_of(pb.Struct.FromString(argument))
            case "clear_header":
                headers[pb.Text.FromString(argument).v.decode()] = []
            case "set_raw_query":
                query = pb.Text.FromString(argument).v.decode()
            case "set_raw_body":
                body = pb.Text.FromString(argument).v
            case _:
                pass
    return headers, query, body


def answered(steps: list[Step]) -> tuple[int, bytes, dict[str, list[str]]] | None:
    """What downstream gets in place of upstream's answer."""
    given = [pb.Exit.FromString(argument) for method, argument in steps if method == "kong.response.exit"]
    if not given:
        return None
    # Ours says of a body without a type what Envoy says of it.
    headers = {name: values for name, values in fields_of(given[0].headers).items() if name != "content-type"}
    return given[0].status, given[0].body, headers


@pytest.mark.parametrize("name", ["protobuf-phases", "protobuf-pdk"])
def test_the_same_is_decided_as_in_the_transcript(tmp_path: Path, name: str) -> None:
    server = configured(tmp_path, PbProbe, PbScript)
    peer = Told(server.connect)
    peer.headers.append((b"x-test", b"t1"))
    ids: dict[int, int] = {}
    compared = 0
    for event in events(name):
        call = event.call
        if call.WhichOneof("call") == "start_instance":
            ids[event.instance] = peer.start(f"outrider-{call.start_instance.name}", call.start_instance.config)
            continue
        if not event.ended or any("nope" in method for method, _ in event.steps):
            # Kong gave up: the server was killed, slept, or called what is not there.
            continue
        peer.told = dict(zip(event.steps, event.answers, strict=False))
        phase = call.handle_event.event_name
        peer.event(phase, ids[call.handle_event.instance_id])
        assert answered(peer.calls) == answered(event.steps), call
        if phase == "access" and answered(event.steps) is None:
            assert upstream_gets(peer.calls) == upstream_gets(event.steps), call
        compared += 1
    assert compared >= {"protobuf-phases": 8, "protobuf-pdk": 30}[name]
