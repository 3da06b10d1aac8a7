"""A plugin that rewrites server-sent events as they pass."""

from outrider import AbortError, Needs, Plugin, Refusal, Request, Response

_HELD = "mask-events"
_LONGEST = 1 << 16


class MaskEvents(Plugin):
    """Takes a word out of event streams. Each line goes on as soon as it is whole."""

    word: str
    """What nobody may read."""

    def needs(self) -> Needs:
        return Needs(resizes=frozenset({"on_response_chunk"}))

    def on_request(self, request: Request) -> None:
        request.headers.discard("accept-encoding")  # a compressed stream could not be read

    def on_response(self, request: Request, response: Response) -> Response | None:
        if not response.headers.get("content-type", "").startswith("text/event-stream"):
            response.skip_body()
        elif "content-encoding" in response.headers:
            return Refusal(502, "The event stream can't be read")
        return None

    def on_response_chunk(self, request: Request, response: Response, chunk: bytes, last: bool) -> bytes:
        # The context is plain JSON data, which bytes are not.
        data = str(request.context.pop(_HELD, "")).encode("latin-1") + chunk
        whole, newline, rest = (data, b"", b"") if last else data.rpartition(b"\n")
        if len(rest) > _LONGEST:
            raise AbortError(Refusal(502, "A line of the event stream is too long"))
        request.context[_HELD] = rest.decode("latin-1")
        return (whole + newline).replace(self.word.encode(), b"***")
