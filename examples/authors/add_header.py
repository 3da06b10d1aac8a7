"""The smallest plugin with a configuration."""

from typing import ClassVar

from outrider import HeaderName, Plugin, Request


class AddHeader(Plugin):
    """Adds one header to the request that goes upstream."""

    priority: ClassVar[int] = 800

    name: HeaderName
    """The header."""
    value: str = "yes"
    """What it says."""

    def on_request(self, request: Request) -> None:
        request.headers[self.name] = self.value
