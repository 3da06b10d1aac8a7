"""The plugin request-size-limit: how large a request's body may be."""

import re
from typing import ClassVar, cast

from pydantic import Field

from outrider import AbortError, Needs, Plugin, Refusal, Request

_COUNT = "request-size-limit"
_LENGTH = re.compile(r"[0-9]{1,19}")  # RFC 9110, section 8.6; more digits are over any limit


class RequestSizeLimit(Plugin):
    """Refuses requests with a body over a limit.

    A body whose length is declared is judged by that, before it is read: the gateway sees to it that no byte more
    comes. Any other is counted as it passes, and cut off with the byte that is too many.
    """

    priority: ClassVar[int] = 1800

    limit: int = Field(ge=0, le=2**53)
    """The largest body, in bytes, as it is sent: a compressed one counts compressed."""
    require_content_length: bool = False
    """Whether a body without a content-length is refused with 411."""

    def needs(self) -> Needs:
        return Needs(facts=frozenset({"headers"}))

    def on_request(self, request: Request, /) -> Refusal | None:
        declared = request.headers.get("content-length")
        chunked = "transfer-encoding" in request.headers
        if declared is not None:
            if not _LENGTH.fullmatch(declared) or int(declared) > self.limit:
                return _too_large()
            if not chunked:
                request.skip_body()
        elif chunked and self.require_content_length:
            return _length_required()
        return None

    def on_request_chunk(self, request: Request, chunk: bytes, _: bool, /) -> bytes:
        if chunk and self.require_content_length:
            raise AbortError(_length_required())
        count = cast("int", request.context.get(_COUNT, 0)) + len(chunk)
        if count > self.limit:
            raise AbortError(_too_large())
        request.context[_COUNT] = count
        return chunk


def _too_large() -> Refusal:
    return Refusal(413, "The body is too large")


def _length_required() -> Refusal:
    return Refusal(411, "The body needs a content-length")
