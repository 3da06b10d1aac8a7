"""Refusals as problem details (RFC 9457)."""

import json
from http import HTTPStatus
from typing import NamedTuple

from outrider import Refusal, Request, Response
from outrider_plugins.openapi.findings import Finding


class Wrong(NamedTuple):
    """Why a message does not pass. `allowed` are the methods of a path that has not the one asked for."""

    status: int
    detail: str
    findings: tuple[Finding, ...] = ()
    allowed: tuple[str, ...] = ()

    def problem(self, request: Request, *, errors: bool) -> Response:
        """The answer that says so; a gRPC call gets it in its own terms. `errors` tells the findings, too."""
        if request.is_grpc:
            return Refusal(self.status, self.detail)
        title = HTTPStatus(self.status).phrase
        about: dict[str, object] = {"type": "about:blank", "title": title, "status": self.status}
        about["detail"] = self.detail
        if errors and self.findings:
            about["errors"] = [finding.told() for finding in self.findings]
        response = Response(self.status, body=json.dumps({**about, "request_id": request.id}))
        response.headers["content-type"] = "application/problem+json"
        if self.allowed:
            response.headers["allow"] = ", ".join(self.allowed)
        return response

    def logged(self) -> str:
        """As the log has it."""
        return "; ".join(finding.logged() for finding in self.findings) or self.detail
