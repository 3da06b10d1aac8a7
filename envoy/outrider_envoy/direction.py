"""One direction of an ext_proc stream: the request, or the response."""

from typing import Literal

from outrider.exchange import ChunkWalk, Walk
from outrider_envoy.modes import BUFFERED, DUPLEX, NONE, STREAMED, Mode

Kind = Literal[
    "request_headers", "request_body", "request_trailers", "response_headers", "response_body", "response_trailers"
]
State = Literal["absent", "headers", "awaits body", "chunks", "passes"]
"""`absent` until the headers came; `headers` while their hooks run; then the chain `awaits body`, takes `chunks`, or
has decided: what follows `passes`."""


class Direction:
    """How far one message has come, and how Envoy sends its body.

    `configured` is the mode that Envoy said it has, `mode` the one in force after our answer. `ended` says that the
    message ended with its headers, `over` that it has ended, `bodiless` that it has no body for plugins: an upgrade
    has none either. `length` is the content-length that it came with.
    """

    __slots__ = (
        "bodiless",
        "body",
        "configured",
        "ended",
        "headers",
        "length",
        "mode",
        "over",
        "state",
        "trailers",
        "walk",
    )

    def __init__(self, headers: Kind, body: Kind, trailers: Kind) -> None:
        self.headers: Kind = headers
        self.body: Kind = body
        self.trailers: Kind = trailers
        self.state: State = "absent"
        self.walk: Walk | ChunkWalk | None = None
        self.configured: Mode = NONE
        self.mode: Mode = NONE
        self.ended = self.over = self.bodiless = False
        self.length: str | None = None

    def sends(self, mode: Mode) -> None:
        """Takes over how Envoy is configured."""
        self.configured = self.mode = mode

    def begin(self, *, ended: bool, bodiless: bool, length: str | None) -> None:
        """Its headers have come."""
        self.ended = self.over = ended
        self.bodiless = ended or bodiless
        self.length = length
        self.state = "headers"

    def wanted(self, *, resizes: bool) -> Mode:
        """The mode that fits what the chain still wants of this message."""
        if self.state == "awaits body":
            return BUFFERED
        if self.state == "chunks":
            return DUPLEX if resizes else STREAMED
        return NONE

    def can_be(self, wanted: Mode) -> bool:
        """Whether Envoy sends enough for that, also if it listens to no answer about it."""
        if wanted == BUFFERED:
            return self.configured == BUFFERED
        return wanted == NONE or self.configured in (STREAMED, BUFFERED, DUPLEX)

    @property
    def ends_bare(self) -> bool:
        """Whether the headers were all, and no length among them: then its mode changes nothing."""
        return self.ended and self.length is None

    @property
    def is_open(self) -> bool:
        """Whether hooks are still at work on it, or wait for more of it."""
        return self.walk is not None or self.state == "chunks"

    def stop(self) -> bool:
        """Ends what still runs; whether something did."""
        walk, self.walk = self.walk, None
        if walk is not None:
            walk.close()
        return walk is not None
