"""The plugin openapi-validation: requests and responses have to be as an OpenAPI document describes them."""

import asyncio
import logging
import re
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from outrider import Headers, Needs, Plugin, Request, Response, Runtime
from outrider.fields import FilePath
from outrider.needs import Hook
from outrider_plugins.openapi.problem import Wrong

if TYPE_CHECKING:
    from outrider_plugins.openapi.checks import Checks, Steps

_LARGEST = 10 * 1024 * 1024
_QUICK = 64 * 1024  # bytes; a larger body would keep other requests waiting
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"})
_GZIP = re.compile(r"(?:^|,)[ \t]*gzip[ \t]*(?:,|$)", re.IGNORECASE)
_ON_REQUEST: tuple[Hook, ...] = ("on_request_body",)
_ON_RESPONSE: tuple[Hook, ...] = ("on_response", "on_response_body")
_log = logging.getLogger("outrider.plugin.openapi-validation")

Of = Literal["request", "response"]


def _base_path(path: str) -> str:
    if not path.startswith("/"):
        raise ValueError("does not begin with a slash: write a path, as in /v1")
    return path


class OpenapiValidation(Plugin):
    """Refuses, or reports, requests and responses that are not as an OpenAPI document (3.0 or 3.1) describes them.

    Looks at the path, the query, headers, cookies and bodies. A refusal is a problem of RFC 9457.
    """

    priority: ClassVar[int] = 930
    rare_hooks: ClassVar[frozenset[Hook]] = frozenset(_ON_RESPONSE)

    spec: FilePath
    """The document: a JSON or YAML file, relative to the one that names it. No other file or host is ever read."""
    mode: Literal["refuse", "report"] = "refuse"
    """Whether what does not fit is refused, or let through with a line in the log that says where it does not fit."""
    requests: bool = True
    """Whether requests are checked."""
    responses: bool = False
    """Whether responses are checked: one that does not fit becomes 502."""
    base_path: Annotated[str, AfterValidator(_base_path)] | None = None
    """What stands before the document's paths, as downstream sends them; null for the paths of its servers."""
    unknown: Literal["refuse", "pass"] = "refuse"
    """What becomes of requests for a path or method that the document does not have: 404 or 405, or they pass."""
    unknown_query: Literal["refuse", "pass"] = "pass"
    """What becomes of parameters in the query that the document does not name."""
    unchecked_bodies: Literal["refuse", "pass"] = "refuse"
    """What becomes of bodies that have a schema and a media type that can't be checked, such as XML."""
    max_body: int = Field(default=1024 * 1024, ge=0, le=_LARGEST)
    """The largest body that is checked, in bytes, unpacked; a larger one is refused."""
    errors: bool = True
    """Whether downstream is told what does not fit, and where."""

    @model_validator(mode="after")
    def _reads_the_document(self) -> Self:
        if not (self.requests or self.responses):
            raise ValueError("checks neither requests nor responses: turn one on")
        self._checks = self._compiled()
        return self

    def needs(self) -> Needs:
        hooks: set[Hook] = {"on_request"}
        hooks.update(_ON_REQUEST if self.requests else (), _ON_RESPONSE if self.responses else ())
        return Needs(facts=frozenset({"headers", "method", "path"}), hooks=frozenset(hooks))

    async def start(self, runtime: Runtime, /) -> None:
        help_ = "Requests and responses that are not as their OpenAPI document describes them."
        self._misfits = {
            of: runtime.metrics.counter("outrider_openapi_misfits_total", help_, of=of, mode=self.mode)
            for of in ("request", "response")
        }

    def on_request(self, request: Request, /) -> Response | None:
        if self.responses and "accept-encoding" in request.headers:
            # Upstream must not pack its answer in a way that can't be read here.
            packed = _GZIP.search(request.headers["accept-encoding"])
            request.headers["accept-encoding"] = "gzip" if packed else "identity"
        if not self.requests:
            return None
        found = self._checks.find(request)
        if not isinstance(found, Wrong):
            return self._settled(request, self._checks.request(request, found))
        request.skip_body()
        return None if self.unknown == "pass" else self._settled(request, found)

    def on_request_body(self, request: Request, body: bytes, /) -> Response | Awaitable[Response | None] | None:
        found = self._checks.find(request)
        if isinstance(found, Wrong):
            return None if self.unknown == "pass" else self._settled(request, found)
        steps = self._checks.request_body(found.operation, request.headers, body)
        return self._run(steps, body, request, request.headers)

    def on_response(self, request: Request, response: Response, /) -> Response | None:
        found = self._checks.find(request)
        if isinstance(found, Wrong):
            response.skip_body()
            return None
        wrong = self._checks.response(request, found.operation.shape(response.status), response)
        return self._settled(request, wrong, "response")

    def on_response_body(
        self, request: Request, response: Response, body: bytes, /
    ) -> Response | Awaitable[Response | None] | None:
        found = self._checks.find(request)
        shape = None if isinstance(found, Wrong) else found.operation.shape(response.status)
        if shape is None:
            return None
        steps = self._checks.response_body(shape, response.headers, body)
        return self._run(steps, body, request, response.headers, "response")

    def _run(
        self, steps: "Steps", body: bytes, request: Request, headers: Headers, of: Of = "request"
    ) -> Response | Awaitable[Response | None] | None:
        if len(body) > _QUICK or "content-encoding" in headers:
            return self._run_slowly(steps, request, of)
        try:
            while True:
                next(steps)
        except StopIteration as ended:
            return self._settled(request, ended.value, of)

    async def _run_slowly(self, steps: "Steps", request: Request, of: Of) -> Response | None:
        """Lets other requests have their turn between the steps. The library keeps the interpreter to itself: a
        thread would make nobody wait less.
        """
        try:
            while True:
                next(steps)
                await asyncio.sleep(0)
        except StopIteration as ended:
            return self._settled(request, ended.value, of)

    def _settled(self, request: Request, wrong: Wrong | None, of: Of = "request") -> Response | None:
        """What becomes of a message that nothing, or something is wrong with."""
        if wrong is None:
            return None
        self._misfits[of].add()
        method = request.method if request.method in _METHODS else "another method"
        if self.mode == "report":
            _log.warning(
                "a %s would be refused with %d (%s): %s", of, wrong.status, method, self._told(request, wrong)
            )
            return None
        if of == "response":
            _log.warning("a response was refused (%s): %s", method, self._told(request, wrong))
        return wrong.problem(request, errors=self.errors)

    def _told(self, request: Request, wrong: Wrong) -> str:
        found = self._checks.find(request)
        return wrong.logged() if isinstance(found, Wrong) else f"{found.operation.template}: {wrong.logged()}"

    def _compiled(self) -> "Checks":
        try:
            # Only here, since they are an extra.
            from outrider_plugins.openapi.checks import Checks
            from outrider_plugins.openapi.contract import compile_contract

            contract = compile_contract(self.spec, self.base_path, responses=self.responses)
        except ImportError:
            raise ValueError(
                "needs the packages jsonschema-rs and openapi-spec-validator: install outrider[openapi]"
            ) from None
        return Checks(contract, self.max_body, self.unknown_query, self.unchecked_bodies)
