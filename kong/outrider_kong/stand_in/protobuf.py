"""Kong's side of one call over ProtoBuf:1: bytes of the plugin server in, bytes out, and how it ended."""

import struct

from google.protobuf.message import DecodeError

from outrider_kong.proto import pluginsocket_pb2 as pb
from outrider_kong.stand_in.exchange import BodyWantedError, Exchange
from outrider_kong.stand_in.pdk import LuaError, call
from outrider_kong.stand_in.proto_values import unwrap, wrap
from outrider_kong.stand_in.signatures import SIGNATURES


class ServerError(Exception):
    """What a call gives back instead of a result: Kong looks into the text for what to do."""


def frame(data: bytes) -> bytes:
    """One message on the wire: its length as little-endian uint32, then itself."""
    return struct.pack("<I", len(data)) + data


class Call:
    """An RpcCall. With an exchange the plugin server may call functions before it returns.

    Feed what comes with `receive`, send what `output` gives. `wants_body` asks for the request body to be read, then
    for `receive(b"")`. ExitError and LuaError of a function pass through `receive` and end the call, as ServerError.
    """

    def __init__(self, sequence: int, command: pb.RpcCall, exchange: Exchange | None = None) -> None:
        self._sequence = sequence
        # None once no function may be called any more.
        self._exchange = exchange
        self._input = b""
        self._output = bytearray(frame(command.SerializeToString()))
        self.wants_body = False
        self.result: pb.RpcReturn | None = None

    @property
    def done(self) -> bool:
        return self.result is not None

    @property
    def leftover(self) -> bool:
        """The plugin server said more than it should: such a connection is of no further use."""
        return bool(self._input)

    def output(self) -> bytes:
        """What is to be sent now."""
        data = bytes(self._output)
        self._output.clear()
        return data

    def receive(self, data: bytes) -> None:
        """Takes bytes and does all that they ask for, in order."""
        self._input += data
        self.wants_body = False
        while not (self.done or self.wants_body) and self._step():
            pass

    def _step(self) -> bool:
        """One call or the return, if all of it has come."""
        first = self._peek(0)
        if first is None:
            return False
        if self._exchange is None:
            self._return(*first)
        elif first[0] == b"":
            self._exchange = None
            self._input = self._input[first[1] :]
        else:
            argument = self._peek(first[1])
            if argument is None:
                return False
            self._call(self._exchange, first[0], *argument)
        return True

    def _peek(self, start: int) -> tuple[bytes, int] | None:
        """The frame at an offset and where the next one begins."""
        if len(self._input) < start + 4:
            return None
        (length,) = struct.unpack_from("<I", self._input, start)
        end = start + 4 + length
        return (self._input[start + 4 : end], end) if len(self._input) >= end else None

    def _call(self, exchange: Exchange, name: bytes, argument: bytes, end: int) -> None:
        key = name.decode("latin-1")
        signature = SIGNATURES.get(key)
        if signature is None:
            raise ServerError(f'method "{key}" not found')
        try:
            result = call(exchange, key, unwrap(signature[0], argument))
        except BodyWantedError:
            self.wants_body = True
            return
        self._input = self._input[end:]
        self._output += frame(wrap(signature[1], result, exchange))

    def _return(self, data: bytes, end: int) -> None:
        self._input = self._input[end:]
        returned = pb.RpcReturn()
        try:
            returned.ParseFromString(data)
        except DecodeError:
            raise LuaError("can't decode RpcReturn") from None
        if returned.sequence != self._sequence:
            raise LuaError(f"RpcReturn has sequence {returned.sequence}, not {self._sequence}")
        self.result = returned
