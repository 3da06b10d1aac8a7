"""The plugin request-termination: answers in place of upstream."""

from http import HTTPStatus
from typing import Annotated, ClassVar, Self
from urllib.parse import parse_qsl

from pydantic import AfterValidator, Field, model_validator

from outrider import Needs, Plugin, Refusal, Request, Response
from outrider.headers import header_value
from outrider.response import BODILESS


def _content_type(value: str) -> str:
    return header_value("content-type", value)


class RequestTermination(Plugin):
    """Answers every request itself, or those that carry a trigger; upstream gets none of them.

    It runs last, so only requests that every other plugin lets on get its answer.
    """

    priority: ClassVar[int] = 2

    status: int = Field(default=503, ge=200, le=599)
    """The status of the answer."""
    message: str | None = None
    """What a refusal says; null for the usual words of the status."""
    body: str | None = None
    """The body of the answer, in place of a refusal."""
    content_type: Annotated[str, AfterValidator(_content_type)] | None = None
    """The content-type of `body`; null for text/plain in UTF-8."""
    trigger: str | None = Field(default=None, min_length=1)
    """The name of a header or query parameter: only requests that carry it are answered; null for all."""

    @model_validator(mode="after")
    def _has_one_answer(self) -> Self:
        if self.body is not None and self.message is not None:
            raise ValueError("has a body and a message: keep one of them")
        if self.content_type is not None and self.body is None:
            raise ValueError("has a content_type and no body: add the body, or leave content_type out")
        if self.status in BODILESS and (self.body or self.message):
            raise ValueError(f"status {self.status} has no body: leave body and message out")
        return self

    def needs(self) -> Needs:
        return Needs(facts=frozenset({"headers", "path"}) if self.trigger else frozenset())

    def on_request(self, request: Request, /) -> Response | None:
        if self.trigger and not _carries(request, self.trigger):
            return None
        if self.body is not None:
            kind = self.content_type or "text/plain; charset=utf-8"
            return Response(self.status, body=self.body, headers={"content-type": kind})
        if self.status in BODILESS:
            return Response(self.status)
        return Refusal(self.status, self.message or _usual_words(self.status))


def _carries(request: Request, name: str) -> bool:
    if name in request.headers:
        return True
    parameters = parse_qsl(request.query, keep_blank_values=True, errors="surrogateescape")
    return any(parameter == name for parameter, _ in parameters)


def _usual_words(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "The request was terminated"
