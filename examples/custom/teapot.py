"""A first plugin."""

from outrider import Plugin, Request, Response


class Teapot(Plugin):
    """Refuses to brew coffee."""

    def on_request(self, request: Request) -> Response | None:
        if request.normal_path.endswith("/coffee"):
            return Response(418, body=b"short and stout\n")
        return None
