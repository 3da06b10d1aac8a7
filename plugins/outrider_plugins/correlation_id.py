"""The plugin correlation-id: one id for each request, in every log on its way."""

import uuid
from typing import ClassVar

from outrider import HeaderName, Needs, Plugin, Request
from outrider.request import is_request_id


class CorrelationId(Plugin):
    """Gives every request an id: upstream and downstream get it in a header, logs and refusals name it."""

    priority: ClassVar[int] = 100_001

    header: HeaderName = "x-request-id"
    """The header that carries the id."""
    echo: bool = True
    """Whether downstream gets the id too, whatever answers."""
    trust: bool = False
    """Whether a well-formed id from downstream is kept; otherwise each request gets a new random one."""

    def needs(self) -> Needs:
        return Needs(reply_headers=(self.header,) if self.echo else ())

    def on_request(self, request: Request, /) -> None:
        given = request.headers.get(self.header, "") if self.trust else ""
        request.id = given if is_request_id(given) else str(uuid.uuid4())
        request.headers[self.header] = request.id
        if self.echo:
            request.reply_headers[self.header] = request.id
