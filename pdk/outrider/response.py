"""Answers: what upstream sent, or what a plugin says in its place."""

from outrider.errors import ReplyError
from outrider.headers import Headers, HeaderSource

BODILESS = frozenset({204, 205, 304})
"""Statuses whose answers end with their headers (RFC 9110, section 6.4.1)."""

ResponseState = tuple[Headers, int, bool, bytes]


class Response:
    """A status, headers and a body.

    Returned from a hook it is the reply that downstream gets. In `on_response` it is upstream's answer:
    change `status` and `headers` in place; its `body` arrives in `on_response_body`, if the plugin has one.
    `status` is 200 to 599: anything else raises `ReplyError`.
    """

    __slots__ = ("_headers", "_received", "_status", "_status_changed", "body", "body_skipped")

    def __init__(self, status: int = 200, *, body: bytes | str = b"", headers: HeaderSource = ()) -> None:
        self._status = _checked(status)
        self._status_changed = self._received = False
        self._headers = Headers(headers)
        self.body = body.encode() if isinstance(body, str) else body
        self.body_skipped = False

    @classmethod
    def received(cls, status: int, headers: Headers) -> "Response":
        """For adapters: upstream's answer as the gateway sent it."""
        response = cls.__new__(cls)
        response._status = status
        response._status_changed = False
        response._received = True
        response._headers = headers
        response.body = b""
        response.body_skipped = False
        return response

    @property
    def headers(self) -> Headers:
        """The header fields, to read and to change in place."""
        return self._headers

    @headers.setter
    def headers(self, _: Headers) -> None:
        raise ReplyError("response.headers was replaced: change it in place")

    @property
    def status(self) -> int:
        return self._status

    @status.setter
    def status(self, status: int) -> None:
        if self._received and (self._status in BODILESS) != (_checked(status) in BODILESS):
            # Its body would follow all the same, and be read as the next response.
            raise ReplyError(f"upstream's {self._status} can't become {status}: return a Response in its place")
        self._status = _checked(status)
        self._status_changed = True

    @property
    def status_changed(self) -> bool:
        """For adapters: whether a plugin set the status of upstream's answer."""
        return self._status_changed

    def skip_body(self) -> None:
        """In `on_response`: this plugin's body and chunk hooks are not needed for this response.

        Where no other plugin needs the body either, it passes without a detour.
        """
        self.body_skipped = True

    def snapshot(self) -> ResponseState:
        """For the chain: all that a hook can change."""
        return self.headers.copy(), self._status, self._status_changed, self.body

    def restore(self, state: ResponseState) -> None:
        """For the chain: undoes what a failed hook changed."""
        headers, self._status, self._status_changed, self.body = state
        self._headers.adopt(headers)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._status}>"


class Refusal(Response):
    """A refusal in the form that every plugin shares.

    Downstream gets `{"message": ..., "request_id": ...}` as JSON; a gRPC call gets grpc-status and
    grpc-message in its place, and a HEAD request no body. The message is for strangers: say nothing about
    why a credential failed.
    """

    __slots__ = ("message",)

    def __init__(self, status: int, message: str, *, headers: HeaderSource = ()) -> None:
        super().__init__(status, headers=headers)
        self.message = message


def _checked(status: int) -> int:
    # Envoy turns a missing status, or one below 200, into a 200.
    if type(status) is not int or not 200 <= status <= 599:
        raise ReplyError(f"{status!r} is no status of an answer: give a whole number from 200 to 599")
    return status
