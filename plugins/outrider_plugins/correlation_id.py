"""The plugin correlation-id: one id for each request, in every log on its way."""

import uuid
from collections.abc import Callable
from typing import ClassVar, Literal

from outrider import HeaderName, Needs, Plugin, Request, Runtime, StartError
from outrider.request import is_request_id


class CorrelationId(Plugin):
    """Gives every request an id: upstream and downstream get it in a header, logs and refusals name it."""

    priority: ClassVar[int] = 100_001

    header: HeaderName = "x-request-id"
    """The header that carries the id."""
    form: Literal["uuid", "ulid"] = "uuid"
    """What new ids are: `uuid`, random (RFC 9562, version 4), or `ulid`, which sort by the time they were made."""
    echo: bool = True
    """Whether downstream gets the id too, whatever answers."""
    trust: bool = False
    """Whether a well-formed id from downstream is kept; otherwise each request gets a new one."""

    def needs(self) -> Needs:
        return Needs(reply_headers=(self.header,) if self.echo else ())

    async def start(self, _: Runtime, /) -> None:
        self._new_id = _ulids() if self.form == "ulid" else _uuid

    def on_request(self, request: Request, /) -> None:
        given = request.headers.get(self.header, "") if self.trust else ""
        request.id = given if is_request_id(given) else self._new_id()
        request.headers[self.header] = request.id
        if self.echo:
            request.reply_headers[self.header] = request.id


def _uuid() -> str:
    return str(uuid.uuid4())


def _ulids() -> Callable[[], str]:
    try:
        # Only here, since it is an extra.
        from ulid import ULID
    except ImportError as error:
        raise StartError("ULIDs need the package python-ulid: install outrider[ulid]") from error
    return lambda: str(ULID())
