"""A plugin that acts on responses and at the end of a request."""

import logging

from outrider import LogRecord, Plugin, Request, Response

_log = logging.getLogger("outrider.plugin.no-details")


class NoDetails(Plugin):
    """Replaces the body of an upstream's 5xx answer, and logs slow requests."""

    slow: float = 1.0
    """From how many seconds on a request is worth a line."""

    def on_response(self, request: Request, response: Response) -> Response | None:
        if response.status >= 500:
            return Response(response.status, body="Something went wrong.\n")
        return None

    def on_log(self, request: Request, log: LogRecord) -> None:
        if log.duration >= self.slow:
            _log.warning("%s took %.1f s and ended as %s", request.route.name, log.duration, log.ending)
