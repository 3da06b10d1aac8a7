"""The answer to requests that an overloaded worker refuses: made once, since it is needed very often when it is."""

import uuid
from collections.abc import Callable
from functools import lru_cache
from typing import Final

from outrider.headers import Fields
from outrider.request import Request, is_grpc_type, is_request_id
from outrider.verdict import Reply, overloaded, reply

Refuse = Callable[[Fields], bytes]
"""Writes the answer to a request that has these header fields, pseudo-headers too."""

_SAMPLE: Final = "00000000-0000-0000-0000-000000000000"
"""As long as the ids that Envoy makes: the request's own takes its place."""
_PLACE: Final = _SAMPLE.encode()
_ABSENT: Final = ("",)


def refusing(write: Callable[[Reply], bytes]) -> Refuse:
    """The answers of one protocol, in which `write` writes a reply."""

    @lru_cache(maxsize=4)
    def sample(*, head: bool, grpc: bool) -> bytes:
        return made(_SAMPLE, head=head, grpc=grpc)

    def made(request_id: str, *, head: bool, grpc: bool) -> bytes:
        request = Request("HEAD" if head else "GET", headers={"content-type": "application/grpc"} if grpc else ())
        request.id = request_id
        return write(reply(request, overloaded()))

    def refuse(fields: Fields) -> bytes:
        head = fields.get(":method", _ABSENT)[0] == "HEAD"
        grpc = is_grpc_type(fields.get("content-type", _ABSENT)[0])
        given = fields.get("x-request-id", _ABSENT)[0]
        request_id = given if is_request_id(given) else str(uuid.uuid4())
        if len(request_id) != len(_SAMPLE):
            return made(request_id, head=head, grpc=grpc)
        return sample(head=head, grpc=grpc).replace(_PLACE, request_id.encode())

    return refuse
