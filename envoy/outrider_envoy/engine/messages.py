"""gRPC messages in the bytes of a stream: flag, length, message (gRPC over HTTP/2, Length-Prefixed-Message)."""

from collections.abc import Iterator
from typing import Final

from outrider.grpc_status import GrpcStatus
from outrider_envoy.calls import Status
from outrider_envoy.engine.shared import HELD_TOO_MUCH, Shared

PREFIX: Final = 5


class BadMessageError(Exception):
    """The call must end with this status."""

    def __init__(self, status: Status) -> None:
        super().__init__(status.message)
        self.status = status


class Messages:
    """Puts the messages of one stream together."""

    __slots__ = ("_encoding", "_partial", "_shared", "_wanted")

    def __init__(self, encoding: str, shared: Shared) -> None:
        self._encoding = encoding
        self._shared = shared
        self._partial: bytearray | None = None
        self._wanted = PREFIX

    def feed(self, payload: bytes) -> Iterator[bytes]:
        """The messages that are whole with these bytes. Raises `BadMessageError`."""
        partial = self._partial
        if partial is not None:
            self._hold(len(payload))
            partial += payload
            if len(partial) < self._wanted:
                return
            payload = bytes(partial)
            self.drop()
        at, end = 0, len(payload)
        while end - at >= PREFIX:
            wanted = PREFIX + self._length(payload, at)
            if end - at < wanted:
                self._keep(payload[at:], wanted)
                return
            yield payload[at + PREFIX : at + wanted]
            at += wanted
        if at < end:
            self._keep(payload[at:], PREFIX)

    @property
    def unfinished(self) -> bool:
        return self._partial is not None

    def drop(self) -> None:
        """Forgets what is unfinished."""
        if self._partial is not None:
            self._shared.release(len(self._partial))
            self._partial = None

    def _keep(self, rest: bytes, wanted: int) -> None:
        self._hold(len(rest))
        self._partial, self._wanted = bytearray(rest), wanted

    def _hold(self, more: int) -> None:
        if not self._shared.hold(more):
            raise BadMessageError(HELD_TOO_MUCH)

    def _length(self, payload: bytes, at: int) -> int:
        if payload[at]:
            raise BadMessageError(self._compressed(payload[at]))
        length = int.from_bytes(payload[at + 1 : at + PREFIX], "big")
        most = self._shared.limits.message
        if length > most:
            raise BadMessageError(Status(GrpcStatus.RESOURCE_EXHAUSTED, f"a message is longer than {most} bytes"))
        return length

    def _compressed(self, flag: int) -> Status:
        if flag == 1 and self._encoding != "identity":
            return Status(GrpcStatus.UNIMPLEMENTED, "compressed messages are not supported: use identity")
        return Status(GrpcStatus.INTERNAL, "a message with a compressed flag, and no grpc-encoding")
