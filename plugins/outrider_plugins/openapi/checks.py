"""What is wrong with a request or a response, and the status that it is refused with."""

import re
from collections.abc import Generator
from dataclasses import dataclass
from typing import Literal

from outrider import Headers, Request, Response
from outrider.response import BODILESS
from outrider_plugins.openapi.bodies import Body, Choice, findings_in_steps
from outrider_plugins.openapi.contract import Contract, Found
from outrider_plugins.openapi.findings import MOST, Finding
from outrider_plugins.openapi.operations import Operation, ResponseShape
from outrider_plugins.openapi.parts import Parts
from outrider_plugins.openapi.problem import Wrong
from outrider_plugins.transforms.codings import CODINGS, TooLargeError, unpack

_LENGTH = re.compile(r"[0-9]{1,19}")  # RFC 9110, section 8.6

Steps = Generator[None, None, Wrong | None]
"""A check that pauses between what takes long with a large body."""


TOO_LARGE = Wrong(413, "The body is too large")
UNKNOWN_TYPE = Wrong(415, "The API takes no body of this content type")
UNCHECKED_TYPE = Wrong(415, "A body of this content type can't be checked")
UNKNOWN_CODING = Wrong(415, "The body's content encoding is not supported")


@dataclass(frozen=True, slots=True)
class Checks:
    """The checks of one instance. `max_body` is in bytes, unpacked."""

    contract: Contract
    max_body: int
    unknown_query: Literal["refuse", "pass"]
    unchecked_bodies: Literal["refuse", "pass"]

    def find(self, request: Request) -> Found | Wrong:
        """The operation of a request, or the refusal of one that has none."""
        found = self.contract.find(request.method, request.normal_path)
        if isinstance(found, Found):
            return found
        if not found.allowed:
            return Wrong(404, "The API has no such path")
        return Wrong(405, "The API has no such method at this path", allowed=found.allowed)

    def request(self, request: Request, found: Found) -> Wrong | None:
        """What is wrong with a request before its body is read; skips a body that is not to be looked at."""
        parts = Parts(found.values, request.query, request.headers)
        findings = found.operation.findings(parts, closed=self.unknown_query == "refuse")
        if findings:
            request.skip_body()
            return _request_is(findings)
        reads = self._reads_body(found.operation, request.headers)
        if reads is not True:
            request.skip_body()
        return reads if isinstance(reads, Wrong) else None

    def request_body(self, operation: Operation, headers: Headers, raw: bytes) -> Steps:
        """What is wrong with a request's body."""
        if not raw:
            return _body_is("is missing") if operation.body and operation.body.required else None
        if operation.body is None:
            return _body_is("is not declared")
        choice = self._choice(operation.body, headers)
        if not isinstance(choice, Choice):
            return choice
        found = yield from self._findings(choice, headers, raw)
        return found if found is None or isinstance(found, Wrong) else _request_is(found)

    def response(self, request: Request, shape: ResponseShape | None, response: Response) -> Wrong | None:
        """What is wrong with a response before its body is read; skips a body that is not to be looked at."""
        findings = [Finding("status", "", "", "is not declared")] if shape is None else []
        if shape is not None:
            findings = list(shape.findings(response.headers))
        if shape is None or findings or shape.body is None or not self._reads_answer(request, shape.body, response):
            response.skip_body()
        return _response_is(findings) if findings else None

    def response_body(self, shape: ResponseShape, headers: Headers, raw: bytes) -> Steps:
        """What is wrong with a response's body."""
        if shape.body is None:
            return None
        choice = self._choice(shape.body, headers)
        if choice is None:
            return None
        if isinstance(choice, Wrong):
            return _response_is([Finding("body", "", "", "has a content type that is not declared or checked")])
        found = yield from self._findings(choice, headers, raw)
        if isinstance(found, Wrong):
            return _response_is([Finding("body", "", "", "is too large, or packed so that it can't be read")])
        return None if found is None else _response_is(found)

    def _reads_body(self, operation: Operation, headers: Headers) -> bool | Wrong:
        """Whether the body is to be looked at; what is wrong where its headers say so already."""
        told = headers.get("content-length", "")
        length = int(told) if _LENGTH.fullmatch(told) else None
        if length == 0:
            return _body_is("is missing") if operation.body and operation.body.required else False
        if operation.body is None:
            return True if length is None else _body_is("is not declared")
        # Of a request without a length nobody knows yet whether it has a body, unless it says of what type it is.
        if length is None and "content-type" not in headers:
            return True
        choice = self._choice(operation.body, headers)
        if not isinstance(choice, Choice):
            return choice or False
        return TOO_LARGE if (length or 0) > self.max_body else True

    def _reads_answer(self, request: Request, body: Body, response: Response) -> bool:
        headers = response.headers
        if request.method == "HEAD" or response.status in BODILESS or headers.get("content-length") == "0":
            return False
        return self._choice(body, headers) is not None

    def _choice(self, body: Body, headers: Headers) -> Choice | Wrong | None:
        """How a body that is there is read; None if any bytes will do."""
        choice = body.choose(headers.get("content-type"))
        if choice is None:
            return UNKNOWN_TYPE
        if choice.is_unreadable:
            return UNCHECKED_TYPE if self.unchecked_bodies == "refuse" else None
        return None if choice.is_unchecked else choice

    def _findings(
        self, choice: Choice, headers: Headers, raw: bytes
    ) -> Generator[None, None, list[Finding] | Wrong | None]:
        if len(raw) > self.max_body:
            return TOO_LARGE
        coding = headers.get("content-encoding", "").strip().lower()
        if coding not in CODINGS:
            return UNKNOWN_CODING
        try:
            plain = unpack(raw, coding, self.max_body)
        except TooLargeError:
            return TOO_LARGE
        except ValueError:
            return [Finding("body", "", "", "is not packed as its content-encoding says")]
        yield
        findings = yield from findings_in_steps(choice, plain)
        return findings or None


def _request_is(findings: list[Finding]) -> Wrong:
    return Wrong(400, "The request is not as the API describes it", tuple(findings[:MOST]))


def _response_is(findings: list[Finding]) -> Wrong:
    return Wrong(502, "The response is not as the API describes it", tuple(findings[:MOST]))


def _body_is(what: str) -> Wrong:
    return _request_is([Finding("body", "", "", what)])
